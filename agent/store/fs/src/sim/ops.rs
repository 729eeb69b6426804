//! The operations of the simulated disk: counting, failing, then doing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::state::{DirNode, FileNode, Ino, Node, ROOT, Rng, State};
use super::{Fault, FaultError, LoggedOp, SimFs};
use crate::{DirEntry, EntryKind, File, Fs, FsError, FsResult, LockGuard, Op, OpenMode};

/// How much of an operation happens.
#[derive(Clone, Copy)]
enum Effect {
    Full,
    Partly(u64),
    Nothing,
}

impl SimFs {
    /// Counts, logs, and runs `body` as far as the power and the planned faults let it.
    fn run<T>(
        &self,
        op: Op,
        path: &Path,
        range: (u64, u64),
        body: impl FnOnce(&mut State, Effect) -> io::Result<T>,
    ) -> FsResult<T> {
        let mut state = self.lock();
        let state = &mut *state;
        *state.counts.entry(op).or_default() += 1;
        let result = match state.power(op) {
            Err(e) => Err(e),
            Ok(()) => match state.fault(op, path) {
                None => body(state, Effect::Full),
                Some(fault) => {
                    // Only these three know halves; a failed file sync has an effect even when nothing gets through.
                    let halves = matches!(op, Op::Write | Op::SyncData | Op::SyncDir);
                    match fault {
                        Fault::FailButDone(_) => drop(body(state, Effect::Full)),
                        Fault::FailPartly(_, seed) if halves => drop(body(state, Effect::Partly(seed))),
                        Fault::Fail(_) if halves => drop(body(state, Effect::Nothing)),
                        Fault::Fail(_) | Fault::FailPartly(..) => {}
                    }
                    Err(fault.error().into())
                }
            },
        };
        if result.is_ok() {
            state.changes += u64::from(op.is_change());
            state.syncs += u64::from(op.is_sync());
        }
        if let Some(log) = &mut state.log {
            let (offset, len) = range;
            log.push(LoggedOp { op, path: path.to_owned(), offset, len, ok: result.is_ok() });
        }
        result.map_err(|source| FsError::new(op, path, source))
    }
}

impl State {
    fn power(&mut self, op: Op) -> io::Result<()> {
        let due = |at: Option<u64>, now: u64| at.is_some_and(|at| now >= at);
        if op.is_change() && due(self.cut_at_change, self.changes)
            || op.is_sync() && due(self.cut_at_sync, self.syncs)
        {
            self.cut = true;
        }
        if self.cut { Err(io::Error::other("simulated power cut")) } else { Ok(()) }
    }

    fn fault(&mut self, op: Op, path: &Path) -> Option<Fault> {
        let text = path.to_string_lossy();
        for plan in &mut self.faults {
            let applies = plan.op.map_or(op.is_change(), |wanted| wanted == op);
            if plan.times == 0 || !applies || !text.contains(plan.path_contains.as_str()) {
                continue;
            }
            if plan.skip > 0 {
                plan.skip -= 1;
                continue;
            }
            plan.times -= 1;
            return Some(plan.fault);
        }
        None
    }

    fn file(&mut self, ino: Ino) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&ino) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn dir(&mut self, ino: Ino) -> io::Result<&mut DirNode> {
        match self.nodes.get_mut(&ino) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn find_file(&mut self, path: &Path) -> io::Result<Ino> {
        let ino = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        self.file(ino).map(|_| ino)
    }

    /// The directory and name to put something at.
    fn place<'p>(&self, path: &'p Path) -> io::Result<(Ino, &'p str)> {
        self.split(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent()
            && self.find(parent).is_none()
        {
            self.make_dir(parent)?;
        }
        if let Some(ino) = self.find(path) {
            return self.dir(ino).map(|_| ());
        }
        let (parent, name) = self.place(path)?;
        let ino = self.add(Node::Dir(DirNode::default()));
        let parent = self.dir(parent)?;
        parent.change(vec![(name.to_owned(), Some(ino))]);
        parent.sync();
        Ok(())
    }

    fn room_for(&mut self, growth: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        if growth == 0 || self.used().saturating_add(growth) <= capacity {
            return Ok(());
        }
        self.collect();
        if self.used().saturating_add(growth) <= capacity { Ok(()) } else { Err(FaultError::DiskFull.into()) }
    }
}

impl From<FaultError> for io::Error {
    fn from(e: FaultError) -> Self {
        match e {
            FaultError::DiskFull => rustix::io::Errno::NOSPC.into(),
            FaultError::Io => rustix::io::Errno::IO.into(),
        }
    }
}

impl Fs for SimFs {
    fn create_dir_all(&self, path: &Path) -> FsResult<()> {
        {
            let mut state = self.lock();
            if let Some(ino) = state.find(path)
                && state.dir(ino).is_ok()
            {
                return Ok(());
            }
        }
        self.run(Op::CreateDir, path, (0, 0), |state, _| state.make_dir(path))
    }

    fn read_dir(&self, path: &Path) -> FsResult<Vec<DirEntry>> {
        self.run(Op::ReadDir, path, (0, 0), |state, _| {
            let ino = state.find(path).ok_or(io::ErrorKind::NotFound)?;
            let names: Vec<(String, Ino)> =
                state.dir(ino)?.cache.iter().map(|(name, ino)| (name.clone(), *ino)).collect();
            let entry = |(name, ino)| {
                let is_file = matches!(state.nodes.get(&ino), Some(Node::File(_)));
                DirEntry { name, kind: if is_file { EntryKind::File } else { EntryKind::Dir } }
            };
            Ok(names.into_iter().map(entry).collect())
        })
    }

    fn open(&self, path: &Path, mode: OpenMode) -> FsResult<Arc<dyn File>> {
        let op = if mode == OpenMode::CreateNew { Op::Create } else { Op::Open };
        let (ino, epoch) = self.run(op, path, (0, 0), |state, _| {
            let ino = if mode == OpenMode::CreateNew {
                let (dir, name) = state.place(path)?;
                if state.find(path).is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                let ino = state.add(Node::File(FileNode::default()));
                state.dir(dir)?.change(vec![(name.to_owned(), Some(ino))]);
                ino
            } else {
                state.find_file(path)?
            };
            *state.open.entry(ino).or_default() += 1;
            Ok((ino, state.epoch))
        })?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimFile { fs: self.clone(), path: path.to_owned(), ino, epoch, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> FsResult<()> {
        self.run(Op::Rename, from, (0, 0), |state, _| {
            let ino = state.find(from).ok_or(io::ErrorKind::NotFound)?;
            let (from_dir, from_name) = state.place(from)?;
            let (to_dir, to_name) = state.place(to)?;
            if let Some(old) = state.find(to)
                && state.dir(old).is_ok()
            {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let (gone, made) = ((from_name.to_owned(), None), (to_name.to_owned(), Some(ino)));
            if from_dir == to_dir {
                state.dir(from_dir)?.change(vec![gone, made]);
            } else {
                state.dir(to_dir)?.change(vec![made]);
                state.dir(from_dir)?.change(vec![gone]);
            }
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> FsResult<()> {
        self.run(Op::RemoveFile, path, (0, 0), |state, _| {
            state.find_file(path)?;
            let (dir, name) = state.place(path)?;
            state.dir(dir)?.change(vec![(name.to_owned(), None)]);
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> FsResult<()> {
        self.run(Op::RemoveDir, path, (0, 0), |state, _| {
            let ino = state.find(path).ok_or(io::ErrorKind::NotFound)?;
            if !state.dir(ino)?.cache.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let (dir, name) = state.place(path)?;
            state.dir(dir)?.change(vec![(name.to_owned(), None)]);
            Ok(())
        })
    }

    fn remove_dir_all(&self, path: &Path) -> FsResult<()> {
        for entry in self.read_dir(path)? {
            let child = path.join(&entry.name);
            match entry.kind {
                EntryKind::Dir => self.remove_dir_all(&child)?,
                EntryKind::File | EntryKind::Other => self.remove_file(&child)?,
            }
        }
        self.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> FsResult<()> {
        self.run(Op::SyncDir, path, (0, 0), |state, effect| {
            let ino = if path == Path::new(".") {
                ROOT
            } else {
                state.find(path).ok_or(io::ErrorKind::NotFound)?
            };
            let dir = state.dir(ino)?;
            match effect {
                Effect::Full => dir.sync(),
                Effect::Partly(seed) => dir.sync_prefix(&mut Rng::new(seed)),
                Effect::Nothing => {}
            }
            Ok(())
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> FsResult<()> {
        self.run(Op::HardLink, to, (0, 0), |state, _| {
            let ino = state.find_file(from)?;
            let (dir, name) = state.place(to)?;
            if state.find(to).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.dir(dir)?.change(vec![(name.to_owned(), Some(ino))]);
            Ok(())
        })
    }

    fn len(&self, path: &Path) -> FsResult<u64> {
        self.run(Op::Stat, path, (0, 0), |state, _| {
            let ino = state.find_file(path)?;
            Ok(state.file(ino)?.cache.len() as u64)
        })
    }

    fn exists(&self, path: &Path) -> FsResult<bool> {
        self.run(Op::Stat, path, (0, 0), |state, _| Ok(state.find(path).is_some()))
    }

    fn free_space(&self, path: &Path) -> FsResult<u64> {
        self.run(Op::Stat, path, (0, 0), |state, _| {
            let Some(capacity) = state.capacity else { return Ok(1 << 40) };
            state.collect();
            Ok(capacity.saturating_sub(state.used()))
        })
    }

    fn lock_exclusive(&self, path: &Path) -> FsResult<LockGuard> {
        let epoch = self.run(Op::Lock, path, (0, 0), |state, _| {
            if state.find(path).is_none() {
                let (dir, name) = state.place(path)?;
                let ino = state.add(Node::File(FileNode::default()));
                state.dir(dir)?.change(vec![(name.to_owned(), Some(ino))]);
            }
            if state.locks.insert(path.to_owned()) {
                Ok(state.epoch)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        })?;
        Ok(LockGuard::new(SimLock { fs: self.clone(), path: path.to_owned(), epoch }))
    }
}

struct SimLock {
    fs: SimFs,
    path: PathBuf,
    epoch: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.fs.lock();
        if state.epoch == self.epoch {
            state.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    path: PathBuf,
    ino: Ino,
    epoch: u64,
    writable: bool,
}

impl SimFile {
    fn run<T>(
        &self,
        op: Op,
        range: (u64, u64),
        body: impl FnOnce(&mut State, Effect) -> io::Result<T>,
    ) -> FsResult<T> {
        self.fs.run(op, &self.path, range, |state, effect| {
            if state.epoch != self.epoch {
                return Err(io::Error::other("this handle was opened before the simulated crash"));
            }
            if matches!(op, Op::Write | Op::SetLen) && !self.writable {
                return Err(rustix::io::Errno::BADF.into());
            }
            body(state, effect)
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.fs.lock();
        if state.epoch == self.epoch
            && let Some(handles) = state.open.get_mut(&self.ino)
        {
            *handles -= 1;
            if *handles == 0 {
                state.open.remove(&self.ino);
            }
        }
    }
}

fn to_usize(n: u64) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl File for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        let range = (offset, buf.len() as u64);
        self.run(Op::Read, range, |state, _| {
            let contents = &state.file(self.ino)?.cache;
            let rest = contents.get(to_usize(offset)?..).unwrap_or(&[]);
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        })
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> FsResult<()> {
        let range = (offset, buf.len() as u64);
        self.run(Op::Write, range, |state, effect| {
            let part = match effect {
                Effect::Full => buf,
                Effect::Partly(seed) => &buf[..Rng::new(seed).up_to(buf.len())],
                Effect::Nothing => return Ok(()),
            };
            let offset = to_usize(offset)?;
            let end = offset.checked_add(part.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            let grown = end.saturating_sub(state.file(self.ino)?.cache.len());
            state.room_for(grown as u64)?;
            if !part.is_empty() {
                state.file(self.ino)?.write(offset, part);
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> FsResult<()> {
        self.run(Op::SyncData, (0, 0), |state, effect| {
            let file = state.file(self.ino)?;
            match effect {
                Effect::Full => file.sync(),
                Effect::Partly(seed) => file.tear(&mut Rng::new(seed)),
                Effect::Nothing => file.forget_unsynced(),
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> FsResult<()> {
        self.run(Op::SetLen, (len, 0), |state, _| {
            let wanted = to_usize(len)?;
            let grown = wanted.saturating_sub(state.file(self.ino)?.cache.len());
            state.room_for(grown as u64)?;
            state.file(self.ino)?.set_len(wanted);
            Ok(())
        })
    }

    fn len(&self) -> FsResult<u64> {
        self.run(Op::Stat, (0, 0), |state, _| Ok(state.file(self.ino)?.cache.len() as u64))
    }
}
