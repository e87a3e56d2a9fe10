//! Postgres' numeric: decimals of any length with a display scale, and its rules for the scale of results.

use std::cmp::Ordering;
use std::fmt;

use lake_cdc::text::shown;
use lake_dialect::{SqlError, sqlstate};
use num_bigint::{BigInt, Sign};

use super::limits::{NUMERIC_DIGITS_MAX, NUMERIC_SCALE_MAX};

/// `unscaled × 10^-scale`, or NaN.
#[derive(Clone, Debug)]
pub(crate) enum Decimal {
    /// A number.
    Finite {
        /// The digits.
        unscaled: BigInt,
        /// Digits after the point, also the ones that are zero.
        scale: u32,
    },
    /// Not a number: equal to itself, above all others.
    NaN,
}

pub(crate) fn pow10(exponent: u32) -> BigInt {
    BigInt::from(10u8).pow(exponent)
}

fn overflow() -> SqlError {
    SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value overflows numeric format")
}

fn is_zero(number: &BigInt) -> bool {
    number.sign() == Sign::NoSign
}

/// Divides and rounds half away from zero.
fn divide_rounded(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let quotient = dividend / divisor;
    let remainder = dividend - &quotient * divisor;
    if remainder.magnitude() * 2u8 >= *divisor.magnitude() {
        if (dividend.sign() == Sign::Minus) == (divisor.sign() == Sign::Minus) { quotient + 1 } else { quotient - 1 }
    } else {
        quotient
    }
}

impl Decimal {
    pub(crate) fn new(unscaled: BigInt, scale: u32) -> Decimal {
        Decimal::Finite { unscaled, scale }
    }

    pub(crate) fn from_integer(value: i64) -> Decimal {
        Decimal::new(BigInt::from(value), 0)
    }

    /// Reads Postgres' syntax. Infinity is refused: no table of the lake can hold it.
    pub(crate) fn parse(text: &str) -> Result<Decimal, SqlError> {
        let wrong = || {
            SqlError::new(sqlstate::INVALID_TEXT, format!("invalid input syntax for type numeric: \"{}\"", shown(text)))
        };
        let trimmed = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if unsigned.eq_ignore_ascii_case("nan") && unsigned.len() == trimmed.len() {
            return Ok(Decimal::NaN);
        }
        if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
            return Err(SqlError::unsupported("infinity of type numeric"));
        }
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => {
                let written = &unsigned[at + 1..];
                let digits = written.strip_prefix(['+', '-']).unwrap_or(written);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(wrong());
                }
                (&unsigned[..at], written.parse::<i64>().map_err(|_| overflow())?)
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        if exponent.abs() > NUMERIC_DIGITS_MAX as i64 || whole.len() + fraction.len() > NUMERIC_DIGITS_MAX {
            return Err(overflow());
        }
        let digits = format!("{whole}{fraction}");
        let unscaled = BigInt::parse_bytes(digits.as_bytes(), 10).ok_or_else(wrong)?;
        let unscaled = if negative { -unscaled } else { unscaled };
        let scale = fraction.len() as i64 - exponent;
        if scale >= 0 {
            Ok(Decimal::new(unscaled, scale as u32))
        } else {
            Ok(Decimal::new(unscaled * pow10((-scale) as u32), 0))
        }
    }

    /// `double precision` has 15 digits that count, `real` six.
    pub(crate) fn from_float(value: f64, digits: usize) -> Result<Decimal, SqlError> {
        if value.is_nan() {
            return Ok(Decimal::NaN);
        }
        if value.is_infinite() {
            return Err(SqlError::unsupported("infinity of type numeric"));
        }
        let text = format!("{value:.*e}", digits - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        Decimal::parse(&format!("{mantissa}e{exponent}"))
    }

    pub(crate) fn scale(&self) -> u32 {
        match self {
            Decimal::Finite { scale, .. } => *scale,
            Decimal::NaN => 0,
        }
    }

    /// How many digits it has at most, with those after the point that are zero.
    pub(crate) fn digits(&self) -> u64 {
        match self {
            // A digit is more than three bits.
            Decimal::Finite { unscaled, scale } => unscaled.bits() / 3 + u64::from(*scale),
            Decimal::NaN => 0,
        }
    }

    pub(crate) fn to_f64(&self) -> f64 {
        match self {
            Decimal::NaN => f64::NAN,
            number => number.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// Rounded half away from zero to an integer.
    pub(crate) fn to_i64(&self) -> Option<i64> {
        match self.round(0) {
            Decimal::Finite { unscaled, .. } => i64::try_from(unscaled).ok(),
            Decimal::NaN => None,
        }
    }

    /// With this many digits after the point; fewer than none round whole tens.
    pub(crate) fn round(&self, places: i64) -> Decimal {
        self.rescale(places, divide_rounded)
    }

    /// As `round`, towards zero.
    pub(crate) fn truncate(&self, places: i64) -> Decimal {
        self.rescale(places, |dividend, divisor| dividend / divisor)
    }

    fn rescale(&self, places: i64, divide: impl Fn(&BigInt, &BigInt) -> BigInt) -> Decimal {
        let Decimal::Finite { unscaled, scale } = self else {
            return Decimal::NaN;
        };
        let places = places.clamp(-(NUMERIC_DIGITS_MAX as i64), i64::from(NUMERIC_SCALE_MAX));
        let drop = i64::from(*scale) - places;
        if drop <= 0 {
            return Decimal::new(unscaled * pow10((-drop) as u32), places as u32);
        }
        let divisor = pow10(drop as u32);
        let kept = divide(unscaled, &divisor);
        if places >= 0 { Decimal::new(kept, places as u32) } else { Decimal::new(kept * pow10((-places) as u32), 0) }
    }

    fn aligned(&self, other: &Decimal) -> Option<(BigInt, BigInt, u32)> {
        let (Decimal::Finite { unscaled: a, scale: s }, Decimal::Finite { unscaled: b, scale: t }) = (self, other)
        else {
            return None;
        };
        let scale = *s.max(t);
        Some((a * pow10(scale - s), b * pow10(scale - t), scale))
    }

    pub(crate) fn add(&self, other: &Decimal) -> Decimal {
        self.aligned(other).map_or(Decimal::NaN, |(a, b, scale)| Decimal::new(a + b, scale))
    }

    pub(crate) fn subtract(&self, other: &Decimal) -> Decimal {
        self.aligned(other).map_or(Decimal::NaN, |(a, b, scale)| Decimal::new(a - b, scale))
    }

    pub(crate) fn multiply(&self, other: &Decimal) -> Result<Decimal, SqlError> {
        let (Decimal::Finite { unscaled: a, scale: s }, Decimal::Finite { unscaled: b, scale: t }) = (self, other)
        else {
            return Ok(Decimal::NaN);
        };
        if (a.bits() + b.bits()) as usize > NUMERIC_DIGITS_MAX * 4 {
            return Err(overflow());
        }
        let product = Decimal::new(a * b, s + t);
        Ok(if s + t > NUMERIC_SCALE_MAX { product.round(i64::from(NUMERIC_SCALE_MAX)) } else { product })
    }

    /// Of a quotient: Postgres computes it in digits of base 10,000, at least 16 decimal digits that count.
    pub(crate) fn divide(&self, other: &Decimal) -> Result<Decimal, SqlError> {
        let (Decimal::Finite { unscaled: a, scale: s }, Decimal::Finite { unscaled: b, scale: t }) = (self, other)
        else {
            return Ok(Decimal::NaN);
        };
        if is_zero(b) {
            return Err(SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"));
        }
        let (weight_a, digit_a) = self.leading();
        let (weight_b, digit_b) = other.leading();
        let quotient_weight = weight_a - weight_b - i64::from(digit_a <= digit_b);
        let scale = (16 - quotient_weight * 4).max(i64::from(*s)).max(i64::from(*t)).clamp(0, 1000) as u32;
        // a·10^-s / (b·10^-t) with `scale` digits: a·10^(scale+t-s) / b.
        let shift = i64::from(scale) + i64::from(*t) - i64::from(*s);
        let quotient = if shift >= 0 {
            divide_rounded(&(a * pow10(shift as u32)), b)
        } else {
            divide_rounded(a, &(b * pow10((-shift) as u32)))
        };
        Ok(Decimal::new(quotient, scale))
    }

    /// Weight and value of the first digit in base 10,000.
    fn leading(&self) -> (i64, u32) {
        let Decimal::Finite { unscaled, scale } = self else {
            return (0, 0);
        };
        if is_zero(unscaled) {
            return (0, 0);
        }
        let digits = unscaled.magnitude().to_string();
        // Exponent of the first decimal digit.
        let exponent = digits.len() as i64 - 1 - i64::from(*scale);
        let weight = exponent.div_euclid(4);
        let take = exponent.rem_euclid(4) as usize + 1;
        let first = digits
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(take)
            .fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
        (weight, first)
    }

    pub(crate) fn modulo(&self, other: &Decimal) -> Result<Decimal, SqlError> {
        let Some((a, b, scale)) = self.aligned(other) else {
            return Ok(Decimal::NaN);
        };
        if is_zero(&b) {
            return Err(SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"));
        }
        Ok(Decimal::new(a % b, scale))
    }

    pub(crate) fn negate(&self) -> Decimal {
        match self {
            Decimal::Finite { unscaled, scale } => Decimal::new(-unscaled, *scale),
            Decimal::NaN => Decimal::NaN,
        }
    }

    pub(crate) fn abs(&self) -> Decimal {
        if self.signum() < 0 { self.negate() } else { self.clone() }
    }

    pub(crate) fn signum(&self) -> i64 {
        match self {
            Decimal::Finite { unscaled, .. } => match unscaled.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
            Decimal::NaN => 1,
        }
    }

    pub(crate) fn floor(&self) -> Decimal {
        let whole = self.truncate(0);
        if whole.compare(self) == Ordering::Greater { whole.subtract(&Decimal::from_integer(1)) } else { whole }
    }

    pub(crate) fn ceil(&self) -> Decimal {
        let whole = self.truncate(0);
        if whole.compare(self) == Ordering::Less { whole.add(&Decimal::from_integer(1)) } else { whole }
    }

    /// The digits that fit into `numeric(precision, scale)`.
    pub(crate) fn fit(&self, precision: u8, scale: u8) -> Result<Decimal, SqlError> {
        let rounded = self.round(i64::from(scale));
        match &rounded {
            Decimal::Finite { unscaled, .. } if unscaled.magnitude() < pow10(u32::from(precision)).magnitude() => {
                Ok(rounded)
            }
            _ => Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "numeric field overflow").with_detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
                precision - scale
            ))),
        }
    }

    pub(crate) fn compare(&self, other: &Decimal) -> Ordering {
        match (self, other) {
            (Decimal::NaN, Decimal::NaN) => Ordering::Equal,
            (Decimal::NaN, _) => Ordering::Greater,
            (_, Decimal::NaN) => Ordering::Less,
            _ => self.aligned(other).map_or(Ordering::Equal, |(a, b, _)| a.cmp(&b)),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal::Finite { unscaled, scale } = self else {
            return formatter.write_str("NaN");
        };
        let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
        let digits = unscaled.magnitude().to_string();
        let scale = *scale as usize;
        if scale == 0 {
            return write!(formatter, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(formatter, "{sign}{whole}.{fraction}")
    }
}

/// Orders the texts of two numerics without building numbers where the digits suffice.
pub(crate) fn compare_texts(a: &str, b: &str) -> Ordering {
    fn split(text: &str) -> Option<(bool, &str, &str)> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if unsigned.starts_with('N') {
            return None;
        }
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Some((negative, whole.trim_start_matches('0'), fraction.trim_end_matches('0')))
    }
    match (split(a), split(b)) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some((negative_a, whole_a, fraction_a)), Some((negative_b, whole_b, fraction_b))) => {
            let sign = |negative: bool, whole: &str, fraction: &str| match (negative, whole.len() + fraction.len()) {
                (_, 0) => 0,
                (true, _) => -1,
                (false, _) => 1,
            };
            let (sign_a, sign_b) = (sign(negative_a, whole_a, fraction_a), sign(negative_b, whole_b, fraction_b));
            if sign_a != sign_b || sign_a == 0 {
                return sign_a.cmp(&sign_b);
            }
            let magnitude = whole_a
                .len()
                .cmp(&whole_b.len())
                .then_with(|| whole_a.cmp(whole_b))
                .then_with(|| fraction_a.cmp(fraction_b));
            if sign_a < 0 { magnitude.reverse() } else { magnitude }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    #[test]
    fn quotients_have_postgres_scale() {
        for (a, b, expected) in [
            ("1", "3", "0.33333333333333333333"),
            ("10", "3", "3.3333333333333333"),
            ("10000", "3", "3333.3333333333333333"),
            ("1", "30000", "0.000033333333333333333333"),
            ("2", "1", "2.0000000000000000"),
            ("0", "7", "0.00000000000000000000"),
            ("-7.5", "2", "-3.7500000000000000"),
            ("100000000", "7", "14285714.285714285714"),
        ] {
            assert_eq!(number(a).divide(&number(b)).map(|q| q.to_string()), Ok(expected.to_owned()), "{a} / {b}");
        }
    }

    #[test]
    fn texts_compare_as_their_numbers() {
        let texts = ["-10.5", "-10", "-2", "-0.10", "0", "-0.0", "0.09", "0.1", "0.10", "2", "10", "10.00", "NaN"];
        for a in texts {
            for b in texts {
                assert_eq!(compare_texts(a, b), number(a).compare(&number(b)), "{a} {b}");
            }
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(number("2.5").round(0).to_string(), "3");
        assert_eq!(number("-2.5").round(0).to_string(), "-3");
        assert_eq!(number("1250").round(-2).to_string(), "1300");
        assert_eq!(number("-1.5").floor().to_string(), "-2");
        assert_eq!(number("-1.5").ceil().to_string(), "-1");
    }

    #[test]
    fn floats_become_the_digits_they_show() {
        assert_eq!(Decimal::from_float(0.1, 15).map(|d| d.to_string()), Ok("0.1".to_owned()));
        assert_eq!(Decimal::from_float(1e20, 15).map(|d| d.to_string()), Ok("100000000000000000000".to_owned()));
        assert_eq!(Decimal::from_float(123.456, 6).map(|d| d.to_string()), Ok("123.456".to_owned()));
    }
}
