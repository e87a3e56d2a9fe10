//! Postgres' interval: months, days and microseconds, kept apart because no one of them is a number of another.

use lake_cdc::text::calendar::{self, DAY_MICROS, Span};
use lake_cdc::text::shown;
use lake_dialect::{SqlError, sqlstate};

use super::limits::INTERVAL_BYTES_MAX;

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) micros: i64,
}

fn out_of_range() -> SqlError {
    SqlError::new(sqlstate::DATETIME_OVERFLOW, "interval out of range")
}

impl Interval {
    /// How SQLite holds it.
    pub(crate) fn encode(self) -> String {
        format!("{} {} {}", self.months, self.days, self.micros)
    }

    pub(crate) fn decode(text: &str) -> Option<Interval> {
        let mut fields = text.split(' ');
        Some(Interval {
            months: fields.next()?.parse().ok()?,
            days: fields.next()?.parse().ok()?,
            micros: fields.next()?.parse().ok()?,
        })
    }

    /// A month counts 30 days when two intervals are compared.
    pub(crate) fn order(self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * i128::from(DAY_MICROS) + i128::from(self.micros)
    }

    pub(crate) fn add(self, other: Interval) -> Result<Interval, SqlError> {
        Ok(Interval {
            months: self.months.checked_add(other.months).ok_or_else(out_of_range)?,
            days: self.days.checked_add(other.days).ok_or_else(out_of_range)?,
            micros: self.micros.checked_add(other.micros).ok_or_else(out_of_range)?,
        })
    }

    pub(crate) fn negate(self) -> Result<Interval, SqlError> {
        Ok(Interval {
            months: self.months.checked_neg().ok_or_else(out_of_range)?,
            days: self.days.checked_neg().ok_or_else(out_of_range)?,
            micros: self.micros.checked_neg().ok_or_else(out_of_range)?,
        })
    }

    /// Fractions of months spill into days of a 30-day month, those of days into microseconds.
    pub(crate) fn multiply(self, factor: f64) -> Result<Interval, SqlError> {
        let months = f64::from(self.months) * factor;
        let days = f64::from(self.days) * factor;
        if !months.is_finite() || months.abs() > f64::from(i32::MAX) || days.abs() > f64::from(i32::MAX) {
            return Err(out_of_range());
        }
        let round6 = |value: f64| (value * 1e6).round() / 1e6;
        let month_days = round6((months - months.trunc()) * 30.0);
        let mut whole_days = days.trunc() + month_days.trunc();
        let mut seconds = round6(((days - days.trunc()) + (month_days - month_days.trunc())) * 86_400.0);
        if seconds.abs() >= 86_400.0 {
            whole_days += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        let micros = (self.micros as f64 * factor + seconds * 1e6).round_ties_even();
        if micros.abs() >= i64::MAX as f64 || whole_days.abs() > f64::from(i32::MAX) {
            return Err(out_of_range());
        }
        Ok(Interval { months: months.trunc() as i32, days: whole_days as i32, micros: micros as i64 })
    }

    /// The later timestamp: months first (the last day of a shorter month), then days, then microseconds.
    pub(crate) fn after(self, timestamp: i64) -> Option<i64> {
        calendar::moved(timestamp, self.span())
    }

    pub(crate) fn span(self) -> Span {
        Span { months: i64::from(self.months), days: i64::from(self.days), micros: self.micros }
    }

    pub(crate) fn of_span(span: Span) -> Result<Interval, SqlError> {
        let narrow = |number: i64| i32::try_from(number).map_err(|_| out_of_range());
        Ok(Interval { months: narrow(span.months)?, days: narrow(span.days)?, micros: span.micros })
    }

    /// Reads `1 year 2 mons -3 days 04:05:06`, `P1Y2M3DT4H5M6S` and the SQL forms.
    pub(crate) fn parse(text: &str) -> Result<Interval, SqlError> {
        let wrong = || {
            SqlError::new(
                sqlstate::INVALID_DATETIME,
                format!("invalid input syntax for type interval: \"{}\"", shown(text)),
            )
        };
        if text.len() > INTERVAL_BYTES_MAX {
            return Err(wrong());
        }
        let lower = text.trim().to_ascii_lowercase();
        let (lower, ago) = match lower.strip_suffix("ago") {
            Some(rest) => (rest.trim_end().to_owned(), true),
            None => (lower, false),
        };
        let lower = lower.strip_prefix('@').map_or(lower.as_str(), str::trim_start);
        if lower.is_empty() {
            return Err(wrong());
        }
        let mut sum = Sum::default();
        if let Some(iso) = lower.strip_prefix('p') {
            parse_iso(iso, &mut sum).ok_or_else(wrong)?;
        } else {
            parse_verbose(lower, &mut sum).ok_or_else(wrong)?;
        }
        let interval = sum.finish().ok_or_else(out_of_range)?;
        if ago { interval.negate() } else { Ok(interval) }
    }

    /// As `IntervalStyle = postgres` prints it.
    pub(crate) fn print(self) -> String {
        let mut parts = Vec::new();
        let mut negative_before = false;
        let mut push = |value: i64, unit: &str, parts: &mut Vec<String>| {
            if value != 0 {
                let plus = if negative_before && value > 0 { "+" } else { "" };
                let plural = if value == 1 { "" } else { "s" };
                parts.push(format!("{plus}{value} {unit}{plural}"));
                negative_before = value < 0;
            }
        };
        push(i64::from(self.months / 12), "year", &mut parts);
        push(i64::from(self.months % 12), "mon", &mut parts);
        push(i64::from(self.days), "day", &mut parts);
        if self.micros != 0 || parts.is_empty() {
            let sign = if self.micros < 0 {
                "-"
            } else if negative_before {
                "+"
            } else {
                ""
            };
            let micros = self.micros.unsigned_abs();
            let seconds = micros / 1_000_000;
            let mut clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if !micros.is_multiple_of(1_000_000) {
                clock.push('.');
                clock.push_str(format!("{:06}", micros % 1_000_000).trim_end_matches('0'));
            }
            parts.push(clock);
        }
        parts.join(" ")
    }
}

/// Fields as they are read, before they are known to fit.
#[derive(Default)]
struct Sum {
    months: f64,
    days: i64,
    micros: i64,
    over: bool,
}

impl Sum {
    /// `number` is a decimal text of a field; fractions spill down as Postgres has it.
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let value: f64 = number.parse().ok()?;
        let whole = value.trunc();
        let fraction = value - whole;
        let day_fraction = |sum: &mut Sum, days: f64| {
            sum.days += days.trunc() as i64;
            sum.micros += ((days - days.trunc()) * DAY_MICROS as f64).round_ties_even() as i64;
        };
        if whole.abs() > 1e15 {
            self.over = true;
            return Some(());
        }
        let unit = unit.trim_end_matches('.');
        match unit {
            "y" | "yr" | "yrs" | "year" | "years" => self.months += whole * 12.0 + (fraction * 12.0).round(),
            "decade" | "decades" | "dec" | "decs" => self.months += whole * 120.0 + (fraction * 120.0).round(),
            "century" | "centuries" | "c" | "cent" => self.months += whole * 1200.0 + (fraction * 1200.0).round(),
            "millennium" | "millennia" | "mil" | "mils" => {
                self.months += whole * 12_000.0 + (fraction * 12_000.0).round()
            }
            "mon" | "mons" | "month" | "months" => {
                self.months += whole;
                day_fraction(self, fraction * 30.0);
            }
            "w" | "week" | "weeks" => {
                self.days += whole as i64 * 7;
                day_fraction(self, fraction * 7.0);
            }
            "d" | "day" | "days" => {
                self.days += whole as i64;
                day_fraction(self, fraction);
            }
            _ => {
                let scale = match unit {
                    "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000_000.0,
                    "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000.0,
                    "s" | "sec" | "secs" | "second" | "seconds" | "" => 1_000_000.0,
                    "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1_000.0,
                    "us" | "usec" | "usecs" | "microsecond" | "microseconds" => 1.0,
                    _ => return None,
                };
                let micros = (whole * scale) + (fraction * scale).round_ties_even();
                if micros.abs() > 9e18 {
                    self.over = true;
                    return Some(());
                }
                self.micros = self.micros.checked_add(micros as i64)?;
            }
        }
        Some(())
    }

    fn finish(self) -> Option<Interval> {
        if self.over || self.months.abs() > f64::from(i32::MAX) {
            return None;
        }
        Some(Interval { months: self.months as i32, days: i32::try_from(self.days).ok()?, micros: self.micros })
    }
}

fn parse_iso(text: &str, sum: &mut Sum) -> Option<()> {
    let mut in_time = false;
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('t') {
            in_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = match (&rest[end..=end], in_time) {
            ("y", false) => "year",
            ("m", false) => "month",
            ("w", false) => "week",
            ("d", false) => "day",
            ("h", true) => "hour",
            ("m", true) => "minute",
            ("s", true) => "second",
            _ => return None,
        };
        sum.add(&rest[..end], unit)?;
        rest = &rest[end + 1..];
    }
    Some(())
}

fn parse_verbose(text: &str, sum: &mut Sum) -> Option<()> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let number_end = rest
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || *c == ':' || (*at == 0 && matches!(c, '+' | '-'))))
            .map_or(rest.len(), |(at, _)| at);
        let number = &rest[..number_end];
        rest = rest[number_end..].trim_start();
        if number.contains(':') {
            sum.micros = sum.micros.checked_add(parse_clock(number)?)?;
            continue;
        }
        let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        // A number without a unit counts days before a clock time and seconds at the end.
        let unit = if unit_end > 0 {
            &rest[..unit_end]
        } else if rest.contains(':') {
            "day"
        } else {
            "second"
        };
        sum.add(number, unit)?;
        rest = rest[unit_end..].trim_start();
    }
    Some(())
}

fn parse_clock(text: &str) -> Option<i64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut fields = unsigned.split(':');
    let hours: i64 = fields.next()?.parse().ok()?;
    let minutes: i64 = fields.next()?.parse().ok()?;
    let seconds: f64 = fields.next().unwrap_or("0").parse().ok()?;
    if minutes > 59 || !(0.0..=60.0).contains(&seconds) || fields.next().is_some() || hours > 2_000_000_000 {
        return None;
    }
    Some(sign * ((hours * 60 + minutes) * 60_000_000 + (seconds * 1e6).round_ties_even() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, printed: &str) {
        assert_eq!(
            Interval::parse(text).map(Interval::print).map_err(|e| e.sqlstate),
            Ok(printed.to_owned()),
            "{text}"
        );
    }

    #[test]
    fn intervals_print_as_postgres_prints_them() {
        check("1 day", "1 day");
        check("1 year 2 months -3 days 04:05:06.5", "1 year 2 mons -3 days +04:05:06.5");
        check("24 hours", "24:00:00");
        check("90 minutes", "01:30:00");
        check("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06");
        check("1.5 months", "1 mon 15 days");
        check("1 week ago", "-7 days");
        check("-1 hour", "-01:00:00");
        check("3 4:05", "3 days 04:05:00");
        check("0", "00:00:00");
    }

    #[test]
    fn a_month_ends_where_the_shorter_month_does() {
        let january = calendar::days_from_civil(2024, 1, 31) * DAY_MICROS;
        let month = Interval { months: 1, ..Interval::default() };
        assert_eq!(month.after(january), Some(calendar::days_from_civil(2024, 2, 29) * DAY_MICROS));
    }
}
