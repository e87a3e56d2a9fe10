//! Where DataFusion asks what an operator means.
//!
//! The rewritten statement has every function, cast, CASE and IN as an operator of our own, because that is the one
//! place where DataFusion lets a planner see the types of what it plans.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, Operator, cast as df_cast};
use lake_cdc::text::calendar::DAY_MICROS;
use lake_cdc::{Micros, Value};
use lake_dialect::ast::BinaryOperator;

use super::datum::{Datum, column_type};
use super::operators::{self, Arithmetic, timestamptz};
use super::typed::{Typed, common_type, convert, dynamic, literal, long_name};
use super::{functions, json, math};
use crate::error::{refuse, unsupported};

/// Begins the names of operators of ours.
pub(crate) const PREFIX: &str = "lake:";
/// The function that holds the operands of one of ours.
pub(crate) const ARGUMENTS: &str = "lake_arguments";

/// Postgres' meaning of operators and functions.
#[derive(Debug)]
pub(crate) struct PgPlanner {
    /// What `now()` says.
    pub(crate) now: Micros,
}

impl ExprPlanner for PgPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if let BinaryOperator::Custom(code) = &expr.op
            && let Some(code) = code.strip_prefix(PREFIX)
        {
            return self.plan_ours(code, expr.left, expr.right, schema).map(PlannerResult::Planned);
        }
        plan_theirs(expr, schema)
    }
}

fn plan_theirs(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    if matches!(expr.op, BinaryOperator::And | BinaryOperator::Or) {
        for side in [&expr.left, &expr.right] {
            let side = Typed::new(side.clone(), schema)?;
            if side.name != "bool" && !side.is_unknown() {
                let message =
                    format!("argument of {} must be type boolean, not type {}", expr.op, long_name(&side.name));
                return Err(refuse("42804", message));
            }
        }
        return Ok(PlannerResult::Original(expr));
    }
    let left = Typed::new(expr.left.clone(), schema)?;
    let right = Typed::new(expr.right.clone(), schema)?;
    let symbol = expr.op.to_string();
    if let Some(planned) = json::operator(&symbol, &left, &right)? {
        return Ok(PlannerResult::Planned(planned));
    }
    let planned = match &expr.op {
        BinaryOperator::Eq => operators::compare(Operator::Eq, left, right)?,
        BinaryOperator::NotEq => operators::compare(Operator::NotEq, left, right)?,
        BinaryOperator::Lt => operators::compare(Operator::Lt, left, right)?,
        BinaryOperator::LtEq => operators::compare(Operator::LtEq, left, right)?,
        BinaryOperator::Gt => operators::compare(Operator::Gt, left, right)?,
        BinaryOperator::GtEq => operators::compare(Operator::GtEq, left, right)?,
        BinaryOperator::Plus => operators::arithmetic(Arithmetic::Add, left, right)?,
        BinaryOperator::Minus => operators::arithmetic(Arithmetic::Subtract, left, right)?,
        BinaryOperator::Multiply => operators::arithmetic(Arithmetic::Multiply, left, right)?,
        BinaryOperator::Divide => operators::arithmetic(Arithmetic::Divide, left, right)?,
        BinaryOperator::Modulo => operators::arithmetic(Arithmetic::Remainder, left, right)?,
        BinaryOperator::PGExp | BinaryOperator::BitwiseXor => math::plan_power(left, right)?,
        BinaryOperator::StringConcat => operators::concatenate(left, right)?,
        BinaryOperator::PGRegexMatch => matches(Operator::RegexMatch, left, right)?,
        BinaryOperator::PGRegexIMatch => matches(Operator::RegexIMatch, left, right)?,
        BinaryOperator::PGRegexNotMatch => matches(Operator::RegexNotMatch, left, right)?,
        BinaryOperator::PGRegexNotIMatch => matches(Operator::RegexNotIMatch, left, right)?,
        BinaryOperator::BitwiseAnd if left.is_integer() && right.is_integer() => {
            bitwise(Operator::BitwiseAnd, left, right)?
        }
        BinaryOperator::BitwiseOr if left.is_integer() && right.is_integer() => {
            bitwise(Operator::BitwiseOr, left, right)?
        }
        _ => return Err(operators::undefined(&symbol, &left, &right)),
    };
    Ok(PlannerResult::Planned(planned))
}

fn matches(op: Operator, left: Typed, right: Typed) -> Result<Expr> {
    let is_text = |value: &Typed| value.is_text() || value.is_unknown();
    if !is_text(&left) || !is_text(&right) {
        return Err(operators::undefined(&op.to_string(), &left, &right));
    }
    if let Some(pattern) = right.unknown_text() {
        super::text::pattern(pattern, "")?;
    }
    Ok(operators::binary(convert(left, &DataType::Utf8, "text")?, op, convert(right, &DataType::Utf8, "text")?))
}

fn bitwise(op: Operator, left: Typed, right: Typed) -> Result<Expr> {
    let pair = [left, right];
    let (data_type, name) = common_type("operator", &pair)?;
    let [left, right] = pair;
    Ok(operators::binary(convert(left, &data_type, &name)?, op, convert(right, &data_type, &name)?))
}

impl PgPlanner {
    fn plan_ours(&self, code: &str, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
        let (kind, name) = code.split_once(' ').unwrap_or((code, ""));
        let typed = |expr: Expr| Typed::new(expr, schema);
        let arguments = |expr: Expr| -> Result<Vec<Typed>> {
            match expr {
                Expr::ScalarFunction(function) if function.func.name() == ARGUMENTS => {
                    function.args.into_iter().map(typed).collect()
                }
                other => Ok(vec![typed(other)?]),
            }
        };
        match kind {
            "function" => functions::plan(name, arguments(right)?),
            "cast" => functions::cast(typed(left)?, name),
            "case" => functions::plan_case(arguments(right)?),
            "in" => functions::plan_in(typed(left)?, arguments(right)?),
            "distinct" => operators::compare(Operator::IsDistinctFrom, typed(left)?, typed(right)?),
            "not_distinct" => operators::compare(Operator::IsNotDistinctFrom, typed(left)?, typed(right)?),
            "now" => self.plan_now(name),
            "literal" => Ok(typed(left)?.expr),
            "int8" => Ok(df_cast(left, DataType::Int64)),
            "int4" => Ok(df_cast(left, DataType::Int32)),
            "text" => plan_text(name, typed(left)?),
            "aggregate" => plan_aggregate_argument(name, typed(left)?),
            "array" => plan_array(arguments(right)?),
            _ => Err(DataFusionError::Internal(format!("the operator {code} is not known"))),
        }
    }

    fn plan_now(&self, name: &str) -> Result<Expr> {
        let now = self.now.0;
        let day = i32::try_from(now.div_euclid(DAY_MICROS)).map_err(|_| refuse("22008", "date out of range"))?;
        let (value, data_type) = match name {
            "date" => (Value::Date(day), DataType::Date32),
            "timestamp" => (Value::Timestamp(now), DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)),
            _ => (Value::TimestampTz(now), timestamptz()),
        };
        literal(Datum::Value(value), &data_type)
    }
}

/// An operand of LIKE.
fn plan_text(what: &str, value: Typed) -> Result<Expr> {
    if value.is_text() || value.is_unknown() {
        return convert(value, &DataType::Utf8, "text");
    }
    Err(refuse("42883", format!("operator does not exist: {} {what} unknown", long_name(&value.name))))
}

/// An argument of an aggregate, as the type that makes DataFusion's aggregate give Postgres' type.
fn plan_aggregate_argument(name: &str, value: Typed) -> Result<Expr> {
    let missing = || refuse("42883", format!("function {name}({}) does not exist", long_name(&value.name)));
    let exact = |value: Typed, digits: u8| -> Result<Expr> {
        Ok(match value.data_type() {
            DataType::Decimal128(..) => value.expr,
            _ => df_cast(value.expr, DataType::Decimal128(digits, 0)),
        })
    };
    match name {
        "sum" => match value.name.as_str() {
            "int2" | "int4" => Ok(df_cast(value.expr, DataType::Int64)),
            "int8" => exact(value, 28),
            "numeric" | "float8" => Ok(value.expr),
            "float4" => Err(refuse("0A000", "sum of real is not supported; cast to float8")),
            "interval" => Err(unsupported("sum of intervals")),
            _ => Err(missing()),
        },
        "avg" => match value.name.as_str() {
            "int2" | "int4" | "int8" => exact(value, 28),
            "numeric" => Ok(value.expr),
            "float4" => Ok(df_cast(value.expr, DataType::Float64)),
            "float8" => Ok(value.expr),
            "interval" => Err(unsupported("avg of intervals")),
            _ => Err(missing()),
        },
        "min" | "max" => match value.name.as_str() {
            "bool" | "json" | "jsonb" | "uuid" => Err(missing()),
            "interval" => Err(unsupported(format!("{name} of intervals"))),
            "unknown" => convert(value, &DataType::Utf8, "text"),
            _ => Ok(value.expr),
        },
        "bool_and" | "bool_or" | "every" if value.name == "bool" => Ok(value.expr),
        "string_agg" if value.is_text() || value.is_unknown() => convert(value, &DataType::Utf8, "text"),
        "array_agg" if matches!(value.name.as_str(), "json" | "jsonb" | "interval") || value.name.starts_with('_') => {
            Err(unsupported(format!("array_agg of {}", value.name)))
        }
        "array_agg" if value.is_unknown() => convert(value, &DataType::Utf8, "text"),
        "array_agg" => Ok(value.expr),
        "stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop" | "corr" | "covar_pop"
        | "covar_samp"
            if value.is_float() =>
        {
            Ok(df_cast(value.expr, DataType::Float64))
        }
        "stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop" if value.is_number() => {
            Err(refuse("0A000", format!("{name} of {} is not supported; cast to float8", value.name)))
        }
        _ => Err(missing()),
    }
}

/// `ARRAY[…]`
fn plan_array(items: Vec<Typed>) -> Result<Expr> {
    if items.is_empty() {
        return Err(refuse("42P18", "cannot determine type of empty array"));
    }
    let (mut data_type, name) = common_type("ARRAY", &items)?;
    if matches!(data_type, DataType::Decimal256(..)) {
        let args = items.into_iter().map(dynamic).collect();
        return Ok(datafusion::functions_nested::make_array::make_array(args));
    }
    if column_type(&data_type).is_err() {
        data_type = DataType::Utf8;
    }
    let args = items.into_iter().map(|item| convert(item, &data_type, &name)).collect::<Result<Vec<_>>>()?;
    Ok(datafusion::functions_nested::make_array::make_array(args))
}
