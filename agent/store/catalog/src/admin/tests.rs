//! The rules of CREATE, ALTER and DROP. Source: InfluxDB 1.8, services/meta/data.go and client.go.

use super::*;
use weir_fs::{Crash, SimFs};

use crate::catalog::tests::{open, with_database};

fn spec(name: &str, hours: i64) -> PolicySpec {
    PolicySpec {
        name: name.to_owned(),
        duration_ns: hours * HOUR_NS,
        shard_group_duration_ns: None,
        replica_n: 1,
        make_default: false,
    }
}

fn policies(catalog: &Catalog) -> Vec<(String, i64, i64, bool)> {
    let state = catalog.state();
    let infos = state.policy_infos(state.database("db").unwrap());
    infos
        .into_iter()
        .map(|info| {
            (
                info.name.to_string(),
                info.duration_ns / HOUR_NS,
                info.shard_group_duration_ns / HOUR_NS,
                info.is_default,
            )
        })
        .collect()
}

#[test]
fn a_new_database_has_autogen_for_ever_with_groups_of_a_week() {
    let fs = SimFs::new();
    let (catalog, ..) = with_database(&fs);
    catalog.create_database("db", None).unwrap();
    assert_eq!(policies(&catalog), [("autogen".to_owned(), 0, 168, true)]);
    drop(catalog);
    fs.crash(Crash::LoseUnsynced);
    assert_eq!(policies(&open(&fs)), [("autogen".to_owned(), 0, 168, true)]);
}

#[test]
fn a_database_with_a_policy_is_the_same_twice_and_conflicts_otherwise() {
    let catalog = open(&SimFs::new());
    catalog.create_database("db", Some(spec("week", 168))).unwrap();
    assert_eq!(policies(&catalog), [("week".to_owned(), 168, 24, true)]);
    catalog.create_database("db", Some(spec("week", 168))).unwrap();
    catalog.create_database("db", None).unwrap();
    for other in [spec("week", 169), spec("day", 24)] {
        assert_eq!(catalog.create_database("db", Some(other)), Err(AdminError::PolicyConflict));
    }
    // The same policy, but no longer the default one.
    catalog.create_policy("db", PolicySpec { make_default: true, ..spec("day", 24) }).unwrap();
    assert_eq!(catalog.create_database("db", Some(spec("week", 168))), Err(AdminError::PolicyConflict));
}

#[test]
fn an_identical_policy_is_fine_and_another_one_of_its_name_is_not() {
    let (catalog, ..) = with_database(&SimFs::new());
    catalog.create_policy("db", spec("p", 48)).unwrap();
    catalog.create_policy("db", spec("p", 48)).unwrap();
    assert_eq!(catalog.create_policy("db", spec("p", 49)), Err(AdminError::PolicyExists));
    let as_default = PolicySpec { make_default: true, ..spec("p", 48) };
    assert_eq!(catalog.create_policy("db", as_default), Err(AdminError::PolicyConflict));
    assert_eq!(
        catalog.create_policy("nope", spec("p", 48)).unwrap_err().to_string(),
        "database not found: nope"
    );
}

#[test]
fn durations_are_checked() {
    let (catalog, ..) = with_database(&SimFs::new());
    let short = PolicySpec { duration_ns: HOUR_NS - 1, ..spec("p", 0) };
    assert_eq!(
        catalog.create_policy("db", short).unwrap_err().to_string(),
        "retention policy duration must be at least 1h0m0s"
    );
    let long_group = PolicySpec { shard_group_duration_ns: Some(3 * HOUR_NS), ..spec("p", 2) };
    assert_eq!(
        catalog.create_policy("db", long_group).unwrap_err().to_string(),
        "retention policy duration must be greater than the shard duration"
    );
    let tiny_group = PolicySpec { shard_group_duration_ns: Some(1), ..spec("p", 2) };
    catalog.create_policy("db", tiny_group).unwrap();
    assert_eq!(policies(&catalog)[1], ("p".to_owned(), 2, 1, false));
    let change = PolicyChange { duration_ns: Some(1), ..PolicyChange::default() };
    assert_eq!(catalog.alter_policy("db", "p", change), Err(AdminError::DurationTooShort));
    let change = PolicyChange { shard_group_duration_ns: Some(3 * HOUR_NS), ..PolicyChange::default() };
    assert_eq!(catalog.alter_policy("db", "p", change), Err(AdminError::ShardDurationTooLong));
}

#[test]
fn shard_groups_have_the_length_of_the_1x_rule() {
    let hours = |hours: i64| shard_group_duration_for(hours * HOUR_NS) / HOUR_NS;
    assert_eq!([0, 1, 47, 48, 24 * 180 - 1, 24 * 180].map(hours), [168, 1, 1, 24, 24, 168]);
}

#[test]
fn altering_changes_what_is_named() {
    let (catalog, ..) = with_database(&SimFs::new());
    catalog.create_policy("db", spec("p", 48)).unwrap();
    let change = PolicyChange { duration_ns: Some(0), make_default: true, ..PolicyChange::default() };
    catalog.alter_policy("db", "p", change).unwrap();
    assert_eq!(policies(&catalog), [("autogen".to_owned(), 0, 168, false), ("p".to_owned(), 0, 24, true)]);
    let missing = catalog.alter_policy("db", "q", PolicyChange::default());
    assert_eq!(missing.unwrap_err().to_string(), "retention policy not found: q");
}

#[test]
fn dropping_is_final_and_dropping_nothing_is_fine() {
    let (catalog, database, policy) = with_database(&SimFs::new());
    let group = catalog.claim_group(policy, 0, &mut catalog.group_budget()).unwrap();
    catalog.wait_durable(group.ticket).unwrap();
    catalog.drop_policy("db", "nope").unwrap();
    catalog.drop_policy("db", "autogen").unwrap();
    assert_eq!(catalog.drop_policy("nope", "autogen"), Err(AdminError::DatabaseNotFound("nope".to_owned())));
    assert!(catalog.state().group(group.value.0).is_none());
    // Its name stays the default one, so a policy of this name becomes it again.
    let state = catalog.state();
    assert!(state.policy_by_name(state.database("db").unwrap(), None).is_none());
    catalog.create_policy("db", spec("autogen", 0)).unwrap();
    assert!(policies(&catalog)[0].3);
    catalog.drop_database("db").unwrap();
    catalog.drop_database("db").unwrap();
    assert_eq!(catalog.state().databases().count(), 0);
    catalog.create_database("db", None).unwrap();
    assert_ne!(catalog.state().database("db").unwrap().id, database, "a new instance");
}

#[test]
fn names_are_checked() {
    let catalog = open(&SimFs::new());
    for name in ["", "a\nb"] {
        assert_eq!(catalog.create_database(name, None), Err(AdminError::InvalidName));
    }
    catalog.create_database("db/rp", None).unwrap();
}

#[test]
fn groups_expire_when_their_last_time_is_too_old() {
    let catalog = open(&SimFs::new());
    catalog.create_database("db", Some(spec("day", 24))).unwrap();
    let policy = catalog.state().database("db").unwrap().policies[0];
    let claimed = catalog.claim_group(policy, 0, &mut catalog.group_budget()).unwrap();
    catalog.wait_durable(claimed.ticket).unwrap();
    let (group, window) = claimed.value;
    let state = catalog.state();
    assert!(state.expired_groups(window.max + 24 * HOUR_NS).is_empty());
    assert_eq!(state.expired_groups(window.max + 24 * HOUR_NS + 1), [group]);
}
