//! What a writer remembers about the order in which series come.

use crate::series::SeriesSlot;

/// No spelling.
const NONE: u32 = u32::MAX;

/// Memory of one writer for one [`SeriesIndex`](crate::SeriesIndex): which spelling followed which series last time. Collectors send in
/// a stable order, so the next key is compared with the predicted one first, which is cheaper than hashing it. Never gives a wrong
/// answer: bytes are always compared in full. Start a new one when the writer turns to another index.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// By slot: the spelling that came next, or [`NONE`].
    successors: Vec<u32>,
    last: SeriesSlot,
}

impl Default for Predictor {
    fn default() -> Self {
        Self::new()
    }
}

impl Predictor {
    /// A memory without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { successors: Vec::new(), last: 0 }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes it holds: 4 for each slot up to the highest one seen.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.successors.capacity() * size_of::<u32>()
    }

    /// The spelling to try first.
    #[inline]
    pub(crate) fn predicted(&self) -> Option<u32> {
        self.successors.get(self.last as usize).copied().filter(|&s| s != NONE)
    }

    /// The prediction was right: `slot` came.
    #[inline]
    pub(crate) fn advance(&mut self, slot: SeriesSlot) {
        self.last = slot;
    }

    /// `slot` came, spelled `spelling`.
    pub(crate) fn learn(&mut self, spelling: u32, slot: SeriesSlot) {
        let last = self.last as usize;
        if last >= self.successors.len() {
            self.successors.resize((last + 1).max(self.successors.len() * 5 / 4), NONE);
        }
        if let Some(successor) = self.successors.get_mut(last) {
            *successor = spelling;
        }
        self.last = slot;
    }
}
