//! The statement in the words of the planner.
//!
//! Functions, casts, CASE and IN become operators of ours, where types can be seen (see `pg::planner`). Columns get the
//! names that Postgres gives them. A scalar subquery is made to fail when it has several rows.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_dialect::ast::helpers::attached_token::AttachedToken;
use lake_dialect::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Distinct, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Interval, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    ObjectNamePart, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
    TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use lake_dialect::{column_name, fold};

use super::read::sql_error;
use super::types;
use crate::pg::aggregates::SINGLE_ROW;
use crate::pg::names::MARK;
use crate::pg::planner::{ARGUMENTS, PREFIX};

/// Aggregates that answer as Postgres' do.
const AGGREGATES: &[&str] = &[
    "count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "string_agg", "array_agg", "stddev",
    "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "corr", "covar_pop", "covar_samp",
];
/// Window functions without a type of their own.
const WINDOWS: &[&str] = &[
    "row_number", "rank", "dense_rank", "ntile", "percent_rank", "cume_dist", "lag", "lead", "first_value",
    "last_value", "nth_value",
];

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

fn unsupported(what: &str) -> ApiError {
    sql_error("0A000", format!("{what} is not supported on the lake"))
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

fn prepare_query(query: &mut Query) -> Result<(), ApiError> {
    if let Some(LimitClause::LimitOffset { limit, offset, limit_by }) = &mut query.limit_clause {
        if !limit_by.is_empty() {
            return Err(sql_error("42601", "LIMIT BY is no SQL of Postgres"));
        }
        for count in limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value)) {
            settle_count(count)?;
        }
    }
    if let Some(with) = &mut query.with {
        for table in &mut with.cte_tables {
            // DataFusion's recursion takes the names of the first SELECT, not those behind the name of the table.
            if with.recursive && !table.alias.columns.is_empty() {
                let names: Vec<Ident> = table.alias.columns.iter().map(|column| column.name.clone()).collect();
                name_columns(&mut table.query.body, &names);
            }
        }
    }
    prepare_body(&mut query.body)
}

fn name_columns(body: &mut SetExpr, names: &[Ident]) {
    match body {
        SetExpr::SetOperation { left, .. } => name_columns(left, names),
        SetExpr::Select(select) => {
            for (item, name) in select.projection.iter_mut().zip(names) {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() };
                }
            }
        }
        _ => {}
    }
}

/// A text parameter may stand where a count is wanted.
fn settle_count(count: &mut Expr) -> Result<(), ApiError> {
    let Expr::Value(value) = count else { return Ok(()) };
    match &value.value {
        Value::SingleQuotedString(text) => {
            let number: u64 = text.trim().parse().map_err(|_| {
                sql_error("22P02", format!("invalid input syntax for type bigint: \"{text}\""))
            })?;
            *count = Expr::value(Value::Number(number.to_string(), false));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn prepare_body(body: &mut SetExpr) -> Result<(), ApiError> {
    match body {
        SetExpr::Select(select) => prepare_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            prepare_body(left)?;
            prepare_body(right)
        }
        SetExpr::Values(values) => {
            settle_values(&mut values.rows)
        }
        // A nested query is visited on its own.
        SetExpr::Query(_) => Ok(()),
        _ => Err(unsupported("this kind of query")),
    }
}

/// DataFusion wants one type in each column of VALUES: literals take that of what is typed, or the widest of numbers.
fn settle_values(rows: &mut [Vec<Expr>]) -> Result<(), ApiError> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != width) {
        return Err(sql_error("42601", "VALUES lists must all be the same length"));
    }
    for at in 0..width {
        let typed = rows.iter().find_map(|row| match row.get(at) {
            Some(Expr::Cast { data_type, .. }) => Some(data_type.clone()),
            Some(Expr::TypedString(typed)) => Some(typed.data_type.clone()),
            Some(Expr::Interval(_)) => Some(DataType::Interval { fields: None, precision: None }),
            _ => None,
        });
        let number = |value: &Value| matches!(value, Value::Number(text, _) if text.parse::<i32>().is_err());
        let widens = rows.iter().any(|row| matches!(row.get(at), Some(Expr::Value(value)) if number(&value.value)));
        for value in rows.iter_mut().filter_map(|row| row.get_mut(at)) {
            let literal = match &*value {
                Expr::Value(value) => Some(value.value.clone()),
                Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
                    Expr::Value(value) => Some(value.value.clone()),
                    _ => None,
                },
                _ => None,
            };
            let code = match (literal, &typed) {
                (Some(Value::SingleQuotedString(_) | Value::Number(..)), Some(data_type)) => Some(types::code(data_type)?),
                (Some(Value::Number(..)), None) if widens => Some("numeric".to_owned()),
                _ => None,
            };
            match code {
                Some(code) => {
                    let taken = std::mem::replace(value, null());
                    *value = operator(&format!("cast {code}"), taken, null());
                }
                None => mark_literal(value),
            }
        }
    }
    Ok(())
}

fn prepare_select(select: &mut Select) -> Result<(), ApiError> {
    if select.qualify.is_some() || select.top.is_some() || select.prewhere.is_some() {
        return Err(sql_error("42601", "QUALIFY, TOP and PREWHERE are no SQL of Postgres"));
    }
    if select.projection.is_empty() {
        return Err(unsupported("a SELECT without columns"));
    }
    if let GroupByExpr::Expressions(keys, _) = &select.group_by {
        let is_wrong = |key: &Expr| match key {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => number.parse::<u32>().is_err(),
                Value::Null => false,
                _ => true,
            },
            _ => false,
        };
        if keys.iter().any(is_wrong) {
            return Err(sql_error("42601", "non-integer constant in GROUP BY"));
        }
    }
    for join in select.from.iter().flat_map(|from| &from.joins) {
        // The merged column would be the left one, which is null where only the right side has a row.
        if let JoinOperator::Right(on) | JoinOperator::RightOuter(on) | JoinOperator::FullOuter(on) = &join.join_operator
            && matches!(on, JoinConstraint::Using(_) | JoinConstraint::Natural)
        {
            return Err(unsupported("RIGHT and FULL JOIN with USING or NATURAL"));
        }
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && alias.quote_style == Some('\'')
        {
            return Err(sql_error("42601", "a column's name is no text"));
        }
        name_item(item, &mut names);
        if let SelectItem::ExprWithAlias { expr, .. } = item {
            let _: ControlFlow<()> = expr.visit(&mut CountInstead { depth: 0 });
        }
    }
    Ok(())
}

/// DataFusion plans EXISTS as a condition only; among the columns it becomes a count.
struct CountInstead {
    depth: usize,
}

impl VisitorMut for CountInstead {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Exists { subquery, negated } = expr
        {
            let arg = FunctionArg::Unnamed(FunctionArgExpr::Wildcard);
            let count = Expr::Function(plain_function("count", vec![arg]));
            let counted = Expr::Subquery(Box::new(over((**subquery).clone(), count, None)));
            let zero = Expr::value(Value::Number("0".into(), false));
            let op = if *negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
            *expr = nested(binary(counted, op, zero));
        }
        ControlFlow::Continue(())
    }
}

/// Gives a column the name that Postgres gives it; repeated names are numbered.
fn name_item(item: &mut SelectItem, names: &mut HashMap<String, usize>) {
    let (expr, name, is_named) = match item {
        SelectItem::UnnamedExpr(expr) => (expr.clone(), column_name(expr), false),
        SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), fold(alias), true),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => return,
    };
    let seen = names.entry(name.clone()).or_insert(0);
    let number = *seen;
    *seen += 1;
    let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) && !is_value_function(&expr);
    if is_column && !is_named && number == 0 {
        return;
    }
    let mut expr = expr;
    mark_literal(&mut expr);
    let shown = if number == 0 { name } else { format!("{name}{MARK}{number}") };
    *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', shown) };
}

fn is_value_function(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && value_function(&fold(ident)).is_some())
}

/// The kind of moment that a function without parentheses means.
fn value_function(name: &str) -> Option<&'static str> {
    match name {
        "current_date" => Some("date"),
        "localtimestamp" => Some("timestamp"),
        "current_timestamp" => Some("timestamptz"),
        _ => None,
    }
}

/// A number that stands alone has no operator around it that could give it its type.
fn mark_literal(expr: &mut Expr) {
    let number = match &*expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            matches!(expr.as_ref(), Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    };
    if number {
        let literal = std::mem::replace(expr, null());
        *expr = operator("literal", literal, null());
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

fn null() -> Expr {
    Expr::value(Value::Null)
}

fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

fn operator(code: &str, left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::Custom(format!("{PREFIX}{code}")),
        right: Box::new(right),
    }
}

fn arguments(args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(plain_function(ARGUMENTS, args))
}

fn plain_function(name: &str, args: Vec<FunctionArg>) -> Function {
    Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

fn function(name: &str, args: Vec<Expr>) -> Expr {
    operator(&format!("function {name}"), null(), arguments(args))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn not(expr: Expr, negated: bool) -> Expr {
    if negated {
        return Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) };
    }
    expr
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
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

fn now(kind: &str) -> Expr {
    operator(&format!("now {kind}"), null(), null())
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

fn rewrite_function(mut called: Function) -> Result<Expr, ApiError> {
    let name = match called.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => fold(name),
        [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(name)] if fold(schema) == "pg_catalog" => {
            fold(name)
        }
        _ => return Err(sql_error("42883", format!("function {} does not exist", called.name))),
    };
    // Operands of ours were put there by this pass.
    if name == ARGUMENTS {
        return Ok(Expr::Function(called));
    }
    let is_aggregate = AGGREGATES.contains(&name.as_str());
    if is_aggregate || WINDOWS.contains(&name.as_str()) {
        return rewrite_aggregate(&name, is_aggregate, called);
    }
    if called.over.is_some() || called.filter.is_some() || !called.within_group.is_empty() {
        return Err(sql_error("42809", format!("{name} is not an aggregate or window function")));
    }
    let args = match std::mem::replace(&mut called.args, FunctionArguments::None) {
        FunctionArguments::None => Vec::new(),
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
            list.args.into_iter().map(plain_argument).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(unsupported(&format!("this form of {name}"))),
    };
    match (name.as_str(), args.is_empty()) {
        ("now" | "transaction_timestamp" | "statement_timestamp" | "current_timestamp", true) => Ok(now("timestamptz")),
        ("current_date", true) => Ok(now("date")),
        ("localtimestamp", true) => Ok(now("timestamp")),
        _ => Ok(function(&name, args)),
    }
}

fn plain_argument(arg: FunctionArg) -> Result<Expr, ApiError> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(unsupported("a named or starred argument")),
    }
}

fn rewrite_aggregate(name: &str, is_aggregate: bool, mut called: Function) -> Result<Expr, ApiError> {
    if !is_aggregate && called.over.is_none() {
        return Err(sql_error("42P20", format!("window function {name} requires an OVER clause")));
    }
    if !called.within_group.is_empty() || called.null_treatment.is_some() {
        return Err(unsupported("WITHIN GROUP and IGNORE NULLS"));
    }
    if let FunctionArguments::List(list) = &mut called.args {
        let count = list.args.len();
        let wanted = if matches!(name, "string_agg" | "corr" | "covar_pop" | "covar_samp") { 2 } else { 1 };
        if is_aggregate && count != wanted {
            return Err(sql_error("42883", format!("function {name} with {count} arguments does not exist")));
        }
        for (at, arg) in list.args.iter_mut().enumerate() {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    // The separator of string_agg has to stay a literal.
                    if is_aggregate && name != "count" && !(name == "string_agg" && at == 1) {
                        let taken = std::mem::replace(expr, null());
                        *expr = operator(&format!("aggregate {name}"), taken, null());
                    }
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" && count == 1 => {}
                _ => return Err(unsupported("a named or starred argument")),
            }
        }
    }
    let known = match name {
        "every" => "bool_and",
        "variance" => "var_samp",
        other => other,
    };
    called.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(known))]);
    let call = Expr::Function(called);
    Ok(match name {
        // DataFusion counts rows without a sign.
        "row_number" | "rank" | "dense_rank" => operator("int8", call, null()),
        "ntile" => operator("int4", call, null()),
        _ => call,
    })
}

/// A scalar subquery that fails when it has several rows.
fn guard(query: Query) -> Query {
    if has_one_row(&query) {
        return query;
    }
    let column = Ident::with_quote('"', "lake_value");
    let arg = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column.clone())));
    let only = Expr::Function(plain_function(SINGLE_ROW, vec![arg]));
    over(query, only, Some(column))
}

/// `SELECT value FROM (query) AS lake_rows(column)`
fn over(query: Query, value: Expr, column: Option<Ident>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hint: None,
        distinct: None::<Distinct>,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::ExprWithAlias { expr: value, alias: Ident::with_quote('"', "lake_value") }],
        exclude: None,
        into: None,
        from: vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query),
                alias: Some(TableAlias {
                    explicit: true,
                    name: Ident::with_quote('"', "lake_rows"),
                    columns: column.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect(),
                }),
                sample: None,
            },
            joins: Vec::new(),
        }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: lake_dialect::ast::SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// True for an aggregate without groups, and for LIMIT 1.
fn has_one_row(query: &Query) -> bool {
    if let Some(LimitClause::LimitOffset { limit: Some(Expr::Value(value)), .. }) = &query.limit_clause
        && matches!(&value.value, Value::Number(number, _) if number == "1")
    {
        return true;
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let [SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_slice() else { return false };
    ungrouped && matches!(expr, Expr::Function(called) if called.over.is_none() && is_aggregate(called))
}

fn is_aggregate(called: &Function) -> bool {
    match called.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => AGGREGATES.contains(&name.value.as_str()),
        _ => false,
    }
}
