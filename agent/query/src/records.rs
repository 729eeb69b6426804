//! Records that the engine keeps: what must outlive a restart and is no point.

/// A durable map from short keys to opaque bytes.
pub trait RecordStore: Send + Sync {
    /// All records, in no particular order.
    ///
    /// # Errors
    /// [`RecordStoreError`].
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError>;
    /// Sets a record; returns when it is durable.
    ///
    /// # Errors
    /// [`RecordStoreError`].
    fn put(&self, key: &str, value: &[u8]) -> Result<(), RecordStoreError>;
    /// Removes a record; returns when that is durable. An absent one is fine.
    ///
    /// # Errors
    /// [`RecordStoreError`].
    fn delete(&self, key: &str) -> Result<(), RecordStoreError>;
}

/// Why a record cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordStoreError(pub String);
