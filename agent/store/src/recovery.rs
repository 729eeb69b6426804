//! Opening: from the manifest, the series files and the logs back to a running state.
//!
//! Replay re-creates what was acknowledged; it judges nothing again, so no limit and no type check runs here. Groups come in ascending
//! order of seq over all lanes and keep their generation; sealing early when memory gets short gives pieces of one generation
//! in that same order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use roaring::RoaringBitmap;
use weir_catalog::{
    CatalogState, Edit, FieldId, Group, GroupId, MeasurementId, PolicyId, SegmentInfo, WalFloor, group_dir,
    segment_name, series_file_name,
};
use weir_fs::{EntryKind, Fs};
use weir_model::TimeRange;
use weir_segment::Segment;
use weir_wal::{Damage, Floor, LaneSlots, Log, LoggedGroup, Points, Record, WalError};

use crate::delete::{load_tombstones, show_series_of};
use crate::drop_group::load_carried;
use crate::error::OpenError;
use crate::file_out::FileSource;
use crate::flush::{Flusher, add_run};
use crate::lane::describe;
use crate::memtable::{Arena, Column, NO_SCALE, Rows};
use crate::metrics;
use crate::shared::{Filed, Shared};
use crate::tombstones::{is_deleted, record_of};
use crate::version::{Home, PolicySeries, Run};

/// Bytes of lost points that are written down.
const LOST_BYTES_MAX: usize = 64 << 20;

/// What a recovery leaves for the threads to go on with.
pub(crate) struct Recovered {
    pub(crate) flusher: Flusher,
    pub(crate) log: Log,
}

/// Brings `shared` (fresh, its lanes without logs) to the state that was acknowledged last.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn recover(shared: &Arc<Shared>) -> Result<Recovered, OpenError> {
    let state = shared.catalog.state();
    for database in state.databases() {
        for policy in state.policies(database) {
            shared.policy_series(policy.id, database.id, &database.name);
        }
    }
    let filed = load_groups(shared, &state);
    remove_unknown_files(shared, &state);

    let wal_dir = shared.catalog.dir().join("wal");
    let floors: Vec<Floor> = state.floors().iter().map(|(&lane, &floor)| to_floor(lane, floor)).collect();
    let log = Log::scan(Arc::clone(&shared.fs), &wal_dir, shared.catalog.store_id().0, &floors)?;
    report_damage(shared, &log)?;
    open_slots(shared, &log, &state)?;
    load_carried(shared, &state);
    load_definitions(shared, &state, &log)?;
    load_tombstones(shared, &state);

    let newest = log.seq_max().unwrap_or(0) >> 32;
    let mut replay = Replay::new(shared, Arc::clone(&state), Flusher::new(Arc::clone(shared), filed));
    for group in log.groups() {
        replay.group(&group?)?;
    }
    let flusher = replay.finish()?;
    begin_generation(shared, newest.max(state.generation()) + 1)?;
    Ok(Recovered { flusher, log })
}

/// A floor of the manifest as the log takes it.
pub(crate) fn to_floor(lane: u16, floor: WalFloor) -> Floor {
    Floor { lane, generation: floor.generation, file_no: floor.file_no, keep_from: None }
}

/// Publishes empty arenas of a generation that was never used, and raises the counter to it.
fn begin_generation(shared: &Shared, generation: u64) -> Result<(), OpenError> {
    let generation = u32::try_from(generation).map_err(|_| OpenError::Damaged {
        path: shared.catalog.dir().to_owned(),
        what: format!("generation {generation} is beyond what a store can reach"),
    })?;
    let arenas: Vec<Arc<Arena>> = shared.lanes.iter().map(|l| shared.new_arena(l.lane, generation)).collect();
    shared.change_version(|version| version.arenas = arenas);
    shared.seq.store(u64::from(generation) << 32, Ordering::SeqCst);
    shared.set_first_generation(u64::from(generation));
    Ok(())
}

/// Opens segments and reads series files. What is damaged is reported and left out; the rest is served.
fn load_groups(shared: &Arc<Shared>, state: &CatalogState) -> Filed {
    let mut filed = Filed::new();
    let mut runs: Vec<(GroupId, Arc<Run>)> = Vec::new();
    let version = shared.version.load_full();
    for group in state.groups() {
        let Some(series) = version.policies.get(&group.policy) else { continue };
        let directory = group_dir(shared.catalog.dir(), group.policy, group.id);
        let mut slots = RoaringBitmap::new();
        for info in &group.series_files {
            let path = directory.join(series_file_name(info.file, info.kind));
            let read = crate::series_file::read(shared.fs.as_ref(), &path, |definition| {
                if let Some(slot) =
                    define(shared, state, series, definition.key, definition.measurement, definition.id)
                {
                    slots.insert(slot);
                }
            });
            if let Err(e) = read {
                shared.health.problem(format!("{}: {}", path.display(), describe(&e)));
            }
        }
        let is_marked = state.records().contains_key(&record_of(group.id));
        if !is_marked {
            series.presence_or_make(group.id).add_all(&slots);
        }
        filed.insert(group.id, slots);
        for info in group.segments.iter().filter(|info| !info.quarantined) {
            match open_segment(shared, &directory, info) {
                Ok(run) => {
                    if is_marked && let Err(e) = show_series_of(&run, series, group.id) {
                        let path = directory.join(segment_name(info.file));
                        shared.health.problem(format!("{}: {}", path.display(), describe(&e)));
                    }
                    runs.push((group.id, Arc::new(run)));
                }
                Err(what) => {
                    let path = directory.join(segment_name(info.file));
                    shared.health.problem(format!("{}: {what}; it is set aside", path.display()));
                    // If that cannot be noted either, the next start finds the damage again.
                    let _ = shared.catalog.apply(vec![Edit::QuarantineSegment { file: info.file }]);
                }
            }
        }
    }
    shared.change_version(|version| {
        for (group, run) in runs {
            add_run(version, group, run);
        }
    });
    filed
}

fn open_segment(shared: &Shared, directory: &Path, info: &SegmentInfo) -> Result<Run, String> {
    let path = directory.join(segment_name(info.file));
    let source = FileSource::open(shared.fs.as_ref(), &path).map_err(|e| describe(&e))?;
    let segment = Segment::open(Arc::new(source)).map_err(|e| describe(&e))?;
    Ok(Run {
        segment: Arc::new(segment),
        points: info.points,
        bytes: None,
        gen_lo: info.gen_lo,
        gen_hi: info.gen_hi,
        span: TimeRange::new(info.t_min, info.t_max),
        tombstones_applied: info.tombstones_applied,
        home: Home::File(info.file),
        slots: RoaringBitmap::new(),
        charge: None,
    })
}

/// Takes over a definition that is durable already.
fn define(
    shared: &Shared,
    state: &CatalogState,
    series: &PolicySeries,
    key: &str,
    measurement: u32,
    id: u64,
) -> Option<u32> {
    state.measurement_by_id(MeasurementId(measurement))?;
    match series.index.define_with_id(key, measurement, id) {
        Ok(slot) => {
            series.mark_durable(&[slot]);
            Some(slot)
        }
        Err(e) => {
            shared.health.problem(format!("a series definition was left out: {e}"));
            None
        }
    }
}

/// Removes what no manifest names: files of an interrupted flush, directories of what was dropped. Only names of our own patterns.
fn remove_unknown_files(shared: &Shared, state: &CatalogState) {
    let data = shared.catalog.dir().join("data");
    let fs = shared.fs.as_ref();
    for policy in numbered_dirs(fs, &data) {
        let directory = data.join(policy.to_string());
        if state.policy(PolicyId(policy)).is_none() {
            remove_dir(fs, &directory);
            continue;
        }
        for group in numbered_dirs(fs, &directory) {
            let directory = directory.join(group.to_string());
            match state.group(GroupId(group)).filter(|g| g.policy.0 == policy) {
                Some(known) => remove_unknown_in(fs, &directory, known),
                None => remove_dir(fs, &directory),
            }
        }
    }
}

fn remove_dir(fs: &dyn Fs, directory: &Path) {
    tracing::info!(path = %directory.display(), "removing files of something dropped");
    if let Err(e) = fs.remove_dir_all(directory) {
        tracing::warn!(error = %e, "they stay until the next start");
    }
}

fn remove_unknown_in(fs: &dyn Fs, directory: &Path, group: &Group) {
    let mut known: HashSet<String> = group.segments.iter().map(|s| segment_name(s.file)).collect();
    known.extend(group.series_files.iter().map(|s| series_file_name(s.file, s.kind)));
    let Ok(entries) = fs.read_dir(directory) else { return };
    for entry in entries.iter().filter(|e| e.kind == EntryKind::File && !known.contains(&e.name)) {
        let is_ours = entry.name.split_once('.').is_some_and(|(number, extension)| {
            number.parse::<u64>().is_ok() && matches!(extension, "seg" | "ser" | "idx")
        });
        if is_ours {
            let path = directory.join(&entry.name);
            tracing::info!(path = %path.display(), "removing a file that no manifest names");
            if let Err(e) = fs.remove_file(&path) {
                tracing::warn!(error = %e, "it stays until the next start");
            }
        }
    }
}

/// Sub-directories whose names are numbers as we write them.
fn numbered_dirs(fs: &dyn Fs, directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs.read_dir(directory) else { return Vec::new() };
    let directories = entries.iter().filter(|e| e.kind == EntryKind::Dir);
    directories.filter_map(|e| e.name.parse::<u32>().ok().filter(|n| n.to_string() == e.name)).collect()
}

fn report_damage(shared: &Shared, log: &Log) -> Result<(), OpenError> {
    if log.damage().is_empty() {
        return Ok(());
    }
    for Damage { path, offset, len, kind, .. } in log.damage() {
        shared.health.problem(format!("{}: {kind:?} log, {len} bytes from byte {offset}", path.display()));
    }
    log.preserve_damage(&shared.catalog.dir().join("damaged"))?;
    Ok(())
}

/// Takes over the log files of all lanes, those included that are written no more.
fn open_slots(shared: &Shared, log: &Log, state: &CatalogState) -> Result<(), OpenError> {
    let wal_dir = shared.catalog.dir().join("wal");
    let floor_of = |lane: u16| to_floor(lane, state.floors().get(&lane).copied().unwrap_or_default());
    for lane in &shared.lanes {
        let start = log.start(floor_of(lane.lane));
        lane.set_slots(LaneSlots::open(Arc::clone(&shared.fs), &wal_dir, &start)?);
    }
    for lane in log.lanes().filter(|&lane| usize::from(lane) >= shared.lanes.len()) {
        let start = log.start(floor_of(lane));
        shared.add_former_lane(LaneSlots::open(Arc::clone(&shared.fs), &wal_dir, &start)?);
    }
    Ok(())
}

fn load_definitions(shared: &Shared, state: &CatalogState, log: &Log) -> Result<(), OpenError> {
    let version = shared.version.load_full();
    log.definitions::<WalError>(|policy, definition| {
        if let Some(series) = version.policies.get(&PolicyId(policy)) {
            define(shared, state, series, definition.key, definition.measurement, definition.series);
        }
        Ok(())
    })?;
    Ok(())
}

/// Puts logged points back into arenas.
struct Replay {
    shared: Arc<Shared>,
    state: Arc<CatalogState>,
    flusher: Flusher,
    policies: HashMap<PolicyId, Arc<PolicySeries>>,
    arena: Option<Arc<Arena>>,
    groups: u64,
    points: u64,
    lost: u64,
    lost_text: BTreeMap<String, String>,
    lost_bytes: usize,
}

impl Replay {
    fn new(shared: &Arc<Shared>, state: Arc<CatalogState>, flusher: Flusher) -> Self {
        Self {
            shared: Arc::clone(shared),
            state,
            flusher,
            policies: shared.version.load().policies.clone(),
            arena: None,
            groups: 0,
            points: 0,
            lost: 0,
            lost_text: BTreeMap::new(),
            lost_bytes: 0,
        }
    }

    fn group(&mut self, group: &LoggedGroup) -> Result<(), OpenError> {
        self.groups += 1;
        let generation = u32::try_from(group.seq >> 32).unwrap_or(u32::MAX);
        if self.arena.as_ref().is_some_and(|a| a.generation != generation) {
            self.seal()?;
        }
        self.shared.seq.store(u64::from(generation) << 32, Ordering::SeqCst);
        for record in group.records() {
            let Record::Points { policy, points, .. } = record? else { continue };
            let Some(series) = self.policies.get(&PolicyId(policy)).cloned() else { continue };
            for points in points {
                self.points(group, generation, &series, points)?;
            }
        }
        let arena = self.arena.as_ref();
        let half = self.shared.arena_pool.limit() / 2;
        if arena.is_some_and(|a| a.bytes() >= self.shared.options.seal_bytes.min(half)) {
            self.seal()?;
        }
        Ok(())
    }

    fn points(
        &mut self,
        group: &LoggedGroup,
        generation: u32,
        series: &Arc<PolicySeries>,
        points: Points,
    ) -> Result<(), OpenError> {
        let known = self.state.group(GroupId(points.group)).is_some_and(|g| g.policy == series.policy);
        if !known || self.state.measurement_by_id(MeasurementId(points.measurement)).is_none() {
            return Ok(());
        }
        let mut rows = self.rows_of(group, series, points);
        self.leave_out_deleted(&mut rows, generation);
        if rows.is_empty() {
            return Ok(());
        }
        self.points += rows.len() as u64;
        let presence = series.presence_or_make(rows.group);
        for &slot in &rows.slots {
            presence.add(slot);
        }
        loop {
            let shared = &self.shared;
            let arena = self.arena.get_or_insert_with(|| shared.new_arena(0, generation));
            match arena.append(rows, group.seq) {
                Ok(_) => break,
                Err(back) => {
                    // No row number left: a new piece of the same generation.
                    rows = *back;
                    self.seal()?;
                }
            }
        }
        if let Some(arena) = &self.arena {
            arena.publish();
        }
        Ok(())
    }

    /// Takes out what was deleted after it was logged.
    fn leave_out_deleted(&mut self, rows: &mut Rows, generation: u32) {
        let version = self.shared.version.load();
        let pending = version.tombstones.of(rows.policy, rows.measurement);
        if pending.is_empty() {
            return;
        }
        let group = rows.group;
        let slots = rows.slots.clone();
        if rows.take_out(|slot, time| is_deleted(pending, group, slot, time, generation.into())) {
            self.flusher.note_emptied(group, slots);
        }
    }

    /// Slots for ids; rows of unknown series are written down and left out, fields that are gone are left out.
    fn rows_of(&mut self, group: &LoggedGroup, series: &PolicySeries, points: Points) -> Rows {
        let slots: Vec<Option<u32>> = points.series.iter().map(|&id| series.index.slot_of_id(id)).collect();
        let is_alive = |field: u32| self.state.field(FieldId(field)).is_some();
        let columns: Vec<_> = points.columns.into_iter().filter(|c| is_alive(c.field)).collect();
        let mut rows = Rows {
            policy: series.policy,
            group: GroupId(points.group),
            measurement: MeasurementId(points.measurement),
            slots: slots.iter().flatten().copied().collect(),
            times: points.times,
            columns: columns
                .into_iter()
                .map(|c| Column {
                    field: FieldId(c.field),
                    values: c.column.values,
                    valid: c.column.valid,
                    scale: NO_SCALE,
                })
                .collect(),
        };
        if rows.slots.len() < rows.times.len() {
            for (row, id) in points.series.iter().enumerate().filter(|(row, _)| slots[*row].is_none()) {
                self.lose(group, &rows, row, *id);
            }
            rows.keep(|row| slots.get(row).copied().flatten().is_some());
        }
        rows
    }

    /// A point whose series nobody defines: it is written down, not guessed at.
    fn lose(&mut self, group: &LoggedGroup, rows: &Rows, row: usize, id: u64) {
        self.lost += 1;
        if self.lost_bytes > LOST_BYTES_MAX {
            return;
        }
        let name = format!("wal-{}-{}-{}.txt", group.lane, group.position.file_no, group.position.offset);
        let text = self.lost_text.entry(name).or_default();
        let before = text.len();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "policy={} group={} measurement={} series={id} time={}",
            rows.policy, rows.group, rows.measurement, rows.times[row]
        );
        for column in &rows.columns {
            if let Some(value) = column.get(row) {
                let _ = write!(text, " {}={value:?}", column.field);
            }
        }
        text.push('\n');
        self.lost_bytes += text.len() - before;
    }

    /// Seals what is there. The runs of a group come in the order of replay, which is the order of seq.
    fn seal(&mut self) -> Result<(), OpenError> {
        let Some(arena) = self.arena.take() else { return Ok(()) };
        let version = self.shared.version.load_full();
        let runs = self.flusher.seal_arenas(&[arena], &version)?;
        self.shared.change_version(|version| {
            for sealed in runs {
                add_run(version, sealed.group, sealed.run);
            }
        });
        if self.shared.sealed_pool.is_over(80) {
            self.flusher.flush_sealed()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Flusher, OpenError> {
        self.seal()?;
        metrics::replayed(self.groups, self.points, self.lost);
        if self.groups > 0 {
            tracing::info!(groups = self.groups, points = self.points, "log replayed");
            // Flushed when the store has been quiet for a while.
            let now = self.shared.clock.monotonic_ns().max(1);
            self.shared.oldest_unflushed.store(now, Ordering::Relaxed);
            self.shared.last_write.store(now, Ordering::Relaxed);
        }
        if self.lost > 0 {
            let lost = self.shared.catalog.dir().join("lost");
            self.shared.health.problem(format!(
                "{} points of the log belong to series that nothing defines; see {}",
                self.lost,
                lost.display()
            ));
            self.shared.fs.create_dir_all(&lost)?;
            for (name, text) in &self.lost_text {
                weir_fs::publish_file(self.shared.fs.as_ref(), &lost.join(name), text.as_bytes())?;
            }
        }
        Ok(self.flusher)
    }
}
