//! Functions of numbers. Those of numerics give numerics with their own scale.

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use lake_cdc::Value;

use super::call::{Kernel, call};
use super::cast::Target;
use super::datum::Datum;
use super::numeric::{DYNAMIC, Number};
use super::operators::{Arithmetic, arithmetic};
use super::time::convert_to_float;
use super::typed::{Typed, dynamic};
use crate::error::refuse;

type F = fn(f64) -> Result<f64>;

/// Functions of one double whose result is a double.
const FLOAT: &[(&str, F)] = &[
    ("sin", |v| Ok(v.sin())),
    ("cos", |v| Ok(v.cos())),
    ("tan", |v| Ok(v.tan())),
    ("atan", |v| Ok(v.atan())),
    ("cbrt", |v| Ok(v.cbrt())),
    ("degrees", |v| Ok(v.to_degrees())),
    ("radians", |v| Ok(v.to_radians())),
];

/// Plans `name(args)`; `None` if it is no function of numbers.
pub(crate) fn plan(name: &str, args: &[Typed]) -> Result<Option<Expr>> {
    let args = args.to_vec();
    let [first, rest @ ..] = args.as_slice() else { return Ok(None) };
    if !(first.is_number() || first.is_unknown()) {
        return Ok(None);
    }
    let first = first.clone();
    Ok(Some(match (name, rest) {
        ("abs", []) if first.is_integer() || first.is_float() => {
            let output = first.data_type().clone();
            call("abs", output, Kernel::Strict(abs), vec![first.expr])
        }
        ("abs", []) if first.is_numeric() => number("numeric_abs", first, |v| {
            let number = v[0].as_number();
            Some(if number.is_negative() { number.negate() } else { number })
        }),
        ("round", []) if first.is_numeric() => number("numeric_round", first, |v| v[0].as_number().round(0)),
        ("round", [digits]) if !first.is_float() && digits.is_integer() => {
            number2("numeric_round_to", first, digits.clone(), |v| v[0].as_number().round(v[1].as_i64()))?
        }
        ("trunc", []) if first.is_numeric() => number("numeric_trunc", first, |v| v[0].as_number().truncate(0)),
        ("trunc", [digits]) if !first.is_float() && digits.is_integer() => {
            number2("numeric_trunc_to", first, digits.clone(), |v| v[0].as_number().truncate(v[1].as_i64()))?
        }
        ("floor", []) if first.is_numeric() => number("numeric_floor", first, |v| v[0].as_number().floor()),
        ("ceil" | "ceiling", []) if first.is_numeric() => number("numeric_ceil", first, |v| v[0].as_number().ceil()),
        ("sign", []) if first.is_numeric() => number("numeric_sign", first, |v| {
            let number = v[0].as_number();
            Some(Number::integer(if number.is_zero() {
                0
            } else if number.is_negative() {
                -1
            } else {
                1
            }))
        }),
        ("round", []) => float("round", first, |v| Ok(v.round_ties_even()))?,
        ("trunc", []) => float("trunc", first, |v| Ok(v.trunc()))?,
        ("floor", []) => float("floor", first, |v| Ok(v.floor()))?,
        ("ceil" | "ceiling", []) => float("ceil", first, |v| Ok(v.ceil()))?,
        ("sign", []) => float("sign", first, |v| Ok(if v == 0.0 || v.is_nan() { v } else { v.signum() }))?,
        ("mod", [by]) => arithmetic(Arithmetic::Remainder, first, by.clone())?,
        ("sqrt" | "exp" | "ln" | "log" | "log10" | "power" | "pow", _)
            if args.iter().any(Typed::is_numeric) && !args.iter().any(Typed::is_float) =>
        {
            return Err(cast_first(&format!("{name} of numeric")));
        }
        ("sqrt", []) => float("sqrt", first, |v| {
            if v < 0.0 { Err(refuse("2201F", "cannot take square root of a negative number")) } else { Ok(v.sqrt()) }
        })?,
        ("exp", []) => float("exp", first, |v| finite(v.exp(), v))?,
        ("ln", []) => float("ln", first, |v| logarithm(v, f64::ln))?,
        ("log" | "log10", []) => float("log", first, |v| logarithm(v, f64::log10))?,
        ("power" | "pow", [by]) => {
            let args = vec![convert_to_float(first)?, convert_to_float(by.clone())?];
            call("power", DataType::Float64, Kernel::Strict(power), args)
        }
        (name, []) => match FLOAT.iter().find(|(known, _)| *known == name) {
            Some((known, function)) => float(known, first, *function)?,
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn cast_first(what: &str) -> datafusion::error::DataFusionError {
    refuse("0A000", format!("{what} is not supported; cast to float8"))
}

/// `left ^ right`
pub(crate) fn plan_power(left: Typed, right: Typed) -> Result<Expr> {
    if left.is_numeric() || right.is_numeric() {
        return Err(cast_first("^ of numeric"));
    }
    let args = vec![convert_to_float(left)?, convert_to_float(right)?];
    Ok(call("power", DataType::Float64, Kernel::Strict(power), args))
}

fn number(name: &'static str, value: Typed, function: fn(&[Datum]) -> Option<Number>) -> Expr {
    call(name, DYNAMIC, Kernel::Number(function), vec![dynamic(value)])
}

fn number2(name: &'static str, value: Typed, digits: Typed, function: fn(&[Datum]) -> Option<Number>) -> Result<Expr> {
    let value = if value.is_unknown() { value.resolve_to(&Target::Numeric, &DYNAMIC)? } else { dynamic(value) };
    Ok(call(name, DYNAMIC, Kernel::Number(function), vec![value, digits.expr]))
}

fn float(name: &'static str, value: Typed, function: fn(f64) -> Result<f64>) -> Result<Expr> {
    Ok(call(name, DataType::Float64, Kernel::Float(function), vec![convert_to_float(value)?]))
}

fn abs(values: &[Datum]) -> Result<Datum> {
    let out = |name: &str| refuse("22003", format!("{name} out of range"));
    Ok(match &values[0] {
        Datum::Value(Value::Int2(value)) => {
            Datum::Value(Value::Int2(value.checked_abs().ok_or_else(|| out("smallint"))?))
        }
        Datum::Value(Value::Int4(value)) => {
            Datum::Value(Value::Int4(value.checked_abs().ok_or_else(|| out("integer"))?))
        }
        Datum::Value(Value::Int8(value)) => {
            Datum::Value(Value::Int8(value.checked_abs().ok_or_else(|| out("bigint"))?))
        }
        Datum::Value(Value::Float4(value)) => Datum::Value(Value::Float4(value.abs())),
        Datum::Value(Value::Float8(value)) => Datum::Value(Value::Float8(value.abs())),
        other => other.clone(),
    })
}

fn finite(result: f64, argument: f64) -> Result<f64> {
    if result.is_infinite() && argument.is_finite() {
        return Err(refuse("22003", "value out of range: overflow"));
    }
    Ok(result)
}

fn logarithm(value: f64, function: fn(f64) -> f64) -> Result<f64> {
    if value == 0.0 {
        return Err(refuse("2201E", "cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(refuse("2201E", "cannot take logarithm of a negative number"));
    }
    Ok(function(value))
}

fn power(values: &[Datum]) -> Result<Datum> {
    let (base, exponent) = (values[0].as_f64(), values[1].as_f64());
    if base == 0.0 && exponent < 0.0 {
        return Err(refuse("2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(refuse("2201F", "a negative number raised to a non-integer power yields a complex result"));
    }
    finite(base.powf(exponent), if exponent.is_finite() { base } else { exponent })
        .map(|value| Datum::Value(Value::Float8(value)))
}
