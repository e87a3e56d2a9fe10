//! Parts of dates, times and intervals: what `extract`, `date_part` and `date_trunc` of Postgres give.
//!
//! Shard and lake answer the same questions about the same values, so the units, their other names and which type
//! knows which of them are written here once. Refusals carry Postgres' SQLSTATE and words.

use std::fmt;

use super::TextError;
use super::calendar::{DAY_MICROS, Span, civil_from_days, days_from_civil, iso_week};

/// What has parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Days since 1970-01-01.
    Date(i64),
    /// Microseconds since 1970-01-01.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 in UTC.
    TimestampTz(i64),
    /// Microseconds since midnight.
    Time(i64),
    /// An interval.
    Interval(Span),
}

/// A part: a number with `scale` digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number without its point.
    pub unscaled: i128,
    /// Digits after the point.
    pub scale: u32,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(formatter, "{}", self.unscaled);
        }
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let unit = 10u128.pow(self.scale);
        let digits = self.unscaled.unsigned_abs();
        write!(formatter, "{sign}{}.{:0width$}", digits / unit, digits % unit, width = self.scale as usize)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Zone,
    // What can be extracted and nothing can be truncated to.
    Epoch,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
}

/// Postgres compares this many bytes of a name.
const NAME_BYTES: usize = 10;

const UNITS: &[(&[&str], Unit)] = &[
    (&["microsecon", "us", "usec", "usecond", "useconds", "usecs"], Unit::Microsecond),
    (&["millisecon", "ms", "msec", "msecond", "mseconds", "msecs"], Unit::Millisecond),
    (&["second", "seconds", "s", "sec", "secs"], Unit::Second),
    (&["minute", "minutes", "m", "min", "mins"], Unit::Minute),
    (&["hour", "hours", "h", "hr", "hrs"], Unit::Hour),
    (&["day", "days", "d"], Unit::Day),
    (&["week", "weeks", "w"], Unit::Week),
    (&["month", "months", "mon", "mons"], Unit::Month),
    (&["quarter", "qtr"], Unit::Quarter),
    (&["year", "years", "y", "yr", "yrs"], Unit::Year),
    (&["decade", "decades", "dec", "decs"], Unit::Decade),
    (&["century", "centuries", "c", "cent"], Unit::Century),
    (&["millennium", "millennia", "mil", "mils"], Unit::Millennium),
    (&["timezone", "timezone_h", "timezone_m"], Unit::Zone),
    (&["epoch"], Unit::Epoch),
    (&["dow"], Unit::DayOfWeek),
    (&["isodow"], Unit::IsoDayOfWeek),
    (&["doy"], Unit::DayOfYear),
    (&["isoyear"], Unit::IsoYear),
    (&["julian", "jd", "j"], Unit::Julian),
];

impl Unit {
    fn parse(name: &str) -> Option<Unit> {
        let name = name.get(..NAME_BYTES).unwrap_or(name);
        UNITS.iter().find(|(names, _)| names.contains(&name)).map(|(_, unit)| *unit)
    }

    fn is_for_extraction_only(self) -> bool {
        matches!(
            self,
            Unit::Epoch | Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::IsoYear | Unit::Julian
        )
    }
}

impl Moment {
    fn type_name(&self) -> &'static str {
        match self {
            Moment::Date(_) => "date",
            Moment::Timestamp(_) => "timestamp without time zone",
            Moment::TimestampTz(_) => "timestamp with time zone",
            Moment::Time(_) => "time without time zone",
            Moment::Interval(_) => "interval",
        }
    }
}

fn unknown(unit: &str, of: &Moment) -> TextError {
    TextError::new("22023", format!("unit \"{unit}\" not recognized for type {}", of.type_name()))
}

fn unsupported(unit: &str, of: &Moment) -> TextError {
    TextError::new("0A000", format!("unit \"{unit}\" not supported for type {}", of.type_name()))
}

/// `extract(unit from value)`
pub fn extract(unit: &str, of: &Moment) -> Result<Part, TextError> {
    let name = unit.to_ascii_lowercase();
    let unit = Unit::parse(&name).ok_or_else(|| unknown(&name, of))?;
    let found = match *of {
        Moment::Date(day) => of_date(unit, day),
        Moment::Timestamp(micros) => of_timestamp(unit, micros),
        Moment::TimestampTz(_) if unit == Unit::Zone => Some(whole(0)),
        Moment::TimestampTz(micros) => of_timestamp(unit, micros),
        Moment::Time(micros) if unit == Unit::Epoch => Some(seconds(i128::from(micros))),
        Moment::Time(micros) => of_clock(unit, micros),
        Moment::Interval(span) => of_span(unit, span),
    };
    found.ok_or_else(|| unsupported(&name, of))
}

fn whole(number: i64) -> Part {
    Part { unscaled: i128::from(number), scale: 0 }
}

fn seconds(micros: i128) -> Part {
    Part { unscaled: micros, scale: 6 }
}

fn of_timestamp(unit: Unit, micros: i64) -> Option<Part> {
    match unit {
        Unit::Epoch => Some(seconds(i128::from(micros))),
        // Postgres gives the time as a fraction of the day, to twenty digits.
        Unit::Julian => None,
        _ => of_clock(unit, micros.rem_euclid(DAY_MICROS)).or_else(|| of_date(unit, micros.div_euclid(DAY_MICROS))),
    }
}

/// Of microseconds since midnight, or of an interval's.
fn of_clock(unit: Unit, micros: i64) -> Option<Part> {
    Some(match unit {
        Unit::Hour => whole(micros / 3_600_000_000),
        Unit::Minute => whole(micros / 60_000_000 % 60),
        Unit::Second => seconds(i128::from(micros % 60_000_000)),
        Unit::Millisecond => Part { unscaled: i128::from(micros % 60_000_000), scale: 3 },
        Unit::Microsecond => whole(micros % 60_000_000),
        _ => return None,
    })
}

fn of_date(unit: Unit, day: i64) -> Option<Part> {
    let (year, month, day_of_month) = civil_from_days(day);
    Some(whole(match unit {
        Unit::Epoch => day * 86_400,
        Unit::Year => year,
        Unit::Month => month,
        Unit::Day => day_of_month,
        Unit::Quarter => (month - 1) / 3 + 1,
        Unit::Week => iso_week(day).1,
        Unit::IsoYear => iso_week(day).0,
        // Day 0 was a Thursday.
        Unit::DayOfWeek => (day + 4).rem_euclid(7),
        Unit::IsoDayOfWeek => (day + 3).rem_euclid(7) + 1,
        Unit::DayOfYear => day - days_from_civil(year, 1, 1) + 1,
        Unit::Decade => year.div_euclid(10),
        Unit::Century => (year + 99).div_euclid(100),
        Unit::Millennium => (year + 999).div_euclid(1000),
        Unit::Julian => day + 2_440_588,
        _ => return None,
    }))
}

/// A field of a negative interval is the negative of that field of the interval with its sign turned.
fn of_span(unit: Unit, Span { months, days, micros }: Span) -> Option<Part> {
    Some(match unit {
        Unit::Year => whole(months / 12),
        Unit::Month => whole(months % 12),
        Unit::Quarter if months < 0 => whole(-(-months % 12 / 3 + 1)),
        Unit::Quarter => whole(months % 12 / 3 + 1),
        Unit::Decade => whole(months / 120),
        Unit::Century => whole(months / 1_200),
        Unit::Millennium => whole(months / 12_000),
        Unit::Week => whole(days / 7),
        Unit::Day => whole(days),
        Unit::Epoch => {
            // A year has 365.25 days here, a month of the rest 30.
            let quarters = i128::from(months / 12) * 1_461 + (i128::from(months % 12) * 30 + i128::from(days)) * 4;
            seconds(quarters * i128::from(DAY_MICROS / 4) + i128::from(micros))
        }
        _ => return of_clock(unit, micros),
    })
}

/// `date_trunc(unit, value)` of a timestamp: microseconds since 1970-01-01, which may be out of a timestamp's range.
/// `zoned` tells how its type is called in a refusal.
pub fn truncate(unit: &str, micros: i64, zoned: bool) -> Result<i64, TextError> {
    let of = if zoned { Moment::TimestampTz(micros) } else { Moment::Timestamp(micros) };
    let name = unit.to_ascii_lowercase();
    let multiple = |size: i64| micros - micros.rem_euclid(size);
    let day = micros.div_euclid(DAY_MICROS);
    let (year, month, _) = civil_from_days(day);
    let first = |year: i64, month: i64| days_from_civil(year, month, 1) * DAY_MICROS;
    Ok(match truncating(&name, &of)? {
        Unit::Microsecond => micros,
        Unit::Millisecond => multiple(1_000),
        Unit::Second => multiple(1_000_000),
        Unit::Minute => multiple(60_000_000),
        Unit::Hour => multiple(3_600_000_000),
        Unit::Day => multiple(DAY_MICROS),
        // Weeks begin on Monday.
        Unit::Week => (day - (day + 3).rem_euclid(7)) * DAY_MICROS,
        Unit::Month => first(year, month),
        Unit::Quarter => first(year, (month - 1) / 3 * 3 + 1),
        Unit::Year => first(year, 1),
        Unit::Decade => first(year.div_euclid(10) * 10, 1),
        Unit::Century => first((year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Millennium => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => return Err(unsupported(&name, &of)),
    })
}

/// `date_trunc(unit, interval)`
pub fn truncate_span(unit: &str, span: Span) -> Result<Span, TextError> {
    let of = Moment::Interval(span);
    let name = unit.to_ascii_lowercase();
    let months = |size: i64| Span { months: span.months / size * size, days: 0, micros: 0 };
    let micros = |size: i64| Span { micros: span.micros / size * size, ..span };
    Ok(match truncating(&name, &of)? {
        Unit::Microsecond => span,
        Unit::Millisecond => micros(1_000),
        Unit::Second => micros(1_000_000),
        Unit::Minute => micros(60_000_000),
        Unit::Hour => micros(3_600_000_000),
        Unit::Day => Span { micros: 0, ..span },
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
        Unit::Decade => months(120),
        Unit::Century => months(1_200),
        Unit::Millennium => months(12_000),
        _ => return Err(unsupported(&name, &of)),
    })
}

fn truncating(name: &str, of: &Moment) -> Result<Unit, TextError> {
    Unit::parse(name).filter(|unit| !unit.is_for_extraction_only()).ok_or_else(|| unknown(name, of))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-05-17 10:20:30.5, a Friday.
    const MOMENT: i64 = 1_715_941_230_500_000;

    fn span(months: i64, days: i64, micros: i64) -> Moment {
        Moment::Interval(Span { months, days, micros })
    }

    fn check(unit: &str, of: Moment, expected: Result<&str, &str>) {
        let found = extract(unit, &of).map(|part| part.to_string()).map_err(|error| error.sqlstate);
        assert_eq!(found, expected.map(str::to_owned), "{unit} of {of:?}");
    }

    #[test]
    fn parts_of_a_timestamp_are_those_of_its_day_and_of_its_clock() {
        for (unit, part) in [
            ("hour", "10"),
            ("minute", "20"),
            ("second", "30.500000"),
            ("milliseconds", "30500.000"),
            ("microseconds", "30500000"),
            ("epoch", "1715941230.500000"),
            ("dow", "5"),
            ("isodow", "5"),
            ("doy", "138"),
            ("week", "20"),
            ("quarter", "2"),
            ("decade", "202"),
            ("century", "21"),
            ("millennium", "3"),
        ] {
            check(unit, Moment::Timestamp(MOMENT), Ok(part));
            check(unit, Moment::TimestampTz(MOMENT), Ok(part));
        }
        check("timezone_hour", Moment::TimestampTz(MOMENT), Ok("0"));
    }

    #[test]
    fn units_have_the_other_names_that_postgres_knows() {
        check("usec", Moment::Time(1_500_000), Ok("1500000"));
        check("MicroSecondsOrSo", Moment::Time(1_500_000), Ok("1500000"));
        check("yrs", Moment::Date(0), Ok("1970"));
        check("QTR", Moment::Date(0), Ok("1"));
    }

    #[test]
    fn a_unit_that_is_none_is_told_from_one_that_the_type_lacks() {
        check("hour", Moment::Date(0), Err("0A000"));
        check("nosuch", Moment::Date(0), Err("22023"));
        check("timezone", Moment::Timestamp(0), Err("0A000"));
        check("dow", Moment::Time(0), Err("0A000"));
        check("dow", span(0, 0, 0), Err("0A000"));
        check("é23456789é", Moment::Time(0), Err("22023"));
        let refused = |unit: &str| truncate(unit, 0, false).map_err(|error| error.sqlstate);
        assert_eq!((refused("dow"), refused("timezone")), (Err("22023"), Err("0A000")));
        let span = Span { months: 0, days: 10, micros: 0 };
        assert_eq!(truncate_span("week", span).map_err(|error| error.sqlstate), Err("0A000"));
    }

    #[test]
    fn parts_of_a_negative_interval_are_negative() {
        check("quarter", span(-5, 0, 0), Ok("-2"));
        check("quarter", span(-12, 0, 0), Ok("-1"));
        check("decade", span(-1234 * 12, 0, 0), Ok("-123"));
        check("second", span(0, 0, -500_000), Ok("-0.500000"));
        check("milliseconds", span(0, 0, -1_500_000), Ok("-1500.000"));
        check("epoch", span(178_000_000 * 12, 0, 0), Ok("5617252800000000.000000"));
    }

    #[test]
    fn truncation_goes_back_to_the_beginning_of_the_unit() {
        let day = |year: i64, month: i64, day: i64| days_from_civil(year, month, day) * DAY_MICROS;
        for (unit, expected) in [
            ("day", day(2024, 5, 17)),
            ("week", day(2024, 5, 13)),
            ("quarter", day(2024, 4, 1)),
            ("decade", day(2020, 1, 1)),
            ("century", day(2001, 1, 1)),
            ("millennium", day(2001, 1, 1)),
        ] {
            assert_eq!(truncate(unit, MOMENT, true), Ok(expected), "{unit}");
        }
        assert_eq!(truncate("hour", -1, false), Ok(-3_600_000_000));
    }

    #[test]
    fn truncation_of_an_interval_goes_towards_nothing() {
        let span = Span { months: -1234 * 12 - 5, days: -3, micros: -14_706_789_012 };
        assert_eq!(truncate_span("decade", span), Ok(Span { months: -14_760, days: 0, micros: 0 }));
        assert_eq!(truncate_span("hour", span), Ok(Span { micros: -14_400_000_000, ..span }));
    }

    proptest! {
        #[test]
        fn no_unit_panics(unit in ".{0,16}", micros: i64) {
            let _part_or_refused = extract(&unit, &Moment::Time(micros));
        }

        #[test]
        fn truncation_never_goes_forward(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            for (names, unit) in UNITS.iter().filter(|(_, unit)| !unit.is_for_extraction_only() && *unit != Unit::Zone) {
                let truncated = truncate(names[0], micros, false).expect("a unit");
                prop_assert!(truncated <= micros, "{unit:?}");
                if *unit != Unit::Decade {
                    prop_assert_eq!(truncate(names[0], truncated, false), Ok(truncated), "{:?}", unit);
                }
            }
        }
    }
}
