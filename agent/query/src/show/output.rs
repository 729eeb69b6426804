//! Handing over rows of text.

use std::sync::Arc;

use crate::error::Result;
use crate::result::{Cells, Piece, Rows, SeriesHead, Value};
use crate::statement::Session;

/// Rows handed over at once.
const BATCH_ROWS: usize = 2_048;

/// `rows` without the first `skip`, and at most `limit` of them (0 = all).
pub(crate) fn page<T>(mut rows: Vec<T>, limit: u64, skip: u64) -> Vec<T> {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(rows.len());
    rows.drain(..skip);
    if limit > 0 {
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    rows
}

/// Hands over one series; `rows` hold a value for each column. No rows, no series.
pub(crate) fn table(
    session: &Session<'_>,
    name: Option<&str>,
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    head(session, name, columns)?;
    for batch in rows.chunks(BATCH_ROWS) {
        let cells = (0..columns.len())
            .map(|i| Cells::Mixed(batch.iter().map(|row| row.get(i).cloned().unwrap_or_default()).collect()))
            .collect();
        session.send(Piece::Rows(Rows { len: batch.len(), columns: cells }))?;
    }
    Ok(())
}

/// Begins a series.
pub(crate) fn head(session: &Session<'_>, name: Option<&str>, columns: &[&str]) -> Result<()> {
    session.send(Piece::Series(SeriesHead {
        name: name.map(Arc::from),
        tags: Vec::new(),
        columns: columns.iter().map(|c| Arc::from(*c)).collect(),
        zone: None,
    }))
}

/// Text as a value.
pub(crate) fn text(s: impl Into<Arc<str>>) -> Value {
    Value::Str(s.into())
}
