//! Opens a segment and finds things in it.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use weir_codec::get_varint;
use weir_model::{FieldType, TimeRange};

use crate::directory::ColumnPlace;
use crate::format::{CRC_LEN, FOOTER_LEN, Footer, HEADER_LEN, checked, read_header};
use crate::{ColumnStatistics, Directory, ReadAt, SegmentError, SegmentFacts, statistics};

/// A field of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentField {
    /// Field id.
    pub id: u32,
    /// Its type.
    pub field_type: FieldType,
}

/// A measurement in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeasurement {
    /// Measurement id.
    pub id: u32,
    /// Fields that have a value somewhere, ascending by id.
    pub fields: Vec<SegmentField>,
    /// Its stripes, indices into [`Segment::stripes`].
    pub stripes: Range<usize>,
}

/// What the index says about a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeEntry {
    /// Measurement id.
    pub measurement: u32,
    /// Points.
    pub points: u32,
    /// Series.
    pub series: u32,
    /// Lowest and highest durable id inside.
    pub ids: (u64, u64),
    /// First and last time of its points.
    pub span: TimeRange,
    /// Canonical key of its first series.
    pub first_key: Box<[u8]>,
    /// Canonical key of its last series.
    pub last_key: Box<[u8]>,
}

/// Where a stripe stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StripePlace {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) directory_len: u64,
}

impl StripePlace {
    pub(crate) const fn directory_start(&self) -> u64 {
        self.start + self.len - self.directory_len
    }
}

/// An open segment. Cheap to share (`Arc`); directories are read when first asked for and kept until
/// [`release_caches`](Self::release_caches).
pub struct Segment {
    source: Arc<dyn ReadAt>,
    facts: SegmentFacts,
    measurements: Vec<SegmentMeasurement>,
    stripes: Vec<StripeEntry>,
    places: Vec<StripePlace>,
    points: u64,
    /// One per stripe; the lock is held to look or to put, never to read.
    directories: Vec<Mutex<Option<Arc<Directory>>>>,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("facts", &self.facts)
            .field("bytes", &self.source.len())
            .field("stripes", &self.stripes.len())
            .finish_non_exhaustive()
    }
}

impl Segment {
    /// Opens a segment: reads header, footer, schema and index.
    ///
    /// # Errors
    /// [`SegmentError`] when one of them is damaged or of a later format.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self, SegmentError> {
        let len = source.len();
        if len < (HEADER_LEN + FOOTER_LEN) as u64 {
            return Err(SegmentError::Damaged { offset: len, what: "shorter than header and footer" });
        }
        let mut header = [0; HEADER_LEN];
        read_into(&*source, 0, &mut header)?;
        let facts = read_header(&header)?;
        let mut footer = [0; FOOTER_LEN];
        read_into(&*source, len - FOOTER_LEN as u64, &mut footer)?;
        let footer = Footer::read(&footer, len)?;
        let mut part = Vec::new();
        read_part(&*source, footer.schema, &mut part)?;
        let mut measurements = parse_schema(checked(&part, footer.schema.0)?, footer.schema.0)?;
        read_part(&*source, footer.index, &mut part)?;
        let (stripes, places) = parse_index(checked(&part, footer.index.0)?, footer.index.0)?;

        let damaged = |what| Err(SegmentError::Damaged { offset: footer.index.0, what });
        if places.last().map_or(HEADER_LEN as u64, |p| p.start + p.len) != footer.schema.0 {
            return damaged("stripes do not fill the file");
        }
        if !stripes.is_sorted_by_key(|s| s.measurement) {
            return damaged("stripes are out of order");
        }
        for measurement in &mut measurements {
            let start = stripes.partition_point(|s| s.measurement < measurement.id);
            let end = stripes.partition_point(|s| s.measurement <= measurement.id);
            measurement.stripes = start..end;
        }
        let points = stripes.iter().map(|s| u64::from(s.points)).sum();
        if points != footer.points
            || measurements.iter().map(|m| m.stripes.len()).sum::<usize>() != stripes.len()
        {
            return damaged("index, schema and footer do not fit together");
        }
        let directories = stripes.iter().map(|_| Mutex::new(None)).collect();
        Ok(Self { source, facts, measurements, stripes, places, points, directories })
    }

    /// Facts of the header.
    #[must_use]
    pub const fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.source.len()
    }

    /// Points inside.
    #[must_use]
    pub const fn points(&self) -> u64 {
        self.points
    }

    /// Where its bytes come from.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    /// Measurements, ascending by id.
    #[must_use]
    pub fn measurements(&self) -> &[SegmentMeasurement] {
        &self.measurements
    }

    /// One measurement.
    #[must_use]
    pub fn measurement(&self, id: u32) -> Option<&SegmentMeasurement> {
        let at = self.measurements.binary_search_by_key(&id, |m| m.id).ok()?;
        self.measurements.get(at)
    }

    /// All stripes in order.
    #[must_use]
    pub fn stripes(&self) -> &[StripeEntry] {
        &self.stripes
    }

    /// First and last time of all points; `None` when there is none.
    #[must_use]
    pub fn span(&self) -> Option<TimeRange> {
        self.stripes.iter().map(|s| s.span).reduce(|a, b| TimeRange::new(a.min.min(b.min), a.max.max(b.max)))
    }

    /// Appends (stripe, index of the series in it) for each stripe that holds points of a series, in time order.
    ///
    /// # Errors
    /// [`SegmentError`] of a directory.
    pub fn locate(
        &self,
        measurement: u32,
        id: u64,
        out: &mut Vec<(usize, usize)>,
    ) -> Result<(), SegmentError> {
        let Some(measurement) = self.measurement(measurement) else { return Ok(()) };
        for stripe in measurement.stripes.clone() {
            let (low, high) = self.stripes[stripe].ids;
            if (low..=high).contains(&id)
                && let Some(series) = self.directory(stripe)?.find(id)
            {
                out.push((stripe, series));
            }
        }
        Ok(())
    }

    /// The directory of a stripe, read and checked at the first call.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn directory(&self, stripe: usize) -> Result<Arc<Directory>, SegmentError> {
        let (Some(slot), Some(place), Some(entry)) =
            (self.directories.get(stripe), self.places.get(stripe), self.stripes.get(stripe))
        else {
            return Err(SegmentError::Input { what: "there is no such stripe" });
        };
        if let Some(known) = &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(known));
        }
        let offset = place.directory_start();
        let mut part = Vec::new();
        read_part(&*self.source, (offset, place.directory_len), &mut part)?;
        let directory = Directory::parse(checked(&part, offset)?, place)?;
        let points = directory.layout.series.last().copied().unwrap_or_default();
        if points != entry.points || directory.series().len() != entry.series as usize {
            return Err(SegmentError::Damaged { offset, what: "directory and index do not fit together" });
        }
        let directory = Arc::new(directory);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(slot.get_or_insert(directory)))
    }

    /// Statistics of a column of a stripe, by the index that [`Directory::column`] gives.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn statistics(&self, directory: &Directory, column: usize) -> Result<ColumnStatistics, SegmentError> {
        let (Some(place), Some(info)) = (directory.statistics.get(column), directory.columns().get(column))
        else {
            return Err(SegmentError::Input { what: "there is no such column" });
        };
        let mut part = Vec::new();
        read_part(&*self.source, (place.start, place.len as u64), &mut part)?;
        statistics::read(checked(&part, place.start)?, info.field_type, &directory.unit_sizes())
            .map_err(|source| SegmentError::Values { offset: place.start, source })
    }

    /// Bytes held by cached directories.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        let bytes = |slot: &Mutex<Option<Arc<Directory>>>| {
            slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |d| d.heap_bytes())
        };
        self.directories.iter().map(bytes).sum()
    }

    /// Forgets cached directories (those in use live on in their `Arc`).
    pub fn release_caches(&self) {
        for slot in &self.directories {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Checks the checksum of a column once. Keeps no bytes: columns can be large.
    pub(crate) fn check_column(&self, place: &ColumnPlace, buffer: &mut Vec<u8>) -> Result<(), SegmentError> {
        if place.is_verified() {
            return Ok(());
        }
        let total = place.len() as u64;
        let mut hasher = crc32fast::Hasher::new();
        if let Some(bytes) = self.source.as_slice() {
            hasher.update(slice_of(bytes, place.start, total)?);
        } else {
            let mut at = 0;
            while at < total {
                buffer.resize((total - at).min(PIECE) as usize, 0);
                read_into(&*self.source, place.start + at, buffer)?;
                hasher.update(buffer);
                at += buffer.len() as u64;
            }
            buffer.clear();
        }
        let mut sum = [0; CRC_LEN];
        read_into(&*self.source, place.start + total, &mut sum)?;
        self.settle(place, hasher.finalize(), sum)
    }

    /// Compares a column's checksum and remembers that it is right.
    pub(crate) fn settle(
        &self,
        place: &ColumnPlace,
        found: u32,
        stored: [u8; CRC_LEN],
    ) -> Result<(), SegmentError> {
        if found != u32::from_le_bytes(stored) {
            return Err(SegmentError::Damaged {
                offset: place.start,
                what: "checksum of a column does not match",
            });
        }
        place.verified.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Bytes read at once when a large column is checked.
const PIECE: u64 = 64 << 10;

pub(crate) fn read_into(source: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> Result<(), SegmentError> {
    source.read_at(offset, buffer).map_err(|source| SegmentError::Io { op: "read", offset, source })
}

/// Reads (offset, length) into `buffer`, in place of what it held. The length must be one that was checked against the file's.
fn read_part(source: &dyn ReadAt, part: (u64, u64), buffer: &mut Vec<u8>) -> Result<(), SegmentError> {
    let (offset, len) = part;
    let fits = offset.checked_add(len).is_some_and(|end| end <= source.len());
    let len = usize::try_from(len).ok().filter(|_| fits);
    let len = len.ok_or(SegmentError::Damaged { offset, what: "reaches behind the end of the file" })?;
    buffer.clear();
    buffer.resize(len, 0);
    read_into(source, offset, buffer)
}

/// A part of bytes that are in RAM.
pub(crate) fn slice_of(bytes: &[u8], offset: u64, len: u64) -> Result<&[u8], SegmentError> {
    let range =
        usize::try_from(offset).ok().zip(offset.checked_add(len).and_then(|e| usize::try_from(e).ok()));
    range
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or(SegmentError::Damaged { offset, what: "reaches behind the end of the file" })
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    offset: u64,
}

impl<'a> Parser<'a> {
    fn damaged(&self, what: &'static str) -> SegmentError {
        SegmentError::Damaged { offset: self.offset + self.at as u64, what }
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Result<T, SegmentError> {
        let offset = self.offset + self.at as u64;
        let number = get_varint(self.bytes, &mut self.at)
            .map_err(|_| SegmentError::Damaged { offset, what: "a number does not end" })?;
        T::try_from(number).map_err(|_| self.damaged("number out of range"))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SegmentError> {
        let end = self.at.saturating_add(len);
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.damaged("ends early"))?;
        self.at = end;
        Ok(bytes)
    }

    fn time(&mut self) -> Result<i64, SegmentError> {
        let bytes = self.take(8)?;
        let (word, _) = bytes.split_first_chunk().ok_or_else(|| self.damaged("ends early"))?;
        Ok(i64::from_le_bytes(*word))
    }

    fn end(&self) -> Result<(), SegmentError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.damaged("bytes behind the end")) }
    }
}

fn parse_schema(bytes: &[u8], offset: u64) -> Result<Vec<SegmentMeasurement>, SegmentError> {
    let mut p = Parser { bytes, at: 0, offset };
    let mut measurements: Vec<SegmentMeasurement> = Vec::new();
    for _ in 0..p.number::<u32>()? {
        let id = p.number()?;
        let mut fields: Vec<SegmentField> = Vec::new();
        for _ in 0..p.number::<u32>()? {
            let id = p.number()?;
            let field_type =
                FieldType::from_u8(p.take(1)?[0]).ok_or_else(|| p.damaged("unknown type of a field"))?;
            fields.push(SegmentField { id, field_type });
        }
        measurements.push(SegmentMeasurement { id, fields, stripes: 0..0 });
    }
    let ascend = measurements.is_sorted_by(|a, b| a.id < b.id)
        && measurements.iter().all(|m| m.fields.is_sorted_by(|a, b| a.id < b.id));
    if !ascend {
        return Err(p.damaged("ids in the schema do not ascend"));
    }
    p.end()?;
    Ok(measurements)
}

pub(crate) fn parse_index(
    bytes: &[u8],
    offset: u64,
) -> Result<(Vec<StripeEntry>, Vec<StripePlace>), SegmentError> {
    let mut p = Parser { bytes, at: 0, offset };
    let (mut stripes, mut places) = (Vec::new(), Vec::new());
    let mut start = HEADER_LEN as u64;
    for _ in 0..p.number::<u32>()? {
        let measurement = p.number()?;
        let len: u64 = p.number()?;
        let directory_len: u64 = p.number()?;
        if directory_len > len || len > offset {
            return Err(p.damaged("length of a stripe out of range"));
        }
        let (series, points) = (p.number()?, p.number()?);
        let low: u64 = p.number()?;
        let high = low.checked_add(p.number()?).ok_or_else(|| p.damaged("series id above 64 bits"))?;
        let span = TimeRange::new(p.time()?, p.time()?);
        let mut key = || -> Result<Box<[u8]>, SegmentError> {
            let len = p.number()?;
            Ok(p.take(len)?.into())
        };
        let (first_key, last_key) = (key()?, key()?);
        stripes.push(StripeEntry {
            measurement,
            points,
            series,
            ids: (low, high),
            span,
            first_key,
            last_key,
        });
        places.push(StripePlace { start, len, directory_len });
        start = start.saturating_add(len);
    }
    p.end()?;
    Ok((stripes, places))
}
