//! The order of things in an answer, whatever its format.
//!
//! Without chunks there is one document with all results. With chunks there is one document for each series, and for each
//! `rows` rows of a long one. Whether a chunk is the last of its series, or its series the last of the result, is known only when
//! the next piece arrives, so a chunk stays open until then.

use weir_query::{Message, Piece, Rows, SeriesHead};

use super::{Emitter, ResultTail};

/// Rows handed to the format at once: between two of them the size of the output is looked at.
const ROWS_AT_ONCE: usize = 64;

/// How the answer is cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Documents of that many rows; one document for all if `None`.
    pub(crate) chunk_rows: Option<usize>,
    /// Which statements are cut by rows; the others (SHOW …) by series only.
    pub(crate) cut_by_rows: Vec<bool>,
    /// Most rows of an answer without chunks; 0 = no limit.
    pub(crate) rows_max: usize,
}

/// Turns pieces into calls of an [`Emitter`].
pub(crate) struct Shaper {
    emitter: Box<dyn Emitter>,
    shape: Shape,
    statement: usize,
    is_document_open: bool,
    is_result_open: bool,
    is_series_open: bool,
    has_results: bool,
    is_full: bool,
    head: SeriesHead,
    rows_in_chunk: usize,
    rows: usize,
    messages: Vec<Message>,
    error: Option<std::sync::Arc<str>>,
}

impl Shaper {
    pub(crate) fn new(emitter: Box<dyn Emitter>, shape: Shape) -> Self {
        Self {
            emitter,
            shape,
            statement: 0,
            is_document_open: false,
            is_result_open: false,
            is_series_open: false,
            has_results: false,
            is_full: false,
            head: SeriesHead::default(),
            rows_in_chunk: 0,
            rows: 0,
            messages: Vec::new(),
            error: None,
        }
    }

    /// Whether the row limit is reached: nothing more is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether what was appended may be sent now.
    pub(crate) fn can_flush(&self) -> bool {
        self.emitter.can_stream() || !self.is_document_open
    }

    /// Takes any piece but rows.
    pub(crate) fn push(&mut self, piece: Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Statement { id } => {
                self.statement = id;
                self.messages.clear();
                self.error = None;
                if self.shape.chunk_rows.is_none() {
                    self.open_result(out);
                }
            }
            Piece::Series(head) => {
                self.end_series(out, false);
                if self.shape.chunk_rows.is_some() {
                    self.close_result(out, true);
                }
                self.head = head;
                self.begin_series(out);
            }
            Piece::Message(message) => self.messages.push(message),
            Piece::Error(text) => self.error = Some(text),
            Piece::End => {
                self.end_series(out, false);
                if self.error.is_some() && self.shape.chunk_rows.is_some() {
                    self.close_result(out, true);
                }
                self.open_result(out);
                self.close_result(out, false);
            }
            Piece::Rows(rows) => {
                let mut next = 0;
                while next < rows.len {
                    next = self.rows(&rows, next, usize::MAX, out);
                }
            }
        }
    }

    /// Writes rows of the open series from `next` on until `out` holds `bytes` or more, and gives the row to go on with.
    pub(crate) fn rows(&mut self, rows: &Rows, next: usize, bytes: usize, out: &mut Vec<u8>) -> usize {
        let mut next = next;
        while next < rows.len && !self.is_full {
            let mut count = ROWS_AT_ONCE.min(rows.len - next);
            match self.shape.chunk_rows {
                Some(chunk) if self.shape.cut_by_rows.get(self.statement).copied().unwrap_or(false) => {
                    if self.rows_in_chunk >= chunk {
                        self.end_series(out, true);
                        self.close_result(out, true);
                        self.begin_series(out);
                    }
                    count = count.min(chunk - self.rows_in_chunk).max(1);
                }
                Some(_) => {}
                None if self.shape.rows_max > 0 => {
                    count = count.min(self.shape.rows_max.saturating_sub(self.rows));
                    if count == 0 {
                        self.is_full = true;
                        self.end_series(out, true);
                        self.close_result(out, false);
                        return rows.len;
                    }
                }
                None => {}
            }
            self.emitter.rows(out, &self.head, rows, next..next + count);
            next += count;
            self.rows += count;
            self.rows_in_chunk += count;
            if out.len() >= bytes {
                break;
            }
        }
        if self.is_full { rows.len } else { next }
    }

    /// Closes what is open. An answer has at least one result, whatever happened.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.is_result_open {
            // The engine went away in the middle.
            self.end_series(out, false);
            self.error.get_or_insert_with(|| "query interrupted".into());
            self.close_result(out, false);
        }
        if !self.has_results {
            self.statement = 0;
            self.open_result(out);
            self.close_result(out, false);
        }
        if self.is_document_open {
            self.emitter.end_document(out);
            self.is_document_open = false;
        }
    }

    fn begin_series(&mut self, out: &mut Vec<u8>) {
        self.open_result(out);
        self.emitter.begin_series(out, &self.head);
        self.is_series_open = true;
        self.rows_in_chunk = 0;
    }

    fn end_series(&mut self, out: &mut Vec<u8>, is_partial: bool) {
        if std::mem::take(&mut self.is_series_open) {
            self.emitter.end_series(out, is_partial);
        }
    }

    fn open_result(&mut self, out: &mut Vec<u8>) {
        if !self.is_document_open {
            self.emitter.begin_document(out);
            self.is_document_open = true;
        }
        if !self.is_result_open {
            self.emitter.begin_result(out, self.statement);
            self.is_result_open = true;
            self.has_results = true;
        }
    }

    /// Closes the result, and with chunks its document. Messages and the error go into the last part.
    fn close_result(&mut self, out: &mut Vec<u8>, is_partial: bool) {
        if !std::mem::take(&mut self.is_result_open) {
            return;
        }
        let tail = if is_partial {
            ResultTail { messages: &[], is_partial, error: None }
        } else {
            ResultTail { messages: &self.messages, is_partial, error: self.error.as_deref() }
        };
        self.emitter.end_result(out, &tail);
        if self.shape.chunk_rows.is_some() {
            self.emitter.end_document(out);
            self.is_document_open = false;
        }
    }
}
