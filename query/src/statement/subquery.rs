//! Scalar subqueries, which fail in Postgres when they have several rows and in DataFusion do not.

use lake_dialect::ast::helpers::attached_token::AttachedToken;
use lake_dialect::ast::{
    Distinct, Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, LimitClause, ObjectNamePart, Query,
    Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value,
};

use super::build::plain_function;
use super::functions::AGGREGATES;
use crate::pg::aggregates::SINGLE_ROW;

/// A scalar subquery that fails when it has several rows.
pub(crate) fn guard(query: Query) -> Query {
    if has_one_row(&query) {
        return query;
    }
    let column = Ident::with_quote('"', "lake_value");
    let arg = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column.clone())));
    let only = Expr::Function(plain_function(SINGLE_ROW, vec![arg]));
    over(query, only, Some(column))
}

/// `SELECT value FROM (query) AS lake_rows(column)`
pub(crate) fn over(query: Query, value: Expr, column: Option<Ident>) -> Query {
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
        flavor: SelectFlavor::Standard,
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
