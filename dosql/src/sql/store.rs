//! What INSERT and UPDATE share: SET, ON CONFLICT and RETURNING.

use lake_dialect::ast::{AssignmentTarget, ConflictTarget, Expr, OnConflict, OnConflictAction, SelectItem};
use lake_dialect::{SqlError, fold, object_name, sqlstate};

use super::binder::{Binder, Clause};
use super::from::table_source;
use super::insert::{column, guarded, is_default};
use super::scope::{Scope, Source, SourceColumn};
use super::select::OutputColumn;
use crate::schema::{Key, Table};

impl Binder<'_> {
    pub(super) fn on_conflict(
        &mut self,
        table: &Table,
        alias: &str,
        on: &OnConflict,
    ) -> Result<(String, bool), SqlError> {
        let target = match &on.conflict_target {
            None => String::new(),
            Some(ConflictTarget::Columns(columns)) => {
                let names = columns.iter().map(fold).collect::<Vec<_>>();
                let mut ids = Vec::new();
                for name in &names {
                    ids.push(column(table, name)?.id);
                }
                if !is_unique(table, &ids) {
                    return Err(SqlError::new(
                        sqlstate::INVALID_COLUMN_REFERENCE,
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    ));
                }
                conflict_columns(table, &ids)
            }
            Some(ConflictTarget::OnConstraint(name)) => {
                let (_, name) = object_name(name)?;
                let key =
                    table.primary_key.iter().chain(&table.unique).find(|key| key.name == name).ok_or_else(|| {
                        SqlError::new(
                            sqlstate::UNDEFINED_OBJECT,
                            format!("constraint \"{name}\" for table \"{}\" does not exist", table.name),
                        )
                    })?;
                conflict_columns(table, &key.columns)
            }
        };
        match &on.action {
            OnConflictAction::DoNothing => Ok((format!(" ON CONFLICT{target} DO NOTHING"), false)),
            OnConflictAction::DoUpdate(update) => {
                if target.is_empty() {
                    return Err(SqlError::new(
                        sqlstate::SYNTAX_ERROR,
                        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    )
                    .with_hint("For example, ON CONFLICT (column_name)."));
                }
                let mut scope = Scope::inside(None);
                scope.add(table_source(table, alias.to_owned(), &table.sqlite_name()))?;
                let excluded = table.columns.iter().map(|column| SourceColumn {
                    name: column.name.clone(),
                    ty: super::pg_type::PgType::of_column(&column.column_type),
                    sql: format!("excluded.{}", column.sqlite_name()),
                });
                // Unqualified names mean the table: `excluded` is found by its name only.
                let excluded = Source { alias: "excluded".to_owned(), columns: excluded.collect(), key: Vec::new() };
                let outer = Scope { sources: vec![excluded], ..Scope::default() };
                scope.parent = Some(&outer);
                scope.level = 1;
                let assignments = self.assignments(table, &update.assignments, &scope)?;
                if assignments.contains("SELECT ") {
                    // It would see the rows of this statement, which Postgres hides from it.
                    return Err(SqlError::unsupported("a subquery in ON CONFLICT DO UPDATE"));
                }
                let filter = match &update.selection {
                    None => String::new(),
                    Some(condition) => {
                        let condition =
                            self.within(Clause::Plain("WHERE"), |b| b.condition(condition, &scope, "WHERE"))?;
                        format!(" WHERE {}", condition.sql)
                    }
                };
                Ok((format!(" ON CONFLICT{target} DO UPDATE SET {assignments}{filter}"), true))
            }
        }
    }

    /// `c1 = …, c2 = …`
    pub(super) fn assignments(
        &mut self,
        table: &Table,
        assignments: &[lake_dialect::ast::Assignment],
        scope: &Scope<'_>,
    ) -> Result<String, SqlError> {
        let mut texts: Vec<(String, String)> = Vec::new();
        for assignment in assignments {
            let pairs: Vec<(String, &Expr)> = match &assignment.target {
                AssignmentTarget::ColumnName(name) => vec![(assigned_name(name)?, &assignment.value)],
                AssignmentTarget::Tuple(names) => {
                    let values = match &assignment.value {
                        Expr::Tuple(values) if values.len() == names.len() => values,
                        Expr::Tuple(_) => {
                            return Err(SqlError::new(
                                sqlstate::SYNTAX_ERROR,
                                "number of columns does not match number of values",
                            ));
                        }
                        _ => return Err(SqlError::unsupported("assigning a subquery to several columns")),
                    };
                    names.iter().zip(values).map(|(name, value)| Ok((assigned_name(name)?, value))).collect::<Result<
                        _,
                        SqlError,
                    >>(
                    )?
                }
            };
            for (name, value) in pairs {
                let column = column(table, &name)?.clone();
                if texts.iter().any(|(taken, _)| *taken == column.sqlite_name()) {
                    return Err(SqlError::new(
                        sqlstate::SYNTAX_ERROR,
                        format!("multiple assignments to same column \"{name}\""),
                    ));
                }
                let sql = if is_default(value) {
                    self.default_value(table, &column)?.unwrap_or_else(|| "NULL".to_owned())
                } else {
                    if column.identity.as_ref().is_some_and(|identity| identity.always) {
                        return Err(SqlError::new(
                            sqlstate::GENERATED_ALWAYS,
                            format!("column \"{name}\" can only be updated to DEFAULT"),
                        )
                        .with_detail(format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")));
                    }
                    let typed = self.within(Clause::Plain("UPDATE"), |binder| binder.expression(value, scope))?;
                    let typed = self.assign(typed, &name, &column.column_type)?;
                    guarded(table, &column, typed.sql)
                };
                texts.push((column.sqlite_name(), sql));
            }
        }
        Ok(texts.into_iter().map(|(name, sql)| format!("{name} = {sql}")).collect::<Vec<_>>().join(", "))
    }

    /// RETURNING
    pub(super) fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
        scope: &Scope<'_>,
    ) -> Result<(Option<Vec<OutputColumn>>, String), SqlError> {
        let Some(items) = items else {
            return Ok((None, String::new()));
        };
        let outputs = self.projection(items, scope)?;
        let mut columns = Vec::new();
        let mut list = Vec::new();
        for (name, typed) in outputs {
            if typed.has_aggregate {
                return Err(SqlError::new(
                    sqlstate::GROUPING_ERROR,
                    "aggregate functions are not allowed in RETURNING",
                ));
            }
            if typed.has_window {
                return Err(SqlError::new(sqlstate::WINDOWING_ERROR, "window functions are not allowed in RETURNING"));
            }
            let typed = self.settle(typed)?;
            if typed.sql.contains("SELECT ") {
                // It would see what the statement did, which Postgres hides from it.
                return Err(SqlError::unsupported("a subquery in RETURNING"));
            }
            list.push(typed.sql);
            columns.push(OutputColumn { name, ty: typed.ty });
        }
        Ok((Some(columns), format!(" RETURNING {}", list.join(", "))))
    }
}

fn assigned_name(name: &lake_dialect::ast::ObjectName) -> Result<String, SqlError> {
    match object_name(name)? {
        (None, name) => Ok(name),
        (Some(table), name) => Err(SqlError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{table}\" of relation does not exist (assigned as {table}.{name})"),
        )),
    }
}

fn same_columns(key: &Key, ids: &[u32]) -> bool {
    key.columns.len() == ids.len() && key.columns.iter().all(|id| ids.contains(id))
}

fn is_unique(table: &Table, ids: &[u32]) -> bool {
    let index_matches = |index: &crate::schema::Index| {
        index.unique
            && !index.partial
            && index.parts.len() == ids.len()
            && index.parts.iter().all(|part| matches!(part, crate::schema::IndexPart::Column(id) if ids.contains(id)))
    };
    table.primary_key.iter().chain(&table.unique).any(|key| same_columns(key, ids))
        || table.indexes.iter().any(index_matches)
}

fn conflict_columns(table: &Table, ids: &[u32]) -> String {
    let names = ids.iter().filter_map(|id| table.column_by_id(*id)).map(|column| {
        let collation = super::pg_type::PgType::of_column(&column.column_type).collation();
        match collation {
            Some(collation) => format!("{} COLLATE {collation}", column.sqlite_name()),
            None => column.sqlite_name(),
        }
    });
    format!(" ({})", names.collect::<Vec<_>>().join(", "))
}
