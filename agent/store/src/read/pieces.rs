//! Lays the pieces of one series on the time axis and tells those that stand alone from those that must be joined.

use std::ops::Range;

use weir_model::TimeRange;

/// Some points of one source. Sources are numbered in order, a later one beats an earlier one; the pieces of one source hold no
/// time twice and are added in time order.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Bounds of its times.
    pub(super) span: TimeRange,
    pub(super) source: u32,
    pub(super) place: Place,
    /// Place among the pieces added.
    order: u32,
}

/// Where the points are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a run: stripe, and piece of the series there.
    Run(usize, weir_segment::Piece),
    /// In the arenas: these of the rows gathered for the series.
    Arena(Range<usize>),
}

/// Pieces whose times no other piece touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    /// Indices of its pieces, which stand by source and then in time order.
    pub(super) pieces: Range<usize>,
    /// Whether all are of one source, so that they follow each other and nothing overwrites anything.
    pub(super) plain: bool,
}

/// The pieces of one series in one shard group.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    /// In time order.
    pub(super) clusters: Vec<Cluster>,
}

impl Pieces {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.clusters.clear();
    }

    pub(super) fn add(&mut self, source: usize, span: TimeRange, place: Place) {
        let order = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let source = u32::try_from(source).unwrap_or(u32::MAX);
        self.all.push(Piece { span, source, place, order });
    }

    /// Adds rows of the arenas, whose (ascending) times are given, in pieces of at most about `most` rows. They are cut where pieces
    /// added before begin or end, so that one late point does not tie all of them together.
    pub(super) fn add_rows(
        &mut self,
        source: usize,
        rows: Range<usize>,
        time: impl Fn(usize) -> i64,
        most: usize,
    ) {
        let mut cuts: Vec<i64> = Vec::with_capacity(self.all.len() * 2);
        cuts.extend(self.all.iter().flat_map(|piece| [piece.span.min, piece.span.max.saturating_add(1)]));
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut start = rows.start;
        for row in rows.clone() {
            let here = time(row);
            let mut is_cut = false;
            while cuts.next_if(|&cut| cut <= here).is_some() {
                is_cut = true;
            }
            // Rows of equal time stay together: they are one point.
            let before = row.checked_sub(1).filter(|&before| before >= start).map(&time);
            if before.is_some_and(|before| before != here && (is_cut || row - start >= most)) {
                self.add(
                    source,
                    TimeRange::new(time(start), before.unwrap_or(here)),
                    Place::Arena(start..row),
                );
                start = row;
            }
        }
        if start < rows.end {
            self.add(source, TimeRange::new(time(start), time(rows.end - 1)), Place::Arena(start..rows.end));
        }
    }

    /// Finds the clusters, once all pieces are added.
    pub(super) fn arrange(&mut self) {
        self.clusters.clear();
        let Some(first) = self.all.first() else { return };
        let source = first.source;
        if self.all.iter().all(|piece| piece.source == source) {
            self.clusters.push(Cluster { pieces: 0..self.all.len(), plain: true });
            return;
        }
        self.all.sort_unstable_by_key(|piece| (piece.span.min, piece.source, piece.order));
        let mut start = 0;
        let mut end_time = i64::MIN;
        for i in 0..=self.all.len() {
            let is_end = self.all.get(i).is_none_or(|piece| i > start && piece.span.min > end_time);
            if is_end {
                let cluster = &mut self.all[start..i];
                cluster.sort_unstable_by_key(|piece| (piece.source, piece.order));
                let plain = cluster.iter().all(|piece| piece.source == cluster[0].source);
                self.clusters.push(Cluster { pieces: start..i, plain });
                start = i;
                end_time = i64::MIN;
            }
            if let Some(piece) = self.all.get(i) {
                end_time = end_time.max(piece.span.max);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arranged(list: &[(usize, i64, i64)]) -> Pieces {
        let mut pieces = Pieces::default();
        for (i, &(source, min, max)) in list.iter().enumerate() {
            pieces.add(source, TimeRange::new(min, max), Place::Arena(i..i + 1));
        }
        pieces.arrange();
        pieces
    }

    #[test]
    fn what_nothing_touches_stands_alone() {
        let pieces = arranged(&[(0, 0, 9), (0, 10, 19), (0, 20, 29), (1, 12, 13), (2, 40, 50)]);
        let clusters: Vec<_> = pieces.clusters.iter().map(|c| (c.pieces.clone(), c.plain)).collect();
        assert_eq!(clusters, [(0..1, true), (1..3, false), (3..4, true), (4..5, true)]);
    }

    #[test]
    fn one_source_is_one_cluster_in_the_order_added() {
        // The bounds of short series may be wider than their times, and out of order.
        let pieces = arranged(&[(0, 5, 9), (0, 0, 19)]);
        assert_eq!(pieces.clusters, [Cluster { pieces: 0..2, plain: true }]);
        assert_eq!(pieces.all[0].span.min, 5);
    }

    #[test]
    fn rows_are_cut_at_the_pieces_of_others() {
        let mut pieces = Pieces::default();
        pieces.add(0, TimeRange::new(10, 20), Place::Arena(0..1));
        let times = [1, 2, 12, 12, 30, 31];
        pieces.add_rows(1, 0..6, |i| times[i], 100);
        pieces.arrange();
        let spans: Vec<_> = pieces.all.iter().map(|p| (p.source, p.span.min, p.span.max)).collect();
        assert_eq!(spans, [(1, 1, 2), (0, 10, 20), (1, 12, 12), (1, 30, 31)]);
        assert_eq!(pieces.clusters.iter().map(|c| c.plain).collect::<Vec<_>>(), [true, false, true]);
    }

    proptest! {
        #[test]
        fn clusters_cover_all_pieces_and_never_touch(
            list in proptest::collection::vec((0usize..3, 0i64..100, 0i64..15), 0..30),
            times in proptest::collection::btree_set(0i64..120, 0..40),
            most in 1usize..10,
        ) {
            let times: Vec<i64> = times.into_iter().collect();
            let mut pieces = Pieces::default();
            for &(source, min, len) in &list {
                pieces.add(source, TimeRange::new(min, min + len), Place::Arena(0..0));
            }
            pieces.add_rows(3, 0..times.len(), |i| times[i], most);
            let rows: usize = pieces.all.iter().map(|p| match &p.place {
                Place::Arena(rows) => rows.len(),
                Place::Run(..) => 0,
            }).sum();
            prop_assert_eq!(rows, times.len());
            let n = pieces.all.len();
            pieces.arrange();
            let mut at = 0;
            let mut last = i64::MIN;
            let one_source = pieces.clusters.len() == 1;
            for cluster in &pieces.clusters {
                prop_assert_eq!(cluster.pieces.start, at);
                at = cluster.pieces.end;
                let inside = &pieces.all[cluster.pieces.clone()];
                prop_assert!(inside.windows(2).all(|w| (w[0].source, w[0].order) < (w[1].source, w[1].order)));
                let min = inside.iter().map(|p| p.span.min).min().unwrap();
                prop_assert!(one_source || min > last);
                last = inside.iter().map(|p| p.span.max).max().unwrap();
                prop_assert_eq!(cluster.plain, inside.iter().all(|p| p.source == inside[0].source));
            }
            prop_assert_eq!(at, n);
        }
    }
}
