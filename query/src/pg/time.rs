//! Dates, times and intervals: arithmetic, truncation, parts.

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit, i256};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use lake_cdc::Value;
use lake_cdc::text::calendar::{DAY_MICROS, civil_from_days, days_from_civil, days_in_month};

use super::call::{Kernel, call};
use super::cast::Target;
use super::datum::Datum;
use super::numeric::Number;
use super::operators::{Arithmetic, timestamptz};
use super::typed::{Typed, convert};
use crate::error::{refuse, unsupported};

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
    checked_stamp(moved(values[0].as_micros(), sign * months, sign * days, sign * micros), zoned)
}

/// A timestamp some months, days and microseconds later; the day is cut to the month's last.
fn moved(stamp: i64, months: i64, days: i64, micros: i64) -> i64 {
    let day = stamp.div_euclid(DAY_MICROS);
    let of_day = stamp.rem_euclid(DAY_MICROS);
    let (year, month, day_of_month) = civil_from_days(day);
    let total = year * 12 + (month - 1) + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    let day = days_from_civil(year, month, day_of_month.min(days_in_month(year, month))) + days;
    day.saturating_mul(DAY_MICROS).saturating_add(of_day).saturating_add(micros)
}

fn add_time(values: &[Datum], sign: i64) -> Result<Datum> {
    let (_, _, micros) = parts(&values[1]);
    Ok(Datum::Value(Value::Time((values[0].as_micros() + sign * micros).rem_euclid(DAY_MICROS))))
}

/// `date_trunc(unit, value)`: a date becomes a timestamptz.
pub(crate) fn truncate(unit: &str, value: &Datum) -> Result<Datum> {
    if let Datum::Interval(interval) = value {
        return truncate_interval(unit, *interval);
    }
    let zoned = !matches!(value, Datum::Value(Value::Timestamp(_)));
    let micros = value.as_micros();
    let step = |step: i64| micros.div_euclid(step) * step;
    let day = micros.div_euclid(DAY_MICROS);
    let (year, month, _) = civil_from_days(day);
    let start = |year: i64, month: i64| days_from_civil(year, month, 1) * DAY_MICROS;
    let truncated = match unit.to_ascii_lowercase().as_str() {
        "microseconds" | "microsecond" => micros,
        "milliseconds" | "millisecond" => step(1_000),
        "second" | "seconds" => step(1_000_000),
        "minute" | "minutes" => step(60_000_000),
        "hour" | "hours" => step(3_600_000_000),
        "day" | "days" => step(DAY_MICROS),
        // Day 0 is a Thursday; weeks begin on Monday.
        "week" | "weeks" => ((day + 3).div_euclid(7) * 7 - 3) * DAY_MICROS,
        "month" | "months" => start(year, month),
        "quarter" => start(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => start(year, 1),
        "decade" | "decades" => start(year.div_euclid(10) * 10, 1),
        "century" | "centuries" => start((year - 1).div_euclid(100) * 100 + 1, 1),
        "millennium" | "millennia" => start((year - 1).div_euclid(1000) * 1000 + 1, 1),
        other => return Err(unknown_unit(other, zoned)),
    };
    checked_stamp(truncated, zoned)
}

fn truncate_interval(unit: &str, interval: IntervalMonthDayNano) -> Result<Datum> {
    let micros = interval.nanoseconds / 1_000;
    let (months, days) = (interval.months, interval.days);
    let (months, days, micros) = match unit.to_ascii_lowercase().as_str() {
        "year" => (months / 12 * 12, 0, 0),
        "quarter" => (months / 3 * 3, 0, 0),
        "month" => (months, 0, 0),
        "day" => (months, days, 0),
        "hour" => (months, days, micros / 3_600_000_000 * 3_600_000_000),
        "minute" => (months, days, micros / 60_000_000 * 60_000_000),
        "second" => (months, days, micros / 1_000_000 * 1_000_000),
        other => return Err(unsupported(format!("date_trunc('{other}', interval)"))),
    };
    super::interval::new(months, days, micros).map(Datum::Interval)
}

fn unknown_unit(unit: &str, zoned: bool) -> datafusion::error::DataFusionError {
    let name = if zoned { "timestamp with time zone" } else { "timestamp without time zone" };
    refuse("22023", format!("unit \"{unit}\" not recognized for type {name}"))
}

/// `extract(unit from value)`: unscaled digits and how many of them are after the point.
pub(crate) fn extract(unit: &str, value: &Datum) -> Result<Number> {
    let unit = unit.to_ascii_lowercase();
    let number = |value: i64, scale: u32| {
        Number::scaled(i256::from_i128(i128::from(value)), scale).ok_or_else(|| refuse("22003", "value out of range"))
    };
    if let Datum::Interval(_) = value {
        let (months, days, micros) = parts(value);
        return match unit.as_str() {
            "year" | "years" => number(months / 12, 0),
            "quarter" => number(months % 12 / 3 + 1, 0),
            "month" | "months" => number(months % 12, 0),
            "day" | "days" => number(days, 0),
            "hour" | "hours" => number(micros / 3_600_000_000, 0),
            "minute" | "minutes" => number(micros / 60_000_000 % 60, 0),
            "second" | "seconds" => number(micros % 60_000_000, 6),
            "milliseconds" => number(micros % 60_000_000, 3),
            "microseconds" => number(micros % 60_000_000, 0),
            "epoch" => {
                // A year has 365.25 days here, a month of the rest 30.
                let days = months / 12 * 1_461 * DAY_MICROS / 4 + (months % 12 * 30 + days) * DAY_MICROS;
                number(days + micros, 6)
            }
            other => Err(refuse("22023", format!("unit \"{other}\" not recognized for type interval"))),
        };
    }
    let micros = value.as_micros();
    let of_day = micros.rem_euclid(DAY_MICROS);
    let is_time = matches!(value, Datum::Value(Value::Time(_)));
    let is_date = matches!(value, Datum::Value(Value::Date(_)));
    match unit.as_str() {
        "hour" | "hours" if !is_date => return number(of_day / 3_600_000_000, 0),
        "minute" | "minutes" if !is_date => return number(of_day / 60_000_000 % 60, 0),
        "second" | "seconds" if !is_date => return number(of_day % 60_000_000, 6),
        "milliseconds" if !is_date => return number(of_day % 60_000_000, 3),
        "microseconds" if !is_date => return number(of_day % 60_000_000, 0),
        "epoch" if is_time => return number(micros, 6),
        "epoch" if is_date => return number(micros / 1_000_000, 0),
        "epoch" => return number(micros, 6),
        other if is_time => {
            return Err(refuse("22023", format!("unit \"{other}\" not supported for type time without time zone")));
        }
        _ => {}
    }
    let day = micros.div_euclid(DAY_MICROS);
    let (year, month, day_of_month) = civil_from_days(day);
    let monday = (day + 3).rem_euclid(7);
    match unit.as_str() {
        "year" | "years" => number(year, 0),
        "quarter" => number((month - 1) / 3 + 1, 0),
        "month" | "months" => number(month, 0),
        "day" | "days" => number(day_of_month, 0),
        "dow" => number((monday + 1) % 7, 0),
        "isodow" => number(monday + 1, 0),
        "doy" => number(day - days_from_civil(year, 1, 1) + 1, 0),
        "week" => {
            // The week of its Thursday.
            let thursday = day - monday + 3;
            let (year, _, _) = civil_from_days(thursday);
            number((thursday - days_from_civil(year, 1, 1)) / 7 + 1, 0)
        }
        "isoyear" => number(civil_from_days(day - monday + 3).0, 0),
        "decade" => number(year.div_euclid(10), 0),
        "century" => number((year + 99).div_euclid(100), 0),
        "millennium" => number((year + 999).div_euclid(1000), 0),
        "timezone" | "timezone_hour" | "timezone_minute" if !is_date => number(0, 0),
        other if is_date => Err(refuse("22023", format!("unit \"{other}\" not supported for type date"))),
        other => Err(unknown_unit(other, matches!(value, Datum::Value(Value::TimestampTz(_))))),
    }
}

/// `age(a, b)`: years, months, days and the rest.
pub(crate) fn age(left: &Datum, right: &Datum) -> Result<Datum> {
    let (a, b) = (left.as_micros(), right.as_micros());
    let sign = if a < b { -1 } else { 1 };
    let (late, early) = if a < b { (b, a) } else { (a, b) };
    let split = |micros: i64| {
        let (year, month, day) = civil_from_days(micros.div_euclid(DAY_MICROS));
        (year * 12 + month - 1, day, micros.rem_euclid(DAY_MICROS))
    };
    let ((m1, d1, t1), (m2, d2, t2)) = (split(late), split(early));
    let (mut months, mut days, mut micros) = (m1 - m2, d1 - d2, t1 - t2);
    if micros < 0 {
        micros += DAY_MICROS;
        days -= 1;
    }
    if days < 0 {
        // Borrowed days are those of the earlier one's month, or of the later one's for a negative age.
        let of = if sign > 0 { m2 } else { m1 - 1 };
        days += days_in_month(of.div_euclid(12), of.rem_euclid(12) + 1);
        months -= 1;
    }
    let out = || refuse("22008", "interval out of range");
    let months = i32::try_from(sign * months).map_err(|_| out())?;
    super::interval::new(months, i32::try_from(sign * days).map_err(|_| out())?, sign * micros).map(Datum::Interval)
}

/// `make_date(year, month, day)`
pub(crate) fn make_date(year: i64, month: i64, day: i64) -> Result<Datum> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return Err(refuse("22008", format!("date field value out of range: {year}-{month:02}-{day:02}")));
    }
    checked_date(days_from_civil(year, month, day))
}
