//! How the points of a stripe are cut into blocks and units. Reader and writer derive both from the points per series alone.

use crate::BLOCK_POINTS_MAX;

/// From so many points on a series has statistics and a time span of its own.
pub(crate) const OWN_UNIT_FROM: u32 = 64;

/// Rows at which blocks and units start; rows count from the first point of the stripe. The number of rows closes each list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) series: Vec<u32>,
    pub(crate) blocks: Vec<u32>,
    pub(crate) units: Vec<u32>,
}

impl Layout {
    /// Cuts: a block holds whole series while they fit; a longer series starts a block and is cut at full blocks, its rest shares a block
    /// with what follows. A unit is a piece of a series of [`OWN_UNIT_FROM`] points or more, or neighbouring pieces of shorter ones in one block.
    pub(crate) fn new(points: impl Iterator<Item = u32>) -> Self {
        let full = BLOCK_POINTS_MAX as u32;
        let mut this = Self::default();
        let (mut row, mut open, mut shared) = (0, full, false);
        for points in points {
            this.series.push(row);
            if points > full {
                open = full;
            }
            let own = points >= OWN_UNIT_FROM;
            let mut left = points;
            while left > 0 {
                let piece = left.min(full);
                let new_block = open + piece > full;
                if new_block {
                    this.blocks.push(row);
                    open = 0;
                }
                if new_block || own || !shared {
                    this.units.push(row);
                }
                shared = !own;
                open += piece;
                row += piece;
                left -= piece;
            }
        }
        this.series.push(row);
        this.blocks.push(row);
        this.units.push(row);
        this
    }

    /// Lengths of the pieces of series inside a range of rows.
    pub(crate) fn runs(&self, start: u32, end: u32, out: &mut Vec<u32>) {
        out.clear();
        let mut series = self.series.partition_point(|&s| s <= start);
        let mut at = start;
        while at < end {
            let next = self.series.get(series).map_or(end, |&s| s.min(end));
            out.push(next - at);
            at = next;
            series += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_series_share_blocks_and_long_ones_are_cut() {
        let layout = Layout::new([10, 10, 1000, 10, 2100, 30, 64, 5].into_iter());
        assert_eq!(layout.series, [0, 10, 20, 1020, 1030, 3130, 3160, 3224, 3229]);
        assert_eq!(layout.blocks, [0, 1020, 1030, 2054, 3078, 3229]);
        assert_eq!(layout.units, [0, 20, 1020, 1030, 2054, 3078, 3130, 3160, 3224, 3229]);
        let mut runs = Vec::new();
        layout.runs(3078, 3229, &mut runs);
        assert_eq!(runs, [52, 30, 64, 5]);
        layout.runs(0, 1020, &mut runs);
        assert_eq!(runs, [10, 10, 1000]);
    }

    #[test]
    fn a_full_block_is_not_overfilled() {
        let layout = Layout::new([1024, 1, 1023, 1].into_iter());
        assert_eq!(layout.blocks, [0, 1024, 2048, 2049]);
        assert_eq!(layout.units, [0, 1024, 1025, 2048, 2049]);
    }
}
