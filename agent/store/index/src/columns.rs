//! The values of one tag for a list of series.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use weir_model::key::write_canonical;
use weir_model::read::TagColumn;

use crate::measurement::TagKey;
use crate::order::KeySource;
use crate::series::SeriesSlot;
use crate::store::SeriesStore;

/// Reading a tag out of a key costs about as much as passing over this many series in the postings.
const KEY_COST: u64 = 32;

/// Values of `name` for `series`, in that order.
pub(crate) fn tag_column(
    key: Option<&TagKey>,
    name: &str,
    series: &[SeriesSlot],
    store: &SeriesStore,
) -> TagColumn {
    let Some(key) = key else {
        return TagColumn { ids: vec![0; series.len()], values: vec!["".into()] };
    };
    let ids = if series.len() as u64 * KEY_COST < key.present.len() {
        from_keys(key, name, series, store)
    } else {
        from_postings(key, series)
    };
    number(key, ids)
}

/// Numbers of values by series, `None` without the tag, read from each key.
fn from_keys(key: &TagKey, name: &str, series: &[SeriesSlot], store: &SeriesStore) -> Vec<Option<u32>> {
    let mut escaped = String::new();
    write_canonical(&mut escaped, "", [(name, "")]);
    let mut text = Vec::new();
    let mut find = |slot: SeriesSlot| {
        text.clear();
        store.write_key(slot, &mut text);
        key.values.find(&tag_value(std::str::from_utf8(&text).ok()?, &escaped)?)
    };
    series.iter().map(|&slot| find(slot)).collect()
}

/// The value behind `prefix` (`,key=` with its escapes) in a canonical key.
fn tag_value<'a>(key: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let bytes = key.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b',' if bytes[i..].starts_with(prefix.as_bytes()) => {
                let start = i + prefix.len();
                let mut end = start;
                while end < bytes.len() && bytes[end] != b',' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                let value = key.get(start..end.min(bytes.len()))?;
                if !value.contains('\\') {
                    return Some(Cow::Borrowed(value));
                }
                // Unescaped by the one place that knows how.
                let (_, tags) = weir_model::key::parse_canonical(&format!("m,k={value}"));
                return tags.into_iter().next().map(|(_, value)| Cow::Owned(value));
            }
            _ => i += 1,
        }
    }
    None
}

/// The same, by passing over all postings.
fn from_postings(key: &TagKey, series: &[SeriesSlot]) -> Vec<Option<u32>> {
    const NONE: u32 = u32::MAX;
    let (Some(&min), Some(&max)) = (series.iter().min(), series.iter().max()) else { return Vec::new() };
    let mut by_slot = vec![NONE; (max - min) as usize + 1];
    for (number, posting) in key.postings.iter().enumerate() {
        posting.for_each(|slot| {
            if let Some(place) = slot.checked_sub(min).and_then(|i| by_slot.get_mut(i as usize)) {
                *place = number as u32;
            }
        });
    }
    let find = |slot: &SeriesSlot| by_slot.get((slot - min) as usize).copied().filter(|&n| n != NONE);
    series.iter().map(find).collect()
}

/// Numbers the values that occur anew, in order of appearance.
fn number(key: &TagKey, ids: Vec<Option<u32>>) -> TagColumn {
    let values = key.values.values();
    let mut column = TagColumn { ids: Vec::with_capacity(ids.len()), values: Vec::new() };
    let mut add = |id: Option<u32>| {
        let value = id.and_then(|id| values.get(id as usize));
        column.values.push(value.map_or_else(|| "".into(), Arc::clone));
        column.values.len() as u32 - 1
    };
    if ids.len() < values.len() / 8 {
        let mut known: HashMap<Option<u32>, u32, foldhash::fast::RandomState> = HashMap::default();
        column.ids = ids.into_iter().map(|id| *known.entry(id).or_insert_with(|| add(id))).collect();
        return column;
    }
    // By number of the value, the last place being that of no value.
    const NEW: u32 = u32::MAX;
    let mut known = vec![NEW; values.len() + 1];
    for id in ids {
        let place = id.map_or(values.len(), |id| id as usize);
        let number = match known.get_mut(place) {
            Some(number) if *number != NEW => *number,
            Some(number) => {
                *number = add(id);
                *number
            }
            None => add(id),
        };
        column.ids.push(number);
    }
    column
}
