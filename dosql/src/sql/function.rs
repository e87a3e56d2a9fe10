//! Functions: which one a call means, by name and argument types, and its SQLite text.

use lake_dialect::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    OrderByExpr,
};
use lake_dialect::{SqlError, object_name, sqlstate};

use super::binder::{Binder, Clause, check_schema};
use super::cast::is_implicit;
use super::function_table::{FUNCTIONS, Kind, Signature};
use super::pg_type::PgType;
use super::scope::Scope;
use super::typed::Typed;

/// The arguments of a call, taken apart.
pub(super) struct Call<'a> {
    pub(super) name: String,
    pub(super) arguments: Vec<&'a Expr>,
    pub(super) star: bool,
    pub(super) distinct: bool,
    pub(super) order_by: &'a [OrderByExpr],
}

impl<'a> Call<'a> {
    fn of(function: &'a Function) -> Result<Call<'a>, SqlError> {
        let (schema, name) = object_name(&function.name)?;
        if schema.as_deref() != Some("pg_catalog") {
            check_schema(schema.as_deref(), &name)?;
        }
        let mut call = Call { name, arguments: Vec::new(), star: false, distinct: false, order_by: &[] };
        if !matches!(function.parameters, FunctionArguments::None) || !function.within_group.is_empty() {
            return Err(SqlError::unsupported(format!("this form of {}()", call.name)));
        }
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return Err(SqlError::unsupported("a query as an argument")),
            FunctionArguments::List(list) => {
                call.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => call.arguments.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => call.star = true,
                        other => return Err(SqlError::unsupported(format!("the argument {other}"))),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(order) => call.order_by = order,
                        other => return Err(SqlError::unsupported(format!("{other} in a call"))),
                    }
                }
            }
        }
        Ok(call)
    }
}

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        let call = Call::of(function)?;
        if super::aggregate::is_aggregate(&call.name) || super::window::is_window_function(&call.name) {
            return match &function.over {
                Some(over) => self.window_call(&call, function, over, scope),
                None if super::window::is_window_function(&call.name) => Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("window function {} requires an OVER clause", call.name),
                )),
                None => {
                    self.check_aggregate_allowed("aggregate functions")?;
                    let mut typed = self.aggregate_call(&call, function.filter.as_deref(), scope)?;
                    typed.columns.retain(|column| column.level != scope.level);
                    typed.has_aggregate = true;
                    Ok(typed)
                }
            };
        }
        if function.over.is_some()
            || function.filter.is_some()
            || call.distinct
            || call.star
            || !call.order_by.is_empty()
        {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("{}() is neither an aggregate nor a window function", call.name),
            ));
        }
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(self.expression(argument, scope)?);
        }
        self.call(&call.name, arguments)
    }

    /// A call of a function that is no aggregate.
    pub(crate) fn call(&mut self, name: &str, arguments: Vec<Typed>) -> Result<Typed, SqlError> {
        if let Some(typed) = self.special(name, &arguments)? {
            return Ok(typed);
        }
        let chosen = choose(name, &arguments)?;
        let mut converted = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.into_iter().enumerate() {
            let ty = chosen.parameter(index).to_type();
            converted.push(self.coerce(argument, &ty)?);
        }
        if chosen.template.contains("pg_nextval")
            || chosen.template.contains("pg_currval")
            || chosen.template.contains("pg_setval")
        {
            self.uses_sequences = true;
        }
        let sql = fill(chosen.template, &converted);
        Ok(Typed::over(&converted.iter().collect::<Vec<_>>(), sql, chosen.result.to_type()))
    }

    /// Functions whose result type follows from their arguments.
    fn special(&mut self, name: &str, arguments: &[Typed]) -> Result<Option<Typed>, SqlError> {
        let list = |items: &[Typed]| items.iter().map(|item| item.sql.as_str()).collect::<Vec<_>>().join(", ");
        Ok(Some(match name {
            "coalesce" | "greatest" | "least" => {
                if arguments.is_empty() {
                    return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "syntax error at or near \")\""));
                }
                let (items, ty) = self.unify(&name.to_uppercase(), arguments.to_vec())?;
                let sql = match (name, items.len()) {
                    (_, 1) => items[0].sql.clone(),
                    ("coalesce", _) => format!("coalesce({})", list(&items)),
                    (name, _) => {
                        items[0].check_ordered()?;
                        // SQLite's max() of several is NULL if any is; Postgres leaves NULLs out.
                        format!("pg_{name}({}, {})", Binder::quoted(&ty.name()), list(&items))
                    }
                };
                Typed::over(&items.iter().collect::<Vec<_>>(), sql, ty)
            }
            "nullif" => {
                let [left, right] = arguments else { return Err(undefined(name, arguments)) };
                let equal = self.compare(left.clone(), "=", right.clone())?;
                let left = if left.ty == PgType::Unknown {
                    let ty = if right.ty == PgType::Unknown { PgType::Text } else { right.ty.clone() };
                    self.resolve(left.clone(), &ty)?
                } else {
                    left.clone()
                };
                let sql = format!("(CASE WHEN {} THEN NULL ELSE {} END)", equal.sql, left.sql);
                let ty = left.ty.clone();
                Typed::over(&[&equal, &left], sql, ty)
            }
            "concat" | "concat_ws" => {
                let mut items = Vec::new();
                for argument in arguments {
                    let settled = self.settle(argument.clone())?;
                    let ty = settled.ty.clone();
                    // These print with the output function: a boolean is t or f.
                    items.push(if ty == PgType::Bool {
                        let sql = format!("pg_bool_out({})", settled.sql);
                        settled.becomes(sql, PgType::Text)
                    } else {
                        self.convert(settled, &PgType::Text, super::cast::Context::Explicit)?
                    });
                }
                if items.is_empty() || (name == "concat_ws" && items.len() < 2) {
                    return Err(undefined(name, arguments));
                }
                let sql = format!("pg_{name}({})", list(&items));
                Typed::over(&items.iter().collect::<Vec<_>>(), sql, PgType::Text)
            }
            "format" => return Err(SqlError::unsupported("function format")),
            "date_part" | "extract" => {
                let [field, value] = arguments else { return Err(undefined(name, arguments)) };
                let field = self.literal_text(field, name)?;
                let extracted = self.extract(&field, value.clone())?;
                super::cast::cast(extracted, &PgType::Float8)
            }
            "array_append" | "array_prepend" | "array_remove" | "array_position" | "array_cat" | "array_length"
            | "cardinality" | "array_upper" | "array_lower" | "array_to_string" | "unnest" => {
                return self.array_function(name, arguments).map(Some);
            }
            "to_json" | "to_jsonb" | "json_build_object" | "jsonb_build_object" | "json_build_array"
            | "jsonb_build_array" | "row_to_json" | "jsonb_set" => {
                return self.json_function(name, arguments).map(Some);
            }
            _ => return Ok(None),
        }))
    }

    /// The text of an argument that has to be a literal.
    pub(super) fn literal_text(&mut self, argument: &Typed, function: &str) -> Result<String, SqlError> {
        match &argument.literal {
            Some(super::typed::Literal::Text(text)) => Ok(text.to_ascii_lowercase()),
            _ => Err(SqlError::unsupported(format!("the first argument of {function}() other than a literal"))),
        }
    }

    /// `extract(field from value)`: numeric, as since Postgres 14.
    pub(super) fn extract(&mut self, field: &str, value: Typed) -> Result<Typed, SqlError> {
        let value = self.settle(value)?;
        if !matches!(value.ty, PgType::Date | PgType::Time | PgType::Timestamp | PgType::TimestampTz | PgType::Interval)
        {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function pg_catalog.extract(unknown, {}) does not exist", value.ty.display()),
            ));
        }
        let sql = format!("pg_extract({}, {}, {})", Binder::quoted(field), Binder::quoted(value.ty.code()), value.sql);
        Ok(value.becomes(sql, PgType::Numeric))
    }

    /// `order by` inside of an aggregate.
    pub(super) fn inner_order(
        &mut self,
        order_by: &[OrderByExpr],
        scope: &Scope<'_>,
    ) -> Result<(String, Vec<Typed>), SqlError> {
        if order_by.is_empty() {
            return Ok((String::new(), Vec::new()));
        }
        let mut keys = Vec::new();
        let mut parts = Vec::new();
        for item in order_by {
            let key = self.settled(&item.expr, scope)?;
            key.check_ordered()?;
            keys.push(format!("{}{}", key.collated(), super::ordering::direction(&item.options)));
            parts.push(key);
        }
        Ok((format!(" ORDER BY {}", keys.join(", ")), parts))
    }

    pub(super) fn in_aggregate<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.within(Clause::Aggregate, body)
    }
}

/// Puts the texts of arguments into a template.
pub(super) fn fill(template: &str, arguments: &[Typed]) -> String {
    let mut sql = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        sql.push_str(&rest[..at]);
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end);
        match &rest[at + 1..end] {
            "*" => sql.push_str(&arguments.iter().map(|a| a.sql.as_str()).collect::<Vec<_>>().join(", ")),
            index => {
                if let Some(argument) = index.parse::<usize>().ok().and_then(|index| arguments.get(index)) {
                    sql.push_str(&argument.sql);
                }
            }
        }
        rest = &rest[(end + 1).min(rest.len())..];
    }
    sql.push_str(rest);
    sql
}

pub(super) fn undefined(name: &str, arguments: &[Typed]) -> SqlError {
    let types = arguments.iter().map(|argument| argument.ty.display()).collect::<Vec<_>>().join(", ");
    SqlError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}({types}) does not exist"))
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// The function that fits best: exact types before conversions, and text or the preferred type for open literals.
fn choose(name: &str, arguments: &[Typed]) -> Result<&'static Signature, SqlError> {
    let mut best: Option<(i32, &Signature)> = None;
    let mut known = false;
    for signature in FUNCTIONS.iter().filter(|signature| signature.name == name) {
        known = true;
        if !signature.takes(arguments.len()) {
            continue;
        }
        let mut score = 0;
        let mut fits = true;
        for (index, argument) in arguments.iter().enumerate() {
            let kind = signature.parameter(index);
            let Some(ty) = kind.types() else { continue };
            score += match &argument.ty {
                PgType::Unknown => {
                    i32::from(ty == PgType::Text) * 2 + i32::from(matches!(ty, PgType::Float8 | PgType::TimestampTz))
                }
                given if *given == ty => 10,
                given if given.is_text() && ty.is_text() => 9,
                given if is_implicit(given, &ty) => 3 + i32::from(matches!(ty, PgType::Float8 | PgType::TimestampTz)),
                _ => {
                    fits = false;
                    0
                }
            };
        }
        if fits && best.is_none_or(|(best, _)| score > best) {
            best = Some((score, signature));
        }
    }
    match best {
        Some((_, signature)) => Ok(signature),
        None if known => Err(undefined(name, arguments)),
        None if is_postgres_function(name) => Err(SqlError::unsupported(format!("function {name}"))),
        None => Err(undefined(name, arguments)),
    }
}

/// Functions of Postgres that are known to be missing: refusing them by name says more than that they do not exist.
fn is_postgres_function(name: &str) -> bool {
    ["pg_", "json", "regexp_", "array_", "to_", "string_", "has_", "txid_", "xml", "ts_", "set_", "current_", "make_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "md5"
                | "format"
                | "quote_literal"
                | "quote_ident"
                | "encode"
                | "decode"
                | "sha256"
                | "convert_from"
                | "justify_days"
                | "justify_hours"
                | "justify_interval"
                | "width_bucket"
                | "version"
                | "overlaps"
                | "similar"
                | "percentile_cont"
                | "percentile_disc"
                | "mode"
                | "corr"
                | "regr_slope"
                | "unistr"
                | "normalize"
                | "num_nulls"
                | "setseed"
        )
}

impl Kind {
    /// The type as an owned value.
    pub(super) fn to_type(self) -> PgType {
        self.types().unwrap_or(PgType::Text)
    }
}
