//! Seal and flush: from arenas to sealed runs in RAM, from sealed runs to segment files.
//!
//! Only the background thread works here. Whatever fails leaves the points where they were: in the log, and in arenas or sealed runs.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roaring::RoaringBitmap;
use weir_catalog::{
    CatalogError, Edit, GroupId, PolicyId, SegmentInfo, SeriesFileInfo, SeriesFileKind, WalFloor, group_dir,
    segment_name, series_file_name,
};
use weir_model::TimeRange;
use weir_segment::{Segment, SegmentError, SegmentFacts, SegmentWriter, Written};
use weir_wal::LaneSlots;

use crate::drop_group::carry;
use crate::error::FlushError;
use crate::file_out::{FileOut, FileSource};
use crate::memtable::Arena;
use crate::merge::merge;
use crate::metrics;
use crate::recovery::to_floor;
use crate::seal::{Scratch, by_group, live_blocks, seal_group};
use crate::series_file;
use crate::shared::{Filed, Shared};
use crate::tombstones::{self, RunFilter, filter_for};
use crate::version::{Home, PolicySeries, Run, Version};

/// How long the look at lanes pauses while they finish a generation.
const LANE_POLL: Duration = Duration::from_micros(100);

/// Seals and flushes. Owned by the background thread (and by recovery before that).
pub(crate) struct Flusher {
    shared: Arc<Shared>,
    scratch: Scratch,
    /// For each group the series that its series files define.
    filed: Filed,
    /// For each group the series whose points were all deleted before they came to a run. Later batches rely on their definitions, so
    /// these go to a series file all the same.
    emptied: Filed,
    /// By policy the series whose points were sealed after their group had been dropped.
    homeless: HashMap<PolicyId, RoaringBitmap>,
    /// Whether the files are to be dense at once, which costs time but saves a compaction.
    dense: bool,
    /// Files made by the flush under way.
    created: Vec<PathBuf>,
    /// Files that a failed manifest edit names: it may be on the disk after all, until another edit has succeeded.
    doubtful: Vec<PathBuf>,
}

/// What sealing made of one group.
pub(crate) struct SealedRun {
    pub(crate) policy: PolicyId,
    pub(crate) group: GroupId,
    pub(crate) run: Arc<Run>,
}

/// Files that one flush made for one group.
struct GroupFiles {
    policy: PolicyId,
    group: GroupId,
    /// `None` if all points are deleted.
    segment: Option<(SegmentInfo, Arc<Segment>)>,
    series: Option<(SeriesFileInfo, RoaringBitmap)>,
    /// The runs that went into it.
    inputs: Vec<Arc<Run>>,
}

impl Flusher {
    pub(crate) fn new(shared: Arc<Shared>, filed: Filed) -> Self {
        Self {
            shared,
            scratch: Scratch::default(),
            filed,
            emptied: Filed::new(),
            dense: false,
            homeless: HashMap::new(),
            created: Vec::new(),
            doubtful: Vec::new(),
        }
    }

    /// Begins a new generation, waits until no lane can add to older ones, and seals those.
    ///
    /// # Errors
    /// [`FlushError`]; nothing is lost.
    pub(crate) fn seal(&mut self) -> Result<(), FlushError> {
        let shared = Arc::clone(&self.shared);
        if shared.version.load().arenas.iter().all(|a| a.is_empty())
            && shared.lanes.iter().all(|l| l.is_past(u32::MAX))
        {
            return Ok(());
        }
        let _rotation = shared.rotation();
        let generation = rotate(&shared)?;
        self.seal_below(generation)
    }

    /// The definitions of these series must be written, though a run lacks points of them.
    pub(crate) fn note_emptied(&mut self, group: GroupId, slots: impl IntoIterator<Item = u32>) {
        self.emptied.entry(group).or_default().extend(slots);
    }

    /// Seals all arenas of generations below `generation`, to which nothing is added any more.
    pub(crate) fn seal_below(&mut self, generation: u32) -> Result<(), FlushError> {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let version = shared.version.load_full();
        let old: Vec<Arc<Arena>> =
            version.arenas.iter().filter(|a| a.generation < generation).cloned().collect();
        let runs = self.seal_arenas(&old, &version)?;
        let points = runs.iter().map(|r| r.run.points).sum();
        shared.change_version(|version| {
            version.arenas.retain(|a| !old.iter().any(|o| Arc::ptr_eq(o, a)));
            for sealed in runs {
                // A policy may have been dropped meanwhile.
                if version.policies.contains_key(&sealed.policy) {
                    add_run(version, sealed.group, sealed.run);
                }
            }
        });
        metrics::sealed(started.elapsed(), points);
        Ok(())
    }

    /// Sealed runs of some arenas.
    pub(crate) fn seal_arenas(
        &mut self,
        arenas: &[Arc<Arena>],
        version: &Version,
    ) -> Result<Vec<SealedRun>, FlushError> {
        let generations = arenas.iter().filter(|a| !a.is_empty()).map(|a| u64::from(a.generation));
        let (Some(gen_lo), Some(gen_hi)) = (generations.clone().min(), generations.max()) else {
            return Ok(Vec::new());
        };
        let is_alive = |policy: PolicyId| version.policies.get(&policy).is_some_and(|p| !p.is_ended());
        let mut emptied: Vec<(GroupId, u32)> = Vec::new();
        let blocks =
            live_blocks(arenas, |block| is_alive(block.rows.policy), &version.tombstones, &mut emptied);
        emptied.into_iter().for_each(|(group, slot)| self.note_emptied(group, [slot]));
        let groups = by_group(&blocks);
        let state = self.shared.catalog.state();
        let mut runs = Vec::with_capacity(groups.len());
        for (group, blocks) in groups {
            let first = blocks.values().flatten().next();
            let series = first.and_then(|b| version.policies.get(&b.rows.policy));
            let Some(series) = series else { continue };
            if state.group(group).is_none() {
                let slots = blocks.values().flatten().flat_map(|block| block.rows.slots.iter().copied());
                self.homeless.entry(series.policy).or_default().extend(slots);
                continue;
            }
            let facts = SegmentFacts {
                store_id: self.shared.catalog.store_id().0,
                group_start: state.group(group).map_or(0, |g| g.window.min),
                gen_lo,
                gen_hi,
                level: 0,
            };
            let sealed = seal_group(&blocks, series, facts, &mut self.scratch)?;
            if sealed.written.points == 0 {
                continue;
            }
            let charge = self.shared.sealed_pool.charge(sealed.bytes.len() as u64);
            // The copy has no spare capacity.
            let bytes: Arc<[u8]> = sealed.bytes.into();
            let run = Run {
                segment: Arc::new(Segment::open(Arc::new(Arc::clone(&bytes)))?),
                points: sealed.written.points,
                bytes: Some(bytes),
                gen_lo,
                gen_hi,
                span: TimeRange::new(sealed.written.t_min, sealed.written.t_max),
                tombstones_applied: version.tombstones.last,
                home: Home::Sealed,
                slots: sealed.slots,
                charge: Some(charge),
            };
            runs.push(SealedRun { policy: series.policy, group, run: Arc::new(run) });
        }
        Ok(runs)
    }

    /// As [`flush`](Self::flush), when there is time: what is not much is written in the form in which it will stay.
    ///
    /// # Errors
    /// Of [`flush`](Self::flush).
    pub(crate) fn flush_at_leisure(&mut self) -> Result<(), FlushError> {
        const DENSE_BYTES_MAX: u64 = 16 << 20;
        let done = self.seal().and_then(|()| {
            self.dense = self.shared.sealed_pool.used() <= DENSE_BYTES_MAX;
            self.flush()
        });
        self.dense = false;
        done
    }

    /// Seals, then writes every sealed run to segment files, moves the floors of all logs and gives log files back.
    ///
    /// # Errors
    /// [`FlushError`]; the points stay where they were, and the next flush tries again.
    pub(crate) fn flush(&mut self) -> Result<(), FlushError> {
        let oldest = self.shared.oldest_unflushed.swap(0, std::sync::atomic::Ordering::Relaxed);
        let done = self.seal().and_then(|()| self.flush_sealed());
        if done.is_err() && oldest != 0 {
            self.shared.oldest_unflushed.store(oldest, std::sync::atomic::Ordering::Relaxed);
        }
        done
    }

    /// Writes the sealed runs of the current version; arenas stay.
    ///
    /// # Errors
    /// [`FlushError`]; the runs stay, and files that came to nothing are removed.
    pub(crate) fn flush_sealed(&mut self) -> Result<(), FlushError> {
        self.created.clear();
        let done = self.write_sealed();
        let created = std::mem::take(&mut self.created);
        match &done {
            Ok(()) => {
                let doubtful = std::mem::take(&mut self.doubtful);
                self.remove_files(&doubtful);
            }
            Err(FlushError::Catalog(CatalogError::NotDurable(_) | CatalogError::ReadOnly(_))) => {
                self.doubtful.extend(created);
            }
            Err(_) => self.remove_files(&created),
        }
        done
    }

    fn remove_files(&self, paths: &[PathBuf]) {
        for path in paths {
            if let Err(e) = weir_fs::remove_file_if_exists(self.shared.fs.as_ref(), path) {
                tracing::warn!(path = %path.display(), error = %e, "a useless file stays until the next start");
            }
        }
    }

    fn write_sealed(&mut self) -> Result<(), FlushError> {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let version = shared.version.load_full();
        let current = shared.seq.load(std::sync::atomic::Ordering::SeqCst) >> 32;
        let filled = version.arenas.iter().filter(|a| !a.is_empty());
        // Everything below this generation is in runs; empty arenas of the current one hold nothing back.
        let generation = filled.map(|a| u64::from(a.generation)).min().unwrap_or(current).min(current);
        let mut files = Vec::new();
        let mut sealed: BTreeMap<GroupId, Vec<Arc<Run>>> = BTreeMap::new();
        for (&group, runs) in &version.groups {
            let inputs: Vec<_> = runs.iter().filter(|r| r.home == Home::Sealed).cloned().collect();
            if !inputs.is_empty() {
                sealed.insert(group, inputs);
            }
        }
        for &group in self.emptied.keys() {
            sealed.entry(group).or_default();
        }
        for (group, inputs) in sealed {
            if let Some(made) = self.write_group(group, inputs, &version)? {
                files.push(made);
            }
        }
        let directories: std::collections::BTreeSet<PathBuf> =
            files.iter().map(|f| self.directory(f.policy, f.group)).collect();
        for directory in &directories {
            shared.fs.sync_dir(directory)?;
        }
        let bytes = files.iter().filter_map(|f| f.segment.as_ref()).map(|(segment, _)| segment.bytes).sum();
        self.register(files, generation)?;
        metrics::flushed(started.elapsed(), bytes);
        Ok(())
    }

    fn directory(&self, policy: PolicyId, group: GroupId) -> PathBuf {
        group_dir(self.shared.catalog.dir(), policy, group)
    }

    /// Writes segment and series file of one group; both are synced, their names are not.
    fn write_group(
        &mut self,
        group: GroupId,
        inputs: Vec<Arc<Run>>,
        version: &Version,
    ) -> Result<Option<GroupFiles>, FlushError> {
        let shared = Arc::clone(&self.shared);
        let state = shared.catalog.state();
        let Some(known) = state.group(group) else { return Ok(None) };
        let Some(series) = version.policies.get(&known.policy) else { return Ok(None) };
        let directory = self.directory(known.policy, group);
        shared.fs.create_dir_all(&directory)?;
        let segment = match inputs.is_empty() {
            true => None,
            false => self.write_points(&directory, known, &inputs, series, version)?,
        };
        let series_file = self.write_series(&directory, group, &inputs, series)?;
        Ok(Some(GroupFiles { policy: known.policy, group, segment, series: series_file, inputs }))
    }

    /// Writes the segment of one group; `None` if all points are deleted.
    fn write_points(
        &mut self,
        directory: &Path,
        group: &weir_catalog::Group,
        inputs: &[Arc<Run>],
        series: &PolicySeries,
        version: &Version,
    ) -> Result<Option<(SegmentInfo, Arc<Segment>)>, FlushError> {
        let shared = Arc::clone(&self.shared);
        let file = shared.catalog.new_file_id()?;
        let path = directory.join(segment_name(file));
        self.created.push(path.clone());
        let gen_lo = inputs.iter().map(|r| r.gen_lo).min().unwrap_or(0);
        let gen_hi = inputs.iter().map(|r| r.gen_hi).max().unwrap_or(0);
        let facts = SegmentFacts {
            store_id: shared.catalog.store_id().0,
            group_start: group.window.min,
            gen_lo,
            gen_hi,
            level: u8::from(self.dense),
        };
        let filters = inputs.iter().map(|run| filter_for(version, group.policy, group.id, run)).collect();
        let written = self.write_segment(&path, facts, inputs, filters, series)?;
        if written.points == 0 {
            self.remove_files(&[path]);
            return Ok(None);
        }
        let segment = SegmentInfo {
            file,
            group: group.id,
            gen_lo,
            gen_hi,
            level: u8::from(self.dense),
            bytes: written.bytes,
            points: written.points,
            t_min: written.t_min,
            t_max: written.t_max,
            tombstones_applied: version.tombstones.last,
            quarantined: false,
            origin: None,
        };
        let open = Arc::new(Segment::open(Arc::new(FileSource::open(shared.fs.as_ref(), &path)?))?);
        Ok(Some((segment, open)))
    }

    fn write_segment(
        &self,
        path: &Path,
        facts: SegmentFacts,
        inputs: &[Arc<Run>],
        filters: Vec<RunFilter>,
        series: &PolicySeries,
    ) -> Result<Written, FlushError> {
        let mut out = FileOut::create(self.shared.fs.as_ref(), path)?;
        if let [run] = inputs
            && !self.dense
            && let Some(bytes) = &run.bytes
            && filters.iter().all(RunFilter::is_empty)
        {
            // Nothing to join: the sealed bytes are a segment already.
            out.write_all(bytes).map_err(|source| SegmentError::Io { op: "write", offset: 0, source })?;
            let written = Written {
                bytes: out.finish()?,
                points: run.points,
                series: run.slots.len(),
                t_min: run.span.min,
                t_max: run.span.max,
            };
            return Ok(written);
        }
        let mut writer = SegmentWriter::new(out, facts)?.dense(self.dense);
        let segments = inputs.iter().map(|r| Arc::clone(&r.segment));
        merge(segments.zip(filters).collect(), series, &mut writer)?;
        let (out, mut written) = writer.finish()?;
        written.bytes = out.finish()?;
        Ok(written)
    }

    /// Definitions of the series that no series file of the group has yet.
    fn write_series(
        &mut self,
        directory: &Path,
        group: GroupId,
        inputs: &[Arc<Run>],
        series: &PolicySeries,
    ) -> Result<Option<(SeriesFileInfo, RoaringBitmap)>, FlushError> {
        let mut slots = RoaringBitmap::new();
        inputs.iter().for_each(|run| slots |= &run.slots);
        if let Some(emptied) = self.emptied.get(&group) {
            slots |= emptied;
        }
        if let Some(known) = self.filed.get(&group) {
            slots -= known;
        }
        if slots.is_empty() {
            return Ok(None);
        }
        let shared = Arc::clone(&self.shared);
        let file = shared.catalog.new_file_id()?;
        let path = directory.join(series_file_name(file, SeriesFileKind::Log));
        self.created.push(path.clone());
        let store = shared.catalog.store_id();
        let bytes = series_file::write(shared.fs.as_ref(), &path, store, group, series, &slots)?;
        let info = SeriesFileInfo { file, group, kind: SeriesFileKind::Log, bytes, series: slots.len() };
        Ok(Some((info, slots)))
    }

    /// Makes the files part of the store: one manifest record with all floors, one exchange of the version. Groups that were dropped
    /// meanwhile are left out.
    fn register(&mut self, files: Vec<GroupFiles>, generation: u64) -> Result<(), FlushError> {
        let shared = Arc::clone(&self.shared);
        let structure = shared.structure();
        let state = shared.catalog.state();
        let (alive, gone): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| state.group(f.group).is_some());
        let mut edits = Vec::new();
        for made in &alive {
            edits.extend(made.segment.iter().map(|(segment, _)| Edit::AddSegment(segment.clone())));
            edits.extend(made.series.iter().map(|(info, _)| Edit::AddSeriesFile(info.clone())));
        }
        let (mut floors, mut former) = (Vec::new(), Vec::new());
        for lane in &shared.lanes {
            let Some(slots) = lane.slots() else { continue };
            let before = state.floors().get(&lane.lane).copied().unwrap_or_default();
            let floor = WalFloor {
                generation: generation.max(before.generation),
                file_no: slots.floor_file(generation).max(before.file_no),
            };
            if floor != before {
                edits.push(Edit::SetWalFloor { lane: lane.lane, floor });
            }
            floors.push((Arc::clone(slots), floor));
        }
        for slots in shared.former_lanes() {
            let before = state.floors().get(&slots.lane()).copied().unwrap_or_default();
            // Past its last file: nothing is written there any more, and replay has put it all into runs.
            let floor = WalFloor { generation, file_no: slots.floor_file(u64::MAX) + 1 };
            if floor != before && generation >= shared.first_generation() {
                edits.push(Edit::SetWalFloor { lane: slots.lane(), floor });
                former.push((slots, floor));
            }
        }
        // Their definitions may have been in the part of the logs that is given up.
        let version = shared.version.load_full();
        for (policy, slots) in &self.homeless {
            let series = version.policy(*policy);
            edits.extend(
                series.and_then(|series| carry(&shared, series, slots, &format!("before-{generation}"))),
            );
        }
        if !edits.is_empty() {
            shared.catalog.apply(edits)?;
        }
        self.homeless.clear();
        shared.change_version(|version| {
            for made in &alive {
                replace_runs(version, made);
            }
            version.groups.retain(|group, _| state.group(*group).is_some());
        });
        for made in alive {
            self.emptied.remove(&made.group);
            if let Some((info, slots)) = made.series {
                *self.filed.entry(info.group).or_default() |= slots;
            }
        }
        drop(structure);
        if let Err(e) = tombstones::forget(&shared) {
            tracing::warn!(error = %e, "deletes that are done with stay in the manifest");
        }
        for made in gone {
            self.remove_group_files(&made);
        }
        for (slots, floor) in floors {
            if let Err(e) = slots.release(to_floor(slots.lane(), floor)) {
                tracing::warn!(lane = slots.lane(), error = %e, "log files could not be given back");
            }
        }
        for (slots, floor) in former {
            self.retire(&slots, floor);
        }
        Ok(())
    }

    /// Removes the log of a lane that is written no more.
    fn retire(&self, slots: &LaneSlots, floor: WalFloor) {
        match slots.retire(to_floor(slots.lane(), floor)) {
            Ok(true) => {
                self.shared.forget_former_lane(slots.lane());
                if let Err(e) = self.shared.catalog.apply(vec![Edit::RemoveLane { lane: slots.lane() }]) {
                    tracing::warn!(lane = slots.lane(), error = %e, "a lane that is gone stays in the manifest");
                }
            }
            Ok(false) => {}
            Err(e) => tracing::warn!(lane = slots.lane(), error = %e, "the log of a former lane stays"),
        }
    }

    fn remove_group_files(&self, made: &GroupFiles) {
        let directory = self.directory(made.policy, made.group);
        if let Err(e) = self.shared.fs.remove_dir_all(&directory)
            && !e.is_not_found()
        {
            tracing::warn!(error = %e, "files of a dropped shard group stay until the next start");
        }
    }

    /// Forgets what is known of dropped groups.
    pub(crate) fn forget_groups(&mut self) {
        let state = self.shared.catalog.state();
        self.filed.retain(|group, _| state.group(*group).is_some());
        self.emptied.retain(|group, _| state.group(*group).is_some());
    }
}

/// Begins a new generation and waits until no lane can add to older ones; its number. The caller holds the rotation lock.
///
/// Empty arenas of the next generation are published first, then the counter is raised: whoever takes a seq of the new
/// generation finds its arena.
///
/// # Errors
/// [`FlushError::Stopping`] when there is no further generation.
pub(crate) fn rotate(shared: &Shared) -> Result<u32, FlushError> {
    let current = shared.seq.load(std::sync::atomic::Ordering::SeqCst) >> 32;
    let next = u32::try_from(current + 1).map_err(|_| FlushError::Stopping)?;
    let arenas: Vec<Arc<Arena>> = shared.lanes.iter().map(|l| shared.new_arena(l.lane, next)).collect();
    shared.change_version(|version| version.arenas.extend(arenas));
    shared.seq.fetch_max(u64::from(next) << 32, std::sync::atomic::Ordering::SeqCst);
    for lane in &shared.lanes {
        while !lane.is_past(next) {
            std::thread::sleep(LANE_POLL);
        }
    }
    Ok(next)
}

/// Appends a run behind those a group has.
pub(crate) fn add_run(version: &mut Version, group: GroupId, run: Arc<Run>) {
    let runs = version.groups.entry(group).or_insert_with(|| Arc::from([]));
    *runs = runs.iter().cloned().chain(std::iter::once(run)).collect();
}

/// Puts a file in the place of the sealed runs that went into it.
fn replace_runs(version: &mut Version, made: &GroupFiles) {
    let Some(runs) = version.groups.get_mut(&made.group) else { return };
    let file = made.segment.as_ref().map(|(segment, open)| {
        Arc::new(Run {
            segment: Arc::clone(open),
            points: segment.points,
            bytes: None,
            gen_lo: segment.gen_lo,
            gen_hi: segment.gen_hi,
            span: TimeRange::new(segment.t_min, segment.t_max),
            tombstones_applied: segment.tombstones_applied,
            home: Home::File(segment.file),
            slots: RoaringBitmap::new(),
            charge: None,
        })
    });
    let is_input = |run: &Arc<Run>| made.inputs.iter().any(|input| Arc::ptr_eq(input, run));
    let mut next: Vec<Arc<Run>> = Vec::with_capacity(runs.len());
    let mut file = file;
    for run in runs.iter() {
        if is_input(run) {
            next.extend(file.take());
        } else {
            next.push(Arc::clone(run));
        }
    }
    *runs = next.into();
}
