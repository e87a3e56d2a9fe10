//! Numerics whose scale differs from row to row.
//!
//! Postgres gives a quotient as many digits as its value needs, so `avg(quantity)` has one scale in one row and another
//! in the next, where an Arrow decimal has one for the column. Such numbers are decimals of 76 digits with
//! [`DYNAMIC_SCALE`] digits after the point: 38 of the value, then two that say how many of them are shown, plus one.
//! They sort as their values do. No other decimal has that scale.

use arrow::datatypes::{DataType, i256};

/// Scale of a number that carries its own.
pub(crate) const DYNAMIC_SCALE: i8 = 40;
/// Digits after the point that such a number holds.
pub(crate) const VALUE_SCALE: u32 = 38;

/// The Arrow type of such numbers.
pub(crate) const DYNAMIC: DataType = DataType::Decimal256(76, DYNAMIC_SCALE);

/// A numeric: `value × 10^-38`, of which `shown` digits after the point are printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    value: i256,
    shown: u32,
}

impl Number {
    /// A whole number.
    pub(crate) fn integer(value: i64) -> Number {
        // 19 digits and 38 zeros are fewer than 76 digits.
        Number { value: i256::from_i128(i128::from(value)).wrapping_mul(one()), shown: 0 }
    }

    /// `unscaled × 10^-scale`. `None` if it has too many digits.
    pub(crate) fn scaled(unscaled: i256, scale: u32) -> Option<Number> {
        if scale <= VALUE_SCALE {
            let value = unscaled.checked_mul(power(VALUE_SCALE - scale)?)?;
            return Some(Number { value, shown: scale });
        }
        Some(Number { value: divide_rounded(unscaled, power(scale - VALUE_SCALE)?)?, shown: VALUE_SCALE })
    }

    /// From the packed form. A number that does not say how many digits it shows was cast by Arrow: it shows those it has.
    pub(crate) fn unpack(packed: i256) -> Number {
        let hundred = i256::from_i128(100);
        let tag = packed.wrapping_rem(hundred);
        let tag = if tag < i256::ZERO { tag.wrapping_add(hundred) } else { tag };
        let value = packed.wrapping_sub(tag).wrapping_div(hundred);
        let shown = tag.to_i128().and_then(|tag| u32::try_from(tag).ok()).and_then(|tag| tag.checked_sub(1));
        let shown = shown.filter(|shown| *shown <= VALUE_SCALE).unwrap_or_else(|| digits_after_point(value));
        Number { value, shown }
    }

    /// The packed form. `None` if it has too many digits.
    pub(crate) fn pack(self) -> Option<i256> {
        self.value.checked_mul(i256::from_i128(100))?.checked_add(i256::from_i128(i128::from(self.shown) + 1))
    }

    /// Rounded half away from zero to a number of digits after the point, negative for tens and hundreds.
    pub(crate) fn round(self, digits: i64) -> Option<Number> {
        let shown = u32::try_from(digits.clamp(0, i64::from(VALUE_SCALE))).ok()?;
        let dropped = u32::try_from(i64::from(VALUE_SCALE) - digits.min(i64::from(VALUE_SCALE))).ok()?;
        if dropped > 75 {
            return Some(Number { value: i256::ZERO, shown });
        }
        let unit = power(dropped)?;
        Some(Number { value: divide_rounded(self.value, unit)?.checked_mul(unit)?, shown })
    }

    /// Cut off after a number of digits.
    pub(crate) fn truncate(self, digits: i64) -> Option<Number> {
        let shown = u32::try_from(digits.clamp(0, i64::from(VALUE_SCALE))).ok()?;
        let dropped = u32::try_from(i64::from(VALUE_SCALE) - digits.min(i64::from(VALUE_SCALE))).ok()?;
        if dropped > 75 {
            return Some(Number { value: i256::ZERO, shown });
        }
        let unit = power(dropped)?;
        Some(Number { value: self.value.checked_div(unit)?.checked_mul(unit)?, shown })
    }

    /// The greatest whole number that is not greater.
    pub(crate) fn floor(self) -> Option<Number> {
        let cut = self.truncate(0)?;
        let value = if cut.value > self.value { cut.value.checked_sub(one())? } else { cut.value };
        Some(Number { value, shown: 0 })
    }

    /// The least whole number that is not less.
    pub(crate) fn ceil(self) -> Option<Number> {
        let cut = self.truncate(0)?;
        let value = if cut.value < self.value { cut.value.checked_add(one())? } else { cut.value };
        Some(Number { value, shown: 0 })
    }

    pub(crate) fn negate(self) -> Number {
        Number { value: self.value.wrapping_neg(), shown: self.shown }
    }

    /// True for the same value, however many digits are shown.
    pub(crate) fn equals(self, other: Number) -> bool {
        self.value == other.value
    }

    pub(crate) fn is_zero(self) -> bool {
        self.value == i256::ZERO
    }

    pub(crate) fn is_negative(self) -> bool {
        self.value < i256::ZERO
    }

    pub(crate) fn add(self, other: Number) -> Option<Number> {
        Some(Number { value: self.value.checked_add(other.value)?, shown: self.shown.max(other.shown) })
    }

    pub(crate) fn multiply(self, other: Number) -> Option<Number> {
        // The digits shown are all the digits of a product; without them both factors are smaller.
        let (left, right) = (self.unscaled(self.shown)?, other.unscaled(other.shown)?);
        let shown = (self.shown + other.shown).min(VALUE_SCALE);
        let product = Number::scaled(left.checked_mul(right)?, self.shown + other.shown)?;
        Number { shown, ..product }.round(i64::from(shown))
    }

    /// The quotient with as many digits as Postgres gives it: at least 16 significant ones. `None` for an overflow;
    /// the divisor is not zero.
    pub(crate) fn divide(self, other: Number) -> Option<Number> {
        let shown = self.quotient_scale(other)?;
        // Zeros at the end of both cancel out, which leaves room for the digits of the quotient.
        let (mut left, mut right) = (self.value, other.value);
        let ten = i256::from_i128(10);
        while left.checked_rem(ten)? == i256::ZERO && right.checked_rem(ten)? == i256::ZERO && left != i256::ZERO {
            left = left.checked_div(ten)?;
            right = right.checked_div(ten)?;
        }
        let negative = (left < i256::ZERO) != (right < i256::ZERO);
        let (left, right) = (left.checked_abs()?, right.checked_abs()?);
        let mut quotient = left.checked_div(right)?;
        let mut rest = left.checked_rem(right)?;
        for _ in 0..shown {
            rest = rest.checked_mul(ten)?;
            quotient = quotient.checked_mul(ten)?.checked_add(rest.checked_div(right)?)?;
            rest = rest.checked_rem(right)?;
        }
        if rest.checked_mul(i256::from_i128(2))? >= right {
            quotient = quotient.checked_add(i256::ONE)?;
        }
        let quotient = if negative { quotient.wrapping_neg() } else { quotient };
        Number::scaled(quotient, shown)
    }

    /// Postgres' select_div_scale: numbers are digits of base 10,000, and the quotient's weight is guessed from the
    /// first digits of both.
    fn quotient_scale(self, other: Number) -> Option<u32> {
        let (weight, first) = self.leading()?;
        let (by_weight, by_first) = other.leading()?;
        let mut quotient_weight = weight - by_weight;
        if first <= by_first {
            quotient_weight -= 1;
        }
        let scale = (16 - quotient_weight * 4).max(i64::from(self.shown)).max(i64::from(other.shown)).max(0);
        u32::try_from(scale).ok().map(|scale| scale.min(VALUE_SCALE))
    }

    /// Weight and value of the first digit in base 10,000. Zero has weight 0 and digit 0.
    fn leading(self) -> Option<(i64, i128)> {
        if self.is_zero() {
            return Some((0, 0));
        }
        // 38 digits after the point are nine and a half groups of four.
        let value = self.value.checked_abs()?.checked_mul(i256::from_i128(100))?;
        let base = i256::from_i128(10_000);
        let mut weight = -10;
        let mut rest = value;
        while rest >= base {
            rest = rest.checked_div(base)?;
            weight += 1;
        }
        Some((weight, rest.to_i128()?))
    }

    /// What is left of a division that truncates. The divisor is not zero.
    pub(crate) fn remainder(self, other: Number) -> Option<Number> {
        Some(Number { value: self.value.checked_rem(other.value)?, shown: self.shown.max(other.shown) })
    }

    /// `value × 10^scale`, rounded half away from zero.
    pub(crate) fn unscaled(self, scale: u32) -> Option<i256> {
        if scale <= VALUE_SCALE {
            return divide_rounded(self.value, power(VALUE_SCALE - scale)?);
        }
        self.value.checked_mul(power(scale - VALUE_SCALE)?)
    }

    /// The nearest double.
    pub(crate) fn to_f64(self) -> f64 {
        // Digits of a number always read as one.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Rounded to a whole number, if that fits.
    pub(crate) fn to_i64(self) -> Option<i64> {
        self.unscaled(0)?.to_i128().and_then(|value| i64::try_from(value).ok())
    }

    /// As a value of a column.
    pub(crate) fn to_value(self) -> lake_cdc::Value {
        let scale = u8::try_from(self.shown).unwrap_or_default();
        match self.unscaled(self.shown).and_then(i256::to_i128) {
            Some(unscaled) => lake_cdc::Value::Numeric(lake_cdc::Numeric::new(unscaled, scale)),
            None => lake_cdc::Value::Null,
        }
    }

    /// Reads digits with a point and an exponent, as Postgres reads a numeric. `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (digits, negative) = match mantissa.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (mantissa.strip_prefix('+').unwrap_or(mantissa), false),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let mut unscaled = i256::ZERO;
        for byte in whole.bytes().chain(fraction.bytes()) {
            unscaled =
                unscaled.checked_mul(i256::from_i128(10))?.checked_add(i256::from_i128(i128::from(byte - b'0')))?;
        }
        let unscaled = if negative { unscaled.wrapping_neg() } else { unscaled };
        let scale = i64::try_from(fraction.len()).ok()? - exponent;
        match u32::try_from(scale) {
            Ok(scale) => Number::scaled(unscaled, scale),
            Err(_) => Number::scaled(unscaled.checked_mul(power(u32::try_from(-scale).ok()?)?)?, 0),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.unscaled(self.shown) {
            Some(unscaled) => formatter.write_str(&print_scaled(unscaled, self.shown)),
            None => formatter.write_str(&print_scaled(self.value, VALUE_SCALE)),
        }
    }
}

/// `10^38`.
fn one() -> i256 {
    i256::from_i128(10i128.pow(VALUE_SCALE))
}

fn digits_after_point(value: i256) -> u32 {
    let mut shown = VALUE_SCALE;
    let mut rest = value;
    let ten = i256::from_i128(10);
    while shown > 0 && rest.wrapping_rem(ten) == i256::ZERO {
        rest = rest.wrapping_div(ten);
        shown -= 1;
    }
    shown
}

/// `10^exponent`.
pub(crate) fn power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// `value / by`, rounded half away from zero. `by` is positive.
pub(crate) fn divide_rounded(value: i256, by: i256) -> Option<i256> {
    let quotient = value.checked_div(by)?;
    let rest = value.checked_rem(by)?;
    let twice = rest.checked_abs()?.checked_mul(i256::from_i128(2))?;
    if twice < by {
        return Some(quotient);
    }
    let one = if value < i256::ZERO { i256::MINUS_ONE } else { i256::ONE };
    quotient.checked_add(one)
}

/// `value × 10^scale`.
pub(crate) fn print_scaled(value: i256, scale: u32) -> String {
    let text = value.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    if scale == 0 {
        return text;
    }
    let digits = format!("{digits:0>width$}", width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).expect("a number")
    }

    fn check(found: Option<Number>, expected: &str) {
        let packed = found.and_then(Number::pack).map(Number::unpack);
        assert_eq!(packed.map(|number| number.to_string()).as_deref(), Some(expected));
    }

    #[test]
    fn quotients_have_the_digits_that_postgres_gives_them() {
        check(number("1").divide(number("3")), "0.33333333333333333333");
        check(number("2").divide(number("3")), "0.66666666666666666667");
        check(number("4").divide(number("2")), "2.0000000000000000");
        check(number("4").divide(number("4")), "1.00000000000000000000");
        check(number("-7").divide(number("2")), "-3.5000000000000000");
        check(number("100").divide(number("7")), "14.2857142857142857");
        check(number("10").divide(number("0.0001")), "100000.000000000000");
        check(number("336776").divide(number("3")), "112258.666666666667");
        check(number("0").divide(number("5")), "0.00000000000000000000");
        check(number("1.50").divide(number("0.7")), "2.1428571428571429");
    }

    #[test]
    fn other_operations_keep_the_digits_of_their_operands() {
        check(number("1.50").add(number("2.5")), "4.00");
        check(number("1.50").multiply(number("2.5")), "3.750");
        check(number("7.5").remainder(number("2")), "1.5");
        check(number("2.345").round(2), "2.35");
        check(number("-2.345").round(2), "-2.35");
        check(number("1234.5").round(-2), "1200");
        check(number("2.349").truncate(2), "2.34");
        check(number("-2.5").floor(), "-3");
        check(number("-2.5").ceil(), "-2");
        check(number("2.0").ceil(), "2");
        check(Some(number("1e3")), "1000");
        check(Some(number("1.5e-3")), "0.0015");
    }

    #[test]
    fn packed_numbers_sort_as_their_values() {
        let texts = ["-2.50", "-2.5", "-0.1", "0", "0.05", "1.00", "1", "1.5", "100"];
        let mut packed: Vec<i256> = texts.iter().filter_map(|text| number(text).pack()).collect();
        packed.sort();
        let values: Vec<f64> = packed.into_iter().map(|packed| Number::unpack(packed).to_f64()).collect();
        assert!(values.is_sorted(), "{values:?}");
    }
}
