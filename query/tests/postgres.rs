//! SQL on the lake answers as Postgres does: types, names, rounding, errors.

mod world;

use lake_cdc::TailOperation::Insert;
use serde_json::json;
use world::World;

fn orders() -> World {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 5), (2, Insert, "a", 2, "ink", 7), (3, Insert, "a", 3, "pad", -4)]);
    world
}

/// The type and the value of the one column and row, or the code of the refusal.
fn check(cases: &[(&str, &str, serde_json::Value)]) {
    let world = orders();
    let mut wrong = Vec::new();
    for (sql, expected_type, expected) in cases {
        let found = match world.ask(&json!({"sql": format!("SELECT {sql}")})) {
            Ok(answer) => {
                (answer["columns"][0]["type"].as_str().unwrap_or_default().to_owned(), answer["rows"][0][0].clone())
            }
            Err(error) => (error.split(' ').next().unwrap_or_default().to_owned(), json!(error)),
        };
        if found.0 != *expected_type || (found.1 != *expected && !expected.is_null()) {
            wrong.push(format!("{sql}: {} {}, not {expected_type} {expected}", found.0, found.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_have_postgres_types_and_digits() {
    check(&[
        ("1", "int4", json!(1)),
        ("-1", "int4", json!(-1)),
        ("3000000000", "int8", json!("3000000000")),
        ("1 + 1", "int4", json!(2)),
        ("7 / 2", "int4", json!(3)),
        ("-7 / 2", "int4", json!(-3)),
        ("-7 % 3", "int4", json!(-1)),
        ("7.0 / 2", "numeric", json!("3.5000000000000000")),
        ("1.5 + 2", "numeric", json!("3.5")),
        ("1.50 * 2.0", "numeric", json!("3.000")),
        ("2147483647 + 1", "22003", json!(null)),
        ("1 / 0", "22012", json!(null)),
        ("1.0 / 0", "22012", json!(null)),
        ("1::float8 / 0", "22012", json!(null)),
        ("'1e308'::float8 * 10", "22003", json!(null)),
        ("1::float8 / 3", "float8", json!(0.3333333333333333)),
        ("2 ^ 10", "float8", json!(1024.0)),
        ("round(2.5)", "numeric", json!("3")),
        ("round(2.5::float8)", "float8", json!(2.0)),
        ("round(2.345, 2)", "numeric", json!("2.35")),
        ("2.5::int", "int4", json!(3)),
        ("2.5::float8::int", "int4", json!(2)),
        ("'12'::int8 + 1", "int8", json!("13")),
        ("'12' + 1", "int4", json!(13)),
        ("'x' + 1", "22P02", json!(null)),
        ("abs(-5)", "int4", json!(5)),
        ("mod(7, 4)", "int4", json!(3)),
        ("1::numeric(10,2)", "numeric", json!("1.00")),
        ("123.456::numeric(4,1)", "numeric", json!("123.5")),
        ("1234.5::numeric(4,1)", "22003", json!(null)),
        ("1.0 = 1.00", "bool", json!(true)),
        ("1 < 1.5", "bool", json!(true)),
        ("0.1::float8 + 0.2::float8", "float8", json!(0.30000000000000004)),
        ("9223372036854775807", "int8", json!("9223372036854775807")),
        ("-(5 - 7)", "int4", json!(2)),
        ("NULL", "text", json!(null)),
        ("NULL + 1", "int4", json!(null)),
    ]);
}

#[test]
fn aggregates_have_postgres_types_and_digits() {
    check(&[
        ("count(*) FROM orders", "int8", json!("3")),
        ("sum(qty) FROM orders", "int8", json!("8")),
        ("sum(qty::int8) FROM orders", "numeric", json!("8")),
        ("avg(qty) FROM orders", "numeric", json!("2.6666666666666667")),
        ("avg(qty::float8) FROM orders", "float8", json!(8.0 / 3.0)),
        ("round(avg(qty), 2) FROM orders", "numeric", json!("2.67")),
        ("sum(qty * 1.5) FROM orders", "numeric", json!("12.0")),
        ("avg(qty) > 2 FROM orders", "bool", json!(true)),
        ("min(item) FROM orders", "text", json!("ink")),
        ("count(DISTINCT qty) FROM orders WHERE id > 1", "int8", json!("2")),
        ("count(*) FILTER (WHERE qty > 0) FROM orders", "int8", json!("2")),
        ("string_agg(item, ',' ORDER BY item) FROM orders", "text", json!("ink,pad,pen")),
        ("array_agg(id ORDER BY id) FROM orders", "_int4", json!("{1,2,3}")),
        ("bool_and(qty > 0) FROM orders", "bool", json!(false)),
        ("coalesce(sum(qty), 0) FROM orders WHERE id > 9", "int8", json!("0")),
        ("sum(item) FROM orders", "42883", json!(null)),
        ("item, count(*) FROM orders", "42803", json!(null)),
        ("row_number() OVER (ORDER BY qty) FROM orders ORDER BY id", "int8", json!("2")),
        (
            "avg(qty) OVER (ORDER BY id ROWS 1 PRECEDING) FROM orders ORDER BY id DESC",
            "numeric",
            json!("1.5000000000000000"),
        ),
        ("lag(item) OVER (ORDER BY id) FROM orders ORDER BY id DESC", "text", json!("ink")),
    ]);
}

#[test]
fn texts_behave_as_in_postgres() {
    check(&[
        ("'a' || 'b'", "text", json!("ab")),
        ("'a' || 1", "text", json!("a1")),
        ("'a' || NULL", "text", json!(null)),
        ("1 || 1", "42883", json!(null)),
        ("upper(item) FROM orders WHERE id = 1", "text", json!("PEN")),
        ("length('häh')", "int4", json!(3)),
        ("substring('hello' from 2 for 3)", "text", json!("ell")),
        ("substr('hello', 0, 3)", "text", json!("he")),
        ("trim(both 'x' from 'xxaxx')", "text", json!("a")),
        ("position('l' in 'hello')", "int4", json!(3)),
        ("left('hello', -1)", "text", json!("hell")),
        ("split_part('a,b,c', ',', -1)", "text", json!("c")),
        ("concat('a', NULL, 1, true)", "text", json!("a1t")),
        ("true::text", "text", json!("true")),
        ("'abc' ~ '^A'", "bool", json!(false)),
        ("'abc' ~* '^A'", "bool", json!(true)),
        ("'abc' ~ '('", "2201B", json!(null)),
        ("item ~ (item || '(') FROM orders WHERE id = 1", "2201B", json!(null)),
        ("item ~ (item || '(overflow') FROM orders WHERE id = 1", "2201B", json!(null)),
        ("'abc' ~ repeat('a{999}{999}', 9)", "2201B", json!(null)),
        ("regexp_replace('abc', repeat('a{999}{999}', 9), '')", "2201B", json!(null)),
        ("'abc' ILIKE 'A%'", "bool", json!(true)),
        ("item LIKE '%n' FROM orders WHERE id = 1", "bool", json!(true)),
        ("1 LIKE '1'", "42883", json!(null)),
        ("regexp_replace('abcabc', 'b(.)', '<\\1>', 'g')", "text", json!("a<c>a<c>")),
        ("lpad('7', 3, '0')", "text", json!("007")),
        ("'abc'::varchar(2)", "varchar", json!("ab")),
        ("nosuch('a')", "42883", json!(null)),
        ("initcap('hello wORLD')", "text", json!("Hello World")),
    ]);
}

#[test]
fn times_behave_as_in_postgres() {
    check(&[
        (
            "count(DISTINCT user_id) AS active FROM (VALUES ('2025-01-15'::date, 1)) AS events(date, user_id) WHERE date = CURRENT_DATE",
            "int8",
            json!("1"),
        ),
        ("now()", "timestamptz", json!("2025-01-15T00:00:00.000000Z")),
        ("CURRENT_DATE", "date", json!("2025-01-15")),
        ("CURRENT_DATE - 1", "date", json!("2025-01-14")),
        ("DATE '2024-03-01' - DATE '2024-02-01'", "int4", json!(29)),
        ("now() - INTERVAL '24 hours'", "timestamptz", json!("2025-01-14T00:00:00.000000Z")),
        ("DATE '2024-01-31' + INTERVAL '1 month'", "timestamp", json!("2024-02-29T00:00:00.000000")),
        ("TIMESTAMP '2024-01-02 03:04:05' - TIMESTAMP '2024-01-01 00:00:00'", "interval", json!("1 day 03:04:05")),
        ("date_trunc('hour', TIMESTAMP '2024-01-02 03:04:05')", "timestamp", json!("2024-01-02T03:00:00.000000")),
        ("date_trunc('week', DATE '2024-01-03')", "timestamptz", json!("2024-01-01T00:00:00.000000Z")),
        ("extract(year FROM DATE '2024-01-03')", "numeric", json!("2024")),
        ("extract(second FROM TIMESTAMP '2024-01-02 03:04:05.5')", "numeric", json!("5.500000")),
        ("extract(epoch FROM TIMESTAMP '1970-01-02')", "numeric", json!("86400.000000")),
        ("date_part('dow', DATE '2024-01-07')", "float8", json!(0.0)),
        ("age(TIMESTAMP '2024-03-01', TIMESTAMP '2024-01-31')", "interval", json!("1 mon 1 day")),
        ("INTERVAL '1 day' * 1.5", "interval", json!("1 day 12:00:00")),
        ("INTERVAL '1 mon' = INTERVAL '30 days'", "bool", json!(true)),
        ("'2024-01-01'::date < '2024-01-02'", "bool", json!(true)),
        ("'2024-13-01'::date", "22008", json!(null)),
        ("(TIMESTAMP '2024-01-02 03:04:05')::text", "text", json!("2024-01-02 03:04:05")),
        ("TIMESTAMP '2024-01-02 03:04:05' AT TIME ZONE 'UTC'", "timestamptz", json!("2024-01-02T03:04:05.000000Z")),
        ("count(*) FROM orders WHERE _commit_timestamp <= '1970-01-01T00:00:02Z'", "int8", json!("2")),
    ]);
}

#[test]
fn tables_of_with_are_bounded_in_number_and_depth() {
    let world = World::new();
    let chain = |count: usize| {
        let tables: Vec<String> = (1..count).map(|at| format!("t{at} AS (SELECT * FROM t{})", at - 1)).collect();
        format!("WITH t0 AS (SELECT 1 AS n), {} SELECT * FROM t{}", tables.join(", "), count - 1)
    };
    let nested = |depth: usize| format!("{}SELECT 1{}", "WITH a AS (".repeat(depth), ") SELECT * FROM a".repeat(depth));
    let is_too_complex = |sql: String| world.rows(&sql).is_err_and(|error| error.starts_with("54001"));
    assert!(!is_too_complex(chain(15)) && is_too_complex(chain(51)));
    assert!(!is_too_complex(nested(4)) && is_too_complex(nested(9)) && is_too_complex(nested(40)));
}

#[test]
fn a_statement_has_a_budget() {
    let all = "orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, orders i, orders j";
    let sql = format!(
        "SELECT sum(a.qty + r.qty) FROM {all}, orders k, orders l, orders m, orders n, orders o, orders p, orders q, orders r"
    );
    let found = orders().ask(&json!({"sql": sql})).map_err(|error| error[..5].to_owned());
    assert_eq!(found, Err("57014".to_owned()));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT sum(i) FROM n";
    let found = orders().ask(&json!({"sql": endless})).map_err(|error| error[..5].to_owned());
    assert_eq!(found, Err("57014".to_owned()));
}

#[test]
fn conditions_take_one_type() {
    check(&[
        ("CASE WHEN qty > 5 THEN 'many' ELSE 'few' END FROM orders WHERE id = 2", "text", json!("many")),
        ("CASE id WHEN 1 THEN 1.5 ELSE 2 END FROM orders ORDER BY id", "numeric", json!("1.5")),
        ("CASE WHEN true THEN 1 ELSE 'x' END", "22P02", json!(null)),
        ("CASE WHEN true THEN 1 ELSE now() END", "42804", json!(null)),
        ("CASE WHEN id = 1 THEN 0 ELSE 1 / (id - 1) END FROM orders ORDER BY id", "int4", json!(0)),
        ("coalesce(NULL, 2)", "int4", json!(2)),
        ("nullif(1, 1)", "int4", json!(null)),
        ("greatest(1, 2.5, NULL)", "numeric", json!("2.5")),
        ("count(*) FROM orders WHERE id IN ('1', '2')", "int8", json!("2")),
        ("count(*) FROM orders WHERE id IN (1, 2.0)", "int8", json!("2")),
        ("count(*) FROM orders WHERE id = ANY(ARRAY[1, 3])", "int8", json!("2")),
        ("count(*) FROM orders WHERE id BETWEEN 2 AND 3", "int8", json!("2")),
        ("count(*) FROM orders WHERE id NOT BETWEEN 2 AND 3", "int8", json!("1")),
        ("count(*) FROM orders WHERE id = 'x'", "22P02", json!(null)),
        ("count(*) FROM orders WHERE item = 1", "42883", json!(null)),
        ("1 IS DISTINCT FROM NULL", "bool", json!(true)),
        ("(SELECT qty FROM orders)", "21000", json!(null)),
        ("(SELECT max(qty) FROM orders)", "int4", json!(7)),
        ("(SELECT item FROM orders WHERE id = 9)", "text", json!(null)),
        ("(SELECT count(*) FROM orders i WHERE i.id = o.id) FROM orders o WHERE o.id = 2", "int8", json!("1")),
        ("(SELECT count(*) FROM orders i WHERE i.qty < o.qty) FROM orders o WHERE o.id = 2", "0A000", json!(null)),
        ("EXISTS (SELECT 1 FROM orders WHERE id = 1)", "bool", json!(true)),
        ("id FROM orders WHERE qty = (SELECT max(qty) FROM orders)", "int4", json!(2)),
        ("1 UNION ALL SELECT 2", "int4", json!(1)),
        (
            "count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n) s",
            "0A000",
            json!(null),
        ),
        ("x FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y) ORDER BY x DESC", "int4", json!(2)),
        ("'{\"a\": {\"b\": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 1", "text", json!("2")),
        ("'{\"a\": 1}'::jsonb", "jsonb", json!({"a": 1})),
        ("'{\"a\": 1}'::jsonb ? 'a'", "bool", json!(true)),
        ("'{\"a\": 1, \"b\": 2}'::jsonb @> '{\"b\": 2}'", "bool", json!(true)),
        ("ARRAY[1, 2]", "_int4", json!("{1,2}")),
    ]);
}

#[test]
fn columns_are_named_as_postgres_names_them() {
    let world = orders();
    for (sql, expected) in [
        (
            "SELECT count(*), count(id), sum(qty), 1, 1 + 1, id::int8 FROM orders GROUP BY id",
            vec!["count", "count", "sum", "?column?", "?column?", "id"],
        ),
        ("SELECT date_trunc('day', now()), 'a' AS \"A b\", now()", vec!["date_trunc", "A b", "now"]),
        ("SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.id", vec!["id", "id"]),
        ("SELECT * FROM orders", vec!["id", "item", "qty"]),
        ("SELECT count FROM (SELECT count(*) FROM orders) s", vec!["count"]),
        ("SELECT current_date, CURRENT_TIMESTAMP", vec!["current_date", "current_timestamp"]),
    ] {
        let answer = world.ask(&json!({"sql": sql})).expect(sql);
        let names: Vec<&str> =
            answer["columns"].as_array().expect("columns").iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(names, expected, "{sql}");
    }
}

#[test]
fn parameters_take_the_type_of_what_they_meet() {
    let world = orders();
    for (sql, params, expected) in [
        ("SELECT item FROM orders WHERE id = ?", json!([2]), json!([["ink"]])),
        ("SELECT item FROM orders WHERE id = ?", json!(["2"]), json!([["ink"]])),
        ("SELECT item FROM orders WHERE item = $1 AND id < $2", json!(["pen", 5]), json!([["pen"]])),
        ("SELECT id FROM orders WHERE id = ANY($1) ORDER BY id", json!([[1, 3]]), json!([[1], [3]])),
        ("SELECT id FROM orders ORDER BY id LIMIT $1 OFFSET $2", json!([1, "1"]), json!([[2]])),
        ("SELECT $1::numeric + 1", json!(["1.25"]), json!([["2.25"]])),
        ("SELECT id FROM orders WHERE item = $1", json!([null]), json!([])),
        ("SELECT -qty FROM orders WHERE qty = $1", json!([-4]), json!([[4]])),
    ] {
        let answer = world.ask(&json!({"sql": sql, "params": params}));
        assert_eq!(answer.map(|answer| answer["rows"].clone()), Ok(expected), "{sql}");
    }
}

#[test]
fn clauses_work_together() {
    let world = orders();
    for (sql, expected) in [
        ("SELECT item FROM orders ORDER BY qty DESC NULLS LAST LIMIT 2", json!([["ink"], ["pen"]])),
        ("SELECT id FROM orders WHERE id = 1 UNION SELECT id FROM orders WHERE id < 3 ORDER BY id", json!([[1], [2]])),
        ("SELECT id FROM orders EXCEPT SELECT 2 ORDER BY 1", json!([[1], [3]])),
        (
            "WITH big AS (SELECT * FROM orders WHERE qty > 0) SELECT count(*) FROM big b JOIN orders USING (id)",
            json!([["2"]]),
        ),
        ("SELECT qty > 0, count(*) FROM orders GROUP BY 1 ORDER BY 1", json!([[false, "1"], [true, "2"]])),
        ("SELECT DISTINCT qty > 0 AS positive FROM orders ORDER BY positive", json!([[false], [true]])),
        ("SELECT item, sum(qty) FROM orders GROUP BY item HAVING sum(qty) > 5", json!([["ink", "7"]])),
        (
            "SELECT o.id, p.id FROM orders o LEFT JOIN orders p ON p.id = o.id + 1 ORDER BY o.id",
            json!([[1, 2], [2, 3], [3, null]]),
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n ORDER BY i",
            json!([[1], [2], [3]]),
        ),
        ("SELECT default_orders.id FROM \"default\".orders AS default_orders WHERE id = 1", json!([[1]])),
    ] {
        assert_eq!(world.rows(sql), Ok(expected.to_string()), "{sql}");
    }
}
