//! Helping threads for one step of a query.
//!
//! A query's own thread always works; it borrows as many helpers as are free, so that all queries together never use more than
//! the configured number of threads for computing.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Result, fail};

/// Counts the helpers that are free.
#[derive(Debug)]
pub(crate) struct Pool {
    free: AtomicUsize,
}

/// Borrowed helpers; given back when dropped, also when a task panics.
struct Helpers<'a> {
    pool: &'a Pool,
    count: usize,
}

impl Drop for Helpers<'_> {
    fn drop(&mut self) {
        self.pool.free.fetch_add(self.count, Ordering::AcqRel);
    }
}

impl Pool {
    /// For `threads` computing threads, the queries' own ones included.
    pub(crate) fn new(threads: usize) -> Self {
        Self { free: AtomicUsize::new(threads.saturating_sub(1)) }
    }

    fn borrow(&self, wanted: usize) -> Helpers<'_> {
        let mut got = 0;
        let _ = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
            got = wanted.min(free);
            Some(free - got)
        });
        Helpers { pool: self, count: got }
    }

    /// The results of `work` for each task, in the order of the tasks. Tasks run on this thread and on free helpers; after
    /// the first error no further task is begun.
    pub(crate) fn map<T: Sync, R: Send>(
        &self,
        tasks: &[T],
        work: &(dyn Fn(&T) -> Result<R> + Sync),
    ) -> Result<Vec<R>> {
        let helpers = self.borrow(tasks.len().saturating_sub(1));
        if helpers.count == 0 {
            return tasks.iter().map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let slots: Vec<Mutex<Option<Result<R>>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
        let run = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(i) else { break };
                let result = work(task);
                if result.is_err() {
                    next.store(tasks.len(), Ordering::Relaxed);
                }
                *slots[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..helpers.count {
                scope.spawn(run);
            }
            run();
        });
        let mut out = Vec::with_capacity(tasks.len());
        let mut missing = false;
        for slot in slots {
            match slot.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(result) => out.push(result?),
                None => missing = true,
            }
        }
        if missing { Err(fail("query interrupted")) } else { Ok(out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_tasks() {
        let pool = Pool::new(4);
        let tasks: Vec<u64> = (0..100).collect();
        assert_eq!(pool.map(&tasks, &|t| Ok(t * 2)).unwrap(), (0..100).map(|t| t * 2).collect::<Vec<_>>());
        assert!(pool.map(&tasks, &|t| if *t == 50 { Err(fail("x")) } else { Ok(*t) }).is_err());
        assert_eq!(pool.free.load(Ordering::Relaxed), 3);
    }
}
