//! What was rolled back leaves nothing behind, in memory neither: the next request is answered for itself.

use crate::bench::Bench;

fn values(ids: std::ops::Range<u32>, bytes: usize) -> String {
    ids.map(|id| format!("({id}, '{}')", "x".repeat(bytes))).collect::<Vec<_>>().join(",")
}

/// A shard whose file has many free pages.
fn emptied() -> Bench {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE t (id bigint PRIMARY KEY, note text)");
    for block in 0..6 {
        bench.run(&format!("INSERT INTO t VALUES {}", values(block * 500..(block + 1) * 500, 1_000)));
    }
    bench.run("DELETE FROM t");
    bench
}

#[test]
fn a_rollback_of_pages_that_were_free_is_not_the_failure_of_the_next_request() {
    let mut bench = emptied();
    let rows = values(10_000..13_000, 1_000);
    let refused = bench.list(&[&format!("INSERT INTO t VALUES {rows}"), "INSERT INTO t VALUES (10000, 'again')"]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("23505".to_owned()));
    assert_eq!(bench.code("INSERT INTO t VALUES (1, 'a'), (1, 'b')"), "23505");

    let refused = bench.list(&[&format!("INSERT INTO t VALUES {rows}"), "INSERT INTO t VALUES (10000, 'again')"]);
    assert_eq!(refused.map_err(|(code, _)| code), Err("23505".to_owned()));
    assert_eq!(bench.run("UPDATE t SET note = note WHERE id = 1")["rowCount"], 0);
    bench.run(&format!("INSERT INTO t VALUES {rows}"));
    bench.restart();
    assert_eq!(bench.rows("SELECT count(*), sum(length(note)) FROM t"), r#"[["3000","3000000"]]"#);
}

#[test]
fn a_statement_that_is_cancelled_after_pages_left_the_cache_says_so() {
    let mut bench = emptied();
    bench.run("CREATE TABLE n (id integer PRIMARY KEY)");
    bench.run("INSERT INTO n SELECT * FROM generate_series(1, 300)");
    let endless = "(SELECT count(*) FROM n a, n b, n c, n d)";
    let sql = format!(
        "INSERT INTO t SELECT id + 20000, repeat('y', 1000) FROM generate_series(1, 3000) AS g(id) UNION ALL SELECT 1, CAST({endless} AS text)"
    );
    assert_eq!(bench.code(&sql), "57014");
    assert_eq!(bench.code("SELECT 1 / x.n FROM (SELECT 0 AS n) AS x FOR UPDATE"), "22012");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), r#"[["0"]]"#);
}

#[test]
fn a_write_after_one_of_too_many_pages_is_answered_as_what_it_is() {
    for options in ["WITH (cdc = off)", ""] {
        let mut bench = Bench::new();
        bench.run(&format!("CREATE TABLE q (id bigint PRIMARY KEY, note text) {options}"));
        for block in 0..24 {
            bench.run(&format!("INSERT INTO q VALUES {}", values(block * 100..(block + 1) * 100, 8_000)));
        }
        assert_eq!(bench.code("UPDATE q SET note = note || 'z'"), "54000", "{options}");
        let before = bench.position("committed");
        let answer = bench.run("INSERT INTO q VALUES (100000, 'fine')");
        assert_eq!(answer["lsn"].as_str().and_then(|lsn| lsn.parse().ok()), before.map(|lsn| lsn + 1), "{options}");
        assert_eq!(bench.code("INSERT INTO q VALUES (100000, 'again')"), "23505", "{options}");
        bench.restart();
        assert_eq!(bench.rows("SELECT count(*) FROM q"), r#"[["2401"]]"#, "{options}");
    }
}
