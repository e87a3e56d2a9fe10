//! Arrays. Indexes count from 1; outside of them is NULL.

use lake_cdc::Value;
use lake_cdc::limits::ARRAY_ELEMENTS_MAX;
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::input::{to_sqlite, to_value};
use super::super::pg_type::PgType;
use super::cast::{decode_array, encode_array};
use super::{Registry, blob_of, boolean, fits, int_of, integer, owned, printed, str_of, string};
use crate::budget::Meter;

pub(super) fn elements(value: ValueRef<'_>) -> Result<Vec<Value>, SqlError> {
    decode_array(blob_of(&[value], 0)?)
}

fn element_type(arguments: &[ValueRef<'_>]) -> Result<PgType, SqlError> {
    PgType::from_name(str_of(arguments, 0)?).ok_or_else(|| SqlError::new(sqlstate::INTERNAL, "an unknown element type"))
}

/// A NULL array counts as an empty one where an element is added.
fn elements_or_none(value: ValueRef<'_>) -> Result<Vec<Value>, SqlError> {
    if value == ValueRef::Null { Ok(Vec::new()) } else { elements(value) }
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.any("pg_array", -1, |a| {
        let ty = element_type(a)?;
        encode_array(a[1..].iter().map(|value| to_value(*value, &ty)).collect())
    })?;
    registry.strict("pg_array_get", 2, |a| {
        let index = int_of(a, 1)?;
        let mut elements = elements(a[0])?;
        match usize::try_from(index - 1) {
            Ok(index) if index < elements.len() => Ok(to_sqlite(elements.swap_remove(index))),
            _ => Ok(SqliteValue::Null),
        }
    })?;
    registry.any("pg_array_count", 1, |a| match a[0] {
        ValueRef::Null => Ok(SqliteValue::Null),
        value => Ok(integer(elements(value)?.len() as i64)),
    })?;
    registry.strict("pg_array_length", 2, |a| {
        let count = elements(a[0])?.len() as i64;
        Ok(if int_of(a, 1)? != 1 || count == 0 { SqliteValue::Null } else { integer(count) })
    })?;
    registry.strict("pg_array_lower", 2, |a| {
        let empty = elements(a[0])?.is_empty();
        Ok(if int_of(a, 1)? != 1 || empty { SqliteValue::Null } else { integer(1) })
    })?;
    registry.any("pg_array_concat", 2, |a| match (a[0], a[1]) {
        (ValueRef::Null, other) | (other, ValueRef::Null) => Ok(owned(other)),
        (left, right) => {
            let mut all = elements(left)?;
            all.extend(elements(right)?);
            encode_array(all)
        }
    })?;
    registry.any("pg_array_append", 3, |a| {
        let mut all = elements_or_none(a[1])?;
        all.push(to_value(a[2], &element_type(a)?));
        encode_array(all)
    })?;
    registry.any("pg_array_prepend", 3, |a| {
        let mut all = elements_or_none(a[2])?;
        all.insert(0, to_value(a[1], &element_type(a)?));
        encode_array(all)
    })?;
    registry.any("pg_array_remove", 3, |a| {
        if a[1] == ValueRef::Null {
            return Ok(SqliteValue::Null);
        }
        let removed = to_value(a[2], &element_type(a)?);
        encode_array(elements(a[1])?.into_iter().filter(|element| !same(element, &removed)).collect())
    })?;
    registry.any("pg_array_position", 3, |a| {
        if a[1] == ValueRef::Null {
            return Ok(SqliteValue::Null);
        }
        let wanted = to_value(a[2], &element_type(a)?);
        let found = elements(a[1])?.iter().position(|element| same(element, &wanted));
        Ok(found.map_or(SqliteValue::Null, |index| integer(index as i64 + 1)))
    })?;
    registry.any("pg_array_to_string", -1, |a| {
        if a[1] == ValueRef::Null || a[2] == ValueRef::Null {
            return Ok(SqliteValue::Null);
        }
        let ty = element_type(a)?;
        let null = match a.get(3) {
            None | Some(ValueRef::Null) => None,
            Some(_) => Some(str_of(a, 3)?),
        };
        let separator = str_of(a, 2)?;
        let mut text = String::new();
        let mut count = 0;
        for element in elements(a[1])? {
            let part = if element.is_null() {
                let Some(null) = null else { continue };
                null.to_owned()
            } else {
                let stored = to_sqlite(element);
                printed((&stored).into(), &ty)?
            };
            fits(text.len() + separator.len() + part.len())?;
            if count > 0 {
                text.push_str(separator);
            }
            text.push_str(&part);
            count += 1;
        }
        Ok(string(text))
    })?;
    let budget = registry.budget.clone();
    registry.strict("pg_array_contains", 2, move |a| {
        let (all, wanted) = (elements(a[0])?, elements(a[1])?);
        let mut meter = Meter::new(&budget);
        for item in &wanted {
            if item.is_null() || !holds(&all, item, &mut meter)? {
                return Ok(boolean(false));
            }
        }
        Ok(boolean(true))
    })?;
    let budget = registry.budget.clone();
    registry.strict("pg_array_overlap", 2, move |a| {
        let (left, right) = (elements(a[0])?, elements(a[1])?);
        let mut meter = Meter::new(&budget);
        for item in &left {
            if !item.is_null() && holds(&right, item, &mut meter)? {
                return Ok(boolean(true));
            }
        }
        Ok(boolean(false))
    })?;
    registry.any("pg_string_to_array", 2, |a| {
        if a[0] == ValueRef::Null {
            return Ok(SqliteValue::Null);
        }
        let text = str_of(a, 0)?;
        // One more than an array can have, so that the last is missed.
        let most = ARRAY_ELEMENTS_MAX + 1;
        let parts: Vec<Value> = match a[1] {
            ValueRef::Null => text.chars().take(most).map(|c| Value::Text(c.to_string())).collect(),
            _ if text.is_empty() => Vec::new(),
            _ => match str_of(a, 1)? {
                "" => vec![Value::Text(text.to_owned())],
                separator => text.split(separator).take(most).map(|part| Value::Text(part.to_owned())).collect(),
            },
        };
        encode_array(parts)
    })?;
    // Whether a series goes on; its step is not zero.
    registry.any("pg_series_begins", 3, |a| {
        if a.contains(&ValueRef::Null) {
            return Ok(boolean(false));
        }
        // A sum that left the integers is a float.
        let (ValueRef::Integer(value), stop, step) = (a[0], int_of(a, 1)?, int_of(a, 2)?) else {
            return Ok(boolean(false));
        };
        match step {
            0 => Err(SqlError::new(sqlstate::INVALID_PARAMETER, "step size cannot equal zero")),
            step if step > 0 => Ok(boolean(value <= stop)),
            _ => Ok(boolean(value >= stop)),
        }
    })
}

/// Looks at one element after the other.
fn holds(all: &[Value], item: &Value, meter: &mut Meter<'_>) -> Result<bool, SqlError> {
    for element in all {
        meter.add(comparison_work(element, item))?;
        if same(element, item) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Texts and bytes of one length are compared byte by byte, eight at a time.
fn comparison_work(left: &Value, right: &Value) -> u64 {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) if left.len() == right.len() => 1 + left.len() as u64 / 8,
        (Value::Bytea(left), Value::Bytea(right)) if left.len() == right.len() => 1 + left.len() as u64 / 8,
        _ => 1,
    }
}

/// Equality of elements: NaN equals itself, NULL equals NULL.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float8(a), Value::Float8(b)) if a.is_nan() && b.is_nan() => true,
        (Value::Float4(a), Value::Float4(b)) if a.is_nan() && b.is_nan() => true,
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::StepBudget;

    #[test]
    fn elements_are_compared_for_steps() {
        let numbers = |from: i32| (from..from + 2_000).map(Value::Int4).collect::<Vec<_>>();
        let texts = |end: char| vec![Value::Text("x".repeat(3_200) + &end.to_string()); 100];
        for (all, wanted) in [(numbers(0), numbers(2_000)), (texts('a'), texts('b'))] {
            let run = |steps: u64| {
                let budget = StepBudget::default();
                budget.grant_steps(steps);
                let mut meter = Meter::new(&budget);
                let mut found = false;
                for item in &wanted {
                    found |= holds(&all, item, &mut meter)?;
                }
                Ok::<_, SqlError>(found)
            };
            assert_eq!(run(1_000_000), Ok(false));
            assert_eq!(run(100_000).map_err(|error| error.sqlstate), Err("57014".to_owned()));
        }
    }
}
