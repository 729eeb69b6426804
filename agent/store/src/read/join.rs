//! Joins sorted rows of several sources: of equal times, per field, the value of the latest source that has one.

use std::ops::Range;

use weir_model::read::ReadError;
use weir_segment::append_rows;

use super::rows::Rows;

/// One source of a join: the rows it is at. Sources stand in order, a later one beats an earlier one.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) rows: Rows,
    at: usize,
    ended: bool,
}

impl Input {
    /// Starts over.
    pub(super) fn restart(&mut self) {
        self.rows.times.clear();
        self.at = 0;
        self.ended = false;
    }

    fn head(&self) -> Option<i64> {
        self.rows.times.get(self.at).copied()
    }
}

/// Appends up to `limit` joined rows to `out`, which is empty. `refill` puts the next rows of source i, which go on where the last ones
/// ended, into an emptied [`Rows`] and says whether there were any.
///
/// # Errors
/// Those of `refill`.
pub(super) fn join(
    inputs: &mut [Input],
    descending: bool,
    limit: usize,
    out: &mut Rows,
    mut refill: impl FnMut(usize, &mut Rows) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    // Earlier in the order asked for.
    let comes_before = |a: i64, b: i64| if descending { a > b } else { a < b };
    while out.len() < limit {
        let mut first: Option<(i64, usize)> = None;
        // The least time of the other sources.
        let mut other: Option<i64> = None;
        for (i, input) in inputs.iter_mut().enumerate() {
            while input.head().is_none() && !input.ended {
                input.at = 0;
                input.ended = !refill(i, &mut input.rows)?;
            }
            let Some(time) = input.head().filter(|_| !input.ended) else { continue };
            match first {
                Some((least, _)) if !comes_before(time, least) => {
                    other = Some(
                        other.map_or(time, |other| if comes_before(time, other) { time } else { other }),
                    );
                }
                _ => {
                    other = first.map(|(least, _)| least).or(other);
                    first = Some((time, i));
                }
            }
        }
        let Some((time, i)) = first else { return Ok(()) };
        if other == Some(time) {
            join_row(inputs, time, out);
            continue;
        }
        let input = &mut inputs[i];
        let range = alone(&input.rows.times, input.at, limit - out.len(), |t| {
            other.is_none_or(|other| comes_before(t, other))
        });
        if out.len() == 0 && range == (0..input.rows.len()) {
            std::mem::swap(out, &mut input.rows);
            input.rows.times.clear();
        } else {
            out.append(&input.rows, range.clone());
        }
        input.at = range.end;
    }
    Ok(())
}

/// The rows from `at` on, at most `most`, for whose times `is_alone` holds.
fn alone(times: &[i64], at: usize, most: usize, is_alone: impl Fn(i64) -> bool) -> Range<usize> {
    let rest = times.get(at..times.len().min(at + most)).unwrap_or_default();
    at..at + rest.partition_point(|&time| is_alone(time))
}

/// Appends the row that the sources standing at `time` give together, and steps over it.
fn join_row(inputs: &mut [Input], time: i64, out: &mut Rows) {
    let row = out.len();
    for (c, to) in out.columns.iter_mut().enumerate() {
        let mut here = inputs.iter().filter(|input| input.head() == Some(time) && !input.ended);
        let latest = here
            .clone()
            .rev()
            .find(|input| input.rows.columns.get(c).is_some_and(|column| column.valid.is_valid(input.at)));
        // All null: any of them will do.
        if let Some(input) = latest.or_else(|| here.next())
            && let Some(column) = input.rows.columns.get(c)
        {
            append_rows(column, input.at..input.at + 1, to, row);
        }
    }
    out.times.push(time);
    for input in inputs.iter_mut().filter(|input| input.head() == Some(time) && !input.ended) {
        input.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::bits;
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};
    use weir_model::FieldValue;
    use weir_model::read::{Column, Values};

    type Point = (i64, [Option<i64>; 2]);

    fn rows(points: &[Point]) -> Rows {
        let column = |c: usize| Column {
            values: Values::Integer(points.iter().map(|p| p.1[c].unwrap_or(-1)).collect()),
            valid: bits(points.iter().map(|p| p.1[c].is_some()), points.len()),
        };
        Rows { times: points.iter().map(|p| p.0).collect(), columns: vec![column(0), column(1)] }
    }

    fn points(rows: &Rows) -> Vec<Point> {
        let get = |c: usize, i| match rows.columns[c].get(i) {
            Some(FieldValue::Integer(v)) => Some(v),
            _ => None,
        };
        rows.times.iter().enumerate().map(|(i, &time)| (time, [get(0, i), get(1, i)])).collect()
    }

    fn source() -> impl Strategy<Value = Vec<Point>> {
        let values = [proptest::option::of(0i64..100), proptest::option::of(0i64..100)];
        proptest::collection::btree_map(0i64..60, values, 0..40).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn joining_equals_overwriting_in_a_map(
            sources in proptest::collection::vec(source(), 1..5),
            piece in 1usize..7,
            limit in 1usize..9,
            descending in any::<bool>(),
        ) {
            let mut expected: BTreeMap<i64, [Option<i64>; 2]> = BTreeMap::new();
            for (time, values) in sources.iter().flatten() {
                let known = expected.entry(*time).or_default();
                known.iter_mut().zip(values).for_each(|(known, value)| *known = value.or(*known));
            }
            let mut expected: Vec<Point> = expected.into_iter().collect();
            let mut pieces: Vec<VecDeque<Rows>> = sources
                .iter()
                .map(|source| {
                    let mut source = source.clone();
                    if descending {
                        source.reverse();
                    }
                    source.chunks(piece).map(rows).collect()
                })
                .collect();
            if descending {
                expected.reverse();
            }
            let mut inputs: Vec<Input> = (0..sources.len()).map(|_| Input::default()).collect();
            let mut found = Vec::new();
            let mut out = Rows::default();
            loop {
                out.clear(2);
                join(&mut inputs, descending, limit, &mut out, |i, rows| {
                    let next = pieces[i].pop_front();
                    let any = next.is_some();
                    *rows = next.unwrap_or_default();
                    Ok(any)
                })
                .unwrap();
                prop_assert!(out.len() <= limit);
                if out.len() == 0 {
                    break;
                }
                found.extend(points(&out));
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn null_rows_go_and_reversing_twice_changes_nothing(source in source()) {
            let mut all = rows(&source);
            all.reverse();
            all.reverse();
            prop_assert_eq!(points(&all), source.clone());
            all.drop_null_rows();
            let kept: Vec<Point> = source.into_iter().filter(|p| p.1 != [None, None]).collect();
            prop_assert_eq!(points(&all), kept);
        }
    }
}
