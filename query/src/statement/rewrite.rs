//! The statement in the words of the planner.
//!
//! Functions, casts, CASE and IN become operators of ours, where types can be seen (see `pg::planner`). Columns get the
//! names that Postgres gives them. A scalar subquery is made to fail when it has several rows.

use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_dialect::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, Interval, Query, TableFactor,
    TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use lake_dialect::fold;

use super::build::{arguments, binary, function, nested, not, now, null, operator, text, unsupported};
use super::functions::rewrite_function;
use super::select::{prepare_query, value_function};
use super::subquery::guard;
use super::types;

/// Rewrites `query`.
pub(crate) fn rewrite(query: &mut Query) -> Result<(), ApiError> {
    match query.visit(&mut Rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter;

fn flow(result: Result<(), ApiError>) -> ControlFlow<ApiError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Rewriter {
    type Break = ApiError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<ApiError> {
        flow(prepare_query(query))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<ApiError> {
        flow(match factor {
            TableFactor::Table { args: None, .. } | TableFactor::Derived { sample: None, .. } => Ok(()),
            TableFactor::NestedJoin { .. } => Ok(()),
            _ => Err(unsupported("a function in FROM")),
        })
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ApiError> {
        flow(open_quantified(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ApiError> {
        let taken = std::mem::replace(expr, null());
        match rewrite_expr(taken) {
            Ok(rewritten) => {
                *expr = rewritten;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// `= ANY(ARRAY[…])` and `= ANY(SELECT …)` are IN; so are `<> ALL`.
fn open_quantified(expr: &mut Expr) -> Result<(), ApiError> {
    let (left, op, right, negated) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return Ok(()),
    };
    let is_in = matches!((&op, negated), (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true));
    if !is_in {
        return Err(unsupported("this comparison with ANY or ALL"));
    }
    let mut inner = right.as_ref();
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let taken = match inner {
        Expr::Array(array) => Expr::InList { expr: left.clone(), list: array.elem.clone(), negated },
        Expr::Subquery(subquery) => Expr::InSubquery { expr: left.clone(), subquery: subquery.clone(), negated },
        _ => return Err(unsupported("ANY and ALL of an array column")),
    };
    if let Expr::InList { list, .. } = &taken
        && list.is_empty()
    {
        *expr = Expr::value(Value::Boolean(negated));
        return Ok(());
    }
    *expr = taken;
    Ok(())
}

fn rewrite_expr(expr: Expr) -> Result<Expr, ApiError> {
    Ok(match expr {
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, array: false, format: None } => {
            operator(&format!("cast {}", types::code(&data_type)?), *expr, null())
        }
        Expr::Cast { .. } => return Err(unsupported("this kind of cast")),
        Expr::TypedString(typed) => {
            operator(&format!("cast {}", types::code(&typed.data_type)?), Expr::Value(typed.value), null())
        }
        Expr::Interval(interval) => operator("cast interval", text(interval_text(&interval)?), null()),
        Expr::Extract { field, expr, .. } => function("extract", vec![text(field_name(&field)), *expr]),
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
            function("ceil", vec![*expr])
        }
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
            function("floor", vec![*expr])
        }
        Expr::Ceil { .. } | Expr::Floor { .. } => return Err(unsupported("this form of CEIL and FLOOR")),
        Expr::Position { expr, r#in } => function("position", vec![*expr, *r#in]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let from = substring_from.map_or_else(|| Expr::value(Value::Number("1".into(), false)), |from| *from);
            let mut args = vec![*expr, from];
            args.extend(substring_for.map(|length| *length));
            function("substring", args)
        }
        Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            let mut args = vec![*expr];
            args.extend(trim_what.map(|what| *what));
            args.extend(trim_characters.into_iter().flatten());
            function(name, args)
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let mut args = vec![*expr, *overlay_what, *overlay_from];
            args.extend(overlay_for.map(|length| *length));
            function("overlay", args)
        }
        Expr::AtTimeZone { timestamp, time_zone } => function("timezone", vec![*time_zone, *timestamp]),
        Expr::InList { expr, list, negated } => not(operator("in", *expr, arguments(list)), negated),
        Expr::Between { expr, negated, low, high } => {
            let from = binary((*expr).clone(), BinaryOperator::GtEq, *low);
            let to = binary(*expr, BinaryOperator::LtEq, *high);
            not(nested(binary(nested(from), BinaryOperator::And, nested(to))), negated)
        }
        Expr::IsDistinctFrom(left, right) => operator("distinct", *left, *right),
        Expr::IsNotDistinctFrom(left, right) => operator("not_distinct", *left, *right),
        Expr::Case { operand, conditions, else_result, .. } => rewrite_case(operand, conditions, else_result),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match *expr {
            number @ Expr::Value(_) => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) },
            other => function("negate", vec![other]),
        },
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => *expr,
        not @ Expr::UnaryOp { op: UnaryOperator::Not, .. } => not,
        Expr::UnaryOp { op, .. } => return Err(unsupported(&format!("the operator {op}"))),
        Expr::Array(array) => operator("array", null(), arguments(array.elem)),
        Expr::Subquery(query) => Expr::Subquery(Box::new(guard(*query))),
        Expr::Like { negated, any: false, expr, pattern, escape_char } => Expr::Like {
            negated,
            any: false,
            expr: Box::new(operator("text ~~", *expr, null())),
            pattern: Box::new(operator("text ~~", *pattern, null())),
            escape_char,
        },
        Expr::ILike { negated, any: false, expr, pattern, escape_char } => Expr::ILike {
            negated,
            any: false,
            expr: Box::new(operator("text ~~*", *expr, null())),
            pattern: Box::new(operator("text ~~*", *pattern, null())),
            escape_char,
        },
        Expr::Function(called) => rewrite_function(called)?,
        Expr::Identifier(ident) if ident.quote_style.is_none() && value_function(&fold(&ident)).is_some() => {
            now(value_function(&fold(&ident)).unwrap_or("timestamptz"))
        }
        Expr::Value(value) => rewrite_value(value)?,
        kept @ (Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Nested(_)
        | Expr::BinaryOp { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::Exists { .. }
        | Expr::InSubquery { .. }
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)) => kept,
        other => return Err(unsupported(&format!("the expression {other}"))),
    })
}

/// Numbers with an exponent are numerics of many digits; DataFusion would give them a negative scale.
fn rewrite_value(mut value: ValueWithSpan) -> Result<Expr, ApiError> {
    if let Value::Number(number, _) = &mut value.value {
        number.retain(|digit| digit != '_');
        if number.contains(['e', 'E']) {
            return Ok(operator("cast numeric", text(number.clone()), null()));
        }
    }
    match &value.value {
        Value::Number(..) | Value::Null | Value::Boolean(_) | Value::SingleQuotedString(_) => Ok(Expr::Value(value)),
        Value::DollarQuotedString(quoted) => Ok(text(quoted.value.clone())),
        Value::EscapedStringLiteral(plain) | Value::UnicodeStringLiteral(plain) => Ok(text(plain.clone())),
        _ => Err(unsupported("this kind of literal")),
    }
}

fn rewrite_case(operand: Option<Box<Expr>>, conditions: Vec<CaseWhen>, else_result: Option<Box<Expr>>) -> Expr {
    let mut args = Vec::with_capacity(conditions.len() * 2 + 1);
    for CaseWhen { condition, result } in conditions {
        args.push(match &operand {
            Some(operand) => nested(binary((**operand).clone(), BinaryOperator::Eq, condition)),
            None => condition,
        });
        args.push(result);
    }
    args.push(else_result.map_or_else(null, |result| *result));
    operator("case", null(), arguments(args))
}

fn interval_text(interval: &Interval) -> Result<String, ApiError> {
    let Expr::Value(value) = interval.value.as_ref() else { return Err(unsupported("an interval that is no literal")) };
    let written = match &value.value {
        Value::SingleQuotedString(text) => text.clone(),
        _ => return Err(unsupported("an interval that is no text")),
    };
    match (&interval.leading_field, &interval.last_field, interval.leading_precision) {
        (None, None, None) => Ok(written),
        (Some(field), None, None) => Ok(format!("{written} {}", field_name(field))),
        _ => Err(unsupported("this form of INTERVAL")),
    }
}

fn field_name(field: &DateTimeField) -> String {
    match field {
        DateTimeField::Custom(ident) => fold(ident),
        other => other.to_string().to_ascii_lowercase(),
    }
}
