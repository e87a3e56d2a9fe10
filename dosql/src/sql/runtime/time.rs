//! Dates, times and intervals.

use lake_cdc::text::calendar::{self, DAY_MICROS, civil_from_days, days_from_civil, iso_week};
use lake_cdc::text::date_part::{self, Moment};
use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::environment::Environment;
use super::super::input::from_text_error;
use super::super::interval::Interval;
use super::cast::day_in_range;
use super::{Registry, boolean, fits, float_of, int_of, integer, interval_of, str_of, string};
use crate::budget::StepBudget;

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

fn extract(unit: &str, ty: &str, value: ValueRef<'_>) -> Result<String, SqlError> {
    let a = &[value];
    let moment = match ty {
        "interval" => Moment::Interval(interval_of(a, 0)?.span()),
        "date" => Moment::Date(int_of(a, 0)?),
        "time" => Moment::Time(int_of(a, 0)?),
        "timestamptz" => Moment::TimestampTz(int_of(a, 0)?),
        _ => Moment::Timestamp(int_of(a, 0)?),
    };
    date_part::extract(unit, &moment).map(|part| part.to_string()).map_err(from_text_error)
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
fn to_char(micros: i64, template: &str, budget: &StepBudget) -> Result<String, SqlError> {
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
    // Each byte can be compared with all of them.
    budget.charge(template.len() as u64 * patterns.len() as u64)?;
    let mut text = String::new();
    let mut rest = template;
    'template: while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |end| end + 1);
            fits(text.len() + end)?;
            text.push_str(&rest[1..end]);
            rest = rest.get(end + 1..).unwrap_or("");
            continue;
        }
        for (pattern, value) in &patterns {
            let is_next = rest.starts_with(pattern)
                || (pattern.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                    && !matches!(*pattern, "MONTH" | "MON" | "DAY" | "DY" | "AM" | "PM")
                    && rest.get(..pattern.len()).is_some_and(|head| head.eq_ignore_ascii_case(pattern)));
            if is_next {
                fits(text.len() + value.len())?;
                text.push_str(value);
                rest = &rest[pattern.len()..];
                continue 'template;
            }
        }
        if first.is_ascii_alphabetic() {
            return Err(SqlError::unsupported(format!("the template \"{rest}\" of to_char()")));
        }
        fits(text.len() + first.len_utf8())?;
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
    for (name, zoned) in [("pg_date_trunc", false), ("pg_date_trunc_tz", true)] {
        registry.strict(name, 2, move |a| {
            timestamp(Some(date_part::truncate(str_of(a, 0)?, int_of(a, 1)?, zoned).map_err(from_text_error)?))
        })?;
    }
    registry.strict("pg_interval_trunc", 2, |a| {
        let span = date_part::truncate_span(str_of(a, 0)?, interval_of(a, 1)?.span()).map_err(from_text_error)?;
        Ok(encoded(Interval::of_span(span)?))
    })?;
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
        let day = calendar::day_of(year, month, day).ok_or_else(|| {
            let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
            SqlError::new(sqlstate::DATETIME_OVERFLOW, message)
        })?;
        Ok(integer(day_in_range(day, "date")?))
    })?;
    registry.strict("pg_make_timestamp", 6, |a| {
        let (year, month, day, hour, minute) =
            (int_of(a, 0)?, int_of(a, 1)?, int_of(a, 2)?, int_of(a, 3)?, int_of(a, 4)?);
        let second = float_of(a, 5)?;
        let is_time = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
        let Some(day) = calendar::day_of(year, month, day).filter(|_| is_time) else {
            return Err(SqlError::new(sqlstate::DATETIME_OVERFLOW, "date/time field value out of range"));
        };
        let micros = (hour * 60 + minute) * 60_000_000 + (second * 1e6).round_ties_even() as i64;
        timestamp(day.checked_mul(DAY_MICROS).and_then(|midnight| midnight.checked_add(micros)))
    })?;
    registry
        .strict("pg_age", 2, |a| Ok(encoded(Interval::of_span(calendar::between(int_of(a, 0)?, int_of(a, 1)?))?)))?;
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
    let budget = registry.budget.clone();
    registry.strict("pg_to_char", 2, move |a| Ok(string(to_char(int_of(a, 0)?, str_of(a, 1)?, &budget)?)))?;
    registry.strict("pg_extract", 3, |a| Ok(string(extract(str_of(a, 0)?, str_of(a, 1)?, a[2])?)))
}

/// A factor of any kind of number.
fn number(arguments: &[ValueRef<'_>], index: usize) -> Result<f64, SqlError> {
    match arguments.get(index) {
        Some(ValueRef::Text(_)) => Ok(super::decimal_of(arguments, index)?.to_f64()),
        _ => float_of(arguments, index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_charged_for_all_patterns_at_each_of_its_bytes() {
        let run = |steps: u64| {
            let budget = StepBudget::default();
            budget.grant_steps(steps);
            to_char(0, &"-".repeat(8_000), &budget).map(|text| text.len()).map_err(|error| error.sqlstate)
        };
        assert_eq!(run(34_000), Ok(8_000));
        assert_eq!(run(33_999), Err("57014".to_owned()));
    }
}
