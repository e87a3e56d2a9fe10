//! Statements through the SQL front on a plain SQLite connection: what comes back, as JSON.

mod support;

use lake_cdc::{Numeric, Value};
use rusqlite::types::ValueRef;
use serde_json::{Value as Json, json};
use support::Session;

#[track_caller]
fn check(session: &mut Session, sql: &str, expected: &str) {
    assert_eq!(session.rows(sql), expected, "{sql}");
}

#[test]
fn what_an_aggregate_gathers_is_bounded() {
    let mut session = Session::new();
    let gathered = |session: &mut Session, elements: usize| {
        session.rows(&format!("SELECT cardinality(array_agg(repeat('x', 5000))) FROM generate_series(1, {elements})"))
    };
    assert_eq!(gathered(&mut session, 1_000), "[[1000]]");
    assert!(gathered(&mut session, 5_000).starts_with("54000"));
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

#[test]
fn an_update_cascades_into_columns_only_that_hold_what_comes() {
    let parent = |ty: &str| format!("CREATE TABLE p (id {ty} PRIMARY KEY)");
    let child = |ty: &str, rest: &str| format!("CREATE TABLE c (p_id {ty} REFERENCES p (id) {rest})");
    for (from, to, fits) in [
        ("numeric(10,4)", "numeric(10,2)", false),
        ("numeric(10,2)", "numeric(10,4)", false),
        ("numeric(12,2)", "numeric(10,2)", false),
        ("numeric(10,2)", "numeric(12,2)", true),
        ("numeric(10,2)", "numeric(10,2)", true),
        ("bigint", "integer", false),
        ("integer", "smallint", false),
        ("smallint", "bigint", true),
        ("varchar(9)", "varchar(8)", false),
        ("text", "varchar(8)", false),
        ("varchar(8)", "text", true),
    ] {
        let mut session = Session::new();
        session.run(&parent(from));
        let refused = session.rows(&child(to, "ON DELETE CASCADE ON UPDATE CASCADE"));
        assert_eq!(!refused.starts_with("0A000"), fits, "{from} to {to}: {refused}");
        if !fits {
            session.run(&child(to, "ON DELETE CASCADE ON UPDATE SET NULL"));
            let other = "CREATE TABLE d (a int, b ";
            let refused = session.rows(&format!("{other}{to}, FOREIGN KEY (b) REFERENCES p ON UPDATE CASCADE)"));
            assert!(refused.starts_with("0A000"), "{from} to {to}: {refused}");
        }
    }
}

#[track_caller]
fn check_with(session: &mut Session, sql: &str, parameters: &[Json], expected: &str) {
    let found = match session.execute(sql, parameters) {
        Ok(answer) => answer.rows,
        Err(error) => error.sqlstate,
    };
    assert_eq!(found, expected, "{sql} with {parameters:?}");
}

#[test]
fn parameters_take_the_type_of_their_place() {
    let mut session = Session::new();
    session.run(
        "CREATE TABLE p (id bigint PRIMARY KEY, n numeric(10,2), at timestamptz, j jsonb, a int[], u uuid, b bytea)",
    );
    let row = [
        json!("9007199254740993"),
        json!("1.005"),
        json!("2025-01-14T01:00:00+01:00"),
        json!({"b": 1, "a": [1.5]}),
        json!([1, null, "3"]),
        json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        json!("\\x00ff"),
    ];
    session.execute("INSERT INTO p VALUES (?, ?, ?, ?, ?, ?, ?)", &row).expect("a row");
    check(
        &mut session,
        "SELECT * FROM p",
        r#"[["9007199254740993","1.01","2025-01-14T00:00:00.000000Z",{"a":[1.5],"b":1},"{1,NULL,3}","a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","\\x00ff"]]"#,
    );
    check_with(
        &mut session,
        "SELECT id FROM p WHERE id = $1",
        &[json!("9007199254740993")],
        r#"[["9007199254740993"]]"#,
    );
    check_with(
        &mut session,
        "SELECT id FROM p WHERE id = ANY ($1)",
        &[json!([1, "9007199254740993"])],
        r#"[["9007199254740993"]]"#,
    );
    check_with(&mut session, "SELECT n + ? FROM p", &[json!("0.005")], r#"[["1.015"]]"#);
    check_with(&mut session, "SELECT $1::int + 1, $2::text", &[json!(41), json!("x")], r#"[[42,"x"]]"#);
    check_with(&mut session, "SELECT $1", &[json!("x")], r#"[["x"]]"#);
    check_with(&mut session, "SELECT 1 LIMIT $1", &[json!(0)], "[]");
    check_with(&mut session, "SELECT count(*) FROM p WHERE at >= now() - interval '24 hours'", &[], r#"[["1"]]"#);
    check_with(&mut session, "SELECT j ? 'a', j ? ? FROM p", &[json!("z")], "[[true,false]]");
    check_with(&mut session, "SELECT $1::float8", &[json!(0.1)], "[[0.1]]");
    check_with(&mut session, "SELECT id FROM p WHERE id = $1", &[json!("x")], "22P02");
    check_with(&mut session, "SELECT id FROM p WHERE id = $1", &[json!([1])], "42804");
    check_with(&mut session, "SELECT id FROM p WHERE id = $1", &[], "08P01");
    check_with(&mut session, "SELECT ? + $1", &[json!(1)], "42601");
    check_with(&mut session, "SELECT $1 + $2", &[json!(1), json!(2)], "42725");
}

#[test]
fn names_of_the_lake_cannot_be_taken() {
    let mut session = Session::new();
    for (sql, sqlstate) in [
        ("CREATE TABLE t (_key int)", "42939"),
        ("CREATE TABLE t (\"_LSN\" int)", "42939"),
        ("CREATE TABLE orders_history (id int)", "42939"),
        ("CREATE TABLE t (a int, \"A\" int)", "42939"),
        ("CREATE TABLE \"t\t\" (a int)", "42939"),
        ("CREATE TABLE \"..\" (a int)", "42939"),
        ("CREATE TABLE t (a text[], \"A.Element\" int)", "42939"),
        ("CREATE TABLE t (a interval)", "0A000"),
        ("CREATE TABLE t (a char(3))", "0A000"),
        ("CREATE TABLE t (a numeric(50,2))", "0A000"),
        ("CREATE TABLE t (a int) WITH (fillfactor = 70)", "22023"),
        ("CREATE TEMP TABLE t (a int)", "0A000"),
        ("CREATE VIEW v AS SELECT 1", "0A000"),
        ("BEGIN", "0A000"),
        ("SELECT 1; SELECT 2", "42601"),
        ("SELECT * FROM information_schema.tables", "0A000"),
        ("SELECT * FROM a.b.c", "0A000"),
        ("SELEC 1", "42601"),
    ] {
        assert_eq!(session.rows(sql).split(':').next(), Some(sqlstate), "{sql}");
    }
    session.run("CREATE TABLE \"T\" (a int)");
    assert_eq!(session.rows("CREATE TABLE t (a int)").split(':').next(), Some("42939"));
    session.run("CREATE TABLE u (a text[], \"b.element\" int)");
    for sql in [
        "ALTER TABLE u ADD COLUMN b int[]",
        "ALTER TABLE u ADD COLUMN \"a.element\" int",
        "ALTER TABLE u RENAME COLUMN a TO b",
        "ALTER TABLE u RENAME COLUMN \"b.element\" TO \"a.element\"",
    ] {
        assert_eq!(session.rows(sql).split(':').next(), Some("42939"), "{sql}");
    }
    session.run("ALTER TABLE u DROP COLUMN \"b.element\"");
    session.run("ALTER TABLE u RENAME COLUMN a TO b");
}

#[test]
fn the_change_log_reads_back_every_type_at_its_ends() {
    let mut session = Session::new();
    session.run(
        "CREATE TABLE e (id int8 PRIMARY KEY, i2 int2, i4 int4, n numeric(38,9), f4 float4, f8 float8, d date, tm time, \
         ts timestamp, tz timestamptz, u uuid, t text, b bytea, j json, jb jsonb, a text[], o boolean)",
    );
    session.run(
        "INSERT INTO e VALUES (-9223372036854775808, -32768, 2147483647, -99999999999999999999999999999.999999999, 'NaN', '-0', \
         '9999-12-31', '24:00', '0001-01-01 00:00:00', '9999-12-31 23:59:59.999999+00', \
         'ffffffff-ffff-ffff-ffff-ffffffffffff', '\u{1F600}', '\\x00', '{\"b\" : 1}', '{\"b\" : 1}', '{NULL,\"\"}', false)",
    );
    session.run("UPDATE e SET f8 = f8, n = n + 0, i4 = i4");
    let captured = session.catalog.captured("t1").expect("it is captured").clone();
    let mut statement = session.connection.prepare("SELECT * FROM t1").expect("a query");
    let mut rows = statement.query([]).expect("rows");
    let row = rows.next().expect("a step").expect("a row");
    let values = (0..17).map(|index| row.get_ref(index).expect("a value")).collect::<Vec<ValueRef<'_>>>();
    let row = captured.row(&values).expect("typed values").0;
    assert!(matches!(row[4], Value::Float4(value) if value.is_nan()));
    assert!(matches!(row[5], Value::Float8(value) if value == 0.0 && value.is_sign_negative()));
    let expected = [
        (0, Value::Int8(i64::MIN)),
        (1, Value::Int2(i16::MIN)),
        (2, Value::Int4(i32::MAX)),
        (3, Value::Numeric(Numeric::new(-(10i128.pow(38) - 1), 9))),
        (6, Value::Date(2_932_896)),
        (7, Value::Time(86_400_000_000)),
        (8, Value::Timestamp(-62_135_596_800_000_000)),
        (9, Value::TimestampTz(253_402_300_799_999_999)),
        (10, Value::Uuid([255; 16])),
        (11, Value::Text("\u{1F600}".to_owned())),
        (12, Value::Bytea(vec![0])),
        (13, Value::Text("{\"b\" : 1}".to_owned())),
        (14, Value::Text("{\"b\": 1}".to_owned())),
        (15, Value::Array(vec![Value::Null, Value::Text(String::new())])),
        (16, Value::Bool(false)),
    ];
    for (index, value) in expected {
        assert_eq!(row[index], value, "column {index}");
    }
    let relation = captured.relation();
    assert_eq!((relation.name.as_str(), relation.key.as_slice(), relation.columns.len()), ("e", &[0][..], 17));
}

#[test]
fn a_table_without_a_key_has_a_hidden_one_that_select_leaves_out() {
    let mut session = Session::new();
    session.run("CREATE TABLE h (a int)");
    session.run("CREATE TABLE off (a int) WITH (cdc = off)");
    session.run("INSERT INTO h VALUES (7)");
    check(&mut session, "SELECT * FROM h", "[[7]]");
    assert!(session.rows("SELECT _key FROM h").starts_with("42703"));
    let relation = session.catalog.captured("t1").expect("it is captured").relation();
    assert!(relation.has_hidden_key());
    assert!(session.catalog.captured("t2").is_none());
}

#[test]
fn a_schema_change_that_is_rolled_back_leaves_no_plan_behind() {
    let mut session = Session::new();
    session.run("CREATE TABLE a (x int)");
    session.run("INSERT INTO a VALUES (1)");
    check(&mut session, "SELECT * FROM a", "[[1]]");
    session.run("ALTER TABLE a ADD COLUMN y text DEFAULT 'd'");
    check(&mut session, "SELECT * FROM a", r#"[[1,"d"]]"#);
    session.run("ALTER TABLE a RENAME COLUMN y TO z");
    session.run("ALTER TABLE a DROP COLUMN x");
    check(&mut session, "SELECT * FROM a", r#"[["d"]]"#);
    let relation = session.catalog.captured("t1").expect("it is captured").relation().clone();
    assert_eq!(relation.columns[1].former_names, ["y"]);
    session.run("DROP TABLE a");
    assert!(session.rows("SELECT * FROM a").starts_with("42P01"));
}

#[test]
fn a_statement_that_is_too_deep_to_walk_is_refused() {
    // Frames of an unoptimised build are several times those of the module that runs.
    let walk = std::thread::Builder::new().stack_size(16 << 20).spawn(deep_statements).expect("a thread");
    walk.join().expect("nothing overflows");
}

fn deep_statements() {
    let mut session = Session::new();
    session.run("CREATE TABLE deep (a int, b text, c boolean)");
    session.run("INSERT INTO deep VALUES (1, 'x', true)");
    check(&mut session, &format!("SELECT a{} FROM deep", " + 1".repeat(150)), "[[151]]");
    check(&mut session, &format!("SELECT count(*) FROM deep WHERE a = 0{}", " OR a = 1".repeat(150)), r#"[["1"]]"#);
    check(&mut session, &format!("SELECT {}c FROM deep", "NOT ".repeat(40)), "[[true]]");
    check(&mut session, &format!("SELECT {}a{} FROM deep", "(".repeat(20), " + 1)".repeat(20)), "[[21]]");
    for statement in [
        format!("SELECT a{} FROM deep", " + 1".repeat(3_000)),
        format!("SELECT {}a{} FROM deep", "abs(".repeat(500), ")".repeat(500)),
        format!("SELECT {}1", "(SELECT ".repeat(200)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(500), " END".repeat(500)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(150)),
        format!("SELECT '1'{}", "::text".repeat(500)),
        format!("SELECT ARRAY[1]{}", "[1]".repeat(500)),
        format!(
            "WITH c0 AS (SELECT 1){} SELECT * FROM c999",
            (1..1_000).map(|at| format!(", c{at} AS (SELECT * FROM c{})", at - 1)).collect::<String>()
        ),
    ] {
        let outcome = session.rows(&statement);
        assert!(outcome.starts_with("54001") || outcome.starts_with("42"), "{outcome} {}", &statement[..60]);
    }
}
