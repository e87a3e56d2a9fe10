//! The shard's side of the conversation with the lake.

use lake_cdc::{Frame, HelloReply, Lsn};
use lake_dosql::OutboxStep;
use lake_test_host::MemoryStorage;

use crate::bench::{Bench, sent, transactions};

fn lsn(value: u64) -> Lsn {
    Lsn::new(value).expect("not zero")
}

fn table() -> Bench {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (id bigint PRIMARY KEY)");
    bench
}

#[test]
fn a_commit_sets_the_alarm_once_and_quiet_clears_it() {
    let mut bench = table();
    assert!(lake_host::ShardStorage::alarm(&bench.storage).expect("reads").is_some());
    bench.storage.reset_counts();
    bench.run("INSERT INTO t VALUES (1)");
    assert_eq!(bench.storage.counts().rows_written, 1, "the alarm is set already");
    bench.connect(None);
    bench.shard.on_message(&Frame::Accepted { lsn: lsn(2), delay_ms: 0 }.encode(), bench.now);
    bench.now.0 += 5_000_000;
    assert_eq!(bench.shard.on_timer(bench.now), [OutboxStep::Close]);
    assert_eq!(lake_host::ShardStorage::alarm(&bench.storage).expect("reads"), None);
}

#[test]
fn what_the_lake_accepted_is_remembered_across_a_restart() {
    let mut bench = table();
    bench.connect(None);
    bench.shard.on_message(&Frame::Accepted { lsn: lsn(1), delay_ms: 0 }.encode(), bench.now);
    bench.now.0 += 5_000_000;
    bench.shard.on_timer(bench.now);
    bench.restart();
    assert!(!bench.shard.wants_connection());
    assert!(bench.shard.after_request(bench.now).is_empty());
}

#[test]
fn an_object_that_was_evicted_with_something_to_say_dials_when_it_wakes() {
    let mut bench = table();
    bench.connect(None);
    bench.restart();
    assert!(bench.shard.wants_connection());
    assert_eq!(bench.alarm(), [OutboxStep::Connect]);
    assert!(lake_host::ShardStorage::alarm(&bench.storage).expect("reads").is_some());
}

#[test]
fn the_log_is_trimmed_to_what_is_durable_and_imaged() {
    let mut bench = table();
    for id in 0..1_100 {
        bench.run(&format!("INSERT INTO t VALUES ({id})"));
    }
    let imaged = bench.position("imaged").expect("images were made");
    assert_eq!(bench.storage.keys(b"l").len(), 1_101);
    bench.shard.after_request(bench.now);
    bench.shard.on_open(bench.now);
    let reply = HelloReply { version: 1, features: 0, accepted: Some(lsn(1_101)), durable: Some(lsn(50)) };
    bench.shard.on_message(&Frame::HelloReply(reply).encode(), bench.now);
    bench.now.0 += 5_000_000;
    bench.shard.on_timer(bench.now);
    assert_eq!(bench.storage.keys(b"l").len(), 1_051, "durable limits it");
    bench.shard.on_closed(bench.now);
    bench.run("INSERT INTO t VALUES (5000)");
    bench.shard.after_request(bench.now);
    bench.shard.on_open(bench.now);
    let reply = HelloReply { version: 1, features: 0, accepted: Some(lsn(1_102)), durable: Some(lsn(1_102)) };
    bench.shard.on_message(&Frame::HelloReply(reply).encode(), bench.now);
    bench.now.0 += 5_000_000;
    bench.shard.on_timer(bench.now);
    assert_eq!(bench.storage.keys(b"l").len() as u64, 1_102 - imaged, "images limit it");
    bench.restart();
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["1101"]]"#);
    assert_eq!(bench.position("committed"), Some(1_102));
}

#[test]
fn a_large_transaction_arrives_whole() {
    let mut bench = table();
    bench.run("CREATE TABLE n (id bigint PRIMARY KEY, note text)");
    let note = "x".repeat(700_000);
    let values = (0..5).map(|id| format!("({id}, '{note}')")).collect::<Vec<_>>();
    bench.run(&format!("INSERT INTO n VALUES {}", values.join(",")));
    let frames = bench.connect(None);
    assert!(frames.len() >= 5, "a part for each megabyte");
    let last = transactions(&frames).pop().expect("a transaction");
    assert_eq!((last.lsn, last.change_count()), (lsn(3), 5));
}

#[test]
fn a_storage_that_cannot_be_read_is_no_reason_to_lie_to_the_lake() {
    let mut bench = table();
    bench.storage.die_after_applies(0);
    assert_eq!(bench.code("INSERT INTO t VALUES (1)"), "58030");
    assert!(bench.shard.after_request(bench.now).is_empty());
    bench.storage.revive();
    assert_eq!(bench.shard.after_request(bench.now), [OutboxStep::Connect]);
    let hello = sent(bench.shard.on_open(bench.now));
    match hello.as_slice() {
        [Frame::Hello(hello)] => assert_eq!(hello.committed, Some(lsn(1))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_alarm_that_finds_storage_unreadable_asks_to_come_again() {
    let mut bench = table();
    bench.storage.die_after_applies(0);
    assert_eq!(bench.code("INSERT INTO t VALUES (1)"), "58030");
    let (steps, refused) = bench.shard.on_alarm(bench.now);
    let refused = refused.map_err(|error| lake_api::ApiError::from(error).code.name());
    assert_eq!((steps, refused), (vec![], Err("unavailable")));
    bench.storage.revive();
    assert_eq!(bench.alarm(), [OutboxStep::Connect]);
}

#[test]
fn an_alarm_that_cannot_set_the_next_one_says_what_it_can_and_asks_to_come_again() {
    for (make_fail, code) in
        [(MemoryStorage::fill_up as fn(&MemoryStorage), "53100"), (MemoryStorage::fail_next_apply, "58030")]
    {
        let mut bench = table();
        bench.restart();
        bench.now.0 += 60_000_000;
        assert!(bench.storage.take_due_alarm(bench.now.0));
        make_fail(&bench.storage);
        // The lake makes room when it has what the shard holds.
        let (steps, refused) = bench.shard.on_alarm(bench.now);
        let refused = refused.map_err(|error| lake_api::ApiError::from(error).code.name());
        assert_eq!((steps, refused), (vec![OutboxStep::Connect], Err(code)));
        bench.storage.revive();
        assert_eq!(bench.alarm(), []);
        assert!(lake_host::ShardStorage::alarm(&bench.storage).expect("reads").is_some());
    }
}
