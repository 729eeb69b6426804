//! Noticing that configuration files changed.
//!
//! Folders are watched rather than files: editors and Kubernetes replace a file or swap a link instead of writing into it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use weir_config::Config;

use crate::cli::ConfigArgs;

/// Changes come in flocks: wait until it has been quiet for this long.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches the files of a configuration.
pub(super) struct Watcher {
    inner: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
    directories: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Watches what `config` was read from. Where the system cannot watch, SIGHUP still works.
    pub(super) fn start(args: &ConfigArgs, config: &Config) -> Self {
        let (sender, changes) = mpsc::channel(1);
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|e| !e.kind.is_access()) {
                // Full means that a change is noted already.
                let _ = sender.try_send(());
            }
        };
        let inner = match notify::recommended_watcher(handler) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "files cannot be watched; use SIGHUP to reload");
                None
            }
        };
        let mut watcher =
            Self { inner, changes, directories: args.config_directory.clone(), watched: BTreeSet::new() };
        watcher.follow(config);
        watcher
    }

    /// Watches the folders of the files that were read, too.
    pub(super) fn follow(&mut self, config: &Config) {
        let Some(inner) = &mut self.inner else { return };
        let folder_of = |file: &PathBuf| match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let folders = config.files.iter().map(folder_of).chain(self.directories.iter().cloned());
        for folder in folders.collect::<BTreeSet<_>>() {
            if self.watched.contains(&folder) {
                continue;
            }
            match inner.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder);
                }
                Err(error) => {
                    tracing::warn!(%error, folder = %folder.display(), "cannot be watched; use SIGHUP to reload")
                }
            }
        }
    }

    /// Waits for a change, and for its flock to settle. Never comes back if nothing is watched.
    pub(super) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.changes.recv()).await {}
    }
}
