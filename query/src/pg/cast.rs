//! Casts as Postgres makes them: floats round to even, numerics away from zero, texts are read and printed.

use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use lake_cdc::{ColumnType, Value, text};

use super::datum::Datum;
use super::numeric::{DYNAMIC, Number};
use crate::error::{from_text, refuse, unsupported};
use crate::scan::columns::{PG_TYPE, arrow_field};

/// What is cast to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// A type that a column can have.
    Column(ColumnType),
    /// `numeric` without a precision.
    Numeric,
    /// `interval`
    Interval,
}

impl Target {
    /// From the form that the rewritten statement carries: Postgres' short name and its modifiers.
    pub(crate) fn parse(code: &str) -> Result<Target> {
        if let Some(element) = code.strip_prefix('_') {
            return match Target::parse(element)? {
                Target::Column(element) => Ok(Target::Column(ColumnType::Array(Box::new(element)))),
                Target::Numeric => Ok(Target::Column(ColumnType::Array(Box::new(ColumnType::NUMERIC)))),
                Target::Interval => Err(unsupported("an array of intervals")),
            };
        }
        let (name, modifiers) = match code.split_once('(') {
            Some((name, rest)) => (name, rest.trim_end_matches(')')),
            None => (code, ""),
        };
        let numbers: Vec<u32> = modifiers.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        Ok(Target::Column(match (name, numbers.as_slice()) {
            ("bool", _) => ColumnType::Bool,
            ("int2", _) => ColumnType::Int2,
            ("int4", _) => ColumnType::Int4,
            ("int8", _) => ColumnType::Int8,
            ("float4", _) => ColumnType::Float4,
            ("float8", _) => ColumnType::Float8,
            ("numeric", []) => return Ok(Target::Numeric),
            ("numeric", [precision, rest @ ..]) => {
                let scale = rest.first().copied().unwrap_or(0);
                match (u8::try_from(*precision), u8::try_from(scale)) {
                    (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => {
                        ColumnType::Numeric { precision, scale }
                    }
                    _ => return Err(unsupported(format!("numeric({precision},{scale})"))),
                }
            }
            ("date", _) => ColumnType::Date,
            ("time", []) => ColumnType::Time,
            ("timestamp", []) => ColumnType::Timestamp,
            ("timestamptz", []) => ColumnType::TimestampTz,
            ("uuid", _) => ColumnType::Uuid,
            ("text", _) => ColumnType::Text,
            // Without a length it is as long as a text.
            ("varchar", []) => ColumnType::Varchar(u32::MAX),
            ("varchar", [length, ..]) => ColumnType::Varchar(*length),
            ("bytea", _) => ColumnType::Bytea,
            ("json", _) => ColumnType::Json,
            ("jsonb", _) => ColumnType::Jsonb,
            ("interval", []) => return Ok(Target::Interval),
            _ => return Err(unsupported(format!("the type {code}"))),
        }))
    }

    /// The field of a value of it.
    pub(crate) fn field(&self) -> Field {
        match self {
            Target::Column(column_type) => arrow_field("cast", column_type),
            Target::Numeric => Field::new("cast", DYNAMIC, true),
            Target::Interval => {
                Field::new("cast", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), true)
            }
        }
    }

    /// Postgres' short name.
    pub(crate) fn name(&self) -> String {
        match self {
            Target::Column(column_type) => column_type.pg_name(),
            Target::Numeric => "numeric".into(),
            Target::Interval => "interval".into(),
        }
    }
}

/// True if Postgres casts `from` to `to` when asked to.
pub(crate) fn is_possible(from: &str, to: &str) -> bool {
    let number = |name: &str| matches!(name, "int2" | "int4" | "int8" | "float4" | "float8" | "numeric");
    let text = |name: &str| matches!(name, "text" | "varchar");
    from == to
        || (number(from) && number(to))
        || text(from)
        || text(to)
        || matches!(
            (from, to),
            ("bool", "int4")
                | ("int4", "bool")
                | ("date", "timestamp" | "timestamptz")
                | ("timestamp", "date" | "time" | "timestamptz")
                | ("timestamptz", "date" | "time" | "timestamp")
                | ("time", "interval")
                | ("interval", "time")
                | ("json", "jsonb")
                | ("jsonb", "json")
        )
        || (from == "jsonb" && (number(to) || to == "bool"))
        || (from.starts_with('_') && to.starts_with('_'))
}

/// `value` as `target`.
pub(crate) fn cast(value: &Datum, target: &Target) -> Result<Datum> {
    match (value, target) {
        (Datum::Null, _) => Ok(Datum::Null),
        (Datum::Value(Value::Text(text)), Target::Interval) => super::interval::parse(text).map(Datum::Interval),
        (Datum::Interval(interval), Target::Interval) => Ok(Datum::Interval(*interval)),
        (Datum::Value(Value::Time(micros)), Target::Interval) => {
            super::interval::new(0, 0, *micros).map(Datum::Interval)
        }
        (Datum::Value(Value::Text(text)), Target::Numeric) => match Number::parse(text) {
            Some(number) => Ok(Datum::Number(number)),
            None if lake_cdc::Numeric::parse(text, 38, 0) == Err(lake_cdc::NumericError::Syntax) => {
                Err(refuse("22P02", format!("invalid input syntax for type numeric: \"{text}\"")))
            }
            None => Err(refuse("22003", "a numeric here has at most 38 digits before the point and 38 after it")),
        },
        (value, Target::Numeric) => to_number(value).map(Datum::Number),
        (_, Target::Interval) => Err(unsupported("this cast to interval")),
        (value, Target::Column(column_type)) => to_column(value, column_type),
    }
}

fn to_number(value: &Datum) -> Result<Number> {
    match value {
        Datum::Value(Value::Float8(value)) => float_number(text::print_float8(round_float(*value, 15))),
        Datum::Value(Value::Float4(value)) => float_number(format!("{}", round_float(f64::from(*value), 6))),
        other => Ok(other.as_number()),
    }
}

/// Postgres turns a float into a numeric by its first 15 (or 6) digits.
fn round_float(value: f64, digits: usize) -> f64 {
    if value == 0.0 || !value.is_finite() { value } else { format!("{value:.*e}", digits - 1).parse().unwrap_or(value) }
}

fn float_number(text: String) -> Result<Number> {
    Number::parse(&text).ok_or_else(|| refuse("22003", "numeric value out of range"))
}

fn to_column(value: &Datum, to: &ColumnType) -> Result<Datum> {
    let read = |text: &str| text::parse(to, text).map(Datum::Value).map_err(from_text);
    Ok(match (value, to) {
        (Datum::Value(Value::Text(text)), ColumnType::Varchar(length)) => {
            // An explicit cast cuts, where an assignment would refuse.
            Datum::text(text.chars().take(*length as usize).collect::<String>())
        }
        (Datum::Value(Value::Text(text)), ColumnType::Text) => Datum::text(text.clone()),
        (Datum::Value(Value::Text(text)), _) => read(text)?,
        (other, ColumnType::Text) => Datum::text(other.print()),
        (other, ColumnType::Varchar(length)) => {
            Datum::text(other.print().chars().take(*length as usize).collect::<String>())
        }
        (other, ColumnType::Int2) => Datum::Value(Value::Int2(integer(other, "smallint")?)),
        (other, ColumnType::Int4) => Datum::Value(Value::Int4(integer(other, "integer")?)),
        (other, ColumnType::Int8) => Datum::Value(Value::Int8(integer(other, "bigint")?)),
        (Datum::Value(Value::Int4(value)), ColumnType::Bool) => Datum::Value(Value::Bool(*value != 0)),
        (Datum::Value(Value::Bool(value)), ColumnType::Bool) => Datum::Value(Value::Bool(*value)),
        (other, ColumnType::Float8) => Datum::Value(Value::Float8(other.as_f64())),
        (other, ColumnType::Float4) => {
            let value = other.as_f64();
            let narrow = value as f32;
            if narrow.is_infinite() && value.is_finite() {
                return Err(refuse("22003", format!("\"{value}\" is out of range for type real")));
            }
            Datum::Value(Value::Float4(narrow))
        }
        (other, ColumnType::Numeric { precision, scale }) => {
            let number = to_number(other)?;
            let unscaled = number.unscaled(u32::from(*scale)).and_then(arrow::datatypes::i256::to_i128);
            let number = unscaled.map(|unscaled| lake_cdc::Numeric::new(unscaled, *scale));
            match number.filter(|number| number.fits(*precision)) {
                Some(number) => Datum::Number(
                    Number::scaled(arrow::datatypes::i256::from_i128(number.unscaled()), u32::from(*scale))
                        .ok_or_else(|| refuse("22003", "numeric field overflow"))?,
                ),
                None => return Err(refuse("22003", "numeric field overflow")),
            }
        }
        (Datum::Value(value), to) => Datum::Value(between_times(value, to)?),
        _ => return Err(unsupported(format!("this cast to {}", to.pg_name()))),
    })
}

fn integer<T: TryFrom<i64>>(value: &Datum, name: &str) -> Result<T> {
    let out = || refuse("22003", format!("{name} out of range"));
    let wide = match value {
        Datum::Value(Value::Bool(value)) => i64::from(*value),
        Datum::Value(Value::Float8(_) | Value::Float4(_)) => {
            let rounded = value.as_f64().round_ties_even();
            // The bounds of bigint as floats; the upper one is 2^63.
            if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                return Err(out());
            }
            rounded as i64
        }
        Datum::Number(number) => number.to_i64().ok_or_else(out)?,
        other => other.as_i64(),
    };
    T::try_from(wide).map_err(|_| out())
}

fn between_times(value: &Value, to: &ColumnType) -> Result<Value> {
    const DAY: i64 = text::calendar::DAY_MICROS;
    let day = |micros: i64| i32::try_from(micros.div_euclid(DAY)).map_err(|_| refuse("22008", "date out of range"));
    Ok(match (value, to) {
        (Value::Date(days), ColumnType::Timestamp) => Value::Timestamp(i64::from(*days) * DAY),
        (Value::Date(days), ColumnType::TimestampTz) => Value::TimestampTz(i64::from(*days) * DAY),
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ColumnType::Date) => Value::Date(day(*micros)?),
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ColumnType::Time) => {
            Value::Time(micros.rem_euclid(DAY))
        }
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ColumnType::Timestamp) => Value::Timestamp(*micros),
        (Value::Timestamp(micros) | Value::TimestampTz(micros), ColumnType::TimestampTz) => Value::TimestampTz(*micros),
        (Value::Array(items), ColumnType::Array(element)) => Value::Array(
            items
                .iter()
                .map(|item| match item {
                    Value::Null => Ok(Value::Null),
                    Value::Numeric(number) => {
                        let unscaled = arrow::datatypes::i256::from_i128(number.unscaled());
                        let number = Number::scaled(unscaled, u32::from(number.scale()))
                            .ok_or_else(|| refuse("22003", "numeric value out of range"))?;
                        to_column(&Datum::Number(number), element).map(Datum::into_value)
                    }
                    other => to_column(&Datum::Value(other.clone()), element).map(Datum::into_value),
                })
                .collect::<Result<_>>()?,
        ),
        (value, to) if value.is_of(to) => value.clone(),
        (_, to) => return Err(unsupported(format!("this cast to {}", to.pg_name()))),
    })
}

/// A field of Postgres' type name `name`, where that differs from what the Arrow type says.
pub(crate) fn named_field(data_type: DataType, name: &str) -> Field {
    let field = Field::new("value", data_type, true);
    match name {
        "json" | "jsonb" | "varchar" => {
            field.with_metadata([(PG_TYPE.to_owned(), name.to_owned())].into_iter().collect())
        }
        _ => field,
    }
}
