//! Decoded rows on their way from a source to the reader, and small operations on them.

use weir_model::read::{Column, Strings, Validity, Values};
use weir_segment::append_rows;

/// Times and the asked columns, each as long as `times`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) times: Vec<i64>,
    pub(super) columns: Vec<Column>,
}

impl Rows {
    /// Forgets the rows, keeps the memory, and makes it `columns` wide.
    pub(super) fn clear(&mut self, columns: usize) {
        self.times.clear();
        self.columns.resize_with(columns, Column::default);
        for column in &mut self.columns {
            append_rows(&NULL, 0..0, column, 0);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Appends rows of another one of the same width.
    pub(super) fn append(&mut self, from: &Self, rows: std::ops::Range<usize>) {
        let before = self.len();
        for (to, from) in self.columns.iter_mut().zip(&from.columns) {
            append_rows(from, rows.clone(), to, before);
        }
        self.times.extend_from_slice(from.times.get(rows).unwrap_or_default());
    }

    /// Turns the order of the rows around.
    pub(super) fn reverse(&mut self) {
        self.times.reverse();
        let rows = self.times.len();
        for column in &mut self.columns {
            reverse_column(column, rows);
        }
    }

    /// Takes out the rows in which every column is null.
    pub(super) fn drop_null_rows(&mut self) {
        let rows = self.len();
        if rows == 0 || self.columns.iter().any(|column| matches!(column.valid, Validity::All)) {
            return;
        }
        let mut keep = vec![0u64; rows.div_ceil(64)];
        for column in &self.columns {
            if let Validity::Bits(words) = &column.valid {
                keep.iter_mut().zip(words).for_each(|(keep, word)| *keep |= word);
            }
        }
        if keep.iter().map(|word| word.count_ones() as usize).sum::<usize>() == rows {
            return;
        }
        let kept: Vec<usize> = (0..rows).filter(|&i| keep[i / 64] >> (i % 64) & 1 == 1).collect();
        for column in &mut self.columns {
            *column = pick(column, &kept);
        }
        self.times = kept.iter().map(|&i| self.times[i]).collect();
    }

    /// Bytes held, near enough for budgets.
    pub(super) fn bytes(&self) -> u64 {
        let columns = self.columns.iter().map(|column| match &column.values {
            Values::Absent => 0,
            Values::Float(v) => v.capacity() * 8,
            Values::Integer(v) => v.capacity() * 8,
            Values::Unsigned(v) => v.capacity() * 8,
            Values::Boolean(v) => v.capacity(),
            Values::String(v) => v.heap_len() + v.len() * 4,
        });
        (self.times.capacity() * 8 + columns.sum::<usize>()) as u64
    }
}

/// A column that is null everywhere.
pub(super) static NULL: Column = Column { values: Values::Absent, valid: Validity::None };

/// The rows `at` of a column, in that order.
fn pick(column: &Column, at: &[usize]) -> Column {
    fn list<T: Copy + Default>(v: &[T], at: &[usize]) -> Vec<T> {
        at.iter().map(|&i| v.get(i).copied().unwrap_or_default()).collect()
    }
    let values = match &column.values {
        Values::Absent => Values::Absent,
        Values::Float(v) => Values::Float(list(v, at)),
        Values::Integer(v) => Values::Integer(list(v, at)),
        Values::Unsigned(v) => Values::Unsigned(list(v, at)),
        Values::Boolean(v) => Values::Boolean(list(v, at)),
        Values::String(v) => Values::String(at.iter().map(|&i| v.get(i).unwrap_or_default()).collect()),
    };
    let valid = match &column.valid {
        Validity::Bits(_) => bits(at.iter().map(|&i| column.valid.is_valid(i)), at.len()),
        known => known.clone(),
    };
    Column { values, valid }
}

/// A validity out of flags.
pub(super) fn bits(flags: impl Iterator<Item = bool>, rows: usize) -> Validity {
    let mut words = vec![0u64; rows.div_ceil(64)];
    for (i, _) in flags.take(rows).enumerate().filter(|(_, flag)| *flag) {
        words[i / 64] |= 1 << (i % 64);
    }
    Validity::Bits(words)
}

fn reverse_column(column: &mut Column, rows: usize) {
    match &mut column.values {
        Values::Absent => {}
        Values::Float(v) => v.reverse(),
        Values::Integer(v) => v.reverse(),
        Values::Unsigned(v) => v.reverse(),
        Values::Boolean(v) => v.reverse(),
        Values::String(v) => {
            let mut out = Strings::new();
            (0..rows).rev().for_each(|i| out.push(v.get(i).unwrap_or_default()));
            *v = out;
        }
    }
    if let Validity::Bits(_) = column.valid {
        column.valid = bits((0..rows).rev().map(|i| column.valid.is_valid(i)), rows);
    }
}
