//! Pieces of syntax trees, and the operators of ours that the planner knows.

use lake_api::ApiError;
use lake_dialect::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, UnaryOperator, Value,
};

use super::read::sql_error;
use crate::pg::planner::{ARGUMENTS, PREFIX};

/// 0A000
pub(crate) fn unsupported(what: &str) -> ApiError {
    sql_error("0A000", format!("{what} is not supported on the lake"))
}

pub(crate) fn null() -> Expr {
    Expr::value(Value::Null)
}

pub(crate) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

pub(crate) fn operator(code: &str, left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::Custom(format!("{PREFIX}{code}")),
        right: Box::new(right),
    }
}

pub(crate) fn arguments(args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(plain_function(ARGUMENTS, args))
}

pub(crate) fn plain_function(name: &str, args: Vec<FunctionArg>) -> Function {
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

pub(crate) fn function(name: &str, args: Vec<Expr>) -> Expr {
    operator(&format!("function {name}"), null(), arguments(args))
}

pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub(crate) fn not(expr: Expr, negated: bool) -> Expr {
    if negated {
        return Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) };
    }
    expr
}

pub(crate) fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

/// A moment of the request: `date`, `timestamp` or `timestamptz`.
pub(crate) fn now(kind: &str) -> Expr {
    operator(&format!("now {kind}"), null(), null())
}
