//! Which tables a statement names. Each is given a number, and the statement the name `t{number}` for it, so that
//! the planner's catalog is a list.

use std::ops::ControlFlow;

use lake_api::ApiError;
use lake_dialect::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use lake_dialect::fold;

use super::read::sql_error;
use super::versions::{Version, unmark};
use crate::limits::{TABLES_MAX, WITH_DEPTH_MAX, WITH_TABLES_MAX};
use crate::request::{Moment, moment_of_text};
use crate::tables::{HISTORY_SUFFIX, TableUse};

/// A table of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) table: TableUse,
    /// What the statement's columns call it.
    pub(crate) alias: String,
}

/// What the planner calls table `number`.
pub(crate) fn internal_name(number: usize) -> String {
    format!("t{number}")
}

/// Finds the tables of `query` and renames them.
pub(crate) fn collect(
    query: &mut Query,
    namespace: &str,
    moment: Moment,
    versions: &[Version],
    params: &[serde_json::Value],
) -> Result<Vec<Named>, ApiError> {
    let mut collector =
        Collector { namespace, moment, versions, params, scopes: Vec::new(), with_tables: 0, found: Vec::new() };
    match query.visit(&mut collector) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(collector.found),
    }
}

struct Collector<'a> {
    namespace: &'a str,
    moment: Moment,
    versions: &'a [Version],
    params: &'a [serde_json::Value],
    /// Names of WITH, innermost last.
    scopes: Vec<Vec<String>>,
    /// How many tables of WITH there were so far.
    with_tables: usize,
    found: Vec<Named>,
}

impl VisitorMut for Collector<'_> {
    type Break = ApiError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<ApiError> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let names: Vec<String> = tables.map(|table| fold(&table.alias.name)).collect();
        self.with_tables += names.len();
        self.scopes.push(names);
        let depth = self.scopes.iter().filter(|names| !names.is_empty()).count();
        if self.with_tables > WITH_TABLES_MAX || depth > WITH_DEPTH_MAX {
            let limits = format!("at most {WITH_TABLES_MAX} tables, {WITH_DEPTH_MAX} deep");
            return ControlFlow::Break(sql_error("54001", format!("WITH has too many tables: {limits}")));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<ApiError> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<ApiError> {
        match self.rename(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// `namespace.table.column` is `table.column`: the namespace is part of the table's number.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ApiError> {
        if let Expr::CompoundIdentifier(parts) = expr
            && parts.len() == 3
        {
            parts.remove(0);
        }
        ControlFlow::Continue(())
    }
}

impl Collector<'_> {
    fn rename(&mut self, factor: &mut TableFactor) -> Result<(), ApiError> {
        let TableFactor::Table { name, alias, args, sample, with_ordinality, .. } = factor else { return Ok(()) };
        if args.is_some() {
            return Ok(());
        }
        if sample.is_some() || *with_ordinality {
            return Err(sql_error("0A000", "TABLESAMPLE and WITH ORDINALITY are not supported"));
        }
        let version = match name.0.last_mut() {
            Some(ObjectNamePart::Identifier(ident)) => unmark(ident),
            _ => None,
        };
        let (namespace, written) = lake_dialect::object_name(name).map_err(crate::error::from_dialect)?;
        let is_with = namespace.is_none() && self.scopes.iter().flatten().any(|cte| *cte == written);
        if is_with && version.is_none() {
            return Ok(());
        }
        let mut moment = self.moment;
        let mut all = false;
        match version.and_then(|number| self.versions.get(number)) {
            None => {}
            Some(Version::All) => all = true,
            Some(Version::Moment(named)) => moment = *named,
            Some(Version::Parameter(number)) => {
                let value = number.checked_sub(1).and_then(|at| self.params.get(at));
                let text = value.and_then(serde_json::Value::as_str);
                moment = moment_of_text(text.ok_or_else(|| sql_error("42P02", "AS OF needs a timestamp parameter"))?)?;
            }
        }
        let base = written.strip_suffix(HISTORY_SUFFIX).filter(|base| !base.is_empty());
        let by_name = base.is_some() || all;
        let table = TableUse {
            namespace: namespace.unwrap_or_else(|| self.namespace.to_owned()),
            name: base.unwrap_or(&written).to_owned(),
            history: by_name,
            by_name,
            moment,
            reserved: false,
        };
        if self.found.len() == TABLES_MAX {
            return Err(sql_error("54000", format!("a statement names at most {TABLES_MAX} tables")));
        }
        let internal = Ident::with_quote('"', internal_name(self.found.len()));
        *name = ObjectName(vec![ObjectNamePart::Identifier(internal)]);
        let alias_name = match alias {
            Some(alias) => fold(&alias.name),
            None => {
                let name = Ident::with_quote('"', &written);
                *alias = Some(TableAlias { explicit: true, name, columns: Vec::new() });
                written
            }
        };
        self.found.push(Named { table, alias: alias_name });
        Ok(())
    }
}
