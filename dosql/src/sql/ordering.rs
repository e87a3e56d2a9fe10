//! ORDER BY, GROUP BY and DISTINCT ON: keys that name outputs, number them, or are expressions of their own.

use lake_dialect::ast::{Expr, GroupByExpr, OrderByExpr, OrderByOptions, Select, SelectItem, UnaryOperator, Value};
use lake_dialect::{SqlError, fold, sqlstate};

use super::binder::{Binder, Clause};
use super::pg_type::PgType;
use super::scope::Scope;
use super::select::OutputColumn;
use super::typed::Typed;

/// The direction of an ORDER BY item, NULLs where Postgres puts them.
pub(super) fn direction(options: &OrderByOptions) -> &'static str {
    let descending = options.asc == Some(false);
    match (descending, options.nulls_first.unwrap_or(descending)) {
        (false, false) => " ASC NULLS LAST",
        (false, true) => " ASC NULLS FIRST",
        (true, false) => " DESC NULLS LAST",
        (true, true) => " DESC NULLS FIRST",
    }
}

/// A key of GROUP BY or ORDER BY. A bare integer would be the number of an output column for SQLite.
pub(super) fn sort_key(typed: &Typed) -> String {
    // SQLite folds some constants to integers before it looks. Columns have a dot, outputs are `k` and a number.
    let is_output = typed.sql.strip_prefix('k').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if typed.columns.is_empty() && !is_output && !typed.sql.contains('.') && !typed.sql.contains("pg_random") {
        return format!("({} + 0)", typed.sql);
    }
    typed.collated()
}

/// A key that names an output column, as the expression it stands for.
pub(super) fn written_out(key: &Typed, outputs: &[(String, Typed)]) -> Typed {
    let number = key.sql.strip_prefix('k').and_then(|number| number.parse::<usize>().ok());
    match number.and_then(|number| outputs.get(number - 1)) {
        Some((_, output)) => output.clone(),
        None => key.clone(),
    }
}

impl Binder<'_> {
    /// DISTINCT ON: what ORDER BY has to begin with.
    pub(super) fn distinct_on(
        &mut self,
        exprs: &[Expr],
        outputs: &[(String, Typed)],
        keys: &[(Typed, &'static str)],
        scope: &Scope<'_>,
    ) -> Result<Vec<Typed>, SqlError> {
        let mut on = Vec::new();
        for expr in exprs {
            let same = |a: usize, b: usize| outputs[a].1.sql == outputs[b].1.sql;
            on.push(match output_named(expr, outputs.iter().map(|(name, _)| name.as_str()), same)? {
                Some(index) => outputs[index].1.clone(),
                None => self.within(Clause::Output, |binder| binder.settled(expr, scope))?,
            });
        }
        let mut first = keys.iter().map(|(key, _)| written_out(key, outputs).sql).take(on.len());
        if !first.all(|key| on.iter().any(|typed| typed.sql == key)) {
            return Err(SqlError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
            ));
        }
        Ok(on)
    }

    /// GROUP BY: numbers and output names mean output columns.
    pub(super) fn group_by(&mut self, select: &Select, scope: &mut Scope<'_>) -> Result<Vec<Typed>, SqlError> {
        let exprs = match &select.group_by {
            GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
            _ => return Err(SqlError::unsupported("this form of GROUP BY")),
        };
        let mut grouped = Vec::new();
        for expr in exprs {
            let meant = match expr {
                literal if number_literal(literal).is_some() => {
                    let digits = number_literal(literal).unwrap_or_default();
                    Some(self.nth_output(&digits, &select.projection, "GROUP BY")?)
                }
                Expr::Value(value) if !matches!(value.value, Value::Placeholder(_)) => {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "non-integer constant in GROUP BY"));
                }
                // A column of the tables goes before an output of the same name.
                Expr::Identifier(ident) if scope.column(None, &fold(ident)).is_err() => {
                    let name = fold(ident);
                    select.projection.iter().find_map(|item| match item {
                        SelectItem::ExprWithAlias { expr, alias } if fold(alias) == name => Some(expr),
                        _ => None,
                    })
                }
                Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                    return Err(SqlError::unsupported("GROUPING SETS, CUBE and ROLLUP"));
                }
                _ => None,
            };
            let typed = self.within(Clause::Plain("GROUP BY"), |b| b.settled(meant.unwrap_or(expr), scope))?;
            if typed.ty == PgType::Json {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    "could not identify an equality operator for type json",
                ));
            }
            grouped.push(typed);
        }
        scope.groups = grouped.iter().map(|typed| typed.sql.clone()).collect();
        Ok(grouped)
    }

    fn nth_output<'a>(&self, digits: &str, projection: &'a [SelectItem], clause: &str) -> Result<&'a Expr, SqlError> {
        if digits.parse::<i32>().is_err() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, format!("non-integer constant in {clause}")));
        }
        let index = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match index.and_then(|index| projection.get(index)) {
            Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => Ok(expr),
            Some(_) => Err(SqlError::unsupported(format!("{clause} by the number of a column behind *"))),
            None => Err(SqlError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!("{clause} position {digits} is not in select list"),
            )),
        }
    }

    /// ORDER BY of a SELECT: a name or number means an output column, an expression reads the tables.
    pub(super) fn order_keys(
        &mut self,
        order_by: &[OrderByExpr],
        outputs: &[(String, Typed)],
        scope: &Scope<'_>,
        distinct: bool,
    ) -> Result<Vec<(Typed, &'static str)>, SqlError> {
        let mut keys = Vec::new();
        for item in order_by {
            let same = |a: usize, b: usize| outputs[a].1.sql == outputs[b].1.sql;
            let key = match output_named(&item.expr, outputs.iter().map(|(name, _)| name.as_str()), same)? {
                Some(index) => Typed { sql: format!("k{}", index + 1), ..outputs[index].1.clone() },
                None => {
                    let key = self.within(Clause::Output, |binder| binder.settled(&item.expr, scope))?;
                    if distinct && !outputs.iter().any(|(_, output)| output.sql == key.sql) {
                        return Err(SqlError::new(
                            sqlstate::INVALID_COLUMN_REFERENCE,
                            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                        ));
                    }
                    key
                }
            };
            key.check_ordered()?;
            keys.push((key, direction(&item.options)));
        }
        Ok(keys)
    }
}

/// The digits of a number, with its sign: what GROUP BY and ORDER BY take for the number of a column.
fn number_literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) => number_literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number_literal(expr).map(|digits| format!("-{digits}")),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The output column that an ORDER BY item names or numbers.
fn output_named<'a>(
    expr: &Expr,
    names: impl Iterator<Item = &'a str>,
    same: impl Fn(usize, usize) -> bool,
) -> Result<Option<usize>, SqlError> {
    if let Some(digits) = number_literal(expr) {
        if digits.parse::<i32>().is_err() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "non-integer constant in ORDER BY"));
        }
        let count = names.count();
        return match digits
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|index| *index < count)
        {
            Some(index) => Ok(Some(index)),
            None => Err(SqlError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                format!("ORDER BY position {digits} is not in select list"),
            )),
        };
    }
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(_) => Ok(None),
            _ => Err(SqlError::new(sqlstate::SYNTAX_ERROR, "non-integer constant in ORDER BY")),
        },
        Expr::Identifier(ident) => {
            let name = fold(ident);
            let found = names.enumerate().filter(|(_, output)| *output == name).map(|(index, _)| index);
            let found = found.collect::<Vec<_>>();
            if found.iter().any(|index| !same(found[0], *index)) {
                return Err(SqlError::new(sqlstate::AMBIGUOUS_COLUMN, format!("ORDER BY \"{name}\" is ambiguous")));
            }
            Ok(found.first().copied())
        }
        _ => Ok(None),
    }
}

/// ORDER BY of a set operation or VALUES: output columns only.
pub(super) fn order_by_outputs(order_by: &[OrderByExpr], columns: &[OutputColumn]) -> Result<String, SqlError> {
    let mut keys = Vec::new();
    for item in order_by {
        let index = output_named(&item.expr, columns.iter().map(|column| column.name.as_str()), |a, b| a == b)?
            .ok_or_else(|| {
                SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .with_detail("Only result column names can be used, not expressions or functions.")
            })?;
        let key = Typed::new(format!("k{}", index + 1), columns[index].ty.clone());
        key.check_ordered()?;
        keys.push(format!("{}{}", key.collated(), direction(&item.options)));
    }
    Ok(format!(" ORDER BY {}", keys.join(", ")))
}
