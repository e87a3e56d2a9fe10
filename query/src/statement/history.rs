//! When a table's name means its changes instead of its current rows.
//!
//! Two cases: the statement names a column that only changes have, or it has one table, an equality on every key
//! column, and orders by `_commit_timestamp` (of current rows that would be one row).

use std::collections::HashSet;
use std::ops::ControlFlow;

use lake_dialect::ast::{BinaryOperator, Expr, GroupByExpr, OrderByKind, Query, SetExpr, Visit, Visitor};
use lake_dialect::fold;

use super::tables::Named;
use crate::request::Moment;

/// Columns of changes that current rows do not have.
const ONLY_HISTORY: [&str; 4] = ["_operation", "_position", "_lsn", "_transaction_id"];
/// Whoever orders one row by it means its changes.
const AUDIT_ORDER: &str = "_commit_timestamp";
/// Columns of current rows that `*` leaves out.
const RESERVED: [&str; 3] = ["_shard", "_commit_timestamp", "_key"];

/// True if the answer may need what only the past of a table knows: asked of the lake before [`decide`] can be.
pub(crate) fn asks_for_past(query: &Query, tables: &[Named]) -> bool {
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    let is_named = |column: &str| {
        names.unqualified.contains(column) || names.qualified.iter().any(|(_, qualified)| qualified == column)
    };
    tables.iter().any(|named| named.table.by_name || named.table.moment != Moment::Now)
        || ONLY_HISTORY.iter().any(|column| is_named(column))
        || is_named(AUDIT_ORDER)
}

/// Decides for each table whether changes are read, and whether reserved columns are named. `keys` are the names of each
/// table's key.
pub(crate) fn decide(query: &Query, tables: &mut [Named], keys: &[Option<Vec<String>>]) {
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    let only_one = tables.len() == 1;
    let any_by_name = tables.iter().any(|named| named.table.by_name);
    for (named, key) in tables.iter_mut().zip(keys) {
        let qualified = |column: &str| names.qualified.contains(&(named.alias.clone(), column.to_owned()));
        let unqualified = |column: &str| names.unqualified.contains(column);
        let asks = ONLY_HISTORY.iter().any(|column| qualified(column))
            // Without a qualifier it is the column of the table that has it, if one is there by name.
            || (!any_by_name && ONLY_HISTORY.iter().any(|column| unqualified(column)));
        let audits = only_one && key.as_ref().is_some_and(|key| is_audit(query, key));
        named.table.history |= asks || audits;
        named.table.reserved = RESERVED.iter().any(|column| qualified(column) || unqualified(column));
    }
}

#[derive(Default)]
struct Names {
    qualified: HashSet<(String, String)>,
    unqualified: HashSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => {
                self.unqualified.insert(fold(ident));
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., table, column] = parts.as_slice() {
                    self.qualified.insert((fold(table), fold(column)));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// True for `… WHERE {every key column} = … ORDER BY _commit_timestamp` of one table, without grouping.
fn is_audit(query: &Query, key: &[String]) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let orders = query.order_by.as_ref().is_some_and(|order| match &order.kind {
        OrderByKind::Expressions(keys) => keys.iter().any(|key| column(&key.expr).as_deref() == Some(AUDIT_ORDER)),
        OrderByKind::All(_) => false,
    });
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if !orders || groups || select.from.len() != 1 {
        return false;
    }
    let mut equal = HashSet::new();
    if let Some(filter) = &select.selection {
        equalities(filter, &mut equal);
    }
    !key.is_empty() && key.iter().all(|name| equal.contains(name))
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) => column(inner),
        _ => None,
    }
}

/// Columns that the filter sets equal to something.
fn equalities(filter: &Expr, found: &mut HashSet<String>) {
    match filter {
        Expr::Nested(inner) => equalities(inner, found),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            equalities(left, found);
            equalities(right, found);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            found.extend(column(left));
            found.extend(column(right));
        }
        _ => {}
    }
}
