//! Claims behave as types of fields and windows of shard groups do in InfluxDB 1.x.

use super::*;
use proptest::prelude::*;
use weir_fs::SimFs;
use weir_model::admin::{Admin, PolicyChange};

use crate::catalog::CatalogOptions;
use crate::catalog::tests::with_database;

const DAY: i64 = 86_400_000_000_000;

#[test]
fn the_first_type_wins_within_a_group_and_only_there() {
    let (catalog, database, policy) = with_database(&SimFs::new());
    let mut budget = catalog.group_budget();
    let first = catalog.claim_group(policy, 0, &mut budget).unwrap().value.0;
    let second = catalog.claim_group(policy, 30 * DAY, &mut budget).unwrap().value.0;
    let m = catalog.claim_measurement(database, "m").unwrap().value;
    let float = catalog.claim_field(first, m, "v", FieldType::Float).unwrap();
    let error = catalog.claim_field(first, m, "v", FieldType::String).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field type conflict: input field \"v\" on measurement \"m\" is type string, already exists as type float"
    );
    let string = catalog.claim_field(second, m, "v", FieldType::String).unwrap();
    assert_ne!(float.value, string.value);
    // Also once durable; and the same type in another group is the same field.
    catalog.wait_durable(string.ticket).unwrap();
    assert!(catalog.claim_field(first, m, "v", FieldType::String).is_err());
    let third = catalog.claim_group(policy, 60 * DAY, &mut budget).unwrap().value.0;
    assert_eq!(catalog.claim_field(third, m, "v", FieldType::Float).unwrap().value, float.value);
}

#[test]
fn windows_of_a_week_start_on_monday() {
    let (catalog, _, policy) = with_database(&SimFs::new());
    // 2024-01-10 was a Wednesday.
    let wednesday = 1_704_844_800_000_000_000;
    let (_, window) = catalog.claim_group(policy, wednesday, &mut catalog.group_budget()).unwrap().value;
    assert_eq!(window, TimeRange::new(wednesday - 2 * DAY, wednesday + 5 * DAY - 1));
}

#[test]
fn new_lengths_apply_to_new_windows_which_are_cut_at_their_neighbours() {
    let (catalog, _, policy) = with_database(&SimFs::new());
    let mut budget = catalog.group_budget();
    let week = catalog.claim_group(policy, 0, &mut budget).unwrap().value;
    let change = PolicyChange { shard_group_duration_ns: Some(30 * DAY), ..PolicyChange::default() };
    catalog.alter_policy("db", "autogen", change).unwrap();
    assert_eq!(catalog.claim_group(policy, week.1.max, &mut budget).unwrap().value, week);
    let after = catalog.claim_group(policy, week.1.max + 1, &mut budget).unwrap().value.1;
    assert_eq!(after.min, week.1.max + 1);
    let before = catalog.claim_group(policy, week.1.min - 1, &mut budget).unwrap().value.1;
    assert_eq!(before.max, week.1.min - 1);
}

#[test]
fn limits_name_their_scope() {
    let fs = SimFs::new();
    drop(with_database(&fs));
    let options = CatalogOptions {
        shard_groups_max: 5,
        new_shard_groups_per_request_max: 3,
        fields_per_measurement_max: 2,
    };
    let catalog = Catalog::open(std::sync::Arc::new(fs), std::path::Path::new("/d"), options).unwrap();
    let state = catalog.state();
    let database = state.database("db").unwrap();
    let policy = database.policies[0];
    let mut budget = catalog.group_budget();
    for i in 0..3 {
        catalog.claim_group(policy, i * 7 * DAY, &mut budget).unwrap();
    }
    let error = catalog.claim_group(policy, 21 * DAY, &mut budget).unwrap_err();
    assert!(error.to_string().contains("3 allowed per request"), "{error}");
    let mut budget = catalog.group_budget();
    catalog.claim_group(policy, 21 * DAY, &mut budget).unwrap();
    let group = catalog.claim_group(policy, 28 * DAY, &mut budget).unwrap().value.0;
    let error = catalog.claim_group(policy, 35 * DAY, &mut budget).unwrap_err();
    assert!(error.to_string().contains("5 allowed per policy"), "{error}");

    let m = catalog.claim_measurement(database.id, "m").unwrap().value;
    for name in ["a", "b", "a"] {
        catalog.claim_field(group, m, name, FieldType::Float).unwrap();
    }
    let error = catalog.claim_field(group, m, "c", FieldType::Float).unwrap_err();
    assert!(error.to_string().contains("has 2 fields already"), "{error}");
}

#[test]
fn a_dropped_target_is_said_to_be_gone() {
    let (catalog, database, policy) = with_database(&SimFs::new());
    let group = catalog.claim_group(policy, 0, &mut catalog.group_budget()).unwrap().value.0;
    let m = catalog.claim_measurement(database, "m").unwrap();
    let field = catalog.claim_field(group, m.value, "v", FieldType::Float).unwrap();
    catalog.wait_durable(field.ticket).unwrap();
    assert!(catalog.drop_measurement(database, "m").unwrap());
    assert!(!catalog.drop_measurement(database, "m").unwrap());
    assert!(catalog.claim_field(group, m.value, "v", FieldType::Float).is_err());
    // Its types are forgotten.
    let again = catalog.claim_measurement(database, "m").unwrap();
    assert_ne!(again.value, m.value);
    let other = catalog.claim_field(group, again.value, "v", FieldType::String).unwrap();
    assert_ne!(other.value, field.value);
    catalog.drop_database("db").unwrap();
    for error in [
        catalog.claim_measurement(database, "m").unwrap_err(),
        catalog.claim_group(policy, 0, &mut catalog.group_budget()).unwrap_err(),
        catalog.claim_field(group, m.value, "v", FieldType::Float).unwrap_err(),
    ] {
        assert!(matches!(error, ClaimError::Refused(Refusal::TargetDropped)), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_hold_their_time_and_never_overlap(
        actions in proptest::collection::vec((any::<i64>(), 1i64..100, any::<bool>()), 1..40)
    ) {
        let (catalog, _, policy) = with_database(&SimFs::new());
        for (time, hours, near) in actions {
            let change = PolicyChange {
                shard_group_duration_ns: Some(hours * DAY / 24),
                ..PolicyChange::default()
            };
            catalog.alter_policy("db", "autogen", change).unwrap();
            let time = if near { time % (10 * DAY) } else { time.clamp(TIME_MIN, TIME_MAX) };
            let (_, window) = catalog.claim_group(policy, time, &mut catalog.group_budget()).unwrap().value;
            prop_assert!(window.contains(time));
        }
        let state = catalog.visible();
        let groups = &state.policy(policy).unwrap().groups;
        prop_assert!(groups.windows(2).all(|pair| pair[0].0.max < pair[1].0.min));
    }
}
