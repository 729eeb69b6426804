//! What a writer remembers about the order in which series come.
#![allow(clippy::todo, reason = "signatures first")]

/// Memory of one writer for one [`SeriesIndex`](crate::SeriesIndex): which spelling followed which last time. Collectors send in a stable order, so the
/// next key is compared with the predicted one first, which is cheaper than hashing it. Never gives a wrong
/// answer: bytes are always compared in full. Start a new one when the writer turns to another index.
#[derive(Debug, Default)]
pub struct Predictor {}

impl Predictor {
    /// A memory without entries.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }
    /// Forgets everything.
    pub fn clear(&mut self) {
        todo!()
    }
    /// Bytes it holds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        todo!()
    }
}
