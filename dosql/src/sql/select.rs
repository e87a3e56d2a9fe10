//! Queries: SELECT, VALUES, set operations, WITH. Their output columns are always named `k1`, `k2`, … in SQLite.

use lake_dialect::ast::{
    Distinct, Expr, LimitClause, NamedWindowExpr, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Value, Values,
};
use lake_dialect::{SqlError, column_name, fold, object_name, sqlstate};

use super::binder::{Binder, Clause};
use super::cast::common_type;
use super::limits::QUERY_DEPTH_MAX;
use super::ordering::{order_by_outputs, sort_key, written_out};
use super::pg_type::PgType;
use super::scope::Scope;
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

/// One body of a query before ORDER BY and LIMIT.
pub(super) struct Body {
    pub(super) sql: String,
    pub(super) columns: Vec<OutputColumn>,
    pub(super) outer: Vec<ColumnUse>,
    pub(super) single_row: bool,
    /// ORDER BY was put into the text already.
    pub(super) ordered: bool,
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
            self.locks_rows = true;
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
            sql = format!(
                "SELECT {} FROM ({sql}){}",
                names(body.columns.len()),
                order_by_outputs(order_by, &body.columns)?
            );
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

    pub(super) fn body(
        &mut self,
        body: &SetExpr,
        order_by: &[OrderByExpr],
        parent: Option<&Scope<'_>>,
    ) -> Result<Body, SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by, parent),
            SetExpr::Query(query) => {
                let query = self.query(query, parent)?;
                let sql = format!("SELECT * FROM ({})", query.sql);
                Ok(Body {
                    sql,
                    columns: query.columns,
                    outer: query.outer,
                    single_row: query.single_row,
                    ordered: false,
                })
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
        // Of values that are equal and print differently (1.5, 1.50) the first is kept; SQLite's UNION may keep either.
        let keeps_first = word == "UNION" && outputs.iter().any(|output| output.ty.collation().is_some());
        let sql = format!(
            "SELECT {} FROM ({}) {} SELECT {} FROM ({})",
            lefts.join(", "),
            left.sql,
            if keeps_first { "UNION ALL" } else { word },
            rights.join(", "),
            right.sql
        );
        let sql = if keeps_first {
            let columns = outputs.iter().enumerate().map(|(index, output)| {
                let column = format!("k{}", index + 1);
                format!("{} AS {column}", Typed::new(column.clone(), output.ty.clone()).collated())
            });
            format!("SELECT DISTINCT {} FROM ({sql})", columns.collect::<Vec<_>>().join(", "))
        } else {
            sql
        };
        let outer = left.outer.into_iter().chain(right.outer).collect();
        Ok(Body { sql: format!("SELECT * FROM ({sql})"), columns: outputs, outer, single_row: false, ordered: false })
    }

    /// A side of a set operation: its open literals stay open.
    pub(super) fn open_body(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>) -> Result<Body, SqlError> {
        match body {
            SetExpr::Select(select) => self.select_with(select, &[], parent, true),
            other => self.body(other, &[], parent),
        }
    }

    fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderByExpr],
        parent: Option<&Scope<'_>>,
    ) -> Result<Body, SqlError> {
        self.select_with(select, order_by, parent, false)
    }

    fn select_with(
        &mut self,
        select: &Select,
        order_by: &[OrderByExpr],
        parent: Option<&Scope<'_>>,
        keep_open: bool,
    ) -> Result<Body, SqlError> {
        if select.top.is_some() || select.into.is_some() || select.qualify.is_some() || !select.lateral_views.is_empty()
        {
            return Err(SqlError::unsupported("this form of SELECT"));
        }
        let mut scope = Scope::inside(parent);
        for window in &select.named_window {
            match &window.1 {
                NamedWindowExpr::WindowSpec(spec) => scope.windows.push((fold(&window.0), spec.clone())),
                NamedWindowExpr::NamedWindow(_) => return Err(SqlError::unsupported("a window named after another")),
            }
        }
        let from = self.tables(&select.from, &mut scope)?;
        let filter = match &select.selection {
            Some(condition) => Some(self.within(Clause::Plain("WHERE"), |b| b.condition(condition, &scope, "WHERE"))?),
            None => None,
        };
        let grouped = self.group_by(select, &mut scope)?;
        let mut outputs = self.projection(&select.projection, &scope)?;
        for (_, typed) in &mut outputs {
            let stays_open = keep_open && !matches!(typed.literal, Some(Literal::Parameter(_)));
            if typed.ty == PgType::Unknown && !stays_open {
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
        let parts =
            outputs.iter().map(|(_, typed)| typed).chain(&having).chain(keys.iter().map(|(key, _)| key)).chain(&on);
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

    /// The output list, `*` written out.
    pub(crate) fn projection(
        &mut self,
        items: &[SelectItem],
        scope: &Scope<'_>,
    ) -> Result<Vec<(String, Typed)>, SqlError> {
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
}

/// `k1, k2, …`
pub(crate) fn names(count: usize) -> String {
    (1..=count).map(|index| format!("k{index}")).collect::<Vec<_>>().join(", ")
}
