//! Inflating a body piece by piece.
//!
//! A body is one gzip member or several in a row (RFC 1952). Compressed bytes go in as they come from the network, inflated bytes
//! come out in portions of a size that the caller chooses, so that a small body that inflates to a large one is parsed
//! (and refused, when too large) on the way and never held as a whole.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Longest member head: fixed part, extra field, and room for a file name and a comment.
const HEAD_BYTES_MAX: usize = 10 + 2 + 65_535 + 4096;
/// Smallest room given to the inflater at once.
const ROOM_MIN: usize = 32 * 1024;

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GzipError {
    /// No gzip member begins where one should.
    Header,
    /// The compressed data make no sense.
    Corrupt {
        /// Bytes of the body before that place.
        offset: u64,
    },
    /// The data are not what was compressed.
    Checksum,
    /// The body ends too early.
    Truncated,
}

impl GzipError {
    /// As Go words it.
    pub(crate) fn in_1x(self) -> String {
        match self {
            Self::Header => "gzip: invalid header".to_owned(),
            Self::Corrupt { offset } => format!("flate: corrupt input before offset {offset}"),
            Self::Checksum => "gzip: invalid checksum".to_owned(),
            Self::Truncated => "unexpected EOF".to_owned(),
        }
    }

    /// What went wrong.
    pub(crate) fn why(self) -> String {
        match self {
            Self::Header => "invalid gzip header".to_owned(),
            Self::Corrupt { offset } => format!("corrupt deflate stream before byte {offset}"),
            Self::Checksum => "corrupt gzip stream does not have a matching checksum".to_owned(),
            Self::Truncated => "unexpected end of file".to_owned(),
        }
    }
}

/// An inflater, to be used again and again.
pub(crate) struct Gunzip {
    inflate: Decompress,
    checksum: Crc,
    state: State,
    /// Head or trailer as far as it has come.
    partial: Vec<u8>,
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Data,
    Trailer,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            state: State::Head,
            partial: Vec::new(),
            offset: 0,
        }
    }

    /// Makes ready for another body.
    pub(crate) fn reset(&mut self) {
        self.inflate.reset(false);
        self.checksum.reset();
        self.state = State::Head;
        self.partial.clear();
        self.offset = 0;
    }

    /// Appends inflated bytes to `out` until `input` is used up or `out` holds `out_len` bytes or more, and gives the number
    /// of bytes used.
    ///
    /// # Errors
    /// [`GzipError`].
    pub(crate) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        out_len: usize,
    ) -> Result<usize, GzipError> {
        let mut used = 0;
        while used < input.len() && out.len() < out_len {
            let rest = &input[used..];
            let step = match self.state {
                State::Head => self.head(rest)?,
                State::Data => self.data(rest, out, out_len)?,
                State::Trailer => self.trailer(rest)?,
            };
            used += step;
            self.offset += step as u64;
        }
        Ok(used)
    }

    /// The body has ended. Nothing at all is fine, half a member is not.
    ///
    /// # Errors
    /// [`GzipError::Truncated`].
    pub(crate) fn finish(&self) -> Result<(), GzipError> {
        match self.state {
            State::Head if self.partial.is_empty() => Ok(()),
            _ => Err(GzipError::Truncated),
        }
    }

    fn head(&mut self, input: &[u8]) -> Result<usize, GzipError> {
        let before = self.partial.len();
        let room = HEAD_BYTES_MAX.saturating_sub(before);
        self.partial.extend_from_slice(&input[..input.len().min(room)]);
        match head_len(&self.partial)? {
            Some(len) => {
                self.partial.clear();
                self.state = State::Data;
                self.inflate.reset(false);
                self.checksum.reset();
                Ok(len.saturating_sub(before))
            }
            None if self.partial.len() >= HEAD_BYTES_MAX => Err(GzipError::Header),
            None => Ok(self.partial.len() - before),
        }
    }

    fn data(&mut self, input: &[u8], out: &mut Vec<u8>, out_len: usize) -> Result<usize, GzipError> {
        let start = out.len();
        out.reserve(out_len.saturating_sub(start).max(ROOM_MIN));
        let before = self.inflate.total_in();
        let status = self
            .inflate
            .decompress_vec(input, out, FlushDecompress::None)
            .map_err(|_| GzipError::Corrupt { offset: self.offset })?;
        self.checksum.update(&out[start..]);
        let used = usize::try_from(self.inflate.total_in() - before).unwrap_or(input.len());
        match status {
            Status::StreamEnd => self.state = State::Trailer,
            // It asks for more of what it has plenty of: that never ends.
            Status::BufError | Status::Ok if used == 0 && out.len() == start => {
                return Err(GzipError::Corrupt { offset: self.offset });
            }
            Status::BufError | Status::Ok => {}
        }
        Ok(used)
    }

    fn trailer(&mut self, input: &[u8]) -> Result<usize, GzipError> {
        let take = (8 - self.partial.len().min(8)).min(input.len());
        self.partial.extend_from_slice(&input[..take]);
        if let Ok(trailer) = <[u8; 8]>::try_from(self.partial.as_slice()) {
            let [a, b, c, d, e, f, g, h] = trailer;
            let sum = u32::from_le_bytes([a, b, c, d]);
            let len = u32::from_le_bytes([e, f, g, h]);
            if sum != self.checksum.sum() || len != self.checksum.amount() {
                return Err(GzipError::Checksum);
            }
            self.partial.clear();
            self.state = State::Head;
        }
        Ok(take)
    }
}

/// Bytes of the member head at the start of `bytes`; `None` if it is not all there.
fn head_len(bytes: &[u8]) -> Result<Option<usize>, GzipError> {
    const HEAD_CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const FIXED: [u8; 3] = [0x1f, 0x8b, 8];
    let known = bytes.len().min(FIXED.len());
    if bytes[..known] != FIXED[..known] {
        return Err(GzipError::Header);
    }
    let Some(&flags) = bytes.get(3) else {
        return Ok(None);
    };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let Some(len) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0)) else {
                return Ok(None);
            };
            at += len + 1;
        }
    }
    if flags & HEAD_CHECKSUM != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};
    use proptest::prelude::*;
    use std::io::Write;

    fn compress(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(input: &[u8], piece: usize, out_len: usize) -> Result<Vec<u8>, GzipError> {
        let mut gunzip = Gunzip::new();
        let mut all = Vec::new();
        let mut out = Vec::new();
        for piece in input.chunks(piece.max(1)) {
            let mut used = 0;
            while used < piece.len() {
                used += gunzip.push(&piece[used..], &mut out, out_len)?;
                all.append(&mut out);
            }
        }
        gunzip.finish()?;
        Ok(all)
    }

    #[test]
    fn members_in_a_row_are_one_body() {
        let mut body = compress(b"m v=1\n");
        body.extend(compress(b""));
        body.extend(compress(b"m v=2\n"));
        assert_eq!(inflate(&body, 3, 1000), Ok(b"m v=1\nm v=2\n".to_vec()));
        assert_eq!(inflate(b"", 1, 1), Ok(Vec::new()));
    }

    #[test]
    fn heads_with_every_option_are_skipped() {
        let mut encoder = GzBuilder::new()
            .extra(vec![1, 2, 3])
            .filename("file")
            .comment("words")
            .write(Vec::new(), Compression::fast());
        encoder.write_all(b"m v=1").unwrap();
        let body = encoder.finish().unwrap();
        for piece in [1, 7, 1000] {
            assert_eq!(inflate(&body, piece, 1000), Ok(b"m v=1".to_vec()));
        }
    }

    #[test]
    fn damage_is_told_apart() {
        let body = compress(b"cpu,host=a usage=1 1700000000000000000\n");
        assert_eq!(inflate(b"cpu usage=1", 100, 1000), Err(GzipError::Header));
        assert_eq!(inflate(&[body.as_slice(), b"x"].concat(), 100, 1000), Err(GzipError::Header));
        for len in 1..body.len() {
            assert_eq!(inflate(&body[..len], 100, 1000), Err(GzipError::Truncated), "{len}");
        }
        let mut wrong = body.clone();
        let last = wrong.len() - 1;
        wrong[last] ^= 1;
        assert_eq!(inflate(&wrong, 100, 1000), Err(GzipError::Checksum));
        let mut wrong = body;
        wrong[10] = 0xff;
        assert!(matches!(inflate(&wrong, 100, 1000), Err(GzipError::Corrupt { .. })));
    }

    #[test]
    fn a_portion_is_not_much_larger_than_asked_for() {
        let body = compress(&vec![b'x'; 10_000_000]);
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        let used = gunzip.push(&body, &mut out, 100_000).unwrap();
        assert!(used < body.len());
        assert!((100_000..400_000).contains(&out.len()), "{}", out.len());
    }

    proptest! {
        #[test]
        fn inflating_undoes_deflating(
            data in proptest::collection::vec(any::<u8>(), 0..5000),
            piece in 1_usize..300, out_len in 1_usize..3000,
        ) {
            prop_assert_eq!(inflate(&compress(&data), piece, out_len), Ok(data));
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            let _ = inflate(&data, piece, 100);
            data.splice(0..0, [0x1f, 0x8b, 8]);
            let _ = inflate(&data, piece, 100);
        }
    }
}
