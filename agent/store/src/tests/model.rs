//! Random actions against a plain map. A failure prints its seed.

use super::*;
use weir_fs::Crash;
use weir_model::admin::Admin;

fn random_points(random: &mut Random) -> Vec<Point> {
    let n = 1 + random.below(120);
    (0..n)
        .map(|_| {
            let key = format!("m{},a={},b={}", random.below(3), random.below(4), random.below(5));
            let day = i64::try_from(random.below(3)).unwrap() * 10 * 24 * HOUR;
            let time = NOW - day + i64::try_from(random.below(40)).unwrap();
            let mut fields = Vec::new();
            for f in 0..5 {
                if random.below(3) > 0 {
                    let x = random.next();
                    let value = match f {
                        0 => Value::F((x % 1_000) as f64 / 8.0),
                        1 => Value::I(x.cast_signed()),
                        2 => Value::U(x),
                        3 => Value::B(x.is_multiple_of(2)),
                        _ => Value::S(format!("s{}", x % 10)),
                    };
                    fields.push((format!("f{f}"), value));
                }
            }
            if fields.is_empty() {
                fields.push(("f1".to_owned(), Value::I(0)));
            }
            Point { key, time, fields }
        })
        .collect()
}

fn run(seed: u64, actions: usize) {
    let mut random = Random::new(seed);
    let mut fs = SimFs::new();
    let mut model = Contents::new();
    let mut options = options();
    options.seal_bytes = 64 << 10;
    options.flush_wal_bytes = 1 << 20;
    let mut store = try_open(&fs, options.clone()).unwrap();
    let mut writers = [store.writer(), store.writer(), store.writer()];
    for action in 0..actions {
        let what = format!("seed {seed}, action {action}");
        match random.below(20) {
            0 | 1 => store.flush().unwrap_or_else(|e| panic!("{what}: {e}")),
            2 => {
                drop(writers);
                drop(store);
                let crash = match random.below(3) {
                    0 => Crash::KeepAll,
                    1 => Crash::LoseUnsynced,
                    _ => Crash::Tear { seed: random.next() },
                };
                fs = fs.after_crash(crash);
                options.lanes = 1 + usize::try_from(random.below(3)).unwrap();
                store = try_open(&fs, options.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
                writers = [store.writer(), store.writer(), store.writer()];
            }
            3 if random.below(3) == 0 => {
                store.drop_database("db").unwrap();
                model.clear();
            }
            5 => store.compact(std::time::Duration::from_secs(60)).unwrap_or_else(|e| panic!("{what}: {e}")),
            4 => assert_eq!(contents(&store, "db"), model, "{what}"),
            _ => {
                let points = random_points(&mut random);
                let writer = &mut writers[usize::try_from(random.below(3)).unwrap()];
                let outcomes =
                    write(writer, &target("db"), &points).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert!(outcomes.iter().all(Result::is_ok), "{what}: {outcomes:?}");
                apply(&mut model, &points);
            }
        }
    }
    assert_eq!(contents(&store, "db"), model, "seed {seed}, at the end");
}

#[test]
fn random_actions_leave_what_a_map_would_hold() {
    // More with WEIR_MODEL_SEEDS=<number>.
    let seeds = std::env::var("WEIR_MODEL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        run(seed, 60);
    }
}
