//! The loader's statement: many rows of parameters in one INSERT, the same text again and again.

mod support;

use serde_json::{Value as Json, json};
use support::Session;

const ROWS: usize = 500;

const FLIGHTS: &str = "CREATE TABLE flights (id bigint PRIMARY KEY, year int, month int, day int, dep_time int, sched_dep_time int, \
    dep_delay double precision, arr_time int, arr_delay double precision, carrier text, flight int, tailnum text, origin text, \
    dest text, air_time double precision, distance numeric(10,1), cancelled boolean, note jsonb, time_hour timestamptz)";

fn statement() -> String {
    let rows = (0..ROWS).map(|row| {
        let places = (1..=19).map(|column| format!("${}", row * 19 + column)).collect::<Vec<_>>();
        format!("({})", places.join(","))
    });
    format!("INSERT INTO flights VALUES {}", rows.collect::<Vec<_>>().join(","))
}

fn parameters(batch: usize) -> Vec<Json> {
    let mut all = Vec::new();
    for row in 0..ROWS {
        let id = (batch * ROWS + row) as i64;
        all.extend([
            json!(id.to_string()),
            json!(2013),
            json!(1),
            json!(1),
            json!(517),
            json!(515),
            json!(2.5),
            json!(830),
            json!(11.0),
            json!("UA"),
            json!(1545),
            json!("N14228"),
            json!("EWR"),
            json!("IAH"),
            json!(227.0),
            json!("1400.5"),
            json!(false),
            Json::Null,
            json!("2013-01-01T05:00:00Z"),
        ]);
    }
    all
}

/// `LAKE_BULK_BATCHES` makes it long enough to measure.
#[test]
fn the_loaders_statement_stores_every_row_typed() {
    let batches = std::env::var("LAKE_BULK_BATCHES").ok().and_then(|count| count.parse().ok()).unwrap_or(2);
    let mut session = Session::new();
    session.run(FLIGHTS);
    let sql = statement();
    for batch in 0..batches {
        let answer = session.execute(&sql, &parameters(batch)).expect("a batch");
        assert_eq!(answer.affected, Some(ROWS as u64));
    }
    assert_eq!(session.rows("SELECT count(*) FROM flights"), format!("[[\"{}\"]]", batches * ROWS));
    assert_eq!(
        session.rows("SELECT distance, time_hour, dep_delay, cancelled, note FROM flights WHERE id = 3"),
        r#"[["1400.5","2013-01-01T05:00:00.000000Z",2.5,false,null]]"#
    );
}

#[test]
fn one_bad_row_leaves_no_row_of_its_batch() {
    let mut session = Session::new();
    session.run(FLIGHTS);
    let sql = statement();
    let mut broken = parameters(0);
    broken[19 * 400 + 7] = json!("not a number");
    let error = session.execute(&sql, &broken).err().map(|error| error.sqlstate);
    assert_eq!(error.as_deref(), Some("22P02"));
    let mut doubled = parameters(0);
    doubled[19 * 400] = json!("7");
    let error = session.execute(&sql, &doubled).err().map(|error| (error.sqlstate, error.message));
    let message = "duplicate key value violates unique constraint \"flights_pkey\"".to_owned();
    assert_eq!(error, Some(("23505".to_owned(), message)));
    let error = session.execute(&sql, &parameters(0)[1..]).err().map(|error| error.sqlstate);
    assert_eq!(error.as_deref(), Some("08P01"));
    assert_eq!(session.rows("SELECT count(*) FROM flights"), "[[\"0\"]]");
}
