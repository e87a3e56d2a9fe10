//! The corpus: statements whose answers PGlite recorded, run here. Each answers the same, or fails with a SQLSTATE.
//!
//! What may not happen is an answer of our own: other rows, other names or types of columns, or success where
//! Postgres fails. `tests/corpus/record.mjs` records.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use support::{Answer, Session};

/// How many statements answer as Postgres does. It may only grow.
const EQUAL_MIN: usize = 1_790;

/// How many statements the corpus has at least.
const STATEMENTS_MIN: usize = 1_818;

/// The recordings; another folder of them can be named, to try what another seed generates.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("LAKE_CORPUS_GOLDEN") {
        return folder.into();
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/golden")
}

/// A value of Postgres' text output as an answer of ours has it.
fn expected(type_name: &str, text: &Json) -> Json {
    let Json::String(text) = text else { return Json::Null };
    match type_name {
        "bool" => Json::Bool(text == "t"),
        "int2" | "int4" => serde_json::from_str(text).expect("an integer"),
        "float4" | "float8" => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => serde_json::json!(number),
            _ => Json::String(text.clone()),
        },
        "json" | "jsonb" => serde_json::from_str(text).expect("JSON"),
        "timestamp" | "timestamptz" => {
            let whole = text.trim_end_matches("+00");
            let (whole, fraction) = whole.split_once('.').unwrap_or((whole, ""));
            let zone = if type_name == "timestamptz" { "Z" } else { "" };
            Json::String(format!("{}.{fraction:0<6}{zone}", whole.replace(' ', "T")))
        }
        _ => Json::String(text.clone()),
    }
}

fn rows_differ(golden: &Json, answer: &Answer) -> Option<String> {
    let columns = golden["columns"].as_array().cloned().unwrap_or_default();
    let names = columns.iter().map(|c| (c[0].as_str().unwrap_or(""), c[1].as_str().unwrap_or(""))).collect::<Vec<_>>();
    let ours = answer.columns.iter().map(|c| (c.name.as_str(), c.type_name.as_str())).collect::<Vec<_>>();
    if names != ours {
        return Some(format!("columns {names:?}, not {ours:?}"));
    }
    let mut wanted = Vec::new();
    for row in golden["rows"].as_array().into_iter().flatten() {
        let row = row.as_array().expect("a row").iter().zip(&names).map(|(value, (_, ty))| expected(ty, value));
        wanted.push(Json::Array(row.collect()).to_string());
    }
    let found: Vec<Json> = serde_json::from_str(&answer.rows).expect("rows");
    let mut found = found.iter().map(Json::to_string).collect::<Vec<_>>();
    // Without ORDER BY the order is nobody's promise.
    if !golden["sql"].as_str().unwrap_or("").to_uppercase().contains("ORDER BY") {
        wanted.sort();
        found.sort();
    }
    (wanted != found).then(|| format!("rows {wanted:?}, not {found:?}"))
}

#[derive(Default)]
struct Count {
    equal: usize,
    same_error: usize,
    other_error: usize,
    refused: Vec<String>,
    wrong: Vec<String>,
}

fn run(path: &Path, count: &mut Count) {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("?");
    let golden: Vec<Json> = serde_json::from_str(&fs::read_to_string(path).expect("a golden file")).expect("JSON");
    let mut session = Session::new();
    for statement in &golden {
        let sql = statement["sql"].as_str().expect("a statement");
        let error = statement["error"].as_str();
        match (session.execute(sql, &[]), error) {
            (Ok(answer), None) => {
                let affected = statement["affected"].as_u64();
                let difference = rows_differ(statement, &answer).or_else(|| {
                    (affected.is_some() && affected != answer.affected)
                        .then(|| format!("{affected:?} rows changed, not {:?}", answer.affected))
                });
                match difference {
                    None => count.equal += 1,
                    Some(difference) => count.wrong.push(format!("{name}: {sql}\n    {difference}")),
                }
            }
            (Ok(answer), Some(error)) => {
                count
                    .wrong
                    .push(format!("{name}: {sql}\n    is {error} ({}), not {}", statement["message"], answer.rows));
            }
            (Err(found), Some(error)) if found.sqlstate == error => count.same_error += 1,
            (Err(found), Some(error)) => {
                count.other_error += 1;
                count.refused.push(format!(
                    "{name}: {sql}\n    is {error} ({}), {} {found}",
                    statement["message"], found.sqlstate
                ));
            }
            (Err(found), None) => count.refused.push(format!("{name}: {sql}\n    {} {found}", found.sqlstate)),
        }
    }
}

#[test]
fn every_statement_answers_as_postgres_does_or_fails_with_a_sqlstate() {
    let mut paths =
        fs::read_dir(folder()).expect("golden files").map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    paths.sort();
    let mut count = Count::default();
    for path in &paths {
        run(path, &mut count);
    }
    for line in &count.refused {
        println!("refused  {line}");
    }
    for line in &count.wrong {
        println!("WRONG    {line}");
    }
    let good = count.equal + count.same_error;
    let total = good + count.refused.len() + count.wrong.len();
    println!(
        "{total} statements: {good} as Postgres ({} answers, {} errors), {} refused, {} with another SQLSTATE, {} wrong",
        count.equal,
        count.same_error,
        count.refused.len() - count.other_error,
        count.other_error,
        count.wrong.len()
    );
    assert!(count.wrong.is_empty(), "{} statements have an answer of our own", count.wrong.len());
    if std::env::var_os("LAKE_CORPUS_GOLDEN").is_some() {
        return;
    }
    assert!(total >= STATEMENTS_MIN, "{total} statements");
    assert!(good >= EQUAL_MIN, "{good} statements answer as Postgres does, {EQUAL_MIN} did before");
}
