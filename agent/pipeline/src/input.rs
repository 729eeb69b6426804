//! What an input plugin is.

use std::fmt;

use crate::metric::Metric;

/// An input that is asked every interval. Runs on a thread of its own, so it may block; it is given up on and made anew when it
/// overruns its deadline.
pub trait PolledInput: Send {
    /// Takes a silent first sample, for inputs that report differences. Called once before the first
    /// [`gather`](Self::gather).
    ///
    /// # Errors
    /// [`GatherError`], logged; gathering starts all the same.
    fn prime(&mut self) -> Result<(), GatherError> {
        Ok(())
    }

    /// Appends the current metrics to `out`. What was appended before an error is kept.
    ///
    /// # Errors
    /// [`GatherError`] with what could not be read.
    fn gather(&mut self, out: &mut Vec<Metric>) -> Result<(), GatherError>;
}

/// Why a gather is incomplete.
#[derive(Debug)]
pub struct GatherError {
    text: String,
}

impl GatherError {
    /// An error that says what could not be done, and why.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// An I/O error on a path.
    #[must_use]
    pub fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self { text: format!("{}: {error}", path.display()) }
    }
}

impl fmt::Display for GatherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for GatherError {}
