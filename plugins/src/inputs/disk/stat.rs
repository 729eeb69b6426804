//! Asking a file system for its sizes, with a deadline for those that may hang.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

/// Sizes of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) total: u64,
    /// What an ordinary user may still use.
    pub(super) free: u64,
    pub(super) used: u64,
    pub(super) inodes_total: u64,
    pub(super) inodes_free: u64,
    pub(super) inodes_used: u64,
}

impl Usage {
    /// Used space of what an ordinary user could use, and used inodes; percent.
    #[expect(clippy::cast_precision_loss, reason = "percentages")]
    pub(super) fn percentages(self) -> (f64, f64) {
        let share = |used: u64, free: u64| match used.saturating_add(free) {
            0 => 0.0,
            all => 100.0 * used as f64 / all as f64,
        };
        (share(self.used, self.free), share(self.inodes_used, self.inodes_free))
    }
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    Usage(Usage),
    /// Not visible from here: no such path, or no permission.
    Hidden,
    Failed(io::Error),
    /// No answer in time.
    Late,
    /// An earlier question is still open.
    StillLate,
}

/// Asks file systems; those that may hang through a thread each, of which at most one waits per path.
#[derive(Debug, Default)]
pub(super) struct StatWorkers {
    waiting: HashMap<PathBuf, Receiver<io::Result<Usage>>>,
}

impl StatWorkers {
    pub(super) fn ask(&mut self, path: &Path, is_local: bool, deadline: Duration) -> Answer {
        if is_local {
            return answer(stat(path));
        }
        if let Some(open) = self.waiting.get(path) {
            match open.try_recv() {
                Err(TryRecvError::Empty) => return Answer::StillLate,
                // Old news: ask again for the present sizes.
                Ok(_) | Err(TryRecvError::Disconnected) => {
                    self.waiting.remove(path);
                }
            }
        }
        let (sender, receiver) = sync_channel(1);
        let target = path.to_owned();
        let spawned = std::thread::Builder::new().name("disk-stat".to_owned()).spawn(move || {
            // The receiver may be gone by then: nobody wants the answer any more.
            let _ = sender.send(stat(&target));
        });
        if let Err(error) = spawned {
            return Answer::Failed(error);
        }
        match receiver.recv_timeout(deadline) {
            Ok(result) => answer(result),
            Err(RecvTimeoutError::Timeout) => {
                self.waiting.insert(path.to_owned(), receiver);
                Answer::Late
            }
            Err(RecvTimeoutError::Disconnected) => Answer::Failed(io::Error::other("the asking thread died")),
        }
    }
}

fn answer(result: io::Result<Usage>) -> Answer {
    match result {
        Ok(usage) => Answer::Usage(usage),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Answer::Hidden
        }
        Err(e) => Answer::Failed(e),
    }
}

fn stat(path: &Path) -> io::Result<Usage> {
    let s = rustix::fs::statfs(path)?;
    let unit = u64::try_from(s.f_bsize).unwrap_or(0);
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    Ok(Usage {
        total: bytes(s.f_blocks),
        free: bytes(s.f_bavail),
        used: bytes(s.f_blocks.saturating_sub(s.f_bfree)),
        inodes_total: s.f_files,
        inodes_free: s.f_ffree,
        inodes_used: s.f_files.saturating_sub(s.f_ffree),
    })
}
