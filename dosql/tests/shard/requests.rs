//! Requests and their answers.

use serde_json::{Value, json};

use crate::bench::Bench;

fn table() -> Bench {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (id bigint PRIMARY KEY, note text)");
    bench
}

#[test]
fn an_answer_has_columns_rows_count_command_position_and_time() {
    let mut bench = table();
    let answer = bench.send(r#"{"sql": "INSERT INTO t VALUES ($1, $2) RETURNING id", "params": [1, "a"]}"#, None);
    let answer = answer.expect("inserts");
    assert_eq!(answer["columns"], json!([{"name": "id", "type": "int8"}]));
    assert_eq!(answer["rows"], json!([["1"]]));
    assert_eq!((&answer["rowCount"], &answer["command"], &answer["lsn"]), (&json!(1), &json!("INSERT"), &json!("2")));
    assert_eq!(answer["committedAt"], "2025-01-14T00:00:00.002000Z");
}

#[test]
fn a_read_says_as_of_which_transaction_it_is_true() {
    let mut bench = table();
    bench.run("INSERT INTO t VALUES (1, 'a')");
    let answer = bench.run("SELECT note FROM t");
    assert_eq!((&answer["lsn"], &answer["committedAt"]), (&json!("2"), &json!("2025-01-14T00:00:00.002000Z")));
}

#[test]
fn a_list_is_answered_by_a_list_and_sees_its_own_writes() {
    let mut bench = table();
    let answer = bench.list(&["INSERT INTO t VALUES (1, 'a')", "SELECT count(*) FROM t"]).expect("works");
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer["results"][1]["rows"], json!([["1"]]));
    assert_eq!((&answer["lsn"], &answer["results"][0]["command"]), (&json!("2"), &json!("INSERT")));
}

#[test]
fn a_list_that_only_reads_takes_no_position() {
    let mut bench = table();
    let answer = bench.list(&["SELECT 1", "SAVEPOINT s", "SELECT count(*) FROM t"]).expect("works");
    assert_eq!(answer["lsn"], "1");
    assert_eq!(bench.position("committed"), Some(1));
}

#[test]
fn tables_made_and_dropped_in_one_list_leave_the_database_as_it_was() {
    let mut bench = Bench::new();
    bench
        .list(&["CREATE TABLE a (id bigint)", "SAVEPOINT s", "CREATE TABLE b (id bigint)", "ROLLBACK TO s"])
        .expect("works");
    assert_eq!(bench.code("SELECT * FROM b"), "42P01");
    assert_eq!(bench.rows("SELECT count(*) FROM a"), r#"[["0"]]"#);
}

#[test]
fn bodies_that_are_none_are_refused() {
    let mut bench = table();
    for body in ["", "null", r#"{"statements": []}"#, r#"{"sql": 1}"#] {
        assert_eq!(bench.send(body, None).map_err(|(code, _)| code), Err("invalid".to_owned()), "{body}");
    }
}

#[test]
fn a_statement_without_end_is_cancelled() {
    let mut bench = table();
    bench.run("CREATE TABLE many (id integer)");
    bench.run("INSERT INTO many SELECT * FROM generate_series(1, 1000)");
    let endless = "FROM many a, many b, many c, many d";
    assert_eq!(bench.code(&format!("SELECT count(*) {endless}")), "57014");
    assert_eq!(bench.code(&format!("INSERT INTO t SELECT count(*), 'a' {endless}")), "57014");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["0"]]"#);
}

#[test]
fn an_answer_over_its_limit_is_refused() {
    let mut bench = table();
    let note = "x".repeat(2 << 20);
    for id in 0..9 {
        bench.run(&format!("INSERT INTO t VALUES ({id}, '{note}')"));
    }
    assert_eq!(bench.code("SELECT note FROM t"), "54000");
    assert!(bench.sql("SELECT note FROM t LIMIT 7").is_ok());
}

#[test]
fn the_status_counts_what_storage_was_asked() {
    let mut bench = table();
    let before = bench.shard.status().expect("exists")["storage"]["rowsWritten"].as_u64();
    bench.run("INSERT INTO t VALUES (1, 'a')");
    let after = bench.shard.status().expect("exists")["storage"]["rowsWritten"].as_u64();
    assert_eq!(before.map(|rows| rows + 1), after);
}

#[test]
fn the_same_seed_and_time_give_the_same_bytes() {
    let run = || {
        let mut bench = table();
        bench.run("CREATE TABLE u (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now())");
        for _ in 0..20 {
            bench.run("INSERT INTO u DEFAULT VALUES");
        }
        bench.storage.rows()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_database_of_many_pages_reads_the_same_after_a_restart() {
    let mut bench = table();
    for block in 0..12 {
        let rows = (0..500)
            .map(|row| format!("({}, '{}')", block * 500 + row, "n".repeat(900 + row % 50)))
            .collect::<Vec<_>>();
        bench.run(&format!("INSERT INTO t VALUES {}", rows.join(",")));
    }
    let question = "SELECT count(*), sum(length(note)), min(id), max(id) FROM t";
    let answer = bench.rows(question);
    bench.restart();
    assert_eq!(bench.rows(question), answer);
    let memory = bench.shard.status().expect("exists")["memory"].clone();
    assert!(memory["unimagedPages"].as_u64().is_some_and(|pages| pages <= 1_024), "{memory}");
    assert_ne!(bench.position("imaged"), None);
    let Value::Array(rows) = &bench.run("SELECT note FROM t WHERE id = 5999")["rows"] else { panic!("rows") };
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_transaction_over_the_memory_of_a_shard_is_refused_and_nothing_changes() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE q (id bigint PRIMARY KEY, note text) WITH (cdc = off)");
    let note = "x".repeat(2 << 20);
    let insert = |id: i32| format!("INSERT INTO q VALUES ({id}, '{note}')");
    bench.run(&insert(0));
    // By statements that spill, and by one whose pages come all at once with the commit.
    let statements = (1..11).map(insert).collect::<Vec<_>>();
    let refused = bench.list(&statements.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.map_err(|(code, _)| code), Err("54000".to_owned()));
    let copies = "INSERT INTO q SELECT g.i, note FROM q CROSS JOIN generate_series(1, 12) AS g(i)";
    assert_eq!(bench.code(copies), "54000");
    assert_eq!(bench.rows("SELECT count(*) FROM q"), r#"[["1"]]"#);
    bench.run("INSERT INTO q VALUES (1, 'fine')");
    bench.restart();
    assert_eq!(bench.rows("SELECT count(*) FROM q"), r#"[["2"]]"#);
}

#[test]
fn statements_of_postgres_that_are_not_supported_are_told_from_typing_errors() {
    let mut bench = table();
    for (sql, name) in [
        ("DO $$ BEGIN DELETE FROM t; END $$", "DO"),
        ("COPY t FROM STDIN", "COPY"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("GRANT SELECT ON t TO bob", "GRANT"),
        ("VACUUM t", "VACUUM"),
        ("CREATE UNLOGGED TABLE u (id int)", "CREATE UNLOGGED"),
        ("EXPLAIN (ANALYZE) DELETE FROM t", "EXPLAIN with options"),
        ("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", "EXPLAIN with options"),
    ] {
        let refused = bench.sql(sql).expect_err("is not supported");
        assert_eq!(refused, ("0A000".to_owned(), format!("{name} is not supported")), "{sql}");
    }
    assert_eq!(bench.code("SELECT 1 FORM t"), "42601");
    for form in [
        "TEMP TABLE u (id int)",
        "TABLE u (id int) ON COMMIT DROP",
        "TABLE u AS SELECT 1",
        "TABLE u (LIKE t)",
        "TABLE u (id int) INHERITS (t)",
        "TABLE u (id int) PARTITION BY RANGE (id)",
        "OR REPLACE TABLE u (id int)",
        "EXTERNAL TABLE u (id int)",
        "TABLE u (id int) STRICT",
        "TABLE u (id int) WITHOUT ROWID",
        "TABLE u (id int) COMMENT 'x'",
    ] {
        let code = bench.code(&format!("CREATE {form}"));
        assert!(code == "0A000" || code == "42601", "{form}: {code}");
    }
    bench.run("CREATE TABLE \"Like\" (\"like\" int)");
}
