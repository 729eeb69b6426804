//! Tokens kept as records of the store's catalog.

use std::sync::Arc;

use weir_auth::{RecordStore, RecordStoreError};
use weir_store::Store;

/// What our keys begin with: other parts keep records, too.
const PREFIX: &str = "auth/";

/// The catalog as the keeper of tokens.
pub(crate) struct CatalogRecords(pub(crate) Store);

impl RecordStore for CatalogRecords {
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, RecordStoreError> {
        let state = Arc::clone(self.0.catalog()).state();
        let ours = state.records().iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(PREFIX)?;
            Some((key.to_owned(), value.to_vec()))
        });
        Ok(ours.collect())
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), RecordStoreError> {
        let result = self.0.catalog().put_record(&format!("{PREFIX}{key}"), value);
        result.map_err(|e| RecordStoreError(e.to_string()))
    }

    fn delete(&self, key: &str) -> Result<(), RecordStoreError> {
        let result = self.0.catalog().remove_record(&format!("{PREFIX}{key}"));
        result.map_err(|e| RecordStoreError(e.to_string()))
    }
}
