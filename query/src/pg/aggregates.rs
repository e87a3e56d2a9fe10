//! Aggregates that DataFusion lacks or answers differently.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

use super::numeric::{DYNAMIC, DYNAMIC_SCALE, Number};
use crate::error::{refuse, unsupported};

/// Those to register.
pub(crate) fn all() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(AggregateUDF::new_from_impl(Average {
            float: avg_udaf(),
            signature: Signature::any(1, Volatility::Immutable),
        })),
        Arc::new(AggregateUDF::new_from_impl(SingleRow { signature: Signature::any(1, Volatility::Immutable) })),
    ]
}

/// `avg`: of decimals a quotient with its own scale, of doubles DataFusion's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    float: Arc<AggregateUDF>,
    signature: Signature,
}

fn is_float(data_type: Option<&DataType>) -> bool {
    matches!(data_type, Some(DataType::Float64))
}

const SUM: DataType = DataType::Decimal256(76, 0);

impl AggregateUDFImpl for Average {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(if is_float(arg_types.first()) { DataType::Float64 } else { DYNAMIC })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.expr_fields.first().map(|field| field.data_type()) {
            data_type if is_float(data_type) => self.float.accumulator(args),
            Some(_) if args.is_distinct => Err(unsupported("avg(DISTINCT …) next to other aggregates")),
            Some(DataType::Decimal128(_, scale)) => Ok(Box::new(DecimalAverage {
                scale: u32::try_from(*scale).map_err(|_| unsupported("a numeric of negative scale"))?,
                sum: i256::ZERO,
                count: 0,
            })),
            other => Err(unsupported(format!("avg of {other:?}"))),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if is_float(args.input_fields.first().map(|field| field.data_type())) {
            return self.float.state_fields(args);
        }
        Ok(vec![
            Arc::new(Field::new(format!("{}[sum]", args.name), SUM, true)),
            Arc::new(Field::new(format!("{}[count]", args.name), DataType::Int64, true)),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        is_float(args.expr_fields.first().map(|field| field.data_type())) && self.float.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.float.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_float(args.expr_fields.first().map(|field| field.data_type())) {
            return self.float.create_sliding_accumulator(args);
        }
        self.accumulator(args)
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.float.schema_name(params)
    }
}

#[derive(Debug)]
struct DecimalAverage {
    scale: u32,
    /// Unscaled.
    sum: i256,
    count: i64,
}

impl DecimalAverage {
    fn change(&mut self, values: &[ArrayRef], sign: i64) -> Result<()> {
        let values = values.first().ok_or_else(|| DataFusionError::Internal("avg without a value".into()))?;
        for value in values.as_primitive::<Decimal128Type>().iter().flatten() {
            // 76 digits hold the sum of 10^37 numbers of 38 digits.
            let value = i256::from_i128(value);
            self.sum = if sign > 0 { self.sum.wrapping_add(value) } else { self.sum.wrapping_sub(value) };
            self.count += sign;
        }
        Ok(())
    }
}

impl Accumulator for DecimalAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let out = || refuse("22003", "numeric value out of range");
        if self.count == 0 {
            return Ok(ScalarValue::Decimal256(None, 76, DYNAMIC_SCALE));
        }
        let sum = Number::scaled(self.sum, self.scale).ok_or_else(out)?;
        let average = sum.divide(Number::integer(self.count)).and_then(Number::pack).ok_or_else(out)?;
        Ok(ScalarValue::Decimal256(Some(average), 76, DYNAMIC_SCALE))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal256(Some(self.sum), 76, 0), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else { return Err(DataFusionError::Internal("avg without its state".into())) };
        for sum in sums.as_primitive::<Decimal256Type>().iter().flatten() {
            self.sum = self.sum.wrapping_add(sum);
        }
        self.count += counts.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }
}

/// Name of the aggregate that a scalar subquery gets.
pub(crate) const SINGLE_ROW: &str = "lake_single_row";

/// The value of the one row; NULL of none; 21000 of several, where DataFusion would take them all.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleRow {
    signature: Signature,
}

impl AggregateUDFImpl for SingleRow {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        SINGLE_ROW
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        match arg_fields.first() {
            Some(field) => Ok(Arc::new(field.as_ref().clone().with_name(SINGLE_ROW).with_nullable(true))),
            None => Ok(Arc::new(Field::new(SINGLE_ROW, DataType::Null, true))),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OnlyValue { value: ScalarValue::try_from(args.return_field.data_type())?, rows: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(format!("{}[value]", args.name), args.return_field.data_type().clone(), true)),
            Arc::new(Field::new(format!("{}[rows]", args.name), DataType::Int64, true)),
        ])
    }
}

#[derive(Debug)]
struct OnlyValue {
    value: ScalarValue,
    rows: i64,
}

impl OnlyValue {
    fn check(&self) -> Result<()> {
        if self.rows > 1 {
            return Err(refuse("21000", "more than one row returned by a subquery used as an expression"));
        }
        Ok(())
    }
}

impl Accumulator for OnlyValue {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if let Some(values) = values.first()
            && !values.is_empty()
        {
            self.rows += i64::try_from(values.len()).unwrap_or(i64::MAX);
            self.value = ScalarValue::try_from_array(values, 0)?;
        }
        self.check()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(Some(self.rows))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else { return Err(DataFusionError::Internal("a state is missing".into())) };
        for (at, rows) in rows.as_primitive::<Int64Type>().iter().enumerate() {
            if let Some(rows) = rows.filter(|rows| *rows > 0) {
                self.rows += rows;
                self.value = ScalarValue::try_from_array(values, at)?;
            }
        }
        self.check()
    }
}
