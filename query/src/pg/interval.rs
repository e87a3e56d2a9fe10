//! Intervals: months, days and microseconds, read and printed as Postgres does by default.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

use crate::error::refuse;
use datafusion::error::Result;

const SECOND: i64 = 1_000_000;

/// An interval of whole microseconds.
pub(crate) fn new(months: i32, days: i32, micros: i64) -> Result<IntervalMonthDayNano> {
    let nanos = micros.checked_mul(1_000).ok_or_else(|| refuse("22008", "interval out of range"))?;
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

/// `1 year 2 mons 3 days 04:05:06.789`.
pub(crate) fn print(value: IntervalMonthDayNano) -> String {
    let mut out = String::new();
    let mut part = |count: i64, unit: &str| {
        if count != 0 {
            let space = if out.is_empty() { "" } else { " " };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{count} {unit}{plural}");
        }
    };
    part(i64::from(value.months / 12), "year");
    part(i64::from(value.months % 12), "mon");
    part(i64::from(value.days), "day");
    let micros = value.nanoseconds / 1_000;
    if micros == 0 && !out.is_empty() {
        return out;
    }
    if !out.is_empty() {
        out.push(' ');
    }
    let magnitude = micros.unsigned_abs();
    let seconds = magnitude / SECOND.unsigned_abs();
    let sign = if micros < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = magnitude % SECOND.unsigned_abs();
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
    out
}

/// Reads `1 day 2 hours`, `24 hours`, `1-2`, `1 02:03:04`, `P1DT2H` is not read.
pub(crate) fn parse(text: &str) -> Result<IntervalMonthDayNano> {
    let wrong = || refuse("22007", format!("invalid input syntax for type interval: \"{text}\""));
    let range = || refuse("22008", "interval field value out of range");
    let mut months = 0i128;
    let mut days = 0i128;
    let mut micros = 0i128;
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let ago = words.last().is_some_and(|word| word == "ago");
    if ago {
        words.pop();
    }
    let mut words = words.into_iter().peekable();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        if word.contains(':') {
            micros += clock(&word).ok_or_else(wrong)?;
            continue;
        }
        let split = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at(split);
        let (number, negative) = match number.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (number.strip_prefix('+').unwrap_or(number), false),
        };
        let amount = decimal(number).ok_or_else(wrong)?;
        let amount = if negative { -amount } else { amount };
        let unit = if unit.is_empty() {
            match words.peek() {
                Some(next) if next.contains(':') => "day".to_owned(),
                Some(next) if next.chars().all(|c| c.is_ascii_alphabetic()) => words.next().unwrap_or_default(),
                _ => "second".to_owned(),
            }
        } else {
            unit.to_owned()
        };
        add(&unit, amount, &mut months, &mut days, &mut micros).ok_or_else(wrong)?;
    }
    if !any {
        return Err(wrong());
    }
    let sign = if ago { -1 } else { 1 };
    let months = i32::try_from(months * sign).map_err(|_| range())?;
    let days = i32::try_from(days * sign).map_err(|_| range())?;
    new(months, days, i64::try_from(micros * sign).map_err(|_| range())?)
}

/// Millionths of a number.
fn decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || whole.len() > 18 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = format!("{fraction:0<6}");
    Some(whole * i128::from(SECOND) + digits.get(..6)?.parse::<i128>().ok()?)
}

/// Adds `amount` millionths of a unit; parts of larger units become smaller ones as in Postgres.
fn add(unit: &str, amount: i128, months: &mut i128, days: &mut i128, micros: &mut i128) -> Option<()> {
    const DAY: i128 = 86_400_000_000;
    let million = i128::from(SECOND);
    let mut in_days = |amount: i128, micros: &mut i128| {
        *days += amount / million;
        *micros += amount % million * DAY / million;
    };
    let unit = unit.strip_suffix('s').filter(|rest| rest.len() > 1).unwrap_or(unit);
    match unit {
        "millennium" | "millennia" | "mil" => *months += amount * 12_000 / million,
        "century" | "centurie" | "c" => *months += amount * 1_200 / million,
        "decade" => *months += amount * 120 / million,
        "year" | "yr" | "y" => *months += amount * 12 / million,
        "month" | "mon" => {
            *months += amount / million;
            in_days(amount % million * 30, micros);
        }
        "week" | "w" => in_days(amount * 7, micros),
        "day" | "d" => in_days(amount, micros),
        "hour" | "hr" | "h" => *micros += amount * 3_600,
        "minute" | "min" | "m" => *micros += amount * 60,
        "second" | "sec" | "s" => *micros += amount,
        "millisecond" | "msec" | "ms" => *micros += amount / 1_000,
        "microsecond" | "usec" | "us" => *micros += amount / million,
        _ => return None,
    }
    Some(())
}

/// `hh:mm`, `hh:mm:ss.ffffff` as microseconds.
fn clock(text: &str) -> Option<i128> {
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    let mut parts = text.split(':');
    let hours: i128 = parts.next()?.parse::<u32>().ok()?.into();
    let minutes: i128 = parts.next()?.parse::<u32>().ok().filter(|minutes| *minutes < 60)?.into();
    let seconds = parts.next().map_or(Some(0), decimal)?;
    if parts.next().is_some() {
        return None;
    }
    Some(sign * ((hours * 3_600 + minutes * 60) * i128::from(SECOND) + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = parse(text).map_or_else(|error| crate::error::from_datafusion(&error).message, print);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn intervals_are_read_and_printed_as_postgres_does() {
        check("24 hours", "24:00:00");
        check("1 day", "1 day");
        check("1.5 days", "1 day 12:00:00");
        check("2 weeks 3d", "17 days");
        check("1 year 2 months 3 days 04:05:06.7", "1 year 2 mons 3 days 04:05:06.7");
        check("-1 day", "-1 days");
        check("1 day ago", "-1 days");
        check("90 minutes", "01:30:00");
        check("1 02:03:04", "1 day 02:03:04");
        check("0", "00:00:00");
        check("1 fortnight", "invalid input syntax for type interval: \"1 fortnight\"");
        check("", "invalid input syntax for type interval: \"\"");
    }
}
