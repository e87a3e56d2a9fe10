//! What history does not tell is told with a view: rows that went without a change, and what columns were called.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::{
    Before, Column, ColumnType, Frame, Hello, LakePosition, Lsn, Micros, Point, Removal, TransactionPart, Value, View,
    ViewPast, ViewRequest,
};
use lake_dolake::{Connection, Lake, ViewAnswer};
use lake_host::Clock;
use lake_test_host::MemoryStorage;
use support::shard::{Shard, column};
use support::{World, receive, send_all};

fn view(lake: &Lake<MemoryStorage>, past: bool) -> View {
    let tables = vec![("default".into(), "orders".into())];
    match lake.view(&ViewRequest { tables, after: None, snapshot_id: None, past, positions: Vec::new() }).unwrap() {
        ViewAnswer::Ready(view) => *view,
        other => panic!("{other:?}"),
    }
}

/// Of a lake whose tail may hold a removal.
fn past(world: &World, lake: &Lake<MemoryStorage>) -> ViewPast {
    world.flush(lake).unwrap();
    view(lake, true).tables[0].past.clone().unwrap()
}

fn point(position: u64, stamp: Micros) -> Point {
    Point { position: LakePosition(position), stamp }
}

fn removal(shard: &str, upto: u64, at: Point) -> Removal {
    Removal { shard: shard.into(), upto: LakePosition(upto), at }
}

fn stamp(shard: &Shard) -> Micros {
    shard.log.last().unwrap().stamp
}

fn renamed(id: u32, name: &str, former: &str) -> Column {
    Column { former_names: vec![former.into()], ..column(id, name, ColumnType::Text) }
}

fn end(world: &World, lake: &Lake<MemoryStorage>, shard: &Shard) {
    let mut connection = Connection::default();
    receive(world, lake, &mut connection, &Frame::Hello(shard.hello()));
    let lsn = Some(shard.log.last().unwrap().lsn);
    assert_eq!(receive(world, lake, &mut connection, &Frame::End { lsn }).replies, [Frame::Ended]);
}

#[test]
fn a_table_that_is_dropped_takes_a_position_so_that_before_and_after_are_two_states() {
    let world = World::new(40);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..5);
    send_all(&world, &lake, &shard);
    assert_eq!(view(&lake, false).position, LakePosition(5));
    shard.drop_table("orders");
    shard.commit();
    send_all(&world, &lake, &shard);
    assert_eq!(past(&world, &lake).removals, [removal("a", 5, point(6, stamp(&shard)))]);
    let after = view(&lake, false);
    assert_eq!((after.position, after.tables[0].flushed), (LakePosition(6), LakePosition(6)));
    // What comes after goes on from there, also in another instance.
    let lake = world.open();
    shard.create("orders");
    shard.put("orders", 1, Some("second life"));
    shard.commit();
    send_all(&world, &lake, &shard);
    assert_eq!(view(&lake, false).tables[0].tail[0].position, LakePosition(7));
}

#[test]
fn a_transaction_that_changes_rows_too_has_positions_enough() {
    let world = World::new(41);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..5);
    send_all(&world, &lake, &shard);
    shard.put("orders", 9, Some("short-lived"));
    shard.drop_table("orders");
    shard.create("orders");
    shard.put("orders", 1, Some("second life"));
    shard.commit();
    send_all(&world, &lake, &shard);
    assert_eq!(past(&world, &lake).removals, [removal("a", 6, point(6, stamp(&shard)))]);
    assert_eq!(view(&lake, false).position, LakePosition(7));
}

#[test]
fn several_drops_in_one_message_each_have_a_state_before_them() {
    let world = World::new(42);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..2);
    for id in 0..2 {
        shard.drop_table("orders");
        shard.commit();
        shard.create("orders");
        shard.put("orders", id, Some("again"));
        shard.commit();
    }
    let parts = shard.frames_after(None).into_iter().flat_map(|frame| match frame {
        Frame::Changes(parts) => parts,
        other => panic!("{other:?}"),
    });
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    receive(&world, &lake, &mut connection, &Frame::Changes(parts.collect()));
    let places = past(&world, &lake).removals.into_iter().map(|gone| (gone.upto.0, gone.at.position.0));
    assert_eq!(places.collect::<Vec<(u64, u64)>>(), [(2, 3), (4, 5)]);
    assert_eq!(view(&lake, false).position, LakePosition(6));
    let history = support::read::rows(&world, "default", "orders_history");
    let mut positions = history.iter().map(|row| row["_position"].clone()).collect::<Vec<String>>();
    positions.sort();
    assert_eq!(positions, ["1", "2", "4", "6"]);
}

#[test]
fn a_database_ends_when_the_lake_hears_of_it() {
    let world = World::new(43);
    let lake = world.open();
    let shard = Shard::with_rows("a", 1, 0..3);
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    let now = stamp(&shard).0 + 60_000_000;
    world.clock.advance_ms((now - world.clock.now_micros()) / 1_000);
    end(&world, &lake, &shard);
    assert_eq!(past(&world, &lake).removals, [removal("a", 3, point(4, Micros(now)))]);
    let metadata = world.catalog.metadata("default", "orders").unwrap();
    let summary = metadata.current_snapshot().unwrap().summary().additional_properties.clone();
    assert_eq!(summary["lake.max-stamp"], now.to_string(), "the snapshot without the rows is not of an earlier time");
}

#[test]
fn a_database_that_comes_again_begins_after_the_end_of_the_one_before() {
    let world = World::new(44);
    let lake = world.open();
    let shard = Shard::with_rows("a", 1, 0..3);
    send_all(&world, &lake, &shard);
    world.clock.advance_ms(3_600_000);
    end(&world, &lake, &shard);
    // Its clock says that it was made before the lake heard of the end.
    let again = Shard::with_rows("a", 2, 0..1);
    send_all(&world, &lake, &again);
    let removals = past(&world, &lake).removals;
    assert_eq!(removals, [removal("a", 3, point(4, Micros(stamp(&again).0 - 1)))]);
}

#[test]
fn what_columns_were_is_told_with_values_that_current_rows_do_not_have() {
    let world = World::new(45);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..2);
    let created = stamp(&shard);
    shard.relation("orders", vec![column(1, "id", ColumnType::Int8), renamed(2, "remark", "note")]);
    let at_rename = (shard.commit(), stamp(&shard)).1;
    shard.relation("orders", vec![column(1, "id", ColumnType::Int8), column(3, "remark", ColumnType::Int4)]);
    let at_replace = (shard.commit(), stamp(&shard)).1;
    send_all(&world, &lake, &shard);
    let found = view(&lake, true);
    let table = &found.tables[0];
    let told = table.past.clone().unwrap();
    assert_eq!(told.created, Some(point(0, created)));
    let (old, new) = (told.dropped[0].field_id, table.fields[1].field_id);
    assert_eq!(told.dropped[0].name, format!("remark__{old}"));
    let alterations = told.alterations.into_iter().map(|alteration| (alteration.at, alteration.before));
    let expected = [
        (point(3, at_rename), Before::Named(old, "note".into())),
        (point(4, at_replace), Before::Named(old, "remark".into())),
        (point(4, at_replace), Before::Absent(new)),
    ];
    assert_eq!(alterations.collect::<Vec<(Point, Before)>>(), expected);
    assert_eq!(table.tail[1].row.0, [Value::Int8(1), Value::Null, Value::Text("a 1".into())]);
    let present = view(&lake, false);
    assert_eq!((present.tables[0].past.as_ref(), present.tables[0].tail[1].row.0.len()), (None, 2));
    assert_eq!(present.position, LakePosition(4));
}

#[test]
fn a_relation_that_alters_nothing_takes_no_position() {
    let world = World::new(46);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..2);
    shard.create("orders");
    shard.commit();
    let mut other = Shard::new("b", 2);
    other.create("orders");
    other.commit();
    send_all(&world, &lake, &shard);
    send_all(&world, &lake, &other);
    assert_eq!(view(&lake, false).position, LakePosition(2));
    assert_eq!(past(&world, &lake).alterations, []);
    assert_eq!(shard.log.last().unwrap().lsn, Lsn::new(2).unwrap());
}

#[test]
fn a_key_that_was_another_is_told() {
    let world = World::new(47);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..2);
    send_all(&world, &lake, &shard);
    shard.drop_table("orders");
    shard.relation("orders", vec![column(1, "code", ColumnType::Text), column(2, "note", ColumnType::Text)]);
    shard.commit();
    send_all(&world, &lake, &shard);
    let told = past(&world, &lake);
    let keys = told.alterations.iter().filter_map(|alteration| match &alteration.before {
        Before::Key(fields) => Some(fields.clone()),
        _ => None,
    });
    assert_eq!(keys.collect::<Vec<Vec<i32>>>(), [vec![told.dropped[0].field_id]]);
    assert_eq!(told.dropped[0].name, "id");
}

/// A transaction stamped `second` seconds after the first one of any shard.
fn commit_at(shard: &mut Shard, second: i64) {
    shard.commit();
    shard.log.last_mut().unwrap().stamp = at_second(second);
}

fn at_second(second: i64) -> Micros {
    Micros(1_760_000_001_000_000 + second * 1_000_000)
}

fn id() -> Column {
    column(1, "id", ColumnType::Int8)
}

fn note() -> Column {
    column(2, "note", ColumnType::Text)
}

/// Two shards have a table since second 0 and do `change` to it: one at second 100, which the lake hears of first, the
/// other at second 50. What was before it ends then.
fn check_ends(change: &[Column], second: i64, before: impl Fn(&ViewPast, &View) -> Before) {
    let world = World::new(48);
    let lake = world.open();
    let mut shards = [Shard::with_rows("a", 1, 0..1), Shard::with_rows("b", 2, 0..1)];
    shards.iter().for_each(|shard| send_all(&world, &lake, shard));
    for (shard, second) in shards.iter_mut().zip([100, 50]) {
        shard.relation("orders", change.to_vec());
        commit_at(shard, second);
        send_all(&world, &lake, shard);
    }
    let told = past(&world, &lake);
    let ends = told.alterations.iter().map(|alteration| (alteration.at.stamp, alteration.before.clone()));
    let expected = (at_second(second), before(&told, &view(&lake, true)));
    assert_eq!(ends.collect::<Vec<(Micros, Before)>>(), [expected]);
}

#[test]
fn a_column_ends_with_the_last_shard_that_had_it_by_their_stamps() {
    check_ends(&[id()], 100, |told, _| Before::Named(told.dropped[0].field_id, "note".into()));
}

#[test]
fn a_column_and_a_name_begin_with_the_first_shard_that_had_them_by_their_stamps() {
    let added = column(3, "extra", ColumnType::Int4);
    check_ends(&[id(), note(), added], 50, |_, now| Before::Absent(now.tables[0].fields[2].field_id));
    let field = |now: &View| now.tables[0].fields[1].field_id;
    check_ends(&[id(), renamed(2, "remark", "note")], 50, |_, now| Before::Named(field(now), "note".into()));
}

#[test]
fn a_database_that_ends_lets_go_of_its_columns_when_the_lake_hears_of_it() {
    let world = World::new(50);
    let lake = world.open();
    let mut a = Shard::with_rows("a", 1, 0..1);
    let b = Shard::with_rows("b", 2, 0..1);
    send_all(&world, &lake, &a);
    send_all(&world, &lake, &b);
    world.clock.advance_ms(3_600_000);
    end(&world, &lake, &b);
    a.relation("orders", vec![id()]);
    commit_at(&mut a, 50);
    send_all(&world, &lake, &a);
    let told = past(&world, &lake);
    assert_eq!(told.alterations[0].at.stamp, told.removals[0].at.stamp);
    assert!(told.alterations[0].at.stamp > at_second(3_000));
}

#[test]
fn a_table_begins_with_the_first_shard_that_had_it_by_their_stamps() {
    let world = World::new(49);
    let lake = world.open();
    let mut late = Shard::with_rows("a", 1, 0..1);
    late.log[0].stamp = at_second(60);
    late.relation("orders", vec![id(), renamed(2, "remark", "note")]);
    commit_at(&mut late, 120);
    let early = Shard::with_rows("b", 2, 0..1);
    send_all(&world, &lake, &late);
    assert_eq!(past(&world, &lake).created, Some(point(0, at_second(60))));
    send_all(&world, &lake, &early);
    let told = past(&world, &lake);
    assert_eq!(told.created, Some(point(0, at_second(0))));
    assert_eq!(told.alterations[0].at.stamp, at_second(120));
}

/// What the lake makes of positions.
fn whole(lake: &Lake<MemoryStorage>, positions: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for position in positions {
        let tables = vec![("default".into(), "orders".into())];
        let positions = vec![LakePosition(position)];
        let request = ViewRequest { tables, after: None, snapshot_id: None, past: true, positions };
        let ViewAnswer::Ready(view) = lake.view(&request).unwrap() else { panic!("no view") };
        found.extend(view.whole_positions.iter().map(|(asked, whole)| (asked.0, whole.0)));
    }
    found
}

#[test]
fn a_position_inside_a_transaction_means_the_end_of_the_one_before() {
    let world = World::new(50);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..3);
    send_all(&world, &lake, &shard);
    // Its rows fill several blobs, in the last of which another transaction begins.
    let note = "x".repeat(600_000);
    (10..15).for_each(|id| shard.put("orders", id, Some(&note)));
    shard.commit();
    (20..22).for_each(|id| shard.put("orders", id, Some("y")));
    shard.commit();
    send_all(&world, &lake, &shard);
    let expected = [(1, 0), (2, 0), (3, 3), (4, 3), (5, 3), (6, 3), (7, 3), (8, 8), (9, 8), (10, 10)]
        .map(|(asked, is)| (asked, is));
    assert_eq!(whole(&lake, 1..=10), expected);
    world.flush(&lake).unwrap();
    assert_eq!(whole(&world.open(), 1..=10), expected, "flushed, and in another instance");
}

#[test]
fn a_removal_is_a_position_of_its_own() {
    let world = World::new(51);
    let lake = world.open();
    let mut shard = Shard::with_rows("a", 1, 0..3);
    shard.drop_table("orders");
    shard.commit();
    shard.create("orders");
    (0..2).for_each(|id| shard.put("orders", id, Some("again")));
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    assert_eq!(whole(&lake, 3..=6), [(3, 3), (4, 4), (5, 4), (6, 6)]);
}

/// Stamps that a view tells of databases `a` and `b`.
fn stamps(lake: &Lake<MemoryStorage>) -> Vec<(String, i64)> {
    view(lake, false).stamps.into_iter().map(|(database, stamp)| (database, stamp.0)).collect()
}

#[test]
fn no_time_is_over_for_a_database_that_has_committed_what_the_lake_does_not_have() {
    let world = World::new(53);
    let lake = world.open();
    let a = Shard::with_rows("a", 1, 0..1);
    let b = Shard::with_rows("b", 2, 0..1);
    send_all(&world, &lake, &a);
    let of_a = ("a".to_owned(), at_second(0).0);
    let open = ("b".to_owned(), i64::MIN);
    receive(&world, &lake, &mut Connection::default(), &Frame::Hello(Hello { committed: None, ..b.hello() }));
    assert_eq!(stamps(&lake), std::slice::from_ref(&of_a), "it has nothing, as far as anybody knows");
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(b.hello()));
    assert_eq!(stamps(&lake), [of_a.clone(), open.clone()]);
    drop(lake);
    let lake = world.open();
    assert_eq!(stamps(&lake), [of_a.clone(), open.clone()], "also after a restart");
    send_all(&world, &lake, &b);
    assert_eq!(stamps(&lake), [of_a.clone(), ("b".to_owned(), at_second(0).0)]);
    end(&world, &lake, &b);
    world.flush(&lake).unwrap();
    assert_eq!(stamps(&lake), std::slice::from_ref(&of_a), "it is gone");
    receive(&world, &lake, &mut connection, &Frame::Hello(Shard::with_rows("b", 3, 0..1).hello()));
    assert_eq!(stamps(&lake), [of_a, open], "and comes again");
}

#[test]
fn parts_of_a_first_transaction_say_that_there_is_one() {
    let world = World::new(54);
    let lake = world.open();
    let b = Shard::with_rows("b", 2, 0..1);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(Hello { committed: None, ..b.hello() }));
    let part = TransactionPart { lsn: Lsn::FIRST, part: 0, last: false, bytes: vec![0; 5] };
    receive(&world, &lake, &mut connection, &Frame::Changes(vec![part]));
    assert_eq!(stamps(&world.open()), [("b".to_owned(), i64::MIN)]);
}
