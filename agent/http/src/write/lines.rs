//! Slices of a body on their way into the store.

use weir_lineprotocol::{ErrorList, Options, Parser, Stats};
use weir_model::Precision;
use weir_pipeline::{BatchWriter, WriteTarget};

use super::report::{LINES_LISTED, ingest_error, partial_write, strict_refusal};
use crate::dialect::Rules;
use crate::error::ApiError;

/// What lines mean and what happens to bad ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteOptions {
    pub(crate) rules: &'static Rules,
    pub(crate) precision: Precision,
    /// Time of lines without one, nanoseconds.
    pub(crate) default_time: i64,
    /// One bad line refuses all.
    pub(crate) is_strict: bool,
}

/// One write: begins a batch with the first slice, commits it when it is large, and again at the end.
pub(crate) struct Lines<'a, W: BatchWriter> {
    writer: &'a mut W,
    parser: &'a mut Parser,
    target: &'a WriteTarget,
    options: WriteOptions,
    errors: ErrorList,
    stats: Stats,
    is_open: bool,
}

impl<'a, W: BatchWriter> Lines<'a, W> {
    pub(crate) fn new(
        writer: &'a mut W,
        parser: &'a mut Parser,
        target: &'a WriteTarget,
        options: WriteOptions,
    ) -> Self {
        let errors = ErrorList::new(LINES_LISTED);
        Self { writer, parser, target, options, errors, stats: Stats::default(), is_open: false }
    }

    /// Parses whole lines.
    ///
    /// # Errors
    /// The store takes no batch, or the text is broken. No batch is open then.
    pub(crate) async fn push(&mut self, slice: &[u8]) -> Result<(), ApiError> {
        if self.options.rules.refuses_broken_text
            && let Err(error) = simdutf8::compat::from_utf8(slice)
        {
            self.discard();
            return Err(ApiError::invalid(format!("body content is not valid utf8: {error}")));
        }
        if !self.is_open {
            if self.target.create_database && has_no_line(slice) {
                self.stats.lines += slice.iter().filter(|&&b| b == b'\n').count() as u64;
                return Ok(());
            }
            self.begin().await?;
        }
        let options = Options {
            precision: self.options.precision,
            default_time: self.options.default_time,
            rules: self.options.rules.line_rules,
            first_line: self.stats.lines + 1,
        };
        let stats = self.parser.parse(slice, &options, self.writer.sink(), &mut self.errors);
        self.stats.add(stats);
        if self.writer.wants_commit() {
            if self.options.is_strict {
                self.discard();
                let text = "a strict write has to fit into one batch; send fewer lines at once";
                return Err(ApiError::new(http::StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            self.commit().await?;
        }
        Ok(())
    }

    /// The body is complete: stores what is left and judges the whole.
    ///
    /// # Errors
    /// The store takes no batch, or lines were bad.
    pub(crate) async fn finish(&mut self) -> Result<(), ApiError> {
        // A body without a line still asks whether the database is there, but does not make it.
        if !self.is_open && self.stats == Stats::default() && !self.target.create_database {
            self.begin().await?;
        }
        if self.options.is_strict && !self.errors.is_empty() {
            self.discard();
            return Err(strict_refusal(&self.errors));
        }
        if self.is_open {
            self.commit().await?;
        }
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(partial_write(self.options.rules, &self.errors, self.stats.points))
    }

    /// Forgets the open batch.
    pub(crate) fn discard(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.writer.discard();
        }
    }

    async fn begin(&mut self) -> Result<(), ApiError> {
        self.writer.begin(self.target).await.map_err(ingest_error)?;
        self.is_open = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), ApiError> {
        self.is_open = false;
        self.writer.commit().await.map_err(ingest_error)
    }
}

/// Whether there are only blanks and comments, which make no database. Ends at the first line.
fn has_no_line(slice: &[u8]) -> bool {
    slice.split(|&b| b == b'\n').all(|line| matches!(line.trim_ascii_start().first(), None | Some(b'#')))
}
