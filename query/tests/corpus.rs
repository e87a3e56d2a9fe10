//! The SELECTs of the shard's corpus: each answers as Postgres answered when the corpus was recorded, or is refused
//! with a SQLSTATE.
//!
//! Statements that set tables up are CREATE TABLE and INSERT of literals; they become a tail.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lake_cdc::{
    ColumnType, LakePosition, Lsn, Micros, Row, TailChange, TailOperation, Value, View, ViewField, ViewPast,
    ViewRequest, ViewTable, text,
};
use lake_dialect::ast::{
    ColumnOption, CreateTable, Expr, Insert, ObjectName, SetExpr, Statement, TableConstraint, TableObject,
};
use lake_query::{Engine, Lake, LakeError, QueryRequest};
use lake_test_host::MemoryObjectStore;
use serde_json::Value as Json;

/// Fewer statements than this that answer as Postgres does are a loss.
const EQUAL_MIN: usize = 1_100;

struct Corpus {
    view: View,
    /// Names of all tables there ever were.
    created: BTreeSet<String>,
}

impl Lake for Corpus {
    async fn view(&self, request: &ViewRequest) -> Result<View, LakeError> {
        let mut view = self.view.clone();
        view.tables.retain(|table| request.tables.contains(&(table.namespace.clone(), table.name.clone())));
        Ok(view)
    }
}

impl Corpus {
    fn new() -> Corpus {
        Corpus {
            view: View {
                position: LakePosition(0),
                snapshot_position: None,
                whole_positions: Vec::new(),
                tables: vec![],
                stamps: vec![],
            },
            created: BTreeSet::new(),
        }
    }

    /// Takes a statement that changes something; `None` for one that asks.
    fn set_up(&mut self, sql: &str) -> Option<()> {
        let (statements, _) = lake_dialect::parse(sql).ok()?;
        match statements.into_iter().next()? {
            Statement::Query(_) => None,
            Statement::CreateTable(table) => {
                let _ = self.create(&table);
                Some(())
            }
            Statement::Insert(insert) => {
                let _ = self.insert(&insert);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn create(&mut self, table: &CreateTable) -> Option<()> {
        self.created.insert(last(&table.name));
        let mut fields = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let key = column.options.iter().any(|option| matches!(&option.option, ColumnOption::PrimaryKey(_)));
            fields.push(ViewField {
                field_id: at as i32 + 10,
                name: lake_dialect::fold(&column.name),
                column_type: column_type(&column.data_type.to_string())?,
                key,
            });
        }
        for constraint in &table.constraints {
            if let TableConstraint::PrimaryKey(key) = constraint {
                for column in &key.columns {
                    let name = column.column.expr.to_string().trim_matches('"').to_ascii_lowercase();
                    fields.iter_mut().filter(|field| field.name == name).for_each(|field| field.key = true);
                }
            }
        }
        if !fields.iter().any(|field| field.key) {
            fields.push(ViewField { field_id: 9, name: "_key".into(), column_type: ColumnType::Int8, key: true });
        }
        self.view.tables.push(ViewTable {
            namespace: "default".into(),
            name: last(&table.name),
            metadata_location: None,
            history_metadata_location: None,
            flushed: LakePosition(0),
            fields,
            tail: Vec::new(),
            past: Some(ViewPast::default()),
        });
        Some(())
    }

    fn insert(&mut self, insert: &Insert) -> Option<()> {
        let TableObject::TableName(name) = &insert.table else { return None };
        let SetExpr::Values(values) = insert.source.as_ref()?.body.as_ref() else { return None };
        let table = self.view.tables.iter_mut().find(|table| table.name == last(name))?;
        let columns: Vec<String> =
            insert.columns.iter().map(|column| column.to_string().trim_matches('"').to_ascii_lowercase()).collect();
        for row in &values.rows {
            self.view.position.0 += 1;
            let position = self.view.position.0;
            let mut by_name: BTreeMap<String, &Expr> = BTreeMap::new();
            for (at, value) in row.iter().enumerate() {
                let name = columns.get(at).cloned().or_else(|| table.fields.get(at).map(|field| field.name.clone()))?;
                by_name.insert(name, value);
            }
            let row: Option<Vec<Value>> = table
                .fields
                .iter()
                .map(|field| match by_name.get(&field.name) {
                    None if field.name == "_key" => Some(Value::Int8(position as i64)),
                    None => Some(Value::Null),
                    Some(expr) => constant(expr, &field.column_type),
                })
                .collect();
            table.tail.push(TailChange {
                position: LakePosition(position),
                operation: TailOperation::Insert,
                shard: "a".into(),
                lsn: Lsn::new(position)?,
                stamp: Micros(position as i64),
                transaction_id: position.to_string(),
                row: Row(row?),
            });
        }
        Some(())
    }
}

fn last(name: &ObjectName) -> String {
    lake_dialect::object_name(name).map(|(_, name)| name).unwrap_or_default()
}

fn constant(expr: &Expr, column_type: &ColumnType) -> Option<Value> {
    let text = match expr {
        Expr::Value(value) => match &value.value {
            lake_dialect::ast::Value::Null => return Some(Value::Null),
            lake_dialect::ast::Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::UnaryOp { expr, .. } => format!("-{expr}"),
        Expr::Cast { expr, .. } => return constant(expr, column_type),
        Expr::TypedString(typed) => match &typed.value.value {
            lake_dialect::ast::Value::SingleQuotedString(text) => text.clone(),
            _ => return None,
        },
        Expr::Array(array) => {
            let ColumnType::Array(element) = column_type else { return None };
            return array.elem.iter().map(|item| constant(item, element)).collect::<Option<Vec<_>>>().map(Value::Array);
        }
        _ => return None,
    };
    text::parse(column_type, &text).ok()
}

fn column_type(written: &str) -> Option<ColumnType> {
    let lower = written.to_ascii_lowercase();
    if let Some(element) = lower.strip_suffix("[]") {
        return column_type(element).map(|element| ColumnType::Array(Box::new(element)));
    }
    let (name, modifiers) = lower.split_once('(').unwrap_or((&lower, ""));
    let numbers: Vec<u32> = modifiers.trim_end_matches(')').split(',').filter_map(|n| n.trim().parse().ok()).collect();
    Some(match name.trim() {
        "bool" | "boolean" => ColumnType::Bool,
        "smallint" | "int2" => ColumnType::Int2,
        "int" | "integer" | "int4" | "serial" => ColumnType::Int4,
        "bigint" | "int8" | "bigserial" => ColumnType::Int8,
        "real" | "float4" => ColumnType::Float4,
        "double precision" | "float8" | "float" => ColumnType::Float8,
        "numeric" | "decimal" => match numbers.as_slice() {
            [] => ColumnType::NUMERIC,
            [precision] => ColumnType::Numeric { precision: *precision as u8, scale: 0 },
            [precision, scale, ..] => ColumnType::Numeric { precision: *precision as u8, scale: *scale as u8 },
        },
        "date" => ColumnType::Date,
        "time" => ColumnType::Time,
        "timestamp" | "timestamp without time zone" => ColumnType::Timestamp,
        "timestamptz" | "timestamp with time zone" => ColumnType::TimestampTz,
        "uuid" => ColumnType::Uuid,
        "text" => ColumnType::Text,
        "varchar" | "character varying" => numbers.first().map_or(ColumnType::Text, |n| ColumnType::Varchar(*n)),
        "bytea" => ColumnType::Bytea,
        "json" => ColumnType::Json,
        "jsonb" => ColumnType::Jsonb,
        _ => return None,
    })
}

/// A value of an answer and one that Postgres printed, in a form in which they are equal.
fn canonical(value: &Json, type_name: &str) -> String {
    let written = match value {
        Json::Null => return "NULL".into(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match type_name {
        "bool" => if written.starts_with('t') { "true" } else { "false" }.into(),
        "float4" => written.parse::<f32>().map_or(written, |number| number.to_string()),
        // The JSON reader of the test may miss the last digit.
        "float8" => written.parse::<f64>().map_or(written, |number| format!("{number:.14e}")),
        // A JSON null and an SQL NULL are one in an answer.
        "json" | "jsonb" if written == "null" => "NULL".into(),
        "json" | "jsonb" => match value {
            // Postgres printed it, or it is a JSON string of ours.
            Json::String(text) => serde_json::from_str::<Json>(text).unwrap_or_else(|_| value.clone()).to_string(),
            other => other.to_string(),
        },
        "timestamp" => text::parse(&ColumnType::Timestamp, &written).map_or(written, |value| text::print(&value)),
        "timestamptz" => text::parse(&ColumnType::TimestampTz, &written).map_or(written, |value| text::print(&value)),
        _ => written,
    }
}

/// What an answer shows, types and rows; sorted where the statement does not order them.
fn shown(columns: &[(String, String)], rows: &[Json], ordered: bool) -> String {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let values = row.as_array().cloned().unwrap_or_default();
            let values: Vec<String> =
                values.iter().zip(columns).map(|(value, (_, kind))| canonical(value, kind)).collect();
            values.join(" | ")
        })
        .collect();
    if !ordered {
        lines.sort();
    }
    format!("{columns:?}\n{}", lines.join("\n"))
}

fn names_a_table(sql: &str, tables: &BTreeSet<String>) -> bool {
    let lower = sql.to_ascii_lowercase();
    lower.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| tables.contains(word))
}

fn golden_files() -> Vec<PathBuf> {
    let folder = std::env::var_os("CORPUS_GOLDEN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/golden"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    files
}

#[test]
fn every_select_answers_as_postgres_or_is_refused() {
    let (mut equal, mut refused, mut wrong) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    let engine = Engine::new().expect("an engine");
    let verbose = std::env::var_os("CORPUS_VERBOSE").is_some();
    for file in golden_files() {
        let mut corpus = Corpus::new();
        let is_select = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("select-"));
        let store = MemoryObjectStore::new();
        let cases: Vec<Json> = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
        for case in cases {
            let sql = case["sql"].as_str().unwrap_or_default();
            let fails_there = case["error"].is_string();
            if !fails_there && corpus.set_up(sql).is_some() {
                continue;
            }
            // Those files change tables in ways that only a shard can follow; here they are for expressions.
            if !is_select && names_a_table(sql, &corpus.created) {
                continue;
            }
            if !lake_dialect::parse(sql)
                .is_ok_and(|(statements, _)| matches!(statements.as_slice(), [Statement::Query(_)]))
            {
                continue;
            }
            let request = QueryRequest { sql: sql.into(), ..QueryRequest::default() };
            let found = futures::executor::block_on(engine.run(&request, &corpus, &store, world::NOW, || 0));
            match found {
                Err(error) => {
                    let state = error.code.name();
                    let is_state = state.len() == 5 && state != "XX000";
                    if fails_there || is_state {
                        if fails_there {
                            equal += 1
                        } else {
                            *refused.entry(state.to_owned()).or_default() += 1;
                            if verbose {
                                println!("REFUSED {sql}\n  {state} {}", error.message)
                            }
                        }
                    }
                    if !is_state {
                        wrong.push(format!("{sql}\n  {state} {}", error.message));
                    }
                }
                Ok(answer) if fails_there => wrong.push(format!("{sql}\n  answers {answer}, not {}", case["error"])),
                Ok(answer) => {
                    let answer: Json = serde_json::from_str(&answer).expect("JSON");
                    let columns = |of: &Json, pairs: bool| -> Vec<(String, String)> {
                        let get = |column: &Json, key: &str, at: usize| {
                            if pairs { column[at].as_str() } else { column[key].as_str() }
                                .unwrap_or_default()
                                .to_owned()
                        };
                        of.as_array().into_iter().flatten().map(|c| (get(c, "name", 0), get(c, "type", 1))).collect()
                    };
                    let ordered = sql.to_ascii_lowercase().contains("order by");
                    let rows = |of: &Json| of["rows"].as_array().cloned().unwrap_or_default();
                    let here = shown(&columns(&answer["columns"], false), &rows(&answer), ordered);
                    let there = shown(&columns(&case["columns"], true), &rows(&case), ordered);
                    if here == there {
                        equal += 1;
                    } else {
                        wrong.push(format!("{sql}\n  here  {here}\n  there {there}"));
                    }
                }
            }
        }
    }
    println!("equal {equal}, refused {refused:?}, wrong {}", wrong.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal >= EQUAL_MIN, "{equal} answer as Postgres does, {EQUAL_MIN} did before");
}
