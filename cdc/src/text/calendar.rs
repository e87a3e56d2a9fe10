//! The proleptic Gregorian calendar, counted from 1970-01-01.

/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// The first day that a table can hold: 0001-01-01.
pub const FIRST_DAY: i64 = -719_162;

/// The last day that a table can hold: 9999-12-31.
pub const LAST_DAY: i64 = 2_932_896;

/// An interval in the three units that do not turn into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Months.
    pub months: i64,
    /// Days.
    pub days: i64,
    /// Microseconds.
    pub micros: i64,
}

/// Days from 1970-01-01 to a date. The month may be 1 to 12 only; the year may be any.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days of a month.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day of a date; `None` if there is no such date.
pub fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| days_from_civil(year, month, day))
}

/// Year and week of ISO 8601: a week belongs to the year of its Thursday.
pub fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// The moment some months, then days, then microseconds after another. A day that the month lacks becomes its last.
/// `None` if that cannot be counted.
pub fn moved(micros: i64, by: Span) -> Option<i64> {
    let mut day = micros.div_euclid(DAY_MICROS);
    if by.months != 0 {
        let (year, month, day_of_month) = civil_from_days(day);
        let total = (year * 12 + month - 1).checked_add(by.months)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        // Days of a year in the billions are still far from the end of an i64.
        let is_countable = year.unsigned_abs() < 1 << 40;
        day = is_countable.then(|| days_from_civil(year, month, day_of_month.min(days_in_month(year, month))))?;
    }
    day.checked_add(by.days)?
        .checked_mul(DAY_MICROS)?
        .checked_add(micros.rem_euclid(DAY_MICROS))?
        .checked_add(by.micros)
}

/// Months, days and time from one moment to another, as `age(later, earlier)` counts them: field by field, borrowing
/// the days of the earlier moment's month.
pub fn between(later: i64, earlier: i64) -> Span {
    if later < earlier {
        let Span { months, days, micros } = between(earlier, later);
        return Span { months: -months, days: -days, micros: -micros };
    }
    let (year, month, day) = civil_from_days(later.div_euclid(DAY_MICROS));
    let (earlier_year, earlier_month, earlier_day) = civil_from_days(earlier.div_euclid(DAY_MICROS));
    let mut months = (year - earlier_year) * 12 + month - earlier_month;
    let mut days = day - earlier_day;
    let mut micros = later.rem_euclid(DAY_MICROS) - earlier.rem_euclid(DAY_MICROS);
    if micros < 0 {
        micros += DAY_MICROS;
        days -= 1;
    }
    if days < 0 {
        days += days_in_month(earlier_year, earlier_month);
        months -= 1;
    }
    Span { months, days, micros }
}

/// `2025-01-14T00:00:00.000001`, always with microseconds: a moment as answers in JSON write it, without its zone.
pub fn iso(micros: i64) -> String {
    let (year, month, day) = civil_from_days(micros.div_euclid(DAY_MICROS));
    let of_day = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: (i64, i64, i64), hours: i64) -> i64 {
        days_from_civil(text.0, text.1, text.2) * DAY_MICROS + hours * 3_600_000_000
    }

    fn check_between(later: i64, earlier: i64, months: i64, days: i64, hours: i64) {
        let span = Span { months, days, micros: hours * 3_600_000_000 };
        assert_eq!(between(later, earlier), span);
        let back = Span { months: -months, days: -days, micros: -span.micros };
        assert_eq!(between(earlier, later), back);
    }

    #[test]
    fn days_that_are_missing_are_borrowed_from_the_earlier_month() {
        check_between(at((2024, 3, 1), 0), at((2024, 1, 31), 0), 1, 1, 0);
        check_between(at((2024, 3, 1), 0), at((2024, 1, 31), 12), 1, 0, 12);
        check_between(at((2025, 3, 1), 0), at((2025, 1, 31), 0), 1, 1, 0);
        check_between(at((2024, 1, 1), 0), at((2023, 1, 1), 0), 12, 0, 0);
    }

    #[test]
    fn the_last_day_of_a_month_stays_the_last() {
        let month = Span { months: 1, days: 0, micros: 0 };
        assert_eq!(moved(at((2024, 1, 31), 0), month), Some(at((2024, 2, 29), 0)));
        assert_eq!(moved(at((2024, 1, 31), 5), Span { days: 1, ..month }), Some(at((2024, 3, 1), 5)));
        assert_eq!(moved(0, Span { months: i64::MAX, days: 0, micros: 0 }), None);
        assert_eq!(moved(0, Span { months: 0, days: i64::MAX, micros: 0 }), None);
    }

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        assert_eq!(iso_week(days_from_civil(2024, 12, 30)), (2025, 1));
        assert_eq!(iso_week(days_from_civil(2021, 1, 3)), (2020, 53));
    }

    #[test]
    fn dates_that_are_none_have_no_day() {
        assert_eq!((day_of(2023, 2, 29), day_of(2024, 13, 1), day_of(2024, 1, 0)), (None, None, None));
        assert_eq!(day_of(2024, 2, 29), Some(19_782));
    }

    #[test]
    fn moments_are_written_with_all_their_digits() {
        assert_eq!(iso(1_736_812_800_000_001), "2025-01-14T00:00:00.000001");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999999");
    }

    proptest! {
        #[test]
        fn days_read_back(day in FIRST_DAY..=LAST_DAY) {
            let (year, month, day_of_month) = civil_from_days(day);
            prop_assert_eq!(day_of(year, month, day_of_month), Some(day));
        }

        #[test]
        fn no_span_panics(micros in FIRST_DAY * DAY_MICROS..LAST_DAY * DAY_MICROS, months: i64, days: i64, by: i64) {
            let _moment_or_none = moved(micros, Span { months, days, micros: by });
        }
    }
}
