//! Operators and functions of json and jsonb.

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Operator};
use lake_cdc::Value;
use lake_cdc::text::json::{Json, parse_json};

use super::call::{Kernel, call, call_field};
use super::cast::named_field;
use super::datum::Datum;
use super::numeric::Number;
use super::typed::Typed;
use crate::error::{from_text, unsupported};

fn read(value: &Datum) -> Result<Json> {
    parse_json(value.as_text()).map_err(from_text)
}

/// The element that a key or a number names.
fn step<'a>(json: &'a Json, key: &str) -> Option<&'a Json> {
    match json {
        Json::Array(items) => {
            let number: i64 = key.parse().ok()?;
            element(items, number)
        }
        other => other.member(key),
    }
}

fn element(items: &[Json], number: i64) -> Option<&Json> {
    let count = i64::try_from(items.len()).ok()?;
    let at = if number < 0 { count + number } else { number };
    items.get(usize::try_from(at).ok()?)
}

fn get(values: &[Datum]) -> Result<Option<Json>> {
    let json = read(&values[0])?;
    Ok(match (&values[1], &json) {
        (Datum::Value(Value::Text(key)), Json::Object(_)) => json.member(key).cloned(),
        (Datum::Value(Value::Int2(_) | Value::Int4(_) | Value::Int8(_)), Json::Array(items)) => {
            element(items, values[1].as_i64()).cloned()
        }
        (Datum::Value(Value::Array(path)), _) => {
            let mut at = Some(&json);
            for key in path {
                let Value::Text(key) = key else { return Ok(None) };
                at = at.and_then(|json| step(json, key));
            }
            at.cloned()
        }
        _ => None,
    })
}

fn as_json(found: Option<Json>) -> Datum {
    found.map_or(Datum::Null, |json| Datum::text(json.to_string()))
}

fn as_text(found: Option<Json>) -> Datum {
    match found {
        None | Some(Json::Null) => Datum::Null,
        Some(Json::String(text)) => Datum::text(text),
        Some(other) => Datum::text(other.to_string()),
    }
}

/// Plans `left op right`; `None` if the left is no json.
pub(crate) fn operator(op: &str, left: &Typed, right: &Typed) -> Result<Option<Expr>> {
    if left.name != "json" && left.name != "jsonb" {
        return Ok(None);
    }
    // The text of a json is kept as written; parts of it are printed, which would lose that.
    if left.name == "json" && matches!(op, "->" | "#>") {
        return Err(unsupported("parts of json; cast to jsonb"));
    }
    let key = match op {
        "#>" | "#>>" if right.is_unknown() => {
            let list = super::cast::Target::parse("_text")?;
            right.clone().resolve_to(&list, list.field().data_type())?
        }
        _ if right.is_unknown() => right.clone().resolve_to(&super::cast::Target::parse("text")?, &DataType::Utf8)?,
        _ => right.expr.clone(),
    };
    let args = vec![left.expr.clone(), key];
    Ok(Some(match op {
        "->" | "#>" => {
            let kernel = Kernel::Strict(|values| get(values).map(as_json));
            call_field("json_get", named_field(DataType::Utf8, &left.name), kernel, None, args)
        }
        "->>" | "#>>" => call("json_text", DataType::Utf8, Kernel::Strict(|values| get(values).map(as_text)), args),
        "@>" if left.name == "jsonb" => {
            let kernel = Kernel::Strict(|values| {
                Ok(Datum::Value(Value::Bool(contains(&read(&values[0])?, &read(&values[1])?, true))))
            });
            call("json_contains", DataType::Boolean, kernel, args)
        }
        "<@" if left.name == "jsonb" => {
            let kernel = Kernel::Strict(|values| {
                Ok(Datum::Value(Value::Bool(contains(&read(&values[1])?, &read(&values[0])?, true))))
            });
            call("json_contained", DataType::Boolean, kernel, args)
        }
        "?" if left.name == "jsonb" => {
            let kernel = Kernel::Strict(|values| {
                let key = values[1].as_text();
                let found = match read(&values[0])? {
                    Json::Object(members) => members.iter().any(|(name, _)| name == key),
                    Json::Array(items) => items.iter().any(|item| matches!(item, Json::String(text) if text == key)),
                    Json::String(text) => text == key,
                    _ => false,
                };
                Ok(Datum::Value(Value::Bool(found)))
            });
            call("json_has", DataType::Boolean, kernel, args)
        }
        _ => return Ok(None),
    }))
}

/// Postgres' containment: objects by member, arrays by element, and an array may contain a scalar at the top.
fn contains(whole: &Json, part: &Json, at_top: bool) -> bool {
    match (whole, part) {
        (Json::Object(members), Json::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| members.iter().any(|(name, member)| name == key && contains(member, value, false))),
        (Json::Array(items), Json::Array(wanted)) => {
            wanted.iter().all(|value| items.iter().any(|item| contains(item, value, false)))
        }
        (Json::Array(items), scalar) if at_top && !matches!(scalar, Json::Object(_)) => {
            items.iter().any(|item| same(item, scalar))
        }
        (whole, part) => same(whole, part),
    }
}

/// `left = right` of jsonb: numbers are equal by value. Their order is not that of their texts.
pub(crate) fn compare(op: Operator, left: Expr, right: Expr) -> Result<Expr> {
    let equal = call(
        "json_equal",
        DataType::Boolean,
        Kernel::Strict(|values| Ok(Datum::Value(Value::Bool(same(&read(&values[0])?, &read(&values[1])?))))),
        vec![left, right],
    );
    match op {
        Operator::Eq => Ok(equal),
        Operator::NotEq => Ok(!equal),
        _ => Err(unsupported("an order of jsonb")),
    }
}

fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || Number::parse(a).zip(Number::parse(b)).is_some_and(|(a, b)| a.equals(b))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((name, a), (other, b))| name == other && same(a, b))
        }
        (a, b) => a == b,
    }
}

/// Plans `name(args)`; `None` if it is no function of json.
pub(crate) fn plan(name: &str, args: &[Typed]) -> Result<Option<Expr>> {
    let [value] = args else { return Ok(None) };
    if value.is_unknown() && (name.starts_with("json_") || name.starts_with("jsonb_")) {
        let target = super::cast::Target::parse(if name.starts_with("jsonb_") { "jsonb" } else { "json" })?;
        let field = target.field();
        let expr = value.clone().resolve_to(&target, field.data_type())?;
        return plan(name, &[Typed { expr, field: std::sync::Arc::new(field), name: target.name() }]);
    }
    if value.name != "json" && value.name != "jsonb" {
        return Ok(None);
    }
    let args = vec![value.expr.clone()];
    Ok(match name {
        "jsonb_array_length" | "json_array_length" => {
            let kernel = Kernel::Strict(|values| {
                let length = read(&values[0])?.array_length().map_err(from_text)?;
                Ok(Datum::Value(Value::Int4(i32::try_from(length).unwrap_or(i32::MAX))))
            });
            Some(call("json_array_length", DataType::Int32, kernel, args))
        }
        "jsonb_typeof" | "json_typeof" => {
            let kernel = Kernel::Strict(|values| Ok(Datum::text(read(&values[0])?.type_name())));
            Some(call("json_typeof", DataType::Utf8, kernel, args))
        }
        _ => None,
    })
}
