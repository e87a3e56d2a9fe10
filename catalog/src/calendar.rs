//! The proleptic Gregorian calendar, counted from 1970-01-01.
//!
//! It stands here a second time. SQL's is in `cdc`, which this crate does not use, and of what both could use there is
//! nothing that a calendar belongs to; an arrow for two functions that never change would cost more.

/// Days from 1970-01-01 to a date. The month is 1 to 12.
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day. Wide, because the day can be any number that a filter names.
pub(crate) fn date_of(days: i128) -> (i128, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097) as i64;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + i128::from(year_of_era) + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days_are_where_everybody_has_them() {
        for (year, month, day, expected) in
            [(1970, 1, 1, 0), (1969, 12, 31, -1), (2000, 2, 29, 11_016), (2026, 11, 21, 20_778), (1, 1, 1, -719_162)]
        {
            assert_eq!(days_of(year, month, day), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn any_number_is_a_day() {
        for days in [i64::MIN, i64::MAX] {
            let (_, month, day) = date_of(i128::from(days));
            assert!((1..=12).contains(&month) && (1..=31).contains(&day), "{days}");
        }
    }

    proptest! {
        #[test]
        fn dates_read_back(days in -700_000i64..2_000_000) {
            let (year, month, day) = date_of(i128::from(days));
            prop_assert_eq!(days_of(year as i64, month, day), days);
        }
    }
}
