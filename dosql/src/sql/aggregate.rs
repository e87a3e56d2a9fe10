//! Aggregates, typed by Postgres' rules.

use lake_dialect::ast::Expr;
use lake_dialect::{SqlError, sqlstate};

use super::binder::Binder;
use super::function::{Call, undefined};
use super::pg_type::PgType;
use super::scope::Scope;
use super::typed::Typed;

pub(super) fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "sum"
            | "avg"
            | "min"
            | "max"
            | "bool_and"
            | "bool_or"
            | "every"
            | "string_agg"
            | "array_agg"
            | "json_agg"
            | "jsonb_agg"
            | "json_object_agg"
            | "jsonb_object_agg"
            | "stddev"
            | "stddev_samp"
            | "stddev_pop"
            | "variance"
            | "var_samp"
            | "var_pop"
            | "bit_and"
            | "bit_or"
    )
}

impl Binder<'_> {
    pub(super) fn aggregate_call(
        &mut self,
        call: &Call<'_>,
        filter: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        let (mut arguments, order, order_parts) = self.in_aggregate(|binder| {
            let mut arguments = Vec::new();
            for argument in &call.arguments {
                arguments.push(binder.expression(argument, scope)?);
            }
            let (order, parts) = binder.inner_order(call.order_by, scope)?;
            Ok((arguments, order, parts))
        })?;
        let filter = filter
            .map(|filter| {
                let condition = self.in_aggregate(|binder| binder.condition(filter, scope, "FILTER"))?;
                Ok::<_, SqlError>(condition)
            })
            .transpose()?;
        if call.star {
            if call.name != "count" || !arguments.is_empty() {
                return Err(undefined(&call.name, &arguments));
            }
            let sql = with_filter("count(*)".to_owned(), filter.as_ref());
            let mut typed = Typed::new(sql, PgType::Int8);
            filter.iter().for_each(|filter| typed.absorb(filter));
            return Ok(typed);
        }
        if arguments.is_empty() {
            return Err(match call.name.as_str() {
                "count" => SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    "count(*) must be used to call a parameterless aggregate function",
                ),
                name => undefined(name, &arguments),
            });
        }
        let reads = || arguments.iter().flat_map(|argument| &argument.columns);
        if reads().next().is_some() && reads().all(|column| column.level < scope.level) {
            return Err(SqlError::unsupported("an aggregate of columns of an outer query"));
        }
        let (function, ty, prefix) = self.aggregate(&call.name, &mut arguments)?;
        if call.distinct && (arguments.len() > 1 || !prefix.is_empty()) {
            return Err(SqlError::unsupported(format!("{}(DISTINCT …)", call.name)));
        }
        if call.distinct && !call.order_by.is_empty() {
            return Err(SqlError::unsupported("DISTINCT together with ORDER BY in an aggregate"));
        }
        if call.distinct && arguments[0].ty == PgType::Json {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_FUNCTION,
                "could not identify an equality operator for type json",
            ));
        }
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let list = arguments.iter().map(Typed::collated).collect::<Vec<_>>().join(", ");
        let sql = with_filter(format!("{function}({distinct}{prefix}{list}{order})"), filter.as_ref());
        let parts = arguments.iter().chain(&order_parts).chain(&filter).collect::<Vec<_>>();
        Ok(Typed::over(&parts, sql, ty))
    }

    /// The SQLite function, its result type, and what stands before the arguments.
    fn aggregate(&mut self, name: &str, arguments: &mut [Typed]) -> Result<(String, PgType, String), SqlError> {
        use PgType as T;
        let wrong = |arguments: &[Typed]| undefined(name, arguments);
        let expected = if matches!(name, "string_agg" | "json_object_agg" | "jsonb_object_agg") { 2 } else { 1 };
        if arguments.len() != expected {
            return Err(wrong(arguments));
        }
        if name == "string_agg" {
            for argument in arguments.iter_mut() {
                if argument.ty != T::Unknown && !argument.ty.is_text() {
                    return Err(undefined(name, std::slice::from_ref(argument)));
                }
                *argument = self.coerce(argument.clone(), &T::Text)?;
            }
            return Ok(("pg_string_agg".to_owned(), T::Text, String::new()));
        }
        let first = self.settle_argument(name, arguments[0].clone())?;
        arguments[0] = first;
        let ty = arguments[0].ty.clone();
        let plain = |function: &str, ty: PgType| Ok((function.to_owned(), ty, String::new()));
        match (name, &ty) {
            ("count", _) => plain("count", T::Int8),
            ("min" | "max", T::Bool | T::Json | T::Jsonb | T::Uuid) => {
                // min and max of uuid exist since Postgres 18.
                if ty == T::Uuid { plain(name, ty) } else { Err(wrong(arguments)) }
            }
            ("min" | "max", T::Array(_)) => Err(SqlError::unsupported("ordering of arrays")),
            ("min" | "max", T::Varchar) => plain(name, T::Text),
            ("min" | "max", _) => plain(name, ty),
            ("sum", T::Int2 | T::Int4) => plain("pg_sum_int", T::Int8),
            ("sum", T::Int8 | T::Numeric) => plain("pg_sum_numeric", T::Numeric),
            ("sum", T::Float4) => plain("pg_sum_float4", T::Float4),
            ("sum", T::Float8) => plain("pg_sum_float8", T::Float8),
            ("sum", T::Interval) => plain("pg_sum_interval", T::Interval),
            ("avg", T::Int2 | T::Int4 | T::Int8 | T::Numeric) => plain("pg_avg_numeric", T::Numeric),
            ("avg", T::Float4 | T::Float8) => plain("pg_avg_float", T::Float8),
            ("avg", T::Interval) => plain("pg_avg_interval", T::Interval),
            ("stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop", T::Float4 | T::Float8) => {
                let function = match name {
                    "stddev" => "pg_stddev_samp".to_owned(),
                    "variance" => "pg_var_samp".to_owned(),
                    other => format!("pg_{other}"),
                };
                plain(&function, T::Float8)
            }
            ("stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop", other)
                if other.is_number() =>
            {
                Err(SqlError::unsupported(format!("{name}() of type {}", other.display()))
                    .with_hint("Cast the argument to double precision."))
            }
            ("bool_and" | "every", T::Bool) => plain("min", T::Bool),
            ("bool_or", T::Bool) => plain("max", T::Bool),
            ("bit_and" | "bit_or", other) if other.is_integer() => plain(&format!("pg_{name}"), other.clone()),
            ("array_agg", T::Array(_) | T::Numeric | T::Interval) => {
                Err(SqlError::unsupported(format!("array_agg of type {}", ty.display())))
            }
            ("array_agg", _) => {
                let prefix = format!("{}, ", Binder::quoted(&ty.name()));
                Ok(("pg_array_agg".to_owned(), T::Array(Box::new(ty)), prefix))
            }
            ("json_agg" | "jsonb_agg", _) => {
                let result = if name == "json_agg" { T::Json } else { T::Jsonb };
                let prefix = format!("{}, ", Binder::quoted(&ty.name()));
                Ok((format!("pg_{name}"), result, prefix))
            }
            ("json_object_agg" | "jsonb_object_agg", _) => Err(SqlError::unsupported(format!("{name}()"))),
            _ => Err(wrong(arguments)),
        }
    }

    fn settle_argument(&mut self, name: &str, argument: Typed) -> Result<Typed, SqlError> {
        if argument.ty != PgType::Unknown {
            return Ok(argument);
        }
        let ty = match name {
            "bool_and" | "bool_or" | "every" => PgType::Bool,
            "sum" | "avg" => {
                return Err(SqlError::new(
                    sqlstate::AMBIGUOUS_FUNCTION,
                    format!("function {name}(unknown) is not unique"),
                ));
            }
            _ => PgType::Text,
        };
        self.resolve(argument, &ty)
    }
}

pub(super) fn with_filter(call: String, filter: Option<&Typed>) -> String {
    match filter {
        Some(filter) => format!("{call} FILTER (WHERE {})", filter.sql),
        None => call,
    }
}
