//! Writes the tables of a small lake into a directory, for readers that are not ours: every type with its extreme
//! values, rows that were updated and deleted over several commits, a column that was renamed and one that came later.
//!
//! `cargo run -p lake-dolake --example write_tables -- DIRECTORY` prints the metadata locations, one a line.

#[path = "../tests/support/mod.rs"]
mod support;

use lake_cdc::{Change, Column, ColumnId, ColumnType, Entry, Numeric, Row, Value};
use support::shard::Shard;
use support::{World, send_all};

fn types() -> Vec<(&'static str, ColumnType, Vec<Value>)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let money = |unscaled| Value::Numeric(Numeric::new(unscaled, 2));
    let wide = |unscaled| Value::Numeric(Numeric::new(unscaled, 9));
    let digits = 10i128.pow(38) - 1;
    vec![
        ("b", ColumnType::Bool, vec![Value::Bool(true), Value::Bool(false)]),
        ("i2", ColumnType::Int2, vec![Value::Int2(i16::MIN), Value::Int2(i16::MAX)]),
        ("i4", ColumnType::Int4, vec![Value::Int4(i32::MIN), Value::Int4(i32::MAX)]),
        ("i8", ColumnType::Int8, vec![Value::Int8(i64::MIN), Value::Int8(i64::MAX)]),
        ("f4", ColumnType::Float4, vec![Value::Float4(f32::NAN), Value::Float4(-0.0), Value::Float4(f32::MAX)]),
        (
            "f8",
            ColumnType::Float8,
            vec![Value::Float8(f64::NAN), Value::Float8(-0.0), Value::Float8(f64::INFINITY), Value::Float8(f64::MIN)],
        ),
        ("money", ColumnType::Numeric { precision: 9, scale: 2 }, vec![money(-999_999_999), money(5)]),
        ("wide", ColumnType::NUMERIC, vec![wide(digits), wide(-digits), wide(1)]),
        ("d", ColumnType::Date, vec![Value::Date(-719_162), Value::Date(2_932_896)]),
        ("t", ColumnType::Time, vec![Value::Time(0), Value::Time(86_399_999_999)]),
        (
            "ts",
            ColumnType::Timestamp,
            vec![Value::Timestamp(-62_135_596_800_000_000), Value::Timestamp(253_402_300_799_999_999)],
        ),
        (
            "tz",
            ColumnType::TimestampTz,
            vec![Value::TimestampTz(-62_135_596_800_000_000), Value::TimestampTz(253_402_300_799_999_999)],
        ),
        ("u", ColumnType::Uuid, vec![Value::Uuid([0; 16]), Value::Uuid([0xff; 16]), Value::Uuid(*b"0123456789abcdef")]),
        ("s", ColumnType::Text, vec![text(""), text("\u{10FFFF}é"), text(&"x".repeat(1 << 20))]),
        ("v", ColumnType::Varchar(5), vec![text("abcde")]),
        ("y", ColumnType::Bytea, vec![Value::Bytea(vec![]), Value::Bytea(vec![0, 255, 0])]),
        ("j", ColumnType::Jsonb, vec![text("{\"a\": [1, 2.50]}")]),
        (
            "l",
            ColumnType::Array(Box::new(ColumnType::Int4)),
            vec![Value::Array(vec![]), Value::Array(vec![Value::Int4(1), Value::Null, Value::Int4(i32::MIN)])],
        ),
    ]
}

fn types_table(shard: &mut Shard) {
    let types = types();
    let column = |id: usize, name: &str, column_type: &ColumnType| Column {
        id: ColumnId(id as u32),
        name: name.into(),
        former_names: vec![],
        column_type: column_type.clone(),
        nullable: id != 1,
    };
    let mut columns = vec![column(1, "id", &ColumnType::Uuid)];
    columns.extend(types.iter().enumerate().map(|(index, (name, kind, _))| column(index + 2, name, kind)));
    shard.relation("types", columns);
    for number in 0..5u8 {
        let mut row = vec![Value::Uuid([number; 16])];
        row.extend(types.iter().map(|(_, _, values)| values.get(usize::from(number)).cloned().unwrap_or(Value::Null)));
        let table_id = shard.table_id("types");
        shard.entry(Entry::Change(Change::Insert { table_id, after: Row(row) }));
    }
    shard.commit();
}

fn main() {
    let directory = std::env::args().nth(1).expect("a directory");
    let root = std::path::absolute(directory).expect("an absolute path");
    let world = World::new(1);
    world.catalog.set_root(&format!("file://{}", root.display()));
    let lake = world.open();
    let flush = |shard: &Shard| {
        send_all(&world, &lake, shard);
        world.flush(&lake).expect("a flush");
    };
    let mut shard = Shard::with_rows("default", 1, 0..1_000);
    types_table(&mut shard);
    flush(&shard);
    for id in 0..400 {
        shard.put("orders", id, (id % 2 == 0).then_some("changed"));
    }
    shard.commit();
    flush(&shard);
    let renamed = Column {
        id: ColumnId(2),
        name: "remark".into(),
        former_names: vec!["note".into()],
        column_type: ColumnType::Text,
        nullable: true,
    };
    shard.relation("orders", vec![support::shard::column(1, "id", ColumnType::Int8), renamed]);
    for id in 300..500 {
        shard.put("orders", id, (id % 5 == 0).then_some("again"));
    }
    shard.commit();
    flush(&shard);
    flush(&Shard::with_rows("other", 2, 0..10));
    world.store.dump(std::path::Path::new("/")).expect("a directory that can be written");
    for name in ["orders", "orders_history", "types", "types_history"] {
        println!("{}", world.catalog.metadata_location("default", name).expect("a table"));
    }
}
