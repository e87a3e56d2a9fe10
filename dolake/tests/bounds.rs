//! What is too much is refused, put off or split; nothing grows with what others send.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::{
    Change, Column, ColumnType, Entry, Frame, Lsn, RefusalReason, Relation, Row, TableId, Value, ViewRequest,
};
use lake_dolake::limits::{TABLES_BYTES_MAX, VIEW_CHANGES_MAX, VIEW_TAIL_BYTES_MAX};
use lake_dolake::{Connection, Lake, ViewAnswer};
use lake_host::{Clock, KeyRange, ROW_BYTES_MAX, ShardStorage, WriteBatch, blob};
use lake_test_host::MemoryStorage;
use support::shard::{Shard, column};
use support::{World, read, receive, send_all};

/// A part of the first transaction that is not the last.
fn middle(part: u32, bytes: usize) -> Frame {
    Frame::Changes(vec![lake_cdc::TransactionPart { lsn: Lsn::FIRST, part, last: false, bytes: vec![0; bytes] }])
}

/// After `event` the parts that came before it are gone.
fn check_parts_are_dropped(event: impl Fn(&World, &Lake<MemoryStorage>, &mut Connection)) {
    let world = World::new(12);
    let lake = world.open();
    let shard = Shard::with_rows("default", 1, 0..3);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    assert_eq!(receive(&world, &lake, &mut connection, &middle(0, 5)).replies, []);
    event(&world, &lake, &mut connection);
    let reply = receive(&world, &lake, &mut connection, &middle(1, 5)).replies;
    assert_eq!(reply, [Frame::Gap { expected: Lsn::FIRST }]);
}

#[test]
fn parts_are_dropped_when_their_sender_begins_again_goes_or_is_refused() {
    check_parts_are_dropped(|world, lake, connection| {
        let shard = Shard::with_rows("default", 1, 0..3);
        receive(world, lake, connection, &Frame::Hello(shard.hello()));
    });
    check_parts_are_dropped(|_, lake, connection| lake.forget(connection));
    check_parts_are_dropped(|world, lake, connection| {
        let last = lake_cdc::TransactionPart { lsn: Lsn::FIRST, part: 1, last: true, bytes: vec![9] };
        let reply = receive(world, lake, connection, &Frame::Changes(vec![last]));
        assert!(matches!(reply.replies[0], Frame::Refused { reason: RefusalReason::Malformed, .. }));
    });
}

#[test]
fn of_too_many_unfinished_transactions_only_the_greatest_goes_on() {
    let world = World::new(13);
    let lake = world.open();
    let mut connections = (1..=3).map(|number| {
        let mut connection = Connection::default();
        let shard = Shard::with_rows(&format!("shard{number}"), number, 0..3);
        receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
        connection
    });
    let (mut first, mut second, mut third) =
        (connections.next().unwrap(), connections.next().unwrap(), connections.next().unwrap());
    let send = |connection: &mut Connection, part| receive(&world, &lake, connection, &middle(part, 1 << 20)).replies;
    for (connection, parts) in [(&mut first, 0..11), (&mut second, 0..13), (&mut third, 0..8)] {
        for part in parts {
            assert_eq!(send(connection, part), []);
        }
    }
    let is_busy = |replies: Vec<Frame>| matches!(replies[0], Frame::Refused { reason: RefusalReason::Busy, .. });
    assert_eq!(send(&mut second, 13), []);
    assert!(is_busy(send(&mut third, 8)), "it is not the greatest");
    assert_eq!(send(&mut third, 8), [Frame::Gap { expected: Lsn::FIRST }], "its parts are gone");
    assert_eq!(send(&mut first, 11), [], "there is room again");
}

#[test]
fn dead_letters_of_many_bytes_are_kept_in_rows_that_fit() {
    let world = World::new(16);
    let lake = world.open();
    send_all(&world, &lake, &Shard::with_rows("a", 1, 0..3));
    let mut liar = Shard::new("b", 2);
    liar.relation("orders", vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Int4)]);
    let long = "x".repeat(100_000);
    for id in 0..30 {
        liar.put("orders", id, Some(&long));
    }
    liar.commit();
    send_all(&world, &lake, &liar);
    assert_eq!(lake.status().unwrap()["deadLetters"], "30");
    let letters = world.storage.scan(&KeyRange::prefix(b"z/"), 100).unwrap();
    assert_eq!(letters.len(), 4, "a letter and three parts");
    let bytes = letters.iter().map(|(_, value)| value.len()).sum::<usize>();
    assert!((3_000_000..3_100_000).contains(&bytes), "as they came, not as digits: {bytes}");
}

/// A table of many columns with long names, the first called `first`.
fn wide(columns: u32, first: &str) -> Vec<Column> {
    let name = |id: u32| if id == 2 { first.to_owned() } else { format!("c{id:0>62}") };
    let others = (2..=columns).map(|id| column(id, &name(id), ColumnType::Text));
    [column(1, "id", ColumnType::Int8)].into_iter().chain(others).collect()
}

fn insert(shard: &mut Shard, table: &str, id: i64, columns: u32) {
    let mut values = vec![Value::Int8(id)];
    values.resize(columns as usize, Value::Null);
    shard.entry(Entry::Change(Change::Insert { table_id: shard.table_id(table), after: Row(values) }));
}

#[test]
fn rows_are_read_as_they_were_written_however_often_their_table_was_altered() {
    const COLUMNS: u32 = 200;
    const TIMES: i64 = 150;
    let world = World::new(18);
    let mut shard = Shard::new("default", 1);
    for id in 0..TIMES {
        let mut columns = wide(COLUMNS, &format!("n{}", id + 1));
        columns[1].former_names.push(format!("n{id}"));
        shard.relation("orders", columns);
        insert(&mut shard, "orders", id, COLUMNS);
        shard.commit();
    }
    send_all(&world, &world.open(), &shard);
    let lake = world.open();
    world.flush(&lake).unwrap();
    assert_eq!(read::rows(&world, "default", "orders").len(), TIMES as usize);
    let history = read::rows(&world, "default", "orders_history");
    let mut ids: Vec<i64> = history.iter().map(|row| row["id"].parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..TIMES).collect::<Vec<i64>>());
}

#[test]
fn databases_with_the_same_table_share_what_is_known_of_its_rows() {
    let world = World::new(19);
    for number in 1..=3 {
        // Each time it is another instance, which has to find it.
        send_all(&world, &world.open(), &Shard::with_rows(&format!("shard{number}"), number, 0..3));
    }
    assert_eq!(world.storage.keys(b"x/").len(), 1);
    // Another shape with the same hash: its place is taken.
    let place = world.storage.keys(b"y/").remove(0);
    let mut batch = WriteBatch::new();
    let mut other = Shard::new("other", 9);
    other.relation("others", wide(3, "a"));
    other.commit();
    send_all(&world, &world.open(), &other);
    let number = world.storage.keys(b"x/").remove(1).split_off(2);
    batch.put(place, number);
    world.storage.apply(&batch).unwrap();
    send_all(&world, &world.open(), &Shard::with_rows("shard4", 4, 0..3));
    assert_eq!(world.storage.keys(b"x/").len(), 3);
    let lake = world.open();
    world.flush(&lake).unwrap();
    assert_eq!(read::rows(&world, "default", "orders").len(), 12);
}

#[test]
fn tables_that_would_take_too_much_memory_contradict_the_lake() {
    let world = World::new(20);
    let mut shard = Shard::new("default", 1);
    shard.create("orders");
    shard.relation("wide", wide(3, "a"));
    shard.commit();
    for table in 0..TABLES_BYTES_MAX / 70_000 {
        shard.relation(&format!("t{table}"), wide(500, "a"));
        shard.commit();
    }
    shard.relation("wide", wide(500, "a"));
    shard.put("orders", 1, Some("as before"));
    insert(&mut shard, "wide", 1, 500);
    shard.commit();
    send_all(&world, &world.open(), &shard);
    let lake = world.open();
    world.flush(&lake).unwrap();
    let status = lake.status().unwrap();
    let refused: Vec<&str> = status["shards"][0]["contradictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["table"].as_str().unwrap())
        .collect();
    assert!(refused.contains(&"wide") && !refused.contains(&"t0") && refused.len() < 60, "{refused:?}");
    let reason = status["shards"][0]["contradictions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("{TABLES_BYTES_MAX}")), "{reason}");
    assert_eq!(status["deadLetters"], "1");
    let stored = world.storage.scan(&KeyRange::prefix(b"t/"), 10_000).unwrap();
    let bytes = stored.iter().map(|(_, value)| value.len()).sum::<usize>();
    assert!((TABLES_BYTES_MAX * 9 / 10..TABLES_BYTES_MAX * 11 / 10).contains(&bytes), "{bytes}");
    // What was there goes on, also with the columns it has.
    assert_eq!(read::rows(&world, "default", "orders").len(), 1);
    shard.relation("wide", wide(3, "a"));
    insert(&mut shard, "wide", 2, 3);
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    assert_eq!(read::rows(&world, "default", "wide").len(), 1);
}

#[test]
fn columns_that_there_is_no_room_for_become_nobody_elses() {
    let world = World::new(21);
    let lake = world.open();
    let (mut a, mut b) = (Shard::new("a", 1), Shard::new("b", 2));
    let two = || vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Text)];
    let with = |names: &[&str]| {
        let more = names.iter().zip(3..).map(|(name, id)| column(id, name, ColumnType::Text));
        two().into_iter().chain(more).collect::<Vec<Column>>()
    };
    a.relation("orders", two());
    a.commit();
    b.relation("orders", two());
    b.commit();
    // A third database takes what room there is, but for a few columns.
    let mut full = Shard::new("full", 3);
    for table in 0..TABLES_BYTES_MAX / 60_000 {
        full.relation(&format!("t{table}"), wide(500, "a"));
        full.commit();
    }
    for number in 0..100 {
        full.relation(&format!("last{number}"), wide(500 / (number + 1), "a"));
        full.commit();
    }
    for shard in [&a, &b, &full] {
        send_all(&world, &lake, shard);
    }
    let many: Vec<String> = (0..60).map(|number| format!("{number:0>60}")).collect();
    let many: Vec<&str> = std::iter::once("y").chain(many.iter().map(String::as_str)).collect();
    a.relation("orders", with(&many));
    a.commit();
    send_all(&world, &lake, &a);
    b.relation("orders", with(&["x"]));
    b.commit();
    send_all(&world, &lake, &b);
    let contradictions =
        [0, 1].map(|shard| lake.status().unwrap()["shards"][shard]["contradictions"].as_array().unwrap().len());
    assert_eq!(contradictions, [1, 0], "there was room for one of them");
    a.relation("orders", with(&["y"]));
    a.commit();
    send_all(&world, &lake, &a);
    world.flush(&lake).unwrap();
    let metadata = world.catalog.metadata("default", "orders").unwrap();
    let has = |name: &str| metadata.current_schema().field_by_name(name).is_some();
    assert!(has("x"), "{:?}", metadata.current_schema());
    // It has a column of its own, or contradicts the lake.
    assert!(has("y") || lake.status().unwrap()["shards"][0]["contradictions"][0]["table"] == "orders");
}

#[test]
fn a_view_of_many_narrow_rows_wants_a_flush_first() {
    let world = World::new(17);
    let lake = world.open();
    let mut shard = Shard::new("default", 1);
    shard.create("orders");
    for id in 0..=VIEW_CHANGES_MAX as i64 {
        shard.put("orders", id, Some(""));
    }
    shard.commit();
    send_all(&world, &lake, &shard);
    assert!(lake.tail_bytes() < VIEW_TAIL_BYTES_MAX);
    let tables = vec![("default".to_owned(), "orders".to_owned())];
    let request = ViewRequest { tables, after: None, snapshot_id: None, past: false, positions: Vec::new() };
    assert_eq!(lake.view(&request).unwrap(), ViewAnswer::NeedsFlush);
}

#[test]
fn a_tail_that_grows_slows_its_shards_and_then_refuses_them() {
    let world = World::new(32);
    let lake = world.open();
    let mut shard = Shard::new("default", 1);
    shard.create("orders");
    let note = "x".repeat(900_000);
    for id in 0..80 {
        shard.put("orders", id, Some(&note));
        shard.commit();
    }
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let mut delays = Vec::new();
    for frame in shard.frames_after(None) {
        match receive(&world, &lake, &mut connection, &frame).replies.as_slice() {
            [Frame::Accepted { delay_ms, .. }] => delays.push(*delay_ms),
            [Frame::Refused { reason: RefusalReason::Busy, retry_after_ms, .. }] => {
                assert!(*retry_after_ms > 0 && lake.flush_is_due(world.clock.now_micros()));
                assert!(delays.first() == Some(&0) && delays.is_sorted() && delays.last() > Some(&0), "{delays:?}");
                assert!(lake.tail_bytes() < (66 << 20));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the tail has no bound");
}

#[test]
fn a_row_that_no_storage_takes_is_refused_to_its_shard_only() {
    let world = World::new(33);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..3);
    send_all(&world, &lake, &shard);
    drop(lake);
    // What inputs cannot make: a table's row with no room for one more removal.
    let (key, row) = world.storage.scan(&KeyRange::prefix(b"t/"), 1).unwrap().remove(0);
    let mut table: serde_json::Value = serde_json::from_slice(blob::open(1, &row).unwrap()).unwrap();
    table["fields"][0]["former"] = vec!["x".repeat(ROW_BYTES_MAX - row.len() - key.len() - 10)].into();
    let mut batch = WriteBatch::new();
    batch.put(key, blob::seal(1, &serde_json::to_vec(&table).unwrap()));
    world.storage.apply(&batch).unwrap();
    let lake = world.open();
    shard.drop_table("orders");
    shard.commit();
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let received = receive(&world, &lake, &mut connection, &shard.frame(shard.log.last().unwrap().lsn));
    assert!(matches!(received.replies[0], Frame::Refused { reason: RefusalReason::Malformed, .. }));
    assert!(received.close.is_some());
    let mut other = Shard::new("b", 2);
    other.create("things");
    other.put("things", 1, Some("x"));
    other.commit();
    send_all(&world, &lake, &other);
    world.flush(&lake).unwrap();
    assert_eq!(read::rows(&world, "default", "things").len(), 1);
}

#[test]
fn a_key_of_many_columns_that_is_another_each_time_ends_no_lake() {
    let world = World::new(34);
    let lake = world.open();
    let mut shard = Shard::new("a", 1);
    for round in 0..350 {
        let columns = (1..=200).map(|id| column(id, &format!("c{id}"), ColumnType::Int4)).collect();
        let key = (0..200).map(|index| (index + round) % 200).collect();
        let table_id = TableId(round as u32 + 1);
        shard.entry(Entry::Relation(Relation { table_id, name: "orders".into(), columns, key }));
        shard.entry(Entry::DropTable(table_id));
        shard.commit();
    }
    send_all(&world, &lake, &shard);
    let stored = world.storage.scan(&KeyRange::prefix(b"t/"), 1).unwrap().remove(0).1.len();
    assert!((250_000..330_000).contains(&stored), "{stored}");
}
