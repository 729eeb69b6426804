//! Reads the blocks of one stripe, each decoded once.

use std::ops::Range;
use std::sync::Arc;

use weir_codec::{
    CodecError, DenseReader, decode_bool, decode_f64, decode_i64, decode_strings, decode_time, decode_u64,
    is_dense,
};
use weir_model::FieldType;
use weir_model::read::{Column, Strings, Validity, Values};

use crate::column::{bits_from, spread};
use crate::directory::ColumnPlace;
use crate::format::{CRC_LEN, NULLS_ALL, NULLS_NONE, crc};
use crate::reader::{read_into, slice_of};
use crate::writer::dense_runs;
use crate::{ColumnStatistics, Directory, Segment, SegmentError};

/// Reads one stripe. Keeps the last decoded block of the time column and of each field asked for, so that walking through short series decodes
/// each block once. Buffers are reused from block to block. From a file it reads single blocks, and ahead when blocks are asked for in order.
#[derive(Debug)]
pub struct StripeCursor {
    segment: Arc<Segment>,
    directory: Arc<Directory>,
    times: Vec<i64>,
    times_block: Option<usize>,
    times_window: Window,
    times_dense: Option<DenseReader>,
    fields: Vec<FieldCache>,
    runs: Vec<u32>,
    flags: Vec<bool>,
    null: Column,
}

#[derive(Debug, Default)]
struct FieldCache {
    /// Index of the column in the directory; `None` if the stripe lacks the field.
    column: Option<usize>,
    block: Option<usize>,
    decoded: Column,
    window: Window,
    dense: Option<DenseReader>,
    statistics: Option<ColumnStatistics>,
}

impl StripeCursor {
    /// A cursor over `stripe` for `fields` (ids; those that the stripe lacks read as null).
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn new(segment: Arc<Segment>, stripe: usize, fields: &[u32]) -> Result<Self, SegmentError> {
        let directory = segment.directory(stripe)?;
        let mut this = Self {
            segment,
            directory,
            times: Vec::new(),
            times_block: None,
            times_window: Window::default(),
            times_dense: None,
            fields: Vec::new(),
            runs: Vec::new(),
            flags: Vec::new(),
            null: Column::default(),
        };
        this.choose(fields);
        Ok(this)
    }

    /// Goes on with another stripe of the same or another segment, keeping the buffers. After an error the cursor stays where it was.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn move_to(
        &mut self,
        segment: Arc<Segment>,
        stripe: usize,
        fields: &[u32],
    ) -> Result<(), SegmentError> {
        self.directory = segment.directory(stripe)?;
        self.segment = segment;
        self.times_block = None;
        self.times_window.clear();
        self.times_dense = None;
        self.choose(fields);
        Ok(())
    }

    fn choose(&mut self, fields: &[u32]) {
        self.fields.resize_with(fields.len(), FieldCache::default);
        for (cache, &field) in self.fields.iter_mut().zip(fields) {
            cache.column = self.directory.column(field);
            cache.block = None;
            cache.window.clear();
            cache.dense = None;
            cache.statistics = None;
        }
    }

    /// The stripe's directory.
    #[must_use]
    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Times of all rows of a block.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn times(&mut self, block: usize) -> Result<&[i64], SegmentError> {
        if self.times_block == Some(block) {
            return Ok(&self.times);
        }
        self.times_block = None;
        self.times.clear();
        let rows = self.directory.row_range(block).ok_or(NO_BLOCK)?;
        self.directory.layout.runs(rows.start, rows.end, &mut self.runs);
        let place = &self.directory.times;
        let range = place.block(block).ok_or(NO_BLOCK)?;
        let offset = place.start + range.start as u64;
        read_head(&self.segment, place, &mut self.times_window, &mut self.times_dense)?;
        let bytes = self.times_window.get(&self.segment, place, range)?;
        let n = (rows.end - rows.start) as usize;
        let used = match &mut self.times_dense {
            Some(dense) if is_dense(bytes) => dense.times(bytes, n, &self.runs, &mut self.times),
            _ => decode_time(bytes, n, &self.runs, &mut self.times),
        };
        let used = used.map_err(|source| SegmentError::Values { offset, source })?;
        whole(used, bytes.len(), offset)?;
        self.times_block = Some(block);
        Ok(&self.times)
    }

    /// Values of all rows of a block, for the field at index `field` of the list given to [`new`](Self::new). `Values::Absent` where all are
    /// null.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn column(&mut self, field: usize, block: usize) -> Result<&Column, SegmentError> {
        let Some(cache) = self.fields.get_mut(field) else { return Ok(&self.null) };
        let Some(column) = cache.column else { return Ok(&self.null) };
        if cache.block == Some(block) {
            return Ok(&cache.decoded);
        }
        cache.block = None;
        let rows = self.directory.row_range(block).ok_or(NO_BLOCK)?;
        let n = (rows.end - rows.start) as usize;
        let place = self.directory.columns.get(column).ok_or(NO_BLOCK)?;
        let info = self.directory.columns().get(column).ok_or(NO_BLOCK)?;
        let range = place.block(block).ok_or(NO_BLOCK)?;
        let mode = place.modes.get(block).copied().ok_or(NO_BLOCK)?;
        if mode == NULLS_ALL {
            return Ok(&self.null);
        }
        self.directory.layout.runs(rows.start, rows.end, &mut self.runs);
        let offset = place.start + range.start as u64;
        read_head(&self.segment, place, &mut cache.window, &mut cache.dense)?;
        let bytes = cache.window.get(&self.segment, place, range)?;
        let values = |source| SegmentError::Values { offset, source };
        let mut at = 0;
        let mut dense = n;
        if mode == NULLS_NONE {
            cache.decoded.valid = Validity::All;
        } else {
            self.flags.clear();
            at = decode_bool(bytes, n, &mut self.flags).map_err(values)?;
            dense_runs(&self.flags, &mut self.runs);
            dense = self.flags.iter().filter(|&&v| v).count();
            bits_from(&self.flags, &mut cache.decoded.valid);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let into = &mut cache.decoded.values;
        at += match &mut cache.dense {
            Some(reader) if is_dense(rest) => {
                decode_dense(reader, rest, dense, &self.runs, info.field_type, into)
            }
            _ => decode_values(rest, dense, &self.runs, info.field_type, into),
        }
        .map_err(values)?;
        whole(at, bytes.len(), offset)?;
        if mode != NULLS_NONE {
            spread(&mut cache.decoded.values, &self.flags);
        }
        cache.block = Some(block);
        Ok(&cache.decoded)
    }

    /// Statistics of the field at index `field`, per unit; `None` if the stripe lacks it.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn statistics(&mut self, field: usize) -> Result<Option<&ColumnStatistics>, SegmentError> {
        let Some(cache) = self.fields.get_mut(field) else { return Ok(None) };
        let Some(column) = cache.column else { return Ok(None) };
        if cache.statistics.is_none() {
            cache.statistics = Some(self.segment.statistics(&self.directory, column)?);
        }
        Ok(cache.statistics.as_ref())
    }
}

const NO_BLOCK: SegmentError = SegmentError::Input { what: "there is no such block" };

fn whole(used: usize, len: usize, offset: u64) -> Result<(), SegmentError> {
    if used == len {
        return Ok(());
    }
    Err(SegmentError::Damaged { offset: offset + used as u64, what: "bytes behind the values of a block" })
}

/// Reads the head of a column when its first block is asked for.
fn read_head(
    segment: &Segment,
    place: &ColumnPlace,
    window: &mut Window,
    dense: &mut Option<DenseReader>,
) -> Result<(), SegmentError> {
    let head = place.head_len();
    if head > 0 && dense.is_none() {
        let bytes = window.get(segment, place, 0..head)?;
        let offset = place.start;
        *dense = Some(DenseReader::new(bytes).map_err(|source| SegmentError::Values { offset, source })?);
    }
    Ok(())
}

/// As [`decode_values`], for a dense block.
fn decode_dense(
    reader: &mut DenseReader,
    bytes: &[u8],
    n: usize,
    runs: &[u32],
    field_type: FieldType,
    values: &mut Values,
) -> Result<usize, CodecError> {
    clear_as(field_type, values);
    match values {
        Values::Float(v) => reader.floats(bytes, n, runs, v),
        Values::Integer(v) => reader.integers(bytes, n, runs, v),
        Values::Unsigned(v) => reader.unsigned(bytes, n, runs, v),
        // No encoder writes these so; the light decoders refuse them.
        Values::Boolean(_) | Values::String(_) | Values::Absent => {
            decode_values(bytes, n, runs, field_type, values)
        }
    }
}

/// Empties `values`, keeping its memory if the type is the same.
fn clear_as(field_type: FieldType, values: &mut Values) {
    match values {
        Values::Float(v) if field_type == FieldType::Float => v.clear(),
        Values::Integer(v) if field_type == FieldType::Integer => v.clear(),
        Values::Unsigned(v) if field_type == FieldType::Unsigned => v.clear(),
        Values::Boolean(v) if field_type == FieldType::Boolean => v.clear(),
        Values::String(v) if field_type == FieldType::String => v.clear(),
        _ => {
            *values = match field_type {
                FieldType::Float => Values::Float(Vec::new()),
                FieldType::Integer => Values::Integer(Vec::new()),
                FieldType::Unsigned => Values::Unsigned(Vec::new()),
                FieldType::Boolean => Values::Boolean(Vec::new()),
                FieldType::String => Values::String(Strings::new()),
            }
        }
    }
}

/// Fills `values` with `n` decoded ones.
fn decode_values(
    bytes: &[u8],
    n: usize,
    runs: &[u32],
    field_type: FieldType,
    values: &mut Values,
) -> Result<usize, CodecError> {
    clear_as(field_type, values);
    match values {
        Values::Float(v) => decode_f64(bytes, n, runs, v),
        Values::Integer(v) => decode_i64(bytes, n, runs, v),
        Values::Unsigned(v) => decode_u64(bytes, n, runs, v),
        Values::Boolean(v) => decode_bool(bytes, n, v),
        Values::String(v) => decode_strings(bytes, n, v),
        Values::Absent => Ok(0),
    }
}

/// Bytes read ahead once blocks are asked for in order.
const AHEAD: usize = 64 << 10;

/// Some bytes of a column, as read last.
#[derive(Debug, Default)]
struct Window {
    start: usize,
    bytes: Vec<u8>,
}

impl Window {
    fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
    }

    /// Bytes of a block; checks the column when it is the first time.
    fn get<'a>(
        &'a mut self,
        segment: &'a Segment,
        place: &ColumnPlace,
        range: Range<usize>,
    ) -> Result<&'a [u8], SegmentError> {
        if let Some(all) = segment.source().as_slice() {
            segment.check_column(place, &mut self.bytes)?;
            return slice_of(all, place.start + range.start as u64, range.len() as u64);
        }
        if !place.is_verified() {
            self.first(segment, place)?;
        }
        let end = self.start + self.bytes.len();
        if range.start < self.start || range.end > end {
            let in_order = !self.bytes.is_empty() && (self.start..=end).contains(&range.start);
            let len = if in_order { range.len().max(AHEAD) } else { range.len() };
            self.start = range.start;
            self.bytes.resize(len.min(place.len().saturating_sub(range.start)), 0);
            let offset = place.start + self.start as u64;
            if let Err(e) = read_into(&**segment.source(), offset, &mut self.bytes) {
                self.clear();
                return Err(e);
            }
        }
        let at = range.start - self.start;
        self.bytes
            .get(at..at + range.len())
            .ok_or(SegmentError::Damaged { offset: place.start, what: "block behind the end of its column" })
    }

    /// Checks a column; a small one is read once for that and for its blocks.
    fn first(&mut self, segment: &Segment, place: &ColumnPlace) -> Result<(), SegmentError> {
        let len = place.len();
        if len > AHEAD {
            self.start = 0;
            return segment.check_column(place, &mut self.bytes);
        }
        self.start = 0;
        self.bytes.resize(len + CRC_LEN, 0);
        let read = read_into(&**segment.source(), place.start, &mut self.bytes);
        let checked = read.and_then(|()| {
            let (bytes, sum) = self.bytes.split_last_chunk::<CRC_LEN>().ok_or(NO_BLOCK)?;
            segment.settle(place, crc(bytes), *sum)
        });
        self.bytes.truncate(len);
        if checked.is_err() {
            self.clear();
        }
        checked
    }
}
