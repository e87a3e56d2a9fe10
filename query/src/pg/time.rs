//! Dates, times and intervals: arithmetic, truncation, parts.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit, i256};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use lake_cdc::Value;
use lake_cdc::text::calendar::{self, DAY_MICROS, Span};
use lake_cdc::text::date_part::{self, Moment};

use super::call::{Kernel, call};
use super::cast::Target;
use super::datum::Datum;
use super::numeric::Number;
use super::operators::{Arithmetic, timestamptz};
use super::typed::{Typed, convert};
use crate::error::{from_text, refuse};

pub(crate) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// Plans `left op right` if one of them is a date, time or interval.
pub(crate) fn arithmetic(op: Arithmetic, left: &Typed, right: &Typed) -> Result<Option<Expr>> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    let (mut left, mut right) = (left.clone(), right.clone());
    let temporal = |value: &Typed| value.is_time() || matches!(value.name.as_str(), "interval" | "time");
    if !temporal(&left) && !temporal(&right) {
        return Ok(None);
    }
    // A literal of unknown type is of the same type in a difference, and an interval in a sum.
    for (at, other) in [(0, right.clone()), (1, left.clone())] {
        let side = if at == 0 { &mut left } else { &mut right };
        if side.is_unknown() && temporal(&other) {
            let same = op == Subtract && other.name != "interval";
            let (target, data_type, name) = if same {
                (Target::parse(&other.name)?, other.data_type().clone(), other.name.clone())
            } else {
                (Target::Interval, INTERVAL, "interval".to_owned())
            };
            let expr = side.clone().resolve_to(&target, &data_type)?;
            *side = Typed { expr, field: std::sync::Arc::new(super::typed::field(data_type)), name };
        }
    }
    if op == Add && (left.name == "interval" && right.name != "interval" || left.is_integer() && right.name == "date") {
        std::mem::swap(&mut left, &mut right);
    }
    let stamp = |value: &Typed| if value.name == "timestamptz" { timestamptz() } else { TIMESTAMP };
    let args = |left: Typed, right: Typed| vec![left.expr, right.expr];
    Ok(Some(match (op, left.name.as_str(), right.name.as_str()) {
        (Add, "date", "int2" | "int4") => {
            call("date_add", DataType::Date32, Kernel::Strict(|v| add_days(v, 1)), args(left, right))
        }
        (Subtract, "date", "int2" | "int4") => {
            call("date_subtract", DataType::Date32, Kernel::Strict(|v| add_days(v, -1)), args(left, right))
        }
        (Subtract, "date", "date") => call(
            "date_difference",
            DataType::Int32,
            Kernel::Strict(|values| {
                let days = (values[0].as_micros() - values[1].as_micros()) / DAY_MICROS;
                Ok(Datum::Value(Value::Int4(i32::try_from(days).unwrap_or(i32::MAX))))
            }),
            args(left, right),
        ),
        (Add, "date", "time") => call(
            "date_at",
            TIMESTAMP,
            Kernel::Strict(|values| checked_stamp(values[0].as_micros() + values[1].as_micros(), false)),
            args(left, right),
        ),
        (Add, "date" | "timestamp" | "timestamptz", "interval") => {
            let output = stamp(&left);
            call("timestamp_add", output, Kernel::Strict(|values| add_interval(values, 1)), args(left, right))
        }
        (Subtract, "date" | "timestamp" | "timestamptz", "interval") => {
            let output = stamp(&left);
            call("timestamp_subtract", output, Kernel::Strict(|values| add_interval(values, -1)), args(left, right))
        }
        (Subtract, "date" | "timestamp" | "timestamptz", "date" | "timestamp" | "timestamptz") => call(
            "timestamp_difference",
            INTERVAL,
            Kernel::Strict(|values| {
                let micros = values[0].as_micros() - values[1].as_micros();
                let days = i32::try_from(micros / DAY_MICROS).map_err(|_| refuse("22008", "interval out of range"))?;
                super::interval::new(0, days, micros % DAY_MICROS).map(Datum::Interval)
            }),
            args(left, right),
        ),
        (Add, "time", "interval") => call("time_add", TIME, Kernel::Strict(|v| add_time(v, 1)), args(left, right)),
        (Subtract, "time", "interval") => {
            call("time_subtract", TIME, Kernel::Strict(|v| add_time(v, -1)), args(left, right))
        }
        (Subtract, "time", "time") => call(
            "time_difference",
            INTERVAL,
            Kernel::Strict(|values| {
                super::interval::new(0, 0, values[0].as_micros() - values[1].as_micros()).map(Datum::Interval)
            }),
            args(left, right),
        ),
        (Add, "interval", "interval") => {
            call("interval_add", INTERVAL, Kernel::Strict(|v| add_intervals(v, 1)), args(left, right))
        }
        (Subtract, "interval", "interval") => {
            call("interval_subtract", INTERVAL, Kernel::Strict(|v| add_intervals(v, -1)), args(left, right))
        }
        (Multiply, "interval", _) if right.is_number() => scaled(left, right, false)?,
        (Multiply, _, "interval") if left.is_number() => scaled(right, left, false)?,
        (Divide, "interval", _) if right.is_number() => scaled(left, right, true)?,
        _ => {
            let symbol = match op {
                Add => "+",
                Subtract => "-",
                Multiply => "*",
                Divide => "/",
                Arithmetic::Remainder => "%",
            };
            return Err(super::operators::undefined(symbol, &left, &right));
        }
    }))
}

fn scaled(interval: Typed, by: Typed, divides: bool) -> Result<Expr> {
    let by = convert_to_float(by)?;
    let args = vec![interval.expr, by];
    Ok(if divides {
        call(
            "interval_divide",
            INTERVAL,
            Kernel::Strict(|values| {
                if values[1].as_f64() == 0.0 {
                    return Err(refuse("22012", "division by zero"));
                }
                scale_interval(&values[0], 1.0 / values[1].as_f64())
            }),
            args,
        )
    } else {
        call(
            "interval_multiply",
            INTERVAL,
            Kernel::Strict(|values| scale_interval(&values[0], values[1].as_f64())),
            args,
        )
    })
}

pub(crate) fn convert_to_float(value: Typed) -> Result<Expr> {
    if value.is_numeric() {
        let kernel = Kernel::Strict(|values| Ok(Datum::Value(Value::Float8(values[0].as_f64()))));
        return Ok(call("float8", DataType::Float64, kernel, vec![value.expr]));
    }
    convert(value, &DataType::Float64, "float8")
}

fn parts(value: &Datum) -> (i64, i64, i64) {
    match value {
        Datum::Interval(interval) => {
            (i64::from(interval.months), i64::from(interval.days), interval.nanoseconds / 1_000)
        }
        _ => (0, 0, 0),
    }
}

fn interval_of(months: f64, days: f64, micros: f64) -> Result<Datum> {
    let out = || refuse("22008", "interval out of range");
    let within = |value: f64| value.is_finite() && value.abs() < f64::from(i32::MAX);
    if !within(months) || !within(days) || !micros.is_finite() || micros.abs() > 9.0e15 {
        return Err(out());
    }
    super::interval::new(months as i32, days as i32, micros.round_ties_even() as i64).map(Datum::Interval)
}

fn scale_interval(value: &Datum, by: f64) -> Result<Datum> {
    let (months, days, micros) = parts(value);
    let months = months as f64 * by;
    let days = days as f64 * by + (months - months.trunc()) * 30.0;
    let days = (days * 1e6).round() / 1e6;
    let micros = micros as f64 * by + (days - days.trunc()) * DAY_MICROS as f64;
    interval_of(months.trunc(), days.trunc(), micros)
}

fn add_intervals(values: &[Datum], sign: i64) -> Result<Datum> {
    let ((a, b, c), (x, y, z)) = (parts(&values[0]), parts(&values[1]));
    let out = || refuse("22008", "interval out of range");
    let months = i32::try_from(a + sign * x).map_err(|_| out())?;
    let days = i32::try_from(b + sign * y).map_err(|_| out())?;
    super::interval::new(months, days, c + sign * z).map(Datum::Interval)
}

pub(crate) fn negate_interval(value: Expr) -> Expr {
    let kernel = Kernel::Strict(|values| {
        let (months, days, micros) = parts(&values[0]);
        let out = || refuse("22008", "interval out of range");
        let months = i32::try_from(-months).map_err(|_| out())?;
        super::interval::new(months, i32::try_from(-days).map_err(|_| out())?, -micros).map(Datum::Interval)
    });
    call("interval_negate", INTERVAL, kernel, vec![value])
}

/// What intervals are compared by: a month is 30 days.
pub(crate) fn interval_key(value: Expr) -> Expr {
    let kernel = Kernel::Strict(|values| {
        let (months, days, micros) = parts(&values[0]);
        let micros = (i128::from(months) * 30 + i128::from(days)) * i128::from(DAY_MICROS) + i128::from(micros);
        Number::scaled(i256::from_i128(micros), 0)
            .map(Datum::Number)
            .ok_or_else(|| refuse("22008", "interval out of range"))
    });
    call("interval_key", DataType::Decimal128(38, 0), kernel, vec![value])
}

fn add_days(values: &[Datum], sign: i64) -> Result<Datum> {
    let days = values[0].as_micros() / DAY_MICROS + sign * values[1].as_i64();
    checked_date(days)
}

fn checked_date(days: i64) -> Result<Datum> {
    use lake_cdc::text::calendar::{FIRST_DAY, LAST_DAY};
    match i32::try_from(days) {
        Ok(day) if (FIRST_DAY..=LAST_DAY).contains(&days) => Ok(Datum::Value(Value::Date(day))),
        _ => Err(refuse("22008", "date out of range")),
    }
}

fn checked_stamp(micros: i64, zoned: bool) -> Result<Datum> {
    use lake_cdc::text::calendar::{FIRST_DAY, LAST_DAY};
    if !(FIRST_DAY..=LAST_DAY).contains(&micros.div_euclid(DAY_MICROS)) {
        return Err(refuse("22008", "timestamp out of range"));
    }
    Ok(Datum::Value(if zoned { Value::TimestampTz(micros) } else { Value::Timestamp(micros) }))
}

fn add_interval(values: &[Datum], sign: i64) -> Result<Datum> {
    let zoned = matches!(values[0], Datum::Value(Value::TimestampTz(_)));
    let (months, days, micros) = parts(&values[1]);
    let by = Span { months: sign * months, days: sign * days, micros: sign * micros };
    let moved = calendar::moved(values[0].as_micros(), by).ok_or_else(|| refuse("22008", "timestamp out of range"))?;
    checked_stamp(moved, zoned)
}

fn add_time(values: &[Datum], sign: i64) -> Result<Datum> {
    let (_, _, micros) = parts(&values[1]);
    Ok(Datum::Value(Value::Time((values[0].as_micros() + sign * micros).rem_euclid(DAY_MICROS))))
}

/// `date_trunc(unit, value)`: a date becomes a timestamptz.
pub(crate) fn truncate(unit: &str, value: &Datum) -> Result<Datum> {
    if matches!(value, Datum::Interval(_)) {
        return interval(date_part::truncate_span(unit, span(value)).map_err(from_text)?);
    }
    let zoned = !matches!(value, Datum::Value(Value::Timestamp(_)));
    checked_stamp(date_part::truncate(unit, value.as_micros(), zoned).map_err(from_text)?, zoned)
}

/// `extract(unit from value)`
pub(crate) fn extract(unit: &str, value: &Datum) -> Result<Number> {
    let moment = match value {
        Datum::Interval(_) => Moment::Interval(span(value)),
        Datum::Value(Value::Date(day)) => Moment::Date(i64::from(*day)),
        Datum::Value(Value::Time(micros)) => Moment::Time(*micros),
        Datum::Value(Value::TimestampTz(micros)) => Moment::TimestampTz(*micros),
        other => Moment::Timestamp(other.as_micros()),
    };
    let part = date_part::extract(unit, &moment).map_err(from_text)?;
    Number::scaled(i256::from_i128(part.unscaled), part.scale).ok_or_else(|| refuse("22003", "value out of range"))
}

/// `age(a, b)`: years, months, days and the rest.
pub(crate) fn age(left: &Datum, right: &Datum) -> Result<Datum> {
    interval(calendar::between(left.as_micros(), right.as_micros()))
}

fn span(value: &Datum) -> Span {
    let (months, days, micros) = parts(value);
    Span { months, days, micros }
}

fn interval(span: Span) -> Result<Datum> {
    let narrow = |number: i64| i32::try_from(number).map_err(|_| refuse("22008", "interval out of range"));
    super::interval::new(narrow(span.months)?, narrow(span.days)?, span.micros).map(Datum::Interval)
}

/// `make_date(year, month, day)`
pub(crate) fn make_date(year: i64, month: i64, day: i64) -> Result<Datum> {
    let day = calendar::day_of(year, month, day)
        .ok_or_else(|| refuse("22008", format!("date field value out of range: {year}-{month:02}-{day:02}")))?;
    checked_date(day)
}
