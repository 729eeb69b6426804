//! What can go wrong with a segment.

use weir_codec::CodecError;

/// Why a segment cannot be read. Offsets count from the start of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file cannot be read or written.
    #[error("{op} segment at byte {offset}")]
    Io {
        /// `"read"` or `"write"`.
        op: &'static str,
        /// Where.
        offset: u64,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are not what a writer wrote.
    #[error("segment is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The values of a column do not decode.
    #[error("segment is damaged at byte {offset}")]
    Values {
        /// Where the values start.
        offset: u64,
        /// Why; its offsets count from there.
        source: CodecError,
    },
    /// A later format.
    #[error(
        "segment has format {format}, this version reads format {}; use a newer weir",
        crate::FORMAT_VERSION
    )]
    Format {
        /// The format in its header.
        format: u16,
    },
    /// A stripe handed to the writer breaks a rule of the format.
    #[error("stripe cannot be written: {what}")]
    Input {
        /// Which rule.
        what: &'static str,
    },
}
