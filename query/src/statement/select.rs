//! What the clauses of a query need before its expressions are rewritten: names of columns, types of VALUES, counts.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_dialect::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, JoinConstraint, JoinOperator,
    LimitClause, Query, Select, SelectItem, SetExpr, UnaryOperator, Value, VisitMut, VisitorMut,
};
use lake_dialect::{column_name, fold};

use super::build::{binary, nested, null, operator, plain_function, unsupported};
use super::read::sql_error;
use super::subquery::over;
use super::types;
use crate::pg::names::MARK;

pub(crate) fn prepare_query(query: &mut Query) -> Result<(), ApiError> {
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
            let number: u64 = text
                .trim()
                .parse()
                .map_err(|_| sql_error("22P02", format!("invalid input syntax for type bigint: \"{text}\"")))?;
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
        SetExpr::Values(values) => settle_values(&mut values.rows),
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
                (Some(Value::SingleQuotedString(_) | Value::Number(..)), Some(data_type)) => {
                    Some(types::code(data_type)?)
                }
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
        if let JoinOperator::Right(on) | JoinOperator::RightOuter(on) | JoinOperator::FullOuter(on) =
            &join.join_operator
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
pub(crate) fn value_function(name: &str) -> Option<&'static str> {
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
