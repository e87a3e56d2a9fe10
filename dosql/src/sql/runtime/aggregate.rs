//! Aggregates, also over windows.
//!
//! What is exact can take a row out again, so it works over frames that slide. What is not (floats, and texts
//! joined in order) refuses such a frame instead of answering almost right.

use std::panic::{RefUnwindSafe, UnwindSafe};

use lake_cdc::Value;
use lake_cdc::text::json::canonical;
use lake_dialect::{SqlError, sqlstate};
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags, WindowAggregate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::super::decimal::Decimal;
use super::super::input::{float, to_value};
use super::super::interval::Interval;
use super::super::limits::{ARRAY_BYTES_MAX, TEXT_BYTES_MAX};
use super::super::pg_type::PgType;
use super::cast::encode_array;
use super::{
    bytes_of, carry, decimal, decimal_of, digit_work, float_of, int_of, integer, interval_of, out_of_range, str_of,
    string,
};
use crate::budget::StepBudget;

/// One running aggregate.
trait Accumulator: Default + Send + UnwindSafe + RefUnwindSafe + 'static {
    fn add(&mut self, arguments: &[ValueRef<'_>]) -> Result<(), SqlError>;
    fn remove(&mut self, _arguments: &[ValueRef<'_>]) -> Result<(), SqlError> {
        Err(SqlError::unsupported("this aggregate over a frame that does not begin at UNBOUNDED PRECEDING"))
    }
    fn result(&self) -> Result<SqliteValue, SqlError>;
    /// What the last change took, besides looking at its arguments.
    fn change_work(&self) -> u64 {
        0
    }
    /// What a result takes, besides looking at its bytes.
    fn result_work(&self) -> u64 {
        0
    }
}

/// Drives an accumulator for SQLite. `SEES_NULLS`: NULL is a value like others.
struct Driver<A, const SEES_NULLS: bool> {
    budget: StepBudget,
    accumulator: std::marker::PhantomData<fn() -> A>,
}

impl<A: Accumulator, const SEES_NULLS: bool> Driver<A, SEES_NULLS> {
    fn add(&self, arguments: &[ValueRef<'_>], accumulator: &mut A) -> Result<(), SqlError> {
        self.budget.charge(bytes_of(arguments))?;
        accumulator.add(arguments)?;
        self.budget.charge(accumulator.change_work())
    }

    fn remove(&self, arguments: &[ValueRef<'_>], accumulator: &mut A) -> Result<(), SqlError> {
        self.budget.charge(bytes_of(arguments))?;
        accumulator.remove(arguments)?;
        self.budget.charge(accumulator.change_work())
    }

    /// Over a window a result is asked for with every row.
    fn result(&self, accumulator: &A) -> rusqlite::Result<SqliteValue> {
        self.budget.charge(accumulator.result_work()).map_err(carry)?;
        let value = accumulator.result().map_err(carry)?;
        self.budget.charge(bytes_of(&[(&value).into()])).map_err(carry)?;
        Ok(value)
    }
}

fn arguments<'c>(context: &'c Context<'_>) -> Vec<ValueRef<'c>> {
    (0..context.len()).map(|index| context.get_raw(index)).collect()
}

impl<A: Accumulator, const SEES_NULLS: bool> Aggregate<A, SqliteValue> for Driver<A, SEES_NULLS> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<A> {
        Ok(A::default())
    }

    fn step(&self, context: &mut Context<'_>, accumulator: &mut A) -> rusqlite::Result<()> {
        if context.len() == 1 {
            let value = context.get_raw(0);
            if value == ValueRef::Null && !SEES_NULLS {
                return Ok(());
            }
            return self.add(&[value], accumulator).map_err(carry);
        }
        let arguments = arguments(context);
        if !SEES_NULLS && arguments[0] == ValueRef::Null {
            return Ok(());
        }
        self.add(&arguments, accumulator).map_err(carry)
    }

    fn finalize(&self, _: &mut Context<'_>, accumulator: Option<A>) -> rusqlite::Result<SqliteValue> {
        self.result(&accumulator.unwrap_or_default())
    }
}

impl<A: Accumulator, const SEES_NULLS: bool> WindowAggregate<A, SqliteValue> for Driver<A, SEES_NULLS> {
    fn value(&self, accumulator: Option<&mut A>) -> rusqlite::Result<SqliteValue> {
        match accumulator {
            Some(accumulator) => self.result(accumulator),
            None => self.result(&A::default()),
        }
    }

    fn inverse(&self, context: &mut Context<'_>, accumulator: &mut A) -> rusqlite::Result<()> {
        let arguments = arguments(context);
        if !SEES_NULLS && arguments[0] == ValueRef::Null {
            return Ok(());
        }
        self.remove(&arguments, accumulator).map_err(carry)
    }
}

#[derive(Default)]
struct SumInt {
    sum: i128,
    count: i64,
}

impl Accumulator for SumInt {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.sum += i128::from(int_of(a, 0)?);
        self.count += 1;
        Ok(())
    }

    fn remove(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.sum -= i128::from(int_of(a, 0)?);
        self.count -= 1;
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        if self.count == 0 {
            return Ok(SqliteValue::Null);
        }
        i64::try_from(self.sum).map(integer).map_err(|_| out_of_range("bigint"))
    }
}

/// Sum and count of exact numbers. Integers add up in 128 bits; decimals of one scale too, until they do not fit.
#[derive(Default)]
struct Exact {
    small: i128,
    small_scale: u32,
    large: Option<Decimal>,
    count: i64,
    nan_count: i64,
    /// The greatest scale that was added: what the sum shows.
    scale: u32,
    /// What the last change took.
    work: u64,
}

/// Digits and scale of a decimal text that fits 30 digits.
fn small_decimal(text: &str) -> Option<(i128, u32)> {
    if text.len() > 30 {
        return None;
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut value = 0i128;
    let mut scale = 0;
    let mut after_point = false;
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i128::from(byte - b'0');
                scale += u32::from(after_point);
            }
            b'.' => after_point = true,
            _ => return None,
        }
    }
    Some((if negative { -value } else { value }, scale))
}

impl Exact {
    fn change(&mut self, value: ValueRef<'_>, sign: i64) -> Result<(), SqlError> {
        let small = match value {
            ValueRef::Integer(value) => Some((i128::from(value), 0)),
            ValueRef::Text(_) => small_decimal(str_of(&[value], 0)?),
            _ => None,
        };
        self.count += sign;
        self.work = 0;
        if let Some((digits, scale)) = small {
            self.scale = self.scale.max(scale);
            if self.count == sign && self.small == 0 {
                self.small_scale = scale;
            }
            if scale == self.small_scale
                && let Some(sum) = self.small.checked_add(digits * i128::from(sign))
            {
                self.small = sum;
                return Ok(());
            }
        }
        self.work = digit_work(bytes_of(&[value]) + self.large_digits());
        let number = decimal_of(&[value], 0)?;
        if matches!(number, Decimal::NaN) {
            self.nan_count += sign;
            return Ok(());
        }
        self.scale = self.scale.max(number.scale());
        let number = if sign < 0 { number.negate() } else { number };
        self.large = Some(match &self.large {
            Some(sum) => sum.add(&number),
            None => number,
        });
        Ok(())
    }

    fn large_digits(&self) -> u64 {
        self.large.as_ref().map_or(0, Decimal::digits)
    }

    fn sum(&self) -> Decimal {
        if self.nan_count > 0 {
            return Decimal::NaN;
        }
        let small = Decimal::new(self.small.into(), self.small_scale);
        let sum = match &self.large {
            Some(large) => large.add(&small),
            None => small,
        };
        sum.round(i64::from(self.scale))
    }
}

#[derive(Default)]
struct SumNumeric(Exact);

impl Accumulator for SumNumeric {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.change(a[0], 1)
    }

    fn remove(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.change(a[0], -1)
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        Ok(if self.0.count == 0 { SqliteValue::Null } else { decimal(&self.0.sum()) })
    }

    fn change_work(&self) -> u64 {
        self.0.work
    }

    fn result_work(&self) -> u64 {
        digit_work(self.0.large_digits())
    }
}

#[derive(Default)]
struct AvgNumeric(Exact);

impl Accumulator for AvgNumeric {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.change(a[0], 1)
    }

    fn remove(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.change(a[0], -1)
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        if self.0.count == 0 {
            return Ok(SqliteValue::Null);
        }
        Ok(decimal(&self.0.sum().divide(&Decimal::from_integer(self.0.count))?))
    }

    fn change_work(&self) -> u64 {
        self.0.work
    }

    fn result_work(&self) -> u64 {
        digit_work(self.0.large_digits())
    }
}

/// Youngs and Cramer's running sums, which are what Postgres computes floats with.
#[derive(Default)]
struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        let before = self.count;
        let sum_before = self.sum;
        self.count += 1.0;
        self.sum += value;
        if before > 0.0 {
            let difference = value * self.count - self.sum;
            self.squares += difference * difference / (self.count * before);
            if self.squares.is_infinite() && !value.is_infinite() && !sum_before.is_infinite() {
                self.squares = f64::INFINITY;
            } else if value.is_infinite() || sum_before.is_infinite() {
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
    }
}

macro_rules! float_aggregate {
    ($name:ident, $result:expr) => {
        #[derive(Default)]
        struct $name(Moments);

        impl Accumulator for $name {
            fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
                let value = float_of(a, 0)?;
                let finite = self.0.sum.is_finite() && value.is_finite();
                self.0.add(value);
                if finite && self.0.sum.is_infinite() {
                    return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"));
                }
                Ok(())
            }

            fn result(&self) -> Result<SqliteValue, SqlError> {
                let result: fn(&Moments) -> Option<f64> = $result;
                Ok(result(&self.0).map_or(SqliteValue::Null, float))
            }
        }
    };
}

float_aggregate!(SumFloat8, |m| (m.count > 0.0).then_some(m.sum));
float_aggregate!(AvgFloat, |m| (m.count > 0.0).then_some(m.sum / m.count));
float_aggregate!(VarPop, |m| (m.count > 0.0).then_some(m.squares / m.count));
float_aggregate!(VarSamp, |m| (m.count > 1.0).then_some(m.squares / (m.count - 1.0)));
float_aggregate!(StddevPop, |m| (m.count > 0.0).then_some((m.squares / m.count).sqrt()));
float_aggregate!(StddevSamp, |m| (m.count > 1.0).then_some((m.squares / (m.count - 1.0)).sqrt()));

/// Adds in single precision, step by step.
#[derive(Default)]
struct SumFloat4 {
    sum: f32,
    count: i64,
}

impl Accumulator for SumFloat4 {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        let value = float_of(a, 0)? as f32;
        let finite = self.sum.is_finite() && value.is_finite();
        // The first value is taken as it is: a sum of -0 alone is -0.
        self.sum = if self.count == 0 { value } else { self.sum + value };
        self.count += 1;
        if finite && self.sum.is_infinite() {
            return Err(SqlError::new(sqlstate::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        Ok(if self.count == 0 { SqliteValue::Null } else { float(f64::from(self.sum)) })
    }
}

#[derive(Default)]
struct SumInterval {
    sum: Interval,
    count: i64,
}

impl Accumulator for SumInterval {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.sum = self.sum.add(interval_of(a, 0)?)?;
        self.count += 1;
        Ok(())
    }

    fn remove(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.sum = self.sum.add(interval_of(a, 0)?.negate()?)?;
        self.count -= 1;
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        Ok(if self.count == 0 { SqliteValue::Null } else { string(self.sum.encode()) })
    }
}

#[derive(Default)]
struct AvgInterval(SumInterval);

impl Accumulator for AvgInterval {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.add(a)
    }

    fn remove(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.remove(a)
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        if self.0.count == 0 {
            return Ok(SqliteValue::Null);
        }
        Ok(string(self.0.sum.multiply(1.0 / self.0.count as f64)?.encode()))
    }
}

#[derive(Default)]
struct StringAgg {
    text: Option<String>,
}

impl Accumulator for StringAgg {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        let part = str_of(a, 0)?;
        match &mut self.text {
            None => self.text = Some(part.to_owned()),
            Some(text) => {
                let separator = if a.get(1).is_none_or(|it| *it == ValueRef::Null) { "" } else { str_of(a, 1)? };
                if text.len() + separator.len() + part.len() > TEXT_BYTES_MAX {
                    return Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "the text of string_agg() is too long"));
                }
                text.push_str(separator);
                text.push_str(part);
            }
        }
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        Ok(self.text.clone().map_or(SqliteValue::Null, SqliteValue::Text))
    }
}

#[derive(Default)]
struct ArrayAgg {
    elements: Vec<Value>,
    bytes: usize,
}

impl Accumulator for ArrayAgg {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        let ty = PgType::from_name(str_of(a, 0)?).unwrap_or(PgType::Text);
        let payload = match a[1] {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        };
        self.bytes += size_of::<Value>() + payload;
        if self.bytes > ARRAY_BYTES_MAX {
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "the array of array_agg() is too long"));
        }
        self.elements.push(to_value(a[1], &ty));
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        if self.elements.is_empty() { Ok(SqliteValue::Null) } else { encode_array(self.elements.clone()) }
    }
}

/// The text as far as it goes, without its last bracket.
#[derive(Default)]
struct JsonAgg(String);

impl JsonAgg {
    fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("{}]", self.0))
    }
}

impl Accumulator for JsonAgg {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        let ty = PgType::from_name(str_of(a, 0)?).unwrap_or(PgType::Text);
        let part = super::json::to_json(&ty, a[1])?;
        if self.0.len() + part.len() > TEXT_BYTES_MAX {
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "the text of json_agg() is too long"));
        }
        self.0.push_str(if self.0.is_empty() { "[" } else { ", " });
        self.0.push_str(&part);
        Ok(())
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        Ok(self.text().map_or(SqliteValue::Null, SqliteValue::Text))
    }
}

#[derive(Default)]
struct JsonbAgg(JsonAgg);

impl Accumulator for JsonbAgg {
    fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
        self.0.add(a)
    }

    fn result(&self) -> Result<SqliteValue, SqlError> {
        match self.0.text() {
            None => Ok(SqliteValue::Null),
            Some(text) => Ok(string(canonical(&text).map_err(super::super::input::from_text_error)?)),
        }
    }
}

macro_rules! bit_aggregate {
    ($name:ident, $operator:expr) => {
        #[derive(Default)]
        struct $name(Option<i64>);

        impl Accumulator for $name {
            fn add(&mut self, a: &[ValueRef<'_>]) -> Result<(), SqlError> {
                let operator: fn(i64, i64) -> i64 = $operator;
                let value = int_of(a, 0)?;
                self.0 = Some(self.0.map_or(value, |bits| operator(bits, value)));
                Ok(())
            }

            fn result(&self) -> Result<SqliteValue, SqlError> {
                Ok(self.0.map_or(SqliteValue::Null, integer))
            }
        }
    };
}

bit_aggregate!(BitAnd, |a, b| a & b);
bit_aggregate!(BitOr, |a, b| a | b);

fn define<A: Accumulator, const SEES_NULLS: bool>(
    (connection, budget): (&Connection, &StepBudget),
    name: &str,
    count: i32,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let driver = Driver::<A, SEES_NULLS> { budget: budget.clone(), accumulator: std::marker::PhantomData };
    connection.create_window_function(name, count, flags, driver)
}

pub(super) fn register(connection: &Connection, budget: &StepBudget) -> rusqlite::Result<()> {
    let to = (connection, budget);
    define::<SumInt, false>(to, "pg_sum_int", 1)?;
    define::<SumNumeric, false>(to, "pg_sum_numeric", 1)?;
    define::<AvgNumeric, false>(to, "pg_avg_numeric", 1)?;
    define::<SumFloat4, false>(to, "pg_sum_float4", 1)?;
    define::<SumFloat8, false>(to, "pg_sum_float8", 1)?;
    define::<AvgFloat, false>(to, "pg_avg_float", 1)?;
    define::<SumInterval, false>(to, "pg_sum_interval", 1)?;
    define::<AvgInterval, false>(to, "pg_avg_interval", 1)?;
    define::<VarPop, false>(to, "pg_var_pop", 1)?;
    define::<VarSamp, false>(to, "pg_var_samp", 1)?;
    define::<StddevPop, false>(to, "pg_stddev_pop", 1)?;
    define::<StddevSamp, false>(to, "pg_stddev_samp", 1)?;
    define::<BitAnd, false>(to, "pg_bit_and", 1)?;
    define::<BitOr, false>(to, "pg_bit_or", 1)?;
    define::<StringAgg, false>(to, "pg_string_agg", 2)?;
    define::<ArrayAgg, true>(to, "pg_array_agg", 2)?;
    define::<JsonAgg, true>(to, "pg_json_agg", 2)?;
    define::<JsonbAgg, true>(to, "pg_jsonb_agg", 2)
}
