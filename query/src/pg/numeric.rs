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

/// `value × 10^38`, and how many digits after the point are shown, if it says so.
pub(crate) fn unpack(packed: i256) -> (i256, Option<u32>) {
    let hundred = i256::from_i128(100);
    let tag = packed.wrapping_rem(hundred);
    let tag = if tag < i256::ZERO { tag.wrapping_add(hundred) } else { tag };
    let value = packed.wrapping_sub(tag).wrapping_div(hundred);
    let shown = tag.to_i128().and_then(|tag| u32::try_from(tag).ok()).and_then(|tag| tag.checked_sub(1));
    (value, shown.filter(|shown| *shown <= VALUE_SCALE))
}

/// A number of `value × 10^38` that shows `shown` digits after the point. `None` if it has too many digits.
pub(crate) fn pack(value: i256, shown: u32) -> Option<i256> {
    let shown = shown.min(VALUE_SCALE);
    let value = round_to(value, VALUE_SCALE, shown)?;
    value.checked_mul(i256::from_i128(100))?.checked_add(i256::from_i128(i128::from(shown) + 1))
}

/// `10^exponent`.
pub(crate) fn power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// `value × 10^scale` with all digits after `digits` zero, rounded half away from zero.
pub(crate) fn round_to(value: i256, scale: u32, digits: u32) -> Option<i256> {
    let Some(dropped) = scale.checked_sub(digits).filter(|dropped| *dropped > 0) else { return Some(value) };
    let unit = power(dropped)?;
    divide_rounded(value, unit)?.checked_mul(unit)
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

/// A number that carries its scale, as Postgres prints it.
pub(crate) fn print(packed: i256) -> String {
    let (value, shown) = unpack(packed);
    let printed = print_scaled(value, VALUE_SCALE);
    match shown {
        Some(0) => printed.split('.').next().unwrap_or_default().to_owned(),
        Some(shown) => printed[..printed.len() - (VALUE_SCALE - shown) as usize].to_owned(),
        None => printed.trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
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
