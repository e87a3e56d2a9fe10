//! Acknowledged is stored, not acknowledged is not, whatever fails and whenever the object dies.

use proptest::prelude::*;

use crate::bench::Bench;

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, note text)";

fn ids(bench: &mut Bench) -> String {
    bench.rows("SELECT id FROM t ORDER BY id")
}

#[test]
fn a_refused_write_leaves_nothing_and_the_shard_goes_on() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    bench.storage.fail_next_apply();
    assert_eq!(bench.code("INSERT INTO t VALUES (1, 'a')"), "unavailable");
    assert_eq!(ids(&mut bench), "[]");
    assert_eq!(bench.run("INSERT INTO t VALUES (2, 'b')")["lsn"], "2");
    assert_eq!(ids(&mut bench), r#"[["2"]]"#);
    assert_eq!(bench.log().len(), 2);
}

#[test]
fn a_write_whose_answer_was_lost_is_found_by_reading_again() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    bench.storage.lose_next_apply_answer();
    assert_eq!(bench.run("INSERT INTO t VALUES (1, 'a')")["lsn"], "2");
    assert_eq!(ids(&mut bench), r#"[["1"]]"#);
}

#[test]
fn an_unknown_outcome_is_said_to_be_unknown() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    bench.storage.die_after_applies(0);
    assert_eq!(bench.code("INSERT INTO t VALUES (1, 'a')"), "58030");
    assert_eq!(bench.code("SELECT 1"), "unavailable");
    bench.storage.revive();
    assert_eq!(ids(&mut bench), "[]");
}

#[test]
fn a_full_storage_refuses_writes_and_goes_on_reading() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    bench.run("INSERT INTO t VALUES (1, 'a')");
    bench.storage.fill_up();
    assert_eq!(bench.code("INSERT INTO t VALUES (2, 'b')"), "53100");
    assert_eq!(ids(&mut bench), r#"[["1"]]"#);
    bench.storage.revive();
    bench.run("INSERT INTO t VALUES (3, 'c')");
    assert_eq!(ids(&mut bench), r#"[["1"],["3"]]"#);
}

#[test]
fn a_failed_creation_creates_nothing() {
    let mut bench = Bench::new();
    bench.storage.fail_next_apply();
    assert_eq!(bench.code(TABLE), "unavailable");
    assert_eq!(bench.shard.status(), None);
    bench.run(TABLE);
    assert_eq!(bench.position("committed"), Some(1));
}

#[test]
fn damage_is_noticed_when_the_shard_is_opened() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    for key in bench.storage.keys(b"") {
        let storage = bench.storage.fork();
        storage.damage(&key, 3);
        let opened = lake_dosql::Shard::open(storage, "shop", bench.now, [0; 32]);
        assert!(matches!(opened.err(), Some(lake_dosql::OpenError::Corrupt { .. })), "{key:?}");
    }
}

#[test]
fn stamps_increase_when_the_clock_stands_still_or_goes_back() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    for id in 0..4 {
        bench.now.0 -= 60_000_000;
        bench.run(&format!("INSERT INTO t VALUES ({id}, 'a')"));
        bench.restart();
    }
    let stamps = bench.log().iter().map(|transaction| transaction.stamp).collect::<Vec<_>>();
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Insert(i64),
    Delete(i64),
    Many(i64),
    Restart,
    DieAtApply(u32),
    FailApply,
    LoseAnswer,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..60i64).prop_map(Step::Insert),
        2 => (0..60i64).prop_map(Step::Delete),
        2 => (1..8i64).prop_map(Step::Many),
        2 => Just(Step::Restart),
        1 => (0..3u32).prop_map(Step::DieAtApply),
        1 => Just(Step::FailApply),
        1 => Just(Step::LoseAnswer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn exactly_the_acknowledged_transactions_are_there(steps in prop::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new();
        bench.run(TABLE);
        let mut expected = std::collections::BTreeSet::new();
        for step in steps {
            let (sql, after) = match step {
                Step::Insert(id) => {
                    let mut after = expected.clone();
                    after.insert(id);
                    (format!("INSERT INTO t VALUES ({id}, 'a') ON CONFLICT (id) DO UPDATE SET note = 'b'"), after)
                }
                Step::Delete(id) => {
                    let mut after = expected.clone();
                    after.remove(&id);
                    (format!("DELETE FROM t WHERE id = {id}"), after)
                }
                Step::Many(count) => {
                    let mut after = expected.clone();
                    after.extend(1_000..1_000 + count * 40);
                    let values = (1_000..1_000 + count * 40)
                        .map(|id| format!("({id}, '{}')", "x".repeat(300)))
                        .collect::<Vec<_>>();
                    (format!("INSERT INTO t VALUES {} ON CONFLICT (id) DO NOTHING", values.join(",")), after)
                }
                Step::Restart => {
                    bench.restart();
                    continue;
                }
                Step::DieAtApply(passes) => {
                    bench.storage.die_after_applies(passes);
                    continue;
                }
                Step::FailApply => {
                    bench.storage.fail_next_apply();
                    continue;
                }
                Step::LoseAnswer => {
                    bench.storage.lose_next_apply_answer();
                    continue;
                }
            };
            match bench.sql(&sql) {
                Ok(_) => expected = after,
                // Unknown to the client; here a dead storage did not write.
                Err((code, _)) if code == "58030" || code == "unavailable" => bench.restart(),
                Err(error) => prop_assert!(false, "{sql}: {error:?}"),
            }
        }
        bench.restart();
        let rows = expected.iter().map(|id| format!("[\"{id}\"]")).collect::<Vec<_>>().join(",");
        prop_assert_eq!(ids(&mut bench), format!("[{rows}]"));
        let lsns = bench.log().iter().map(|transaction| transaction.lsn.get()).collect::<Vec<_>>();
        prop_assert_eq!(lsns.clone(), (1..=lsns.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn a_storage_that_cannot_be_read_in_the_middle_of_a_request_leaves_no_transaction_behind() {
    let mut bench = Bench::new();
    bench.run(TABLE);
    bench.storage.fail_reads();
    let refused = bench.send(r#"{"sql": "INSERT INTO t VALUES (1, 'a')"}"#, Some("k1"));
    assert_eq!(refused.map_err(|(code, _)| code), Err("unavailable".to_owned()));
    bench.storage.revive();
    bench.run("INSERT INTO t VALUES (2, 'b')");
    assert_eq!(ids(&mut bench), r#"[["2"]]"#);
}

#[test]
fn each_point_between_durable_effects_can_fail() {
    for (point, survives) in [("before shard: commit", false), ("after shard: commit", true)] {
        let mut bench = Bench::new();
        bench.run(TABLE);
        lake_host::arm_fault(point, 0);
        assert_eq!(bench.sql("INSERT INTO t VALUES (1, 'a')").is_ok(), survives, "{point}");
        lake_host::disarm_faults();
        assert_eq!(ids(&mut bench), if survives { r#"[["1"]]"# } else { "[]" }, "{point}");
        bench.restart();
        assert_eq!(ids(&mut bench), if survives { r#"[["1"]]"# } else { "[]" }, "{point}");
    }
}
