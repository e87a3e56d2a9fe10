//! UPDATE, DELETE and TRUNCATE.

use lake_dialect::ast::{
    Delete, FromTable, SelectItem, TableFactor, TableWithJoins, Truncate, TruncateIdentityOption, Update,
    UpdateTableFromKind,
};
use lake_dialect::{SqlError, fold, sqlstate};

use super::binder::{Binder, Clause};
use super::from::table_source;
use super::plan::PlanBody;
use super::scope::Scope;
use super::select::OutputColumn;

impl Binder<'_> {
    pub(super) fn update(&mut self, update: &Update) -> Result<PlanBody, SqlError> {
        if update.or.is_some() || update.limit.is_some() {
            return Err(SqlError::unsupported("this form of UPDATE"));
        }
        let (table, alias) = self.target(&update.table)?;
        let mut scope = Scope::inside(None);
        scope.add(table_source(&table, alias, &table.sqlite_name()))?;
        let from = match &update.from {
            None => String::new(),
            Some(UpdateTableFromKind::AfterSet(from)) => format!(" FROM {}", self.tables(from, &mut scope)?),
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(SqlError::unsupported("this form of UPDATE")),
        };
        let assignments = self.assignments(&table, &update.assignments, &scope)?;
        // SQLite writes row by row, and a subquery would see the rows that are written already. With a FROM it
        // computes all values first, as Postgres does for every UPDATE.
        let from =
            if from.is_empty() && assignments.contains("SELECT ") { " FROM (SELECT 1)".to_owned() } else { from };
        let filter = self.filter(update.selection.as_ref(), &scope)?;
        let (returning, returning_sql) = self.returning_of_target(update.returning.as_deref(), &scope)?;
        let sql = format!("UPDATE {} SET {assignments}{from}{filter}{returning_sql}", table.sqlite_name());
        let prepared = self.prepared(sql);
        Ok(PlanBody::Modify { command: "UPDATE", table, prepared, returning })
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<PlanBody, SqlError> {
        if !delete.order_by.is_empty() || delete.limit.is_some() || !delete.tables.is_empty() {
            return Err(SqlError::unsupported("this form of DELETE"));
        }
        let FromTable::WithFromKeyword(from) = &delete.from else {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "DELETE needs FROM"));
        };
        let [target] = from.as_slice() else {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "DELETE is from one table"));
        };
        let (table, alias) = self.target(target)?;
        let name = table.sqlite_name();
        let mut scope = Scope::inside(None);
        scope.add(table_source(&table, alias, &name))?;
        let using = match &delete.using {
            None => None,
            Some(using) => Some(self.tables(using, &mut scope)?),
        };
        let filter = self.filter(delete.selection.as_ref(), &scope)?;
        let (returning, returning_sql) = self.returning_of_target(delete.returning.as_deref(), &scope)?;
        let sql = match using {
            None => format!("DELETE FROM {name}{filter}{returning_sql}"),
            Some(using) => format!("DELETE FROM {name} WHERE EXISTS (SELECT 1 FROM {using}{filter}){returning_sql}"),
        };
        let prepared = self.prepared(sql);
        Ok(PlanBody::Modify { command: "DELETE", table, prepared, returning })
    }

    pub(super) fn truncate(&mut self, truncate: &Truncate) -> Result<PlanBody, SqlError> {
        if truncate.partitions.is_some() || truncate.if_exists {
            return Err(SqlError::unsupported("this form of TRUNCATE"));
        }
        if matches!(truncate.cascade, Some(lake_dialect::ast::CascadeOption::Cascade)) {
            return Err(SqlError::unsupported("TRUNCATE … CASCADE"));
        }
        let mut tables = Vec::new();
        for target in &truncate.table_names {
            tables.push(self.table(&target.name)?);
        }
        for table in &tables {
            let child = self.catalog.tables().find(|other| {
                !tables.iter().any(|t| t.id == other.id) && other.foreign_keys.iter().any(|key| key.parent == table.id)
            });
            if let Some(child) = child {
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "cannot truncate a table referenced in a foreign key constraint",
                )
                .with_detail(format!("Table \"{}\" references \"{}\".", child.name, table.name)));
            }
        }
        let restart_identity = matches!(truncate.identity, Some(TruncateIdentityOption::Restart));
        Ok(PlanBody::Truncate { tables, restart_identity })
    }

    /// SQLite's RETURNING sees the written table only, the first of the scope.
    fn returning_of_target(
        &mut self,
        items: Option<&[SelectItem]>,
        scope: &Scope<'_>,
    ) -> Result<(Option<Vec<OutputColumn>>, String), SqlError> {
        if scope.sources.len() == 1 {
            return self.returning(items, scope);
        }
        let others = || SqlError::unsupported("RETURNING columns of another table than the one that is written");
        if items.is_some_and(|items| items.iter().any(|item| matches!(item, SelectItem::Wildcard(_)))) {
            return Err(others());
        }
        let target = Scope { sources: scope.sources[..1].to_vec(), ..Scope::inside(None) };
        match self.returning(items, &target) {
            Err(_) if self.returning(items, scope).is_ok() => Err(others()),
            outcome => outcome,
        }
    }

    fn filter(&mut self, condition: Option<&lake_dialect::ast::Expr>, scope: &Scope<'_>) -> Result<String, SqlError> {
        match condition {
            None => Ok(String::new()),
            Some(condition) => {
                let condition = self.within(Clause::Plain("WHERE"), |b| b.condition(condition, scope, "WHERE"))?;
                Ok(format!(" WHERE {}", condition.sql))
            }
        }
    }

    fn target(&mut self, target: &TableWithJoins) -> Result<(std::rc::Rc<crate::schema::Table>, String), SqlError> {
        let TableFactor::Table { name, alias, args: None, .. } = &target.relation else {
            return Err(SqlError::unsupported("writing to anything but a table"));
        };
        if !target.joins.is_empty() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "syntax error at or near \"JOIN\""));
        }
        let table = self.table(name)?;
        let alias = alias.as_ref().map_or(table.name.clone(), |alias| fold(&alias.name));
        Ok((table, alias))
    }
}
