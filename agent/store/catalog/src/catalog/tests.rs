//! Tickets, group commit, and what happens when a change cannot be made durable.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use weir_fs::{Crash, Fault, FaultError, FaultPlan, Op, SimFs};
use weir_model::FieldType;
use weir_model::admin::Admin;

use crate::ids::{DatabaseId, GroupId, PolicyId};

pub(crate) fn open(fs: &SimFs) -> Arc<Catalog> {
    Catalog::open(Arc::new(fs.clone()), Path::new("/d"), CatalogOptions::default()).unwrap()
}

/// A catalog with database `db`, and its ids.
pub(crate) fn with_database(fs: &SimFs) -> (Arc<Catalog>, DatabaseId, PolicyId) {
    let catalog = open(fs);
    catalog.create_database("db", None).unwrap();
    let state = catalog.state();
    let database = state.database("db").unwrap();
    (catalog.clone(), database.id, database.policies[0])
}

fn group(catalog: &Catalog, policy: PolicyId) -> (GroupId, Ticket) {
    let claimed = catalog.claim_group(policy, 0, &mut catalog.group_budget()).unwrap();
    (claimed.value.0, claimed.ticket)
}

struct CountWakes(AtomicUsize, std::thread::Thread);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.unpark();
    }
}

fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let wakes = Arc::new(CountWakes(AtomicUsize::new(0), std::thread::current()));
    let waker = Waker::from(Arc::clone(&wakes));
    loop {
        if let Poll::Ready(out) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return out;
        }
        std::thread::park();
    }
}

#[test]
fn everything_comes_back_after_a_restart() {
    let fs = SimFs::new();
    let (catalog, database, policy) = with_database(&fs);
    let (group, ticket) = group(&catalog, policy);
    let measurement = catalog.claim_measurement(database, "cpu").unwrap().value;
    let field = catalog.claim_field(group, measurement, "idle", FieldType::Float).unwrap();
    let mut all = field.ticket;
    all.join(ticket);
    catalog.wait_durable(all).unwrap();
    catalog.put_record("auth/token/1", b"secret").unwrap();
    let source = catalog.source("cpu").unwrap();
    let files = [catalog.new_file_id().unwrap(), catalog.new_file_id().unwrap()];
    let series = catalog.reserve_series_ids().unwrap();
    catalog.wait_durable(series.ticket).unwrap();
    let store_id = catalog.store_id();
    drop(catalog);
    fs.crash(Crash::LoseUnsynced);

    let catalog = open(&fs);
    let state = catalog.state();
    assert_eq!(catalog.store_id(), store_id);
    assert_eq!(state.claimed_field(group, measurement, "idle").unwrap().id, field.value);
    assert_eq!(state.measurement(database, "cpu").unwrap().id, measurement);
    assert_eq!(&*state.records()["auth/token/1"], b"secret");
    assert_eq!(catalog.source("cpu").unwrap(), source);
    assert!(!files.contains(&catalog.new_file_id().unwrap()), "file numbers are never reused");
    assert!(catalog.reserve_series_ids().unwrap().value.start >= series.value.end);
}

#[test]
fn new_things_are_visible_at_once_and_durable_after_one_sync_for_all() {
    let fs = SimFs::new();
    let (catalog, database, policy) = with_database(&fs);
    let (group, mut tickets) = group(&catalog, policy);
    let before = fs.count(Op::SyncData);
    for i in 0..10 {
        let measurement = catalog.claim_measurement(database, &format!("m{i}")).unwrap();
        let field = catalog.claim_field(group, measurement.value, "v", FieldType::Integer).unwrap();
        assert!(!field.ticket.is_none());
        tickets.join(measurement.ticket);
        tickets.join(field.ticket);
    }
    assert_eq!(catalog.state().measurements(database).count(), 0);
    assert_eq!(catalog.visible().measurements(database).count(), 10);
    catalog.wait_durable(tickets).unwrap();
    assert_eq!(catalog.state().measurements(database).count(), 10);
    assert_eq!(fs.count(Op::SyncData), before + 1);
    // Now there is nothing to wait for.
    assert!(catalog.claim_measurement(database, "m3").unwrap().ticket.is_none());
}

#[test]
fn a_second_claimant_waits_for_the_first_ones_change() {
    let fs = SimFs::new();
    let (catalog, database, _) = with_database(&fs);
    let first = catalog.claim_measurement(database, "m").unwrap();
    let second = catalog.claim_measurement(database, "m").unwrap();
    assert_eq!(first.value, second.value);
    assert!(!second.ticket.is_none());
    catalog.wait_durable(second.ticket).unwrap();
    catalog.wait_durable(first.ticket).unwrap();
}

#[test]
fn a_failed_sync_takes_everything_pending_back_and_tells_all() {
    let fs = SimFs::new();
    let (catalog, database, policy) = with_database(&fs);
    let invalidations = catalog.state().invalidations();
    let (_, group_ticket) = group(&catalog, policy);
    let measurement = catalog.claim_measurement(database, "m").unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::FailButDone(FaultError::Io)).on("MANIFEST"));
    let error = catalog.wait_durable(measurement.ticket).unwrap_err();
    assert!(matches!(error, CatalogError::NotDurable(_)), "{error}");
    assert!(catalog.wait_durable(group_ticket).is_err());
    assert!(catalog.state().invalidations() > invalidations);
    assert!(catalog.visible().measurement(database, "m").is_none());

    // The same claims work again, under other numbers, and a batch that mixes both fails.
    let again = catalog.claim_measurement(database, "m").unwrap();
    assert_ne!(again.value, measurement.value);
    let mut mixed = again.ticket;
    mixed.join(measurement.ticket);
    catalog.wait_durable(again.ticket).unwrap();
    assert!(catalog.wait_durable(mixed).is_err());
    drop(catalog);
    fs.crash(Crash::KeepAll);
    assert_eq!(open(&fs).state().measurement(database, "m").unwrap().id, again.value);
}

#[test]
fn a_second_failure_makes_it_read_only() {
    let fs = SimFs::new();
    let (catalog, database, _) = with_database(&fs);
    let claimed = catalog.claim_measurement(database, "m").unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)).on("MANIFEST").times(2));
    assert!(matches!(catalog.wait_durable(claimed.ticket), Err(CatalogError::ReadOnly(_))));
    assert!(catalog.read_only().is_some());
    assert!(catalog.put_record("k", b"v").is_err());
    assert!(catalog.claim_measurement(database, "n").is_err());
    assert_eq!(catalog.state().databases().count(), 1, "reading goes on");
    drop(catalog);
    fs.clear_faults();
    fs.crash(Crash::LoseUnsynced);
    open(&fs).put_record("k", b"v").unwrap();
}

#[test]
fn a_full_disk_fails_the_change_and_nothing_else() {
    let fs = SimFs::new();
    let (catalog, ..) = with_database(&fs);
    let used = fs.files().iter().filter_map(|path| fs.peek(path)).map(|bytes| bytes.len() as u64).sum();
    fs.set_capacity(Some(used));
    assert!(matches!(catalog.put_record("k", &vec![0; 1 << 20]), Err(CatalogError::NotDurable(_))));
    assert!(catalog.read_only().is_none());
    catalog.put_record("k", b"small").unwrap();
}

#[test]
fn tasks_wait_without_blocking_and_are_woken() {
    let fs = SimFs::new();
    let (catalog, database, _) = with_database(&fs);
    for i in 0..20 {
        let claimed = catalog.claim_measurement(database, &format!("m{i}")).unwrap();
        block_on(catalog.durable(claimed.ticket)).unwrap();
    }
    block_on(catalog.durable(Ticket::NONE)).unwrap();
    fs.inject(FaultPlan::once(Op::SyncData, Fault::Fail(FaultError::Io)).on("MANIFEST"));
    let claimed = catalog.claim_measurement(database, "x").unwrap();
    assert!(block_on(catalog.durable(claimed.ticket)).is_err());
}

#[test]
fn many_threads_share_syncs_and_none_is_forgotten() {
    let fs = SimFs::new();
    let (catalog, database, _) = with_database(&fs);
    std::thread::scope(|scope| {
        for t in 0..8 {
            let catalog = &catalog;
            scope.spawn(move || {
                for i in 0..25 {
                    let claimed = catalog.claim_measurement(database, &format!("m{}", (i + t) % 60)).unwrap();
                    if t % 2 == 0 {
                        catalog.wait_durable(claimed.ticket).unwrap();
                    } else {
                        block_on(catalog.durable(claimed.ticket)).unwrap();
                    }
                    assert!(catalog.state().measurement_by_id(claimed.value).is_some());
                }
            });
        }
    });
    drop(catalog);
    fs.crash(Crash::LoseUnsynced);
    assert_eq!(open(&fs).state().measurements(database).count(), 32);
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let fs = SimFs::new();
    let (catalog, ..) = with_database(&fs);
    let edits = vec![
        Edit::PutRecord { key: "k".into(), value: b"v".as_slice().into() },
        Edit::DropGroup { id: GroupId(77) },
    ];
    assert!(matches!(catalog.apply(edits), Err(CatalogError::Invalid(_))));
    assert!(catalog.visible().records().is_empty());
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_gone() {
    let fs = SimFs::new();
    let first = open(&fs);
    let second = Catalog::open(Arc::new(fs.clone()), Path::new("/d"), CatalogOptions::default());
    assert!(matches!(second, Err(CatalogError::Locked { .. })));
    drop(first);
    open(&fs);
}

#[test]
fn the_manifest_is_rewritten_when_it_has_grown() {
    let fs = SimFs::new();
    let (catalog, ..) = with_database(&fs);
    for i in 0..400u32 {
        catalog.put_record("k", &vec![i as u8; 5_000]).unwrap();
    }
    let bytes: u64 = fs.files().iter().filter_map(|path| fs.peek(path)).map(|bytes| bytes.len() as u64).sum();
    assert!(bytes < 2_000_000, "{bytes}");
    drop(catalog);
    assert_eq!(open(&fs).state().records()["k"][0], 143);
}
