//! Turns the light blocks of a column into dense ones, where that pays.

use std::borrow::Cow;

use weir_codec::{DenseBlock, DenseColumn, DenseNumbers};

use crate::StripeValues;
use crate::writer::Rows;

/// The blocks of a column as they were written, kept until the whole column is there.
#[derive(Default)]
pub(crate) struct Blocks<'a> {
    list: Vec<Block<'a>>,
}

struct Block<'a> {
    /// `None` = nothing that could be dense.
    numbers: Option<DenseNumbers<'a>>,
    runs: Vec<u32>,
    /// Bytes before the values: the list of what is there.
    prefix: usize,
}

impl<'a> Blocks<'a> {
    /// Notes a block of times.
    pub(crate) fn times(&mut self, times: &'a [i64], runs: &[u32]) {
        let numbers = Some(DenseNumbers::Times(times));
        self.list.push(Block { numbers, runs: runs.to_vec(), prefix: 0 });
    }

    /// Notes a block of values, of which `prefix` bytes stand before the encoding.
    pub(crate) fn values(&mut self, values: &StripeValues<'a>, rows: &Rows<'_>, runs: &[u32], prefix: usize) {
        let numbers = match values {
            StripeValues::Float(v) => Some(DenseNumbers::Floats(rows.pick(v))),
            StripeValues::Integer(v) => Some(DenseNumbers::Integers(rows.pick(v))),
            StripeValues::Unsigned(v) => {
                Some(DenseNumbers::Integers(Cow::Owned(rows.pick(v).iter().map(|&v| v as i64).collect())))
            }
            StripeValues::Boolean(_) | StripeValues::String(_) => None,
        };
        self.list.push(Block { numbers, runs: runs.to_vec(), prefix });
    }

    /// Notes a block that stays as it is.
    pub(crate) fn other(&mut self) {
        self.list.push(Block { numbers: None, runs: Vec::new(), prefix: 0 });
    }

    /// Rewrites the column that stands in `out[start..]`, if that makes it clearly smaller. Gives the length of its head (0 = there is
    /// none) and puts the new lengths of the blocks into `lens`.
    pub(crate) fn rewrite(self, lens: &mut [u64], start: usize, out: &mut Vec<u8>) -> usize {
        let light = out[start..].to_vec();
        let mut ends = Vec::with_capacity(lens.len());
        let mut end = 0usize;
        for len in lens.iter() {
            end += *len as usize;
            ends.push(end);
        }
        let place = |i: usize| ends[i] - lens[i] as usize..ends[i];
        let (mut inputs, mut at) = (Vec::new(), Vec::new());
        for (i, block) in self.list.iter().enumerate() {
            if let Some(numbers) = &block.numbers {
                let light = light[place(i)].get(block.prefix..).unwrap_or_default();
                inputs.push(DenseBlock { numbers: numbers.clone(), runs: &block.runs, light });
                at.push(i);
            }
        }
        let Some(dense) = DenseColumn::encode(&inputs) else { return 0 };
        let mut chosen = vec![None; lens.len()];
        for (i, place) in at.into_iter().zip(&dense.blocks) {
            chosen[i] = place.clone();
        }
        out.truncate(start);
        out.extend_from_slice(&dense.head);
        let places: Vec<_> = (0..lens.len()).map(place).collect();
        for (i, (chosen, place)) in chosen.into_iter().zip(places).enumerate() {
            let before = out.len();
            let old = &light[place];
            match chosen {
                Some(range) => {
                    out.extend_from_slice(old.get(..self.list[i].prefix).unwrap_or_default());
                    out.extend_from_slice(&dense.bytes[range]);
                }
                None => out.extend_from_slice(old),
            }
            lens[i] = (out.len() - before) as u64;
        }
        dense.head.len()
    }
}
