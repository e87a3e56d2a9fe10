//! Parameters take their values before the statement is planned: a JSON string stands there as a literal of unknown
//! type, which Postgres' rules then give the type of what it is compared with.

use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_api::limits::PARAMETERS_MAX;
use lake_dialect::ast::{self, Array, Expr, UnaryOperator, Value, VisitMut, VisitorMut};

use super::read::sql_error;

/// Puts values in the place of `$1…`.
pub(crate) fn bind(query: &mut ast::Query, params: &[serde_json::Value], named: usize) -> Result<(), ApiError> {
    if params.len() > PARAMETERS_MAX {
        return Err(sql_error("54000", format!("a statement has at most {PARAMETERS_MAX} parameters")));
    }
    if params.len() < named {
        return Err(sql_error("42P02", format!("there is no parameter ${named}: {} were sent", params.len())));
    }
    if params.len() > named {
        return Err(sql_error("42P02", format!("{} parameters were sent, the statement has {named}", params.len())));
    }
    match query.visit(&mut Binder { params }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Binder<'a> {
    params: &'a [serde_json::Value],
}

impl VisitorMut for Binder<'_> {
    type Break = ApiError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ApiError> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()).unwrap_or_default();
        match number.checked_sub(1).and_then(|at| self.params.get(at)) {
            Some(param) => {
                *expr = literal(param);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(sql_error("42P02", format!("there is no parameter {name}"))),
        }
    }
}

fn literal(param: &serde_json::Value) -> Expr {
    match param {
        serde_json::Value::Null => Expr::value(Value::Null),
        serde_json::Value::Bool(value) => Expr::value(Value::Boolean(*value)),
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            match text.strip_prefix('-') {
                Some(digits) => Expr::UnaryOp {
                    op: UnaryOperator::Minus,
                    expr: Box::new(Expr::value(Value::Number(digits.to_owned(), false))),
                },
                None => Expr::value(Value::Number(text, false)),
            }
        }
        serde_json::Value::String(text) => Expr::value(Value::SingleQuotedString(text.clone())),
        serde_json::Value::Array(items) => {
            Expr::Array(Array { elem: items.iter().map(literal).collect(), named: true })
        }
        object @ serde_json::Value::Object(_) => Expr::value(Value::SingleQuotedString(object.to_string())),
    }
}
