//! Creation, deletion and what happens to a name.

use lake_api::ApiError;
use lake_cdc::{Frame, Lsn, TimelineId};
use serde_json::Value;

use crate::bench::{Bench, sent};

fn create(bench: &mut Bench, body: &str) -> Result<Value, String> {
    match bench.shard.create(body.as_bytes(), TimelineId([9; 16]), bench.now) {
        Ok(answer) => Ok(serde_json::from_str(&answer).expect("JSON")),
        Err(error) => Err(ApiError::from(error).code.name().to_owned()),
    }
}

#[test]
fn a_read_creates_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.rows("SELECT 1 AS one"), "[[1]]");
    assert_eq!(bench.code("SELECT * FROM orders"), "42P01");
    assert_eq!(bench.shard.status(), None);
    assert!(bench.storage.rows().is_empty());
}

#[test]
fn the_first_statement_that_writes_creates_it_with_the_defaults() {
    let mut bench = Bench::new();
    assert_eq!(bench.code("INSERT INTO orders VALUES (1)"), "42P01");
    assert!(bench.storage.rows().is_empty());
    let answer = bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    assert_eq!(answer["lsn"], "1");
    let status = bench.shard.status().expect("exists");
    assert_eq!((&status["namespace"], &status["state"]), (&Value::from("shop"), &Value::from("live")));
}

#[test]
fn storage_knows_whose_it_is() {
    let mut bench = Bench::new();
    assert_eq!(lake_dosql::database_in(&bench.storage).expect("readable"), None);
    bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    assert_eq!(lake_dosql::database_in(&bench.storage).expect("readable").as_deref(), Some("shop"));
}

#[test]
fn a_namespace_is_fixed_at_creation() {
    let mut bench = Bench::new();
    assert_eq!(create(&mut bench, r#"{"namespace": "retail"}"#).expect("creates")["namespace"], "retail");
    assert!(create(&mut bench, "").is_ok());
    assert!(create(&mut bench, r#"{"namespace": "retail"}"#).is_ok());
    assert_eq!(create(&mut bench, r#"{"namespace": "other"}"#), Err("database_exists".to_owned()));
    bench.restart();
    assert_eq!(bench.shard.status().expect("exists")["namespace"], "retail");
}

#[test]
fn options_that_are_none_are_refused() {
    let mut bench = Bench::new();
    for body in ["[]", "{", r#"{"namespace": "A"}"#, r#"{"region": "eu"}"#] {
        assert_eq!(create(&mut bench, body), Err("invalid".to_owned()), "{body}");
    }
    assert_eq!(bench.shard.status(), None);
}

#[test]
fn a_deleted_name_is_free_once_the_lake_has_stored_the_end() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    let timeline = bench.shard.status().expect("exists")["timeline"].clone();
    bench.shard.delete(bench.now).expect("deletes");
    assert_eq!(bench.code("SELECT 1"), "database_ending");
    assert_eq!(create(&mut bench, ""), Err("database_ending".to_owned()));
    bench.restart();
    assert_eq!(bench.code("SELECT 1"), "database_ending");
    bench.connect(None);
    let accepted = Frame::Accepted { lsn: Lsn::FIRST, delay_ms: 0 };
    let end = sent(bench.shard.on_message(&accepted.encode(), bench.now));
    assert_eq!(end, [Frame::End { lsn: Some(Lsn::FIRST) }]);
    bench.shard.on_message(&Frame::Ended.encode(), bench.now);
    let left: Vec<Vec<u8>> = bench.storage.rows().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [b"f".to_vec(), b"s".to_vec()], "the format, and where its times ended");
    assert_eq!(bench.code("SELECT * FROM orders"), "42P01");
    assert_eq!(bench.run("CREATE TABLE orders (id text)")["lsn"], "1");
    assert_ne!(bench.shard.status().expect("exists")["timeline"], timeline);
}

#[test]
fn a_name_made_again_goes_on_behind_the_times_that_it_had() {
    let mut bench = Bench::new();
    let mut last = String::new();
    for _ in 0..3 {
        create(&mut bench, "").expect("creates");
        for sql in ["CREATE TABLE orders (id bigint PRIMARY KEY)", "INSERT INTO orders VALUES (1)"] {
            // The machine that wakes it may be a minute behind, and its clock stands still while it runs.
            bench.now.0 -= 61_000_000;
            let stamp = bench.run(sql)["committedAt"].as_str().expect("has a time").to_owned();
            assert!(stamp > last, "{stamp} after {last}");
            last = stamp;
        }
        bench.shard.delete(bench.now).expect("deletes");
        bench.connect(None);
        bench.shard.on_message(&Frame::Accepted { lsn: Lsn::FIRST.next(), delay_ms: 0 }.encode(), bench.now);
        bench.shard.on_message(&Frame::Ended.encode(), bench.now);
        assert_eq!(bench.shard.status(), None);
        bench.restart();
    }
}

#[test]
fn a_database_that_the_lake_never_heard_of_is_gone_at_once() {
    let mut bench = Bench::new();
    create(&mut bench, "").expect("creates");
    bench.shard.delete(bench.now).expect("deletes");
    assert!(bench.storage.rows().is_empty());
    let again = bench.shard.delete(bench.now).map_err(|error| ApiError::from(error).code.name());
    assert_eq!(again, Err("database_not_found"));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    let mut batch = lake_host::WriteBatch::new();
    batch.put(*b"f", lake_host::blob::seal(2, b""));
    lake_host::ShardStorage::apply(&bench.storage, &batch).expect("applies");
    let opened = lake_dosql::Shard::open(bench.storage.clone(), "shop", bench.now, [0; 32]);
    assert!(matches!(opened.err(), Some(lake_dosql::OpenError::NewerFormat { found: 2, known: 1 })));
}

#[test]
fn a_name_made_again_after_an_end_whose_wipe_was_not_answered_is_sent_from_its_first_transaction() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    bench.shard.delete(bench.now).expect("deletes");
    bench.connect(None);
    bench.shard.on_message(&Frame::Accepted { lsn: Lsn::FIRST, delay_ms: 0 }.encode(), bench.now);
    bench.storage.lose_next_apply_answer();
    bench.shard.on_message(&Frame::Ended.encode(), bench.now);
    assert_eq!(bench.storage.rows().len(), 2, "the format, and where its times ended");
    bench.run("CREATE TABLE orders (id bigint PRIMARY KEY)");
    assert!(bench.shard.wants_connection());
}
