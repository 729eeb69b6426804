//! Answers of /query: typed pieces from the engine become bytes in the format asked for.
//!
//! [`shape::Shaper`] knows what follows what (documents, results, series, chunks, the row limit), an [`Emitter`] knows how one
//! format spells it, [`stream`] moves the bytes to the client as fast as the client takes them.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod msgpack;
mod number;
pub(crate) mod shape;
pub(crate) mod stream;
mod time;

use std::ops::Range;

use weir_query::{Message, Rows, SeriesHead};

/// One format. Calls come in the order of the document: begin document, begin result, (begin series, rows, end series), end
/// result, end document; each appends to `out`.
pub(crate) trait Emitter: Send {
    fn begin_document(&mut self, out: &mut Vec<u8>);
    fn begin_result(&mut self, out: &mut Vec<u8>, statement: usize);
    fn begin_series(&mut self, out: &mut Vec<u8>, head: &SeriesHead);
    fn rows(&mut self, out: &mut Vec<u8>, head: &SeriesHead, rows: &Rows, range: Range<usize>);
    /// `is_partial`: rows of this series follow in another document, or were cut off.
    fn end_series(&mut self, out: &mut Vec<u8>, is_partial: bool);
    fn end_result(&mut self, out: &mut Vec<u8>, tail: &ResultTail<'_>);
    fn end_document(&mut self, out: &mut Vec<u8>);
    /// Whether `out` may be sent before its document is complete.
    fn can_stream(&self) -> bool {
        true
    }
}

/// What closes a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultTail<'a> {
    pub(crate) messages: &'a [Message],
    /// More of this result follows in another document.
    pub(crate) is_partial: bool,
    pub(crate) error: Option<&'a str>,
}

#[cfg(test)]
mod tests;
