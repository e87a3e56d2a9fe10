//! Whatever columns are called and whatever becomes of them, a flush can build the tables: one that cannot stops the rows
//! of all shards.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::{Change, Column, ColumnType, Entry, Row, Value};
use proptest::prelude::*;
use proptest::sample::select;
use support::shard::{Shard, column};
use support::{World, send_all};

/// Adds a row to a table of any columns.
fn insert(shard: &mut Shard, table: &str, id: i64, columns: usize) {
    let mut values = vec![Value::Int8(id)];
    values.resize(columns, Value::Null);
    let table_id = shard.table_id(table);
    shard.entry(Entry::Change(Change::Insert { table_id, after: Row(values) }));
}

fn id() -> Column {
    column(1, "id", ColumnType::Int8)
}

fn list() -> ColumnType {
    ColumnType::Array(Box::new(ColumnType::Text))
}

#[test]
fn a_column_that_looks_like_a_dropped_one_stops_nobody() {
    let world = World::new(60);
    let lake = world.open();
    let mut shard = Shard::new("a", 1);
    let lookalike = || column(3, "x__11", ColumnType::Text);
    for columns in [
        vec![id(), column(2, "x", ColumnType::Text), lookalike()],
        vec![id(), lookalike()],
        vec![id(), lookalike(), column(4, "x", ColumnType::Int4)],
    ] {
        shard.relation("orders", columns);
        shard.commit();
    }
    insert(&mut shard, "orders", 1, 3);
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    assert_eq!(support::read::rows(&world, "default", "orders_history").len(), 1);
}

#[test]
fn a_table_that_no_catalog_can_have_stops_itself_only() {
    for (name, columns) in [
        ("orders", vec![id(), column(2, "tags", list()), column(3, "tags.element", ColumnType::Text)]),
        ("orders", vec![id(), column(2, "a", ColumnType::Text), column(3, "A", ColumnType::Text)]),
        ("a\u{1f}", vec![id(), column(2, "a", ColumnType::Text), column(3, "b", ColumnType::Text)]),
    ] {
        let world = World::new(61);
        let lake = world.open();
        let mut shard = Shard::new("a", 1);
        shard.relation(name, columns);
        insert(&mut shard, name, 1, 3);
        shard.commit();
        send_all(&world, &lake, &shard);
        send_all(&world, &lake, &Shard::with_rows("b", 2, 0..2));
        world.flush(&lake).unwrap();
        assert_eq!(lake.status().unwrap()["deadLetters"], "1");
        assert_eq!(support::read::rows(&world, "default", "orders").len(), 2);
    }
}

const NAMES: [&str; 16] = [
    "x",
    "X",
    "x__11",
    "x__12",
    "X__11_",
    "x__11__11",
    "x.element",
    "x__11.element",
    "x.element__13",
    "element",
    "_commit_timestamp_day",
    "_shard",
    "_Position",
    "ä",
    "Ä",
    "\u{1}\"\\",
];

fn types() -> impl Strategy<Value = ColumnType> {
    select(vec![ColumnType::Text, ColumnType::Int4, ColumnType::Int8, list()])
}

/// What a shard does to a table: columns to drop, to rename and to add.
fn steps() -> impl Strategy<Value = Vec<(bool, u8, u8, Vec<(&'static str, ColumnType)>)>> {
    let step =
        (any::<bool>(), any::<u8>(), any::<u8>(), prop::collection::vec((select(NAMES.to_vec()), types()), 0..3));
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_flush_holds_whatever_shards_do_to_their_columns(steps in steps()) {
        let world = World::new(62);
        let lake = world.open();
        let mut shards = [Shard::new("a", 1), Shard::new("b", 2)];
        let mut columns = [vec![id()], vec![id()]];
        for (number, (second, drop, rename, added)) in steps.into_iter().enumerate() {
            let (shard, columns) = (&mut shards[usize::from(second)], &mut columns[usize::from(second)]);
            columns.retain(|column| column.id.0 == 1 || column.id.0 % 5 != u32::from(drop % 8));
            if let Some(column) = columns.get_mut(1 + usize::from(rename % 4)) {
                let name = NAMES[usize::from(rename) % NAMES.len()].to_owned();
                column.former_names.push(std::mem::replace(&mut column.name, name));
            }
            for (index, (name, column_type)) in added.into_iter().enumerate() {
                columns.push(column((number * 4 + index) as u32 + 2, name, column_type));
            }
            shard.relation("orders", columns.clone());
            insert(shard, "orders", number as i64, columns.len());
            shard.commit();
            send_all(&world, &lake, shard);
            prop_assert!(world.flush(&lake).is_ok(), "{:?}", world.flush(&lake));
        }
        let letters = lake.status().unwrap()["deadLetters"].as_str().unwrap().parse::<u64>().unwrap();
        let rows = support::read::rows(&world, "default", "orders_history").len() as u64;
        let sent = shards.iter().map(|shard| shard.log.len() as u64).sum::<u64>();
        prop_assert_eq!(rows + letters, sent);
    }
}
