//! The page store under plain SQLite: commits, reopening, readers, failures, and the same answers as SQLite on its own.

use std::rc::Rc;

use lake_cdc::Micros;
use lake_host::WriteBatch;
use lake_test_host::MemoryStorage;
use proptest::prelude::*;
use rusqlite::Connection;

use super::Connections;
use crate::page_store::{Committed, PageError, PageStore, Sealed};
use crate::storage::counted::CountedStorage;
use crate::storage::keys::BranchId;
use crate::vfs::preupdate::{RowChange, RowObserver};

struct Nobody;

impl RowObserver for Nobody {
    fn wants(&self, _: &str) -> bool {
        false
    }
    fn row_changes(&self, _: &str, _: RowChange<'_>) {}
    fn image_failed(&self) {}
}

struct Database {
    connections: Connections,
    store: Rc<PageStore>,
}

fn open(storage: &MemoryStorage) -> Database {
    let storage = Rc::new(CountedStorage::new(storage.clone()));
    let store = Rc::new(PageStore::open(storage, BranchId::MAIN).expect("opens"));
    Database { connections: Connections::open(Rc::clone(&store), Rc::new(Nobody)).expect("connects"), store }
}

impl Database {
    fn transact(&self, sql: &str) -> Result<Committed, PageError> {
        self.connections.writer.execute_batch(&format!("BEGIN IMMEDIATE; {sql}; COMMIT")).expect(sql);
        self.store.commit(Sealed { stamp: Micros(1), record: b"record".to_vec(), extra: WriteBatch::new() })
    }

    fn lsn(&self) -> Option<u64> {
        self.store.committed().lsn.map(|lsn| lsn.get())
    }
}

fn integer(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

fn text(connection: &Connection, sql: &str) -> String {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

const ROWS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)";

#[test]
fn what_was_committed_is_there_after_reopening() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").expect("creates");
    database.transact("INSERT INTO t VALUES (1, 'one')").expect("inserts");
    assert_eq!(database.lsn(), Some(2));
    drop(database);
    let database = open(&storage);
    assert_eq!(database.lsn(), Some(2));
    assert_eq!(text(&database.connections.writer, "SELECT b FROM t"), "one");
    assert_eq!(text(&database.connections.reader, "SELECT b FROM t"), "one");
}

#[test]
fn a_small_commit_is_one_row_of_storage() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").expect("creates");
    storage.reset_counts();
    database.transact("INSERT INTO t VALUES (1, 'one')").expect("inserts");
    assert_eq!((storage.counts().applies, storage.counts().rows_written), (1, 1));
    assert!(storage.counts().bytes_written < 200, "{:?}", storage.counts());
}

#[test]
fn a_transaction_that_changes_nothing_takes_no_lsn() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a)").expect("creates");
    let committed = database.transact("DELETE FROM t WHERE a = 1").expect("deletes nothing");
    assert_eq!((committed, database.lsn()), (Committed::Nothing, Some(1)));
}

#[test]
fn what_sqlite_commits_alone_is_not_stored() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.connections.writer.execute_batch("CREATE TABLE t (a)").expect("creates");
    assert_eq!(database.lsn(), None);
    assert!(storage.rows().is_empty());
}

#[test]
fn a_transaction_larger_than_the_caches_commits_and_rolls_back() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").expect("creates");
    let fill = format!("{ROWS} INSERT INTO t SELECT i, hex(zeroblob(500)) || i FROM n");
    database.transact(&fill).expect("inserts");
    let writer = &database.connections.writer;
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE t SET b = hex(zeroblob(600)); ROLLBACK").expect("rolls back");
    database.store.discard();
    let check = "SELECT count(*) || ' ' || sum(length(b)) FROM t";
    let before = text(writer, check);
    assert_eq!(text(writer, "PRAGMA integrity_check"), "ok");
    drop(database);
    let database = open(&storage);
    assert_eq!(text(&database.connections.writer, check), before);
    assert_eq!(text(&database.connections.reader, "PRAGMA integrity_check"), "ok");
}

#[test]
fn a_reader_sees_every_commit_and_no_open_transaction() {
    let database = open(&MemoryStorage::new());
    database.transact("CREATE TABLE t (a)").expect("creates");
    let Connections { writer, reader, .. } = &database.connections;
    for count in 1..=5 {
        database.transact(&format!("INSERT INTO t VALUES ({count})")).expect("inserts");
        assert_eq!(integer(reader, "SELECT count(*) FROM t"), count);
    }
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (9)").expect("inserts");
    assert_eq!(integer(reader, "SELECT count(*) FROM t"), 5);
    writer.execute_batch("ROLLBACK").expect("rolls back");
}

#[test]
fn a_reader_writes_nothing_whatever_it_is_asked() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)").expect("commits");
    let reader = &database.connections.reader;
    for sql in
        ["INSERT INTO t VALUES (2)", "DELETE FROM t", "DROP TABLE t", "CREATE TABLE u (a)", "PRAGMA user_version=7"]
    {
        let refused = reader.execute_batch(sql).expect_err("is refused");
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly), "{sql}: {refused}");
    }
    assert_eq!(integer(reader, "SELECT count(*) FROM t"), 1);
}

#[test]
fn a_reader_in_the_middle_of_a_statement_keeps_its_position_through_images() {
    let database = open(&MemoryStorage::new());
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").expect("creates");
    database.transact(&format!("{ROWS} INSERT INTO t SELECT i, hex(zeroblob(200)) FROM n")).expect("inserts");
    let mut statement = database.connections.reader.prepare("SELECT length(b) FROM t ORDER BY a").expect("prepares");
    let mut rows = statement.query([]).expect("starts");
    assert!(rows.next().expect("a row").is_some());
    for round in 0..4 {
        database.transact(&format!("UPDATE t SET b = hex(zeroblob({}))", 210 + round)).expect("updates");
    }
    let mut count = 1;
    while let Some(row) = rows.next().expect("reads") {
        assert_eq!(row.get::<_, i64>(0).expect("an integer"), 400);
        count += 1;
    }
    assert_eq!(count, 3000);
    drop(rows);
    drop(statement);
    assert_eq!(integer(&database.connections.reader, "SELECT min(length(b)) FROM t"), 426);
    database.transact("UPDATE t SET b = 1 WHERE a = 1").expect("updates");
    let pages = integer(&database.connections.reader, "PRAGMA page_count");
    assert!(database.store.resident_pages().0 as i64 <= pages, "old versions are gone");
}

#[test]
fn the_log_after_the_images_is_bounded_and_old_images_are_removed() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").expect("creates");
    for round in 0..2_100 {
        let sql = format!("INSERT INTO t VALUES (1, {round}) ON CONFLICT (a) DO UPDATE SET b = {round}");
        database.transact(&sql).expect("writes");
    }
    assert_eq!(storage.keys(b"p").len(), 2, "one image of each page");
    drop(database);
    storage.reset_counts();
    let database = open(&storage);
    assert!(storage.counts().rows_read < 1_100, "{:?}", storage.counts());
    assert_eq!(integer(&database.connections.reader, "SELECT b FROM t"), 2_099);
}

#[test]
fn a_failed_apply_leaves_what_was_there() {
    let storage = MemoryStorage::new();
    let database = open(&storage);
    database.transact("CREATE TABLE t (a)").expect("creates");
    storage.fail_next_apply();
    assert!(database.transact("INSERT INTO t VALUES (1)").is_err());
    drop(database);
    let database = open(&storage);
    assert_eq!(database.lsn(), Some(1));
    assert_eq!(integer(&database.connections.writer, "SELECT count(*) FROM t"), 0);
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..400i64, 0..3_000usize).prop_map(|(a, length)| format!(
            "INSERT INTO t VALUES ({a}, hex(zeroblob({length}))) ON CONFLICT (a) DO UPDATE SET b = b || {a}"
        )),
        (0..400i64, 0..400i64).prop_map(|(from, to)| format!("DELETE FROM t WHERE a BETWEEN {from} AND {to}")),
        (0..400i64).prop_map(|a| format!("UPDATE t SET b = substr(b, 1, 10) || {a} WHERE a % 7 = {a} % 7")),
        Just(format!("{ROWS} INSERT OR IGNORE INTO t SELECT i + 1000, i FROM n")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_statements_answer_as_sqlite_alone_does(
        transactions in prop::collection::vec(
            (prop::collection::vec(statement(), 1..4), prop::bool::weighted(0.8), prop::bool::weighted(0.2)),
            1..25,
        ),
    ) {
        let storage = MemoryStorage::new();
        let mut database = open(&storage);
        let model = Connection::open_in_memory().expect("opens");
        let create = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX t_b ON t (b)";
        database.transact(create).expect("creates");
        model.execute_batch(create).expect("creates");
        for (statements, commits, reopens) in transactions {
            let sql = statements.join(";");
            if commits {
                database.transact(&sql).expect("commits");
                model.execute_batch(&sql).expect("commits");
            } else {
                let rolled_back = format!("BEGIN IMMEDIATE; {sql}; ROLLBACK");
                database.connections.writer.execute_batch(&rolled_back).expect("rolls back");
            }
            database.store.discard();
            if reopens {
                database = open(&storage);
            }
            let check = "SELECT count(*) || ' ' || coalesce(group_concat(a || b ORDER BY a), '') FROM t";
            let expected = text(&model, check);
            prop_assert_eq!(&text(&database.connections.writer, check), &expected);
            prop_assert_eq!(&text(&database.connections.reader, check), &expected);
        }
        prop_assert_eq!(text(&database.connections.reader, "PRAGMA integrity_check"), "ok");
    }
}
