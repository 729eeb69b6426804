//! Scans of the store in memory.

use std::ops::Bound;
use std::sync::Arc;

use weir_model::FieldType;
use weir_model::read::{Chunk, Column, ReadError, Scan, ScanRequest, Strings, Validity, Values};

use super::{Measurement, Series, Stored};

/// Rows of a chunk.
const CHUNK_ROWS: usize = 1_024;

/// Gives the rows of a list of series.
pub(super) struct MemoryScan {
    pub(super) measurement: Arc<Measurement>,
    pub(super) keys: Vec<String>,
    pub(super) request: ScanRequest,
    /// Place in the list of series.
    pub(super) at: usize,
    /// Last time given of that series.
    pub(super) after: Option<i64>,
}

impl Scan for MemoryScan {
    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, ReadError> {
        self.request.context.check()?;
        let range = self.request.range;
        while let Some(no) = self.request.series.get(self.at) {
            let series = self.keys.get(*no as usize).and_then(|key| self.measurement.series.get(key));
            let rows = match series {
                Some(series) if !range.is_empty() => self.rows(series),
                _ => Vec::new(),
            };
            if let Some((last, _)) = rows.last() {
                self.after = Some(*last);
                chunk.series = self.at;
                chunk.summary = None;
                chunk.times = rows.iter().map(|(t, _)| *t).collect();
                chunk.columns = (0..self.request.fields.len()).map(|i| column(&rows, i)).collect();
                return Ok(true);
            }
            self.at += 1;
            self.after = None;
        }
        Ok(false)
    }
}

impl MemoryScan {
    /// The next rows of one series, all of one type in each column.
    fn rows<'a>(&self, series: &'a Series) -> Vec<(i64, Vec<Option<&'a Stored>>)> {
        let range = self.request.range;
        let low = match self.after {
            Some(after) if !self.request.descending => Bound::Excluded(after),
            _ => Bound::Included(range.min),
        };
        let high = match self.after {
            Some(after) if self.request.descending => Bound::Excluded(after),
            _ => Bound::Included(range.max),
        };
        if matches!((low, high), (Bound::Excluded(a), Bound::Included(b)) | (Bound::Included(b), Bound::Excluded(a)) if a == b)
            || matches!((low, high), (Bound::Excluded(a), Bound::Included(b)) if a > b)
            || matches!((low, high), (Bound::Included(a), Bound::Excluded(b)) if a > b)
        {
            return Vec::new();
        }
        let points = series.points.range((low, high));
        let points: Box<dyn Iterator<Item = _>> =
            if self.request.descending { Box::new(points.rev()) } else { Box::new(points) };
        let mut kinds: Vec<Option<FieldType>> = vec![None; self.request.fields.len()];
        let mut rows = Vec::new();
        for (time, fields) in points {
            let values: Vec<Option<&Stored>> = self.request.fields.iter().map(|f| fields.get(f)).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let changes = values.iter().zip(&kinds).any(|(v, k)| match (v, k) {
                (Some(v), Some(k)) => v.kind() != *k,
                _ => false,
            });
            if changes || rows.len() == CHUNK_ROWS {
                break;
            }
            for (kind, value) in kinds.iter_mut().zip(&values) {
                *kind = kind.or(value.map(Stored::kind));
            }
            rows.push((*time, values));
        }
        rows
    }
}

fn column(rows: &[(i64, Vec<Option<&Stored>>)], i: usize) -> Column {
    let value = |row: &(i64, Vec<Option<&Stored>>)| row.1.get(i).copied().flatten().cloned();
    let Some(kind) = rows.iter().find_map(value).map(|v| v.kind()) else { return Column::default() };
    let mut bits = vec![0_u64; rows.len().div_ceil(64)];
    let mut full = true;
    for (row, r) in rows.iter().enumerate() {
        if value(r).is_some() {
            bits[row / 64] |= 1 << (row % 64);
        } else {
            full = false;
        }
    }
    let all = rows.iter().map(value);
    let values = match kind {
        FieldType::Float => {
            Values::Float(all.map(|v| if let Some(Stored::Float(x)) = v { x } else { 0.0 }).collect())
        }
        FieldType::Integer => {
            Values::Integer(all.map(|v| if let Some(Stored::Integer(x)) = v { x } else { 0 }).collect())
        }
        FieldType::Unsigned => {
            Values::Unsigned(all.map(|v| if let Some(Stored::Unsigned(x)) = v { x } else { 0 }).collect())
        }
        FieldType::Boolean => {
            Values::Boolean(all.map(|v| matches!(v, Some(Stored::Boolean(true)))).collect())
        }
        FieldType::String => {
            let mut strings = Strings::new();
            all.for_each(|v| strings.push(if let Some(Stored::String(s)) = &v { s } else { "" }));
            Values::String(strings)
        }
    };
    Column { values, valid: if full { Validity::All } else { Validity::Bits(bits) } }
}
