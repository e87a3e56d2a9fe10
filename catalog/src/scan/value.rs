//! Values that bounds, partitions and literals are compared by, whatever they came from.

use std::cmp::Ordering;

use iceberg::spec::{Datum, Literal, PrimitiveLiteral, PrimitiveType, Type};
use serde_json::Value as Json;

use crate::calendar::{date_of, days_of};

/// A value of a type whose order is the same for all engines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A boolean.
    Bool(bool),
    /// An integer, days, microseconds, or the digits of a decimal.
    Int(i128),
    /// A floating point number.
    Float(f64),
    /// A text, in the order of its code points.
    Text(String),
}

impl Value {
    /// The order of two values; `None` if they have none: NaN, or values of different kinds.
    pub(crate) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
            (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
            // Java has -0.0 before 0.0, others have them as one: literals of zero are read as both.
            (Value::Float(one), Value::Float(other)) => one.partial_cmp(other).map(|_| one.total_cmp(other)),
            (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }

    /// A bound of a column that is of type `wanted` today and may have been narrower when the file was written.
    pub(crate) fn of_bound(bound: &Datum, wanted: &PrimitiveType) -> Option<Value> {
        use PrimitiveType as T;
        let fits = match (bound.data_type(), wanted) {
            (T::Int, T::Long) | (T::Float, T::Double) => true,
            (T::Decimal { scale: held, .. }, T::Decimal { scale, .. }) => held == scale,
            (held, wanted) => held == wanted,
        };
        if fits { Value::of_primitive(bound.literal(), wanted) } else { None }
    }

    /// A partition's value.
    pub(crate) fn of_literal(literal: &Literal, kind: &Type) -> Option<Value> {
        let (Literal::Primitive(literal), Type::Primitive(kind)) = (literal, kind) else { return None };
        Value::of_primitive(literal, kind)
    }

    fn of_primitive(literal: &PrimitiveLiteral, kind: &PrimitiveType) -> Option<Value> {
        // UUIDs and bytes are compared in different orders by different writers.
        Some(match (literal, kind) {
            (_, PrimitiveType::Uuid | PrimitiveType::Fixed(_) | PrimitiveType::Binary) => return None,
            (PrimitiveLiteral::Boolean(value), _) => Value::Bool(*value),
            (PrimitiveLiteral::Int(value), _) => Value::Int(i128::from(*value)),
            (PrimitiveLiteral::Long(value), _) => Value::Int(i128::from(*value)),
            (PrimitiveLiteral::Int128(value), PrimitiveType::Decimal { .. }) => Value::Int(*value),
            (PrimitiveLiteral::Float(value), _) => Value::Float(f64::from(value.0)),
            (PrimitiveLiteral::Double(value), _) => Value::Float(value.0),
            (PrimitiveLiteral::String(value), _) => Value::Text(value.clone()),
            _ => return None,
        })
    }

    /// The least and the greatest value that clients read a literal as; `None` if it is not plainly of the column's type.
    ///
    /// They differ for columns of 32-bit floats: a tenth is none of these, and one client takes the float next to it while
    /// another one compares with a tenth. Which neighbour is the nearest also depends on what the text is read as first.
    /// Zero is read with either sign.
    pub(crate) fn readings(json: &Json, kind: &PrimitiveType) -> Option<(Value, Value)> {
        Some(match (Value::of_json(json, kind)?, kind) {
            (Value::Float(number), PrimitiveType::Float) => {
                let (below, above) = neighbours(number);
                (Value::Float(below), Value::Float(above))
            }
            (Value::Float(0.0), _) => (Value::Float(-0.0), Value::Float(0.0)),
            (value, _) => (value.clone(), value),
        })
    }

    /// A literal of a filter, as the type of its column; `None` if it is not plainly one.
    pub(crate) fn of_json(json: &Json, kind: &PrimitiveType) -> Option<Value> {
        use PrimitiveType as T;
        let integer = || json.as_i64().map(|value| Value::Int(i128::from(value)));
        match kind {
            T::Boolean => json.as_bool().map(Value::Bool),
            T::Int | T::Long => integer(),
            T::Float | T::Double => json.as_f64().filter(|value| !value.is_nan()).map(Value::Float),
            T::String => json.as_str().map(|text| Value::Text(text.to_owned())),
            T::Date => integer().or_else(|| parse_days(json.as_str()?).map(|days| Value::Int(i128::from(days)))),
            T::Timestamp => integer().or_else(|| {
                let (micros, zone) = micros_of(json.as_str()?)?;
                zone.is_none().then_some(Value::Int(micros))
            }),
            T::Timestamptz => integer().or_else(|| {
                let (micros, zone) = micros_of(json.as_str()?)?;
                zone.map(|zone| Value::Int(micros - zone))
            }),
            T::Decimal { scale, .. } => digits_of(json.as_str()?, *scale).map(Value::Int),
            _ => None,
        }
    }
}

/// The 32-bit floats on both sides of a number, or twice the one that it is.
fn neighbours(number: f64) -> (f64, f64) {
    let nearest = number as f32;
    match f64::from(nearest).partial_cmp(&number) {
        Some(Ordering::Equal) if number == 0.0 => (-0.0, 0.0),
        Some(Ordering::Less) => (f64::from(nearest), f64::from(nearest.next_up())),
        Some(Ordering::Greater) => (f64::from(nearest.next_down()), f64::from(nearest)),
        _ => (number, number),
    }
}

/// Months since January 1970 of a day.
pub(super) fn months_of_days(days: i128) -> i128 {
    let (year, month, _) = date_of(days);
    (year - 1_970) * 12 + i128::from(month) - 1
}

/// `2026-01-31` as days since 1970.
fn parse_days(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let mut number = |digits: usize| {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<i64>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then(|| days_of(year, month, day))
}

/// `2026-01-31T12:30:00.5+01:00` as microseconds since 1970 by its own clock, and the offset of that.
fn micros_of(text: &str) -> Option<(i128, Option<i128>)> {
    let (date, rest) = text.split_once('T')?;
    let (time, zone) = match rest.find(['Z', '+', '-']) {
        None => (rest, None),
        Some(at) => (rest.get(..at)?, Some(rest.get(at..)?)),
    };
    let zone = match zone {
        None => None,
        Some("Z") => Some(0),
        Some(zone) => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            Some(sign * micros_of_time(zone.get(1..)?)?)
        }
    };
    Some((i128::from(parse_days(date)?) * 86_400_000_000 + micros_of_time(time)?, zone))
}

/// `12:30`, `12:30:00` or `12:30:00.123456`.
fn micros_of_time(text: &str) -> Option<i128> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut micros = 0;
    let mut unit = 3_600_000_000_i128;
    for part in clock.split(':') {
        if part.len() != 2 || unit < 1_000_000 {
            return None;
        }
        micros += i128::from(part.parse::<u8>().ok()?) * unit;
        unit /= 60;
    }
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(micros + format!("{fraction:0<6}").parse::<i128>().ok()?)
}

/// `-12.50` at a scale of 2 is -1250.
fn digits_of(text: &str, scale: u32) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{whole}{fraction:0<scale$}");
    let is_plain = fraction.len() <= scale && digits.len() <= 38 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse::<i128>().ok().map(|digits| sign * digits) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(json: Json, kind: PrimitiveType, expected: Option<i128>) {
        assert_eq!(Value::of_json(&json, &kind), expected.map(Value::Int), "{json} as {kind}");
    }

    #[test]
    fn dates_are_days() {
        check(json!("1970-01-01"), PrimitiveType::Date, Some(0));
        check(json!("1969-12-31"), PrimitiveType::Date, Some(-1));
        check(json!("2000-02-29"), PrimitiveType::Date, Some(11_016));
        check(json!("2026-11-21"), PrimitiveType::Date, Some(20_778));
        check(json!(17), PrimitiveType::Date, Some(17));
        check(json!("2026-1-1"), PrimitiveType::Date, None);
    }

    #[test]
    fn moments_are_microseconds() {
        check(json!("1970-01-02T00:00:00.5"), PrimitiveType::Timestamp, Some(86_400_500_000));
        check(json!("1970-01-01T01:00:00+01:00"), PrimitiveType::Timestamptz, Some(0));
        check(json!("1969-12-31T23:59:59.999999Z"), PrimitiveType::Timestamptz, Some(-1));
        check(json!("1970-01-01T00:00:00"), PrimitiveType::Timestamptz, None);
        check(json!("1970-01-01T00:00:00Z"), PrimitiveType::Timestamp, None);
        check(json!("1970-01-01T00:00:00.1234567"), PrimitiveType::Timestamp, None);
        check(json!(5), PrimitiveType::Timestamp, Some(5));
        check(json!(5), PrimitiveType::TimestampNs, None);
    }

    #[test]
    fn decimals_are_digits_at_their_scale() {
        let kind = || PrimitiveType::Decimal { precision: 9, scale: 2 };
        check(json!("12.5"), kind(), Some(1_250));
        check(json!("-0.07"), kind(), Some(-7));
        check(json!("3"), kind(), Some(300));
        check(json!("0.001"), kind(), None);
        check(json!("1e3"), kind(), None);
        check(json!("--1"), kind(), None);
    }

    #[test]
    fn a_literal_of_another_type_is_none() {
        check(json!("5"), PrimitiveType::Long, None);
        check(json!(1.5), PrimitiveType::Long, None);
        check(json!(5), PrimitiveType::String, None);
        check(json!("6d9e"), PrimitiveType::Uuid, None);
    }

    #[test]
    fn months_are_counted_from_1970() {
        for (year, month, day, expected) in
            [(1970, 1, 1, 0), (1970, 2, 1, 1), (1969, 12, 31, -1), (2000, 2, 29, 361), (2026, 12, 31, 683)]
        {
            let days = i128::from(days_of(year, month, day));
            assert_eq!(months_of_days(days), expected, "{year}-{month}-{day}");
        }
    }
}
