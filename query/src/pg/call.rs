//! A function of ours as a function of DataFusion.
//!
//! The planner has resolved types before it makes a call, so a call knows the one type it gives.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::cast::{Target, cast};
use super::datum::{Datum, build};
use super::numeric::Number;
use crate::error::refuse;
use lake_cdc::Value;

/// How a call computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernel {
    /// Row by row; a NULL argument gives NULL.
    Strict(fn(&[Datum]) -> Result<Datum>),
    /// Row by row, NULLs included.
    Rows(fn(&[Datum]) -> Result<Datum>),
    /// Row by row, from one double to another.
    Float(fn(f64) -> Result<f64>),
    /// Row by row, to a numeric; `None` is out of range.
    Number(fn(&[Datum]) -> Option<Number>),
    /// Whole arrays.
    Arrays(fn(&[ArrayRef], &DataType) -> Result<ArrayRef>),
    /// To the target of the call.
    Cast,
}

/// A call.
#[derive(Debug)]
struct Call {
    /// Names the kernel: calls of one name and output compute the same.
    name: &'static str,
    output: FieldRef,
    kernel: Kernel,
    target: Option<Target>,
    signature: Signature,
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        self.name == other.name && self.output == other.output && self.target == other.target
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.output.data_type().hash(state);
    }
}

/// `name(args)` of type `output`.
pub(crate) fn call(name: &'static str, output: DataType, kernel: Kernel, args: Vec<Expr>) -> Expr {
    call_field(name, Field::new(name, output, true), kernel, None, args)
}

/// The same with Postgres' name of the type, where the Arrow type does not tell.
pub(crate) fn call_field(
    name: &'static str,
    output: Field,
    kernel: Kernel,
    target: Option<Target>,
    args: Vec<Expr>,
) -> Expr {
    let call = Call {
        name,
        output: Arc::new(output),
        kernel,
        target,
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(call)), args))
}

impl ScalarUDFImpl for Call {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.output.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&self.output))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let output = self.output.data_type();
        let result = match self.kernel {
            Kernel::Arrays(kernel) => kernel(&arrays, output)?,
            Kernel::Strict(kernel) => each_row(&arrays, rows, output, true, kernel)?,
            Kernel::Rows(kernel) => each_row(&arrays, rows, output, false, kernel)?,
            Kernel::Float(kernel) => each_row(&arrays, rows, output, true, |values| {
                kernel(values[0].as_f64()).map(|value| Datum::Value(Value::Float8(value)))
            })?,
            Kernel::Number(kernel) => each_row(&arrays, rows, output, true, |values| {
                kernel(values).map(Datum::Number).ok_or_else(|| refuse("22003", "numeric value out of range"))
            })?,
            Kernel::Cast => each_row(&arrays, rows, output, true, |values| match (&self.target, values.first()) {
                (Some(target), Some(value)) => cast(value, target),
                _ => Ok(Datum::Null),
            })?,
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn each_row(
    arrays: &[ArrayRef],
    rows: usize,
    output: &DataType,
    strict: bool,
    kernel: impl Fn(&[Datum]) -> Result<Datum>,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(rows);
    let mut row = Vec::with_capacity(arrays.len());
    for at in 0..rows {
        row.clear();
        for array in arrays {
            row.push(Datum::read(array, at)?);
        }
        let skips = strict && row.iter().any(Datum::is_null);
        values.push(if skips { Datum::Null } else { kernel(&row)? });
    }
    build(values, output)
}
