//! What a flush takes of the memory that it shares: not much more than what it writes, however many columns and tables
//! that has. A process is measured as a whole, because compressors are not of Rust: one of its own for each case.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::{env, fs};

use lake_cdc::{Change, ColumnType, Entry, Frame, Row, TransactionPart, Value};
use lake_dolake::Connection;
use support::shard::{Shard, column};
use support::{World, receive};

/// Set in the process of a case.
const CASE: &str = "LAKE_MEMORY_CASE";

/// Rows of a transaction, so that building them takes little.
const ROWS_AT_ONCE: i64 = 200;

/// What a flush may take besides the bytes of its tail: rows in columns, keys, metadata, and the files that the store of
/// these tests keeps.
const MIB: u64 = 48;

struct Case {
    tables: u32,
    columns: u32,
    rows: i64,
    kind: ColumnType,
    value: fn(i64, u32) -> Value,
}

/// Kilobytes of a line of the process' status.
fn status_kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A commit of the case takes no more memory than it may.
fn check(test: &str, case: Case) {
    if env::var(CASE).is_err() {
        let mut program = Command::new(env::current_exe().unwrap());
        let ran = program.args(["--exact", test, "--nocapture"]).env(CASE, test).output().unwrap();
        let output = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{output}");
        println!("{}", output.lines().find(|line| line.contains("of tail")).unwrap());
        return;
    }
    let world = World::new(70);
    let lake = world.open();
    let mut shard = Shard::new("a", 1);
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let Case { tables, columns, rows, kind, value } = case;
    for table in 0..tables {
        let kind_of = |id: u32| if id == 1 { ColumnType::Int8 } else { kind.clone() };
        let name = format!("t{table}");
        shard.relation(&name, (1..=columns).map(|id| column(id, &format!("c{id}"), kind_of(id))).collect());
        let table_id = shard.table_id(&name);
        for id in 0..rows {
            let values = (2..=columns).map(|column| value(id, column));
            let after = Row(std::iter::once(Value::Int8(id)).chain(values).collect());
            shard.entry(Entry::Change(Change::Insert { table_id, after }));
            if id % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 || id == rows - 1 {
                shard.commit();
                let sent = shard.log.last_mut().unwrap();
                let part = TransactionPart { lsn: sent.lsn, part: 0, last: true, bytes: sent.encode() };
                sent.entries = Vec::new();
                let reply = receive(&world, &lake, &mut connection, &Frame::Changes(vec![part])).replies;
                assert!(matches!(reply[..], [Frame::Accepted { .. }]), "{reply:?}");
            }
        }
    }
    let tail = lake.tail_bytes() >> 10;
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status_kib("VmRSS");
    assert_eq!(world.flush(&lake).unwrap().commits, 1);
    let taken = status_kib("VmHWM").saturating_sub(before) >> 10;
    println!("{tables} tables, {columns} columns, {rows} rows, {tail} KiB of tail: {taken} MiB");
    assert!(taken <= MIB + (tail >> 10), "{taken} MiB for {tail} KiB of tail");
}

fn number(id: i64, column: u32) -> Value {
    Value::Int4((id as i32).wrapping_mul(31) ^ column as i32)
}

fn text(id: i64, column: u32) -> Value {
    Value::Text(format!("{:x}", id * 7 + i64::from(column)))
}

fn nothing(_: i64, _: u32) -> Value {
    Value::Null
}

#[test]
fn many_numbers_in_a_row() {
    let case = Case { tables: 1, columns: 200, rows: 10_000, kind: ColumnType::Int4, value: number };
    check("many_numbers_in_a_row", case);
}

#[test]
fn as_many_numbers_in_a_row_as_there_may_be() {
    let case = Case { tables: 1, columns: 500, rows: 4_000, kind: ColumnType::Int4, value: number };
    check("as_many_numbers_in_a_row_as_there_may_be", case);
}

#[test]
fn as_many_texts_in_a_row_as_there_may_be() {
    let case = Case { tables: 1, columns: 500, rows: 2_600, kind: ColumnType::Text, value: text };
    check("as_many_texts_in_a_row_as_there_may_be", case);
}

#[test]
fn many_tables_with_rows_of_nothing() {
    let kind = ColumnType::Numeric { precision: 38, scale: 9 };
    let case = Case { tables: 30, columns: 80, rows: 2_000, kind, value: nothing };
    check("many_tables_with_rows_of_nothing", case);
}

#[test]
fn many_tables_with_many_rows() {
    let case = Case { tables: 30, columns: 20, rows: 3_000, kind: ColumnType::Int4, value: number };
    check("many_tables_with_many_rows", case);
}

#[test]
fn many_tables_with_a_row_each() {
    let case = Case { tables: 32, columns: 20, rows: 1, kind: ColumnType::Int4, value: number };
    check("many_tables_with_a_row_each", case);
}
