//! Writers between requests.
//!
//! A writer and its parser know the series and fields that came before, which makes the next lines of the same database cheap. They
//! belong to no connection: many clients open a new one for each write, others keep thousands open that are idle. A request takes
//! the writer that served its database last, and brings it back.

use std::sync::{Mutex, PoisonError};

use weir_lineprotocol::Parser;
use weir_pipeline::{Ingest, WriteTarget};

use super::gzip::Gunzip;

/// Largest buffer that is kept.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// What a write needs and what is worth keeping.
pub(crate) struct Tools<W> {
    pub(crate) writer: W,
    pub(crate) parser: Parser,
    /// Lines that wait for their end or for more of their kind.
    pub(crate) buffer: Vec<u8>,
    /// Made for the first compressed body.
    pub(crate) gunzip: Option<Box<Gunzip>>,
    target: Option<WriteTarget>,
}

/// Writers that wait for work, the last used at the end.
pub(crate) struct WriterPool<I: Ingest> {
    ingest: I,
    idle: Mutex<Vec<Tools<I::Writer>>>,
    kept: usize,
}

impl<I: Ingest> WriterPool<I> {
    pub(crate) fn new(ingest: I, kept: usize) -> Self {
        Self { ingest, idle: Mutex::new(Vec::new()), kept }
    }

    /// A writer for `target`, whose batch is not begun. It stays away unless [`put`](Self::put) brings it back: after an
    /// error in the middle nobody knows what it holds.
    pub(crate) fn take(&self, target: &WriteTarget) -> Tools<I::Writer> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().rposition(|tools| tools.target.as_ref() == Some(target));
        let mut tools = match found {
            Some(at) => idle.remove(at),
            // All places are taken by other databases: the one that waits longest changes over.
            None if !idle.is_empty() && idle.len() >= self.kept => idle.remove(0),
            None => {
                drop(idle);
                return Tools {
                    writer: self.ingest.writer(),
                    parser: Parser::new(),
                    buffer: Vec::new(),
                    gunzip: None,
                    target: Some(target.clone()),
                };
            }
        };
        drop(idle);
        if found.is_none() {
            tools.parser.reset();
            tools.target = Some(target.clone());
        }
        tools
    }

    /// Brings a writer back; without an open batch.
    pub(crate) fn put(&self, mut tools: Tools<I::Writer>) {
        tools.buffer.clear();
        if tools.buffer.capacity() > BUFFER_BYTES_KEPT {
            tools.buffer = Vec::new();
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.kept {
            idle.push(tools);
        }
    }
}
