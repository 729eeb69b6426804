//! What the simulated disk holds, and what a power cut leaves of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

use super::{Crash, FaultPlan, LoggedOp};
use crate::Op;

/// Number of a file or directory.
pub(super) type Ino = u64;
/// The directory all paths start from, absolute and relative ones alike.
pub(super) const ROOT: Ino = 0;

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<Ino, Node>,
    next_ino: Ino,
    /// Raised by a crash; handles and locks of an older epoch are dead.
    pub(super) epoch: u64,
    pub(super) faults: Vec<FaultPlan>,
    pub(super) cut_at_change: Option<u64>,
    pub(super) cut_at_sync: Option<u64>,
    pub(super) cut: bool,
    pub(super) changes: u64,
    pub(super) syncs: u64,
    pub(super) counts: BTreeMap<Op, u64>,
    pub(super) log: Option<Vec<LoggedOp>>,
    pub(super) capacity: Option<u64>,
    pub(super) locks: HashSet<PathBuf>,
    /// Handles on each file, so that a removed file lives as long as someone has it open.
    pub(super) open: BTreeMap<Ino, u64>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

/// Contents as reads see them, durable contents, and how the second becomes the first.
#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    pub(super) cache: Vec<u8>,
    durable: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
    /// Length after each unsynced change of it.
    lens: Vec<usize>,
}

/// Names as look-ups see them, durable names, and the changes between.
#[derive(Clone, Debug, Default)]
pub(super) struct DirNode {
    pub(super) cache: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
    /// Each change is atomic: names set to a number, or removed.
    changes: Vec<Vec<(String, Option<Ino>)>>,
}

/// SplitMix64: small, seedable, good enough to choose outcomes.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `max`, both included.
    pub(super) fn up_to(&mut self, max: usize) -> usize {
        usize::try_from(self.next() % (max as u64).saturating_add(1)).unwrap_or(0)
    }
}

impl FileNode {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.cache.len() {
            self.cache.resize(end, 0);
            self.lens.push(end);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        self.writes.push((offset, bytes.to_vec()));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        if len < self.cache.len() {
            // What comes back when the file grows again is zero.
            self.writes.push((len, vec![0; self.cache.len() - len]));
        }
        self.cache.resize(len, 0);
        self.lens.push(len);
    }

    /// Everything written so far becomes durable.
    pub(super) fn sync(&mut self) {
        for (offset, bytes) in self.writes.drain(..) {
            put(&mut self.durable, offset, &bytes);
        }
        self.lens.clear();
        self.durable.resize(self.cache.len(), 0);
    }

    /// Writes the kernel has given up on: readable, but no sync will carry them any more.
    pub(super) fn forget_unsynced(&mut self) {
        self.writes.clear();
        self.lens.clear();
    }

    /// For each sector some of the unsynced versions become durable; one of the lengths does.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        let len_before = self.durable.len();
        let sector = if rng.up_to(1) == 0 { 512 } else { 4096 };
        let sectors: BTreeSet<usize> = self
            .writes
            .iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .flat_map(|(offset, bytes)| offset / sector..=(offset + bytes.len() - 1) / sector)
            .collect();
        // Extremes often: a disk that kept nothing, nearly nothing, everything, or nearly everything.
        let keep_of_8 = [0, 1, 4, 7, 8][rng.up_to(4)];
        for s in sectors {
            let touching: Vec<&(usize, Vec<u8>)> = self
                .writes
                .iter()
                .filter(|(offset, bytes)| *offset < (s + 1) * sector && offset + bytes.len() > s * sector)
                .collect();
            let kept = if rng.up_to(7) < keep_of_8 { rng.up_to(touching.len() - 1) + 1 } else { 0 };
            for (offset, bytes) in &touching[..kept] {
                let from = (*offset).max(s * sector);
                let to = (offset + bytes.len()).min((s + 1) * sector);
                put(&mut self.durable, from, &bytes[from - offset..to - offset]);
            }
        }
        let choice = rng.up_to(self.lens.len());
        let len = if choice == 0 { len_before } else { self.lens[choice - 1] };
        self.durable.resize(len, 0);
        self.forget_unsynced();
    }
}

fn put(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if end > contents.len() {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}

impl DirNode {
    pub(super) fn change(&mut self, change: Vec<(String, Option<Ino>)>) {
        apply(&mut self.cache, &change);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// The first of the unsynced changes become durable; the others stay unsynced.
    pub(super) fn sync_prefix(&mut self, rng: &mut Rng) {
        let n = rng.up_to(self.changes.len());
        for change in self.changes.drain(..n) {
            apply(&mut self.durable, &change);
        }
    }

    fn tear(&mut self, rng: &mut Rng) {
        let in_order = rng.up_to(1) == 0;
        if in_order {
            self.sync_prefix(rng);
        } else {
            self.changes.retain(|_| rng.up_to(1) == 0);
            self.sync();
        }
    }
}

fn apply(names: &mut BTreeMap<String, Ino>, change: &[(String, Option<Ino>)]) {
    for (name, ino) in change {
        match ino {
            Some(ino) => names.insert(name.clone(), *ino),
            None => names.remove(name),
        };
    }
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(DirNode::default()))]),
            next_ino: ROOT + 1,
            epoch: 0,
            faults: Vec::new(),
            cut_at_change: None,
            cut_at_sync: None,
            cut: false,
            changes: 0,
            syncs: 0,
            counts: BTreeMap::new(),
            log: None,
            capacity: None,
            locks: HashSet::new(),
            open: BTreeMap::new(),
        }
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        let mut rng = Rng::new(if let Crash::Tear { seed } = crash { seed } else { 0 });
        for node in self.nodes.values_mut() {
            match (node, crash) {
                (Node::File(file), Crash::KeepAll) => file.durable.clone_from(&file.cache),
                (Node::File(file), Crash::LoseUnsynced) => file.forget_unsynced(),
                (Node::File(file), Crash::Tear { .. }) => file.tear(&mut rng),
                (Node::Dir(dir), Crash::KeepAll) => dir.sync(),
                (Node::Dir(_), Crash::LoseUnsynced) => {}
                (Node::Dir(dir), Crash::Tear { .. }) => dir.tear(&mut rng),
            }
        }
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => {
                    file.cache.clone_from(&file.durable);
                    file.forget_unsynced();
                }
                Node::Dir(dir) => {
                    dir.cache.clone_from(&dir.durable);
                    dir.changes.clear();
                }
            }
        }
        self.epoch += 1;
        self.faults.clear();
        self.cut_at_change = None;
        self.cut_at_sync = None;
        self.cut = false;
        self.locks.clear();
        self.open.clear();
        self.collect();
    }

    pub(super) fn add(&mut self, node: Node) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        self.nodes.insert(ino, node);
        ino
    }

    /// Forgets files and directories that no name, durable or not, leads to and nobody has open.
    pub(super) fn collect(&mut self) {
        let mut reached = BTreeSet::new();
        let mut todo = vec![ROOT];
        todo.extend(self.open.keys().copied());
        while let Some(ino) = todo.pop() {
            if !reached.insert(ino) {
                continue;
            }
            if let Some(Node::Dir(dir)) = self.nodes.get(&ino) {
                todo.extend(dir.cache.values().chain(dir.durable.values()));
                todo.extend(dir.changes.iter().flatten().filter_map(|(_, ino)| *ino));
            }
        }
        self.nodes.retain(|ino, _| reached.contains(ino));
    }

    pub(super) fn used(&self) -> u64 {
        let len = |node: &Node| if let Node::File(file) = node { file.cache.len() as u64 } else { 0 };
        self.nodes.values().map(len).sum()
    }

    /// The directory and last name of a path; `None` for the root, for `..` and where a parent is missing.
    pub(super) fn split<'p>(&self, path: &'p Path) -> Option<(Ino, &'p str)> {
        let name = path.file_name()?.to_str()?;
        let dir = match path.parent() {
            Some(parent) => self.find(parent)?,
            None => ROOT,
        };
        matches!(self.nodes.get(&dir), Some(Node::Dir(_))).then_some((dir, name))
    }

    pub(super) fn find(&self, path: &Path) -> Option<Ino> {
        let mut ino = ROOT;
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => match self.nodes.get(&ino) {
                    Some(Node::Dir(dir)) => ino = *dir.cache.get(name.to_str()?)?,
                    _ => return None,
                },
                Component::ParentDir | Component::Prefix(_) => return None,
            }
        }
        self.nodes.contains_key(&ino).then_some(ino)
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut todo = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, ino)) = todo.pop() {
            match self.nodes.get(&ino) {
                Some(Node::Dir(dir)) => {
                    todo.extend(dir.cache.iter().map(|(name, ino)| (path.join(name), *ino)))
                }
                Some(Node::File(_)) => files.push(path),
                None => {}
            }
        }
        files.sort();
        files
    }

    fn file_mut(&mut self, path: &Path) -> Option<&mut FileNode> {
        let ino = self.find(path)?;
        match self.nodes.get_mut(&ino) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    pub(super) fn peek(&mut self, path: &Path) -> Option<Vec<u8>> {
        self.file_mut(path).map(|file| file.cache.clone())
    }

    pub(super) fn poke(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> bool {
        let (Some(file), Ok(offset)) = (self.file_mut(path), usize::try_from(offset)) else { return false };
        put(&mut file.cache, offset, bytes);
        put(&mut file.durable, offset, bytes);
        true
    }

    pub(super) fn poke_len(&mut self, path: &Path, len: u64) -> bool {
        let (Some(file), Ok(len)) = (self.file_mut(path), usize::try_from(len)) else { return false };
        file.cache.resize(len, 0);
        file.durable.resize(len, 0);
        true
    }
}
