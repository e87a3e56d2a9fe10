//! Window functions.

use lake_dialect::ast::{
    Expr, Function, NullTreatment, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use lake_dialect::{SqlError, fold, sqlstate};

use super::binder::{Binder, Clause};
use super::function::{Call, undefined};
use super::pg_type::PgType;
use super::scope::Scope;
use super::typed::Typed;

pub(super) fn is_window_function(name: &str) -> bool {
    matches!(
        name,
        "row_number"
            | "rank"
            | "dense_rank"
            | "percent_rank"
            | "cume_dist"
            | "ntile"
            | "lag"
            | "lead"
            | "first_value"
            | "last_value"
            | "nth_value"
    )
}

impl Binder<'_> {
    pub(super) fn window_call(
        &mut self,
        call: &Call<'_>,
        function: &Function,
        over: &WindowType,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        match self.clause {
            Clause::Output => {}
            Clause::Window => {
                return Err(SqlError::new(sqlstate::WINDOWING_ERROR, "window function calls cannot be nested"));
            }
            Clause::Having => {
                return Err(SqlError::new(sqlstate::WINDOWING_ERROR, "window functions are not allowed in HAVING"));
            }
            Clause::Aggregate => {
                return Err(SqlError::new(
                    sqlstate::GROUPING_ERROR,
                    "aggregate function calls cannot contain window function calls",
                ));
            }
            Clause::Plain(clause) => {
                return Err(SqlError::new(
                    sqlstate::WINDOWING_ERROR,
                    format!("window functions are not allowed in {clause}"),
                ));
            }
        }
        if function.null_treatment == Some(NullTreatment::IgnoreNulls) {
            return Err(SqlError::unsupported("IGNORE NULLS"));
        }
        if call.distinct {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "DISTINCT is not implemented for window functions",
            ));
        }
        if !call.order_by.is_empty() {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "aggregate ORDER BY is not implemented for window functions",
            ));
        }
        self.within(Clause::Window, |binder| {
            let mut result = if is_window_function(&call.name) {
                binder.window_function(call, function.filter.as_deref(), scope)?
            } else {
                // The arguments of an aggregate over a window can be aggregates themselves.
                let mut typed = binder.aggregate_over(call, function.filter.as_deref(), scope)?;
                typed.has_window = true;
                typed
            };
            let (window, parts) = binder.window(over, scope)?;
            result.sql = format!("{} OVER {window}", result.sql);
            for part in &parts {
                result.absorb(part);
            }
            result.has_window = true;
            Ok(result)
        })
    }

    fn aggregate_over(&mut self, call: &Call<'_>, filter: Option<&Expr>, scope: &Scope<'_>) -> Result<Typed, SqlError> {
        self.aggregate_call(call, filter, scope)
    }

    fn window_function(
        &mut self,
        call: &Call<'_>,
        filter: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Typed, SqlError> {
        if filter.is_some() {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "FILTER is not implemented for non-aggregate window functions",
            ));
        }
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            arguments.push(self.settled(argument, scope)?);
        }
        let count = arguments.len();
        let wrong = |arguments: &[Typed]| Err(undefined(&call.name, arguments));
        let ty = match (call.name.as_str(), count) {
            ("row_number" | "rank" | "dense_rank", 0) => PgType::Int8,
            ("percent_rank" | "cume_dist", 0) => PgType::Float8,
            ("ntile", 1) => {
                arguments[0] = self.coerce(arguments[0].clone(), &PgType::Int4)?;
                PgType::Int4
            }
            ("first_value" | "last_value", 1) => arguments[0].ty.clone(),
            ("nth_value", 2) => {
                arguments[1] = self.coerce(arguments[1].clone(), &PgType::Int4)?;
                arguments[0].ty.clone()
            }
            ("lag" | "lead", 1..=3) => {
                if let Some(offset) = arguments.get(1).cloned() {
                    arguments[1] = self.coerce(offset, &PgType::Int4)?;
                    // SQLite takes a literal that is not negative; Postgres any integer.
                    if arguments[1].sql.parse::<u32>().is_err() {
                        return Err(SqlError::unsupported(format!("{} by other than a literal number", call.name)));
                    }
                }
                if let Some(default) = arguments.get(2).cloned() {
                    let (items, _) = self.unify(&call.name, vec![arguments[0].clone(), default])?;
                    let mut items = items.into_iter();
                    if let (Some(value), Some(default)) = (items.next(), items.next()) {
                        arguments[0] = value;
                        arguments[2] = default;
                    }
                }
                arguments[0].ty.clone()
            }
            _ => return wrong(&arguments),
        };
        let list = arguments.iter().map(|argument| argument.sql.as_str()).collect::<Vec<_>>().join(", ");
        Ok(Typed::over(&arguments.iter().collect::<Vec<_>>(), format!("{}({list})", call.name), ty))
    }

    fn window(&mut self, over: &WindowType, scope: &Scope<'_>) -> Result<(String, Vec<Typed>), SqlError> {
        let spec = match over {
            WindowType::WindowSpec(spec) => spec.clone(),
            WindowType::NamedWindow(name) => named(&fold(name), scope)?,
        };
        let mut base = spec.clone();
        if let Some(name) = &spec.window_name {
            let named = named(&fold(name), scope)?;
            if !spec.partition_by.is_empty() || (!spec.order_by.is_empty() && !named.order_by.is_empty()) {
                return Err(SqlError::new(sqlstate::WINDOWING_ERROR, "cannot override a clause of a named window"));
            }
            base.partition_by = named.partition_by;
            if base.order_by.is_empty() {
                base.order_by = named.order_by;
            }
        }
        let mut parts = Vec::new();
        let mut sql = Vec::new();
        if !base.partition_by.is_empty() {
            let mut keys = Vec::new();
            for expr in &base.partition_by {
                let key = self.settled(expr, scope)?;
                key.check_ordered()?;
                keys.push(key.collated());
                parts.push(key);
            }
            sql.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        if !base.order_by.is_empty() {
            let mut keys = Vec::new();
            for item in &base.order_by {
                let key = self.settled(&item.expr, scope)?;
                key.check_ordered()?;
                keys.push(format!("{}{}", key.collated(), super::ordering::direction(&item.options)));
                parts.push(key);
            }
            sql.push(format!("ORDER BY {}", keys.join(", ")));
        }
        if let Some(frame) = &base.window_frame {
            sql.push(self.frame(frame)?);
        }
        Ok((format!("({})", sql.join(" ")), parts))
    }

    fn frame(&mut self, frame: &WindowFrame) -> Result<String, SqlError> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Groups => "GROUPS",
            WindowFrameUnits::Range => "RANGE",
        };
        let mut bound = |bound: &WindowFrameBound| match bound {
            WindowFrameBound::CurrentRow => Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(None) => Ok("UNBOUNDED PRECEDING".to_owned()),
            WindowFrameBound::Following(None) => Ok("UNBOUNDED FOLLOWING".to_owned()),
            WindowFrameBound::Preceding(Some(offset)) => {
                self.offset(offset, units).map(|sql| format!("{sql} PRECEDING"))
            }
            WindowFrameBound::Following(Some(offset)) => {
                self.offset(offset, units).map(|sql| format!("{sql} FOLLOWING"))
            }
        };
        let start = bound(&frame.start_bound)?;
        let end = frame.end_bound.as_ref().map(&mut bound).transpose()?;
        Ok(match end {
            Some(end) => format!("{units} BETWEEN {start} AND {end}"),
            None => format!("{units} {start}"),
        })
    }

    fn offset(&mut self, offset: &Expr, units: &str) -> Result<String, SqlError> {
        if units == "RANGE" {
            return Err(SqlError::unsupported("RANGE with an offset"));
        }
        let typed = self.expression(offset, &Scope::default())?;
        let typed = self.coerce(typed, &PgType::Int8)?;
        Ok(typed.sql)
    }
}

fn named(name: &str, scope: &Scope<'_>) -> Result<WindowSpec, SqlError> {
    scope
        .windows
        .iter()
        .find(|(window, _)| window == name)
        .map(|(_, spec)| spec.clone())
        .ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist")))
}
