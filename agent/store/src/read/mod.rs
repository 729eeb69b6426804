//! Reading: what the query engine is shown of a [`View`](crate::version::View).
//!
//! A [`View`](crate::version::View) names the runs (sealed points, sorted, in RAM or in files) and the arenas (newest points, chained per series) of
//! one moment. From these, `table` answers which series and fields there are, and `scan` gives their points: per
//! series and shard group it lays the pieces of all sources on the time axis (`pieces`), passes on those that nothing else
//! touches as they are, or as their statistics, and joins the others row by row (`join`). `runs` and `arenas` know how to find
//! and decode a series in the two kinds of sources.
//!
//! Of two values for one series, time and field the later one counts, and a null never hides a value: runs stand in order,
//! all arenas come after all runs, and within the arenas the higher (seq, row) is later.

mod arenas;
mod join;
mod left;
mod pieces;
mod rows;
mod runs;
mod scan;
mod snapshot;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use left::with_points;
pub use snapshot::snapshot;
