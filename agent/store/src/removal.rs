//! Files that no version refers to any more: removed when the last reader of an older version lets go.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use weir_fs::Fs;

use crate::version::Run;

/// What waits for being removed. A start removes what is left, since no manifest names it.
#[derive(Default)]
pub(crate) struct Removals {
    list: Vec<Waiting>,
}

struct Waiting {
    reader: Weak<Run>,
    path: PathBuf,
}

impl Removals {
    /// A file that `run` stood for.
    pub(crate) fn add_file(&mut self, run: &Arc<Run>, path: PathBuf) {
        self.list.push(Waiting { reader: Arc::downgrade(run), path });
    }

    /// Removes what nobody reads any more.
    pub(crate) fn run(&mut self, fs: &dyn Fs) {
        self.list.retain(|waiting| {
            if waiting.reader.strong_count() > 0 {
                return true;
            }
            let removed = fs.remove_file(&waiting.path);
            if let Err(e) = removed
                && !e.is_not_found()
            {
                tracing::warn!(path = %waiting.path.display(), error = %e, "a useless file stays until the next start");
            }
            false
        });
    }
}
