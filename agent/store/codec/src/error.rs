//! What a decoder says about bytes that are not an encoding of `n` values.

/// Why bytes do not decode. Offsets count from the start of the slice that was passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end before the values do.
    #[error("encoded values end early, at byte {offset}")]
    Truncated {
        /// Where more bytes were expected.
        offset: usize,
    },
    /// A codec id that is unknown, or that cannot hold values of this type.
    #[error(
        "codec {id} at byte {offset} is unknown here; the data was written by a newer version or is damaged"
    )]
    UnknownCodec {
        /// The id.
        id: u8,
        /// Where it stands.
        offset: usize,
    },
    /// Bytes that no encoder writes.
    #[error("encoded values are damaged at byte {offset}: {what}")]
    Corrupt {
        /// Where.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The caller asked for more than [`VALUES_MAX`](crate::VALUES_MAX) values, or for run lengths that do not add up to the number of
    /// values.
    #[error("{n} values cannot be decoded in one piece")]
    Count {
        /// How many were asked for.
        n: usize,
    },
}
