//! Calls of a statement: scalar functions become operators of ours, aggregates get arguments that the planner types.

use lake_api::ApiError;
use lake_dialect::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
};
use lake_dialect::fold;

use super::build::{function, now, null, operator, unsupported};
use super::read::sql_error;
use crate::pg::planner::ARGUMENTS;

/// Aggregates that answer as Postgres' do.
pub(crate) const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "string_agg",
    "array_agg",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "corr",
    "covar_pop",
    "covar_samp",
];
/// Window functions without a type of their own.
const WINDOWS: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "ntile",
    "percent_rank",
    "cume_dist",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

pub(crate) fn rewrite_function(mut called: Function) -> Result<Expr, ApiError> {
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
