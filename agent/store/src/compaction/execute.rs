//! Does one compaction: reads its inputs stripe by stripe, writes new files, and exchanges them.
//!
//! The exchange is one manifest record and one new version. Before it nothing refers to the new files, after it nothing but
//! readers of older versions refers to the inputs; so whatever fails or dies in between, either the inputs or the outputs are what
//! counts, and the others are removed, now or at the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_catalog::{CatalogError, Edit, FileId, SegmentInfo, TombstoneId, group_dir, segment_name};
use weir_fs::FsError;
use weir_model::TimeRange;
use weir_segment::{Segment, SegmentError, SegmentFacts, SegmentWriter};

use super::plan::Plan;
use super::{Attend, Compactor, Pace};
use crate::file_out::{FileOut, FileSource};
use crate::merge::{Sink, merge};
use crate::shared::Shared;
use crate::stripe::Stripe;
use crate::tombstones::{self, filter_for};
use crate::version::{Home, Run, Version};

/// A file is ended at the first stripe that makes it longer than this.
const FILE_BYTES: u64 = (1 << 30) - (64 << 20);

/// Why a compaction was not done. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompactionError {
    /// The catalog did not take the change.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// An output could not be written, or it is not known which input could not be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// An input is damaged.
    #[error("file {file} cannot be read: {source}; run `weir verify`, and restore it from a backup")]
    Input {
        /// Which.
        file: FileId,
        /// What is wrong.
        source: SegmentError,
    },
    /// A series of a file has no definition though its measurement exists.
    #[error(
        "series {series} of measurement {measurement} is defined nowhere; see what was reported at the start"
    )]
    UnknownSeries {
        /// Its measurement.
        measurement: u32,
        /// Its durable id.
        series: u64,
    },
    /// Not enough room for inputs and outputs side by side.
    #[error("{needed} bytes of free space are needed, {free} are there")]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Its files are no longer what they were.
    #[error("the shard group has changed meanwhile")]
    Gone,
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopping,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) points: u64,
}

/// A finished output.
struct Output {
    info: SegmentInfo,
    segment: Arc<Segment>,
}

impl Compactor {
    pub(super) fn execute(
        &mut self,
        plan: &Plan,
        hurry: bool,
        attend: &mut Attend<'_>,
    ) -> Result<Done, CompactionError> {
        let shared = Arc::clone(&self.shared);
        let version = shared.version.load_full();
        let state = shared.catalog.state();
        let group = state.group(plan.group).cloned().ok_or(CompactionError::Gone)?;
        let series = version.policies.get(&group.policy).cloned().ok_or(CompactionError::Gone)?;
        let inputs = inputs(&version, plan)?;
        let bytes_in = inputs.iter().map(|r| r.segment.bytes()).sum();
        let directory = group_dir(shared.catalog.dir(), group.policy, group.id);
        let free = shared.fs.free_space(shared.catalog.dir())?;
        let needed = shared.options.disk_reserve.saturating_add(bytes_in);
        if free < needed {
            return Err(CompactionError::NoSpace { needed, free });
        }

        let infos = plan.inputs.iter().filter_map(|&file| state.segment(file));
        let level = infos.map(|i| i.level).max().unwrap_or(0).saturating_add(1);
        let gen_lo = inputs.iter().map(|r| r.gen_lo).min().unwrap_or(0);
        let gen_hi = inputs.iter().map(|r| r.gen_hi).max().unwrap_or(0);
        let store_id = shared.catalog.store_id().0;
        let facts = SegmentFacts { store_id, group_start: group.window.min, gen_lo, gen_hi, level };
        let points_in: u64 = inputs.iter().map(|r| r.points).sum();
        let mut outputs = Outputs {
            shared: &shared,
            directory: &directory,
            group: group.id,
            facts,
            tombstones: version.tombstones.last,
            open: None,
            done: Vec::new(),
            created: &mut self.created,
            bytes_per_point: bytes_in as f64 / points_in.max(1) as f64,
            pace: Pace::new(hurry),
            attend,
        };
        let runs = inputs
            .iter()
            .map(|run| (Arc::clone(&run.segment), filter_for(&version, group.policy, group.id, run)));
        let merged = merge(runs.collect(), &series, &mut outputs).and_then(|()| outputs.end());
        let done = std::mem::take(&mut outputs.done);
        drop(outputs);
        merged.map_err(|e| blame(e, &inputs))?;
        if !done.is_empty() {
            shared.fs.sync_dir(&directory)?;
        }
        for run in &inputs {
            // Directories of files that nobody reads again.
            run.segment.release_caches();
        }
        let result = Done {
            bytes_in,
            bytes_out: done.iter().map(|o| o.info.bytes).sum(),
            points: done.iter().map(|o| o.info.points).sum(),
        };
        self.exchange(plan, &directory, inputs, done, version.tombstones.last)?;
        if let Err(e) = tombstones::forget(&shared) {
            tracing::warn!(error = %e, "deletes that are done with stay noted");
        }
        Ok(result)
    }

    /// Puts the outputs in the place of the inputs.
    fn exchange(
        &mut self,
        plan: &Plan,
        directory: &Path,
        inputs: Vec<Arc<Run>>,
        outputs: Vec<Output>,
        applied: TombstoneId,
    ) -> Result<(), CompactionError> {
        let shared = Arc::clone(&self.shared);
        let _structure = shared.structure();
        let state = shared.catalog.state();
        let still = |file: &FileId| state.segment(*file).is_some_and(|s| !s.quarantined);
        if state.group(plan.group).is_none() || !plan.inputs.iter().all(still) {
            return Err(CompactionError::Gone);
        }
        let gen_lo = inputs.iter().map(|r| r.gen_lo).min().unwrap_or(0);
        let gen_hi = inputs.iter().map(|r| r.gen_hi).max().unwrap_or(0);
        // A newer delete applies to the output as a whole or not at all; one for which that does not hold makes the work void.
        let splits = |generation: u64| (gen_lo..gen_hi).contains(&generation);
        if state.tombstones().values().any(|t| t.id > applied && splits(t.generation)) {
            return Err(CompactionError::Gone);
        }
        let removed = plan.inputs.iter().map(|&file| Edit::RemoveSegment { file });
        let added = outputs.iter().map(|o| Edit::AddSegment(o.info.clone()));
        shared.catalog.apply(removed.chain(added).collect())?;
        let runs: Vec<Arc<Run>> = outputs.iter().map(|o| Arc::new(to_run(o))).collect();
        shared.change_version(|version| {
            let Some(list) = version.groups.get_mut(&plan.group) else { return };
            let mut next = Vec::with_capacity(list.len());
            let mut fresh = Some(runs);
            for run in list.iter() {
                if inputs.iter().any(|i| Arc::ptr_eq(i, run)) {
                    next.extend(fresh.take().into_iter().flatten());
                } else {
                    next.push(Arc::clone(run));
                }
            }
            *list = next.into();
        });
        let mut removals = shared.removals();
        for (run, file) in inputs.iter().zip(&plan.inputs) {
            removals.add_file(run, directory.join(segment_name(*file)));
        }
        Ok(())
    }
}

/// The runs of a plan, if they are still there side by side.
fn inputs(version: &Version, plan: &Plan) -> Result<Vec<Arc<Run>>, CompactionError> {
    let runs = version.runs(plan.group);
    let first = plan.inputs.first().map(|&file| Home::File(file));
    let at = runs.iter().position(|r| Some(r.home) == first).ok_or(CompactionError::Gone)?;
    let found = runs.get(at..at + plan.inputs.len()).ok_or(CompactionError::Gone)?;
    let same = found.iter().zip(&plan.inputs).all(|(run, &file)| run.home == Home::File(file));
    if same { Ok(found.to_vec()) } else { Err(CompactionError::Gone) }
}

/// Finds out whether an input is at fault.
fn blame(error: CompactionError, inputs: &[Arc<Run>]) -> CompactionError {
    let CompactionError::Segment(SegmentError::Damaged { .. } | SegmentError::Values { .. }) = error else {
        return error;
    };
    for run in inputs {
        if let (Home::File(file), Err(source)) = (run.home, run.segment.verify()) {
            return CompactionError::Input { file, source };
        }
    }
    error
}

fn to_run(output: &Output) -> Run {
    let info = &output.info;
    Run {
        segment: Arc::clone(&output.segment),
        points: info.points,
        bytes: None,
        gen_lo: info.gen_lo,
        gen_hi: info.gen_hi,
        span: TimeRange::new(info.t_min, info.t_max),
        tombstones_applied: info.tombstones_applied,
        home: Home::File(info.file),
        slots: roaring::RoaringBitmap::new(),
        charge: None,
    }
}

/// Writes stripes to files, one after the other.
struct Outputs<'a, 'b> {
    shared: &'a Shared,
    directory: &'a Path,
    group: weir_catalog::GroupId,
    facts: SegmentFacts,
    tombstones: TombstoneId,
    open: Option<(FileId, PathBuf, SegmentWriter<FileOut>)>,
    done: Vec<Output>,
    created: &'a mut Vec<PathBuf>,
    bytes_per_point: f64,
    pace: Pace,
    attend: &'a mut Attend<'b>,
}

impl Sink for Outputs<'_, '_> {
    type Error = CompactionError;

    fn push(&mut self, stripe: &Stripe) -> Result<(), CompactionError> {
        if self.open.is_none() {
            let file = self.shared.catalog.new_file_id()?;
            let path = self.directory.join(segment_name(file));
            self.created.push(path.clone());
            let out = FileOut::create(self.shared.fs.as_ref(), &path)?;
            self.open = Some((file, path, SegmentWriter::new(out, self.facts)?.dense(true)));
        }
        if let Some((_, _, writer)) = &mut self.open {
            stripe.write(writer)?;
            if writer.bytes() >= FILE_BYTES {
                self.end()?;
            }
        }
        let bytes = stripe.times.len() as f64 * self.bytes_per_point;
        if self.pace.pause(self.shared, bytes as u64, self.attend) {
            Ok(())
        } else {
            Err(CompactionError::Stopping)
        }
    }

    fn unknown(&mut self, measurement: u32, series: u64) -> Result<(), CompactionError> {
        let state = self.shared.catalog.state();
        match state.measurement_by_id(weir_catalog::MeasurementId(measurement)) {
            // Its points must not vanish because a definition is missing.
            Some(_) => Err(CompactionError::UnknownSeries { measurement, series }),
            None => Ok(()),
        }
    }
}

impl Outputs<'_, '_> {
    /// Ends the file that is open.
    fn end(&mut self) -> Result<(), CompactionError> {
        let Some((file, path, writer)) = self.open.take() else { return Ok(()) };
        let (out, written) = writer.finish()?;
        let bytes = out.finish()?;
        let source = FileSource::open(self.shared.fs.as_ref(), &path)?;
        let segment = Arc::new(Segment::open(Arc::new(source))?);
        let info = SegmentInfo {
            file,
            group: self.group,
            gen_lo: self.facts.gen_lo,
            gen_hi: self.facts.gen_hi,
            level: self.facts.level,
            bytes,
            points: written.points,
            t_min: written.t_min,
            t_max: written.t_max,
            tombstones_applied: self.tombstones,
            quarantined: false,
            origin: None,
        };
        self.done.push(Output { info, segment });
        Ok(())
    }
}
