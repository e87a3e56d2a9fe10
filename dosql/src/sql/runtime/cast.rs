//! Conversions between types.

use lake_cdc::text::calendar::{DAY_MICROS, FIRST_DAY, LAST_DAY};
use lake_cdc::{ColumnType, Reader, Value};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::decimal::Decimal;
use super::super::input;
use super::super::interval::Interval;
use super::super::pg_type::PgType;
use super::{
    Registry, boolean, bytes_of, decimal, decimal_of, digit_work, float_of, int_of, integer, interval_of, out_of_range,
    printed, str_of, string,
};

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    let budget = registry.budget.clone();
    registry.strict("pg_cast", 3, move |a| {
        let unknown = || SqlError::new(sqlstate::INTERNAL, "a cast of an unknown type");
        let from = PgType::from_name(str_of(a, 0)?).ok_or_else(unknown)?;
        let to = PgType::from_name(str_of(a, 1)?).ok_or_else(unknown)?;
        if from == PgType::Numeric || to == PgType::Numeric {
            budget.charge(digit_work(bytes_of(&a[2..])))?;
        }
        cast(&from, &to, a[2])
    })?;
    registry.strict("pg_varchar_fit", 2, |a| varchar(str_of(a, 0)?, int_of(a, 1)?, false))?;
    registry.strict("pg_varchar_cut", 2, |a| varchar(str_of(a, 0)?, int_of(a, 1)?, true))?;
    registry.strict("pg_bool_out", 1, |a| Ok(string(if int_of(a, 0)? != 0 { "t" } else { "f" })))
}

fn varchar(text: &str, limit: i64, cut: bool) -> Result<SqliteValue, SqlError> {
    match text.char_indices().nth(limit as usize) {
        None => Ok(string(text)),
        Some((end, _)) if cut || text[end..].bytes().all(|byte| byte == b' ') => Ok(string(&text[..end])),
        Some(_) => {
            Err(SqlError::new(sqlstate::STRING_TOO_LONG, format!("value too long for type character varying({limit})")))
        }
    }
}

fn to_integer(value: Option<i64>, to: &PgType) -> Result<SqliteValue, SqlError> {
    let value = value.filter(|value| match to {
        PgType::Int2 => i16::try_from(*value).is_ok(),
        PgType::Int4 => i32::try_from(*value).is_ok(),
        _ => true,
    });
    value.map(integer).ok_or_else(|| out_of_range(&to.display()))
}

/// Rounds half to even, as the processor does and Postgres with it.
fn float_to_integer(value: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded).then_some(rounded as i64)
}

fn to_float4(value: f64) -> Result<SqliteValue, SqlError> {
    let narrow = value as f32;
    if narrow.is_infinite() && !value.is_infinite() {
        return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"));
    }
    if narrow == 0.0 && value != 0.0 {
        return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(input::float(f64::from(narrow)))
}

fn cast(from: &PgType, to: &PgType, value: ValueRef<'_>) -> Result<SqliteValue, SqlError> {
    use PgType as T;
    let a = &[value];
    match (from, to) {
        (T::Array(from), T::Array(to)) => array(from, to, value),
        (T::Bool, T::Text | T::Varchar) => Ok(string(if int_of(a, 0)? != 0 { "true" } else { "false" })),
        (_, T::Text | T::Varchar) => Ok(string(printed(value, from)?)),
        (T::Text | T::Varchar, to) => input::parse(to, str_of(a, 0)?),
        (from, to) if from.is_integer() && to.is_integer() => to_integer(Some(int_of(a, 0)?), to),
        (from, T::Float4) if from.is_integer() => to_float4(int_of(a, 0)? as f64),
        (from, to) if from.is_float() && to.is_integer() => to_integer(float_to_integer(float_of(a, 0)?), to),
        (T::Float8, T::Float4) => to_float4(float_of(a, 0)?),
        (T::Float4, T::Numeric) => Ok(decimal(&Decimal::from_float(float_of(a, 0)?, 6)?)),
        (T::Float8, T::Numeric) => Ok(decimal(&Decimal::from_float(float_of(a, 0)?, 15)?)),
        (T::Numeric, to) if to.is_integer() => {
            let number = decimal_of(a, 0)?;
            if matches!(number, Decimal::NaN) {
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    format!("cannot convert NaN to {}", to.display()),
                ));
            }
            to_integer(number.to_i64(), to)
        }
        (T::Numeric, T::Float8) => {
            let value = decimal_of(a, 0)?.to_f64();
            if value.is_infinite() {
                return Err(out_of_range("double precision"));
            }
            Ok(input::float(value))
        }
        (T::Numeric, T::Float4) => to_float4(decimal_of(a, 0)?.to_f64()),
        (T::Timestamp | T::TimestampTz, T::Date) => Ok(integer(int_of(a, 0)?.div_euclid(DAY_MICROS))),
        (T::Timestamp | T::TimestampTz, T::Time) => Ok(integer(int_of(a, 0)?.rem_euclid(DAY_MICROS))),
        (T::Time, T::Interval) => Ok(string(Interval { micros: int_of(a, 0)?, ..Interval::default() }.encode())),
        (T::Interval, T::Time) => Ok(integer(interval_of(a, 0)?.micros.rem_euclid(DAY_MICROS))),
        (T::Json, T::Jsonb) => input::parse(to, str_of(a, 0)?),
        (T::Jsonb, to) => jsonb(str_of(a, 0)?, to),
        (from, to) => Err(SqlError::new(
            sqlstate::CANNOT_COERCE,
            format!("cannot cast type {} to {}", from.display(), to.display()),
        )),
    }
}

fn jsonb(text: &str, to: &PgType) -> Result<SqliteValue, SqlError> {
    use lake_cdc::text::json::Json;
    let wrong = |kind: &str| {
        Err(SqlError::new(sqlstate::INVALID_PARAMETER, format!("cannot cast jsonb {kind} to type {}", to.display())))
    };
    match (Json::parse_jsonb(text).map_err(input::from_text_error)?, to) {
        // Postgres 18: a JSON null is an SQL NULL.
        (Json::Null, _) => Ok(SqliteValue::Null),
        (Json::Bool(value), PgType::Bool) => Ok(boolean(value)),
        (Json::Number(digits), to) if to.is_number() => cast(&PgType::Numeric, to, ValueRef::Text(digits.as_bytes()))
            .or_else(|e| if *to == PgType::Numeric { Ok(string(digits.clone())) } else { Err(e) }),
        (Json::Bool(_), _) => wrong("boolean"),
        (Json::Number(_), _) => wrong("numeric"),
        (Json::String(_), _) => wrong("string"),
        (Json::Array(_), _) => wrong("array"),
        (Json::Object(_), _) => wrong("object"),
    }
}

fn array(from: &PgType, to: &PgType, value: ValueRef<'_>) -> Result<SqliteValue, SqlError> {
    let elements = super::array::elements(value)?;
    let mut converted = Vec::with_capacity(elements.len());
    for element in elements {
        if element.is_null() {
            converted.push(Value::Null);
            continue;
        }
        let stored = input::to_sqlite(element);
        let stored = if from == to { stored } else { cast(from, to, (&stored).into())? };
        converted.push(input::to_value((&stored).into(), to));
    }
    encode_array(converted)
}

/// A number literal as a column holds it.
pub(in super::super) fn cast_text_number(
    digits: &str,
    from: &PgType,
    column_type: &ColumnType,
) -> Result<SqliteValue, SqlError> {
    let to = PgType::of_column(column_type);
    let stored = if from.is_integer() {
        integer(digits.parse::<i64>().map_err(|_| out_of_range("bigint"))?)
    } else {
        string(digits)
    };
    let converted = match (from, &to) {
        (from, to) if from == to => stored,
        (from, PgType::Numeric) if from.is_integer() => string(digits),
        (from, to) if from.is_integer() && *to == PgType::Float8 => input::float(digits.parse().unwrap_or(f64::NAN)),
        (from, to) => cast(from, to, (&stored).into())?,
    };
    match (column_type, converted) {
        (ColumnType::Numeric { precision, scale }, SqliteValue::Text(text)) => {
            Ok(decimal(&Decimal::parse(&text)?.fit(*precision, *scale)?))
        }
        (ColumnType::Varchar(limit), SqliteValue::Text(text)) => varchar(&text, i64::from(*limit), false),
        (_, converted) => Ok(converted),
    }
}

/// Refuses days that no table can hold.
pub(super) fn day_in_range(day: i64, what: &str) -> Result<i64, SqlError> {
    if (FIRST_DAY..=LAST_DAY).contains(&day) {
        Ok(day)
    } else {
        Err(SqlError::new(sqlstate::DATETIME_OVERFLOW, format!("{what} out of range")))
    }
}

/// Reads an array from its bytes.
pub(super) fn decode_array(bytes: &[u8]) -> Result<Vec<Value>, SqlError> {
    match Value::decode(&mut Reader::new(bytes)) {
        Ok(Value::Array(elements)) => Ok(elements),
        _ => Err(SqlError::new(sqlstate::INTERNAL, "an array that is none")),
    }
}

/// The bytes of an array, if it can be read again.
pub(super) fn encode_array(elements: Vec<Value>) -> Result<SqliteValue, SqlError> {
    input::expect_elements(elements.len())?;
    Ok(input::to_sqlite(Value::Array(elements)))
}
