//! Gives the points of some series, series after series, group after group, piece after piece.

use std::collections::HashSet;
use std::sync::Arc;

use weir_index::Presence;
use weir_model::TimeRange;
use weir_model::read::{Buckets, Chunk, ReadContext, ReadError, RunSummary, Scan, ScanRequest, SeriesNo};
use weir_segment::BLOCK_POINTS_MAX;

use super::arenas::ArenaReader;
use super::join::{Input, join};
use super::pieces::{Cluster, Piece, Pieces, Place};
use super::rows::Rows;
use super::runs::{RunReader, Wanted};
use super::table::{GroupField, TableData};
use crate::memtable::Block;
use crate::tombstones::{Pending, RunFilter, is_deleted};
use crate::version::Run;

/// Most points of a chunk.
const CHUNK_POINTS_MAX: usize = 1_024;
const _: () = assert!(BLOCK_POINTS_MAX <= CHUNK_POINTS_MAX);

/// See the module.
pub(super) struct StoreScan {
    data: Arc<TableData>,
    request: ScanRequest,
    /// The groups to read, in the order asked for.
    groups: Vec<GroupReader>,
    /// Their ids.
    live: HashSet<u32>,
    /// The deletes that touch the arenas.
    pending: Vec<Arc<Pending>>,
    arenas: ArenaReader,
    /// Index of the series at hand; `None` before the first.
    series: Option<usize>,
    /// Index of the group after the one at hand.
    group: usize,
    pieces: Pieces,
    /// Clusters given already.
    cluster: usize,
    /// Pieces of the plain cluster at hand given already.
    piece: usize,
    inputs: Vec<Input>,
    /// For each source of the joined cluster at hand its pieces still to come.
    queues: Vec<std::ops::Range<usize>>,
    joining: bool,
    rows: Rows,
    /// Bytes of `inputs` counted against the query.
    charged: u64,
}

/// One shard group as this scan reads it.
struct GroupReader {
    /// The part of the asked range inside the group's window.
    range: TimeRange,
    fields: Vec<Option<GroupField>>,
    presence: Arc<Presence>,
    runs: Vec<RunReader>,
}

impl StoreScan {
    /// Starts a scan.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn new(data: Arc<TableData>, request: ScanRequest) -> Result<Self, ReadError> {
        request.context.check()?;
        let mut groups = Vec::new();
        let mut live = HashSet::new();
        let range = request.range;
        let found = if range.is_empty() { &[] } else { data.policy.groups_in(range) };
        for &(window, id) in found {
            let Some(presence) = data.series.presence(id) else { continue };
            let range = range.intersect(window);
            let fields = data.fields_of(id, &request.fields);
            let ids: Vec<u32> = fields.iter().map(|field| field.map_or(0, |field| field.id)).collect();
            let runs = data.view.version.runs(id).iter().filter(|run| run.span.overlaps(range));
            let measurement = data.measurement.0;
            let reader = |run: &Arc<Run>| {
                let filter =
                    RunFilter::of_measurement(&data.view.version, data.policy.id, id, measurement, run);
                RunReader::new(run, measurement, ids.clone(), filter)
            };
            let runs = runs.filter_map(reader).collect();
            groups.push(GroupReader { range, fields, presence, runs });
            live.insert(id.0);
        }
        if request.descending {
            groups.reverse();
        }
        let oldest = data.arenas.iter().map(|arena| u64::from(arena.arena.generation)).min();
        let pending = data.view.version.tombstones.of(data.policy.id, data.measurement).iter();
        let pending =
            pending.filter(|p| oldest.is_some_and(|oldest| oldest <= p.generation)).cloned().collect();
        Ok(Self {
            data,
            pending,
            request,
            groups,
            live,
            arenas: ArenaReader::default(),
            series: None,
            group: 0,
            pieces: Pieces::default(),
            cluster: 0,
            piece: 0,
            inputs: Vec::new(),
            queues: Vec::new(),
            joining: false,
            rows: Rows::default(),
            charged: 0,
        })
    }

    /// A scan that only tells which series have a point in `range`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn finder(
        data: Arc<TableData>,
        range: TimeRange,
        context: &ReadContext,
    ) -> Result<Self, ReadError> {
        context.check()?;
        let request = ScanRequest {
            series: Arc::from([]),
            fields: Vec::new(),
            range,
            descending: false,
            summaries: None,
            // Finding holds one block of times for each run at most, and is cancelled by the caller's context.
            context: Arc::new(ReadContext::unlimited()),
        };
        Self::new(data, request)
    }

    /// Whether a series has a point in the range.
    ///
    /// # Errors
    /// [`ReadError::Damaged`].
    pub(super) fn has_point(&mut self, series: SeriesNo) -> Result<bool, ReadError> {
        let is_live = is_live(&self.live, &self.pending, series);
        if ArenaReader::has_row(&self.data.arenas, series, self.request.range, is_live) {
            return Ok(true);
        }
        let Some(mut wanted) = Wanted::new(&self.data.series.index, series) else { return Ok(false) };
        for group in &mut self.groups {
            if !group.presence.contains(series) {
                continue;
            }
            for run in &mut group.runs {
                self.pieces.clear();
                run.add_pieces(&mut wanted, group.range, 0, &mut self.pieces)?;
                for piece in &self.pieces.all {
                    if let Place::Run(stripe, at) = &piece.place
                        && run.has_point(*stripe, at, group.range, &self.request.context)?
                    {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Goes to the next series; `false` at the end.
    fn next_series(&mut self) -> Result<bool, ReadError> {
        let next = self.series.map_or(0, |series| series + 1);
        let Some(&slot) = self.request.series.get(next) else { return Ok(false) };
        self.series = Some(next);
        self.group = 0;
        let context = &self.request.context;
        let is_live = is_live(&self.live, &self.pending, slot);
        self.arenas.gather(&self.data.arenas, slot, self.request.range, is_live, context)?;
        Ok(true)
    }

    /// Collects the pieces of the series at hand in its next group; `false` after the last group.
    fn next_group(&mut self) -> Result<bool, ReadError> {
        let slot = self.series.and_then(|series| self.request.series.get(series));
        let (Some(&slot), Some(group)) = (slot, self.groups.get_mut(self.group)) else { return Ok(false) };
        self.group += 1;
        self.cluster = 0;
        self.pieces.clear();
        if !group.presence.contains(slot) {
            return Ok(true);
        }
        if let Some(mut wanted) = Wanted::new(&self.data.series.index, slot) {
            for (source, run) in group.runs.iter_mut().enumerate() {
                run.add_pieces(&mut wanted, group.range, source, &mut self.pieces)?;
            }
        }
        let rows = &self.arenas.rows;
        let start = rows.partition_point(|row| row.time < group.range.min);
        let end = rows.partition_point(|row| row.time <= group.range.max);
        if start < end {
            self.pieces.add_rows(group.runs.len(), start..end, |row| rows[row].time, CHUNK_POINTS_MAX);
        }
        self.pieces.arrange();
        Ok(true)
    }

    /// The cluster at hand.
    fn current(&self) -> Option<&Cluster> {
        let clusters = &self.pieces.clusters;
        if self.request.descending {
            clusters.get(clusters.len().checked_sub(self.cluster + 1)?)
        } else {
            clusters.get(self.cluster)
        }
    }

    /// Leaves the cluster at hand.
    fn leave_cluster(&mut self) {
        self.cluster += 1;
        self.piece = 0;
        self.joining = false;
    }

    /// The next piece of a plain cluster, as rows in `self.rows` or as a summary; `None` when the cluster is done.
    fn plain(&mut self, cluster: &Cluster) -> Result<Option<Option<RunSummary>>, ReadError> {
        if self.piece == cluster.pieces.len() {
            return Ok(None);
        }
        let i = if self.request.descending {
            cluster.pieces.end - 1 - self.piece
        } else {
            cluster.pieces.start + self.piece
        };
        self.piece += 1;
        let Some(piece) = self.pieces.all.get(i) else { return Ok(None) };
        let context = &self.request.context;
        if let Some(buckets) = self.request.summaries
            && let Place::Run(stripe, at) = &piece.place
            && at.alone
            && let Some(group) = self.groups.get_mut(self.group - 1)
            && group.range.covers(at.span)
            && in_one_bucket(buckets, at.span)
            && let Some(run) = group.runs.get_mut(piece.source as usize)
        {
            self.rows.clear(self.request.fields.len());
            return Ok(Some(run.summary(*stripe, at, context)?));
        }
        let piece = piece.clone();
        let mut rows = std::mem::take(&mut self.rows);
        let decoded = self.decode(&piece, &mut rows);
        self.rows = rows;
        decoded?;
        Ok(Some(None))
    }

    /// Fills `self.rows` with the next rows of a joined cluster; `false` when it is done.
    fn join(&mut self, cluster: &Cluster) -> Result<bool, ReadError> {
        if !self.joining {
            self.start_join(cluster);
        }
        let mut inputs = std::mem::take(&mut self.inputs);
        let mut queues = std::mem::take(&mut self.queues);
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear(self.request.fields.len());
        let descending = self.request.descending;
        let sources = queues.len();
        let joined = join(&mut inputs[..sources], descending, CHUNK_POINTS_MAX, &mut rows, |source, out| {
            let next = if descending { queues[source].next_back() } else { queues[source].next() };
            let Some(piece) = next.and_then(|i| self.pieces.all.get(i)).cloned() else {
                out.clear(self.request.fields.len());
                return Ok(false);
            };
            self.decode(&piece, out)?;
            Ok(true)
        });
        let held = inputs.iter().map(|input| input.rows.bytes()).sum::<u64>() + rows.bytes();
        self.inputs = inputs;
        self.queues = queues;
        self.rows = rows;
        joined?;
        if held > self.charged {
            self.request.context.charge(held - self.charged)?;
            self.charged = held;
        }
        Ok(self.rows.len() > 0)
    }

    /// Makes one input for each source of a cluster.
    fn start_join(&mut self, cluster: &Cluster) {
        self.joining = true;
        self.queues.clear();
        let mut last = None;
        for i in cluster.pieces.clone() {
            let source = self.pieces.all.get(i).map(|piece| piece.source);
            match self.queues.last_mut() {
                Some(queue) if source == last => queue.end = i + 1,
                _ => self.queues.push(i..i + 1),
            }
            last = source;
        }
        if self.inputs.len() < self.queues.len() {
            self.inputs.resize_with(self.queues.len(), Input::default);
        }
        self.inputs.iter_mut().for_each(Input::restart);
    }

    /// Puts the rows of a piece of the group at hand into `out`, in the order asked for.
    fn decode(&mut self, piece: &Piece, out: &mut Rows) -> Result<(), ReadError> {
        let context = &self.request.context;
        context.check()?;
        out.clear(self.request.fields.len());
        let Some(group) = self.groups.get_mut(self.group - 1) else { return Ok(()) };
        match &piece.place {
            Place::Run(stripe, at) => {
                if let Some(run) = group.runs.get_mut(piece.source as usize) {
                    run.decode(*stripe, at, group.range, context, out)?;
                }
            }
            Place::Arena(rows) => {
                self.arenas.decode(&self.data.arenas, rows.clone(), &group.fields, out);
            }
        }
        if self.request.descending {
            out.reverse();
        }
        Ok(())
    }

    /// Hands `self.rows` over, unless nothing is left of them.
    fn give(&mut self, chunk: &mut Chunk) -> bool {
        self.rows.drop_null_rows();
        if self.rows.len() == 0 {
            return false;
        }
        std::mem::swap(&mut chunk.times, &mut self.rows.times);
        std::mem::swap(&mut chunk.columns, &mut self.rows.columns);
        true
    }
}

impl Scan for StoreScan {
    fn next(&mut self, chunk: &mut Chunk) -> Result<bool, ReadError> {
        chunk.summary = None;
        loop {
            let Some(cluster) = self.current().cloned() else {
                if !self.next_group()? && !self.next_series()? {
                    chunk.times.clear();
                    chunk.columns.clear();
                    return Ok(false);
                }
                continue;
            };
            let mut summary = None;
            if cluster.plain {
                match self.plain(&cluster)? {
                    Some(found) => summary = found,
                    None => {
                        self.leave_cluster();
                        continue;
                    }
                }
            } else if !self.join(&cluster)? {
                self.leave_cluster();
                continue;
            }
            chunk.series = self.series.unwrap_or_default();
            if summary.is_some() {
                chunk.times.clear();
                chunk.columns.clear();
                chunk.summary = summary;
                return Ok(true);
            }
            if self.give(chunk) {
                return Ok(true);
            }
        }
    }
}

impl Drop for StoreScan {
    fn drop(&mut self) {
        let runs = self.groups.iter().flat_map(|group| &group.runs).map(|run| run.charged);
        self.request.context.release(runs.sum::<u64>() + self.arenas.charged + self.charged);
    }
}

/// Tells which rows of a series in arenas are to be read.
fn is_live<'a>(
    live: &'a HashSet<u32>,
    pending: &'a [Arc<Pending>],
    slot: SeriesNo,
) -> impl Fn(&Block, i64) -> bool + 'a {
    move |block, time| {
        let group = block.rows.group;
        live.contains(&group.0) && !is_deleted(pending, group, slot, time, block.seq >> 32)
    }
}

/// Whether both ends of `span` lie in the same bucket.
fn in_one_bucket(buckets: Buckets, span: TimeRange) -> bool {
    if buckets.every == i64::MAX {
        return true;
    }
    let every = i128::from(buckets.every.max(1));
    let bucket = |time: i64| (i128::from(time) - i128::from(buckets.offset)).div_euclid(every);
    bucket(span.min) == bucket(span.max)
}
