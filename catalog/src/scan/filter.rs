//! The filter of a scan: Iceberg's expressions in JSON, as the REST protocol and Java write them.
//!
//! What can be used to leave files out becomes a test of a column; the rest (functions, columns of lists, types without a
//! common order) becomes "anything". Negations are moved down to the tests, as Java does, so that "may match" is all that
//! has to be answered.

use std::cmp::Ordering;

use iceberg::spec::{PrimitiveType, Schema, Type};
use serde_json::Value as Json;

use super::value::Value;

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    /// Nothing can be said: every row may match.
    Anything,
    /// No row matches.
    Nothing,
    /// Both match.
    And(Box<Filter>, Box<Filter>),
    /// One of both matches.
    Or(Box<Filter>, Box<Filter>),
    /// A test of one column.
    Test {
        /// The column.
        field_id: i32,
        /// Its type.
        kind: PrimitiveType,
        /// What is asked.
        test: Test,
    },
}

/// What is asked of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    IsNull,
    NotNull,
    IsNan,
    Less(Value),
    LessOrEqual(Value),
    Greater(Value),
    GreaterOrEqual(Value),
    /// Equal to one of these.
    In(Vec<Value>),
    StartsWith(String),
}

/// Why a filter is none.
pub(crate) type Invalid = String;

/// The operators of the protocol.
const OPERATORS: &[&str] = &[
    "is-null",
    "not-null",
    "is-nan",
    "not-nan",
    "lt",
    "lt-eq",
    "gt",
    "gt-eq",
    "eq",
    "not-eq",
    "starts-with",
    "not-starts-with",
    "in",
    "not-in",
];

/// How names are found.
pub(crate) struct Columns<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) is_case_sensitive: bool,
}

impl Columns<'_> {
    /// A column of the table itself, by name or id. Fields inside of others have statistics that do not count rows.
    fn find(&self, term: &Json) -> Option<(i32, PrimitiveType)> {
        let name_is = |held: &str, name: &str| match self.is_case_sensitive {
            true => held == name,
            false => held.to_lowercase() == name.to_lowercase(),
        };
        let reference = match term {
            Json::Object(fields) if fields.get("type").and_then(Json::as_str) == Some("reference") => {
                fields.get("term").or_else(|| fields.get("name")).or_else(|| fields.get("id"))?
            }
            Json::String(_) => term,
            _ => return None,
        };
        let field = self.schema.as_struct().fields().iter().find(|field| match reference {
            Json::String(name) => name_is(&field.name, name),
            id => id.as_i64() == Some(i64::from(field.id)),
        })?;
        match field.field_type.as_ref() {
            Type::Primitive(kind) => Some((field.id, kind.clone())),
            _ => None,
        }
    }
}

/// Reads a filter.
pub(crate) fn parse(json: &Json, columns: &Columns<'_>) -> Result<Filter, Invalid> {
    read(json, columns, false)
}

fn read(json: &Json, columns: &Columns<'_>, is_negated: bool) -> Result<Filter, Invalid> {
    let constant = |holds: bool| if holds == is_negated { Filter::Nothing } else { Filter::Anything };
    if let Json::Bool(holds) = json {
        return Ok(constant(*holds));
    }
    let missing = |name: &str| format!("Cannot parse expression: there is no {name} in {}", shown(json));
    let part = |name: &'static str| json.get(name).ok_or_else(|| missing(name));
    let operator = part("type")?.as_str().ok_or_else(|| missing("type"))?;
    // Java reads its own constants in any case and with underscores.
    let operator = operator.to_lowercase().replace('_', "-");
    let both = |is_and: bool| -> Result<Filter, Invalid> {
        let left = Box::new(read(part("left")?, columns, is_negated)?);
        let right = Box::new(read(part("right")?, columns, is_negated)?);
        Ok(if is_and == is_negated { Filter::Or(left, right) } else { Filter::And(left, right) })
    };
    match operator.as_str() {
        "true" => Ok(constant(true)),
        "false" => Ok(constant(false)),
        "literal" => Ok(constant(part("value")?.as_bool().ok_or_else(|| missing("value"))?)),
        "not" => read(part("child")?, columns, !is_negated),
        "and" => both(true),
        "or" => both(false),
        known if OPERATORS.contains(&known) => read_test(known, json, columns, is_negated),
        unknown => Err(format!("Cannot parse expression: there is no operation {unknown}")),
    }
}

fn read_test(operator: &str, json: &Json, columns: &Columns<'_>, is_negated: bool) -> Result<Filter, Invalid> {
    let missing = |name: &str| format!("Cannot parse {operator} predicate: there is no {name}");
    let term = ["term", "child", "left"].iter().find_map(|name| json.get(*name)).ok_or_else(|| missing("term"))?;
    let literals: Vec<&Json> = match operator {
        "is-null" | "not-null" | "is-nan" | "not-nan" => Vec::new(),
        "in" | "not-in" => {
            let values = json.get("values").and_then(Json::as_array).ok_or_else(|| missing("values"))?;
            values.iter().map(literal).collect()
        }
        _ => vec![literal(json.get("value").or_else(|| json.get("right")).ok_or_else(|| missing("value"))?)],
    };
    let Some((field_id, kind)) = columns.find(term) else { return Ok(Filter::Anything) };
    // One that is not plainly of the column's type makes the whole test unknown.
    let readings: Option<Vec<(Value, Value)>> =
        literals.into_iter().map(|literal| Value::readings(literal, &kind)).collect();
    let Some(readings) = readings else { return Ok(Filter::Anything) };
    // A row that matches by one reading of a literal may match.
    let test = match (operator, is_negated, readings.as_slice()) {
        ("is-null", false, _) | ("not-null", true, _) => Test::IsNull,
        ("is-null", true, _) | ("not-null", false, _) => Test::NotNull,
        ("is-nan", false, _) | ("not-nan", true, _) => Test::IsNan,
        ("lt", false, [(_, most)]) | ("gt-eq", true, [(_, most)]) => Test::Less(most.clone()),
        ("lt-eq", false, [(_, most)]) | ("gt", true, [(_, most)]) => Test::LessOrEqual(most.clone()),
        ("gt", false, [(least, _)]) | ("lt-eq", true, [(least, _)]) => Test::Greater(least.clone()),
        ("gt-eq", false, [(least, _)]) | ("lt", true, [(least, _)]) => Test::GreaterOrEqual(least.clone()),
        ("eq" | "in", false, _) | ("not-eq" | "not-in", true, _) => Test::In(either(readings)),
        ("starts-with", false, [(Value::Text(prefix), _)]) | ("not-starts-with", true, [(Value::Text(prefix), _)]) => {
            Test::StartsWith(prefix.clone())
        }
        // Everything but one value: no bound of a file can speak against it.
        _ => return Ok(Filter::Anything),
    };
    Ok(Filter::Test { field_id, kind, test })
}

/// All values that literals are read as.
fn either(readings: Vec<(Value, Value)>) -> Vec<Value> {
    let both = |(least, most): (Value, Value)| {
        let other = (least.compare(&most) != Some(Ordering::Equal)).then_some(most);
        std::iter::once(least).chain(other)
    };
    readings.into_iter().flat_map(both).collect()
}

/// A literal is a value, or an object that holds one.
fn literal(json: &Json) -> &Json {
    match json.get("type").and_then(Json::as_str) {
        Some("literal") => json.get("value").unwrap_or(json),
        _ => json,
    }
}

fn shown(json: &Json) -> String {
    json.to_string().chars().take(200).collect()
}
