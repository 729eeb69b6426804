//! The directory of a stripe: which series, how many points, which blocks, which columns.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_codec::{CodecError, decode_time, decode_u64, get_varint};
use weir_model::{FieldType, TimeRange};

use crate::format::{CRC_LEN, NULLS_LISTED};
use crate::layout::Layout;
use crate::reader::StripePlace;
use crate::writer::{DERIVED, DERIVED_WITH_HEADS};
use crate::{STRIPE_POINTS_MAX, SegmentError};

/// The directory of one stripe.
#[derive(Debug)]
pub struct Directory {
    ids: Vec<u64>,
    /// Indices of `ids` by id, made when first needed and only if the ids do not ascend.
    by_id: OnceLock<Vec<u32>>,
    pub(crate) layout: Layout,
    spans: Vec<TimeRange>,
    infos: Vec<ColumnInfo>,
    pub(crate) times: ColumnPlace,
    pub(crate) columns: Vec<ColumnPlace>,
    pub(crate) statistics: Vec<StatisticsPlace>,
}

/// Where the blocks of a column stand in the file.
#[derive(Debug)]
pub(crate) struct ColumnPlace {
    pub(crate) start: u64,
    /// Where each block starts, from `start`; the end of the last closes the list, the checksum follows. What stands before the first
    /// block is the head.
    pub(crate) blocks: Vec<u32>,
    /// How nulls stand in each block; empty for times.
    pub(crate) modes: Vec<u8>,
    /// Whether the checksum was found right.
    pub(crate) verified: AtomicBool,
}

impl ColumnPlace {
    /// Bytes of the head; 0 = there is none.
    pub(crate) fn head_len(&self) -> usize {
        self.blocks.first().map_or(0, |&start| start as usize)
    }

    /// Bytes of head and blocks, without the checksum.
    pub(crate) fn len(&self) -> usize {
        self.blocks.last().map_or(0, |&end| end as usize)
    }

    pub(crate) fn block(&self, block: usize) -> Option<Range<usize>> {
        Some(*self.blocks.get(block)? as usize..*self.blocks.get(block + 1)? as usize)
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StatisticsPlace {
    pub(crate) start: u64,
    pub(crate) len: usize,
}

/// The points of one series inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Block of the stripe.
    pub block: usize,
    /// Rows of the block.
    pub rows: Range<usize>,
    /// Unit whose time span and statistics cover the piece.
    pub unit: usize,
    /// Times of that unit: exact first and last time of the piece if `alone`, else merely bounds.
    pub span: TimeRange,
    /// Whether the unit consists of this piece only, so that its statistics are those of the piece.
    pub alone: bool,
}

/// A column of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Field id.
    pub field: u32,
    /// Its type.
    pub field_type: FieldType,
}

impl Directory {
    /// Durable ids of the series, in the order of canonical keys.
    #[must_use]
    pub fn series(&self) -> &[u64] {
        &self.ids
    }

    /// Number of points of a series; 0 if out of bounds.
    #[must_use]
    pub fn points(&self, series: usize) -> usize {
        self.rows_of(series).map_or(0, |r| (r.end - r.start) as usize)
    }

    /// Index of a series.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<usize> {
        let by_id = self.by_id.get_or_init(|| {
            if self.ids.is_sorted() {
                return Vec::new();
            }
            let mut order: Vec<u32> = (0..self.ids.len() as u32).collect();
            order.sort_unstable_by_key(|&i| self.ids[i as usize]);
            order
        });
        if by_id.is_empty() {
            return self.ids.binary_search(&id).ok();
        }
        let at = by_id.binary_search_by_key(&id, |&i| self.ids[i as usize]).ok()?;
        Some(by_id[at] as usize)
    }

    /// The pieces of a series in time order; none if `series` is out of bounds.
    pub fn pieces(&self, series: usize) -> impl Iterator<Item = Piece> {
        let rows = self.rows_of(series).unwrap_or(0..0);
        let mut at = rows.start;
        let mut block = self.layout.blocks.partition_point(|&b| b <= at).wrapping_sub(1);
        let mut unit = self.layout.units.partition_point(|&u| u <= at).wrapping_sub(1);
        std::iter::from_fn(move || {
            if at >= rows.end {
                return None;
            }
            let (start, end) = (*self.layout.blocks.get(block)?, *self.layout.blocks.get(block + 1)?);
            // A piece lies in one unit, since a unit ends with its block and holds whole pieces.
            let (unit_start, unit_end) = (*self.layout.units.get(unit)?, *self.layout.units.get(unit + 1)?);
            let stop = end.min(rows.end);
            let piece = Piece {
                block,
                rows: (at - start) as usize..(stop - start) as usize,
                unit,
                span: self.spans[unit],
                alone: unit_start == at && unit_end == stop,
            };
            at = stop;
            block += 1;
            unit += 1;
            Some(piece)
        })
    }

    /// Times of a series: exact when all its pieces are alone in their units (always so from 64 points on), else bounds.
    #[must_use]
    pub fn span(&self, series: usize) -> Option<TimeRange> {
        let mut pieces = self.pieces(series);
        let first = pieces.next()?.span;
        // Pieces ascend in time, so only the last one matters besides.
        Some(TimeRange::new(first.min, pieces.last().map_or(first.max, |p| p.span.max)))
    }

    /// Number of blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.layout.blocks.len() - 1
    }

    /// Number of rows of a block; 0 if out of bounds.
    #[must_use]
    pub fn block_rows(&self, block: usize) -> usize {
        self.row_range(block).map_or(0, |r| (r.end - r.start) as usize)
    }

    /// Columns, ascending by field id; the time column is not among them.
    #[must_use]
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.infos
    }

    /// Index of the column of a field; `None` if the field is null in the whole stripe.
    #[must_use]
    pub fn column(&self, field: u32) -> Option<usize> {
        self.infos.binary_search_by_key(&field, |c| c.field).ok()
    }

    /// Bytes in memory, roughly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let layout = self.layout.series.len() + self.layout.blocks.len() + self.layout.units.len();
        let blocks: usize = self.columns.iter().map(|c| 5 * c.blocks.len() + 96).sum();
        8 * self.ids.len()
            + 4 * layout
            + 16 * self.spans.len()
            + blocks
            + self.by_id.get().map_or(0, |v| 4 * v.len())
    }

    pub(crate) fn row_range(&self, block: usize) -> Option<Range<u32>> {
        Some(*self.layout.blocks.get(block)?..*self.layout.blocks.get(block + 1)?)
    }

    pub(crate) fn unit_sizes(&self) -> Vec<u32> {
        self.layout.units.windows(2).map(|u| u[1] - u[0]).collect()
    }

    fn rows_of(&self, series: usize) -> Option<Range<u32>> {
        Some(*self.layout.series.get(series)?..*self.layout.series.get(series + 1)?)
    }

    /// Parses the directory of the stripe at `place`; `bytes` are without checksum.
    pub(crate) fn parse(bytes: &[u8], place: &StripePlace) -> Result<Self, SegmentError> {
        let offset = place.directory_start();
        Parser { bytes, at: 0, offset }.directory(place)
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the directory in the file.
    offset: u64,
}

impl Parser<'_> {
    fn directory(mut self, place: &StripePlace) -> Result<Directory, SegmentError> {
        let heads = match self.byte()? {
            DERIVED => false,
            DERIVED_WITH_HEADS => true,
            _ => return Err(self.damaged("unknown kind of directory")),
        };
        let n = self.count(STRIPE_POINTS_MAX)?;
        let ids = self.list(n)?;
        let points = self.list(n)?;
        let sum = points.iter().fold(0u64, |sum, &p| sum.saturating_add(p));
        if n == 0 || sum > STRIPE_POINTS_MAX as u64 || points.contains(&0) {
            return Err(self.damaged("points per series out of range"));
        }
        let layout = Layout::new(points.iter().map(|&p| p as u32));
        let units = layout.units.len() - 1;
        let starts = self.times(units)?;
        let lens = self.times(units)?;
        let spans = starts
            .iter()
            .zip(&lens)
            .map(|(&start, len)| TimeRange::new(start, start.wrapping_add(*len)))
            .collect();

        let blocks = layout.blocks.len() - 1;
        let mut start = place.start;
        let times = self.column(blocks, heads, Vec::new(), &mut start)?;
        let count = self.count(1 << 20)?;
        let (mut infos, mut columns, mut lens) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let field = u32::try_from(self.number()?).map_err(|_| self.damaged("field id above 32 bits"))?;
            let field_type =
                FieldType::from_u8(self.byte()?).ok_or_else(|| self.damaged("unknown type of a field"))?;
            let modes = self.list(blocks)?;
            if modes.iter().any(|&m| m > u64::from(NULLS_LISTED)) {
                return Err(self.damaged("unknown way of nulls"));
            }
            let modes = modes.iter().map(|&m| m as u8).collect();
            columns.push(self.column(blocks, heads, modes, &mut start)?);
            infos.push(ColumnInfo { field, field_type });
            lens.push(self.count(u32::MAX as usize)?);
        }
        if !infos.is_sorted_by(|a, b| a.field < b.field) {
            return Err(self.damaged("fields do not ascend"));
        }
        let mut statistics = Vec::new();
        for len in lens {
            statistics.push(StatisticsPlace { start, len });
            start += len as u64;
        }
        if start != self.offset || self.at != self.bytes.len() {
            return Err(self.damaged("lengths of columns do not add up"));
        }
        Ok(Directory { ids, by_id: OnceLock::new(), layout, spans, infos, times, columns, statistics })
    }

    /// Lengths of the blocks of the column at `*start`, which moves behind its checksum.
    fn column(
        &mut self,
        blocks: usize,
        heads: bool,
        modes: Vec<u8>,
        start: &mut u64,
    ) -> Result<ColumnPlace, SegmentError> {
        let mut ends = Vec::with_capacity(blocks + 1);
        let lens = self.list(blocks)?;
        let mut end = if heads { self.count(u32::MAX as usize)? as u32 } else { 0 };
        ends.push(end);
        for len in lens {
            end = u32::try_from(len)
                .ok()
                .and_then(|len| end.checked_add(len))
                .ok_or_else(|| self.damaged("block too long"))?;
            ends.push(end);
        }
        let place = ColumnPlace { start: *start, blocks: ends, modes, verified: AtomicBool::new(false) };
        *start += u64::from(end) + CRC_LEN as u64;
        Ok(place)
    }

    fn damaged(&self, what: &'static str) -> SegmentError {
        SegmentError::Damaged { offset: self.offset + self.at as u64, what }
    }

    fn values<T>(&mut self, result: Result<T, CodecError>) -> Result<T, SegmentError> {
        let offset = self.offset + self.at as u64;
        result.map_err(|source| SegmentError::Values { offset, source })
    }

    fn byte(&mut self) -> Result<u8, SegmentError> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or_else(|| self.damaged("directory ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, SegmentError> {
        let mut at = self.at;
        let result = get_varint(self.bytes, &mut at);
        let number = self.values(result)?;
        self.at = at;
        Ok(number)
    }

    fn count(&mut self, most: usize) -> Result<usize, SegmentError> {
        let number = self.number()?;
        usize::try_from(number).ok().filter(|&n| n <= most).ok_or_else(|| self.damaged("number out of range"))
    }

    fn list(&mut self, n: usize) -> Result<Vec<u64>, SegmentError> {
        let mut out = Vec::new();
        let result = decode_u64(&self.bytes[self.at..], n, &[], &mut out);
        self.at += self.values(result)?;
        Ok(out)
    }

    fn times(&mut self, n: usize) -> Result<Vec<i64>, SegmentError> {
        let mut out = Vec::new();
        let result = decode_time(&self.bytes[self.at..], n, &[], &mut out);
        self.at += self.values(result)?;
        Ok(out)
    }
}
