//! Small operations on decoded columns.

use std::ops::Range;

use weir_model::read::{Column, Strings, Validity, Values};

/// Appends rows of `from` to `to`, which holds `to_rows` rows (with 0 it is cleared first, keeping its memory). If the types differ and
/// neither side is all null, the rows are appended as nulls: a field has one type within a shard group, so that is not met
/// within one.
pub fn append_rows(from: &Column, rows: Range<usize>, to: &mut Column, to_rows: usize) {
    if rows.is_empty() {
        if to_rows == 0 {
            clear(to);
        }
        return;
    }
    if to_rows == 0 {
        clear(to);
        if from.values.field_type() != to.values.field_type() {
            to.values = empty_like(&from.values);
        }
    } else if to.values.field_type().is_none() && from.values.field_type().is_some() {
        to.values = empty_like(&from.values);
        pad(&mut to.values, to_rows);
    }
    let total = to_rows + rows.len();
    let same = match (&from.values, &mut to.values) {
        (Values::Float(a), Values::Float(b)) => extend(a, rows.clone(), b),
        (Values::Integer(a), Values::Integer(b)) => extend(a, rows.clone(), b),
        (Values::Unsigned(a), Values::Unsigned(b)) => extend(a, rows.clone(), b),
        (Values::Boolean(a), Values::Boolean(b)) => extend(a, rows.clone(), b),
        (Values::String(a), Values::String(b)) => {
            rows.clone().for_each(|i| b.push(a.get(i).unwrap_or_default()));
            true
        }
        (_, to) => {
            pad(to, total);
            false
        }
    };
    let none = Validity::None;
    append_validity(if same { &from.valid } else { &none }, rows, &mut to.valid, to_rows);
}

fn extend<T: Copy + Default>(from: &[T], rows: Range<usize>, to: &mut Vec<T>) -> bool {
    let total = to.len() + rows.len();
    to.extend_from_slice(from.get(rows).unwrap_or_default());
    to.resize(total, T::default());
    true
}

fn append_validity(from: &Validity, rows: Range<usize>, to: &mut Validity, to_rows: usize) {
    match (from, &*to) {
        (Validity::All, Validity::All) => return,
        (Validity::None, Validity::None) if to_rows > 0 => return,
        (Validity::All, _) if to_rows == 0 => return *to = Validity::All,
        (Validity::None, _) if to_rows == 0 => return *to = Validity::None,
        _ => {}
    }
    let total = to_rows + rows.len();
    let mut words = match std::mem::take(to) {
        Validity::Bits(words) => words,
        Validity::All => {
            let mut words = vec![u64::MAX; to_rows.div_ceil(64)];
            if let (Some(last), used @ 1..) = (words.last_mut(), to_rows % 64) {
                *last = (1 << used) - 1;
            }
            words
        }
        Validity::None => Vec::new(),
    };
    if to_rows == 0 {
        words.clear();
    }
    words.resize(total.div_ceil(64), 0);
    for (i, row) in rows.enumerate() {
        let at = to_rows + i;
        words[at / 64] |= u64::from(from.is_valid(row)) << (at % 64);
    }
    *to = Validity::Bits(words);
}

fn clear(column: &mut Column) {
    match &mut column.values {
        Values::Absent => {}
        Values::Float(v) => v.clear(),
        Values::Integer(v) => v.clear(),
        Values::Unsigned(v) => v.clear(),
        Values::Boolean(v) => v.clear(),
        Values::String(v) => v.clear(),
    }
    column.valid = Validity::None;
}

fn empty_like(values: &Values) -> Values {
    match values {
        Values::Absent => Values::Absent,
        Values::Float(_) => Values::Float(Vec::new()),
        Values::Integer(_) => Values::Integer(Vec::new()),
        Values::Unsigned(_) => Values::Unsigned(Vec::new()),
        Values::Boolean(_) => Values::Boolean(Vec::new()),
        Values::String(_) => Values::String(Strings::new()),
    }
}

/// Makes `values` `n` long with values that mean nothing.
fn pad(values: &mut Values, n: usize) {
    match values {
        Values::Absent => {}
        Values::Float(v) => v.resize(n, 0.0),
        Values::Integer(v) => v.resize(n, 0),
        Values::Unsigned(v) => v.resize(n, 0),
        Values::Boolean(v) => v.resize(n, false),
        Values::String(v) => (v.len()..n).for_each(|_| v.push("")),
    }
}

/// Sets `valid` to `flags`, keeping its memory.
pub(crate) fn bits_from(flags: &[bool], valid: &mut Validity) {
    let mut words = match std::mem::take(valid) {
        Validity::Bits(words) => words,
        _ => Vec::new(),
    };
    words.clear();
    words.extend(
        flags.chunks(64).map(|c| c.iter().enumerate().fold(0u64, |word, (i, &v)| word | u64::from(v) << i)),
    );
    *valid = Validity::Bits(words);
}

/// Moves dense values to the rows that have one.
pub(crate) fn spread(values: &mut Values, flags: &[bool]) {
    match values {
        Values::Absent => {}
        Values::Float(v) => spread_list(v, flags),
        Values::Integer(v) => spread_list(v, flags),
        Values::Unsigned(v) => spread_list(v, flags),
        Values::Boolean(v) => spread_list(v, flags),
        Values::String(v) => {
            let dense = std::mem::take(v);
            let mut at = 0;
            for &flag in flags {
                v.push(if flag { dense.get(at).unwrap_or_default() } else { "" });
                at += usize::from(flag);
            }
        }
    }
}

fn spread_list<T: Copy + Default>(values: &mut Vec<T>, flags: &[bool]) {
    let mut dense = values.len();
    values.resize(flags.len(), T::default());
    // From the end, so that no value is overwritten before it has moved.
    for (row, &flag) in flags.iter().enumerate().rev() {
        if flag {
            dense -= 1;
            values[row] = values[dense];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(list: &[Option<i64>]) -> Column {
        let flags: Vec<bool> = list.iter().map(Option::is_some).collect();
        if !flags.contains(&true) {
            return Column::default();
        }
        let mut column = Column {
            values: Values::Integer(list.iter().flatten().copied().collect()),
            valid: Validity::All,
        };
        if flags.contains(&false) {
            bits_from(&flags, &mut column.valid);
            spread(&mut column.values, &flags);
        }
        column
    }

    fn list(column: &Column, rows: usize) -> Vec<Option<i64>> {
        let get = |i| match column.get(i) {
            Some(weir_model::FieldValue::Integer(v)) => Some(v),
            _ => None,
        };
        (0..rows).map(get).collect()
    }

    proptest! {
        #[test]
        fn appended_rows_are_those_of_the_parts(
            parts in proptest::collection::vec((proptest::collection::vec(proptest::option::weighted(0.7, any::<i64>()), 0..150), any::<bool>()), 0..6),
            skip in 0usize..20,
        ) {
            let (mut to, mut expected) = (column(&[Some(1), None]), Vec::new());
            append_rows(&Column::default(), 0..0, &mut to, 0);
            for (part, full) in parts {
                let part: Vec<_> = if full { part.into_iter().flatten().map(Some).collect() } else { part };
                let from = column(&part);
                prop_assert_eq!(list(&from, part.len()), part.clone());
                let rows = skip.min(part.len())..part.len();
                append_rows(&from, rows.clone(), &mut to, expected.len());
                expected.extend_from_slice(&part[rows]);
                prop_assert_eq!(list(&to, expected.len()), expected.clone());
            }
        }
    }
}
