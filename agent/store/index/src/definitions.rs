//! Series definitions as bytes: the payload of log records and series files.
#![allow(clippy::todo, reason = "signatures first")]

/// One series as logs and files define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Durable id.
    pub id: u64,
    /// Measurement instance.
    pub measurement: u32,
    /// Canonical key.
    pub key: &'a str,
}

/// Collects definitions into bytes. Keys are front-coded against the one before, so sorted ones take least space.
#[derive(Debug, Default)]
pub struct DefinitionsWriter {}

impl DefinitionsWriter {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }
    /// Appends one.
    pub fn push(&mut self, definition: Definition<'_>) {
        todo!("{definition:?}")
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }
    /// The bytes so far; nothing has to be finished. Empty for an empty list.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
    /// Forgets all, keeping the memory.
    pub fn clear(&mut self) {
        todo!()
    }
}

/// Calls `each` for every definition in `bytes` (what [`DefinitionsWriter::bytes`] gave), in order.
///
/// # Errors
/// [`DefinitionsError`] at the first one that cannot be read; those before it were given to `each`.
pub fn decode_definitions(bytes: &[u8], each: impl FnMut(Definition<'_>)) -> Result<(), DefinitionsError> {
    let _ = (bytes, each);
    todo!()
}

/// The bytes are no list of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("series definitions are damaged at byte {offset}")]
pub struct DefinitionsError {
    /// Where the unreadable definition starts.
    pub offset: usize,
}
