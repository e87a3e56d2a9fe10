//! A database's name stands for one timeline after the other, and none of them comes back.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::{Frame, Lsn, Micros, RefusalReason};
use lake_dolake::Connection;
use support::read::rows;
use support::shard::Shard;
use support::{World, receive, send_all};

#[test]
fn another_timeline_under_a_known_name_is_refused_and_seen() {
    let world = World::new(7);
    let lake = world.open();
    send_all(&world, &lake, &Shard::with_rows("a", 1, 0..3));
    let other = Shard::with_rows("a", 2, 0..3);
    let refused = receive(&world, &lake, &mut Connection::default(), &Frame::Hello(other.hello()));
    assert!(matches!(refused.replies[0], Frame::Refused { reason: RefusalReason::TimelineConflict, .. }));
    let status = lake.status().unwrap();
    assert_eq!(status["shards"][0]["refusals"], "1");
    let mut behind = Shard::new("a", 1);
    behind.log.clear();
    let refused = receive(&world, &lake, &mut Connection::default(), &Frame::Hello(behind.hello()));
    assert!(matches!(refused.replies[0], Frame::Refused { reason: RefusalReason::ShardBehind, .. }));
}

#[test]
fn a_timeline_that_has_ended_is_not_taken_again_however_often_the_database_was_made_since() {
    let world = World::new(22);
    let lake = world.open();
    let lives = [1, 2, 3].map(|timeline| Shard::with_rows("default", timeline, 0..3));
    for shard in &lives {
        send_all(&world, &lake, shard);
        let mut connection = Connection::default();
        receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
        let lsn = Some(shard.log.last().unwrap().lsn);
        assert_eq!(receive(&world, &lake, &mut connection, &Frame::End { lsn }).replies, [Frame::Ended]);
    }
    let lake = world.open();
    for shard in &lives {
        // An instance of its object that was left behind.
        let reply = receive(&world, &lake, &mut Connection::default(), &Frame::Hello(shard.hello()));
        let [Frame::Refused { reason, .. }] = reply.replies.as_slice() else { panic!("{reply:?}") };
        assert_eq!(*reason, RefusalReason::Ended);
    }
    world.flush(&lake).unwrap();
    assert_eq!(rows(&world, "default", "orders_history").len(), 9);
}

#[test]
fn a_transaction_from_before_1970_is_refused_and_holds_nobody_up() {
    let world = World::new(23);
    let lake = world.open();
    let mut wrong = Shard::with_rows("a", 1, 0..3);
    wrong.log[0].stamp = Micros(-1);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(wrong.hello()));
    let reply = receive(&world, &lake, &mut connection, &wrong.frame(Lsn::FIRST));
    let [Frame::Refused { reason: RefusalReason::Malformed, message, .. }] = reply.replies.as_slice() else {
        panic!("{reply:?}")
    };
    assert!(message.contains("before 1970"), "{message}");
    // Its first moment is one that tables can be of.
    let mut right = Shard::with_rows("b", 2, 0..4);
    right.log[0].stamp = Micros(0);
    send_all(&world, &lake, &right);
    world.flush(&lake).unwrap();
    assert_eq!(rows(&world, "default", "orders").len(), 4);
}

#[test]
fn a_clock_at_the_end_of_time_stops_no_other_shard() {
    let world = World::new(24);
    let lake = world.open();
    let mut late = Shard::with_rows("a", 1, 0..3);
    late.log[0].stamp = Micros(i64::MAX);
    send_all(&world, &lake, &late);
    world.flush(&lake).unwrap();
    send_all(&world, &lake, &Shard::with_rows("b", 2, 0..4));
    world.flush(&lake).unwrap();
    assert_eq!(rows(&world, "default", "orders").len(), 7);
}
