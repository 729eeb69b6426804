//! The log on a simulated disk.

mod crash;
mod damage;
mod faults;
mod lanes;
mod roundtrip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_fs::{Fs, SimFs};
use weir_model::SystemClock;
use weir_model::read::{Validity, Values};

use crate::*;

const STORE: [u8; 16] = *b"a store for test";

fn wal() -> &'static Path {
    Path::new("/wal")
}

fn shared(fs: &SimFs) -> Arc<dyn Fs> {
    Arc::new(fs.clone())
}

fn scan(fs: &SimFs, floors: &[Floor]) -> Log {
    Log::scan(shared(fs), wal(), STORE, floors).unwrap()
}

/// Opens lane `floor.lane` as the store would; fails as the disk does.
fn try_open(fs: &SimFs, floor: Floor, sync: SyncMode, salt_seed: u64) -> Result<LaneLog, WalError> {
    let log = Log::scan(shared(fs), wal(), STORE, &[floor])?;
    let start = log.start(floor);
    let slots = LaneSlots::open(shared(fs), wal(), &start)?;
    let options = WalOptions { store_id: STORE, sync, salt_seed };
    Ok(LaneLog::open(slots, &start, Arc::new(SystemClock::new()), options))
}

fn open(fs: &SimFs, floor: Floor, sync: SyncMode) -> LaneLog {
    try_open(fs, floor, sync, fs.changes()).unwrap()
}

fn fresh() -> (SimFs, LaneLog) {
    let fs = SimFs::new();
    let log = open(&fs, Floor::default(), SyncMode::Commit);
    (fs, log)
}

/// A group of `rows` points that can be told from every other by `seq`.
fn fill(group: &mut Group, seq: u64, rows: usize) {
    group.clear();
    let key = format!("m,host={seq}");
    group.push_definitions(1, [Definition { series: seq, measurement: 2, key: &key }]);
    let series = vec![seq; rows];
    let times: Vec<i64> = (0..rows as i64).map(|i| i * 1_000_000_000).collect();
    // Mixed bits, so that rows take their space.
    let mix = |n: u64| {
        let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 1).cast_signed()
    };
    let values = (0..rows as u64).map(|i| mix(seq << 32 | i));
    let values = Values::Integer(values.collect());
    let columns = [ColumnView { field: 7, values: &values, valid: &Validity::All, scale: None }];
    let view = PointsView { group: 3, measurement: 2, series: &series, times: &times, columns: &columns };
    group.push_points(1, 0, &[view]);
}

fn append(log: &mut LaneLog, seq: u64, rows: usize) -> Result<Appended, WalError> {
    let mut group = Group::new();
    fill(&mut group, seq, rows);
    let appended = log.append(seq, &mut group);
    if let Ok(appended) = &appended {
        assert_eq!(appended.bytes as usize, group.len().next_multiple_of(PAGE));
    }
    appended
}

/// The seqs in the log, each group checked to be exactly what `fill` made of it.
fn survivors(log: &Log) -> Vec<u64> {
    log.groups().map(|group| check(&group.unwrap())).collect()
}

fn check(group: &LoggedGroup) -> u64 {
    let records: Vec<Record> = group.records().map(Result::unwrap).collect();
    let seq = group.seq;
    let [Record::Definitions { policy: 1, list }, Record::Points { policy: 1, source: 0, points }] =
        &records[..]
    else {
        panic!("group {seq} has other records: {records:?}");
    };
    let key = format!("m,host={seq}");
    let want = Definition { series: seq, measurement: 2, key: &key };
    assert_eq!(list.iter().collect::<Vec<_>>(), [want]);
    let [points] = &points[..] else { panic!("one measurement") };
    let mut expected = Group::new();
    fill(&mut expected, seq, points.times.len());
    let mut found = Group::new();
    found.push_definitions(1, list.iter());
    let column = &points.columns[0];
    let columns = [ColumnView {
        field: column.field,
        values: &column.column.values,
        valid: &column.column.valid,
        scale: None,
    }];
    let view = PointsView {
        group: points.group,
        measurement: points.measurement,
        series: &points.series,
        times: &points.times,
        columns: &columns,
    };
    found.push_points(1, 0, &[view]);
    assert!(expected.same_records(&found), "group {seq} differs");
    seq
}

/// Path of the file that holds the most recent group.
fn newest(fs: &SimFs) -> PathBuf {
    let files = fs.files();
    let number =
        |path: &PathBuf| format::FileHeader::from_page(&fs.peek(path).unwrap()).map(|header| header.file_no);
    files.into_iter().max_by_key(number).unwrap()
}
