//! The functions that translated SQL calls: what SQLite lacks or does otherwise than Postgres.
//!
//! All are registered per connection. A NULL argument gives NULL unless a function says otherwise. An error carries
//! its SQLSTATE through SQLite in its message.

mod aggregate;
mod array;
mod cast;
mod json;
mod number;
mod pattern;
mod text;
mod time;

use std::cmp::Ordering;

use lake_dialect::{SqlError, sqlstate};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as SqliteValue, ValueRef};
use rusqlite::{Connection, Error};

pub(super) use cast::cast_text_number;

use super::decimal::{Decimal, compare_texts};
use super::environment::Environment;
use super::failure::Carried;
use super::input::{printed_bytes_at_least, to_value};
use super::interval::Interval;
use super::limits::{DIGIT_PAIRS_PER_WORK, TEXT_BYTES_MAX};
use super::pg_type::PgType;
use crate::budget::StepBudget;

/// Makes the functions and collations of translated SQL known to a connection.
pub fn register_functions(connection: &Connection, environment: &Environment) -> rusqlite::Result<()> {
    connection.create_collation("pg_interval", interval_order)?;
    let budget = environment.budget();
    for (name, order) in [("pg_numeric", compare_texts as fn(&str, &str) -> Ordering), ("pg_jsonb", json::compare)] {
        let at = budget.clone();
        connection.create_collation(name, move |a, b| collate(&at, order, a, b))?;
    }
    let registry = Registry { connection, budget };
    number::register(&registry, environment)?;
    text::register(&registry)?;
    pattern::register(&registry)?;
    time::register(&registry, environment)?;
    json::register(&registry)?;
    array::register(&registry)?;
    cast::register(&registry)?;
    aggregate::register(connection, budget)?;
    sequence(&registry, environment)
}

fn sequence(registry: &Registry<'_>, environment: &Environment) -> rusqlite::Result<()> {
    let at = environment.clone();
    registry.volatile("pg_nextval", 1, move |a| Ok(integer(at.next_value(&text_of(a, 0)?)?)))?;
    let at = environment.clone();
    registry.volatile("pg_currval", 1, move |a| Ok(integer(at.current_value(&text_of(a, 0)?)?)))?;
    let at = environment.clone();
    registry.volatile("pg_lastval", 0, move |_| Ok(integer(at.last_value()?)))?;
    let at = environment.clone();
    registry.volatile("pg_setval", -1, move |a| {
        let is_called = if a.len() > 2 { int_of(a, 2)? != 0 } else { true };
        Ok(integer(at.set_value(&text_of(a, 0)?, int_of(a, 1)?, is_called)?))
    })?;
    registry.any("pg_not_null", 3, |a| {
        if a[0] == ValueRef::Null {
            return Err(super::failure::not_null(&text_of(a, 1)?, &text_of(a, 2)?));
        }
        Ok(owned(a[0]))
    })?;
    for (name, wanted) in [("pg_greatest", Ordering::Greater), ("pg_least", Ordering::Less)] {
        registry.any(name, -1, move |a| {
            let ty = str_of(a, 0)?;
            let mut best = ValueRef::Null;
            for value in &a[1..] {
                if *value != ValueRef::Null && (best == ValueRef::Null || compare(ty, *value, best) == wanted) {
                    best = *value;
                }
            }
            Ok(owned(best))
        })?;
    }
    registry.any("pg_only_row", 2, |a| {
        if int_of(a, 1)? > 1 {
            return Err(SqlError::new(
                sqlstate::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            ));
        }
        Ok(owned(a[0]))
    })?;
    registry.any("pg_limit", 2, |a| {
        let what = text_of(a, 1)?;
        match a[0] {
            ValueRef::Null => Ok(integer(if what == "LIMIT" { -1 } else { 0 })),
            ValueRef::Integer(value) if value >= 0 => Ok(integer(value)),
            _ => {
                let code = if what == "LIMIT" { "2201W" } else { "2201X" };
                Err(SqlError::new(code, format!("{what} must not be negative")))
            }
        }
    })
}

/// The order of two values of a type, neither NULL.
fn compare(ty: &str, a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(&b),
        (ValueRef::Real(a), ValueRef::Real(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (ValueRef::Text(a), ValueRef::Text(b)) => {
            let (text_a, text_b) = (std::str::from_utf8(a).unwrap_or(""), std::str::from_utf8(b).unwrap_or(""));
            match ty {
                "numeric" => compare_texts(text_a, text_b),
                "interval" => interval_order(text_a, text_b),
                "jsonb" => json::compare(text_a, text_b),
                _ => a.cmp(b),
            }
        }
        (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
        // A float that is NaN is a text, above every number.
        (ValueRef::Text(_), _) => Ordering::Greater,
        (_, ValueRef::Text(_)) => Ordering::Less,
        _ => Ordering::Equal,
    }
}

/// The order in SQLite, which compares in one step however large the values are. Without steps any order will do: the
/// statement is refused.
fn collate(budget: &StepBudget, order: fn(&str, &str) -> Ordering, a: &str, b: &str) -> Ordering {
    if budget.spend(a.len() as u64 + b.len() as u64) { order(a, b) } else { a.cmp(b) }
}

fn interval_order(a: &str, b: &str) -> Ordering {
    Interval::decode(a).map(Interval::order).cmp(&Interval::decode(b).map(Interval::order))
}

/// Registers functions under the flags they need. What they read and give is charged for all; one that does more than
/// look at each byte once charges the rest itself.
pub(super) struct Registry<'c> {
    connection: &'c Connection,
    budget: &'c StepBudget,
}

type Outcome = Result<SqliteValue, SqlError>;

impl Registry<'_> {
    /// NULL in, NULL out; the same for the same arguments.
    fn strict(
        &self,
        name: &str,
        count: i32,
        body: impl Fn(&[ValueRef<'_>]) -> Outcome + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.define(name, count, FunctionFlags::SQLITE_DETERMINISTIC, true, body)
    }

    /// Sees NULLs; the same for the same arguments.
    fn any(
        &self,
        name: &str,
        count: i32,
        body: impl Fn(&[ValueRef<'_>]) -> Outcome + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.define(name, count, FunctionFlags::SQLITE_DETERMINISTIC, false, body)
    }

    /// Another answer each time, or in each transaction.
    fn volatile(
        &self,
        name: &str,
        count: i32,
        body: impl Fn(&[ValueRef<'_>]) -> Outcome + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.define(name, count, FunctionFlags::empty(), true, body)
    }

    /// `strict`, of numerics: reading, multiplying, dividing and printing them takes the square of their digits.
    fn numeric(
        &self,
        name: &str,
        count: i32,
        body: impl Fn(&[ValueRef<'_>]) -> Outcome + Send + 'static,
    ) -> rusqlite::Result<()> {
        let budget = self.budget.clone();
        self.strict(name, count, move |a| {
            budget.charge(digit_work(bytes_of(a)))?;
            let value = body(a)?;
            budget.charge(digit_work(bytes_of(&[(&value).into()])))?;
            Ok(value)
        })
    }

    fn define(
        &self,
        name: &str,
        count: i32,
        flags: FunctionFlags,
        strict: bool,
        body: impl Fn(&[ValueRef<'_>]) -> Outcome + Send + 'static,
    ) -> rusqlite::Result<()> {
        let flags = flags | FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        let budget = self.budget.clone();
        self.connection.create_scalar_function(name, count, flags, move |context: &Context<'_>| {
            // Most functions have few arguments, and this runs per row.
            let mut few = [ValueRef::Null; 8];
            let many;
            let arguments: &[ValueRef<'_>] = if context.len() <= few.len() {
                for (index, slot) in few.iter_mut().enumerate().take(context.len()) {
                    *slot = context.get_raw(index);
                }
                &few[..context.len()]
            } else {
                many = (0..context.len()).map(|index| context.get_raw(index)).collect::<Vec<_>>();
                &many
            };
            if strict && arguments.contains(&ValueRef::Null) {
                return Ok(SqliteValue::Null);
            }
            budget.charge(bytes_of(arguments)).map_err(carry)?;
            let value = body(arguments).map_err(carry)?;
            budget.charge(bytes_of(&[(&value).into()])).map_err(carry)?;
            Ok(value)
        })
    }
}

/// Bytes of texts and blobs.
pub(super) fn bytes_of(values: &[ValueRef<'_>]) -> u64 {
    let bytes = values.iter().map(|value| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    });
    bytes.sum()
}

/// The work on a numeric whose text, or all of whose operands' texts, have so many bytes.
pub(super) fn digit_work(bytes: u64) -> u64 {
    bytes.saturating_mul(bytes) / DIGIT_PAIRS_PER_WORK
}

/// Refuses a text before it is built.
pub(super) fn fits(bytes: usize) -> Result<(), SqlError> {
    if bytes > TEXT_BYTES_MAX {
        return Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "requested length too large"));
    }
    Ok(())
}

/// The text of a value, if it fits: bytes and arrays can be longer in print than they are stored.
pub(super) fn printed(value: ValueRef<'_>, ty: &PgType) -> Result<String, SqlError> {
    let value = to_value(value, ty);
    fits(printed_bytes_at_least(&value))?;
    let text = lake_cdc::text::print(&value);
    fits(text.len())?;
    Ok(text)
}

/// An error on its way through SQLite.
pub(super) fn carry(error: SqlError) -> Error {
    Error::UserFunctionError(Box::new(Carried(error)))
}

fn mistyped(expected: &str) -> SqlError {
    SqlError::new(sqlstate::INTERNAL, format!("a function expected {expected}"))
}

/// The value, kept.
pub(super) fn owned(value: ValueRef<'_>) -> SqliteValue {
    match value {
        ValueRef::Null => SqliteValue::Null,
        ValueRef::Integer(value) => SqliteValue::Integer(value),
        ValueRef::Real(value) => SqliteValue::Real(value),
        ValueRef::Text(text) => SqliteValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqliteValue::Blob(bytes.to_vec()),
    }
}

pub(super) fn integer(value: i64) -> SqliteValue {
    SqliteValue::Integer(value)
}

pub(super) fn boolean(value: bool) -> SqliteValue {
    SqliteValue::Integer(i64::from(value))
}

pub(super) fn string(value: impl Into<String>) -> SqliteValue {
    SqliteValue::Text(value.into())
}

pub(super) fn int_of(arguments: &[ValueRef<'_>], index: usize) -> Result<i64, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Integer(value)) => Ok(*value),
        _ => Err(mistyped("an integer")),
    }
}

/// NaN is a text in SQLite.
pub(super) fn float_of(arguments: &[ValueRef<'_>], index: usize) -> Result<f64, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Real(value)) => Ok(*value),
        Some(ValueRef::Integer(value)) => Ok(*value as f64),
        Some(ValueRef::Text(b"NaN")) => Ok(f64::NAN),
        _ => Err(mistyped("a float")),
    }
}

pub(super) fn str_of<'a>(arguments: &[ValueRef<'a>], index: usize) -> Result<&'a str, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Text(bytes)) => std::str::from_utf8(bytes).map_err(|_| mistyped("UTF-8")),
        _ => Err(mistyped("a text")),
    }
}

pub(super) fn text_of(arguments: &[ValueRef<'_>], index: usize) -> Result<String, SqlError> {
    str_of(arguments, index).map(str::to_owned)
}

pub(super) fn blob_of<'a>(arguments: &[ValueRef<'a>], index: usize) -> Result<&'a [u8], SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Blob(bytes)) => Ok(bytes),
        _ => Err(mistyped("bytes")),
    }
}

/// A numeric's text, or an integer.
pub(super) fn decimal_of(arguments: &[ValueRef<'_>], index: usize) -> Result<Decimal, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Integer(value)) => Ok(Decimal::from_integer(*value)),
        _ => Decimal::parse(str_of(arguments, index)?),
    }
}

pub(super) fn interval_of(arguments: &[ValueRef<'_>], index: usize) -> Result<Interval, SqlError> {
    Interval::decode(str_of(arguments, index)?).ok_or_else(|| mistyped("an interval"))
}

pub(super) fn decimal(value: &Decimal) -> SqliteValue {
    SqliteValue::Text(value.to_string())
}

pub(super) fn out_of_range(ty: &str) -> SqlError {
    SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, format!("{ty} out of range"))
}
