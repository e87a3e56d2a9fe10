//! Operators, resolved by the types of their operands.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric as kernels;
use arrow::datatypes::{DataType, Float32Type, Float64Type, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator, cast as df_cast};

use super::call::{Kernel, call};
use super::cast::Target;
use super::datum::Datum;
use super::numeric::DYNAMIC;
use super::time;
use super::typed::{Typed, common_type, convert, dynamic, long_name};
use crate::error::refuse;

macro_rules! number_kernel {
    ($method:ident) => {
        Kernel::Strict(|values| {
            let result = values[0].as_number().$method(values[1].as_number());
            result.map(Datum::Number).ok_or_else(|| refuse("22003", "numeric value out of range"))
        })
    };
}

macro_rules! divisor_kernel {
    ($method:ident) => {
        Kernel::Strict(|values| {
            let by = values[1].as_number();
            if by.is_zero() {
                return Err(division_by_zero());
            }
            let result = values[0].as_number().$method(by);
            result.map(Datum::Number).ok_or_else(|| refuse("22003", "numeric value out of range"))
        })
    };
}

/// The five that compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }
}

/// `left op right` for two values that can be compared.
pub(crate) fn compare(op: Operator, left: Typed, right: Typed) -> Result<Expr> {
    let symbol = op.to_string();
    let pair = [left, right];
    let Ok((data_type, name)) = common_type("comparison", &pair) else {
        let [left, right] = &pair;
        return Err(undefined(&symbol, left, right));
    };
    if name == "json" {
        let [left, right] = &pair;
        return Err(undefined(&symbol, left, right));
    }
    // Any two numerics compare by value, whatever their scales.
    let decimals = name == "numeric" && !matches!(data_type, DataType::Decimal128(..));
    let [left, right] = pair;
    if name == "jsonb" {
        return super::json::compare(op, convert(left, &data_type, &name)?, convert(right, &data_type, &name)?);
    }
    let (left, right) = if decimals {
        (plain(left)?, plain(right)?)
    } else if matches!(data_type, DataType::Interval(_)) {
        (time::interval_key(convert(left, &data_type, &name)?), time::interval_key(convert(right, &data_type, &name)?))
    } else if data_type.is_floating() {
        (
            one_zero(convert(left, &data_type, &name)?, &data_type),
            one_zero(convert(right, &data_type, &name)?, &data_type),
        )
    } else {
        (convert(left, &data_type, &name)?, convert(right, &data_type, &name)?)
    };
    Ok(binary(left, op, right))
}

/// A float whose zero has no sign: Arrow orders -0 before 0, Postgres finds them equal.
fn one_zero(value: Expr, data_type: &DataType) -> Expr {
    if matches!(&value, Expr::Literal(literal, _) if !is_zero(literal)) {
        return value;
    }
    let kernel = Kernel::Arrays(|arrays, _| match arrays.first() {
        Some(array) if array.data_type() == &DataType::Float32 => {
            Ok(std::sync::Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| value + 0.0)))
        }
        Some(array) => {
            Ok(std::sync::Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value + 0.0)))
        }
        None => Err(DataFusionError::Internal("an operand is missing".into())),
    });
    call("one_zero", data_type.clone(), kernel, vec![value])
}

fn is_zero(literal: &ScalarValue) -> bool {
    matches!(literal, ScalarValue::Float64(Some(value)) if *value == 0.0)
        || matches!(literal, ScalarValue::Float32(Some(value)) if *value == 0.0)
}

pub(crate) fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A number as a decimal that compares by value: 38 digits after the point.
fn plain(value: Typed) -> Result<Expr> {
    let wide = DataType::Decimal256(76, 38);
    if value.is_unknown() {
        return value.resolve_to(&Target::Numeric, &wide);
    }
    if matches!(value.data_type(), DataType::Decimal128(..)) || value.is_integer() {
        return Ok(df_cast(value.expr, wide));
    }
    Ok(call("numeric_value", wide, Kernel::Strict(|values| Ok(values[0].clone())), vec![value.expr]))
}

/// `left op right` for numbers, dates and intervals.
pub(crate) fn arithmetic(op: Arithmetic, left: Typed, right: Typed) -> Result<Expr> {
    if let Some(planned) = time::arithmetic(op, &left, &right)? {
        return Ok(planned);
    }
    if left.is_unknown() && right.is_unknown() {
        if left.unknown_text().is_none() || right.unknown_text().is_none() {
            return super::typed::literal(Datum::Null, &DataType::Int32);
        }
        return Err(refuse("42725", format!("operator is not unique: unknown {} unknown", op.symbol())));
    }
    let pair = [left, right];
    let resolved = common_type("operator", &pair)
        .ok()
        .filter(|(_, name)| matches!(name.as_str(), "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"));
    let [left, right] = pair;
    let Some((data_type, mut name)) = resolved else { return Err(undefined(op.symbol(), &left, &right)) };
    let mut data_type = data_type;
    // A real and an integer meet as doubles.
    if name == "float4"
        && (left.name != "float4" || right.name != "float4")
        && !left.is_unknown()
        && !right.is_unknown()
    {
        (data_type, name) = (DataType::Float64, "float8".into());
    }
    match name.as_str() {
        "numeric" => numeric(op, left, right),
        "float4" | "float8" if op == Arithmetic::Remainder => Err(undefined(op.symbol(), &left, &right)),
        _ => {
            let args = vec![convert(left, &data_type, &name)?, convert(right, &data_type, &name)?];
            Ok(call(primitive_name(op), data_type.clone(), primitive_kernel(op), args))
        }
    }
}

fn primitive_name(op: Arithmetic) -> &'static str {
    match op {
        Arithmetic::Add => "add",
        Arithmetic::Subtract => "subtract",
        Arithmetic::Multiply => "multiply",
        Arithmetic::Divide => "divide",
        Arithmetic::Remainder => "remainder",
    }
}

fn primitive_kernel(op: Arithmetic) -> Kernel {
    match op {
        Arithmetic::Add => Kernel::Arrays(|arrays, _| checked(arrays, kernels::add)),
        Arithmetic::Subtract => Kernel::Arrays(|arrays, _| checked(arrays, kernels::sub)),
        Arithmetic::Multiply => Kernel::Arrays(|arrays, _| checked(arrays, kernels::mul)),
        Arithmetic::Divide => Kernel::Arrays(|arrays, _| {
            if arrays.get(1).is_some_and(has_zero) {
                return Err(division_by_zero());
            }
            checked(arrays, kernels::div)
        }),
        Arithmetic::Remainder => Kernel::Arrays(|arrays, _| checked(arrays, kernels::rem)),
    }
}

type ArrowKernel = fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<ArrayRef, ArrowError>;

fn checked(arrays: &[ArrayRef], kernel: ArrowKernel) -> Result<ArrayRef> {
    let [left, right] = arrays else { return Err(DataFusionError::Internal("an operand is missing".into())) };
    let result = kernel(left, right).map_err(|error| match error {
        ArrowError::DivideByZero => division_by_zero(),
        ArrowError::ArithmeticOverflow(_) => out_of_range(left.data_type()),
        other => other.into(),
    })?;
    if overflows(left, right, &result) {
        return Err(refuse("22003", "value out of range: overflow"));
    }
    Ok(result)
}

fn division_by_zero() -> DataFusionError {
    refuse("22012", "division by zero")
}

fn out_of_range(data_type: &DataType) -> DataFusionError {
    let name = match data_type {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        _ => "numeric value",
    };
    refuse("22003", format!("{name} out of range"))
}

/// True if a row is infinite although its operands are finite.
fn overflows(left: &ArrayRef, right: &ArrayRef, result: &ArrayRef) -> bool {
    macro_rules! any {
        ($kind:ty) => {{
            let (left, right) = (left.as_primitive::<$kind>(), right.as_primitive::<$kind>());
            let result = result.as_primitive::<$kind>();
            (0..result.len()).any(|at| {
                result.is_valid(at)
                    && result.value(at).is_infinite()
                    && left.value(at).is_finite()
                    && right.value(at).is_finite()
            })
        }};
    }
    match result.data_type() {
        DataType::Float64 => any!(Float64Type),
        DataType::Float32 => any!(Float32Type),
        _ => false,
    }
}

fn has_zero(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(|value| value == 0.0),
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(|value| value == 0.0),
        _ => false,
    }
}

/// Sums and products of decimals stay decimals of one scale; quotients have a scale of their own.
fn numeric(op: Arithmetic, left: Typed, right: Typed) -> Result<Expr> {
    let fixed = |value: &Typed| match value.data_type() {
        DataType::Decimal128(_, scale) => Some(*scale),
        DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(0),
        _ => None,
    };
    if let (Some(a), Some(b)) = (fixed(&left), fixed(&right)) {
        let (wide, output) = match op {
            Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder => {
                let wide = DataType::Decimal128(38, a.max(b));
                ([wide.clone(), wide.clone()], Some(wide))
            }
            Arithmetic::Multiply => {
                let wide = [DataType::Decimal128(38, a), DataType::Decimal128(38, b)];
                (wide, (a + b <= 20).then(|| DataType::Decimal128(38, a + b)))
            }
            Arithmetic::Divide => ([DYNAMIC, DYNAMIC], None),
        };
        if let Some(output) = output {
            let [left_type, right_type] = wide;
            let args = vec![df_cast(left.expr, left_type), df_cast(right.expr, right_type)];
            return Ok(call(primitive_name(op), output, primitive_kernel(op), args));
        }
    }
    let side = |value: Typed| -> Result<Expr> {
        if value.is_unknown() { value.resolve_to(&Target::Numeric, &DYNAMIC) } else { Ok(dynamic(value)) }
    };
    let args = vec![side(left)?, side(right)?];
    Ok(match op {
        Arithmetic::Add => call("numeric_add", DYNAMIC, number_kernel!(add), args),
        Arithmetic::Subtract => call(
            "numeric_subtract",
            DYNAMIC,
            Kernel::Strict(|values| {
                let difference = values[0].as_number().add(values[1].as_number().negate());
                difference.map(Datum::Number).ok_or_else(|| refuse("22003", "numeric value out of range"))
            }),
            args,
        ),
        Arithmetic::Multiply => call("numeric_multiply", DYNAMIC, number_kernel!(multiply), args),
        Arithmetic::Divide => call("numeric_divide", DYNAMIC, divisor_kernel!(divide), args),
        Arithmetic::Remainder => call("numeric_remainder", DYNAMIC, divisor_kernel!(remainder), args),
    })
}

/// `-value`
pub(crate) fn negate(value: Typed) -> Result<Expr> {
    let zero = match value.data_type() {
        DataType::Int16 => Datum::Value(lake_cdc::Value::Int2(0)),
        DataType::Int32 => Datum::Value(lake_cdc::Value::Int4(0)),
        DataType::Int64 => Datum::Value(lake_cdc::Value::Int8(0)),
        DataType::Float32 | DataType::Float64 => {
            let output = value.data_type().clone();
            return Ok(call("negate", output, Kernel::Arrays(|arrays, _| negated(arrays)), vec![value.expr]));
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let output = value.data_type().clone();
            let kernel = Kernel::Strict(|values| Ok(Datum::Number(values[0].as_number().negate())));
            return Ok(call("numeric_negate", output, kernel, vec![value.expr]));
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => return Ok(time::negate_interval(value.expr)),
        _ => return Err(refuse("42883", format!("operator does not exist: - {}", long_name(&value.name)))),
    };
    let data_type = value.data_type().clone();
    let args = vec![super::typed::literal(zero, &data_type)?, value.expr];
    Ok(call("subtract", data_type, primitive_kernel(Arithmetic::Subtract), args))
}

fn negated(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match arrays.first() {
        Some(array) => Ok(kernels::neg(array)?),
        None => Err(DataFusionError::Internal("an operand is missing".into())),
    }
}

/// `left || right`
pub(crate) fn concatenate(left: Typed, right: Typed) -> Result<Expr> {
    let is_json = |value: &Typed| value.name == "jsonb";
    if is_json(&left) || is_json(&right) {
        return Err(crate::error::unsupported("|| of jsonb"));
    }
    if !(left.is_text() || right.is_text() || (left.is_unknown() && right.is_unknown())) {
        if left.is_unknown() || right.is_unknown() {
            // An unknown literal next to a value that is no text is a text.
            let lists = left.name.starts_with('_') || right.name.starts_with('_');
            if lists {
                return Err(crate::error::unsupported("|| of arrays"));
            }
        } else {
            return Err(undefined("||", &left, &right));
        }
    }
    let args = vec![as_text(left)?, as_text(right)?];
    let kernel = Kernel::Strict(|values| Ok(Datum::text(format!("{}{}", values[0].as_text(), values[1].as_text()))));
    Ok(call("concatenate", DataType::Utf8, kernel, args))
}

/// A value as text, as Postgres prints it.
pub(crate) fn as_text(value: Typed) -> Result<Expr> {
    if value.is_unknown() {
        return value.resolve_to(&Target::parse("text")?, &DataType::Utf8);
    }
    if matches!(value.data_type(), DataType::Utf8) {
        return Ok(value.expr);
    }
    Ok(call("text", DataType::Utf8, Kernel::Strict(|values| Ok(Datum::text(values[0].print()))), vec![value.expr]))
}

/// 42883
pub(crate) fn undefined(symbol: &str, left: &Typed, right: &Typed) -> DataFusionError {
    let message = format!("operator does not exist: {} {symbol} {}", long_name(&left.name), long_name(&right.name));
    let mut error = lake_api::ApiError::new(lake_api::ErrorCode::Sql("42883"), message);
    error =
        error.hint("No operator matches the given name and argument types. You might need to add explicit type casts.");
    crate::error::refusal(error)
}

/// Timestamps with a time zone.
pub(crate) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(crate::scan::columns::UTC.into()))
}
