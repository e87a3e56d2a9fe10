//! `*` leaves reserved columns out also where the statement names one of them elsewhere.

use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_dialect::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, VisitMut, VisitorMut,
};
use lake_dialect::fold;

use super::read::sql_error;

/// The columns that `*` shows of a table, by the table's internal name. `None`: all that the planner knows.
pub(crate) type Shown<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// Writes out `*` and `t.*` where it would show a reserved column.
pub(crate) fn expand(query: &mut Query, shown: &Shown<'_>) -> Result<(), ApiError> {
    match query.visit(&mut Expander { shown }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Expander<'a> {
    shown: &'a Shown<'a>,
}

impl VisitorMut for Expander<'_> {
    type Break = ApiError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<ApiError> {
        match self.body(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Expander<'_> {
    fn body(&self, body: &mut SetExpr) -> Result<(), ApiError> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            // A nested query is visited on its own.
            _ => Ok(()),
        }
    }

    fn select(&self, select: &mut Select) -> Result<(), ApiError> {
        let is_wildcard =
            |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        if !select.projection.iter().any(is_wildcard) {
            return Ok(());
        }
        let joins = || select.from.iter().flat_map(|from| &from.joins);
        let factors: Vec<&TableFactor> = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)))
            .collect();
        let tables: Vec<(String, Option<Vec<String>>)> = factors.iter().map(|factor| self.table(factor)).collect();
        if tables.iter().all(|(_, columns)| columns.is_none()) {
            return Ok(());
        }
        if joins().any(|join| merges_columns(&join.join_operator)) {
            return Err(sql_error("0A000", "* with USING or NATURAL and a reserved column is not supported"));
        }
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match &item {
                SelectItem::Wildcard(_) => {
                    for (alias, columns) in &tables {
                        items(alias, columns.as_deref(), &mut projection)?;
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let wanted = match name.0.last() {
                        Some(ObjectNamePart::Identifier(ident)) => fold(ident),
                        _ => String::new(),
                    };
                    match tables.iter().find(|(alias, _)| *alias == wanted) {
                        Some((alias, Some(columns))) => items(alias, Some(columns), &mut projection)?,
                        _ => projection.push(item),
                    }
                }
                _ => projection.push(item),
            }
        }
        select.projection = projection;
        Ok(())
    }

    fn table(&self, factor: &TableFactor) -> (String, Option<Vec<String>>) {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let internal = name.to_string().trim_matches('"').to_owned();
                let alias = alias.as_ref().map_or_else(|| internal.clone(), |alias| fold(&alias.name));
                (alias, (self.shown)(&internal))
            }
            TableFactor::Derived { alias: Some(alias), .. } => (fold(&alias.name), None),
            _ => (String::new(), None),
        }
    }
}

fn items(alias: &str, columns: Option<&[String]>, projection: &mut Vec<SelectItem>) -> Result<(), ApiError> {
    if alias.is_empty() {
        return Err(sql_error("0A000", "* over this kind of table and a reserved column is not supported"));
    }
    let quoted = |name: &str| Ident::with_quote('"', name);
    match columns {
        Some(columns) => projection.extend(
            columns
                .iter()
                .map(|column| SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![quoted(alias), quoted(column)]))),
        ),
        None => projection.push(SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(vec![quoted(alias)].into()),
            lake_dialect::ast::WildcardAdditionalOptions::default(),
        )),
    }
    Ok(())
}

fn merges_columns(operator: &JoinOperator) -> bool {
    let constraint = match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => constraint,
        _ => return false,
    };
    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
}
