//! SQLite without memory: what asks for more is refused, and what was said and stored stays true.
//!
//! The bound is of the whole process, so this is one test in a program of its own.

use lake_api::ApiError;
use lake_api::scope::Access;
use lake_cdc::{Micros, TimelineId};
use lake_dosql::{Shard, limit_sqlite_memory};
use lake_test_host::MemoryStorage;
use serde_json::{Value, json};

struct Bench {
    storage: MemoryStorage,
    shard: Shard<MemoryStorage>,
    now: i64,
}

impl Bench {
    fn new() -> Bench {
        Bench::on(MemoryStorage::new())
    }

    fn on(storage: MemoryStorage) -> Bench {
        let shard = Shard::open(storage.clone(), "shop", Micros(0), [0; 32]).expect("opens");
        Bench { storage, shard, now: 0 }
    }

    fn list(&mut self, statements: &[&str]) -> Result<Value, String> {
        self.now += 1;
        let statements = statements.iter().map(|sql| json!({"sql": sql})).collect::<Vec<_>>();
        let body = json!({"statements": statements}).to_string();
        let answer =
            self.shard.sql(body.as_bytes(), None, Access::Write, TimelineId([1; 16]), Micros(self.now), [7; 32]);
        match answer {
            Ok(answer) => Ok(serde_json::from_str(&answer).expect("an answer is JSON")),
            Err(error) => Err(ApiError::from(error).code.name().to_owned()),
        }
    }

    fn rows(&mut self, sql: &str) -> String {
        self.list(&[sql]).expect(sql)["results"][0]["rows"].to_string()
    }
}

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, note text)";
const UNBOUNDED: i64 = 0;

#[test]
fn what_sqlite_has_no_memory_for_is_refused_and_everything_else_goes_on() {
    limit_sqlite_memory(24 << 20);
    a_sort_is_refused_and_the_next_request_is_answered();
    savepoints_are_refused_and_the_next_request_is_answered();
    limit_sqlite_memory(UNBOUNDED);
    at_every_size_a_list_is_done_or_not_done();
}

fn a_sort_is_refused_and_the_next_request_is_answered() {
    let mut bench = Bench::new();
    bench.list(&[TABLE, "INSERT INTO t VALUES (1, 'a')"]).expect("works");
    let sorted = "SELECT length(n) FROM (SELECT repeat('x', 1000) || i AS n FROM generate_series(1, 60000) AS g(i)) AS s ORDER BY n";
    assert_eq!(bench.list(&[sorted]), Err("53200".to_owned()));
    assert_eq!(bench.rows("SELECT * FROM t"), r#"[["1","a"]]"#);
    assert_eq!(bench.list(&["INSERT INTO t VALUES (2, 'b')", sorted]), Err("53200".to_owned()));
    bench.list(&["INSERT INTO t VALUES (3, 'c')"]).expect("works");
    assert_eq!(bench.rows("SELECT id FROM t ORDER BY id"), r#"[["1"],["3"]]"#);
}

fn savepoints_are_refused_and_the_next_request_is_answered() {
    let mut bench = Bench::new();
    bench.list(&["CREATE TABLE q (id bigint PRIMARY KEY, note text) WITH (cdc = off)"]).expect("works");
    for block in 0..4 {
        let fill =
            format!("INSERT INTO q SELECT {block} * 1000 + i, repeat('x', 900) FROM generate_series(1, 1000) AS g(i)");
        bench.list(&[&fill]).expect("works");
    }
    // Each keeps what the pages were before it.
    let mut statements = Vec::new();
    for _ in 0..30 {
        statements.extend(["SAVEPOINT s", "UPDATE q SET note = reverse(note) || 'y'"]);
    }
    assert_eq!(bench.list(&statements), Err("53200".to_owned()));
    assert_eq!(bench.rows("SELECT count(*), sum(length(note)) FROM q"), r#"[["4000","3600000"]]"#);
    bench.list(&["INSERT INTO q VALUES (0, 'fine')"]).expect("works");
}

fn at_every_size_a_list_is_done_or_not_done() {
    let fill = "INSERT INTO t SELECT i, repeat('x', 700) FROM generate_series(1, 3000) AS g(i)";
    let mut bench = Bench::new();
    bench.list(&[TABLE, fill]).expect("works");
    bench.list(&["DELETE FROM t WHERE id % 3 > 0"]).expect("works");
    let before = bench.rows(STATE);
    let mut after = None;
    let mut is_done = |kib: i64| {
        let (is_done, state) = try_with(&bench.storage, kib << 10);
        let expected = if is_done { after.get_or_insert_with(|| state.clone()) } else { &before };
        assert_eq!(&state, expected, "{kib} KiB");
        is_done
    };
    let least = (200..16_000).step_by(100).find(|kib| is_done(*kib)).expect("some are enough");
    assert!(least > 1_000, "{least} KiB");
    // The last to fail is the commit.
    for kib in least - 100..least {
        is_done(kib);
    }
}

const STATE: &str = "SELECT count(*), sum(id), sum(length(note)) FROM t";

/// Whether a list is done on a copy of `storage` with so much memory, and what is there then.
fn try_with(storage: &MemoryStorage, bytes: i64) -> (bool, String) {
    let statements = [
        "SAVEPOINT s",
        "UPDATE t SET note = note || 'y' WHERE id % 2 = 0",
        "ROLLBACK TO s",
        "INSERT INTO t SELECT i, repeat('z', 900) FROM generate_series(4001, 5000) AS g(i)",
        "DELETE FROM t WHERE id % 5 = 0",
        "CREATE TABLE u (id bigint PRIMARY KEY, t_id bigint)",
        "INSERT INTO u SELECT id, id FROM t ORDER BY note, id",
    ];
    let mut bench = Bench::on(storage.fork());
    bench.now = 10;
    let before = bench.rows(STATE);
    limit_sqlite_memory(bytes);
    let outcome = bench.list(&statements);
    limit_sqlite_memory(UNBOUNDED);
    assert!(outcome.is_ok() || outcome == Err("53200".to_owned()), "{outcome:?}");
    let state = bench.rows(STATE);
    let mut reopened = Bench::on(bench.storage.fork());
    assert_eq!(reopened.rows(STATE), state, "in memory is what is stored");
    for bench in [&mut bench, &mut reopened] {
        bench.now += 10;
        if outcome.is_ok() {
            assert_eq!(bench.rows("SELECT count(*) = (SELECT count(*) FROM t) FROM u"), "[[true]]");
        } else {
            assert_eq!(state, before);
        }
        bench.list(&["INSERT INTO t VALUES (100000, 'fine')"]).expect("goes on");
    }
    (outcome.is_ok(), state)
}
