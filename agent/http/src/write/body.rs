//! A body on its way to the parser: read, inflated and cut into slices of whole lines while it comes.

use http::StatusCode;
use weir_lineprotocol::{find_cut, find_cut_streaming};
use weir_netserve::{BodyError, RequestBody};
use weir_pipeline::BatchWriter;

use super::gzip::{Gunzip, GzipError};
use super::lines::Lines;
use crate::error::ApiError;

/// Lines that are parsed at once: a few hundred microseconds, after which other requests get their turn.
const SLICE_BYTES: usize = 256 * 1024;

/// Most bytes of a body; 0 = no limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// As it comes.
    pub(crate) body: u64,
    /// Inflated.
    pub(crate) inflated: u64,
}

impl BodyLimits {
    /// # Errors
    /// 413 when the client announces more than it may send.
    pub(crate) fn check_declared(&self, len: Option<u64>) -> Result<(), ApiError> {
        match len {
            Some(len) => check(len, self.body),
            None => Ok(()),
        }
    }
}

fn check(bytes: u64, max: u64) -> Result<(), ApiError> {
    if max == 0 || bytes <= max {
        return Ok(());
    }
    let message = format!("max request size ({max} bytes) exceeded");
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message).in_1x("Request Entity Too Large"))
}

/// Reads the whole body into `lines`, and gives its length as it came.
///
/// # Errors
/// A body that is too long, damaged or cut short, or what `lines` says.
pub(crate) async fn read<W: BatchWriter>(
    body: &mut RequestBody,
    is_gzip: bool,
    limits: &BodyLimits,
    buffer: &mut Vec<u8>,
    gunzip: &mut Option<Box<Gunzip>>,
    lines: &mut Lines<'_, W>,
) -> Result<u64, ApiError> {
    let mut received = 0;
    let Some(first) = next(body, &mut received, limits).await? else {
        return Ok(0);
    };
    let mut feed = Feed { buffer, lines, wanted: SLICE_BYTES };
    if is_gzip {
        let gunzip = gunzip.get_or_insert_with(|| Box::new(Gunzip::new()));
        gunzip.reset();
        let mut inflated = 0;
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            feed.inflate(gunzip, &bytes, &mut inflated, limits).await?;
            piece = next(body, &mut received, limits).await?;
        }
        gunzip.finish().map_err(gzip_error)?;
        feed.finish().await?;
        return Ok(received);
    }
    match next(body, &mut received, limits).await? {
        // The usual case, a body in one piece: parsed where it lies.
        None => feed.whole(&first).await?,
        Some(second) => {
            feed.plain(&first).await?;
            feed.plain(&second).await?;
            while let Some(piece) = next(body, &mut received, limits).await? {
                feed.plain(&piece).await?;
            }
            feed.finish().await?;
        }
    }
    Ok(received)
}

async fn next(
    body: &mut RequestBody,
    received: &mut u64,
    limits: &BodyLimits,
) -> Result<Option<bytes::Bytes>, ApiError> {
    let piece = body.next().await.map_err(|error| match error {
        // The network's fault, maybe: no 4xx, which would make Telegraf drop the batch.
        BodyError::Idle(_) => ApiError::unavailable(error.to_string(), std::time::Duration::from_secs(1)),
        _ => ApiError::invalid("client disconnected"),
    })?;
    if let Some(piece) = &piece {
        *received += piece.len() as u64;
        check(*received, limits.body)?;
    }
    Ok(piece)
}

/// Gathers lines into slices.
struct Feed<'a, 'l, W: BatchWriter> {
    /// Text that was not parsed yet.
    buffer: &'a mut Vec<u8>,
    lines: &'a mut Lines<'l, W>,
    /// Bytes at which it is worth looking for a line end; grows with a line that does not end, so that
    /// looking stays linear in its length.
    wanted: usize,
}

impl<W: BatchWriter> Feed<'_, '_, W> {
    /// Parses a body that is all there.
    async fn whole(&mut self, body: &[u8]) -> Result<(), ApiError> {
        let mut rest = body;
        while !rest.is_empty() {
            let (slice, behind) = rest.split_at(find_cut(rest, SLICE_BYTES).clamp(1, rest.len()));
            self.lines.push(slice).await?;
            rest = behind;
            if !rest.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn plain(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        self.buffer.extend_from_slice(piece);
        self.parse_full().await
    }

    async fn inflate(
        &mut self,
        gunzip: &mut Gunzip,
        piece: &[u8],
        inflated: &mut u64,
        limits: &BodyLimits,
    ) -> Result<(), ApiError> {
        let mut rest = piece;
        while !rest.is_empty() {
            let before = self.buffer.len();
            let portion = before.max(self.wanted) + SLICE_BYTES / 4;
            let used = gunzip.push(rest, self.buffer, portion).map_err(gzip_error)?;
            rest = rest.get(used..).unwrap_or_default();
            *inflated += (self.buffer.len() - before) as u64;
            check(*inflated, limits.inflated)?;
            self.parse_full().await?;
        }
        Ok(())
    }

    /// Parses the whole lines in the buffer if there are enough of them.
    async fn parse_full(&mut self) -> Result<(), ApiError> {
        while self.buffer.len() >= self.wanted {
            let Some(cut) = find_cut_streaming(self.buffer) else {
                self.wanted = self.buffer.len() * 2;
                return Ok(());
            };
            let slice = self.buffer.get(..cut).unwrap_or_default();
            self.lines.push(slice).await?;
            self.buffer.drain(..cut);
            self.wanted = SLICE_BYTES;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Parses what is left.
    async fn finish(&mut self) -> Result<(), ApiError> {
        let rest = std::mem::take(self.buffer);
        let outcome = self.whole(&rest).await;
        *self.buffer = rest;
        outcome
    }
}

fn gzip_error(error: GzipError) -> ApiError {
    ApiError::invalid(format!("error decoding gzip stream: {}", error.why())).in_1x(error.in_1x())
}
