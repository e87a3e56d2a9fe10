//! Arithmetic that overflows with an error, divides as Postgres does, and knows NaN.

use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::decimal::Decimal;
use super::super::environment::Environment;
use super::super::input::float;
use super::{Registry, decimal, decimal_of, float_of, int_of, integer, out_of_range, str_of};

type IntegerOperator = fn(i64, i64) -> Option<i64>;
type FloatFunction = fn(f64) -> f64;

fn division_by_zero() -> SqlError {
    SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

/// Bounds and name of an integer type.
fn integer_type(code: &str) -> (i64, i64, &'static str) {
    match code {
        "int2" => (i64::from(i16::MIN), i64::from(i16::MAX), "smallint"),
        "int4" => (i64::from(i32::MIN), i64::from(i32::MAX), "integer"),
        _ => (i64::MIN, i64::MAX, "bigint"),
    }
}

fn within(value: Option<i64>, code: &str) -> Result<SqliteValue, SqlError> {
    let (least, greatest, name) = integer_type(code);
    value.filter(|value| (least..=greatest).contains(value)).map(integer).ok_or_else(|| out_of_range(name))
}

/// A float result: infinite only if an operand was, zero only if it may be.
fn checked(value: f64, operands_infinite: bool) -> Result<f64, SqlError> {
    if value.is_infinite() && !operands_infinite {
        return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"));
    }
    Ok(value)
}

fn float_arithmetic(op: char, a: f64, b: f64, single: bool) -> Result<SqliteValue, SqlError> {
    if op == '/' && b == 0.0 && !a.is_nan() {
        return Err(division_by_zero());
    }
    let value = match op {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ => a / b,
    };
    let value = if single { f64::from(value as f32) } else { value };
    let infinite = a.is_infinite() || b.is_infinite();
    let value = checked(value, infinite)?;
    let vanishes = match op {
        '*' => a != 0.0 && b != 0.0,
        '/' => a != 0.0 && !b.is_infinite(),
        _ => false,
    };
    if value == 0.0 && vanishes {
        return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(float(value))
}

pub(super) fn register(registry: &Registry<'_>, environment: &Environment) -> rusqlite::Result<()> {
    for code in ["int2", "int4", "int8"] {
        let operators: [(&str, IntegerOperator); 3] =
            [("add", i64::checked_add), ("sub", i64::checked_sub), ("mul", i64::checked_mul)];
        for (word, operator) in operators {
            registry.strict(&format!("pg_{word}_{code}"), 2, move |a| {
                within(operator(int_of(a, 0)?, int_of(a, 1)?), code)
            })?;
        }
        registry.strict(&format!("pg_div_{code}"), 2, move |a| match int_of(a, 1)? {
            0 => Err(division_by_zero()),
            divisor => within(int_of(a, 0)?.checked_div(divisor), code),
        })?;
        registry.strict(&format!("pg_mod_{code}"), 2, move |a| match int_of(a, 1)? {
            0 => Err(division_by_zero()),
            divisor => Ok(integer(int_of(a, 0)?.wrapping_rem(divisor))),
        })?;
        registry.strict(&format!("pg_neg_{code}"), 1, move |a| within(int_of(a, 0)?.checked_neg(), code))?;
        registry.strict(&format!("pg_abs_{code}"), 1, move |a| within(int_of(a, 0)?.checked_abs(), code))?;
    }
    for (word, op) in [("add", '+'), ("sub", '-'), ("mul", '*'), ("div", '/')] {
        for (code, single) in [("float4", true), ("float8", false)] {
            registry.strict(&format!("pg_{word}_{code}"), 2, move |a| {
                float_arithmetic(op, float_of(a, 0)?, float_of(a, 1)?, single)
            })?;
        }
    }
    registry.numeric("pg_add_numeric", 2, |a| Ok(decimal(&decimal_of(a, 0)?.add(&decimal_of(a, 1)?))))?;
    registry.numeric("pg_sub_numeric", 2, |a| Ok(decimal(&decimal_of(a, 0)?.subtract(&decimal_of(a, 1)?))))?;
    registry.numeric("pg_mul_numeric", 2, |a| Ok(decimal(&decimal_of(a, 0)?.multiply(&decimal_of(a, 1)?)?)))?;
    registry.numeric("pg_div_numeric", 2, |a| Ok(decimal(&decimal_of(a, 0)?.divide(&decimal_of(a, 1)?)?)))?;
    registry.numeric("pg_mod_numeric", 2, |a| Ok(decimal(&decimal_of(a, 0)?.modulo(&decimal_of(a, 1)?)?)))?;
    registry.numeric("pg_numeric_idiv", 2, |a| {
        let (dividend, divisor) = (decimal_of(a, 0)?, decimal_of(a, 1)?);
        let remainder = dividend.modulo(&divisor)?;
        Ok(decimal(&dividend.subtract(&remainder).divide(&divisor)?.round(0)))
    })?;
    registry.numeric("pg_numeric_neg", 1, |a| Ok(decimal(&decimal_of(a, 0)?.negate())))?;
    registry.numeric("pg_numeric_abs", 1, |a| Ok(decimal(&decimal_of(a, 0)?.abs())))?;
    registry.numeric("pg_numeric_sign", 1, |a| Ok(decimal(&Decimal::from_integer(decimal_of(a, 0)?.signum()))))?;
    registry.numeric("pg_numeric_ceil", 1, |a| Ok(decimal(&decimal_of(a, 0)?.ceil())))?;
    registry.numeric("pg_numeric_floor", 1, |a| Ok(decimal(&decimal_of(a, 0)?.floor())))?;
    registry.numeric("pg_numeric_round", 2, |a| Ok(decimal(&decimal_of(a, 0)?.round(int_of(a, 1)?))))?;
    registry.numeric("pg_numeric_trunc", 2, |a| Ok(decimal(&decimal_of(a, 0)?.truncate(int_of(a, 1)?))))?;
    registry.numeric("pg_numeric_scale", 1, |a| Ok(integer(i64::from(decimal_of(a, 0)?.scale()))))?;
    registry.numeric("pg_numeric_fit", 3, |a| {
        let (precision, scale) = (int_of(a, 1)? as u8, int_of(a, 2)? as u8);
        Ok(decimal(&decimal_of(a, 0)?.fit(precision, scale)?))
    })?;
    registry.strict("pg_gcd", 3, |a| within(i64::try_from(gcd(int_of(a, 0)?, int_of(a, 1)?)).ok(), str_of(a, 2)?))?;
    registry.strict("pg_lcm", 3, |a| {
        let (x, y) = (int_of(a, 0)?, int_of(a, 1)?);
        let divisor = gcd(x, y);
        let value = u128::from(x.unsigned_abs().checked_div(divisor).unwrap_or(0)) * u128::from(y.unsigned_abs());
        within(i64::try_from(value).ok(), str_of(a, 2)?)
    })?;
    registry.strict("pg_shift_left", 3, |a| shift(a, |value, by, bits| value << (by & (bits - 1))))?;
    registry.strict("pg_shift_right", 3, |a| shift(a, |value, by, bits| value >> (by & (bits - 1))))?;
    floats(registry)?;
    let at = environment.clone();
    registry.volatile("pg_random", 0, move |_| Ok(float((at.next_random() >> 11) as f64 / (1u64 << 53) as f64)))?;
    let at = environment.clone();
    registry.volatile("pg_random_uuid", 0, move |_| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&at.next_random().to_be_bytes());
        bytes[8..].copy_from_slice(&at.next_random().to_be_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Ok(SqliteValue::Blob(bytes.to_vec()))
    })
}

fn gcd(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn shift(a: &[ValueRef<'_>], operator: fn(i64, i64, i64) -> i64) -> Result<SqliteValue, SqlError> {
    let (value, by) = (int_of(a, 0)?, int_of(a, 1)?);
    Ok(integer(match str_of(a, 2)? {
        "int2" => i64::from(operator(value, by, 32) as i16),
        "int4" => i64::from(operator(value, by, 32) as i32),
        _ => operator(value, by, 64),
    }))
}

fn floats(registry: &Registry<'_>) -> rusqlite::Result<()> {
    let plain: [(&str, FloatFunction); 10] = [
        ("neg", |x| -x),
        ("abs", f64::abs),
        ("ceil", f64::ceil),
        ("floor", f64::floor),
        ("round", f64::round_ties_even),
        ("trunc", f64::trunc),
        ("cbrt", f64::cbrt),
        ("degrees", f64::to_degrees),
        ("radians", f64::to_radians),
        ("sign", |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        }),
    ];
    for (word, function) in plain {
        registry.strict(&format!("pg_float_{word}"), 1, move |a| Ok(float(function(float_of(a, 0)?))))?;
    }
    registry.strict("pg_float", 1, |a| {
        str_of(a, 0)?.parse::<f64>().map(float).map_err(|_| SqlError::new(sqlstate::INTERNAL, "a float constant"))
    })?;
    registry.strict("pg_pi", 0, |_| Ok(float(std::f64::consts::PI)))?;
    registry.strict("pg_float_sqrt", 1, |a| {
        let value = float_of(a, 0)?;
        if value < 0.0 {
            return Err(SqlError::new("2201F", "cannot take square root of a negative number"));
        }
        Ok(float(value.sqrt()))
    })?;
    registry.strict("pg_float_exp", 1, |a| {
        let value = float_of(a, 0)?;
        Ok(float(checked(value.exp(), value.is_infinite())?))
    })?;
    let logarithms: [(&str, FloatFunction); 2] = [("ln", f64::ln), ("log10", f64::log10)];
    for (word, function) in logarithms {
        registry.strict(&format!("pg_float_{word}"), 1, move |a| {
            let value = float_of(a, 0)?;
            if value == 0.0 {
                return Err(SqlError::new("2201E", "cannot take logarithm of zero"));
            }
            if value < 0.0 {
                return Err(SqlError::new("2201E", "cannot take logarithm of a negative number"));
            }
            Ok(float(function(value)))
        })?;
    }
    registry.strict("pg_float_power", 2, |a| {
        let (base, exponent) = (float_of(a, 0)?, float_of(a, 1)?);
        if base == 0.0 && exponent < 0.0 {
            return Err(SqlError::new("2201F", "zero raised to a negative power is undefined"));
        }
        if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
            return Err(SqlError::new(
                "2201F",
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        Ok(float(checked(base.powf(exponent), base.is_infinite() || exponent.is_infinite())?))
    })
}
