//! `json` and `jsonb`.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use lake_cdc::Value;
use lake_cdc::text::json::{Json, canonical, parse_json, quote};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::decimal::compare_texts;
use super::super::input::{from_text_error, print};
use super::super::pg_type::PgType;
use super::{Registry, array, boolean, fits, int_of, integer, printed, str_of, string};
use crate::budget::{Meter, StepBudget};

fn read(text: &str) -> Result<Json, SqlError> {
    Json::parse_jsonb(text).map_err(from_text_error)
}

/// A `jsonb` that was put together, if it can be read again.
fn jsonb(json: Json) -> Result<SqliteValue, SqlError> {
    let mut text = Bounded(String::new());
    match write!(text, "{}", json.bounded().map_err(from_text_error)?) {
        Ok(()) => Ok(string(text.0)),
        Err(fmt::Error) => Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "the jsonb is too long")),
    }
}

/// Takes as much of a text as fits.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        fits(self.0.len() + part.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(part);
        Ok(())
    }
}

/// The order of `jsonb`: by kind, then by size, then by content.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Json::parse_jsonb(a), Json::parse_jsonb(b)) {
        (Ok(a), Ok(b)) => order(&a, &b),
        _ => a.cmp(b),
    }
}

fn rank(json: &Json) -> u8 {
    match json {
        // An empty array sorts before everything, by an accident that Postgres keeps.
        Json::Array(elements) if elements.is_empty() => 0,
        Json::Null => 1,
        Json::String(_) => 2,
        Json::Number(_) => 3,
        Json::Bool(_) => 4,
        Json::Array(_) => 5,
        Json::Object(_) => 6,
    }
}

fn order(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => compare_texts(a, b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Array(a), Json::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter().zip(b).map(|(a, b)| order(a, b)).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
        }),
        (Json::Object(a), Json::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.iter().zip(b);
            pairs
                .map(|((k, v), (l, w))| k.len().cmp(&l.len()).then_with(|| k.cmp(l)).then_with(|| order(v, w)))
                .find(|o| *o != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A member by name or an element by index, negative from the end.
fn member<'j>(json: &'j Json, key: ValueRef<'_>) -> Result<Option<&'j Json>, SqlError> {
    Ok(match (json, key) {
        (Json::Object(members), ValueRef::Text(_)) => {
            let key = str_of(&[key], 0)?;
            // In a json text a key can stand more than once; the last counts.
            members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
        }
        (Json::Array(elements), ValueRef::Integer(index)) => element(elements, index),
        _ => None,
    })
}

fn element(elements: &[Json], index: i64) -> Option<&Json> {
    let index = if index < 0 { index + elements.len() as i64 } else { index };
    usize::try_from(index).ok().and_then(|index| elements.get(index))
}

fn step<'j>(json: &'j Json, key: &str) -> Option<&'j Json> {
    match json {
        Json::Array(elements) => element(elements, key.trim().parse().ok()?),
        Json::Object(members) => members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
        _ => None,
    }
}

fn path_of(value: ValueRef<'_>) -> Result<Option<Vec<String>>, SqlError> {
    let mut path = Vec::new();
    for element in array::elements(value)? {
        match element {
            Value::Text(text) => path.push(text),
            _ => return Ok(None),
        }
    }
    Ok(Some(path))
}

fn as_text(json: &Json) -> SqliteValue {
    match json {
        Json::Null => SqliteValue::Null,
        Json::String(text) => string(text.clone()),
        other => string(other.to_string()),
    }
}

/// A `json` keeps its text: members are looked up in the text itself only through their value, so a part of a
/// `json` that has inner spaces or repeated keys cannot be given back as written.
fn parse(text: &str, canonical: bool) -> Result<Json, SqlError> {
    if canonical { read(text) } else { parse_json(text).map_err(from_text_error) }
}

fn refuse_json_container(part: &Json, canonical: bool) -> Result<(), SqlError> {
    if !canonical && matches!(part, Json::Array(_) | Json::Object(_)) {
        return Err(SqlError::unsupported("an object or array out of a json; cast it to jsonb first, it"));
    }
    Ok(())
}

fn contains(whole: &Json, part: &Json, meter: &mut Meter<'_>) -> Result<bool, SqlError> {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            for (key, wanted) in part {
                meter.add(whole.len() as u64)?;
                let value = whole.iter().find(|(name, _)| name == key);
                let Some((_, value)) = value else { return Ok(false) };
                if !contains(value, wanted, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(whole), Json::Array(part)) => {
            for wanted in part {
                if !has_element(whole, wanted, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Object(_), _) | (_, Json::Object(_)) | (_, Json::Array(_)) => Ok(false),
        // A special case of Postgres: an array contains a primitive.
        (Json::Array(whole), wanted) => has_element(whole, wanted, meter),
        (whole, part) => Ok(order(whole, part) == Ordering::Equal),
    }
}

fn has_element(whole: &[Json], wanted: &Json, meter: &mut Meter<'_>) -> Result<bool, SqlError> {
    for value in whole {
        meter.add(comparison_work(value, wanted))?;
        let is_equal = match (value, wanted) {
            (Json::Object(_), Json::Object(_)) | (Json::Array(_), Json::Array(_)) => contains(value, wanted, meter)?,
            (Json::Object(_) | Json::Array(_), _) | (_, Json::Object(_) | Json::Array(_)) => false,
            (value, wanted) => order(value, wanted) == Ordering::Equal,
        };
        if is_equal {
            return Ok(true);
        }
    }
    Ok(false)
}

fn comparison_work(left: &Json, right: &Json) -> u64 {
    match (left, right) {
        (Json::String(left), Json::String(right)) => 1 + left.len().min(right.len()) as u64 / 8,
        (Json::Number(left), Json::Number(right)) => (left.len() + right.len()) as u64,
        _ => 1,
    }
}

/// How many members and elements are looked at for a key.
fn width(json: &Json) -> u64 {
    match json {
        Json::Object(members) => members.len() as u64,
        Json::Array(elements) => elements.len() as u64,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 1,
    }
}

fn has_key(json: &Json, key: &str) -> bool {
    match json {
        Json::Object(members) => members.iter().any(|(name, _)| name == key),
        Json::Array(elements) => elements.iter().any(|element| matches!(element, Json::String(text) if text == key)),
        Json::String(text) => text == key,
        _ => false,
    }
}

/// How many of these keys it has, NULLs apart, and how many there are.
fn count_keys(json: &Json, keys: &[Value], budget: &StepBudget) -> Result<(usize, usize), SqlError> {
    let mut meter = Meter::new(budget);
    let (mut found, mut count) = (0, 0);
    for key in keys {
        if let Value::Text(key) = key {
            meter.add(width(json))?;
            count += 1;
            found += usize::from(has_key(json, key));
        }
    }
    Ok((found, count))
}

fn concat(left: Json, right: Json) -> Result<Json, SqlError> {
    Ok(match (left, right) {
        (Json::Object(mut left), Json::Object(right)) => {
            left.extend(right);
            Json::object(left)
        }
        (Json::Array(mut left), Json::Array(right)) => {
            left.extend(right);
            Json::Array(left)
        }
        (Json::Array(mut left), right) => {
            left.push(right);
            Json::Array(left)
        }
        (left, Json::Array(mut right)) => {
            right.insert(0, left);
            Json::Array(right)
        }
        (Json::Object(_), _) | (_, Json::Object(_)) => {
            return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "invalid concatenation of jsonb objects"));
        }
        (left, right) => Json::Array(vec![left, right]),
    })
}

fn delete(json: Json, key: ValueRef<'_>, meter: &mut Meter<'_>) -> Result<Json, SqlError> {
    meter.add(width(&json))?;
    let scalar = || Err(SqlError::new(sqlstate::INVALID_PARAMETER, "cannot delete from scalar"));
    match (json, key) {
        (Json::Object(members), ValueRef::Text(_)) => {
            let key = str_of(&[key], 0)?;
            Ok(Json::Object(members.into_iter().filter(|(name, _)| name != key).collect()))
        }
        (Json::Array(elements), ValueRef::Text(_)) => {
            let key = str_of(&[key], 0)?;
            Ok(Json::Array(elements.into_iter().filter(|e| !matches!(e, Json::String(text) if text == key)).collect()))
        }
        (Json::Array(mut elements), ValueRef::Integer(index)) => {
            let index = if index < 0 { index + elements.len() as i64 } else { index };
            if let Ok(index) = usize::try_from(index)
                && index < elements.len()
            {
                elements.remove(index);
            }
            Ok(Json::Array(elements))
        }
        (Json::Object(_), ValueRef::Integer(_)) => {
            Err(SqlError::new(sqlstate::INVALID_PARAMETER, "cannot delete from object using integer index"))
        }
        (json @ (Json::Object(_) | Json::Array(_)), ValueRef::Blob(_)) => {
            let mut json = json;
            for element in array::elements(key)? {
                if let Value::Text(text) = element {
                    json = delete(json, ValueRef::Text(text.as_bytes()), meter)?;
                }
            }
            Ok(json)
        }
        _ => scalar(),
    }
}

/// Replaces what is at a path; `None` removes it.
fn set(json: Json, path: &[String], new: Option<&Json>, create: bool) -> Result<Json, SqlError> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(json);
    };
    match json {
        Json::Object(mut members) => {
            let at = members.iter().position(|(name, _)| name == key);
            match (at, rest.is_empty(), new) {
                (Some(at), true, None) => {
                    members.remove(at);
                }
                (Some(at), true, Some(new)) => members[at].1 = new.clone(),
                (Some(at), false, new) => {
                    let inner = std::mem::replace(&mut members[at].1, Json::Null);
                    members[at].1 = set(inner, rest, new, create)?;
                }
                (None, true, Some(new)) if create => members.push((key.clone(), new.clone())),
                (None, ..) => {}
            }
            Ok(Json::object(members))
        }
        Json::Array(mut elements) => {
            let index = key.trim().parse::<i64>().map_err(|_| {
                SqlError::new(
                    sqlstate::INVALID_TEXT,
                    format!("path element at position 1 is not an integer: \"{key}\""),
                )
            })?;
            let length = elements.len() as i64;
            let at = if index < 0 { index + length } else { index };
            if (0..length).contains(&at) {
                let at = at as usize;
                match (rest.is_empty(), new) {
                    (true, None) => {
                        elements.remove(at);
                    }
                    (true, Some(new)) => elements[at] = new.clone(),
                    (false, new) => {
                        let inner = std::mem::replace(&mut elements[at], Json::Null);
                        elements[at] = set(inner, rest, new, create)?;
                    }
                }
            } else if let (true, true, Some(new)) = (rest.is_empty(), create, new) {
                if at < 0 { elements.insert(0, new.clone()) } else { elements.push(new.clone()) }
            }
            Ok(Json::Array(elements))
        }
        scalar => Ok(scalar),
    }
}

/// A JSON string, six times as long as its text where that is of control characters.
fn quoted(text: &str) -> Result<String, SqlError> {
    let added = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | 8..=10 | 12 | 13 => 1,
        0..=31 => 5,
        _ => 0,
    });
    fits(text.len() + added.sum::<usize>())?;
    Ok(quote(text))
}

/// Parts with a separator between them, as long as they fit.
pub(super) struct Joined {
    text: String,
    separator: &'static str,
    is_empty: bool,
}

impl Joined {
    pub(super) fn new(open: &str, separator: &'static str) -> Joined {
        Joined { text: open.to_owned(), separator, is_empty: true }
    }

    pub(super) fn push(&mut self, part: &str) -> Result<(), SqlError> {
        fits(self.text.len() + self.separator.len() + part.len())?;
        if !std::mem::take(&mut self.is_empty) {
            self.text.push_str(self.separator);
        }
        self.text.push_str(part);
        Ok(())
    }

    pub(super) fn close(mut self, close: &str) -> String {
        self.text.push_str(close);
        self.text
    }
}

/// The JSON text of a value of any type, as `to_json` gives it.
pub(super) fn to_json(ty: &PgType, value: ValueRef<'_>) -> Result<String, SqlError> {
    Ok(match (value, ty) {
        (ValueRef::Null, _) => "null".to_owned(),
        (ValueRef::Integer(value), PgType::Bool) => (value != 0).to_string(),
        (_, ty) if ty.is_integer() => print(value, ty),
        (ValueRef::Text(b"NaN"), ty) if ty.is_number() => "\"NaN\"".to_owned(),
        (ValueRef::Real(number), _) if number.is_infinite() => quote(&print(value, ty)),
        (_, ty) if ty.is_number() => print(value, ty),
        (_, PgType::Json | PgType::Jsonb) => str_of(&[value], 0)?.to_owned(),
        (_, PgType::Timestamp) => quote(&print(value, ty).replacen(' ', "T", 1)),
        (_, PgType::TimestampTz) => quote(&(print(value, ty).replacen(' ', "T", 1) + ":00")),
        (_, PgType::Array(element)) => {
            let mut text = Joined::new("[", ",");
            for item in array::elements(value)? {
                let stored = super::super::input::to_sqlite(item);
                text.push(&to_json(element, (&stored).into())?)?;
            }
            text.close("]")
        }
        _ => quoted(&printed(value, ty)?)?,
    })
}

fn typed(arguments: &[ValueRef<'_>], index: usize) -> Result<PgType, SqlError> {
    PgType::from_name(str_of(arguments, index)?).ok_or_else(|| SqlError::new(sqlstate::INTERNAL, "an unknown type"))
}

fn finished(text: String, is_canonical: bool) -> Result<SqliteValue, SqlError> {
    Ok(string(if is_canonical { canonical(&text).map_err(from_text_error)? } else { text }))
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    let found = |part: &Json, canonical: bool, text: bool| {
        refuse_json_container(part, canonical)?;
        Ok(if text { as_text(part) } else { string(part.to_string()) })
    };
    for (name, text) in [("pg_json_get", false), ("pg_json_get_text", true)] {
        registry.strict(name, 3, move |a| {
            let canonical = int_of(a, 2)? != 0;
            let json = parse(str_of(a, 0)?, canonical)?;
            member(&json, a[1])?.map_or(Ok(SqliteValue::Null), |part| found(part, canonical, text))
        })?;
    }
    for (name, text) in [("pg_json_path", false), ("pg_json_path_text", true)] {
        registry.strict(name, 3, move |a| {
            let canonical = int_of(a, 2)? != 0;
            let json = parse(str_of(a, 0)?, canonical)?;
            let Some(path) = path_of(a[1])? else {
                return Ok(SqliteValue::Null);
            };
            let part = path.iter().try_fold(&json, |json, key| step(json, key));
            part.map_or(Ok(SqliteValue::Null), |part| found(part, canonical, text))
        })?;
    }
    registry.strict("pg_jsonb_delete_path", 3, |a| {
        let path = path_of(a[1])?.unwrap_or_default();
        jsonb(set(read(str_of(a, 0)?)?, &path, None, false)?)
    })?;
    registry.strict("pg_jsonb_set", -1, |a| {
        let create = if a.len() > 3 { int_of(a, 3)? != 0 } else { true };
        let path = path_of(a[1])?.unwrap_or_default();
        jsonb(set(read(str_of(a, 0)?)?, &path, Some(&read(str_of(a, 2)?)?), create)?)
    })?;
    let budget = registry.budget.clone();
    registry
        .strict("pg_jsonb_delete", 2, move |a| jsonb(delete(read(str_of(a, 0)?)?, a[1], &mut Meter::new(&budget))?))?;
    registry.strict("pg_jsonb_concat", 2, |a| jsonb(concat(read(str_of(a, 0)?)?, read(str_of(a, 1)?)?)?))?;
    let budget = registry.budget.clone();
    registry.strict("pg_jsonb_contains", 2, move |a| {
        Ok(boolean(contains(&read(str_of(a, 0)?)?, &read(str_of(a, 1)?)?, &mut Meter::new(&budget))?))
    })?;
    registry.strict("pg_jsonb_exists", 2, |a| Ok(boolean(has_key(&read(str_of(a, 0)?)?, str_of(a, 1)?))))?;
    let budget = registry.budget.clone();
    registry.strict("pg_jsonb_exists_any", 2, move |a| {
        let (found, _) = count_keys(&read(str_of(a, 0)?)?, &array::elements(a[1])?, &budget)?;
        Ok(boolean(found > 0))
    })?;
    let budget = registry.budget.clone();
    registry.strict("pg_jsonb_exists_all", 2, move |a| {
        let (found, count) = count_keys(&read(str_of(a, 0)?)?, &array::elements(a[1])?, &budget)?;
        Ok(boolean(found == count))
    })?;
    registry.strict("pg_json_typeof", 1, |a| Ok(string(parse(str_of(a, 0)?, false)?.type_name())))?;
    registry.strict("pg_json_array_length", 1, |a| {
        let length = parse(str_of(a, 0)?, false)?.array_length().map_err(from_text_error)?;
        Ok(integer(length as i64))
    })?;
    registry.strict("pg_jsonb_strip_nulls", 1, |a| Ok(string(strip_nulls(read(str_of(a, 0)?)?).to_string())))?;
    registry.strict("pg_jsonb_pretty", 1, |a| {
        let mut text = String::new();
        pretty(&read(str_of(a, 0)?)?, 0, &mut text)?;
        Ok(string(text))
    })?;
    registry.strict("pg_to_json", 2, |a| finished(to_json(&typed(a, 0)?, a[1])?, false))?;
    registry.strict("pg_to_jsonb", 2, |a| finished(to_json(&typed(a, 0)?, a[1])?, true))?;
    registry.any("pg_json_build_array", -1, |a| {
        let is_canonical = int_of(a, 0)? != 0;
        let mut text = Joined::new("[", ", ");
        for index in (1..a.len()).step_by(2) {
            text.push(&to_json(&typed(a, index)?, a[index + 1])?)?;
        }
        finished(text.close("]"), is_canonical)
    })?;
    registry.any("pg_json_build_object", -1, |a| {
        let is_canonical = int_of(a, 0)? != 0;
        let mut text = Joined::new("{", ", ");
        for index in (1..a.len()).step_by(4) {
            if a[index + 1] == ValueRef::Null {
                return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "argument 1: key must not be null"));
            }
            let key = quoted(&printed(a[index + 1], &typed(a, index)?)?)?;
            text.push(&format!("{key} : {}", to_json(&typed(a, index + 2)?, a[index + 3])?))?;
        }
        finished(text.close("}"), is_canonical)
    })
}

fn strip_nulls(json: Json) -> Json {
    match json {
        Json::Object(members) => Json::Object(
            members.into_iter().filter(|(_, v)| *v != Json::Null).map(|(k, v)| (k, strip_nulls(v))).collect(),
        ),
        Json::Array(elements) => Json::Array(elements.into_iter().map(strip_nulls).collect()),
        other => other,
    }
}

fn pretty(json: &Json, depth: usize, text: &mut String) -> Result<(), SqlError> {
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", depth));
        fits(text.len())
    };
    match json {
        Json::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                indent(text, depth + 1)?;
                pretty(element, depth + 1, text)?;
            }
            indent(text, depth)?;
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                indent(text, depth + 1)?;
                text.push_str(&format!("{}: ", quote(key)));
                pretty(value, depth + 1, text)?;
            }
            indent(text, depth)?;
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
    Ok(())
}
