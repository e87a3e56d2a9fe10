//! What the lake would refuse for ever is refused by the shard, and nothing of it is kept.

use lake_cdc::limits::TRANSACTION_TABLES_MAX;

use crate::bench::Bench;

fn texts(statements: &[String]) -> Vec<&str> {
    statements.iter().map(String::as_str).collect()
}

#[test]
fn a_transaction_changes_a_hundred_tables_and_no_more() {
    let mut bench = Bench::new();
    let each = |sql: fn(usize) -> String, count: usize| (0..count).map(sql).collect::<Vec<_>>();
    let create = each(|at| format!("CREATE TABLE t{at} (id bigint PRIMARY KEY)"), TRANSACTION_TABLES_MAX + 1);
    bench.list(&texts(&create)).unwrap();
    let mut insert = each(|at| format!("INSERT INTO t{at} VALUES (1)"), TRANSACTION_TABLES_MAX + 1);
    assert_eq!(bench.list(&texts(&insert)).unwrap_err().0, "54000");
    assert_eq!(bench.rows("SELECT count(*) FROM t0"), "[[\"0\"]]");
    // What is rolled back does not count.
    insert.insert(0, "SAVEPOINT s".to_owned());
    insert.insert(2, "ROLLBACK TO s".to_owned());
    bench.list(&texts(&insert)).unwrap();
    assert_eq!(bench.last_entries().len(), TRANSACTION_TABLES_MAX);

    let mut drop = each(|at| format!("DROP TABLE t{at}"), TRANSACTION_TABLES_MAX + 1);
    assert_eq!(bench.list(&texts(&drop)).unwrap_err().0, "54000");
    drop.pop();
    bench.list(&texts(&drop)).unwrap();
}

#[test]
fn changes_of_a_table_count_as_its_rows_do() {
    let mut bench = Bench::new();
    let name = |at: usize| format!("a_column_with_as_long_a_name_as_it_can_have_in_postgres_{at:07}");
    let columns = (0..450).map(|at| format!("{} bigint", name(at))).collect::<Vec<_>>().join(", ");
    bench.run(&format!("CREATE TABLE t ({columns}, PRIMARY KEY ({}))", name(0)));
    let renames = (0..900)
        .map(|at| format!("ALTER TABLE t RENAME COLUMN {} TO {}", name(1 + at * 1_000), name(1 + (at + 1) * 1_000)));
    assert_eq!(bench.list(&texts(&renames.collect::<Vec<_>>())).unwrap_err().0, "54000");
    bench.run(&format!("ALTER TABLE t RENAME COLUMN {} TO again", name(1)));
}
