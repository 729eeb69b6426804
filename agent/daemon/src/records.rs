//! Tokens and continuous queries, kept as records of the store's catalog.

use std::sync::Arc;

use weir_store::Store;

/// What the keys of tokens begin with: other parts keep records, too.
const AUTH: &str = "auth/";
/// What the keys of the query engine begin with.
const QUERY: &str = "query/";

/// The catalog as the keeper of tokens.
pub(crate) struct CatalogRecords(pub(crate) Store);

impl weir_auth::RecordStore for CatalogRecords {
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, weir_auth::RecordStoreError> {
        Ok(load_all(&self.0, AUTH))
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), weir_auth::RecordStoreError> {
        put(&self.0, AUTH, key, value).map_err(weir_auth::RecordStoreError)
    }

    fn delete(&self, key: &str) -> Result<(), weir_auth::RecordStoreError> {
        delete(&self.0, AUTH, key).map_err(weir_auth::RecordStoreError)
    }
}

/// The catalog as the keeper of continuous queries.
pub(crate) struct QueryRecords(pub(crate) Store);

impl weir_query::RecordStore for QueryRecords {
    fn load_all(&self) -> Result<Vec<(String, Vec<u8>)>, weir_query::RecordStoreError> {
        Ok(load_all(&self.0, QUERY))
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), weir_query::RecordStoreError> {
        put(&self.0, QUERY, key, value).map_err(weir_query::RecordStoreError)
    }

    fn delete(&self, key: &str) -> Result<(), weir_query::RecordStoreError> {
        delete(&self.0, QUERY, key).map_err(weir_query::RecordStoreError)
    }
}

fn load_all(store: &Store, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let state = Arc::clone(store.catalog()).state();
    let ours = state.records().iter().filter_map(|(key, value)| {
        let key = key.strip_prefix(prefix)?;
        Some((key.to_owned(), value.to_vec()))
    });
    ours.collect()
}

fn put(store: &Store, prefix: &str, key: &str, value: &[u8]) -> Result<(), String> {
    store.catalog().put_record(&format!("{prefix}{key}"), value).map_err(|e| e.to_string())
}

fn delete(store: &Store, prefix: &str, key: &str) -> Result<(), String> {
    store.catalog().remove_record(&format!("{prefix}{key}")).map_err(|e| e.to_string())
}
