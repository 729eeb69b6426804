//! Memory budgets that really count.
//!
//! A [`Pool`] is a number of bytes; a [`Charge`] is a part of it that somebody holds and gives back when dropped. What was
//! acknowledged is never refused memory (it is charged even beyond the limit); what asks to come in is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wake::WaitList;

/// A budget.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: u64,
    used: AtomicU64,
    waiting: WaitList,
}

impl Pool {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0), waiting: WaitList::default() })
    }

    /// Bytes it may hold.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether more than `percent` of it is held.
    pub(crate) fn is_over(&self, percent: u64) -> bool {
        self.used() > self.limit / 100 * percent
    }

    /// Tasks waiting for room.
    pub(crate) fn waiting(&self) -> &WaitList {
        &self.waiting
    }

    /// Takes `bytes` if there is room.
    pub(crate) fn try_charge(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        let mut charge = Charge { pool: Arc::clone(self), bytes: 0 };
        charge.try_grow(bytes).then_some(charge)
    }

    /// Takes `bytes` whether there is room or not.
    pub(crate) fn charge(self: &Arc<Self>, bytes: u64) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge { pool: Arc::clone(self), bytes }
    }
}

/// A part of a pool, given back on drop.
#[derive(Debug)]
pub(crate) struct Charge {
    pool: Arc<Pool>,
    bytes: u64,
}

impl Charge {
    /// Takes `more` if there is room.
    pub(crate) fn try_grow(&mut self, more: u64) -> bool {
        let limit = self.pool.limit;
        let grown = self.pool.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|&sum| sum <= limit)
        });
        if grown.is_ok() {
            self.bytes += more;
        }
        grown.is_ok()
    }

    /// Makes it exactly `bytes`, whether there is room or not.
    pub(crate) fn set(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.pool.used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.pool.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.pool.waiting.wake_all();
        }
        self.bytes = bytes;
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_refuses_until_something_is_given_back() {
        let pool = Pool::new(100);
        let a = pool.try_charge(80).unwrap();
        assert!(pool.try_charge(30).is_none());
        drop(a);
        let mut b = pool.try_charge(30).unwrap();
        assert!(b.try_grow(70) && !b.try_grow(1));
        b.set(5);
        assert_eq!((pool.used(), b.bytes()), (5, 5));
        assert!(!pool.is_over(80));
    }
}
