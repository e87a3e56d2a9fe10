//! Decimal numbers of at most 38 digits with a fixed scale: what a `numeric(p,s)` column and an Iceberg decimal hold.

use std::fmt;

use thiserror::Error;

/// `unscaled × 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Numeric {
    unscaled: i128,
    scale: u8,
}

/// Why a text is no numeric of the wanted precision and scale.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NumericError {
    /// Not a number in Postgres' syntax. SQLSTATE 22P02.
    #[error("not a number")]
    Syntax,
    /// More digits before the point than the precision leaves room for, NaN or infinity. SQLSTATE 22003.
    #[error("numeric field overflow")]
    Overflow,
}

const POWERS: usize = 39;

fn power_of_ten(exponent: u32) -> Option<i128> {
    if exponent as usize >= POWERS { None } else { Some(10i128.pow(exponent)) }
}

impl Numeric {
    /// The number with these digits. `scale` ≤ 38.
    pub fn new(unscaled: i128, scale: u8) -> Numeric {
        Numeric { unscaled, scale }
    }

    /// The digits, without the point.
    pub fn unscaled(self) -> i128 {
        self.unscaled
    }

    /// Digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// True if it has at most `precision` digits.
    pub fn fits(self, precision: u8) -> bool {
        match power_of_ten(u32::from(precision)) {
            Some(bound) => self.unscaled > -bound && self.unscaled < bound,
            None => false,
        }
    }

    /// Reads `[+-]digits[.digits][e[+-]digits]` and rounds half away from zero to `scale`, as Postgres does.
    pub fn parse(text: &str, precision: u8, scale: u8) -> Result<Numeric, NumericError> {
        let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        let lower = text.to_ascii_lowercase();
        if matches!(lower.trim_start_matches(['+', '-']), "nan" | "inf" | "infinity") {
            return Err(NumericError::Overflow);
        }
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => {
                let written = &rest[at + 1..];
                let digits = written.trim_start_matches(['+', '-']);
                if digits.is_empty() || written.len() - digits.len() > 1 || !digits.bytes().all(|b| b.is_ascii_digit())
                {
                    return Err(NumericError::Syntax);
                }
                // An exponent beyond i32 overflows or vanishes whatever the digits are.
                let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
                (&rest[..at], if written.starts_with('-') { -magnitude } else { magnitude })
            }
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(NumericError::Syntax);
        }
        // The number is 0.d1d2d3… × 10^point.
        let digits = whole.bytes().chain(fraction.bytes()).skip_while(|byte| *byte == b'0').collect::<Vec<u8>>();
        let leading = (whole.len() + fraction.len() - digits.len()) as i64;
        let point = whole.len() as i64 - leading + exponent;
        if digits.is_empty() {
            return Ok(Numeric { unscaled: 0, scale });
        }
        let keep = point + i64::from(scale);
        if keep > i64::from(precision) {
            return Err(NumericError::Overflow);
        }
        let mut unscaled = 0i128;
        for index in 0..keep.max(0) {
            let digit = digits.get(index as usize).map_or(0, |byte| byte - b'0');
            unscaled = unscaled * 10 + i128::from(digit);
        }
        if keep >= 0 && digits.get(keep as usize).is_some_and(|byte| *byte >= b'5') {
            unscaled += 1;
        }
        let number = Numeric { unscaled: if negative { -unscaled } else { unscaled }, scale };
        if number.fits(precision) { Ok(number) } else { Err(NumericError::Overflow) }
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(formatter, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(formatter, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, precision: u8, scale: u8, expected: Result<&str, NumericError>) {
        let found = Numeric::parse(text, precision, scale).map(|number| number.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text} as numeric({precision},{scale})");
    }

    #[test]
    fn a_number_is_rounded_half_away_from_zero_to_the_scale() {
        check("1.005", 10, 2, Ok("1.01"));
        check("-1.005", 10, 2, Ok("-1.01"));
        check("0.004999", 10, 2, Ok("0.00"));
        check("9.995", 3, 2, Err(NumericError::Overflow));
        check("0.0005", 10, 2, Ok("0.00"));
        check("0.005", 10, 2, Ok("0.01"));
    }

    #[test]
    fn exponents_move_the_point() {
        check("1e3", 10, 2, Ok("1000.00"));
        check("12.5E-1", 10, 2, Ok("1.25"));
        check("1e-99999999999999999999", 10, 2, Ok("0.00"));
        check("1e99999999999999999999", 38, 0, Err(NumericError::Overflow));
        check("0e99999999999999999999", 38, 0, Ok("0"));
    }

    #[test]
    fn thirty_eight_digits_are_exact() {
        let digits = "9".repeat(38);
        check(&digits, 38, 0, Ok(&digits));
        check(&format!("-{digits}"), 38, 0, Ok(&format!("-{digits}")));
        check("1e38", 38, 0, Err(NumericError::Overflow));
        check("99999999999999999999999999999.999999999", 38, 9, Ok("99999999999999999999999999999.999999999"));
    }

    #[test]
    fn what_is_no_number_is_a_syntax_error() {
        for text in ["", ".", "-", "1e", "1e+-1", "1.2.3", "0x10", "--1", "1 2"] {
            check(text, 10, 2, Err(NumericError::Syntax));
        }
        check("NaN", 10, 2, Err(NumericError::Overflow));
    }
}
