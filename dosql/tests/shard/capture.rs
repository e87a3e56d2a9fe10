//! What the change log says happened.

use lake_cdc::{Change, Entry, Row, Value};

use crate::bench::Bench;

/// `+` inserted, `~` updated, `-` deleted, `R` a relation, `D` a dropped table.
fn shape(entries: &[Entry]) -> String {
    let texts = entries.iter().map(|entry| match entry {
        Entry::Relation(relation) => {
            let columns = relation.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>();
            format!("R {}({})", relation.name, columns.join(","))
        }
        Entry::Change(Change::Insert { after, .. }) => format!("+{}", row(after)),
        Entry::Change(Change::Update { before, after, .. }) => format!("~{}{}", row(before), row(after)),
        Entry::Change(Change::Delete { before, .. }) => format!("-{}", row(before)),
        Entry::DropTable(_) => "D".to_owned(),
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn row(row: &Row) -> String {
    let values = row.0.iter().map(|value| match value {
        Value::Null => "null".to_owned(),
        value => lake_cdc::text::print(value),
    });
    format!("({})", values.collect::<Vec<_>>().join(","))
}

fn table() -> Bench {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (id bigint PRIMARY KEY, note text)");
    bench.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    bench
}

fn check(sql: &str, expected: &str) {
    let mut bench = table();
    bench.run(sql);
    assert_eq!(shape(&bench.last_entries()), expected, "{sql}");
}

fn check_list(statements: &[&str], expected: &str) {
    let mut bench = table();
    bench.list(statements).unwrap_or_else(|error| panic!("{statements:?}: {error:?}"));
    assert_eq!(shape(&bench.last_entries()), expected, "{statements:?}");
}

#[test]
fn each_row_change_has_its_images() {
    check("INSERT INTO t VALUES (3, NULL)", "+(3,null)");
    check("UPDATE t SET note = 'c' WHERE id = 1", "~(1,a)(1,c)");
    check("DELETE FROM t WHERE id = 2", "-(2,b)");
    check("INSERT INTO t VALUES (2, 'c') ON CONFLICT (id) DO UPDATE SET note = excluded.note", "~(2,b)(2,c)");
}

#[test]
fn a_change_of_the_key_is_a_delete_and_an_insert() {
    check("UPDATE t SET id = 9 WHERE id = 1", "-(1,a) +(9,a)");
}

#[test]
fn truncate_is_a_delete_of_every_row() {
    check("TRUNCATE t", "-(1,a) -(2,b)");
    check("DELETE FROM t", "-(1,a) -(2,b)");
}

#[test]
fn a_table_is_announced_before_its_rows_and_its_end_is_said() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (id bigint PRIMARY KEY, note text)");
    assert_eq!(shape(&bench.last_entries()), "R t(id,note)");
    bench.run("DROP TABLE t");
    assert_eq!(shape(&bench.last_entries()), "D");
}

#[test]
fn schema_changes_are_in_position() {
    check_list(
        &["INSERT INTO t VALUES (3, 'c')", "ALTER TABLE t RENAME COLUMN note TO remark", "DELETE FROM t WHERE id = 3"],
        "+(3,c) R t(id,remark) -(3,c)",
    );
    check("ALTER TABLE t ADD COLUMN n integer", "R t(id,note,n)");
    check_list(&["ALTER TABLE t DROP COLUMN note", "INSERT INTO t VALUES (4)"], "R t(id) +(4)");
}

#[test]
fn a_column_with_a_default_is_the_column_and_an_update_of_every_row() {
    check("ALTER TABLE t ADD COLUMN n integer DEFAULT 7", "R t(id,note,n) ~(1,a,null)(1,a,7) ~(2,b,null)(2,b,7)");
}

#[test]
fn a_table_without_a_key_travels_with_a_hidden_one() {
    let mut bench = Bench::new();
    bench.list(&["CREATE TABLE e (note text)", "INSERT INTO e VALUES ('a'), ('a')"]).expect("works");
    let entries = bench.last_entries();
    let Some(Entry::Relation(relation)) = entries.first() else { panic!("{entries:?}") };
    assert!(relation.has_hidden_key());
    bench.run("DELETE FROM e");
    let key = relation.key[0];
    let entries = bench.last_entries();
    let keys = entries.iter().map(|entry| match entry {
        Entry::Change(change) => change.row().0[key].clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(keys.collect::<Vec<_>>(), [Value::Int8(1), Value::Int8(2)]);
}

#[test]
fn tables_without_capture_leave_no_trace() {
    let mut bench = table();
    bench.list(&["CREATE TABLE q (id bigint) WITH (cdc = off)", "INSERT INTO q VALUES (1)"]).expect("works");
    assert_eq!(shape(&bench.last_entries()), "");
    bench.run("UPDATE q SET id = 2");
    assert_eq!(shape(&bench.last_entries()), "");
    assert_eq!(bench.position("committed"), Some(4));
}

#[test]
fn cascades_of_foreign_keys_are_changes_too() {
    let mut bench = table();
    bench.run("CREATE TABLE c (id bigint PRIMARY KEY, t_id bigint REFERENCES t (id) ON DELETE CASCADE)");
    bench.run("INSERT INTO c VALUES (10, 1), (11, 2)");
    bench.run("DELETE FROM t WHERE id = 1");
    let mut texts = shape(&bench.last_entries()).split(' ').map(str::to_owned).collect::<Vec<_>>();
    texts.sort();
    assert_eq!(texts, ["-(1,a)", "-(10,1)"]);
}

#[test]
fn what_a_savepoint_takes_back_did_not_happen() {
    check_list(
        &[
            "INSERT INTO t VALUES (3, 'c')",
            "SAVEPOINT s",
            "INSERT INTO t VALUES (4, 'd')",
            "ALTER TABLE t ADD COLUMN n integer",
            "ROLLBACK TO s",
            "INSERT INTO t VALUES (5, 'e')",
            "RELEASE s",
            "DELETE FROM t WHERE id = 3",
        ],
        "+(3,c) +(5,e) -(3,c)",
    );
}

#[test]
fn savepoints_of_one_name_shadow_each_other() {
    check_list(
        &[
            "SAVEPOINT s",
            "INSERT INTO t VALUES (3, 'c')",
            "SAVEPOINT s",
            "INSERT INTO t VALUES (4, 'd')",
            "ROLLBACK TO s",
            "RELEASE s",
            "INSERT INTO t VALUES (5, 'e')",
        ],
        "+(3,c) +(5,e)",
    );
    let mut bench = table();
    let refused = bench.list(&["SAVEPOINT s", "RELEASE s", "ROLLBACK TO s"]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("3B001".to_owned()));
}

/// The log and the table agree on what `statements` did.
fn check_savepoints(statements: &[&str], expected: &str, rows: &str) {
    let mut bench = table();
    bench.list(statements).unwrap_or_else(|error| panic!("{statements:?}: {error:?}"));
    assert_eq!(shape(&bench.last_entries()), expected, "{statements:?}");
    assert_eq!(bench.rows("SELECT id FROM t WHERE id > 2 ORDER BY id"), rows, "{statements:?}");
}

#[test]
fn savepoints_whose_names_differ_in_case_are_two() {
    check_savepoints(
        &[
            "SAVEPOINT \"A\"",
            "INSERT INTO t VALUES (3, 'c')",
            "SAVEPOINT a",
            "INSERT INTO t VALUES (4, 'd')",
            "ROLLBACK TO \"A\"",
            "INSERT INTO t VALUES (5, 'e')",
        ],
        "+(5,e)",
        r#"[["5"]]"#,
    );
    check_savepoints(
        &[
            "SAVEPOINT a",
            "INSERT INTO t VALUES (3, 'c')",
            "SAVEPOINT \"A\"",
            "INSERT INTO t VALUES (4, 'd')",
            "RELEASE a",
            "INSERT INTO t VALUES (5, 'e')",
        ],
        "+(3,c) +(4,d) +(5,e)",
        r#"[["3"],["4"],["5"]]"#,
    );
    let mut bench = table();
    let refused = bench.list(&["SAVEPOINT a", "INSERT INTO t VALUES (3, 'c')", "ROLLBACK TO \"A\""]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("3B001".to_owned()));
}

#[test]
fn a_savepoint_that_was_rolled_back_to_can_be_rolled_back_to_again() {
    let mut bench = table();
    let statements = [
        "SAVEPOINT s",
        "INSERT INTO t VALUES (3, 'c')",
        "SAVEPOINT s",
        "INSERT INTO t VALUES (4, 'd')",
        "SAVEPOINT u",
        "ROLLBACK TO s",
        "INSERT INTO t VALUES (5, 'e')",
        "ROLLBACK TO s",
        "RELEASE s",
        "INSERT INTO t VALUES (6, 'f')",
        "ROLLBACK TO s",
        "INSERT INTO t VALUES (7, 'g')",
    ];
    bench.list(&statements).expect("works");
    assert_eq!(shape(&bench.last_entries()), "+(7,g)");
    assert_eq!(bench.rows("SELECT id FROM t ORDER BY id"), r#"[["1"],["2"],["7"]]"#);
    assert_eq!(
        bench.list(&["SAVEPOINT s", "SAVEPOINT u", "ROLLBACK TO s", "RELEASE u"]).map_err(|(code, _)| code),
        Err("3B001".to_owned())
    );
}

#[test]
fn a_statement_that_fails_half_way_takes_its_transaction_with_it() {
    let mut bench = table();
    let refused = bench.list(&["INSERT INTO t VALUES (3, 'c')", "INSERT INTO t VALUES (4, 'd'), (1, 'again')"]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("23505".to_owned()));
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["2"]]"#);
    assert_eq!(bench.log().len(), 2);
}

#[test]
fn a_schema_change_that_is_rolled_back_is_forgotten() {
    let mut bench = table();
    let refused = bench.list(&["CREATE TABLE u (id bigint PRIMARY KEY)", "SELECT nothing"]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("42703".to_owned()));
    assert_eq!(bench.code("SELECT * FROM u"), "42P01");
    bench.run("CREATE TABLE u (id bigint PRIMARY KEY)");
    assert_eq!(shape(&bench.last_entries()), "R u(id)");
}

#[test]
fn a_record_over_its_limit_is_refused_and_nothing_changes() {
    let mut bench = table();
    let row = "x".repeat(1 << 20);
    for id in 10..16 {
        bench.run(&format!("INSERT INTO t VALUES ({id}, '{row}')"));
    }
    // Before and after images of six rows of a megabyte are twelve; of nine, eighteen.
    bench.run("UPDATE t SET note = note || 'y' WHERE id >= 10");
    for id in 16..19 {
        bench.run(&format!("INSERT INTO t VALUES ({id}, '{row}')"));
    }
    assert_eq!(bench.code("UPDATE t SET note = note || 'z' WHERE id >= 10"), "54000");
    assert_eq!(bench.rows("SELECT count(*) FROM t WHERE note LIKE '%z'"), r#"[["0"]]"#);
    bench.run("INSERT INTO t VALUES (99, 'fine')");
}

#[test]
fn a_transaction_of_too_many_changes_is_refused_however_small_they_are() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE n (id bigint PRIMARY KEY)");
    let (code, message) = bench.sql("INSERT INTO n SELECT * FROM generate_series(1, 400001)").expect_err("too many");
    assert_eq!(code, "54000");
    assert!(message.contains("150000 row changes"), "{message}");
    assert_eq!(bench.rows("SELECT count(*) FROM n"), r#"[["0"]]"#);
    bench.run("INSERT INTO n SELECT * FROM generate_series(1, 150000)");
}

#[test]
fn the_log_is_the_table_after_any_restart() {
    let mut bench = table();
    for id in 3..40 {
        bench.run(&format!("INSERT INTO t VALUES ({id}, 'n{id}')"));
        if id % 7 == 0 {
            bench.run(&format!("UPDATE t SET id = id + 1000 WHERE id = {id}"));
            bench.restart();
        }
    }
    let mut rows = std::collections::BTreeMap::new();
    for entry in bench.log().into_iter().flat_map(|transaction| transaction.entries) {
        let Entry::Change(change) = entry else { continue };
        let key = lake_cdc::text::print(&change.row().0[0]);
        match change {
            Change::Insert { after, .. } | Change::Update { after, .. } => {
                rows.insert(key, lake_cdc::text::print(&after.0[1]));
            }
            Change::Delete { .. } => {
                rows.remove(&key);
            }
        }
    }
    let stored = bench.run("SELECT id, note FROM t");
    let stored = stored["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (row[0].as_str().expect("an id").to_owned(), row[1].as_str().expect("a note").to_owned()));
    assert_eq!(stored.collect::<std::collections::BTreeMap<_, _>>(), rows);
}
