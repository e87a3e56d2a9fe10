//! A request that is sent twice counts once.

use crate::bench::Bench;

const INSERT: &str = r#"{"sql": "INSERT INTO t (note) VALUES ('a') RETURNING note"}"#;

fn table() -> Bench {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (note text)");
    bench
}

#[test]
fn the_same_key_is_answered_the_same_and_writes_once() {
    let mut bench = table();
    let first = bench.send(INSERT, Some("k1")).expect("inserts");
    bench.restart();
    assert_eq!(bench.send(INSERT, Some("k1")), Ok(first));
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["1"]]"#);
    bench.send(INSERT, Some("k2")).expect("inserts");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["2"]]"#);
}

#[test]
fn a_key_of_another_request_is_refused() {
    let mut bench = table();
    bench.send(INSERT, Some("k1")).expect("inserts");
    let other = bench.send(r#"{"sql": "DELETE FROM t"}"#, Some("k1"));
    assert_eq!(other.map_err(|(code, _)| code), Err("idempotency_key_reused".to_owned()));
}

#[test]
fn a_request_that_failed_can_be_sent_again() {
    let mut bench = table();
    bench.storage.fail_next_apply();
    assert!(bench.send(INSERT, Some("k1")).is_err());
    assert!(bench.send(INSERT, Some("k1")).is_ok());
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["1"]]"#);
}

#[test]
fn a_request_that_found_nothing_to_write_finds_nothing_later() {
    let mut bench = table();
    let delete = r#"{"sql": "DELETE FROM t"}"#;
    assert_eq!(bench.send(delete, Some("k1")).expect("deletes nothing")["rowCount"], 0);
    bench.run("INSERT INTO t VALUES ('a')");
    assert_eq!(bench.send(delete, Some("k1")).expect("is remembered")["rowCount"], 0);
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["1"]]"#);
}

#[test]
fn a_key_costs_one_row_and_is_forgotten_after_a_day() {
    let mut bench = table();
    bench.storage.reset_counts();
    bench.send(INSERT, Some("k0")).expect("inserts");
    assert_eq!((bench.storage.counts().applies, bench.storage.counts().rows_written), (1, 2));
    for round in 0..50 {
        bench.now.0 += 3_600_000_000;
        bench.send(INSERT, Some(&format!("key-{round:03}"))).expect("inserts");
    }
    assert!(bench.storage.keys(b"i").len() <= 26, "{}", bench.storage.keys(b"i").len());
    bench.send(INSERT, Some("k0")).expect("inserts again");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["52"]]"#);
}

#[test]
fn a_large_answer_is_remembered_by_its_facts() {
    let mut bench = table();
    let body = format!(r#"{{"sql": "INSERT INTO t VALUES ('{}') RETURNING note"}}"#, "x".repeat(100_000));
    let first = bench.send(&body, Some("k1")).expect("inserts");
    let again = bench.send(&body, Some("k1")).expect("is remembered");
    for fact in ["rowCount", "command", "lsn", "committedAt"] {
        assert_eq!(again[fact], first[fact], "{fact}");
    }
    assert_eq!(again["rows"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_key_that_is_none_is_refused() {
    let mut bench = table();
    for key in ["", &"k".repeat(256)] {
        assert_eq!(bench.send(INSERT, Some(key)).map_err(|(code, _)| code), Err("invalid".to_owned()));
    }
}
