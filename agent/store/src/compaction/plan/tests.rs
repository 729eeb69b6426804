//! What is planned for which files, and what that costs in the long run.

use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR as i64;

fn file(n: u64, level: u8, bytes: u64, span: (i64, i64)) -> FileMeta {
    FileMeta {
        file: FileId(n),
        gen_lo: n,
        gen_hi: n,
        level,
        bytes,
        span: TimeRange::new(span.0, span.1),
        set_aside: false,
        deleted: false,
    }
}

/// Files one behind the other in time.
fn row(sizes: &[(u8, u64)]) -> GroupMeta {
    let files = sizes
        .iter()
        .enumerate()
        .map(|(i, &(level, bytes))| file(i as u64 + 1, level, bytes, (i as i64 * 100, i as i64 * 100 + 99)))
        .collect();
    GroupMeta { group: GroupId(1), window: TimeRange::new(0, DAY - 1), files, quiet_ns: 0, waiting_ns: 0 }
}

fn overlapping(sizes: &[(u8, u64)]) -> GroupMeta {
    let mut group = row(sizes);
    group.files.iter_mut().for_each(|f| f.span = TimeRange::new(0, 1_000));
    group
}

fn due(group: &GroupMeta, now: i64) -> Option<(Why, Vec<u64>)> {
    let plan = next(std::slice::from_ref(group), &Rules::default(), now)?;
    Some((plan.why, plan.inputs.iter().map(|f| f.0).collect()))
}

#[test]
fn fresh_files_settle_after_a_moment_of_silence_and_not_before() {
    let mut group = row(&[(0, MIB), (0, MIB)]);
    assert_eq!(due(&group, 0), None);
    group.quiet_ns = 5 * SECOND;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![1, 2])));
    // A single file too, unless it is tiny; one that is dense already stays.
    group = row(&[(0, MIB)]);
    group.quiet_ns = 5 * SECOND;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![1])));
    group.files[0].bytes = 100;
    assert_eq!(due(&group, 0), None);
    group = row(&[(1, MIB)]);
    group.quiet_ns = 5 * SECOND;
    assert_eq!(due(&group, 0), None);
}

#[test]
fn settling_takes_the_rest_along_only_when_that_is_not_much_more() {
    let mut group = row(&[(2, 2 * MIB), (0, MIB)]);
    group.quiet_ns = 5 * SECOND;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![1, 2])));
    group.files[0].bytes = 3 * MIB;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![2])));
    group.files[1].bytes = 65 * MIB;
    assert_eq!(due(&group, 0), None);
}

#[test]
fn eight_files_of_like_size_are_joined_and_a_large_one_is_left_alone() {
    let group = row(&[(0, MIB); 7]);
    assert_eq!(due(&group, 0), None);
    let group = row(&[(0, MIB); 8]);
    assert_eq!(due(&group, 0), Some((Why::FanIn, (1..=8).collect())));
    let mut sizes = vec![(1, 100 * MIB)];
    sizes.extend([(0, MIB); 8]);
    assert_eq!(due(&row(&sizes), 0), Some((Why::FanIn, (2..=9).collect())));
    assert_eq!(due(&row(&[(1, 500 * MIB); 8]), 0), None);
}

#[test]
fn more_than_four_files_of_one_moment_are_joined() {
    assert_eq!(due(&overlapping(&[(1, MIB); 4]), 0), None);
    assert_eq!(due(&overlapping(&[(1, MIB); 5]), 0), Some((Why::Overlap, (1..=5).collect())));
    let sizes = [(3, 800 * MIB), (0, MIB), (0, MIB), (0, MIB), (0, MIB)];
    assert_eq!(due(&overlapping(&sizes), 0), Some((Why::Overlap, (2..=5).collect())));
}

#[test]
fn a_trickle_of_late_points_does_not_rewrite_what_is_large() {
    let mut group = overlapping(&[(3, 800 * MIB), (1, MIB), (1, MIB)]);
    assert_eq!(due(&group, 0), None);
    group.waiting_ns = HOUR;
    assert_eq!(due(&group, 0), Some((Why::Late, vec![2, 3])));
    group = overlapping(&[(3, 800 * MIB), (1, 2 * MIB)]);
    group.waiting_ns = HOUR;
    group.quiet_ns = HOUR;
    assert_eq!(due(&group, 0), None);
    group.files[1].bytes = 80 * MIB;
    assert_eq!(due(&group, 0), Some((Why::Late, vec![1, 2])));
}

#[test]
fn a_group_that_is_over_and_quiet_becomes_one_run() {
    let mut group = row(&[(1, MIB), (0, MIB), (2, MIB)]);
    let end = DAY;
    group.quiet_ns = 72 * 60 * SECOND;
    // A twentieth of a day is 72 minutes.
    assert_eq!(due(&group, end + 71 * 60 * SECOND as i64).map(|d| d.0), None);
    assert_eq!(due(&group, end + 72 * 60 * SECOND as i64), Some((Why::Close, vec![1, 2, 3])));
    group.quiet_ns -= SECOND;
    assert_eq!(due(&group, end + 90 * 60 * SECOND as i64).map(|d| d.0), None);
    group.quiet_ns = 10 * HOUR;
    group.files.truncate(1);
    assert_eq!(due(&group, end + DAY), None);
    group.files[0].deleted = true;
    assert_eq!(due(&group, end + DAY), Some((Why::Deletes, vec![1])));
    // Several files of one compaction are final.
    group = row(&[(2, MIB), (2, MIB)]);
    group.files[1].gen_lo = 1;
    group.files[0].gen_hi = 2;
    group.quiet_ns = 10 * HOUR;
    assert_eq!(due(&group, end + DAY), None);
}

#[test]
fn what_comes_after_the_end_waits_the_longer_the_smaller_it_is() {
    let mut group = overlapping(&[(3, 1_000 * MIB), (0, MIB)]);
    group.quiet_ns = 72 * 60 * SECOND;
    assert_eq!(due(&group, 3 * DAY), None);
    group.quiet_ns *= 100;
    assert_eq!(due(&group, 30 * DAY), Some((Why::Close, vec![1, 2])));
}

#[test]
fn pieces_of_one_generation_stay_together() {
    let mut group = row(&[(0, 70 * MIB), (0, 70 * MIB), (0, MIB)]);
    group.quiet_ns = 5 * SECOND;
    assert_eq!(due(&group, 0), None);
    group.files[1].level = 1;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![3])));
    group.files[1].gen_hi = 3;
    assert_eq!(due(&group, 0), Some((Why::Settle, vec![2, 3])));
    group.files[1].set_aside = true;
    assert_eq!(due(&group, 0), None);
}

#[test]
fn nothing_is_joined_across_a_file_that_is_set_aside() {
    let mut group = row(&[(0, MIB); 9]);
    group.files[4].set_aside = true;
    assert_eq!(due(&group, 0), None);
    group.quiet_ns = 10 * HOUR;
    assert_eq!(due(&group, 2 * DAY), Some((Why::Close, vec![1, 2, 3, 4])));
    assert_eq!(finish(&group).map(|p| p.inputs.len()), Some(4));
}

/// Does what plans say until nothing is due; gives the bytes written.
fn run(group: &mut GroupMeta, now: i64, written: &mut u64) {
    let mut rounds = 0;
    while let Some(plan) = next(std::slice::from_ref(group), &Rules::default(), now) {
        let first = group.files.iter().position(|f| f.file == plan.inputs[0]).expect("planned");
        let range = first..first + plan.inputs.len();
        let inputs: Vec<FileMeta> = group.files[range.clone()].to_vec();
        assert!(inputs.iter().map(|f| f.file).eq(plan.inputs.iter().copied()), "neighbours");
        assert!(inputs.iter().all(|f| !f.set_aside));
        let span =
            inputs.iter().map(|f| f.span).reduce(|a, b| TimeRange::new(a.min.min(b.min), a.max.max(b.max)));
        let output = FileMeta {
            file: FileId(1_000_000 + *written + inputs[0].file.0),
            gen_lo: inputs[0].gen_lo,
            gen_hi: inputs.iter().map(|f| f.gen_hi).max().unwrap_or(0),
            level: inputs.iter().map(|f| f.level).max().unwrap_or(0) + 1,
            bytes: sum(&inputs),
            span: span.unwrap_or(inputs[0].span),
            set_aside: false,
            deleted: false,
        };
        *written += output.bytes;
        group.files.splice(range, [output]);
        rounds += 1;
        assert!(rounds < 1_000, "no end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn plans_come_to_an_end_and_a_value_is_written_few_times(
        steps in proptest::collection::vec((1u64..64, 0u64..4, 0i64..50), 1..400),
    ) {
        let mut group = row(&[]);
        let (mut brought, mut written) = (0, 0);
        for (i, (size, pause, late)) in steps.iter().enumerate() {
            let time = (i as i64 * 100 - late * 40).max(0);
            let bytes = size * 100_000;
            let n = 10_000 + i as u64;
            group.files.push(file(n, 0, bytes, (time, i as i64 * 100 + 99)));
            brought += bytes;
            group.quiet_ns = pause * 3 * SECOND;
            group.waiting_ns = pause * HOUR / 3;
            run(&mut group, 0, &mut written);
            prop_assert!(group.files.windows(2).all(|w| w[0].gen_hi < w[1].gen_lo));
        }
        prop_assert!(written <= 9 * brought, "{written} of {brought}");
        group.quiet_ns = 2_000 * HOUR;
        run(&mut group, 400 * DAY, &mut written);
        prop_assert!(group.files.len() == 1 && group.files[0].level > 0);
    }
}
