//! FROM: tables, subqueries, series, and their joins.

use lake_dialect::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias,
    TableFactor, TableWithJoins,
};
use lake_dialect::{SqlError, fold, object_name, sqlstate};

use super::binder::{Binder, Clause, check_schema, undefined_table};
use super::pg_type::PgType;
use super::scope::{MergedColumn, Scope, Source, SourceColumn};
use super::typed::Typed;
use crate::schema::Table;

/// The columns of a table under a name that is fresh in SQLite.
pub(crate) fn table_source(table: &Table, alias: String, sqlite_alias: &str) -> Source {
    let columns = table
        .columns
        .iter()
        .map(|column| SourceColumn {
            name: column.name.clone(),
            ty: PgType::of_column(&column.column_type),
            sql: format!("{sqlite_alias}.{}", column.sqlite_name()),
        })
        .collect();
    let key = table.primary_key.iter().flat_map(|key| &key.columns);
    let key = key.filter_map(|id| table.columns.iter().position(|column| column.id == *id)).collect();
    Source { alias, columns, key }
}

/// A row per element of an array, as column `k1`.
pub(crate) fn unnest_sql(array: &str) -> String {
    format!(
        "WITH RECURSIVE u(i) AS (SELECT 1 WHERE pg_array_count({array}) > 0 UNION ALL SELECT i + 1 FROM u \
         WHERE i < pg_array_count({array})) SELECT pg_array_get({array}, i) AS k1 FROM u"
    )
}

impl Binder<'_> {
    /// The FROM clause: its SQLite text, with the sources put into the scope.
    pub(crate) fn tables(&mut self, from: &[TableWithJoins], scope: &mut Scope<'_>) -> Result<String, SqlError> {
        let mut items = Vec::new();
        for item in from {
            let sql = self.table_with_joins(item, scope)?;
            // SQLite joins from left to right; what stands between two commas is joined first.
            let reaches_left = sql.contains(" RIGHT JOIN ") || sql.contains(" FULL JOIN ");
            items.push(if from.len() > 1 && reaches_left { format!("({sql})") } else { sql });
        }
        Ok(items.join(" CROSS JOIN "))
    }

    fn table_with_joins(&mut self, item: &TableWithJoins, scope: &mut Scope<'_>) -> Result<String, SqlError> {
        let first = scope.sources.len();
        let mut sql = self.table_factor(&item.relation, scope)?;
        for join in &item.joins {
            let before = scope.sources.len();
            let right = self.table_factor(&join.relation, scope)?;
            let (word, constraint) = match &join.join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => ("JOIN", constraint),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => ("LEFT JOIN", constraint),
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => ("RIGHT JOIN", constraint),
                JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
                JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
                other => return Err(SqlError::unsupported(format!("this kind of join ({other:?})"))),
            };
            let on = match constraint {
                JoinConstraint::None if word == "CROSS JOIN" => String::new(),
                JoinConstraint::None => {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "a join needs ON or USING"));
                }
                JoinConstraint::On(condition) => {
                    if word == "FULL JOIN" && !can_be_full(condition) {
                        return Err(SqlError::new(
                            sqlstate::FEATURE_NOT_SUPPORTED,
                            "FULL JOIN is only supported with merge-joinable or hash-joinable join conditions",
                        ));
                    }
                    let condition = self.within(Clause::Plain("JOIN conditions"), |binder| {
                        binder.condition(condition, &joined_part(scope, first), "JOIN/ON")
                    })?;
                    format!(" ON {}", condition.sql)
                }
                JoinConstraint::Using(columns) => {
                    let names = columns
                        .iter()
                        .map(|name| object_name(name).map(|(_, name)| name))
                        .collect::<Result<Vec<_>, _>>()?;
                    self.merge(&names, first, before, word, scope)?
                }
                JoinConstraint::Natural => {
                    let names = common_names(scope, first, before);
                    self.merge(&names, first, before, word, scope)?
                }
            };
            sql = format!("{sql} {word} {right}{on}");
        }
        Ok(sql)
    }

    /// Joins columns of one name into one, and gives the condition.
    fn merge(
        &mut self,
        names: &[String],
        first: usize,
        before: usize,
        word: &str,
        scope: &mut Scope<'_>,
    ) -> Result<String, SqlError> {
        let mut conditions = Vec::new();
        let mut merged = Vec::new();
        for name in names {
            let left = merged_or_column(scope, first..before, name)?;
            let right = merged_or_column(scope, before..scope.sources.len(), name)?;
            let (left_typed, right_typed) = (
                Typed::new(left.column.sql.clone(), left.column.ty.clone()),
                Typed::new(right.column.sql.clone(), right.column.ty.clone()),
            );
            let equal = self.compare(left_typed, "=", right_typed)?;
            conditions.push(equal.sql);
            let ty = super::cast::common_type("JOIN/USING", &[&left.column.ty, &right.column.ty])?;
            let sql = match word {
                "RIGHT JOIN" => right.column.sql.clone(),
                "FULL JOIN" => format!("coalesce({}, {})", left.column.sql, right.column.sql),
                _ => left.column.sql.clone(),
            };
            let column = SourceColumn { name: name.clone(), ty, sql };
            merged.push(MergedColumn { column, of: left.of.into_iter().chain(right.of).collect() });
        }
        scope.merged.extend(merged);
        if conditions.is_empty() { Ok(" ON 1".to_owned()) } else { Ok(format!(" ON {}", conditions.join(" AND "))) }
    }

    fn table_factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Result<String, SqlError> {
        match factor {
            TableFactor::Table {
                name, alias, args: None, version: None, with_ordinality: false, sample: None, ..
            } => self.named_table(name, alias.as_ref(), scope),
            TableFactor::Table { name, alias, args: Some(args), with_ordinality: false, .. } => {
                let arguments = args.args.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
                self.table_function(name, &arguments, alias.as_ref(), scope)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. } => {
                let arguments = array_exprs.iter().collect::<Vec<_>>();
                let name = ObjectName::from(vec![lake_dialect::ast::Ident::new("unnest")]);
                self.table_function(&name, &arguments, alias.as_ref(), scope)
            }
            TableFactor::Function { lateral: false, name, args, alias } => {
                let arguments = args.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
                self.table_function(name, &arguments, alias.as_ref(), scope)
            }
            TableFactor::Derived { lateral: true, .. } | TableFactor::Function { lateral: true, .. } => {
                Err(SqlError::unsupported("LATERAL"))
            }
            TableFactor::Derived { subquery, alias, .. } => {
                // A subquery in FROM sees the queries around this one, but not its neighbours.
                let query = self.query(subquery, scope.parent)?;
                let sqlite_alias = self.fresh("d");
                let columns = query.columns.iter().enumerate().map(|(index, column)| SourceColumn {
                    name: column.name.clone(),
                    ty: column.ty.clone(),
                    sql: format!("{sqlite_alias}.k{}", index + 1),
                });
                let (name, columns) = rename(alias.as_ref(), &sqlite_alias, columns.collect())?;
                scope.add(Source { alias: name, columns, key: Vec::new() })?;
                if is_volatile(&query.sql) {
                    // Else SQLite may put the expression wherever its column is read, and compute it each time.
                    let fence = self.fresh("v");
                    let sql = query.sql;
                    return Ok(format!(
                        "(WITH {fence} AS MATERIALIZED ({sql}) SELECT * FROM {fence}) AS {sqlite_alias}"
                    ));
                }
                Ok(format!("({}) AS {sqlite_alias}", query.sql))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                Ok(format!("({})", self.table_with_joins(table_with_joins, scope)?))
            }
            other => Err(SqlError::unsupported(format!("{other} in FROM"))),
        }
    }

    fn named_table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Result<String, SqlError> {
        let (schema, table_name) = object_name(name)?;
        let sqlite_alias = self.fresh("r");
        if schema.is_none()
            && let Some(common) = self.common.iter().rev().find(|common| common.name == table_name).cloned()
        {
            let columns = common.columns.iter().enumerate().map(|(index, column)| SourceColumn {
                sql: format!("{sqlite_alias}.k{}", index + 1),
                ..column.clone()
            });
            let (name, columns) = rename(alias, &table_name, columns.collect())?;
            scope.add(Source { alias: name, columns, key: Vec::new() })?;
            return Ok(format!("{} AS {sqlite_alias}", common.sqlite_name));
        }
        check_schema(schema.as_deref(), &table_name)?;
        let table = self.catalog.table(&table_name).cloned().ok_or_else(|| undefined_table(&table_name))?;
        let mut source = table_source(&table, table_name.clone(), &sqlite_alias);
        let (name, columns) = rename(alias, &table_name, source.columns)?;
        source.alias = name;
        source.columns = columns;
        scope.add(source)?;
        Ok(format!("{} AS {sqlite_alias}", table.sqlite_name()))
    }

    fn table_function(
        &mut self,
        name: &ObjectName,
        arguments: &[&Expr],
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Result<String, SqlError> {
        let (_, function) = object_name(name)?;
        let outer = Scope::inside(scope.parent);
        let mut values = Vec::new();
        self.within(Clause::Plain("functions in FROM"), |binder| {
            for argument in arguments {
                values.push(binder.expression(argument, &outer)?);
            }
            Ok(())
        })?;
        let (sql, ty) = match function.as_str() {
            "generate_series" => self.series(values)?,
            "unnest" => {
                let [array] = values.as_slice() else {
                    return Err(SqlError::unsupported("unnest() of several arrays"));
                };
                let PgType::Array(element) = array.ty.clone() else {
                    return Err(SqlError::new(sqlstate::AMBIGUOUS_FUNCTION, "function unnest(unknown) is not unique"));
                };
                (unnest_sql(&array.sql), *element)
            }
            other => return Err(SqlError::unsupported(format!("function {other}() in FROM"))),
        };
        let sqlite_alias = self.fresh("f");
        // A function's single column takes the name of its alias.
        let column_name = alias.map_or(function.clone(), |alias| fold(&alias.name));
        let columns = vec![SourceColumn { name: column_name, ty, sql: format!("{sqlite_alias}.k1") }];
        let (name, columns) = rename(alias, &function, columns)?;
        scope.add(Source { alias: name, columns, key: Vec::new() })?;
        Ok(format!("({sql}) AS {sqlite_alias}"))
    }

    /// `generate_series(start, stop [, step])` as column `k1`.
    fn series(&mut self, values: Vec<Typed>) -> Result<(String, PgType), SqlError> {
        if !(2..=3).contains(&values.len()) {
            return Err(super::function::undefined("generate_series", &values));
        }
        let bounds = &values[..2];
        let temporal =
            bounds.iter().any(|value| matches!(value.ty, PgType::Date | PgType::Timestamp | PgType::TimestampTz));
        if temporal {
            let tz = bounds.iter().any(|value| matches!(value.ty, PgType::TimestampTz | PgType::Date));
            let ty = if tz { PgType::TimestampTz } else { PgType::Timestamp };
            let [start, stop, step] = values.as_slice() else {
                return Err(super::function::undefined("generate_series", &values));
            };
            let start = self.coerce(start.clone(), &ty)?.sql;
            let stop = self.coerce(stop.clone(), &ty)?.sql;
            let step = self.coerce(step.clone(), &PgType::Interval)?.sql;
            let sql = format!(
                "WITH RECURSIVE g(k1) AS (SELECT {start} WHERE pg_series_holds({start}, {stop}, {step}) UNION ALL \
                 SELECT pg_timestamp_add(k1, {step}, 1) FROM g \
                 WHERE pg_series_holds(pg_timestamp_add(k1, {step}, 1), {stop}, {step})) SELECT k1 FROM g"
            );
            return Ok((sql, ty));
        }
        let (values, ty) = self.unify("generate_series", values)?;
        if !matches!(ty, PgType::Int4 | PgType::Int8) {
            return Err(SqlError::unsupported(format!("generate_series of type {}", ty.display())));
        }
        let (start, stop) = (&values[0].sql, &values[1].sql);
        let step = values.get(2).map_or("1", |step| step.sql.as_str());
        let sql = format!(
            "WITH RECURSIVE g(k1) AS (SELECT {start} WHERE pg_series_begins({start}, {stop}, {step}) UNION ALL \
             SELECT k1 + {step} FROM g WHERE pg_series_begins(k1 + {step}, {stop}, {step})) SELECT k1 FROM g"
        );
        Ok((sql, ty))
    }
}

/// What ON can see: the tables of its own item of FROM, not those before the comma.
fn joined_part<'p>(scope: &Scope<'p>, first: usize) -> Scope<'p> {
    let merged = scope.merged.iter().filter(|merged| merged.of.iter().all(|(source, _)| *source >= first));
    let shifted = merged.map(|merged| MergedColumn {
        column: merged.column.clone(),
        of: merged.of.iter().map(|(source, column)| (source - first, *column)).collect(),
    });
    Scope {
        level: scope.level,
        sources: scope.sources[first..].to_vec(),
        merged: shifted.collect(),
        parent: scope.parent,
        ..Scope::default()
    }
}

/// Postgres makes full joins only where an equality pairs the rows; so do other engines.
fn can_be_full(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => can_be_full(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => can_be_full(left) || can_be_full(right),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Eq,
        Expr::Value(_) => true,
        _ => false,
    }
}

/// True if an expression in it has another value each time.
pub(super) fn is_volatile(sql: &str) -> bool {
    sql.contains("pg_random") || sql.contains("pg_nextval")
}

fn argument(argument: &FunctionArg) -> Result<&Expr, SqlError> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(SqlError::unsupported(format!("the argument {other}"))),
    }
}

/// Applies an alias and its column names.
fn rename(
    alias: Option<&TableAlias>,
    name: &str,
    mut columns: Vec<SourceColumn>,
) -> Result<(String, Vec<SourceColumn>), SqlError> {
    let Some(alias) = alias else {
        return Ok((name.to_owned(), columns));
    };
    let name = fold(&alias.name);
    if alias.columns.len() > columns.len() {
        return Err(SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            format!(
                "table \"{name}\" has {} columns available but {} columns specified",
                columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for (column, given) in columns.iter_mut().zip(&alias.columns) {
        if given.data_type.is_some() {
            return Err(SqlError::unsupported("a column definition list in FROM"));
        }
        column.name = fold(&given.name);
    }
    Ok((name, columns))
}

fn common_names(scope: &Scope<'_>, first: usize, before: usize) -> Vec<String> {
    let mut names = Vec::new();
    for column in scope.sources[first..before].iter().flat_map(|source| &source.columns) {
        let also = scope.sources[before..].iter().any(|source| source.columns.iter().any(|c| c.name == column.name));
        if also && !names.contains(&column.name) {
            names.push(column.name.clone());
        }
    }
    names
}

fn merged_or_column(scope: &Scope<'_>, range: std::ops::Range<usize>, name: &str) -> Result<MergedColumn, SqlError> {
    let in_range = |merged: &&MergedColumn| merged.of.iter().all(|(source, _)| range.contains(source));
    if let Some(merged) = scope.merged.iter().rev().filter(in_range).find(|merged| merged.column.name == name) {
        return Ok(merged.clone());
    }
    let mut found = None;
    for source in range {
        for (at, column) in scope.sources[source].columns.iter().enumerate() {
            if column.name == name {
                if found.is_some() {
                    return Err(SqlError::new(
                        sqlstate::AMBIGUOUS_COLUMN,
                        format!("common column name \"{name}\" appears more than once in left table"),
                    ));
                }
                found = Some(MergedColumn { column: column.clone(), of: vec![(source, at)] });
            }
        }
    }
    found.ok_or_else(|| {
        SqlError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{name}\" specified in USING clause does not exist in left table"),
        )
    })
}
