//! Queries: SELECT, VALUES, set operations, WITH. Their output columns are always named `k1`, `k2`, … in SQLite.

use lake_dialect::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, NamedWindowExpr, OrderByExpr, OrderByKind, OrderByOptions, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, UnaryOperator, Value, Values, With,
};
use lake_dialect::{SqlError, column_name, fold, object_name, sqlstate};

use super::binder::{Binder, Clause, CommonTable};
use super::cast::common_type;
use super::limits::QUERY_DEPTH_MAX;
use super::pg_type::PgType;
use super::scope::{Scope, SourceColumn};
use super::typed::{ColumnUse, Literal, Typed};

/// An output column.
#[derive(Clone, Debug)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) ty: PgType,
}

/// A translated query.
#[derive(Clone, Debug)]
pub(crate) struct TranslatedQuery {
    pub(crate) sql: String,
    pub(crate) columns: Vec<OutputColumn>,
    /// Columns of the queries around it that it reads.
    pub(crate) outer: Vec<ColumnUse>,
    /// It cannot return a second row.
    pub(crate) single_row: bool,
}

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
fn sort_key(typed: &Typed) -> String {
    // SQLite folds some constants to integers before it looks. Columns have a dot, outputs are `k` and a number.
    let is_output = typed.sql.strip_prefix('k').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if typed.columns.is_empty() && !is_output && !typed.sql.contains('.') && !typed.sql.contains("pg_random") {
        return format!("({} + 0)", typed.sql);
    }
    typed.collated()
}

/// A key that names an output column, as the expression it stands for.
fn written_out(key: &Typed, outputs: &[(String, Typed)]) -> Typed {
    let number = key.sql.strip_prefix('k').and_then(|number| number.parse::<usize>().ok());
    match number.and_then(|number| outputs.get(number - 1)) {
        Some((_, output)) => output.clone(),
        None => key.clone(),
    }
}

/// One body of a query before ORDER BY and LIMIT.
struct Body {
    sql: String,
    columns: Vec<OutputColumn>,
    outer: Vec<ColumnUse>,
    single_row: bool,
    /// ORDER BY was put into the text already.
    ordered: bool,
}

impl Binder<'_> {
    /// A query inside of an expression.
    pub(crate) fn subquery(&mut self, query: &Query, scope: &Scope<'_>) -> Result<TranslatedQuery, SqlError> {
        let clause = std::mem::replace(&mut self.clause, Clause::Output);
        let translated = self.query(query, Some(scope));
        self.clause = clause;
        translated
    }

    /// A query, inside of others or on its own.
    pub(crate) fn query(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<TranslatedQuery, SqlError> {
        if self.depth >= QUERY_DEPTH_MAX {
            return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "queries are nested too deeply"));
        }
        self.depth += 1;
        let common_before = self.common.len();
        let translated = self.query_inner(query, parent);
        self.common.truncate(common_before);
        self.depth -= 1;
        translated
    }

    fn query_inner(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<TranslatedQuery, SqlError> {
        if !query.locks.is_empty() {
            // One writer at a time: every row a transaction reads stays as it is until it ends.
            if query.locks.iter().any(|lock| lock.nonblock.is_some()) {
                return Err(SqlError::unsupported("NOWAIT and SKIP LOCKED"));
            }
        }
        if query.for_clause.is_some() || query.settings.is_some() || !query.pipe_operators.is_empty() {
            return Err(SqlError::unsupported("this form of query"));
        }
        let mut outer = Vec::new();
        let with = match &query.with {
            Some(with) => self.with_clause(with, parent, &mut outer)?,
            None => String::new(),
        };
        let order_by = match &query.order_by {
            None => &[][..],
            Some(order_by) => match &order_by.kind {
                OrderByKind::Expressions(items) => items.as_slice(),
                OrderByKind::All(_) => return Err(SqlError::unsupported("ORDER BY ALL")),
            },
        };
        let mut body = self.body(&query.body, order_by, parent)?;
        outer.append(&mut body.outer);
        let mut sql = body.sql;
        if !order_by.is_empty() && !body.ordered {
            sql = format!("SELECT {} FROM ({sql}){}", names(body.columns.len()), order_by_outputs(order_by, &body.columns)?);
        }
        let limit = self.limit(query)?;
        if !limit.is_empty() {
            // LIMIT binds to the whole of a compound; wrapping says so without relying on it.
            sql = format!("{sql}{limit}");
        }
        let single_row = body.single_row || limit.trim() == "LIMIT 1";
        Ok(TranslatedQuery { sql: format!("{with}{sql}"), columns: body.columns, outer, single_row })
    }

    fn limit(&mut self, query: &Query) -> Result<String, SqlError> {
        let empty = Scope::default();
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(_) => return Err(SqlError::unsupported("this form of LIMIT")),
        };
        let fetched;
        let limit = match &query.fetch {
            None => limit,
            Some(fetch) if fetch.with_ties || fetch.percent => {
                return Err(SqlError::unsupported("FETCH … WITH TIES"));
            }
            Some(fetch) => match &fetch.quantity {
                Some(quantity) => Some(quantity),
                None => {
                    fetched = Expr::Value(Value::Number("1".into(), false).into());
                    Some(&fetched)
                }
            },
        };
        let mut count = |expr: &Expr, what: &'static str| {
            self.within(Clause::Plain(what), |binder| {
                let typed = binder.expression(expr, &empty)?;
                let typed = if typed.ty == PgType::Unknown { binder.resolve(typed, &PgType::Int8)? } else { typed };
                binder.convert(typed, &PgType::Int8, super::cast::Context::Assignment).map(|typed| typed.sql)
            })
        };
        let mut sql = String::new();
        match limit {
            Some(Expr::Value(value)) if value.value == Value::Null => {}
            Some(limit) => {
                let text = count(limit, "LIMIT")?;
                sql = if text.parse::<u64>().is_ok() {
                    format!(" LIMIT {text}")
                } else {
                    format!(" LIMIT pg_limit({text}, 'LIMIT')")
                };
            }
            None => {}
        }
        if let Some(offset) = offset {
            let text = count(offset, "OFFSET")?;
            if sql.is_empty() {
                sql = " LIMIT -1".to_owned();
            }
            sql.push_str(&format!(" OFFSET pg_limit({text}, 'OFFSET')"));
        }
        Ok(sql)
    }

    fn body(&mut self, body: &SetExpr, order_by: &[OrderByExpr], parent: Option<&Scope<'_>>) -> Result<Body, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by, parent),
            SetExpr::Query(query) => {
                let query = self.query(query, parent)?;
                let sql = format!("SELECT * FROM ({})", query.sql);
                Ok(Body { sql, columns: query.columns, outer: query.outer, single_row: query.single_row, ordered: false })
            }
            SetExpr::Values(values) => self.values(values, parent),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                self.set_operation(*op, *set_quantifier, left, right, parent)
            }
            SetExpr::Table(_) => Err(SqlError::unsupported("TABLE as a query")),
            _ => Err(SqlError::unsupported("a statement that writes inside of a query")),
        }
    }

    fn values(&mut self, values: &Values, parent: Option<&Scope<'_>>) -> Result<Body, SqlError> {
        let scope = Scope::inside(parent);
        let width = values.rows.first().map_or(0, Vec::len);
        let mut columns = vec![Vec::new(); width];
        let mut outer = Vec::new();
        self.within(Clause::Plain("VALUES"), |binder| {
            for row in &values.rows {
                if row.len() != width {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "VALUES lists must all be the same length"));
                }
                for (column, expr) in columns.iter_mut().zip(row) {
                    column.push(binder.expression(expr, &scope)?);
                }
            }
            Ok(())
        })?;
        let mut texts = vec![Vec::new(); values.rows.len()];
        let mut outputs = Vec::new();
        for (index, column) in columns.into_iter().enumerate() {
            let (items, ty) = self.unify("VALUES", column)?;
            for (row, item) in texts.iter_mut().zip(items) {
                outer.extend(item.columns);
                row.push(item.sql);
            }
            outputs.push(OutputColumn { name: format!("column{}", index + 1), ty });
        }
        let rows = texts.iter().map(|row| format!("({})", row.join(", "))).collect::<Vec<_>>().join(", ");
        let list = (1..=width).map(|index| format!("column{index} AS k{index}")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {list} FROM (VALUES {rows})");
        Ok(Body { sql, columns: outputs, outer, single_row: values.rows.len() < 2, ordered: false })
    }

    fn set_operation(
        &mut self,
        op: SetOperator,
        quantifier: SetQuantifier,
        left: &SetExpr,
        right: &SetExpr,
        parent: Option<&Scope<'_>>,
    ) -> Result<Body, SqlError> {
        if self.depth >= QUERY_DEPTH_MAX {
            return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "queries are nested too deeply"));
        }
        self.depth += 1;
        let sides = self.open_body(left, parent).and_then(|left| Ok((left, self.open_body(right, parent)?)));
        self.depth -= 1;
        let (left, right) = sides?;
        let (word, name) = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => ("UNION ALL", "UNION"),
            (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => ("UNION", "UNION"),
            (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => ("INTERSECT", "INTERSECT"),
            (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => ("EXCEPT", "EXCEPT"),
            (op, quantifier) => return Err(SqlError::unsupported(format!("{op} {quantifier}"))),
        };
        if left.columns.len() != right.columns.len() {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("each {name} query must have the same number of columns"),
            ));
        }
        let mut outputs = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (index, (a, b)) in left.columns.iter().zip(&right.columns).enumerate() {
            let ty = common_type(name, &[&a.ty, &b.ty])?;
            if ty == PgType::Json && word != "UNION ALL" {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    "could not identify an equality operator for type json",
                ));
            }
            let column = format!("k{}", index + 1);
            let mut side = |from: &PgType| -> Result<String, SqlError> {
                let from = if *from == PgType::Unknown { PgType::Text } else { from.clone() };
                let typed = Typed::new(column.clone(), from);
                self.convert(typed, &ty, super::cast::Context::Explicit).map(|typed| typed.collated())
            };
            lefts.push(format!("{} AS {column}", side(&a.ty)?));
            rights.push(format!("{} AS {column}", side(&b.ty)?));
            outputs.push(OutputColumn { name: a.name.clone(), ty });
        }
        let sql = format!(
            "SELECT {} FROM ({}) {word} SELECT {} FROM ({})",
            lefts.join(", "),
            left.sql,
            rights.join(", "),
            right.sql
        );
        let outer = left.outer.into_iter().chain(right.outer).collect();
        Ok(Body { sql: format!("SELECT * FROM ({sql})"), columns: outputs, outer, single_row: false, ordered: false })
    }

    /// A side of a set operation: its open literals stay open.
    fn open_body(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>) -> Result<Body, SqlError> {
        match body {
            SetExpr::Select(select) => self.select_with(select, &[], parent, true),
            other => self.body(other, &[], parent),
        }
    }

    fn select(&mut self, select: &Select, order_by: &[OrderByExpr], parent: Option<&Scope<'_>>) -> Result<Body, SqlError> {
        self.select_with(select, order_by, parent, false)
    }

    fn select_with(
        &mut self,
        select: &Select,
        order_by: &[OrderByExpr],
        parent: Option<&Scope<'_>>,
        keep_open: bool,
    ) -> Result<Body, SqlError> {
        if select.top.is_some() || select.into.is_some() || select.qualify.is_some() || !select.lateral_views.is_empty() {
            return Err(SqlError::unsupported("this form of SELECT"));
        }
        let mut scope = Scope::inside(parent);
        for window in &select.named_window {
            match &window.1 {
                NamedWindowExpr::WindowSpec(spec) => scope.windows.push((fold(&window.0), spec.clone())),
                NamedWindowExpr::NamedWindow(_) => return Err(SqlError::unsupported("a window named after another")),
            }
        }
        let from = self.from_clause(&select.from, &mut scope)?;
        let filter = match &select.selection {
            Some(condition) => Some(self.within(Clause::Plain("WHERE"), |b| b.condition(condition, &scope, "WHERE"))?),
            None => None,
        };
        let grouped = self.group_by(select, &mut scope)?;
        let mut outputs = self.projection(&select.projection, &scope)?;
        for (_, typed) in &mut outputs {
            if typed.ty == PgType::Unknown && !(keep_open && !matches!(typed.literal, Some(Literal::Parameter(_)))) {
                *typed = self.settle(typed.clone())?;
            }
        }
        let having = match &select.having {
            Some(condition) => Some(self.within(Clause::Having, |b| b.condition(condition, &scope, "HAVING"))?),
            None => None,
        };
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let keys = self.order_keys(order_by, &outputs, &scope, distinct)?;
        let on = match &select.distinct {
            Some(Distinct::On(exprs)) => self.distinct_on(exprs, &outputs, &keys, &scope)?,
            _ => Vec::new(),
        };
        let parts = outputs.iter().map(|(_, typed)| typed).chain(&having).chain(keys.iter().map(|(key, _)| key)).chain(&on);
        let aggregated = !grouped.is_empty() || having.is_some() || parts.clone().any(|typed| typed.has_aggregate);
        let mut outer = filter.as_ref().map_or_else(Vec::new, |filter| filter.columns.clone());
        for part in parts {
            if aggregated && let Some(column) = part.columns.iter().find(|column| column.level == scope.level) {
                return Err(SqlError::new(
                    sqlstate::GROUPING_ERROR,
                    format!(
                        "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
                        column.name.trim_start_matches('.')
                    ),
                ));
            }
            outer.extend(part.columns.iter().cloned());
        }
        outer.retain(|column| column.level < scope.level);

        let mut sql = String::from(if distinct { "SELECT DISTINCT " } else { "SELECT " });
        let mut list = Vec::new();
        for (index, (_, typed)) in outputs.iter().enumerate() {
            if distinct && typed.ty == PgType::Json {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    "could not identify an equality operator for type json",
                ));
            }
            let text = if distinct { typed.collated() } else { typed.sql.clone() };
            list.push(format!("{text} AS k{}", index + 1));
        }
        if list.is_empty() {
            return Err(SqlError::unsupported("a SELECT without columns"));
        }
        if !on.is_empty() {
            // The first row of each group, by its number; the keys are kept for the order of the whole.
            let partition = on.iter().map(Typed::collated).collect::<Vec<_>>().join(", ");
            let mut order = Vec::new();
            for (index, (key, direction)) in keys.iter().enumerate() {
                let key = written_out(key, &outputs);
                list.push(format!("{} AS o{index}", key.sql));
                order.push(format!("{}{direction}", sort_key(&key)));
            }
            let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
            list.push(format!("row_number() OVER (PARTITION BY {partition}{order}) AS n"));
        }
        sql.push_str(&list.join(", "));
        if !from.is_empty() {
            sql.push_str(&format!(" FROM {from}"));
        }
        if let Some(filter) = &filter {
            sql.push_str(&format!(" WHERE {}", filter.sql));
        }
        if !grouped.is_empty() {
            sql.push_str(&format!(" GROUP BY {}", grouped.iter().map(sort_key).collect::<Vec<_>>().join(", ")));
        }
        if let Some(having) = &having {
            sql.push_str(&format!(" HAVING {}", having.sql));
        }
        let ordered = !keys.is_empty();
        if !on.is_empty() {
            let order = keys.iter().enumerate().map(|(index, (key, direction))| {
                format!("{}{direction}", Typed::new(format!("o{index}"), key.ty.clone()).collated())
            });
            let order = order.collect::<Vec<_>>().join(", ");
            let order = if ordered { format!(" ORDER BY {order}") } else { String::new() };
            sql = format!("SELECT {} FROM ({sql}) WHERE n = 1{order}", names(outputs.len()));
        } else if ordered {
            let keys = keys.iter().map(|(key, direction)| format!("{}{direction}", sort_key(key))).collect::<Vec<_>>();
            sql.push_str(&format!(" ORDER BY {}", keys.join(", ")));
        }
        let columns = outputs.into_iter().map(|(name, typed)| OutputColumn { name, ty: typed.ty }).collect();
        let single_row = (aggregated && grouped.is_empty()) || (from.is_empty());
        Ok(Body { sql, columns, outer, single_row, ordered })
    }

    /// DISTINCT ON: what ORDER BY has to begin with.
    fn distinct_on(
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
    fn group_by(&mut self, select: &Select, scope: &mut Scope<'_>) -> Result<Vec<Typed>, SqlError> {
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

    /// The output list, `*` written out.
    pub(crate) fn projection(&mut self, items: &[SelectItem], scope: &Scope<'_>) -> Result<Vec<(String, Typed)>, SqlError> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let typed = self.within(Clause::Output, |binder| binder.expression(expr, scope))?;
                    outputs.push((column_name(expr), typed));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    if alias.quote_style == Some('\'') {
                        return Err(SqlError::new(
                            sqlstate::SYNTAX_ERROR,
                            format!("syntax error at or near \"'{}'\"", alias.value),
                        ));
                    }
                    let typed = self.within(Clause::Output, |binder| binder.expression(expr, scope))?;
                    outputs.push((fold(alias), typed));
                }
                SelectItem::Wildcard(options) => {
                    if options.opt_exclude.is_some() || options.opt_except.is_some() || options.opt_replace.is_some() {
                        return Err(SqlError::unsupported("* with options"));
                    }
                    if scope.sources.is_empty() {
                        return Err(SqlError::new(
                            sqlstate::SYNTAX_ERROR,
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    outputs.extend(scope.star());
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let (_, alias) = object_name(name)?;
                    outputs.extend(scope.star_of(&alias)?);
                }
                SelectItem::QualifiedWildcard(..) => return Err(SqlError::unsupported("* of an expression")),
            }
        }
        Ok(outputs)
    }

    /// ORDER BY of a SELECT: a name or number means an output column, an expression reads the tables.
    fn order_keys(
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

    fn with_clause(&mut self, with: &With, parent: Option<&Scope<'_>>, outer: &mut Vec<ColumnUse>) -> Result<String, SqlError> {
        let mut definitions = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if self.common.iter().any(|common| common.name == name) && with.cte_tables.iter().filter(|c| fold(&c.alias.name) == name).count() > 1 {
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
            let list = self::names(columns.len());
            definitions.push(format!("{sqlite_name}({list}) AS ({sql})"));
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
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                "each UNION query must have the same number of columns",
            ));
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
        let step_sql = if plain { step.sql } else { return Err(SqlError::unsupported("a recursive query that needs a conversion; cast its columns, it")) };
        Ok((format!("{} {word} {step_sql}", base.sql), base.columns))
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

/// True if a query's text reads a name: SQLite has to know what is recursive.
fn mentions(query: &Query, name: &str) -> bool {
    let text = query.to_string().to_ascii_lowercase();
    text.contains(&name.to_ascii_lowercase())
}

fn source_columns(columns: Vec<OutputColumn>, names: &[String], table: &str) -> Result<Vec<SourceColumn>, SqlError> {
    if names.len() > columns.len() {
        return Err(SqlError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            format!("WITH query \"{table}\" has {} columns available but {} columns specified", columns.len(), names.len()),
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

/// `k1, k2, …`
pub(crate) fn names(count: usize) -> String {
    (1..=count).map(|index| format!("k{index}")).collect::<Vec<_>>().join(", ")
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
        return match digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < count) {
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
fn order_by_outputs(order_by: &[OrderByExpr], columns: &[OutputColumn]) -> Result<String, SqlError> {
    let mut keys = Vec::new();
    for item in order_by {
        let index = output_named(&item.expr, columns.iter().map(|column| column.name.as_str()), |a, b| a == b)?.ok_or_else(|| {
            SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                .with_detail("Only result column names can be used, not expressions or functions.")
        })?;
        let key = Typed::new(format!("k{}", index + 1), columns[index].ty.clone());
        key.check_ordered()?;
        keys.push(format!("{}{}", key.collated(), direction(&item.options)));
    }
    Ok(format!(" ORDER BY {}", keys.join(", ")))
}
