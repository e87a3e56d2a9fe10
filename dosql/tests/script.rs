//! Statements through the SQL front on a plain SQLite connection: what comes back, as JSON.

mod support;

use support::Session;

#[track_caller]
fn check(session: &mut Session, sql: &str, expected: &str) {
    assert_eq!(session.rows(sql), expected, "{sql}");
}

#[test]
fn rows_go_in_and_come_out_typed() {
    let mut session = Session::new();
    session.run("CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, amount numeric(10,2), paid boolean DEFAULT false, created_at timestamptz DEFAULT now())");
    session.run("INSERT INTO orders (id, customer, amount) VALUES (1, 'ada', 10.5), (9007199254740993, 'bob', -3.999)");
    check(
        &mut session,
        "SELECT * FROM orders ORDER BY id",
        r#"[["1","ada","10.50",false,"2025-01-14T00:00:00.000000Z"],["9007199254740993","bob","-4.00",false,"2025-01-14T00:00:00.000000Z"]]"#,
    );
    session.run("UPDATE orders SET paid = true, amount = amount * 2 WHERE customer = 'ada'");
    check(&mut session, "SELECT amount, paid FROM orders WHERE id = 1", r#"[["21.00",true]]"#);
    check(
        &mut session,
        "DELETE FROM orders WHERE amount < 0 RETURNING id, customer",
        r#"[["9007199254740993","bob"]]"#,
    );
    check(
        &mut session,
        "SELECT count(*), sum(amount), avg(id) FROM orders",
        r#"[["1","21.00","1.00000000000000000000"]]"#,
    );
}
