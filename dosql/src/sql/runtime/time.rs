//! Dates, times and intervals.

use lake_cdc::text::calendar::{DAY_MICROS, civil_from_days, days_from_civil, days_in_month};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::environment::Environment;
use super::super::interval::Interval;
use super::cast::day_in_range;
use super::{Registry, boolean, float_of, int_of, integer, interval_of, str_of, string};

fn timestamp(micros: Option<i64>) -> Result<SqliteValue, SqlError> {
    let out = || SqlError::new(sqlstate::DATETIME_OVERFLOW, "timestamp out of range");
    let micros = micros.ok_or_else(out)?;
    day_in_range(micros.div_euclid(DAY_MICROS), "timestamp")?;
    Ok(integer(micros))
}

fn signed(interval: Interval, sign: i64) -> Result<Interval, SqlError> {
    if sign < 0 { interval.negate() } else { Ok(interval) }
}

fn encoded(interval: Interval) -> SqliteValue {
    string(interval.encode())
}

fn unknown_unit(unit: &str, ty: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER, format!("unit \"{unit}\" not recognized for type {ty}"))
}

fn truncate(unit: &str, micros: i64) -> Result<i64, SqlError> {
    let day = micros.div_euclid(DAY_MICROS);
    let (year, month, _) = civil_from_days(day);
    let first = |year: i64, month: i64| days_from_civil(year, month, 1) * DAY_MICROS;
    let multiple = |size: i64| micros - micros.rem_euclid(size);
    Ok(match unit.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" => micros,
        "millisecond" | "milliseconds" => multiple(1_000),
        "second" | "seconds" => multiple(1_000_000),
        "minute" | "minutes" => multiple(60_000_000),
        "hour" | "hours" => multiple(3_600_000_000),
        "day" | "days" => multiple(DAY_MICROS),
        // 1970-01-01 was a Thursday; weeks begin on Monday.
        "week" | "weeks" => (day - (day + 3).rem_euclid(7)) * DAY_MICROS,
        "month" | "months" => first(year, month),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => first(year, 1),
        "decade" | "decades" => first(year.div_euclid(10) * 10, 1),
        "century" | "centuries" => first((year - 1).div_euclid(100) * 100 + 1, 1),
        "millennium" | "millennia" => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
        other => return Err(unknown_unit(other, "timestamp without time zone")),
    })
}

/// Year and week of ISO 8601.
fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// Seconds with six digits, of microseconds.
fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn milliseconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:03}", micros / 1_000, micros % 1_000)
}

fn extract(field: &str, ty: &str, value: ValueRef<'_>) -> Result<String, SqlError> {
    let a = &[value];
    if ty == "interval" {
        return extract_interval(field, interval_of(a, 0)?);
    }
    let display = match ty {
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        other => other,
    };
    let micros = if ty == "date" { int_of(a, 0)? * DAY_MICROS } else { int_of(a, 0)? };
    let day = micros.div_euclid(DAY_MICROS);
    let time = micros.rem_euclid(DAY_MICROS);
    let (year, month, day_of_month) = civil_from_days(day);
    let of_time = match field {
        "hour" | "hours" => Some((micros.rem_euclid(DAY_MICROS) / 3_600_000_000).to_string()),
        "minute" | "minutes" => Some((time / 60_000_000 % 60).to_string()),
        "second" | "seconds" => Some(seconds(time % 60_000_000)),
        "millisecond" | "milliseconds" => Some(milliseconds(time % 60_000_000)),
        "microsecond" | "microseconds" => Some((time % 60_000_000).to_string()),
        _ => None,
    };
    if let Some(text) = of_time {
        if ty == "date" {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("unit \"{field}\" not supported for type date"),
            ));
        }
        return Ok(text);
    }
    if field == "epoch" {
        return Ok(if ty == "date" { (day * 86_400).to_string() } else { seconds(micros) });
    }
    if ty == "time" {
        return Err(SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("unit \"{field}\" not supported for type {display}"),
        ));
    }
    Ok(match field {
        "year" | "years" => year,
        "month" | "months" => month,
        "day" | "days" => day_of_month,
        "quarter" => (month - 1) / 3 + 1,
        "week" | "weeks" => iso_week(day).1,
        "isoyear" => iso_week(day).0,
        "dow" => (day + 4).rem_euclid(7),
        "isodow" => (day + 3).rem_euclid(7) + 1,
        "doy" => day - days_from_civil(year, 1, 1) + 1,
        "decade" | "decades" => year.div_euclid(10),
        "century" | "centuries" => (year + 99).div_euclid(100),
        "millennium" | "millennia" => (year + 999).div_euclid(1000),
        "julian" if ty == "date" => day + 2_440_588,
        "timezone" | "timezone_hour" | "timezone_minute" if ty == "timestamptz" => 0,
        other => return Err(unknown_unit(other, display)),
    }
    .to_string())
}

fn extract_interval(field: &str, interval: Interval) -> Result<String, SqlError> {
    let (months, micros) = (i64::from(interval.months), interval.micros);
    Ok(match field {
        "year" | "years" => (months / 12).to_string(),
        "month" | "months" => (months % 12).to_string(),
        "quarter" => (months % 12 / 3 + 1).to_string(),
        "day" | "days" => interval.days.to_string(),
        "hour" | "hours" => (micros / 3_600_000_000).to_string(),
        "minute" | "minutes" => (micros / 60_000_000 % 60).to_string(),
        "second" | "seconds" => seconds(micros % 60_000_000),
        "millisecond" | "milliseconds" => milliseconds(micros % 60_000_000),
        "microsecond" | "microseconds" => (micros % 60_000_000).to_string(),
        "decade" | "decades" => (months / 120).to_string(),
        "century" | "centuries" => (months / 1200).to_string(),
        "epoch" => {
            // A year has 365.25 days here, a month 30.
            let days = months / 12 * 36_525 + (months % 12) * 3_000 + i64::from(interval.days) * 100;
            seconds(days * (DAY_MICROS / 100) + micros)
        }
        other => return Err(unknown_unit(other, "interval")),
    })
}

/// Years, months, days and time between two timestamps.
fn age(later: i64, earlier: i64) -> Interval {
    if later < earlier {
        let interval = age(earlier, later);
        return Interval { months: -interval.months, days: -interval.days, micros: -interval.micros };
    }
    let (mut day, mut time) =
        (later.div_euclid(DAY_MICROS), later.rem_euclid(DAY_MICROS) - earlier.rem_euclid(DAY_MICROS));
    if time < 0 {
        time += DAY_MICROS;
        day -= 1;
    }
    let (year, month, day_of_month) = civil_from_days(day);
    let (earlier_year, earlier_month, earlier_day) = civil_from_days(earlier.div_euclid(DAY_MICROS));
    let mut months = (year - earlier_year) * 12 + month - earlier_month;
    let mut days = day_of_month - earlier_day;
    if days < 0 {
        months -= 1;
        // The days that were left of the earlier month.
        days += days_in_month(earlier_year, earlier_month);
    }
    Interval { months: months as i32, days: days as i32, micros: time }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A useful part of Postgres' templates; the rest is refused.
fn to_char(micros: i64, template: &str) -> Result<String, SqlError> {
    let day = micros.div_euclid(DAY_MICROS);
    let time = micros.rem_euclid(DAY_MICROS);
    let (year, month, day_of_month) = civil_from_days(day);
    let hour = time / 3_600_000_000;
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (month_name, weekday) = (MONTHS[(month - 1) as usize], WEEKDAYS[(day + 4).rem_euclid(7) as usize]);
    let patterns: [(&str, String); 34] = [
        ("HH24", format!("{hour:02}")),
        ("HH12", format!("{twelve:02}")),
        ("HH", format!("{twelve:02}")),
        ("MI", format!("{:02}", time / 60_000_000 % 60)),
        ("SS", format!("{:02}", time / 1_000_000 % 60)),
        ("MS", format!("{:03}", time / 1_000 % 1_000)),
        ("US", format!("{:06}", time % 1_000_000)),
        ("YYYY", format!("{year:04}")),
        ("YYY", format!("{:03}", year % 1000)),
        ("YY", format!("{:02}", year % 100)),
        ("Y", (year % 10).to_string()),
        ("MONTH", format!("{:9}", month_name.to_uppercase())),
        ("Month", format!("{month_name:9}")),
        ("month", format!("{:9}", month_name.to_lowercase())),
        ("MON", month_name[..3].to_uppercase()),
        ("Mon", month_name[..3].to_owned()),
        ("mon", month_name[..3].to_lowercase()),
        ("MM", format!("{month:02}")),
        ("DAY", format!("{:9}", weekday.to_uppercase())),
        ("Day", format!("{weekday:9}")),
        ("day", format!("{:9}", weekday.to_lowercase())),
        ("DY", weekday[..3].to_uppercase()),
        ("Dy", weekday[..3].to_owned()),
        ("dy", weekday[..3].to_lowercase()),
        ("DDD", format!("{:03}", day - days_from_civil(year, 1, 1) + 1)),
        ("DD", format!("{day_of_month:02}")),
        ("D", ((day + 4).rem_euclid(7) + 1).to_string()),
        ("ID", ((day + 3).rem_euclid(7) + 1).to_string()),
        ("IYYY", format!("{:04}", iso_week(day).0)),
        ("IW", format!("{:02}", iso_week(day).1)),
        ("Q", ((month - 1) / 3 + 1).to_string()),
        ("AM", if hour < 12 { "AM" } else { "PM" }.to_owned()),
        ("PM", if hour < 12 { "AM" } else { "PM" }.to_owned()),
        ("am", if hour < 12 { "am" } else { "pm" }.to_owned()),
    ];
    let mut text = String::new();
    let mut rest = template;
    'template: while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |end| end + 1);
            text.push_str(&rest[1..end]);
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        for (pattern, value) in &patterns {
            let fits = rest.starts_with(pattern)
                || (pattern.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                    && !matches!(*pattern, "MONTH" | "MON" | "DAY" | "DY" | "AM" | "PM")
                    && rest.get(..pattern.len()).is_some_and(|head| head.eq_ignore_ascii_case(pattern)));
            if fits {
                text.push_str(value);
                rest = &rest[pattern.len()..];
                continue 'template;
            }
        }
        if first.is_ascii_alphabetic() {
            return Err(SqlError::unsupported(format!("the template \"{rest}\" of to_char()")));
        }
        text.push(first);
        rest = &rest[first.len_utf8()..];
    }
    Ok(text)
}

pub(super) fn register(registry: &Registry<'_>, environment: &Environment) -> rusqlite::Result<()> {
    let at = environment.clone();
    registry.volatile("pg_now", 0, move |_| Ok(integer(at.now())))?;
    let at = environment.clone();
    registry.volatile("pg_today", 0, move |_| Ok(integer(at.now().div_euclid(DAY_MICROS))))?;
    registry.strict("pg_date_add", 2, |a| {
        Ok(integer(day_in_range(int_of(a, 0)?.saturating_add(int_of(a, 1)?), "date")?))
    })?;
    registry.strict("pg_timestamp_add", 3, |a| {
        timestamp(signed(interval_of(a, 1)?, int_of(a, 2)?)?.after(int_of(a, 0)?))
    })?;
    registry.strict("pg_timestamp_diff", 2, |a| {
        let micros = int_of(a, 0)? - int_of(a, 1)?;
        Ok(encoded(Interval { months: 0, days: (micros / DAY_MICROS) as i32, micros: micros % DAY_MICROS }))
    })?;
    registry.strict("pg_time_add", 3, |a| {
        let micros = signed(interval_of(a, 1)?, int_of(a, 2)?)?.micros;
        Ok(integer((int_of(a, 0)?.wrapping_add(micros % DAY_MICROS)).rem_euclid(DAY_MICROS)))
    })?;
    registry
        .strict("pg_micros_interval", 1, |a| Ok(encoded(Interval { micros: int_of(a, 0)?, ..Interval::default() })))?;
    registry.strict("pg_interval_add", 3, |a| {
        Ok(encoded(interval_of(a, 0)?.add(signed(interval_of(a, 1)?, int_of(a, 2)?)?)?))
    })?;
    registry.strict("pg_interval_neg", 1, |a| Ok(encoded(interval_of(a, 0)?.negate()?)))?;
    registry.strict("pg_interval_mul", 2, |a| Ok(encoded(interval_of(a, 0)?.multiply(number(a, 1)?)?)))?;
    registry.strict("pg_interval_div", 2, |a| {
        let divisor = number(a, 1)?;
        if divisor == 0.0 {
            return Err(SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"));
        }
        Ok(encoded(interval_of(a, 0)?.multiply(1.0 / divisor)?))
    })?;
    registry.strict("pg_series_holds", 3, |a| {
        let step = interval_of(a, 2)?.order();
        if step == 0 {
            return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "step size cannot equal zero"));
        }
        let (value, stop) = (int_of(a, 0)?, int_of(a, 1)?);
        Ok(boolean(if step > 0 { value <= stop } else { value >= stop }))
    })?;
    registry.strict("pg_date_trunc", 2, |a| timestamp(Some(truncate(str_of(a, 0)?, int_of(a, 1)?)?)))?;
    registry.strict("pg_interval_trunc", 2, |_| Err(SqlError::unsupported("date_trunc of an interval")))?;
    registry.strict("pg_date_bin", 3, |a| {
        let (stride, value, origin) = (interval_of(a, 0)?, int_of(a, 1)?, int_of(a, 2)?);
        if stride.months != 0 {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "timestamps cannot be binned into intervals containing months or years",
            ));
        }
        let size = i64::from(stride.days) * DAY_MICROS + stride.micros;
        if size <= 0 {
            return Err(SqlError::new(sqlstate::DATETIME_OVERFLOW, "stride must be greater than zero"));
        }
        timestamp(Some(origin + (value - origin).div_euclid(size) * size))
    })?;
    registry.strict("pg_to_timestamp", 1, |a| {
        let seconds = float_of(a, 0)?;
        if !seconds.is_finite() || seconds.abs() > 1e12 {
            return Err(SqlError::new(sqlstate::DATETIME_OVERFLOW, format!("timestamp out of range: \"{seconds}\"")));
        }
        timestamp(Some((seconds * 1e6).round_ties_even() as i64))
    })?;
    registry.strict("pg_make_date", 3, |a| {
        let (year, month, day) = (int_of(a, 0)?, int_of(a, 1)?, int_of(a, 2)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(SqlError::new(
                sqlstate::DATETIME_OVERFLOW,
                format!("date field value out of range: {year}-{month:02}-{day:02}"),
            ));
        }
        Ok(integer(day_in_range(days_from_civil(year, month, day), "date")?))
    })?;
    registry.strict("pg_make_timestamp", 6, |a| {
        let (year, month, day, hour, minute) =
            (int_of(a, 0)?, int_of(a, 1)?, int_of(a, 2)?, int_of(a, 3)?, int_of(a, 4)?);
        let second = float_of(a, 5)?;
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month.clamp(1, 12))).contains(&day)
            && (0..=24).contains(&hour)
            && (0..60).contains(&minute)
            && (0.0..=60.0).contains(&second);
        if !valid {
            return Err(SqlError::new(sqlstate::DATETIME_OVERFLOW, "date/time field value out of range"));
        }
        let micros = (hour * 60 + minute) * 60_000_000 + (second * 1e6).round_ties_even() as i64;
        timestamp(Some(days_from_civil(year, month, day) * DAY_MICROS + micros))
    })?;
    registry.strict("pg_age", 2, |a| Ok(encoded(age(int_of(a, 0)?, int_of(a, 1)?))))?;
    registry.strict("pg_at_zone", 3, |a| {
        let zone = str_of(a, 0)?;
        match zone.to_ascii_lowercase().as_str() {
            "utc" | "gmt" | "z" | "zulu" | "etc/utc" => Ok(integer(int_of(a, 1)?)),
            _ => Err(SqlError::unsupported(format!("time zone \"{zone}\""))),
        }
    })?;
    registry.strict("pg_justify_days", 1, |a| {
        let interval = interval_of(a, 0)?;
        let whole = interval.days / 30;
        let justified = Interval { months: interval.months + whole, days: interval.days - whole * 30, ..interval };
        Ok(encoded(justified))
    })?;
    registry.strict("pg_justify_hours", 1, |a| {
        let interval = interval_of(a, 0)?;
        let whole = interval.micros / DAY_MICROS;
        Ok(encoded(Interval {
            days: interval.days + whole as i32,
            micros: interval.micros - whole * DAY_MICROS,
            ..interval
        }))
    })?;
    registry.strict("pg_to_char", 2, |a| Ok(string(to_char(int_of(a, 0)?, str_of(a, 1)?)?)))?;
    registry.strict("pg_extract", 3, |a| Ok(string(extract(str_of(a, 0)?, str_of(a, 1)?, a[2])?)))
}

/// A factor of any kind of number.
fn number(arguments: &[ValueRef<'_>], index: usize) -> Result<f64, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Text(_)) => Ok(super::decimal_of(arguments, index)?.to_f64()),
        _ => float_of(arguments, index),
    }
}
