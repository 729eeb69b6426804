//! What is to be compacted next: a pure function of what the files of the groups are, of rules and of time.
//!
//! Only neighbours in generation are joined, so that of two values the later one stays the later one. A file that is set aside (damaged,
//! or part of a compaction that keeps failing) is a wall: nothing is joined across it. Level 0 is what flushes write; whatever a compaction
//! writes has a higher level and is dense, so it needs no second pass for its own sake.
//!
//! Every rule but that for the end of a group lets the inputs grow geometrically (the largest of them is at most half of the whole, or
//! a multiple of what is new), so a value is written again a few times in its life, however small the pieces are in which it comes.

use std::cmp::Reverse;
use std::ops::Range;

use weir_catalog::{FileId, GroupId};
use weir_model::TimeRange;

/// When to compact what. The defaults are the product's.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Files of like size that are joined.
    pub(crate) fan_in: usize,
    /// Most files that may hold points of one moment.
    pub(crate) overlap_max: usize,
    /// Small files behind a large one that are joined with each other.
    pub(crate) late_files: usize,
    /// Age from which fewer of them are.
    pub(crate) late_age_ns: u64,
    /// Silence after which fresh files are brought into their final form, if they are not too large.
    pub(crate) settle_after_ns: u64,
    /// Most bytes read to settle.
    pub(crate) settle_bytes: u64,
    /// A file of level 0 of fewer bytes is not worth settling alone.
    pub(crate) settle_bytes_min: u64,
    /// Most bytes that a compaction of an open group reads.
    pub(crate) input_bytes: u64,
    /// Least silence after the end of a group before it is closed.
    pub(crate) close_after_ns: u64,
}

impl Default for Rules {
    fn default() -> Self {
        const HOUR: u64 = 3_600_000_000_000;
        Self {
            fan_in: 8,
            overlap_max: 4,
            late_files: 4,
            late_age_ns: HOUR,
            settle_after_ns: 5_000_000_000,
            settle_bytes: 64 << 20,
            settle_bytes_min: 4 << 10,
            input_bytes: 1 << 30,
            close_after_ns: HOUR,
        }
    }
}

/// A file of a group, as far as plans go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileMeta {
    pub(crate) file: FileId,
    pub(crate) gen_lo: u64,
    pub(crate) gen_hi: u64,
    pub(crate) level: u8,
    pub(crate) bytes: u64,
    pub(crate) span: TimeRange,
    /// Nothing is joined with it or across it.
    pub(crate) set_aside: bool,
    /// It holds points that were deleted.
    pub(crate) deleted: bool,
}

/// A group, its files in the order of generations.
#[derive(Clone, Debug)]
pub(crate) struct GroupMeta {
    pub(crate) group: GroupId,
    pub(crate) window: TimeRange,
    pub(crate) files: Vec<FileMeta>,
    /// Time since points last came to the group, as far as known.
    pub(crate) quiet_ns: u64,
    /// Time since its oldest file of level 0 was written, as far as known.
    pub(crate) waiting_ns: u64,
}

/// Why something is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Fresh files after a moment of silence.
    Settle,
    /// Too many files hold points of the same times.
    Overlap,
    /// Many files of like size.
    FanIn,
    /// Late points.
    Late,
    /// Deleted points in a group that is over.
    Deletes,
    /// The group is over.
    Close,
}

impl Why {
    /// A word for logs and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Overlap => "overlap",
            Self::FanIn => "fan-in",
            Self::Late => "late",
            Self::Deletes => "deletes",
            Self::Close => "close",
        }
    }
}

/// A compaction to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) group: GroupId,
    pub(crate) why: Why,
    /// Neighbours, earliest first.
    pub(crate) inputs: Vec<FileId>,
}

/// The next compaction, if one is due. `now_ns` is wall time; it only tells which groups are over.
pub(crate) fn next(groups: &[GroupMeta], rules: &Rules, now_ns: i64) -> Option<Plan> {
    let plans = groups.iter().filter_map(|group| of_group(group, rules, now_ns));
    plans.min_by_key(|(bytes, plan)| (plan.why, *bytes, plan.group)).map(|(_, plan)| plan)
}

/// What brings a group into its final form whatever the time, if it is not: all it has, or nothing of what is set aside.
pub(crate) fn finish(group: &GroupMeta) -> Option<Plan> {
    let open = stretches(group).into_iter().filter(|s| !is_final(&group.files[s.clone()]));
    open.into_iter().find_map(|stretch| Some(make(group, stretch, Why::Close)?.1))
}

fn of_group(group: &GroupMeta, rules: &Rules, now_ns: i64) -> Option<(u64, Plan)> {
    let over = is_over(group, rules, now_ns);
    for stretch in stretches(group) {
        let files = &group.files[stretch.clone()];
        let found = if over {
            close(files, group, rules)
        } else {
            settle(files, group, rules)
                .or_else(|| overlap(files, rules))
                .or_else(|| fan_in(files, rules))
                .or_else(|| late(files, group, rules))
        };
        if let Some((why, range)) = found {
            let range = stretch.start + range.start..stretch.start + range.end;
            if let Some(made) = make(group, range, why) {
                return Some(made);
            }
        }
    }
    None
}

/// A plan for a range of files. Files whose generations overlap (pieces of one generation, or several files of one compaction) are not torn apart: the
/// order of what is left would no longer follow from the generations.
fn make(group: &GroupMeta, mut range: Range<usize>, why: Why) -> Option<(u64, Plan)> {
    let files = &group.files;
    loop {
        let inside = files.get(range.clone())?;
        let (low, high) = (inside.iter().map(|f| f.gen_lo).min()?, inside.iter().map(|f| f.gen_hi).max()?);
        if range.end < files.len() && files[range.end].gen_lo <= high {
            range.end += 1;
        } else if range.start > 0 && files[range.start - 1].gen_hi >= low {
            range.start -= 1;
        } else {
            break;
        }
    }
    let files = &files[range];
    let inputs = files.iter().map(|f| f.file).collect();
    let is_possible = !files.iter().any(|f| f.set_aside);
    is_possible.then(|| (sum(files), Plan { group: group.group, why, inputs }))
}

fn sum(files: &[FileMeta]) -> u64 {
    files.iter().map(|f| f.bytes).sum()
}

/// The neighbours between walls.
fn stretches(group: &GroupMeta) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    for (i, file) in group.files.iter().enumerate() {
        if file.set_aside {
            out.push(start..i);
            start = i + 1;
        }
    }
    out.push(start..group.files.len());
    out.retain(|s| !s.is_empty());
    out
}

/// How long a group must have been quiet, and over, before it is closed: an hour or a twentieth of its length.
fn patience(group: &GroupMeta, rules: &Rules) -> u64 {
    let length = group.window.max.saturating_sub(group.window.min).max(0).cast_unsigned();
    rules.close_after_ns.max(length / 20)
}

fn is_over(group: &GroupMeta, rules: &Rules, now_ns: i64) -> bool {
    let patience = patience(group, rules);
    let since_end = now_ns.saturating_sub(group.window.max);
    group.quiet_ns >= patience && since_end > 0 && since_end.cast_unsigned() >= patience
}

/// Whether files are one compacted run with nothing to take out: a single file, or several that one compaction wrote.
fn is_final(files: &[FileMeta]) -> bool {
    let Some(first) = files.first() else { return true };
    let same = |f: &FileMeta| (f.gen_lo, f.gen_hi, f.level) == (first.gen_lo, first.gen_hi, first.level);
    first.level > 0 && files.iter().all(|f| same(f) && !f.deleted)
}

/// A group that is over becomes one run. What comes after that must be worth it: the smaller it is beside the rest, the longer it waits.
fn close(files: &[FileMeta], group: &GroupMeta, rules: &Rules) -> Option<(Why, Range<usize>)> {
    if is_final(files) {
        return None;
    }
    let all = 0..files.len();
    let settled: u64 = files.iter().filter(|f| f.level > 0).map(|f| f.bytes).sum();
    let fresh = sum(files) - settled;
    if files.iter().any(|f| f.deleted) {
        return Some((Why::Deletes, all));
    }
    let levels_alone = fresh == 0;
    let times = settled / (10 * fresh.max(1)).max(1);
    let patience = patience(group, rules).saturating_mul(times.clamp(1, 1_000));
    if levels_alone || group.quiet_ns >= patience {
        return Some((Why::Close, all));
    }
    late(files, group, rules)
}

/// Fresh files, when nothing has come for a moment: with all the rest if that is not much more, else by themselves.
fn settle(files: &[FileMeta], group: &GroupMeta, rules: &Rules) -> Option<(Why, Range<usize>)> {
    if group.quiet_ns < rules.settle_after_ns {
        return None;
    }
    let tail = files.iter().rev().take_while(|f| f.level == 0).count();
    let (rest, fresh) = files.split_at(files.len() - tail);
    let (rest_bytes, bytes) = (sum(rest), sum(fresh));
    if tail == 0 || bytes > rules.settle_bytes || (tail == 1 && bytes < rules.settle_bytes_min) {
        return None;
    }
    let whole = rest_bytes <= 2 * bytes && rest_bytes + bytes <= rules.settle_bytes;
    Some((Why::Settle, if whole { 0..files.len() } else { rest.len()..files.len() }))
}

/// Too many files with points of one moment: those from the first to the last of them, without large ones at the beginning.
fn overlap(files: &[FileMeta], rules: &Rules) -> Option<(Why, Range<usize>)> {
    let at = |time: i64| files.iter().enumerate().filter(move |(_, f)| f.span.contains(time)).map(|(i, _)| i);
    // Where most files overlap, some file begins.
    let crowded = files.iter().map(|f| f.span.min).max_by_key(|&time| (at(time).count(), Reverse(time)))?;
    if at(crowded).count() <= rules.overlap_max {
        return None;
    }
    let (first, last) = (at(crowded).next()?, at(crowded).next_back()?);
    let range = without_large(files, first..last + 1, rules);
    (range.len() >= rules.late_files).then_some((Why::Overlap, range))
}

/// Drops files from both ends of a range while they are larger than all the rest together.
fn without_large(files: &[FileMeta], mut range: Range<usize>, rules: &Rules) -> Range<usize> {
    while range.len() > 1 {
        let total = sum(&files[range.clone()]);
        let (first, last) = (files[range.start].bytes, files[range.end - 1].bytes);
        if first.max(last) * 2 <= total && total <= rules.input_bytes {
            break;
        }
        if first >= last { range.start += 1 } else { range.end -= 1 }
    }
    range
}

/// The longest run of neighbours of which none is more than half of the whole; of those that are long enough, the smallest.
fn fan_in(files: &[FileMeta], rules: &Rules) -> Option<(Why, Range<usize>)> {
    let windows = (0..files.len()).filter_map(|start| balanced(files, start, rules));
    let long = windows.filter(|w| w.len() >= rules.fan_in);
    long.min_by_key(|w| (sum(&files[w.clone()]), w.start)).map(|w| (Why::FanIn, w))
}

/// The longest balanced window that begins at `start`.
fn balanced(files: &[FileMeta], start: usize, rules: &Rules) -> Option<Range<usize>> {
    const WINDOW_MAX: usize = 64;
    let (mut total, mut largest, mut best) = (0u64, 0u64, None);
    for (end, file) in files.iter().enumerate().skip(start).take(WINDOW_MAX) {
        total += file.bytes;
        largest = largest.max(file.bytes);
        if total > rules.input_bytes {
            break;
        }
        if end > start && largest * 2 <= total {
            best = Some(start..end + 1);
        }
    }
    best
}

/// Small files behind a large one: with each other when there are some or when they are old, and with the large one when they are a tenth of it and nothing
/// more comes.
fn late(files: &[FileMeta], group: &GroupMeta, rules: &Rules) -> Option<(Why, Range<usize>)> {
    let (main, largest) = files.iter().enumerate().max_by_key(|(i, f)| (f.bytes, Reverse(*i)))?;
    let small = main + 1..files.len();
    let of_late = |f: &FileMeta| f.span.overlaps(largest.span);
    if small.is_empty() || !files[small.clone()].iter().any(of_late) {
        return None;
    }
    let bytes = sum(&files[small.clone()]);
    let still = group.quiet_ns >= rules.late_age_ns / 6;
    if still && bytes * 10 >= largest.bytes && largest.bytes + bytes <= rules.input_bytes {
        return Some((Why::Late, main..files.len()));
    }
    let range = without_large(files, small, rules);
    let few = if group.waiting_ns >= rules.late_age_ns { 2 } else { rules.late_files };
    (range.len() >= few).then_some((Why::Late, range))
}

#[cfg(test)]
mod tests;
