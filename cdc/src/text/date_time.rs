//! Dates and times in ISO 8601 and the forms of it that Postgres takes.
//!
//! Relative words (`now`, `today`) need a clock and are refused, as are named zones: the session's zone is UTC.

use super::TextError;
use super::calendar::{DAY_MICROS, FIRST_DAY, LAST_DAY, civil_from_days, day_of};
use super::number::SPACES;

/// Walks over a text.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (head, tail) = self.rest.split_at(end);
        self.rest = tail;
        head
    }

    fn digits(&mut self) -> &'a str {
        self.take(|c| c.is_ascii_digit())
    }

    fn eat(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_spaces(&mut self) {
        self.take(|c| SPACES.contains(&c));
    }
}

/// What the parts of a text say, not yet combined.
#[derive(Default)]
struct Parts {
    day: Option<i64>,
    /// Of the day; can be 24:00.
    micros: Option<i64>,
    /// East of Greenwich.
    offset_seconds: Option<i64>,
}

fn number(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 { None } else { digits.parse().ok() }
}

enum Wrong {
    Syntax,
    Range,
    Unsupported,
}

fn read(text: &str) -> Result<Parts, Wrong> {
    let mut parts = Parts::default();
    let mut cursor = Cursor { rest: text.trim_matches(SPACES) };
    if cursor.rest.is_empty() {
        return Err(Wrong::Syntax);
    }
    match cursor.rest.to_ascii_lowercase().as_str() {
        "epoch" => return Ok(Parts { day: Some(0), micros: Some(0), offset_seconds: None }),
        "infinity" | "-infinity" | "+infinity" => return Err(Wrong::Range),
        "now" | "today" | "tomorrow" | "yesterday" => return Err(Wrong::Unsupported),
        _ => {}
    }
    while !cursor.rest.is_empty() {
        let ahead = cursor.rest.as_bytes();
        let digit_count = ahead.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match ahead.get(digit_count) {
            Some(b'-' | b'/') if digit_count > 0 && parts.day.is_none() => read_date(&mut cursor, &mut parts)?,
            Some(b':') if digit_count > 0 && parts.micros.is_none() => read_clock(&mut cursor, &mut parts)?,
            _ if digit_count == 8 && parts.day.is_none() => read_compact_date(&mut cursor, &mut parts)?,
            _ if matches!(digit_count, 4 | 6) && parts.day.is_some() && parts.micros.is_none() => {
                read_compact_clock(&mut cursor, &mut parts)?;
            }
            _ if digit_count > 0 => return Err(Wrong::Syntax),
            _ => read_suffix(&mut cursor, &mut parts)?,
        }
        cursor.skip_spaces();
        // The T between date and time.
        if parts.day.is_some() && parts.micros.is_none() && cursor.rest.len() > 1 {
            let lower = cursor.rest.as_bytes();
            if matches!(lower[0], b'T' | b't') && lower[1].is_ascii_digit() {
                cursor.rest = &cursor.rest[1..];
            }
        }
    }
    Ok(parts)
}

fn civil(year: i64, month: i64, day: i64) -> Result<i64, Wrong> {
    day_of(year, month, day).filter(|_| year >= 1).ok_or(Wrong::Range)
}

fn read_date(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Wrong> {
    let first = cursor.digits();
    let separator = if cursor.eat('-') { '-' } else { '/' };
    if separator == '/' {
        cursor.eat('/');
    }
    let second = cursor.digits();
    if !cursor.eat(separator) {
        return Err(Wrong::Syntax);
    }
    let third = cursor.digits();
    let (Some(a), Some(b), Some(c)) = (number(first), number(second), number(third)) else {
        return Err(Wrong::Syntax);
    };
    // A first field of three or more digits is a year; else the order is month, day, year.
    let (year, month, day) = if first.len() >= 3 {
        (a, b, c)
    } else if third.len() >= 3 {
        (c, a, b)
    } else {
        return Err(Wrong::Unsupported);
    };
    parts.day = Some(civil(year, month, day)?);
    Ok(())
}

fn read_compact_date(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Wrong> {
    let digits = cursor.digits();
    let (Some(year), Some(month), Some(day)) = (number(&digits[..4]), number(&digits[4..6]), number(&digits[6..]))
    else {
        return Err(Wrong::Syntax);
    };
    parts.day = Some(civil(year, month, day)?);
    Ok(())
}

fn read_clock(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Wrong> {
    let hour = number(cursor.digits()).ok_or(Wrong::Syntax)?;
    cursor.eat(':');
    let minute = number(cursor.digits()).ok_or(Wrong::Syntax)?;
    let second = if cursor.eat(':') { number(cursor.digits()).ok_or(Wrong::Syntax)? } else { 0 };
    let fraction = if cursor.eat('.') { read_fraction(cursor.digits()) } else { 0 };
    parts.micros = Some(clock(hour, minute, second, fraction)?);
    Ok(())
}

fn read_compact_clock(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Wrong> {
    let digits = cursor.digits();
    let hour = number(&digits[..2]).ok_or(Wrong::Syntax)?;
    let minute = number(&digits[2..4]).ok_or(Wrong::Syntax)?;
    let second = if digits.len() == 6 { number(&digits[4..]).ok_or(Wrong::Syntax)? } else { 0 };
    let fraction = if cursor.eat('.') { read_fraction(cursor.digits()) } else { 0 };
    parts.micros = Some(clock(hour, minute, second, fraction)?);
    Ok(())
}

fn clock(hour: i64, minute: i64, second: i64, fraction: i64) -> Result<i64, Wrong> {
    let micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    if hour > 24 || minute > 59 || second > 60 || micros > DAY_MICROS {
        return Err(Wrong::Range);
    }
    Ok(micros)
}

/// Microseconds, rounded to the nearest, a half to the even one.
fn read_fraction(digits: &str) -> i64 {
    let mut micros = 0;
    for index in 0..6 {
        micros = micros * 10 + digits.as_bytes().get(index).map_or(0, |byte| i64::from(byte - b'0'));
    }
    let rest = digits.get(6..).unwrap_or("").trim_end_matches('0');
    let up = match rest.as_bytes() {
        [] => false,
        [b'5'] => micros % 2 == 1,
        [first, ..] => *first >= b'5',
    };
    micros + i64::from(up)
}

/// A zone or AM/PM.
fn read_suffix(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Wrong> {
    if cursor.rest.starts_with(['+', '-']) && (parts.micros.is_some()) && parts.offset_seconds.is_none() {
        let sign = if cursor.eat('-') { -1 } else { 1 };
        if sign == 1 {
            cursor.eat('+');
        }
        let digits = cursor.digits();
        let (hour, mut minute) = match digits.len() {
            1 | 2 => (number(digits), Some(0)),
            3 | 4 => (number(&digits[..digits.len() - 2]), number(&digits[digits.len() - 2..])),
            _ => (None, None),
        };
        let mut second = Some(0);
        if digits.len() <= 2 && cursor.eat(':') {
            minute = number(cursor.digits());
            if cursor.eat(':') {
                second = number(cursor.digits());
            }
        }
        let (Some(hour), Some(minute), Some(second)) = (hour, minute, second) else {
            return Err(Wrong::Syntax);
        };
        if hour > 15 || minute > 59 || second > 59 {
            return Err(Wrong::Range);
        }
        parts.offset_seconds = Some(sign * ((hour * 60 + minute) * 60 + second));
        return Ok(());
    }
    let word = cursor.take(|c| c.is_ascii_alphabetic() || c == '_' || c == '/').to_ascii_lowercase();
    match word.as_str() {
        "z" | "utc" | "gmt" | "zulu" if parts.offset_seconds.is_none() => parts.offset_seconds = Some(0),
        "am" | "pm" => {
            const HALF: i64 = DAY_MICROS / 2;
            let hour = 3_600_000_000;
            let Some(micros) = parts.micros.filter(|micros| *micros < HALF + hour) else {
                return Err(Wrong::Range);
            };
            let morning = if micros >= HALF { micros - HALF } else { micros };
            parts.micros = Some(if word == "pm" { morning + HALF } else { morning });
        }
        // Years before 1 cannot be held.
        "bc" => return Err(Wrong::Range),
        "ad" => {}
        "" => return Err(Wrong::Syntax),
        _ if parts.day.is_some() && parts.micros.is_some() => return Err(Wrong::Unsupported),
        _ => return Err(Wrong::Syntax),
    }
    Ok(())
}

fn describe(wrong: Wrong, type_name: &str, text: &str) -> TextError {
    match wrong {
        Wrong::Syntax => {
            TextError::new("22007", format!("invalid input syntax for type {type_name}: \"{}\"", super::shown(text)))
        }
        Wrong::Range => {
            TextError::new("22008", format!("date/time field value out of range: \"{}\"", super::shown(text)))
        }
        Wrong::Unsupported => TextError::new(
            "0A000",
            format!("this form of type {type_name} is not supported: \"{}\"", super::shown(text)),
        ),
    }
}

fn in_range(day: i64, type_name: &str, text: &str) -> Result<i64, TextError> {
    if (FIRST_DAY..=LAST_DAY).contains(&day) {
        return Ok(day);
    }
    Err(TextError::new("22008", format!("{type_name} out of range: \"{}\"", super::shown(text))))
}

pub(super) fn parse_date(text: &str) -> Result<i32, TextError> {
    let parts = read(text).map_err(|wrong| describe(wrong, "date", text))?;
    let day = parts.day.ok_or_else(|| describe(Wrong::Syntax, "date", text))?;
    Ok(in_range(day, "date", text)? as i32)
}

pub(super) fn parse_time(text: &str) -> Result<i64, TextError> {
    let digits = text.trim_matches(SPACES);
    let mut parts = Parts::default();
    let outcome = if matches!(digits.len(), 4 | 6) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        read_compact_clock(&mut Cursor { rest: digits }, &mut parts)
    } else {
        read(text).map(|read| parts = read)
    };
    outcome.map_err(|wrong| describe(wrong, "time", text))?;
    parts.micros.ok_or_else(|| describe(Wrong::Syntax, "time", text))
}

/// The zone, if there is one, is ignored: Postgres does the same.
pub(super) fn parse_timestamp(text: &str) -> Result<i64, TextError> {
    combine(text, "timestamp", false)
}

pub(super) fn parse_timestamptz(text: &str) -> Result<i64, TextError> {
    combine(text, "timestamp with time zone", true)
}

fn combine(text: &str, type_name: &str, with_zone: bool) -> Result<i64, TextError> {
    let parts = read(text).map_err(|wrong| describe(wrong, type_name, text))?;
    let day = parts.day.ok_or_else(|| describe(Wrong::Syntax, type_name, text))?;
    let offset = if with_zone { parts.offset_seconds.unwrap_or(0) } else { 0 };
    // A day of a year of nine digits has more microseconds than a number has room for. An offset is of hours.
    let day = day.clamp(FIRST_DAY - 2, LAST_DAY + 2);
    let micros = day * DAY_MICROS + parts.micros.unwrap_or(0) - offset * 1_000_000;
    in_range(micros.div_euclid(DAY_MICROS), "timestamp", text)?;
    Ok(micros)
}

pub(super) fn print_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(i64::from(days));
    if year < 1 {
        return format!("{:04}-{month:02}-{day:02} BC", 1 - year);
    }
    format!("{year:04}-{month:02}-{day:02}")
}

pub(super) fn print_time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:06}").trim_end_matches('0'));
    }
    text
}

pub(super) fn print_timestamp(micros: i64) -> String {
    let (year, month, day) = civil_from_days(micros.div_euclid(DAY_MICROS));
    let time = print_time(micros.rem_euclid(DAY_MICROS));
    if year < 1 {
        return format!("{:04}-{month:02}-{day:02} {time} BC", 1 - year);
    }
    format!("{year:04}-{month:02}-{day:02} {time}")
}
