//! Aggregates that DataFusion lacks or answers differently.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate as theirs;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};

use super::numeric::{DYNAMIC, DYNAMIC_SCALE, Number};
use crate::error::{refuse, unsupported};

/// Those to register: the ones that statements may name, and no others, because each is code in the script.
pub(crate) fn all() -> Vec<Arc<AggregateUDF>> {
    let total = |kind, theirs| {
        Arc::new(AggregateUDF::new_from_impl(Total {
            kind,
            theirs,
            signature: Signature::any(1, Volatility::Immutable),
        }))
    };
    vec![
        total(Kind::Average, avg_udaf()),
        total(Kind::Sum, sum_udaf()),
        Arc::new(AggregateUDF::new_from_impl(SingleRow { signature: Signature::any(1, Volatility::Immutable) })),
        theirs::count::count_udaf(),
        theirs::min_max::min_udaf(),
        theirs::min_max::max_udaf(),
        theirs::bool_and_or::bool_and_udaf(),
        theirs::bool_and_or::bool_or_udaf(),
        theirs::string_agg::string_agg_udaf(),
        theirs::array_agg::array_agg_udaf(),
        theirs::stddev::stddev_udaf(),
        theirs::stddev::stddev_pop_udaf(),
        theirs::variance::var_samp_udaf(),
        theirs::variance::var_pop_udaf(),
        theirs::correlation::corr_udaf(),
        theirs::covariance::covar_samp_udaf(),
        theirs::covariance::covar_pop_udaf(),
        theirs::grouping::grouping_udaf(),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Average,
}

/// `sum` and `avg` of numerics: with a scale of their own. Of everything else they are DataFusion's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Total {
    kind: Kind,
    theirs: Arc<AggregateUDF>,
    signature: Signature,
}

impl Total {
    /// True if the numbers of this type are added up here.
    fn is_ours(&self, data_type: Option<&DataType>) -> bool {
        match data_type {
            Some(DataType::Decimal256(..)) => true,
            Some(DataType::Decimal128(..)) => self.kind == Kind::Average,
            _ => false,
        }
    }
}

impl AggregateUDFImpl for Total {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        if self.is_ours(arg_types.first()) { Ok(DYNAMIC) } else { self.theirs.return_type(arg_types) }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.expr_fields.first().map(|field| field.data_type().clone());
        if !self.is_ours(data_type.as_ref()) {
            return self.theirs.accumulator(args);
        }
        if args.is_distinct {
            return Err(unsupported(format!("{}(DISTINCT …) of numerics next to other aggregates", self.name())));
        }
        Ok(Box::new(NumberTotal { kind: self.kind, sum: Number::integer(0), count: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if !self.is_ours(args.input_fields.first().map(|field| field.data_type())) {
            return self.theirs.state_fields(args);
        }
        Ok(vec![
            Arc::new(Field::new(format!("{}[sum]", args.name), DYNAMIC, true)),
            Arc::new(Field::new(format!("{}[count]", args.name), DataType::Int64, true)),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !self.is_ours(args.expr_fields.first().map(|field| field.data_type()))
            && self.theirs.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.theirs.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if self.is_ours(args.expr_fields.first().map(|field| field.data_type())) {
            return self.accumulator(args);
        }
        self.theirs.create_sliding_accumulator(args)
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.theirs.schema_name(params)
    }
}

#[derive(Debug)]
struct NumberTotal {
    kind: Kind,
    sum: Number,
    count: i64,
}

fn out_of_range() -> DataFusionError {
    refuse("22003", "numeric value out of range")
}

impl NumberTotal {
    fn change(&mut self, values: &[ArrayRef], sign: i64) -> Result<()> {
        let values = values.first().ok_or_else(|| DataFusionError::Internal("an aggregate without a value".into()))?;
        // Decimals of one scale are added as they are; that is most of them.
        if let DataType::Decimal128(_, scale) = values.data_type() {
            let scale = u32::try_from(*scale).map_err(|_| unsupported("a numeric of negative scale"))?;
            let mut sum = i256::ZERO;
            for value in values.as_primitive::<Decimal128Type>().iter().flatten() {
                sum = sum.wrapping_add(i256::from_i128(value));
                self.count += sign;
            }
            return self.add(Number::scaled(sum, scale).ok_or_else(out_of_range)?, sign);
        }
        for value in values.as_primitive::<Decimal256Type>().iter().flatten() {
            self.add(Number::unpack(value), sign)?;
            self.count += sign;
        }
        Ok(())
    }

    fn add(&mut self, number: Number, sign: i64) -> Result<()> {
        let number = if sign < 0 { number.negate() } else { number };
        self.sum = self.sum.add(number).ok_or_else(out_of_range)?;
        Ok(())
    }
}

impl Accumulator for NumberTotal {
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
        if self.count == 0 {
            return Ok(ScalarValue::Decimal256(None, 76, DYNAMIC_SCALE));
        }
        let total = match self.kind {
            Kind::Sum => Some(self.sum),
            Kind::Average => self.sum.divide(Number::integer(self.count)),
        };
        let total = total.and_then(Number::pack).ok_or_else(out_of_range)?;
        Ok(ScalarValue::Decimal256(Some(total), 76, DYNAMIC_SCALE))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = self.sum.pack().ok_or_else(out_of_range)?;
        Ok(vec![ScalarValue::Decimal256(Some(sum), 76, DYNAMIC_SCALE), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else { return Err(DataFusionError::Internal("a state is missing".into())) };
        for sum in sums.as_primitive::<Decimal256Type>().iter().flatten() {
            self.add(Number::unpack(sum), 1)?;
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
