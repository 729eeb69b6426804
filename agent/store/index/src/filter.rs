//! Tag filters to sets of series. Expressions run over distinct values, never over series.

use regex::Regex;
use roaring::RoaringBitmap;
use weir_model::read::{ReadContext, ReadError, TagFilter};

use crate::literals;
use crate::measurement::{TagKey, Tags};
use crate::posting;

/// Values matched between two looks at the query's cancel flag: about 25 µs of a plain expression.
const CHECK_EVERY: usize = 1_024;

/// The series of `base` that match.
pub(crate) fn select(
    tags: &Tags,
    filter: &TagFilter,
    base: &RoaringBitmap,
    context: &ReadContext,
) -> Result<RoaringBitmap, ReadError> {
    context.check()?;
    Ok(match filter {
        TagFilter::All => base.clone(),
        TagFilter::Nothing => RoaringBitmap::new(),
        TagFilter::Equal(key, value) => equal(tags, key, value, base),
        TagFilter::NotEqual(key, value) => base - equal(tags, key, value, base),
        TagFilter::Match(key, regex) => matching(tags, key, regex, base, context)?,
        TagFilter::NotMatch(key, regex) => base - matching(tags, key, regex, base, context)?,
        TagFilter::And(parts) => {
            let mut out = base.clone();
            for part in parts {
                if out.is_empty() {
                    break;
                }
                out = select(tags, part, &out, context)?;
            }
            out
        }
        TagFilter::Or(parts) => {
            let mut out = RoaringBitmap::new();
            for part in parts {
                out |= select(tags, part, base, context)?;
            }
            out
        }
    })
}

fn equal(tags: &Tags, key: &str, value: &str, base: &RoaringBitmap) -> RoaringBitmap {
    let Some(key) = tags.key(key) else {
        return if value.is_empty() { base.clone() } else { RoaringBitmap::new() };
    };
    if value.is_empty() {
        return base - &key.present;
    }
    let posting = key.values.find(value).and_then(|n| key.postings.get(n as usize));
    posting.map(|p| p.and(base)).unwrap_or_default()
}

fn matching(
    tags: &Tags,
    key: &str,
    regex: &Regex,
    base: &RoaringBitmap,
    context: &ReadContext,
) -> Result<RoaringBitmap, ReadError> {
    let key = tags.key(key);
    let mut out = match key {
        Some(key) => with_value(key, regex, context)? & base,
        None => RoaringBitmap::new(),
    };
    if regex.is_match("") {
        match key {
            Some(key) => out |= base - &key.present,
            None => out |= base,
        }
    }
    Ok(out)
}

/// The series that have the tag with a matching value.
fn with_value(key: &TagKey, regex: &Regex, context: &ReadContext) -> Result<RoaringBitmap, ReadError> {
    let values = key.values.values();
    if let Some(texts) = literals::texts(regex.as_str()) {
        let numbers = texts.iter().filter_map(|text| key.values.find(text));
        return Ok(posting::union(numbers.filter_map(|n| key.postings.get(n as usize))));
    }
    let mut hits = Vec::new();
    for (values, postings) in values.chunks(CHECK_EVERY).zip(key.postings.chunks(CHECK_EVERY)) {
        context.check()?;
        hits.extend(values.iter().zip(postings).filter(|(v, _)| regex.is_match(v)).map(|(_, p)| p));
    }
    // Everything matched: the union is known.
    if hits.len() == values.len() {
        return Ok(key.present.clone());
    }
    Ok(posting::union(hits.into_iter()))
}
