//! The queries that run now: for the limit on their number, SHOW QUERIES and KILL QUERY.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_model::read::ReadContext;

/// A running query.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// Its statements.
    pub(crate) text: Arc<str>,
    /// Its default database; may be empty.
    pub(crate) database: Arc<str>,
    /// Monotonic time of its start.
    pub(crate) started: u64,
    /// To stop it.
    pub(crate) context: Arc<ReadContext>,
}

/// All running queries by number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    last: AtomicU64,
    /// Guards nothing but this map; held for single operations.
    queries: Mutex<BTreeMap<u64, Running>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Running>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a query unless there are `max` (0 = any number) already. `Err`: how many there would be.
    pub(crate) fn add(&self, query: Running, max: usize) -> Result<u64, usize> {
        let mut queries = self.lock();
        if max > 0 && queries.len() >= max {
            return Err(queries.len() + 1);
        }
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        queries.insert(id, query);
        Ok(id)
    }

    /// Forgets a query that has ended.
    pub(crate) fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Asks a query to stop; whether there is one of this number.
    pub(crate) fn kill(&self, id: u64) -> bool {
        let found = self.lock().get(&id).cloned();
        found.map(|q| q.context.cancel()).is_some()
    }

    /// All queries.
    pub(crate) fn list(&self) -> Vec<(u64, Running)> {
        self.lock().iter().map(|(id, q)| (*id, q.clone())).collect()
    }
}
