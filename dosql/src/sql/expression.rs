//! Expressions: names, literals, and the forms with a syntax of their own.

use lake_dialect::ast::{
    AccessExpr, ArrayElemTypeDef, CaseWhen, CeilFloorKind, DataType, DateTimeField, Expr, Ident,
    Interval as IntervalExpr, Subscript, UnaryOperator, Value,
};
use lake_dialect::{SqlError, fold, sqlstate};
use rusqlite::types::Value as SqliteValue;

use super::binder::{Binder, Clause};
use super::cast::common_type;
use super::pg_type::PgType;
use super::scope::Scope;
use super::typed::{Literal, Typed, constant};

impl Binder<'_> {
    /// Translates an expression.
    pub(crate) fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let mut typed = self.translate(expr, scope)?;
        // An expression that GROUP BY names is grouped as a whole, whatever it reads.
        if !typed.columns.is_empty() && scope.groups.contains(&typed.sql) {
            typed.columns.retain(|column| column.level != scope.level);
        }
        Ok(typed)
    }

    /// Translates an expression whose type is settled.
    pub(crate) fn settled(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let typed = self.expression(expr, scope)?;
        self.settle(typed)
    }

    /// Translates a condition.
    pub(crate) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>, what: &str) -> Result<Typed, SqlError> {
        let typed = self.expression(expr, scope)?;
        self.boolean(typed, what)
    }

    pub(crate) fn boolean(&mut self, typed: Typed, what: &str) -> Result<Typed, SqlError> {
        match typed.ty {
            PgType::Bool => Ok(typed),
            PgType::Unknown => self.resolve(typed, &PgType::Bool),
            ref other => Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {}", other.display()),
            )),
        }
    }

    fn translate(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        match expr {
            Expr::Nested(inner) => self.translate(inner, scope),
            Expr::Identifier(ident) => self.name(ident, scope),
            Expr::CompoundIdentifier(parts) => compound_name(parts, scope),
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => {
                let text = self.literal(&typed.value.value)?;
                self.cast_to(text, &typed.data_type)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Cast { expr, data_type, kind, .. } => {
                use lake_dialect::ast::CastKind;
                if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
                    return Err(SqlError::unsupported("TRY_CAST"));
                }
                if let (Expr::Array(array), DataType::Array(ArrayElemTypeDef::SquareBracket(element, _))) =
                    (expr.as_ref(), data_type)
                {
                    let element = super::cast::CastTarget::of(element)?.ty;
                    return self.array(&array.elem, Some(&element), scope);
                }
                let typed = self.translate(expr, scope)?;
                self.cast_to(typed, data_type)
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } if literal_digits(expr).is_some() => {
                // The sign belongs to the literal: the smallest integer has no positive counterpart.
                number(&format!("-{}", literal_digits(expr).unwrap_or("")))
            }
            Expr::UnaryOp { op, expr } => self.unary(op, expr, scope),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope),
            Expr::IsNull(inner) => self.null_test(inner, "IS NULL", scope),
            Expr::IsNotNull(inner) => self.null_test(inner, "IS NOT NULL", scope),
            Expr::IsTrue(inner) => self.truth_test(inner, "IS TRUE", scope),
            Expr::IsNotTrue(inner) => self.truth_test(inner, "IS NOT TRUE", scope),
            Expr::IsFalse(inner) => self.truth_test(inner, "IS FALSE", scope),
            Expr::IsNotFalse(inner) => self.truth_test(inner, "IS NOT FALSE", scope),
            Expr::IsUnknown(inner) => self.truth_test(inner, "IS NULL", scope),
            Expr::IsNotUnknown(inner) => self.truth_test(inner, "IS NOT NULL", scope),
            Expr::IsDistinctFrom(left, right) => self.distinct_test(left, right, "IS NOT", scope),
            Expr::IsNotDistinctFrom(left, right) => self.distinct_test(left, right, "IS", scope),
            Expr::Between { expr, negated, low, high } => {
                let value = self.expression(expr, scope)?;
                let (low, high) = (self.expression(low, scope)?, self.expression(high, scope)?);
                let above = self.compare(value.clone(), ">=", low)?;
                let below = self.compare(value, "<=", high)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::over(&[&above, &below], format!("({not}({} AND {}))", above.sql, below.sql), PgType::Bool))
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope),
            Expr::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated, scope),
            Expr::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, true, scope),
            Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, false, scope),
            Expr::Exists { subquery, negated } => {
                let query = self.subquery(subquery, scope)?;
                let not = if *negated { "NOT " } else { "" };
                let mut typed = Typed::new(format!("({not}EXISTS ({}))", query.sql), PgType::Bool);
                typed.columns = query.outer;
                Ok(typed)
            }
            Expr::Subquery(subquery) => {
                let query = self.subquery(subquery, scope)?;
                let [column] = query.columns.as_slice() else {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "subquery must return only one column"));
                };
                // SQLite takes the first of several rows; Postgres refuses them (21000).
                let sql = if query.single_row {
                    format!("({})", query.sql)
                } else {
                    let alias = self.fresh("s");
                    format!(
                        "(SELECT pg_only_row({alias}.k1, COUNT(*)) FROM (SELECT k1 FROM ({}) LIMIT 2) AS {alias})",
                        query.sql
                    )
                };
                let mut typed = Typed::new(sql, column.ty.clone());
                typed.columns = query.outer;
                Ok(typed)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like("pg_like", expr, pattern, escape_char.as_ref(), *negated, scope)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like("pg_ilike", expr, pattern, escape_char.as_ref(), *negated, scope)
            }
            Expr::Function(function) => self.function(function, scope),
            Expr::Extract { field, expr, .. } => {
                let value = self.settled(expr, scope)?;
                self.extract(&field_name(field), value)
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let value = self.expression(timestamp, scope)?;
                let zone = self.settled(time_zone, scope)?;
                self.call("timezone", vec![zone, value])
            }
            Expr::Ceil { expr, field } => self.rounding("ceil", expr, field, scope),
            Expr::Floor { expr, field } => self.rounding("floor", expr, field, scope),
            Expr::Position { expr, r#in } => {
                let (needle, text) = (self.expression(expr, scope)?, self.expression(r#in, scope)?);
                self.call("strpos", vec![text, needle])
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.expression(expr, scope)?];
                match (substring_from, substring_for) {
                    (None, Some(_)) => arguments.push(Typed::new("1", PgType::Int4)),
                    (Some(from), _) => arguments.push(self.expression(from, scope)?),
                    (None, None) => {}
                }
                if let Some(count) = substring_for {
                    arguments.push(self.expression(count, scope)?);
                }
                self.call("substring", arguments)
            }
            Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
                use lake_dialect::ast::TrimWhereField;
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut arguments = vec![self.expression(expr, scope)?];
                for characters in trim_what.iter().map(Box::as_ref).chain(trim_characters.iter().flatten()) {
                    arguments.push(self.expression(characters, scope)?);
                }
                self.call(name, arguments)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut arguments = vec![self.expression(expr, scope)?, self.expression(overlay_what, scope)?];
                arguments.push(self.expression(overlay_from, scope)?);
                if let Some(count) = overlay_for {
                    arguments.push(self.expression(count, scope)?);
                }
                self.call("overlay", arguments)
            }
            Expr::Array(array) => self.array(&array.elem, None, scope),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            Expr::Collate { expr, collation } => {
                let (_, name) = lake_dialect::object_name(collation)?;
                if name != "C" && name != "POSIX" && name != "default" {
                    return Err(SqlError::unsupported(format!("collation \"{name}\"")));
                }
                self.settled(expr, scope)
            }
            Expr::Tuple(_) => Err(SqlError::unsupported("a row as a value")),
            other => Err(SqlError::unsupported(format!("the expression {other}"))),
        }
    }

    fn rounding(
        &mut self,
        name: &str,
        expr: &Expr,
        field: &CeilFloorKind,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
            return Err(SqlError::unsupported("CEIL or FLOOR with a second argument"));
        }
        let value = self.expression(expr, scope)?;
        self.call(name, vec![value])
    }

    fn name(&mut self, ident: &Ident, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        if ident.quote_style.is_none() {
            match ident.value.to_ascii_lowercase().as_str() {
                name @ ("current_date" | "current_timestamp" | "localtimestamp" | "localtime") => {
                    return self.call(name, Vec::new());
                }
                "current_user" | "session_user" | "user" | "current_catalog" | "current_schema" | "current_role" => {
                    return Err(SqlError::unsupported(&ident.value));
                }
                "current_time" => return Err(SqlError::unsupported("type time with time zone")),
                "default" => {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "DEFAULT is not allowed in this context"));
                }
                _ => {}
            }
        }
        scope.column(None, &fold(ident))
    }

    fn literal(&mut self, value: &Value) -> Result<Typed, SqlError> {
        Ok(match value {
            Value::Number(digits, _) => number(digits)?,
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) | Value::UnicodeStringLiteral(text) => {
                Typed::literal(Literal::Text(text.clone()))
            }
            Value::DollarQuotedString(text) => Typed::literal(Literal::Text(text.value.clone())),
            Value::Boolean(value) => Typed::new(if *value { "1" } else { "0" }, PgType::Bool),
            Value::Null => Typed::literal(Literal::Null),
            Value::Placeholder(name) => self.parameter(name)?,
            other => return Err(SqlError::unsupported(format!("the literal {other}"))),
        })
    }

    fn interval(&mut self, interval: &IntervalExpr) -> Result<Typed, SqlError> {
        let Expr::Value(value) = interval.value.as_ref() else {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "INTERVAL needs a quoted literal"));
        };
        let text = match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => return Err(SqlError::new(sqlstate::SYNTAX_ERROR, format!("syntax error at or near \"{other}\""))),
        };
        if interval.last_field.is_some() || interval.leading_precision.is_some() {
            return Err(SqlError::unsupported("an interval with a range of fields"));
        }
        let text = match &interval.leading_field {
            None => text,
            Some(field) if text.trim().parse::<f64>().is_ok() => format!("{text} {}", field_name(field)),
            Some(_) => return Err(SqlError::unsupported("an interval with a field and a text of several")),
        };
        self.resolve(Typed::literal(Literal::Text(text)), &PgType::Interval)
    }

    fn null_test(&mut self, inner: &Expr, test: &str, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let typed = self.settled(inner, scope)?;
        let sql = format!("({} {test})", typed.sql);
        Ok(typed.becomes(sql, PgType::Bool))
    }

    fn truth_test(&mut self, inner: &Expr, test: &str, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let typed = self.condition(inner, scope, test)?;
        let sql = format!("({} {test})", typed.sql);
        Ok(typed.becomes(sql, PgType::Bool))
    }

    fn distinct_test(&mut self, left: &Expr, right: &Expr, test: &str, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let (left, right) = (self.expression(left, scope)?, self.expression(right, scope)?);
        self.compare(left, test, right)
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        let operand = operand.map(|operand| self.expression(operand, scope)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for branch in conditions {
            let test = self.expression(&branch.condition, scope)?;
            tests.push(match &operand {
                Some(operand) => self.compare(operand.clone(), "=", test)?,
                None => self.boolean(test, "CASE/WHEN")?,
            });
            results.push(self.expression(&branch.result, scope)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise, scope)?);
        }
        let ty = common_type("CASE", &results.iter().map(|result| &result.ty).collect::<Vec<_>>())?;
        let results = results.into_iter().map(|result| self.coerce(result, &ty)).collect::<Result<Vec<_>, _>>()?;
        let mut sql = String::from("(CASE");
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {} THEN {}", test.sql, result.sql));
        }
        if let (Some(_), Some(last)) = (otherwise, results.last()) {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        sql.push_str(" END)");
        Ok(Typed::over(&tests.iter().chain(&results).collect::<Vec<_>>(), sql, ty))
    }

    /// `ARRAY[…]`
    fn array(&mut self, elements: &[Expr], element: Option<&PgType>, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let items = elements.iter().map(|item| self.expression(item, scope)).collect::<Result<Vec<_>, _>>()?;
        let ty = match element {
            Some(ty) => ty.clone(),
            None if items.is_empty() => {
                return Err(SqlError::new(sqlstate::INDETERMINATE_DATATYPE, "cannot determine type of empty array"));
            }
            None => common_type("ARRAY", &items.iter().map(|item| &item.ty).collect::<Vec<_>>())?,
        };
        if matches!(ty, PgType::Array(_) | PgType::Numeric | PgType::Interval) {
            return Err(SqlError::unsupported(format!("type {}[]", ty.display())));
        }
        let context = if element.is_some() { super::cast::Context::Explicit } else { super::cast::Context::Implicit };
        let items = items.into_iter().map(|item| self.convert(item, &ty, context)).collect::<Result<Vec<_>, _>>()?;
        let list = items.iter().map(|item| format!(", {}", item.sql)).collect::<String>();
        let sql = format!("pg_array({}{list})", Binder::quoted(&ty.name()));
        Ok(Typed::over(&items.iter().collect::<Vec<_>>(), sql, PgType::Array(Box::new(ty))))
    }

    /// `array[i]`, `jsonb['key']`
    fn access(&mut self, root: &Expr, chain: &[AccessExpr], scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let mut value = self.expression(root, scope)?;
        for step in chain {
            let AccessExpr::Subscript(Subscript::Index { index }) = step else {
                return Err(SqlError::unsupported("a slice of an array or a field of a row"));
            };
            let index = self.expression(index, scope)?;
            value = match value.ty.clone() {
                PgType::Array(element) => {
                    let index = self.coerce(index, &PgType::Int4)?;
                    let sql = format!("pg_array_get({}, {})", value.sql, index.sql);
                    Typed::over(&[&value, &index], sql, *element)
                }
                PgType::Jsonb => self.json_member(value, index)?,
                other => {
                    return Err(SqlError::new(
                        sqlstate::DATATYPE_MISMATCH,
                        format!("cannot subscript type {} because it does not support subscripting", other.display()),
                    ));
                }
            };
        }
        Ok(value)
    }

    /// Converts every expression of a list to their common type.
    pub(crate) fn unify(&mut self, what: &str, items: Vec<Typed>) -> Result<(Vec<Typed>, PgType), SqlError> {
        let ty = common_type(what, &items.iter().map(|item| &item.ty).collect::<Vec<_>>())?;
        let items = items.into_iter().map(|item| self.coerce(item, &ty)).collect::<Result<Vec<_>, _>>()?;
        Ok((items, ty))
    }

    /// Refuses aggregates and windows where the present clause has none.
    pub(crate) fn check_aggregate_allowed(&self, what: &str) -> Result<(), SqlError> {
        match self.clause {
            Clause::Output | Clause::Having | Clause::Window => Ok(()),
            Clause::Aggregate => {
                Err(SqlError::new(sqlstate::GROUPING_ERROR, "aggregate function calls cannot be nested"))
            }
            Clause::Plain(clause) => {
                Err(SqlError::new(sqlstate::GROUPING_ERROR, format!("{what} are not allowed in {clause}")))
            }
        }
    }
}

fn compound_name(parts: &[Ident], scope: &Scope<'_>) -> Result<Typed, SqlError> {
    let names = parts.iter().map(fold).collect::<Vec<_>>();
    match names.as_slice() {
        [table, column] => scope.column(Some(table), column),
        [schema, table, column] if schema == "public" => scope.column(Some(table), column),
        _ => Err(SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column {} does not exist", names.join(".")))),
    }
}

/// A literal without quotes: the smallest of int4, int8 and numeric that holds it.
fn number(digits: &str) -> Result<Typed, SqlError> {
    let plain = digits.replace('_', "");
    if let Ok(value) = plain.parse::<i64>() {
        let ty = if i32::try_from(value).is_ok() { PgType::Int4 } else { PgType::Int8 };
        let text = constant(&SqliteValue::Integer(value)).unwrap_or_default();
        return Ok(Typed::new(text, ty));
    }
    let value = super::decimal::Decimal::parse(&plain).map_err(|_| {
        SqlError::new(sqlstate::SYNTAX_ERROR, format!("trailing junk after numeric literal at or near \"{digits}\""))
    })?;
    Ok(Typed::new(Binder::quoted(&value.to_string()), PgType::Numeric))
}

/// The digits of a literal without quotes, also in parentheses.
fn literal_digits(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(inner) => literal_digits(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits),
            _ => None,
        },
        _ => None,
    }
}

/// The name of a field of a date, as `date_part` takes it.
pub(crate) fn field_name(field: &DateTimeField) -> String {
    field.to_string().to_ascii_lowercase()
}
