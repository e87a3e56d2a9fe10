//! The three ways in which S3 writes a time.

use crate::calendar::{date_of, days_of};

/// Reads `20251121T034224Z`: seconds since 1970.
pub(super) fn parse_amz(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_of(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// `20251121T034224Z`, of microseconds since 1970.
pub(super) fn amz(micros: i64) -> String {
    let (days, (hour, minute, second)) = split(micros);
    let (year, month, day) = date_of(days.into());
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `Fri, 21 Nov 2025 03:42:24 GMT`, of microseconds since 1970.
pub(super) fn http_date(micros: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, (hour, minute, second)) = split(micros);
    let (year, month, day) = date_of(days.into());
    let weekday = DAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get((month - 1) as usize).copied().unwrap_or_default();
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2025-11-21T03:42:24.000Z`, of microseconds since 1970.
pub(super) fn iso(micros: i64) -> String {
    let (days, (hour, minute, second)) = split(micros);
    let (year, month, day) = date_of(days.into());
    let millis = micros.rem_euclid(1_000_000) / 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn split(micros: i64) -> (i64, (i64, i64, i64)) {
    let seconds = micros.div_euclid(1_000_000);
    let of_day = seconds.rem_euclid(86_400);
    (seconds.div_euclid(86_400), (of_day / 3_600, of_day / 60 % 60, of_day % 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_are_written_as_everybody_writes_them() {
        assert_eq!(parse_amz("20251121T034224Z"), Some(1_763_696_544));
        assert_eq!(http_date(1_763_696_544_000_000), "Fri, 21 Nov 2025 03:42:24 GMT");
        assert_eq!(iso(1_763_696_544_123_999), "2025-11-21T03:42:24.123Z");
        assert_eq!(amz(1_763_696_544_999_999), "20251121T034224Z");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(parse_amz("20240229T235959Z"), Some(1_709_251_199));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in ["", "20251121", "20251121T034224", "2025112aT034224Z", "20251321T034224Z", "+0251121T034224Z"] {
            assert_eq!(parse_amz(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _read_or_refused = parse_amz(&text);
        }
    }
}
