//! What one value may take of an isolate's memory: long texts, arrays and JSON are refused before they are taken apart.

mod support;

use serde_json::{Value as Json, json};
use support::Session;

/// Rows as JSON, or the SQLSTATE.
fn found(session: &mut Session, sql: &str, parameters: &[Json]) -> String {
    match session.execute(sql, parameters) {
        // What fails here is long.
        Ok(answer) => answer.rows.chars().take(100).collect(),
        Err(error) => error.sqlstate,
    }
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    assert_eq!(found(&mut Session::new(), sql, &[]), expected, "{sql}");
}

#[test]
fn an_array_has_at_most_so_many_elements_however_it_is_made() {
    let text = "repeat('a,', 75000)";
    check(&format!("SELECT cardinality(string_to_array({text}, NULL))"), "[[150000]]");
    check("SELECT cardinality(string_to_array(repeat('a', 16000000), NULL))", "54000");
    check("SELECT cardinality(string_to_array(repeat(',', 16000000), ','))", "54000");
    check(
        &format!("SELECT cardinality(array_append(a, 'a')) FROM (SELECT string_to_array({text}, NULL) AS a) AS x"),
        "54000",
    );
    check(
        &format!("SELECT cardinality(array_cat(a, a)) FROM (SELECT string_to_array({text}, NULL) AS a) AS x"),
        "54000",
    );
    check("SELECT cardinality(array_agg(i)) FROM generate_series(1, 160000) AS g(i)", "54000");
    check("SELECT cardinality(CAST('{' || repeat('1,', 200000) || '1}' AS integer[]))", "54000");
    let mut session = Session::new();
    let elements = Json::Array(vec![json!(1); 150_001]);
    assert_eq!(
        found(&mut session, "SELECT cardinality(CAST($1 AS integer[]))", std::slice::from_ref(&elements)),
        "54000"
    );
    session.run("CREATE TABLE t (a integer[])");
    assert_eq!(found(&mut session, "INSERT INTO t VALUES ($1)", &[elements]), "54000");
}

#[test]
fn a_jsonb_has_at_most_so_many_values_and_a_json_is_only_checked() {
    let list = "('[' || repeat('0,', 200000) || '0]')";
    check("SELECT length(CAST(CAST('[' || repeat('0,', 7000000) || '0]' AS json) AS text))", "[[14000003]]");
    check("SELECT CAST('[' || repeat('0,', 7000000) || '0]' AS jsonb)", "54000");
    check(&format!("SELECT length(CAST(CAST({list} AS jsonb) AS text))"), "[[600003]]");
    check(&format!("SELECT CAST({list} AS jsonb) || CAST({list} AS jsonb)"), "54000");
    check(&format!("SELECT jsonb_set(CAST({list} AS jsonb), '{{0}}', CAST({list} AS jsonb))"), "54000");
    check("SELECT length(CAST(json_agg(1) AS text)) FROM generate_series(1, 300000)", "[[900000]]");
    check("SELECT jsonb_agg(1) FROM generate_series(1, 300000)", "54000");
    let deep = "CAST(repeat('[', 129) || repeat(']', 129) AS jsonb)";
    check(&format!("SELECT jsonb_typeof({deep})"), r#"[["array"]]"#);
    check(&format!("SELECT jsonb_set('{{\"p\": 0}}', '{{p}}', {deep})"), "54001");
    check(&format!("SELECT jsonb_typeof(jsonb_set('{{\"p\": 0}}', '{{p}}', {deep} -> 0))"), r#"[["object"]]"#);
    check("SELECT jsonb_array_length(CAST('[' || repeat('1e1999,', 100000) || '0]' AS jsonb))", "54000");
    let mut session = Session::new();
    let text = json!(format!("[{}0]", "0,".repeat(5_000_000)));
    assert_eq!(found(&mut session, "SELECT json_typeof($1)", &[json!("[0]")]), r#"[["array"]]"#);
    session.run("CREATE TABLE t (a json, b jsonb)");
    assert_eq!(found(&mut session, "INSERT INTO t (a) VALUES ($1)", std::slice::from_ref(&text)), "[]");
    assert_eq!(found(&mut session, "INSERT INTO t (b) VALUES ($1)", &[text]), "54000");
    assert_eq!(found(&mut session, "SELECT json_typeof(a) FROM t", &[]), "54000");
}

#[test]
fn no_function_builds_a_text_longer_than_an_answer() {
    let long = "repeat('a', 9000000)";
    for text in [
        format!("concat({long}, {long})"),
        format!("concat_ws('-', {long}, {long})"),
        format!("overlay({long} PLACING {long} FROM 1 FOR 0)"),
        format!("overlay({long} PLACING 'x' FROM 9000000 FOR -8999999)"),
        format!("replace({long}, repeat('a', 4500001), repeat('b', 14000000))"),
        "translate(repeat('a', 6000000), 'a', '\u{20ac}')".to_owned(),
        "upper(repeat('\u{250}', 6000000))".to_owned(),
        "to_char(now(), repeat('US', 3000000))".to_owned(),
        "quote_literal(repeat('''', 9000000))".to_owned(),
        "quote_ident(repeat('\"', 9000000))".to_owned(),
        "array_to_string(string_to_array(repeat('a', 1000), NULL), repeat('-', 20000))".to_owned(),
        "jsonb_pretty(CAST(repeat('[', 120) || repeat('0,', 40000) || '0' || repeat(']', 120) AS jsonb))".to_owned(),
        "decode(repeat('ff', 8400000), 'hex')".to_owned(),
        format!("ARRAY[replace({long}, 'a', '\"')]"),
    ] {
        check(&format!("SELECT length(CAST({text} AS text))"), "54000");
    }
    for json in [
        "json_typeof(to_json(repeat(chr(1), 3000000)))".to_owned(),
        "jsonb_typeof(to_jsonb(repeat(chr(1), 3000000)))".to_owned(),
        "json_typeof(to_json(decode(repeat('ff', 8400000), 'hex')))".to_owned(),
        format!("json_typeof(json_build_array({long}, {long}))"),
        format!("jsonb_typeof(to_jsonb({long}) || to_jsonb({long}))"),
        format!("json_typeof(json_build_object('a', {long}, 'b', {long}))"),
    ] {
        check(&format!("SELECT {json}"), "54000");
    }
    check("SELECT length(string_agg('a', repeat('-', 6000000))) FROM generate_series(1, 4)", "54000");
    check("SELECT length(string_agg('a', repeat('-', 6000000))) FROM generate_series(1, 3)", "[[12000003]]");
    check(&format!("SELECT length(concat({long}, repeat('b', 7000000)))"), "[[16000000]]");
    check(&format!("SELECT length(overlay({long} PLACING 'x' FROM 3000000 FOR -2999999))"), "[[12000000]]");
    check("SELECT length(to_char(now(), repeat('US', 2000000)))", "[[12000000]]");
}

#[test]
fn an_answer_is_refused_where_its_values_together_are_too_long() {
    let long = "repeat('a', 9000000)";
    check(&format!("SELECT {long}, {long}"), "54000");
    check("SELECT repeat(chr(1), 3000000)", "54000");
    check("SELECT ARRAY[repeat(chr(1), 3000000)]", "54000");
    check("SELECT a || a FROM (SELECT decode(repeat('ff', 4200000), 'hex') AS a) AS x", "54000");
}

#[test]
fn long_texts_are_taken_apart_where_they_stand() {
    check(
        "SELECT split_part(repeat('a,', 8000000), ',', -2), split_part(repeat(',', 16000000), ',', 16000002)",
        r#"[["a",""]]"#,
    );
    check(
        "SELECT split_part('a,b', ',', 2), split_part('a,b', ',', -2), split_part('', ',', 1), split_part('ab', '', -1), split_part('ab', '', 2)",
        r#"[["b","a","","ab",""]]"#,
    );
    check("SELECT length(translate(repeat('ab', 1000), 'ab', 'x'))", "[[1000]]");
    check("SELECT repeat('a', 2000000) LIKE '%' || repeat('a', 1000000) || 'b'", "[[false]]");
    check("SELECT repeat('a', 2000000) LIKE '%' || repeat('a', 1000000) || 'b%'", "[[false]]");
    check("SELECT translate(repeat('a', 1000000), repeat('b', 1000000), '')", "57014");
    check("SELECT repeat('a', 2000000) ~ 'a{1000}b'", "57014");
    check("SELECT 'a' ~ repeat('a', 1000000)", "2201B");
    check("SELECT CAST(repeat('1 day ', 1000000) AS interval)", "22007");
}

#[test]
fn an_error_shows_the_beginning_of_a_long_text() {
    let mut session = Session::new();
    for sql in [
        "SELECT CAST(repeat('x', 1000000) AS integer)",
        "SELECT CAST(repeat('x', 1000000) AS numeric)",
        "SELECT repeat('a', 100000) ~ ('\\m' || repeat('x', 20000))",
    ] {
        let error = session.execute(sql, &[]).err().expect("is none");
        assert!(error.message.len() < 2_000, "{sql}: {}", error.message.len());
    }
}

#[test]
fn what_grows_with_the_square_is_charged() {
    let digits = "CAST(repeat('9', 19000) AS numeric)";
    check(&format!("SELECT sum(length(CAST({digits} AS text))) FROM generate_series(1, 3)"), r#"[["57000"]]"#);
    check(&format!("SELECT max({digits} + i) FROM generate_series(1, 1000) AS g(i)"), "57014");
    check("SELECT count(*) FROM generate_series(1, 2000) AS g(i) WHERE '' ~ (repeat('(a)', 95) || i)", "57014");
}

#[test]
fn aggregates_and_comparisons_of_numerics_are_charged_for_their_digits() {
    let digits = "CAST(repeat('9', 19000) AS numeric)";
    for aggregate in ["sum", "avg"] {
        // The value is computed once.
        let of = |value: &str, count: usize| {
            format!(
                "SELECT count(*) FROM (SELECT {aggregate}({value}) AS s FROM generate_series(1, {count}) AS g(i)) AS x WHERE s > 0"
            )
        };
        check(&of(digits, 20), r#"[["1"]]"#);
        check(&of(digits, 100), "57014");
        // A short value is added to a long sum.
        check(&of(&format!("CASE WHEN i = 1 THEN {digits} ELSE 1.5 END"), 300), "57014");
        let over = |value: &str, frame: &str, count: usize| {
            format!(
                "SELECT count(s) FROM (SELECT {aggregate}({value}) OVER (ORDER BY i {frame}) AS s FROM generate_series(1, {count}) AS g(i)) AS x"
            )
        };
        // What does not change is given with each row, and what a frame leaves is taken out of it.
        check(&over(&format!("CASE WHEN i = 1 THEN {digits} ELSE 0 END"), "", 300), "57014");
        check(&over(digits, "", 40), r#"[["40"]]"#);
        check(&over(digits, "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", 40), "57014");
    }
    // A comparison cannot fail, but what comes after it does.
    let compared = |count: usize| {
        format!(
            "SELECT length(repeat('a', 100 + CAST(count(*) AS integer))) FROM generate_series(1, {count}) AS g(i) WHERE CASE WHEN i > 0 THEN {digits} END < {digits}"
        )
    };
    check(&compared(100), "[[100]]");
    check(&compared(60_000), "57014");
}
