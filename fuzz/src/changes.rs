//! `changes`: change records and their parts, as shards write them and the lake reads them.

use lake_cdc::{Change, Transaction, Value, Writer, text};
use lake_cdc::{Column, ColumnId, ColumnType, Entry, Lsn, Micros, Numeric, Reader, Relation, Row, TableId};

use crate::seed::{Seeds, assert_reads_back, choice, chosen};

/// The first byte says what follows: a record, a relation, a type, values.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    match choice % 4 {
        0 => {
            if let Ok(transaction) = Transaction::decode(bytes) {
                let again = |bytes: &[u8]| Transaction::decode(bytes).ok().map(|transaction| transaction.encode());
                assert_reads_back(transaction.encode(), again);
                assert!(transaction.change_count() <= transaction.entries.len() as u64);
            }
        }
        1 => {
            if let Ok(relation) = Relation::decode(&mut Reader::new(bytes)) {
                let _ = std::hint::black_box(relation.has_hidden_key());
                assert_reads_back(written(|writer| relation.encode(writer)), |bytes| {
                    let relation = Relation::decode(&mut Reader::new(bytes)).ok()?;
                    Some(written(|writer| relation.encode(writer)))
                });
            }
        }
        2 => {
            if let Ok(column_type) = ColumnType::decode(&mut Reader::new(bytes)) {
                let _ = std::hint::black_box(column_type.pg_name());
                assert_reads_back(written(|writer| column_type.encode(writer)), |bytes| {
                    let column_type = ColumnType::decode(&mut Reader::new(bytes)).ok()?;
                    Some(written(|writer| column_type.encode(writer)))
                });
            }
        }
        _ => {
            let mut reader = Reader::new(bytes);
            while reader.remaining() > 0 {
                let Ok(value) = Value::decode(&mut reader) else { return };
                let _ = std::hint::black_box(text::print(&value));
                let _ = std::hint::black_box(written(|writer| value.encode_key(writer)));
                for wider in [ColumnType::Int4, ColumnType::Int8, ColumnType::Float8, ColumnType::Text] {
                    let _ = std::hint::black_box(value.clone().widen(&wider));
                }
                assert_reads_back(written(|writer| value.encode(writer)), |bytes| {
                    let value = Value::decode(&mut Reader::new(bytes)).ok()?;
                    Some(written(|writer| value.encode(writer)))
                });
            }
        }
    }
}

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_bytes()
}

/// Every type with a value of it.
pub(crate) fn types() -> Vec<(&'static str, ColumnType, Value)> {
    vec![
        ("b", ColumnType::Bool, Value::Bool(true)),
        ("i2", ColumnType::Int2, Value::Int2(i16::MIN)),
        ("i4", ColumnType::Int4, Value::Int4(i32::MAX)),
        ("i8", ColumnType::Int8, Value::Int8(i64::MIN)),
        ("f4", ColumnType::Float4, Value::Float4(f32::NAN)),
        ("f8", ColumnType::Float8, Value::Float8(-0.5)),
        ("money", ColumnType::Numeric { precision: 9, scale: 2 }, Value::Numeric(Numeric::new(-99_999, 2))),
        ("wide", ColumnType::NUMERIC, Value::Numeric(Numeric::new(10i128.pow(38) - 1, 9))),
        ("d", ColumnType::Date, Value::Date(-719_162)),
        ("t", ColumnType::Time, Value::Time(86_399_999_999)),
        ("ts", ColumnType::Timestamp, Value::Timestamp(-62_135_596_800_000_000)),
        ("tz", ColumnType::TimestampTz, Value::TimestampTz(253_402_300_799_999_999)),
        ("u", ColumnType::Uuid, Value::Uuid(*b"0123456789abcdef")),
        ("s", ColumnType::Text, Value::Text("\u{10FFFF}é".into())),
        ("v", ColumnType::Varchar(5), Value::Text("abcde".into())),
        ("y", ColumnType::Bytea, Value::Bytea(vec![0, 255, 0])),
        ("j", ColumnType::Jsonb, Value::Text("{\"a\": [1, 2.50]}".into())),
        (
            "l",
            ColumnType::Array(Box::new(ColumnType::Int4)),
            Value::Array(vec![Value::Int4(1), Value::Null, Value::Int4(i32::MIN)]),
        ),
    ]
}

/// A table with all types, a row that comes, changes and goes.
pub(crate) fn record(lsn: u64) -> Transaction {
    let types = types();
    let column = |(index, (name, column_type, _)): (usize, &(&str, ColumnType, Value))| Column {
        id: ColumnId(index as u32 + 1),
        name: (*name).to_owned(),
        former_names: if index == 0 { vec!["former".to_owned()] } else { Vec::new() },
        column_type: column_type.clone(),
        nullable: *name != "i8",
    };
    let table_id = TableId(7);
    let relation = Relation {
        table_id,
        name: "types".to_owned(),
        columns: types.iter().enumerate().map(column).collect(),
        key: vec![3],
    };
    let row = || Row(types.iter().map(|(_, _, value)| value.clone()).collect());
    let empty =
        Row(types.iter().map(|(name, _, value)| if *name == "i8" { value.clone() } else { Value::Null }).collect());
    let entries = vec![
        Entry::Relation(relation),
        Entry::Change(Change::Insert { table_id, after: row() }),
        Entry::Change(Change::Update { table_id, before: row(), after: empty.clone() }),
        Entry::Change(Change::Delete { table_id, before: empty }),
        Entry::Change(Change::Insert { table_id, after: row() }),
    ];
    Transaction { lsn: Lsn::new(lsn).expect("not zero"), stamp: Micros(1_760_000_000_000_000), entries }
}

/// A record, its relation, its types, its values.
pub fn seeds() -> Seeds {
    let record = record(1);
    let mut seeds = vec![chosen(0, "record", record.encode())];
    let mut dropped = record.clone();
    dropped.entries.push(Entry::DropTable(TableId(7)));
    seeds.push(chosen(0, "record-drop", dropped.encode()));
    if let Some(Entry::Relation(relation)) = record.entries.first() {
        seeds.push(chosen(1, "relation", written(|writer| relation.encode(writer))));
    }
    for (name, column_type, value) in types() {
        seeds.push(chosen(2, &format!("type-{name}"), written(|writer| column_type.encode(writer))));
        seeds.push(chosen(3, &format!("value-{name}"), written(|writer| value.encode(writer))));
    }
    seeds
}
