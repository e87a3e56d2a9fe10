//! WITH, also recursive.

use lake_dialect::ast::{Query, SetExpr, SetOperator, SetQuantifier, With};
use lake_dialect::{SqlError, fold, sqlstate};

use super::binder::{Binder, CommonTable};
use super::cast::common_type;
use super::pg_type::PgType;
use super::scope::{Scope, SourceColumn};
use super::select::OutputColumn;
use super::typed::{ColumnUse, Typed};

impl Binder<'_> {
    pub(super) fn with_clause(
        &mut self,
        with: &With,
        parent: Option<&Scope<'_>>,
        outer: &mut Vec<ColumnUse>,
    ) -> Result<String, SqlError> {
        let mut definitions = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if self.common.iter().any(|common| common.name == name)
                && with.cte_tables.iter().filter(|c| fold(&c.alias.name) == name).count() > 1
            {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                ));
            }
            let sqlite_name = self.fresh("w");
            let names = cte.alias.columns.iter().map(|column| fold(&column.name)).collect::<Vec<_>>();
            let (sql, columns) = match (with.recursive, cte.query.body.as_ref()) {
                (true, SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right })
                    if mentions(&cte.query, &name) =>
                {
                    self.recursive(&cte.query, *set_quantifier, left, right, (&name, &sqlite_name, &names), parent)?
                }
                _ => {
                    let query = self.query(&cte.query, parent)?;
                    outer.extend(query.outer);
                    (query.sql, query.columns)
                }
            };
            let columns = source_columns(columns, &names, &name)?;
            let list = super::select::names(columns.len());
            let once = if super::from::is_volatile(&sql) { "MATERIALIZED " } else { "" };
            definitions.push(format!("{sqlite_name}({list}) AS {once}({sql})"));
            self.common.push(CommonTable { name, sqlite_name, columns });
        }
        Ok(format!("WITH RECURSIVE {} ", definitions.join(", ")))
    }

    fn recursive(
        &mut self,
        query: &Query,
        quantifier: SetQuantifier,
        left: &SetExpr,
        right: &SetExpr,
        (name, sqlite_name, names): (&str, &str, &[String]),
        parent: Option<&Scope<'_>>,
    ) -> Result<(String, Vec<OutputColumn>), SqlError> {
        if query.order_by.is_some() || query.limit_clause.is_some() || query.with.is_some() {
            return Err(SqlError::unsupported("ORDER BY, LIMIT or WITH in a recursive query"));
        }
        let base = self.body(left, &[], parent)?;
        let columns = source_columns(base.columns.clone(), names, name)?;
        self.common.push(CommonTable { name: name.to_owned(), sqlite_name: sqlite_name.to_owned(), columns });
        let step = self.open_body(right, parent);
        self.common.pop();
        let step = step?;
        if step.columns.len() != base.columns.len() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "each UNION query must have the same number of columns"));
        }
        let mut list = Vec::new();
        for (index, (a, b)) in base.columns.iter().zip(&step.columns).enumerate() {
            let ty = common_type("UNION", &[&a.ty, &b.ty])?;
            if ty != a.ty {
                return Err(SqlError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        index + 1,
                        a.ty.display(),
                        ty.display()
                    ),
                ));
            }
            let from = if b.ty == PgType::Unknown { PgType::Text } else { b.ty.clone() };
            let typed = Typed::new(format!("k{}", index + 1), from);
            list.push(self.convert(typed, &ty, super::cast::Context::Explicit)?.sql);
        }
        let word = if quantifier == SetQuantifier::All { "UNION ALL" } else { "UNION" };
        // SQLite needs the recursive table in the FROM of the second member itself; the conversions wrap it only
        // where there are any.
        let plain = list.iter().enumerate().all(|(index, sql)| *sql == format!("k{}", index + 1));
        let step_sql = if plain {
            step.sql
        } else {
            return Err(SqlError::unsupported("a recursive query that needs a conversion; cast its columns, it"));
        };
        Ok((format!("{} {word} {step_sql}", base.sql), base.columns))
    }
}

/// True if a query's text reads a name: SQLite has to know what is recursive.
fn mentions(query: &Query, name: &str) -> bool {
    let text = query.to_string().to_ascii_lowercase();
    text.contains(&name.to_ascii_lowercase())
}

fn source_columns(columns: Vec<OutputColumn>, names: &[String], table: &str) -> Result<Vec<SourceColumn>, SqlError> {
    if names.len() > columns.len() {
        return Err(SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            format!(
                "WITH query \"{table}\" has {} columns available but {} columns specified",
                columns.len(),
                names.len()
            ),
        ));
    }
    Ok(columns
        .into_iter()
        .enumerate()
        .map(|(index, column)| SourceColumn {
            name: names.get(index).cloned().unwrap_or(column.name),
            ty: column.ty,
            sql: format!("k{}", index + 1),
        })
        .collect())
}
