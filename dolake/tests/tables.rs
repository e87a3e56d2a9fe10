//! Many tables: a commit has a bound on them, and so has what of a flush is open at the same time.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::limits::TRANSACTION_TABLES_MAX;
use lake_cdc::{Change, ColumnType, Entry, Frame, RefusalReason, Row, Value, ViewRequest};
use lake_dolake::limits::FLUSH_TABLES_MAX;
use lake_dolake::{Connection, Lake, ViewAnswer};
use lake_test_host::MemoryStorage;
use support::read::rows;
use support::shard::{Shard, column, found, model};
use support::{World, receive, send_all};

fn name(number: usize) -> String {
    format!("t{number}")
}

/// Creates `count` tables and puts a row into each, with `is_cut` one transaction for each table.
fn filled(count: usize, is_cut: bool) -> Shard {
    let mut shard = Shard::new("a", 1);
    for number in 0..count {
        shard.create(&name(number));
        shard.put(&name(number), number as i64, Some("x"));
        if is_cut {
            shard.commit();
        }
    }
    if !is_cut {
        shard.commit();
    }
    shard
}

/// Everything a shard has, in one message.
fn send_at_once(world: &World, lake: &Lake<MemoryStorage>, shard: &Shard) {
    let mut connection = Connection::default();
    receive(world, lake, &mut connection, &Frame::Hello(shard.hello()));
    let parts = shard.frames_after(None).into_iter().flat_map(|frame| match frame {
        Frame::Changes(parts) => parts,
        _ => Vec::new(),
    });
    let reply = receive(world, lake, &mut connection, &Frame::Changes(parts.collect()));
    assert!(matches!(reply.replies[..], [Frame::Accepted { .. }, ..]), "{reply:?}");
}

fn check(world: &World, shard: &Shard, count: usize) {
    for number in 0..count {
        assert_eq!(found(&rows(world, "default", &name(number))), model(&[shard], &name(number)));
    }
}

#[test]
fn a_commit_has_no_more_tables_than_its_bound() {
    let count = FLUSH_TABLES_MAX * 2 + 3;
    for at_once in [false, true] {
        let world = World::new(60);
        let lake = world.open();
        let shard = filled(count, true);
        match at_once {
            true => send_at_once(&world, &lake, &shard),
            false => send_all(&world, &lake, &shard),
        }
        assert_eq!(world.flush(&lake).unwrap().commits, 3);
        assert_eq!(world.catalog.widest(), FLUSH_TABLES_MAX * 2, "rows and history of each");
        check(&world, &shard, count);
    }
}

#[test]
fn alterations_between_changes_bind_no_transactions_together() {
    let world = World::new(66);
    let lake = world.open();
    let count = FLUSH_TABLES_MAX * 2;
    let mut shard = filled(count, true);
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    for number in 0..count {
        let more = column(3, "more", ColumnType::Int4);
        shard.relation(
            &name(number),
            vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Text), more],
        );
        shard.commit();
        let values = vec![Value::Int8(-1), Value::Null, Value::Int4(1)];
        shard.entry(Entry::Change(Change::Insert { table_id: shard.table_id(&name(number)), after: Row(values) }));
        shard.commit();
    }
    send_at_once(&world, &lake, &shard);
    assert!(world.flush(&lake).unwrap().commits >= 2);
    assert_eq!(world.catalog.widest(), FLUSH_TABLES_MAX * 2, "rows and history of each");
    for number in 0..count {
        assert_eq!(rows(&world, "default", &name(number)).len(), 2, "{number}");
    }
}

#[test]
fn a_transaction_is_cut_off_from_those_before_and_after_it_in_its_message() {
    let world = World::new(61);
    let lake = world.open();
    let mut shard = filled(2, true);
    for number in 2..FLUSH_TABLES_MAX + 2 {
        shard.create(&name(number));
        shard.put(&name(number), 1, Some("x"));
    }
    shard.put(&name(0), 7, Some("also"));
    shard.commit();
    shard.put(&name(1), 8, Some("after"));
    shard.commit();
    send_at_once(&world, &lake, &shard);
    let positions = (1..=FLUSH_TABLES_MAX as u64 + 4).map(lake_cdc::LakePosition).take(16).collect::<Vec<_>>();
    let request = ViewRequest { tables: vec![], after: None, snapshot_id: None, past: false, positions };
    let ViewAnswer::Ready(view) = lake.view(&request).unwrap() else { panic!("a view without tables needs no flush") };
    let whole = view.whole_positions.iter().map(|(_, whole)| whole.0).collect::<Vec<u64>>();
    assert_eq!(whole[..4], [1, 2, 2, 2], "the transaction begins at 3 and is whole");
    assert_eq!(world.flush(&lake).unwrap().commits, 3);
    assert_eq!(world.catalog.widest(), (FLUSH_TABLES_MAX + 1) * 2, "the transaction by itself");
    check(&world, &shard, FLUSH_TABLES_MAX + 2);
}

#[test]
fn a_transaction_of_as_many_tables_as_there_may_be_is_one_commit() {
    let world = World::new(62);
    let lake = world.open();
    let shard = filled(TRANSACTION_TABLES_MAX, false);
    send_all(&world, &lake, &shard);
    assert_eq!(world.flush(&lake).unwrap().commits, 1);
    assert_eq!(world.catalog.widest(), TRANSACTION_TABLES_MAX * 2);
    check(&world, &shard, TRANSACTION_TABLES_MAX);
}

#[test]
fn a_transaction_of_more_tables_stops_only_its_shard() {
    let world = World::new(63);
    let lake = world.open();
    let shard = filled(TRANSACTION_TABLES_MAX + 1, false);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let received = receive(&world, &lake, &mut connection, &shard.frames_after(None)[0]);
    let [Frame::Refused { reason: RefusalReason::Malformed, message, .. }] = &received.replies[..] else {
        panic!("{received:?}");
    };
    assert_eq!(message, "transaction 1 changes 101 tables, and the lake takes 100");
    let other = Shard::with_rows("b", 2, 0..3);
    send_all(&world, &lake, &other);
    assert_eq!(world.flush(&lake).unwrap().commits, 1);
    assert_eq!(found(&rows(&world, "default", "orders")), model(&[&other], "orders"));
}

/// Ends a database of `count` tables, in a lake whose catalog takes as many in a commit as a flush may have.
fn ended(count: usize) -> (World, Lake<MemoryStorage>, Shard) {
    let world = World::new(64);
    let lake = world.open();
    let shard = filled(count, true);
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    world.catalog.limit_tables(FLUSH_TABLES_MAX * 2);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let end = Frame::End { lsn: shard.log.last().map(|transaction| transaction.lsn) };
    assert_eq!(receive(&world, &lake, &mut connection, &end).replies, [Frame::Ended]);
    (world, lake, shard)
}

#[test]
fn the_end_of_a_database_of_many_tables_takes_several_commits() {
    let count = FLUSH_TABLES_MAX * 3;
    let (world, lake, mut shard) = ended(count);
    let before = world.catalog.commits();
    // Its successor's rows come behind all of that.
    let mut second = Shard::new("a", 9);
    for number in [0, count - 1] {
        second.create(&name(number));
        second.put(&name(number), 1_000, Some("again"));
    }
    second.commit();
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    assert_eq!(world.catalog.commits() - before, 4);
    shard.rows.clear();
    for number in 0..count {
        assert_eq!(found(&rows(&world, "default", &name(number))), model(&[&second], &name(number)));
    }
}

#[test]
fn the_end_of_a_database_is_one_position_however_many_commits_it_takes() {
    let count = FLUSH_TABLES_MAX * 3;
    let (world, lake, _) = ended(count);
    let at = lake.positions().0.0;
    assert_eq!(at, count as u64 + 1, "a position of its own");
    let tables = (0..count).map(|number| ("default".to_owned(), name(number))).collect();
    let request = ViewRequest { tables, after: None, snapshot_id: None, past: true, positions: vec![] };
    assert_eq!(lake.view(&request).unwrap(), ViewAnswer::NeedsFlush);
    // No view shows a part of it, also once that is committed.
    world.catalog.drop_request_after(1);
    assert!(world.flush(&lake).is_err());
    assert_eq!(lake.positions().1.0, at);
    assert_eq!(lake.view(&request).unwrap(), ViewAnswer::NeedsFlush);
    drop(lake);
    let lake = world.open();
    world.flush(&lake).unwrap();
    let ViewAnswer::Ready(view) = lake.view(&request).unwrap() else { panic!("all of it is flushed") };
    assert_eq!(view.position.0, at);
    for table in view.tables {
        let removals = table.past.unwrap().removals;
        assert_eq!(removals.len(), 1);
        assert_eq!((removals[0].at.position.0, table.flushed.0), (at, at));
    }
}
