//! Operators, chosen by the types of their operands.

use lake_dialect::ast::{BinaryOperator, Expr, Query, UnaryOperator, Value};
use lake_dialect::{SqlError, sqlstate};

use super::binder::Binder;
use super::cast::is_implicit;
use super::pg_type::PgType;
use super::scope::Scope;
use super::typed::Typed;

fn undefined(op: &str, left: &PgType, right: &PgType) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_FUNCTION,
        format!("operator does not exist: {} {op} {}", left.display(), right.display()),
    )
    .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

/// The wider of two kinds of numbers, as Postgres' operators pair them.
fn wider(left: &PgType, right: &PgType) -> Option<PgType> {
    let (a, b) = (left.number_rank()?, right.number_rank()?);
    if a == b {
        return Some(left.clone());
    }
    // There is no operator on real and another kind of number.
    if left.is_float() || right.is_float() {
        return Some(PgType::Float8);
    }
    Some(if a > b { left.clone() } else { right.clone() })
}

impl Binder<'_> {
    pub(super) fn unary(&mut self, op: &UnaryOperator, operand: &Expr, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        if *op == UnaryOperator::Not {
            let typed = self.condition(operand, scope, "NOT")?;
            let sql = format!("(NOT {})", typed.sql);
            return Ok(typed.becomes(sql, PgType::Bool));
        }
        let typed = self.expression(operand, scope)?;
        let name = match op {
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => return self.call("abs", vec![typed]),
            other => return Err(SqlError::unsupported(format!("operator {other}"))),
        };
        let typed = if typed.ty == PgType::Unknown { self.resolve(typed, &PgType::Float8)? } else { typed };
        let ty = typed.ty.clone();
        let sql = match (name, &ty) {
            ("+", ty) if ty.is_number() => typed.sql.clone(),
            ("-", PgType::Int2 | PgType::Int4 | PgType::Int8) => match typed.sql.parse::<i64>() {
                Ok(value) => format!("(-{value})"),
                Err(_) => format!("pg_neg_{}({})", ty.code(), typed.sql),
            },
            ("-", PgType::Numeric) => match typed.sql.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                Some(digits) if !digits.starts_with('-') && digits.bytes().any(|b| matches!(b, b'1'..=b'9')) => {
                    format!("'-{digits}'")
                }
                _ => format!("pg_numeric_neg({})", typed.sql),
            },
            ("-", PgType::Float4 | PgType::Float8) => format!("pg_float_neg({})", typed.sql),
            ("-", PgType::Interval) => format!("pg_interval_neg({})", typed.sql),
            ("~", PgType::Int2 | PgType::Int4 | PgType::Int8) => format!("(~{})", typed.sql),
            _ => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_FUNCTION,
                    format!("operator does not exist: {name} {}", ty.display()),
                ));
            }
        };
        Ok(typed.becomes(sql, ty))
    }

    pub(super) fn binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        use BinaryOperator as B;
        let comparison = match op {
            B::Eq => Some("="),
            B::NotEq => Some("<>"),
            B::Lt => Some("<"),
            B::LtEq => Some("<="),
            B::Gt => Some(">"),
            B::GtEq => Some(">="),
            _ => None,
        };
        if let Some(comparison) = comparison {
            if let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) {
                return self.compare_rows(left, comparison, right, scope);
            }
            let (left, right) = (self.expression(left, scope)?, self.expression(right, scope)?);
            return self.compare(left, comparison, right);
        }
        if matches!(op, B::And | B::Or) {
            let name = if *op == B::And { "AND" } else { "OR" };
            let left = self.condition(left, scope, name)?;
            let right = self.condition(right, scope, name)?;
            return Ok(Typed::over(&[&left, &right], format!("({} {name} {})", left.sql, right.sql), PgType::Bool));
        }
        let negated_match = match op {
            B::PGLikeMatch => Some(("pg_like", false)),
            B::PGNotLikeMatch => Some(("pg_like", true)),
            B::PGILikeMatch => Some(("pg_ilike", false)),
            B::PGNotILikeMatch => Some(("pg_ilike", true)),
            _ => None,
        };
        if let Some((function, negated)) = negated_match {
            return self.like(function, left, right, None, negated, scope);
        }
        let (left, right) = (self.expression(left, scope)?, self.expression(right, scope)?);
        match op {
            B::Plus => self.arithmetic("+", left, right),
            B::Minus => self.arithmetic("-", left, right),
            B::Multiply => self.arithmetic("*", left, right),
            B::Divide => self.arithmetic("/", left, right),
            B::Modulo => self.arithmetic("%", left, right),
            B::PGExp => self.call("power", vec![left, right]),
            B::StringConcat => self.concat(left, right),
            B::BitwiseAnd => self.bitwise("&", left, right),
            B::BitwiseOr => self.bitwise("|", left, right),
            B::PGBitwiseXor => self.bitwise("#", left, right),
            B::PGBitwiseShiftLeft => self.bitwise("<<", left, right),
            B::PGBitwiseShiftRight => self.bitwise(">>", left, right),
            B::PGRegexMatch => self.regex(left, right, false, false),
            B::PGRegexIMatch => self.regex(left, right, true, false),
            B::PGRegexNotMatch => self.regex(left, right, false, true),
            B::PGRegexNotIMatch => self.regex(left, right, true, true),
            B::PGStartsWith => self.call("starts_with", vec![left, right]),
            B::Arrow => self.json_member(left, right),
            B::LongArrow => self.json_member_text(left, right),
            B::HashArrow => self.json_path("#>", left, right),
            B::HashLongArrow => self.json_path("#>>", left, right),
            B::HashMinus => self.json_path("#-", left, right),
            B::AtArrow => self.contains("@>", left, right),
            B::ArrowAt => self.contains("<@", left, right),
            B::PGOverlap => self.contains("&&", left, right),
            B::Question => self.json_exists("?", left, right),
            B::QuestionPipe => self.json_exists("?|", left, right),
            B::QuestionAnd => self.json_exists("?&", left, right),
            other => Err(SqlError::unsupported(format!("operator {other}"))),
        }
    }

    /// A comparison, also `IS` and `IS NOT` for (not) distinct.
    pub(crate) fn compare(&mut self, left: Typed, op: &str, right: Typed) -> Result<Typed, SqlError> {
        let (left, right) = self.comparable(left, op, right)?;
        if matches!(left.ty, PgType::Array(_)) && !matches!(op, "=" | "<>" | "IS" | "IS NOT") {
            return Err(SqlError::unsupported("ordering of arrays"));
        }
        Ok(Typed::over(&[&left, &right], format!("({} {op} {})", left.collated(), right.sql), PgType::Bool))
    }

    /// Brings two operands to one type.
    fn comparable(&mut self, left: Typed, op: &str, right: Typed) -> Result<(Typed, Typed), SqlError> {
        let ty = match (&left.ty, &right.ty) {
            (PgType::Unknown, PgType::Unknown) => PgType::Text,
            (PgType::Unknown, other) | (other, PgType::Unknown) => other.clone(),
            (a, b) if a == b => a.clone(),
            (a, b) if a.is_integer() && b.is_integer() => return Ok((left, right)),
            (a, b) if a.is_text() && b.is_text() => return Ok((left, right)),
            (a, b) => match wider(a, b) {
                Some(ty) => ty,
                None if is_implicit(a, b) => b.clone(),
                None if is_implicit(b, a) => a.clone(),
                None => return Err(undefined(operator_name(op), a, b)),
            },
        };
        if ty == PgType::Json {
            return Err(undefined(operator_name(op), &left.ty, &right.ty));
        }
        let left = self.coerce(left, &ty)?;
        let right = self.coerce(right, &ty)?;
        Ok((left, right))
    }

    fn compare_rows(&mut self, left: &[Expr], op: &str, right: &[Expr], scope: &Scope<'_>) -> Result<Typed, SqlError> {
        if left.len() != right.len() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "unequal number of entries in row expressions"));
        }
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (left, right) in left.iter().zip(right) {
            let (left, right) = (self.expression(left, scope)?, self.expression(right, scope)?);
            let (left, right) = self.comparable(left, op, right)?;
            left.check_ordered()?;
            lefts.push(left);
            rights.push(right);
        }
        let row = |items: &[Typed]| items.iter().map(Typed::collated).collect::<Vec<_>>().join(", ");
        let sql = format!("(({}) {op} ({}))", row(&lefts), row(&rights));
        Ok(Typed::over(&lefts.iter().chain(&rights).collect::<Vec<_>>(), sql, PgType::Bool))
    }

    pub(super) fn in_list(
        &mut self,
        expr: &Expr,
        list: &[Expr],
        negated: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        if let Expr::Tuple(row) = expr {
            let mut tests = Vec::new();
            for item in list {
                let Expr::Tuple(values) = item else {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "IN needs rows on its right side"));
                };
                tests.push(self.compare_rows(row, "=", values, scope)?);
            }
            let sql = tests.iter().map(|test| test.sql.as_str()).collect::<Vec<_>>().join(" OR ");
            let not = if negated { "NOT " } else { "" };
            return Ok(Typed::over(&tests.iter().collect::<Vec<_>>(), format!("({not}({sql}))"), PgType::Bool));
        }
        let value = self.expression(expr, scope)?;
        let mut items = vec![value];
        for item in list {
            items.push(self.expression(item, scope)?);
        }
        // Postgres brings all to one type; integers of different widths compare as they are.
        let (items, ty) = self.unify("IN", items)?;
        if ty == PgType::Json {
            return Err(undefined("=", &ty, &ty));
        }
        let not = if negated { " NOT" } else { "" };
        let rest = items[1..].iter().map(|item| item.sql.as_str()).collect::<Vec<_>>().join(", ");
        let sql = format!("({}{not} IN ({rest}))", items[0].collated());
        Ok(Typed::over(&items.iter().collect::<Vec<_>>(), sql, PgType::Bool))
    }

    pub(super) fn in_subquery(
        &mut self,
        expr: &Expr,
        subquery: &Query,
        negated: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        let values = match expr {
            Expr::Tuple(row) => row.iter().map(|item| self.expression(item, scope)).collect::<Result<Vec<_>, _>>()?,
            other => vec![self.expression(other, scope)?],
        };
        let query = self.subquery(subquery, scope)?;
        if query.columns.len() != values.len() {
            let few = query.columns.len() < values.len();
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("subquery has too {} columns", if few { "few" } else { "many" }),
            ));
        }
        let alias = self.fresh("s");
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (index, (value, column)) in values.into_iter().zip(&query.columns).enumerate() {
            let right = Typed::new(format!("{alias}.k{}", index + 1), column.ty.clone());
            let (left, right) = self.comparable(value, "=", right)?;
            lefts.push(left);
            rights.push(right);
        }
        let left = lefts.iter().map(Typed::collated).collect::<Vec<_>>().join(", ");
        let right = rights.iter().map(|item| item.sql.as_str()).collect::<Vec<_>>().join(", ");
        let not = if negated { " NOT" } else { "" };
        let sql = format!("(({left}){not} IN (SELECT {right} FROM ({}) AS {alias}))", query.sql);
        let mut typed = Typed::over(&lefts.iter().collect::<Vec<_>>(), sql, PgType::Bool);
        typed.columns.extend(query.outer);
        Ok(typed)
    }

    /// `= ANY (…)`, `<> ALL (…)` over an array or a subquery.
    pub(super) fn quantified(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        any: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        let name = match op {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            other => return Err(SqlError::unsupported(format!("{other} with ANY or ALL"))),
        };
        let subquery = match right {
            Expr::Subquery(subquery) => Some(subquery),
            Expr::Nested(inner) => match inner.as_ref() {
                Expr::Subquery(subquery) => Some(subquery),
                _ => None,
            },
            _ => None,
        };
        let left = self.expression(left, scope)?;
        let (source, element, mut parts) = match subquery {
            Some(subquery) => {
                let query = self.subquery(subquery, scope)?;
                let [column] = query.columns.as_slice() else {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "subquery has too many columns"));
                };
                let mut part = Typed::new("", column.ty.clone());
                part.columns = query.outer;
                (query.sql, column.ty.clone(), part)
            }
            None => {
                let array = self.expression(right, scope)?;
                let array = match (&array.ty, &left.ty) {
                    (PgType::Unknown, PgType::Unknown) => {
                        self.resolve(array, &PgType::Array(Box::new(PgType::Text)))?
                    }
                    (PgType::Unknown, element) => {
                        let ty = if element.is_text() { PgType::Text } else { element.clone() };
                        self.resolve(array, &PgType::Array(Box::new(ty)))?
                    }
                    _ => array,
                };
                let PgType::Array(element) = array.ty.clone() else {
                    return Err(SqlError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        "op ANY/ALL (array) requires array on right side",
                    ));
                };
                (super::from::unnest_sql(&array.sql), *element, array)
            }
        };
        let alias = self.fresh("s");
        let (left, right) = self.comparable(left, name, Typed::new(format!("{alias}.k1"), element))?;
        parts.absorb(&left);
        // The truth values of the members, three-valued: max is true if any is, min is false if any is.
        let (extreme, empty, found) = if any { ("max", 0, 1) } else { ("min", 1, 0) };
        let test = format!("({} {name} {})", left.collated(), right.sql);
        let sql = format!(
            "(SELECT CASE WHEN count(*) = 0 THEN {empty} WHEN {extreme}({test}) = {found} THEN {found} \
             WHEN count({test}) < count(*) THEN NULL ELSE {empty} END FROM ({source}) AS {alias})"
        );
        Ok(Typed { literal: None, ..parts }.becomes(sql, PgType::Bool))
    }

    pub(super) fn like(
        &mut self,
        function: &str,
        text: &Expr,
        pattern: &Expr,
        escape: Option<&Value>,
        negated: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        let (text, pattern) = (self.expression(text, scope)?, self.expression(pattern, scope)?);
        for operand in [&text, &pattern] {
            if !matches!(operand.ty, PgType::Unknown) && !operand.ty.is_text() {
                let op = if function == "pg_like" { "~~" } else { "~~*" };
                return Err(undefined(op, &text.ty, &pattern.ty));
            }
        }
        let text = self.coerce(text, &PgType::Text)?;
        let pattern = self.coerce(pattern, &PgType::Text)?;
        let escape = match escape {
            None => "\\".to_owned(),
            Some(Value::SingleQuotedString(escape)) if escape.chars().count() <= 1 => escape.clone(),
            Some(Value::SingleQuotedString(_)) => {
                return Err(SqlError::new("22025", "invalid escape string")
                    .with_hint("Escape string must be empty or one character."));
            }
            Some(other) => return Err(SqlError::unsupported(format!("ESCAPE {other}"))),
        };
        let not = if negated { "NOT " } else { "" };
        let sql = format!("({not}{function}({}, {}, {}))", text.sql, pattern.sql, Binder::quoted(&escape));
        Ok(Typed::over(&[&text, &pattern], sql, PgType::Bool))
    }

    fn regex(&mut self, text: Typed, pattern: Typed, ignore_case: bool, negated: bool) -> Result<Typed, SqlError> {
        for operand in [&text, &pattern] {
            if operand.ty != PgType::Unknown && !operand.ty.is_text() {
                return Err(undefined("~", &text.ty, &pattern.ty));
            }
        }
        let text = self.coerce(text, &PgType::Text)?;
        let pattern = self.coerce(pattern, &PgType::Text)?;
        let not = if negated { "NOT " } else { "" };
        let sql = format!("({not}pg_regex({}, {}, {}))", text.sql, pattern.sql, u8::from(ignore_case));
        Ok(Typed::over(&[&text, &pattern], sql, PgType::Bool))
    }

    fn bitwise(&mut self, op: &str, left: Typed, right: Typed) -> Result<Typed, SqlError> {
        let is_shift = matches!(op, "<<" | ">>");
        let (left, right) = match (&left.ty, &right.ty) {
            (PgType::Unknown, PgType::Unknown) => return Err(ambiguous(op)),
            (PgType::Unknown, ty) => {
                let ty = ty.clone();
                (self.resolve(left, &ty)?, right)
            }
            (ty, PgType::Unknown) => {
                let ty = if is_shift { PgType::Int4 } else { ty.clone() };
                (left, self.resolve(right, &ty)?)
            }
            _ => (left, right),
        };
        if !left.ty.is_integer() || !right.ty.is_integer() {
            return Err(undefined(op, &left.ty, &right.ty));
        }
        let ty = if is_shift { left.ty.clone() } else { wider(&left.ty, &right.ty).unwrap_or(PgType::Int8) };
        let sql = match op {
            "#" => format!("(({0} | {1}) - ({0} & {1}))", left.sql, right.sql),
            "<<" | ">>" => {
                let name = if op == "<<" { "left" } else { "right" };
                format!("pg_shift_{name}({}, {}, {})", left.sql, right.sql, Binder::quoted(ty.code()))
            }
            op => format!("({} {op} {})", left.sql, right.sql),
        };
        Ok(Typed::over(&[&left, &right], sql, ty))
    }

    fn concat(&mut self, left: Typed, right: Typed) -> Result<Typed, SqlError> {
        let both = |left: Typed, right: Typed, sql: String, ty: PgType| Ok(Typed::over(&[&left, &right], sql, ty));
        match (left.ty.clone(), right.ty.clone()) {
            (PgType::Jsonb, PgType::Jsonb | PgType::Unknown) | (PgType::Unknown, PgType::Jsonb) => {
                let (left, right) = (self.coerce(left, &PgType::Jsonb)?, self.coerce(right, &PgType::Jsonb)?);
                let sql = format!("pg_jsonb_concat({}, {})", left.sql, right.sql);
                both(left, right, sql, PgType::Jsonb)
            }
            (PgType::Bytea, PgType::Bytea | PgType::Unknown) | (PgType::Unknown, PgType::Bytea) => {
                let (left, right) = (self.coerce(left, &PgType::Bytea)?, self.coerce(right, &PgType::Bytea)?);
                let sql = format!("pg_bytea_concat({}, {})", left.sql, right.sql);
                both(left, right, sql, PgType::Bytea)
            }
            (PgType::Array(a), PgType::Array(b)) => {
                let ty = PgType::Array(Box::new(super::cast::common_type("array", &[a.as_ref(), b.as_ref()])?));
                let (left, right) = (self.coerce(left, &ty)?, self.coerce(right, &ty)?);
                let sql = format!("pg_array_concat({}, {})", left.sql, right.sql);
                both(left, right, sql, ty)
            }
            (PgType::Array(element), PgType::Unknown) => {
                let ty = PgType::Array(element);
                let right = self.resolve(right, &ty)?;
                let sql = format!("pg_array_concat({}, {})", left.sql, right.sql);
                both(left, right, sql, ty)
            }
            (PgType::Unknown, PgType::Array(element)) => {
                let ty = PgType::Array(element);
                let left = self.resolve(left, &ty)?;
                let sql = format!("pg_array_concat({}, {})", left.sql, right.sql);
                both(left, right, sql, ty)
            }
            (PgType::Array(element), _) => {
                let right = self.coerce(right, &element)?;
                self.call("array_append", vec![left, right])
            }
            (_, PgType::Array(element)) => {
                let left = self.coerce(left, &element)?;
                self.call("array_prepend", vec![left, right])
            }
            (a, b)
                if a.is_text()
                    || b.is_text()
                    || (a == PgType::Unknown && b == PgType::Unknown)
                    || ((a == PgType::Unknown) != (b == PgType::Unknown)) =>
            {
                let convert = |binder: &mut Self, typed: Typed| {
                    if typed.ty == PgType::Unknown {
                        binder.resolve(typed, &PgType::Text)
                    } else if typed.ty == PgType::Bool {
                        // Concatenation prints a boolean as the cast to text does.
                        Ok(super::cast::cast(typed, &PgType::Text))
                    } else {
                        binder.convert(typed, &PgType::Text, super::cast::Context::Explicit)
                    }
                };
                let (left, right) = (convert(self, left)?, convert(self, right)?);
                let sql = format!("({} || {})", left.sql, right.sql);
                both(left, right, sql, PgType::Text)
            }
            (a, b) => Err(undefined("||", &a, &b)),
        }
    }

    pub(crate) fn arithmetic(&mut self, op: &'static str, left: Typed, right: Typed) -> Result<Typed, SqlError> {
        let (left, right) = match (left.ty.clone(), right.ty.clone()) {
            (PgType::Unknown, PgType::Unknown) => return Err(ambiguous(op)),
            (known, PgType::Unknown) => {
                let ty = super::temporal::partner(op, &known).unwrap_or(known);
                (left, self.resolve(right, &ty)?)
            }
            (PgType::Unknown, known) => {
                let ty = super::temporal::left_partner(op, &known).unwrap_or(known);
                (self.resolve(left, &ty)?, right)
            }
            _ => (left, right),
        };
        if let (Some(ty), true) = (wider(&left.ty, &right.ty), true) {
            let (left, right) = (self.coerce(left, &ty)?, self.coerce(right, &ty)?);
            let word = match op {
                "+" => "add",
                "-" => "sub",
                "*" => "mul",
                "/" => "div",
                _ => "mod",
            };
            if op == "%" && ty.is_float() {
                return Err(undefined(op, &left.ty, &right.ty));
            }
            let sql = format!("pg_{word}_{}({}, {})", ty.code(), left.sql, right.sql);
            return Ok(Typed::over(&[&left, &right], sql, ty));
        }
        if left.ty == PgType::Jsonb && op == "-" {
            return self.json_delete(left, right);
        }
        match super::temporal::operator(op, &left.ty, &right.ty) {
            Some((template, ty)) => {
                let sql = template.replace("{0}", &left.sql).replace("{1}", &right.sql);
                Ok(Typed::over(&[&left, &right], sql, ty))
            }
            None => Err(undefined(op, &left.ty, &right.ty)),
        }
    }
}

fn ambiguous(op: &str) -> SqlError {
    SqlError::new(sqlstate::AMBIGUOUS_FUNCTION, format!("operator is not unique: unknown {op} unknown"))
}

fn operator_name(op: &str) -> &str {
    match op {
        "IS" | "IS NOT" => "=",
        other => other,
    }
}
