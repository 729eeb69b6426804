//! Records read back.

use weir_codec::get_varint;

use crate::definitions::Definitions;
use crate::error::WalError;
use crate::format::{self, KIND_DEFINITIONS, KIND_GENERATION, KIND_POINTS, RecordHeader};
use crate::points::{self, Points};

/// One record.
#[derive(Clone, Debug)]
pub enum Record {
    /// What series are.
    Definitions {
        /// Retention policy they belong to.
        policy: u32,
        /// The list.
        list: Definitions,
    },
    /// Points.
    Points {
        /// Retention policy.
        policy: u32,
        /// Where they came from: 0 for HTTP, else the number of an input.
        source: u16,
        /// One entry per measurement and shard group, in order of arrival.
        points: Vec<Points>,
    },
    /// A generation began; all groups behind it in this log belong to it or to a later one.
    Generation {
        /// Its number.
        generation: u64,
    },
}

/// The records of one group, decoded one after the other. A record that cannot be understood gives an error and the next call
/// goes on behind it.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    salt: u64,
    seq: u64,
    only_definitions: bool,
}

impl<'a> Records<'a> {
    /// `records` are valid records, one after the other; the first that is not ends the iteration.
    pub(crate) const fn new(records: &'a [u8], salt: u64, seq: u64) -> Self {
        Self { rest: records, salt, seq, only_definitions: false }
    }

    /// The definitions alone; other records are passed over undecoded.
    #[must_use]
    pub const fn only_definitions(mut self) -> Self {
        self.only_definitions = true;
        self
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (header, payload, len) = format::open_record(self.rest, self.salt, self.seq)?;
            self.rest = self.rest.get(len..).unwrap_or(&[]);
            if !self.only_definitions || header.kind == KIND_DEFINITIONS {
                return Some(decode(header, payload));
            }
        }
    }
}

/// Decodes one payload. Never panics on any input.
pub(crate) fn decode(header: RecordHeader, payload: &[u8]) -> Result<Record, WalError> {
    let bad = |offset, what| WalError::Record { kind: header.kind, offset, what };
    match header.kind {
        KIND_DEFINITIONS => {
            let list = Definitions::decode(payload, header.flags, header.points)?;
            Ok(Record::Definitions { policy: header.policy, list })
        }
        KIND_POINTS => {
            let mut at = 0;
            let mut values_left = points::RECORD_VALUES_MAX;
            let mut all = Vec::new();
            let mut rows = 0;
            while at < payload.len() {
                let points = points::decode(payload, &mut at, &mut values_left)?;
                rows += points.times.len();
                all.push(points);
            }
            if rows as u64 != u64::from(header.points) {
                return Err(bad(0, "the number of points differs from the header's"));
            }
            Ok(Record::Points { policy: header.policy, source: header.source, points: all })
        }
        KIND_GENERATION => {
            let mut at = 0;
            let generation = get_varint(payload, &mut at).map_err(|_| bad(0, "the bytes end early"))?;
            Ok(Record::Generation { generation })
        }
        _ => Err(bad(0, "unknown kind; the log was written by a newer version")),
    }
}
