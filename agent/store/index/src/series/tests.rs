//! The series index: one id for all spellings, filters, orders, ghosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use regex::Regex;
use roaring::RoaringBitmap;
use weir_model::read::{ReadContext, TagFilter};

use super::*;
use crate::presence::Presence;

fn index() -> SeriesIndex {
    SeriesIndex::new(IndexLimits::default())
}

/// Looks `raw` up and defines it if need be. Tags must be spelled without escapes.
fn resolve(
    index: &SeriesIndex,
    predictor: &mut Predictor,
    raw: &str,
    ids: &AtomicU64,
) -> Result<SeriesSlot, Refusal> {
    if let Some(slot) = index.lookup(predictor, raw.as_bytes()) {
        return Ok(slot);
    }
    let mut sections = raw.split(',');
    let measurement = sections.next().unwrap();
    let tags: Vec<_> = sections.map(|s| s.split_once('=').unwrap()).collect();
    let id = measurement.bytes().map(u32::from).sum();
    index.define(predictor, raw.as_bytes(), id, measurement, &tags, || ids.fetch_add(1, Ordering::Relaxed))
}

fn key(index: &SeriesIndex, slot: SeriesSlot) -> String {
    index.canonical_key(slot).unwrap().as_str().to_owned()
}

fn select(m: &Measurement, filter: &TagFilter, visible: Option<&RoaringBitmap>) -> Vec<SeriesSlot> {
    m.select(filter, visible, &ReadContext::unlimited()).unwrap().iter().collect()
}

#[test]
fn every_spelling_leads_to_the_one_series() {
    let (index, ids, mut p) = (index(), AtomicU64::new(100), Predictor::new());
    let slot = resolve(&index, &mut p, "cpu,b=1,a=2,c=3", &ids).unwrap();
    for raw in ["cpu,a=2,b=1,c=3", "cpu,c=3,a=2,b=1", "cpu,b=1,a=2,c=3", "cpu,a=2,b=1,c=3"] {
        for _ in 0..3 {
            assert_eq!(resolve(&index, &mut p, raw, &ids), Ok(slot), "{raw}");
        }
    }
    assert_eq!(key(&index, slot), "cpu,a=2,b=1,c=3");
    assert_eq!((index.slots_len(), index.series_len()), (1, 1));
    assert_eq!((index.durable_id(slot), index.slot_of_id(100)), (Some(100), Some(slot)));
    assert_eq!((index.durable_id(1), index.slot_of_id(101), index.canonical_key(1)), (None, None, None));
}

#[test]
fn a_spelling_with_other_escapes_is_an_alias() {
    let (index, mut p) = (index(), Predictor::new());
    let mut define = |raw: &[u8]| index.define(&mut p, raw, 1, "m", &[("k", "a=b")], || 5).unwrap();
    let slot = define(b"m,k=a=b");
    assert_eq!(define(b"m,k=a\\=b"), slot);
    assert_eq!(define(b""), slot);
    assert_eq!(key(&index, slot), "m,k=a\\=b");
    for raw in [&b"m,k=a=b"[..], b"m,k=a\\=b"] {
        assert_eq!(index.lookup(&mut Predictor::new(), raw), Some(slot));
    }
    assert_eq!(index.lookup(&mut Predictor::new(), b"m,k=a"), None);
    assert_eq!(index.lookup(&mut Predictor::new(), b""), None);
}

#[test]
fn all_threads_and_all_spellings_get_one_id() {
    let (index, ids) = (index(), AtomicU64::new(0));
    let orders = ["a=A,b=B,c=C", "a=A,c=C,b=B", "b=B,a=A,c=C", "b=B,c=C,a=A", "c=C,a=A,b=B", "c=C,b=B,a=A"];
    let spelled = |order: &str, i: usize| format!("m,{}", order.replace('A', &i.to_string()));
    std::thread::scope(|scope| {
        for t in 0..4 {
            let (index, ids) = (&index, &ids);
            scope.spawn(move || {
                let mut p = Predictor::new();
                for round in 0..3 {
                    for i in 0..400 {
                        let slot =
                            resolve(index, &mut p, &spelled(orders[(t + i + round) % 6], i), ids).unwrap();
                        assert_eq!(key(index, slot), format!("m,a={i},b=B,c=C"));
                    }
                }
            });
        }
    });
    assert_eq!((index.slots_len(), ids.load(Ordering::Relaxed)), (400, 400));
    let m = index.measurement("m").unwrap();
    for i in 0..400 {
        let mut p = Predictor::new();
        let slots: BTreeSet<_> =
            orders.iter().map(|o| resolve(&index, &mut p, &spelled(o, i), &ids).unwrap()).collect();
        assert_eq!(slots.len(), 1);
        let filter = TagFilter::Equal("a".into(), i.to_string().into());
        assert_eq!(select(&m, &filter, None), slots.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(ids.load(Ordering::Relaxed), 400);
}

#[test]
fn a_wrong_prediction_costs_time_only() {
    let (index, ids, mut p) = (index(), AtomicU64::new(0), Predictor::new());
    let raws: Vec<String> = (0..100).map(|i| format!("m,z={i},a=x")).collect();
    let slots: Vec<_> = raws.iter().map(|r| resolve(&index, &mut p, r, &ids).unwrap()).collect();
    for step in [1, 3, 7, 99, 1] {
        for i in 0..300 {
            let i = i * step % 100;
            assert_eq!(index.lookup(&mut p, raws[i].as_bytes()), Some(slots[i]));
        }
    }
    assert!(p.heap_bytes() >= 400);
    p.clear();
    assert_eq!(p.heap_bytes(), 0);
}

#[test]
fn series_beyond_the_limit_are_refused_and_known_ones_are_not() {
    let (index, ids, mut p) = (index(), AtomicU64::new(0), Predictor::new());
    index.set_limits(IndexLimits { series_max: 2, tag_values_max: 0 });
    resolve(&index, &mut p, "m,a=1", &ids).unwrap();
    resolve(&index, &mut p, "m,a=2", &ids).unwrap();
    let refusal = resolve(&index, &mut p, "m,a=3", &ids).unwrap_err();
    assert_eq!(refusal.to_string(), "max-series-per-database limit exceeded: (2)");
    assert!(resolve(&index, &mut p, "m,a=1", &ids).is_ok());
    index.set_limits(IndexLimits { series_max: 0, tag_values_max: 2 });
    let refusal = resolve(&index, &mut p, "m,a=3,b=1", &ids).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "max-values-per-tag limit exceeded (2/2): measurement=\"m\" tag=\"a\" value=\"3\""
    );
    assert!(resolve(&index, &mut p, "m,a=2,b=1", &ids).is_ok());
    assert_eq!((index.slots_len(), ids.load(Ordering::Relaxed)), (3, 3));
    let long = "x".repeat(65_536);
    let refusal = index.define(&mut p, b"", 1, &long, &[], || 9).unwrap_err();
    assert_eq!(refusal, Refusal::KeyTooLong { len: 65_536, max: 65_535 });
}

#[test]
fn recovery_brings_keys_ids_and_aliases_back() {
    let (index, mut p) = (index(), Predictor::new());
    let a = index.define_with_id("m,a=1,b=2", 7, 40).unwrap();
    assert_eq!(index.define_with_id("m,a=1,b=2", 7, 40), Ok(a));
    assert_eq!(index.define_with_id("m,a=1,b=2", 7, 41), Ok(a));
    assert_eq!(
        (index.slot_of_id(40), index.slot_of_id(41), index.durable_id(a)),
        (Some(a), Some(a), Some(40))
    );
    assert!(matches!(index.define_with_id("m,a=2", 7, 40), Err(DefineError::IdConflict { id: 40, .. })));
    assert!(matches!(index.define_with_id("m,a=2", 7, 41), Err(DefineError::IdConflict { .. })));
    assert!(matches!(
        index.define_with_id("m,a=1,b=2", 8, 50),
        Err(DefineError::MeasurementConflict { known: 7, given: 8, .. })
    ));
    let b = index.define_with_id(r"m,a=x\ y", 7, 42).unwrap();
    assert_eq!(index.lookup(&mut p, br"m,a=x\ y"), Some(b));
    let raw = index.define(&mut p, b"m,b=2,a=1", 7, "m", &[("b", "2"), ("a", "1")], || 99);
    assert_eq!(raw, Ok(a));
    let m = index.measurement("m").unwrap();
    assert_eq!(select(&m, &TagFilter::Equal("a".into(), "x y".into()), None), [b]);
}

#[test]
fn a_dropped_measurement_is_forgotten_and_its_successor_starts_anew() {
    let (index, mut p) = (index(), Predictor::new());
    let tags = [("b", "1"), ("a", "1")];
    let spellings = [&b"m,b=1,a=1"[..], b"m,a=1,b=1", b"m,a=\\1,b=1"];
    let define = |p: &mut Predictor, raw: &[u8], m, id| index.define(p, raw, m, "m", &tags, || id);
    let old = define(&mut p, spellings[0], 1, 10).unwrap();
    for raw in spellings {
        define(&mut p, raw, 1, 11).unwrap();
        index.lookup(&mut p, raw).unwrap();
    }
    let other = index.define(&mut p, b"n", 3, "n", &[], || 12).unwrap();
    assert_eq!(define(&mut p, spellings[0], 2, 13), Err(Refusal::TargetDropped));
    index.drop_measurement(1);
    index.drop_measurement(1);
    for raw in spellings {
        assert_eq!(index.lookup(&mut p, raw), None);
        assert_eq!(index.lookup(&mut Predictor::new(), raw), None);
    }
    assert_eq!(define(&mut p, spellings[0], 1, 14), Err(Refusal::TargetDropped));
    assert_eq!(index.define_with_id("m,a=1,b=1", 1, 15), Err(DefineError::Dropped(1)));
    assert!(index.measurement_by_id(1).is_none());
    let new = define(&mut p, spellings[1], 2, 16).unwrap();
    assert_ne!(new, old);
    assert_eq!((key(&index, old), key(&index, new)), ("m,a=1,b=1".into(), "m,a=1,b=1".into()));
    assert_eq!(index.lookup(&mut p, b"n"), Some(other));
    assert_eq!(index.measurement("m").unwrap().id(), 2);
    assert_eq!((index.series_len(), index.measurement_id(new)), (2, Some(2)));
    assert_eq!(index.measurements().iter().map(|m| m.id()).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_series_without_points_never_shows() {
    let (index, ids, mut p) = (index(), AtomicU64::new(0), Predictor::new());
    let seen = resolve(&index, &mut p, "m,a=1,b=1", &ids).unwrap();
    resolve(&index, &mut p, "m,a=2,c=1", &ids).unwrap();
    let m = index.measurement("m").unwrap();
    let presence = Presence::new();
    assert!(!m.any_visible(&presence.bitmap()));
    presence.add(seen);
    let visible = presence.bitmap();
    assert!(m.any_visible(&visible));
    assert_eq!(m.tag_keys(Some(&visible)), ["a".into(), "b".into()]);
    assert_eq!(m.tag_keys(None), ["a".into(), "b".into(), "c".into()]);
    assert_eq!(m.tag_values("a", Some(&visible)), ["1".into()]);
    assert_eq!(m.tag_values("a", None), ["1".into(), "2".into()]);
    assert!(m.tag_values("c", Some(&visible)).is_empty() && m.tag_values("d", None).is_empty());
    assert_eq!(select(&m, &TagFilter::All, Some(&visible)), [seen]);
}

#[test]
fn a_note_stays_with_its_slot() {
    let (index, ids, mut p) = (index(), AtomicU64::new(0), Predictor::new());
    let slots: Vec<_> =
        (0..3_000).map(|i| resolve(&index, &mut p, &format!("m,a={i}"), &ids).unwrap()).collect();
    for &slot in &slots {
        assert_eq!(index.note(slot), 0);
        index.set_note(slot, u64::from(slot) + 7);
    }
    assert!(slots.iter().all(|&slot| index.note(slot) == u64::from(slot) + 7));
    assert_eq!(index.note(9_999_999), 0);
    let per_series = index.heap_bytes() / slots.len();
    assert!((50..400).contains(&per_series), "{per_series}");
}

#[test]
fn a_million_lookups_find_their_way_among_many_series() {
    let (index, ids, mut p) = (index(), AtomicU64::new(0), Predictor::new());
    let raws: Vec<String> = (0..20_000).map(|i| format!("cpu,host=h{},region=r{}", i, i % 7)).collect();
    for raw in &raws {
        resolve(&index, &mut p, raw, &ids).unwrap();
    }
    let m = index.measurement("cpu").unwrap();
    let all = m.slots();
    let sorted = m.sorted(&all, &ReadContext::unlimited()).unwrap();
    assert!(sorted.windows(2).all(|w| key(&index, w[0]) < key(&index, w[1])));
    assert_eq!(sorted.len(), 20_000);
    let few: RoaringBitmap = all.iter().step_by(1_000).collect();
    for series in [sorted, m.sorted(&few, &ReadContext::unlimited()).unwrap(), Vec::new()] {
        for tag in ["region", "host", "none"] {
            let column = m.tag_column(tag, &series);
            assert_eq!(column.ids.len(), series.len());
            for (&slot, &id) in series.iter().zip(&column.ids) {
                let (_, tags) = index.canonical_key(slot).unwrap().parts();
                let expected = tags.iter().find(|(k, _)| k == tag).map_or("", |(_, v)| v);
                assert_eq!(&*column.values[id as usize], expected);
            }
        }
    }
}

fn filters() -> impl Strategy<Value = TagFilter> {
    let tag = prop::sample::select(vec!["a", "b", "c=", "zz"]);
    let value = prop::sample::select(vec!["", "x", "x y", "1", "none"]);
    let regex = prop::sample::select(vec!["", "^$", "x", "^(x|1)$", "^x y$", "[0-9]", "^no$", ".*"]);
    let leaf = prop_oneof![
        Just(TagFilter::All),
        Just(TagFilter::Nothing),
        (tag.clone(), value.clone()).prop_map(|(k, v)| TagFilter::Equal(k.into(), v.into())),
        (tag.clone(), value).prop_map(|(k, v)| TagFilter::NotEqual(k.into(), v.into())),
        (tag.clone(), regex.clone()).prop_map(|(k, r)| TagFilter::Match(k.into(), Regex::new(r).unwrap())),
        (tag, regex).prop_map(|(k, r)| TagFilter::NotMatch(k.into(), Regex::new(r).unwrap())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(TagFilter::And),
            prop::collection::vec(inner, 0..3).prop_map(TagFilter::Or),
        ]
    })
}

fn holds(filter: &TagFilter, tags: &BTreeMap<String, String>) -> bool {
    let value = |key: &Arc<str>| tags.get(&**key).map_or("", |v| v);
    match filter {
        TagFilter::All => true,
        TagFilter::Nothing => false,
        TagFilter::Equal(k, v) => value(k) == &**v,
        TagFilter::NotEqual(k, v) => value(k) != &**v,
        TagFilter::Match(k, r) => r.is_match(value(k)),
        TagFilter::NotMatch(k, r) => !r.is_match(value(k)),
        TagFilter::And(parts) => parts.iter().all(|p| holds(p, tags)),
        TagFilter::Or(parts) => parts.iter().any(|p| holds(p, tags)),
    }
}

proptest! {
    #[test]
    fn postings_select_what_a_scan_of_all_series_selects(
        series in prop::collection::btree_set(prop::collection::btree_map("a|b|c=", "x|x y|1|[0-9]|", 0..4), 0..40),
        hidden in prop::collection::btree_set(0u32..40, 0..10),
        list in prop::collection::vec(filters(), 1..4),
    ) {
        let (index, mut p) = (index(), Predictor::new());
        let mut known = BTreeMap::new();
        for (id, tags) in (0..).zip(&series) {
            let pairs: Vec<_> = tags.iter().rev().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let slot = index.define(&mut p, b"", 1, "m", &pairs, || id).unwrap();
            known.insert(slot, tags.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>());
        }
        let Some(m) = index.measurement("m") else { return Ok(()) };
        let visible: RoaringBitmap = known.keys().copied().filter(|s| !hidden.contains(s)).collect();
        for filter in &list {
            let expected: Vec<_> = known.iter().filter(|(_, tags)| holds(filter, tags)).map(|(s, _)| *s).collect();
            prop_assert_eq!(select(&m, filter, None), expected.clone());
            let expected: Vec<_> = expected.into_iter().filter(|s| visible.contains(*s)).collect();
            prop_assert_eq!(select(&m, filter, Some(&visible)), expected);
        }
        let slots: Vec<_> = known.keys().copied().collect();
        for tag in ["a", "b", "c=", "zz"] {
            let column = m.tag_column(tag, &slots);
            for (slot, id) in slots.iter().zip(&column.ids) {
                prop_assert_eq!(&*column.values[*id as usize], known[slot].get(tag).map_or("", |v| v.as_str()));
            }
        }
        let sorted = m.sorted(&m.slots(), &ReadContext::unlimited()).unwrap();
        prop_assert!(sorted.windows(2).all(|w| key(&index, w[0]) < key(&index, w[1])));
    }
}
