//! Whether the store is well, and if not, why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

/// Problems kept for the operator; the rest is counted.
const PROBLEMS_MAX: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Health {
    read_only: ArcSwapOption<String>,
    disk_low: AtomicBool,
    problems: Mutex<Vec<String>>,
}

/// What [`Store::health`](crate::Store::health) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether all is well.
    pub ok: bool,
    /// Why no writes are taken, if so.
    pub read_only: Option<String>,
    /// What an operator should look at, oldest first.
    pub problems: Vec<String>,
}

impl Health {
    /// No more writes until a restart. The first reason stays.
    pub(crate) fn set_read_only(&self, why: &str) {
        tracing::error!(why, "the store takes no more writes until it is restarted");
        if self.read_only.load().is_none() {
            self.read_only.store(Some(Arc::new(why.to_owned())));
        }
    }

    /// Why no writes are taken.
    pub(crate) fn read_only(&self) -> Option<Arc<String>> {
        self.read_only.load_full()
    }

    /// Little space is left on the disk, or there is enough again.
    pub(crate) fn set_disk_low(&self, low: bool) {
        if self.disk_low.swap(low, Ordering::Relaxed) != low {
            tracing::warn!(low, "free space of the data directory against the reserve");
        }
    }

    pub(crate) fn is_disk_low(&self) -> bool {
        self.disk_low.load(Ordering::Relaxed)
    }

    /// Notes something that stays wrong.
    pub(crate) fn problem(&self, what: String) {
        tracing::error!(problem = %what, "store");
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < PROBLEMS_MAX && !problems.contains(&what) {
            problems.push(what);
        }
    }

    pub(crate) fn report(&self) -> HealthReport {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut read_only = self.read_only().map(|why| why.as_ref().clone());
        if read_only.is_none() && self.is_disk_low() {
            read_only = Some("the disk is almost full; free some space".to_owned());
        }
        HealthReport { ok: problems.is_empty() && read_only.is_none(), read_only, problems }
    }
}
