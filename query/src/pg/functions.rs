//! Scalar functions by name. What is not here does not exist: DataFusion has functions of the same names that answer
//! differently, so none of them is reachable by its own name.

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, Operator};
use lake_cdc::Value;

use super::call::{Kernel, call, call_field};
use super::cast::{Target, is_possible};
use super::datum::Datum;
use super::operators::{as_text, compare, negate, timestamptz};
use super::typed::{Typed, common_type, convert, literal, long_name, retag};
use super::{json, math, numeric, text, time};
use crate::error::{refuse, unsupported};

/// Plans `name(args)`.
pub(crate) fn plan(name: &str, args: Vec<Typed>) -> Result<Expr> {
    match name {
        "coalesce" => return coalesce(args),
        "nullif" => return nullif(args),
        "greatest" | "least" => return extreme(name, args),
        "concat" | "concat_ws" => return concat(name, args),
        "pi" if args.is_empty() => {
            return literal(Datum::Value(Value::Float8(std::f64::consts::PI)), &DataType::Float64);
        }
        "extract" | "date_part" | "date_trunc" | "age" | "make_date" | "timezone" => return temporal(name, args),
        "negate" => {
            let [value] = <[Typed; 1]>::try_from(args).map_err(|_| undefined(name, &[]))?;
            return negate(value);
        }
        "numeric" | "date" | "timestamptz" | "timestamp" | "text" | "varchar" | "int4" | "int8" | "float8"
            if args.len() == 1 =>
        {
            let [value] = <[Typed; 1]>::try_from(args).map_err(|_| undefined(name, &[]))?;
            return cast(value, name);
        }
        _ => {}
    }
    if let Some(planned) = math::plan(name, &args)? {
        return Ok(planned);
    }
    if let Some(planned) = json::plan(name, &args)? {
        return Ok(planned);
    }
    if matches!(name, "length" | "octet_length") && args.len() == 1 && args[0].name == "bytea" {
        let kernel = Kernel::Strict(|values| match &values[0] {
            Datum::Value(Value::Bytea(bytes)) => {
                Ok(Datum::Value(Value::Int4(i32::try_from(bytes.len()).unwrap_or(i32::MAX))))
            }
            _ => Ok(Datum::Null),
        });
        return Ok(call("bytea_length", DataType::Int32, kernel, args.into_iter().map(|arg| arg.expr).collect()));
    }
    for (known, signature, output, kernel) in text::FUNCTIONS {
        if *known == name && accepts(signature, &args) {
            let exprs = args.into_iter().zip(signature.chars()).map(|(arg, kind)| text_argument(arg, kind));
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            let output = match output {
                'i' => DataType::Int32,
                'b' => DataType::Boolean,
                _ => DataType::Utf8,
            };
            return Ok(call(known, output, Kernel::Strict(*kernel), exprs));
        }
    }
    Err(undefined(name, &args))
}

fn accepts(signature: &str, args: &[Typed]) -> bool {
    signature.chars().count() == args.len()
        && signature.chars().zip(args).all(|(kind, arg)| match kind {
            't' => arg.is_text() || arg.is_unknown(),
            _ => matches!(arg.name.as_str(), "int2" | "int4") || arg.is_unknown(),
        })
}

fn text_argument(arg: Typed, kind: char) -> Result<Expr> {
    match kind {
        't' => convert(arg, &DataType::Utf8, "text"),
        _ => convert(arg, &DataType::Int32, "int4"),
    }
}

/// 42883
pub(crate) fn undefined(name: &str, args: &[Typed]) -> DataFusionError {
    let types: Vec<String> = args.iter().map(|arg| long_name(&arg.name)).collect();
    let message = format!("function {name}({}) does not exist", types.join(", "));
    let error = lake_api::ApiError::new(lake_api::ErrorCode::Sql("42883"), message);
    crate::error::refusal(error.hint("No function of this name and these types is known to SQL on the lake."))
}

/// `CAST(value AS code)`
pub(crate) fn cast(value: Typed, code: &str) -> Result<Expr> {
    let target = Target::parse(code)?;
    let field = target.field();
    if value.is_unknown() {
        let expr = value.resolve_to(&target, field.data_type())?;
        // The literal is no longer of unknown type, nor an integer that takes the smallest one.
        let kernel = Kernel::Arrays(|arrays, _| {
            arrays.first().cloned().ok_or_else(|| DataFusionError::Internal("a value is missing".into()))
        });
        return Ok(match field.data_type() {
            DataType::Utf8 | DataType::Int64 => call_field("as_type", field, kernel, None, vec![expr]),
            _ => expr,
        });
    }
    let name = target.name();
    if !is_possible(&value.name, &name) {
        return Err(refuse("42846", format!("cannot cast type {} to {}", long_name(&value.name), long_name(&name))));
    }
    if matches!(value.name.as_str(), "json" | "jsonb")
        && !matches!(name.as_str(), "json" | "jsonb" | "text" | "varchar")
    {
        return Err(refuse("0A000", "a cast from jsonb is not supported; take it apart with ->> first"));
    }
    if value.field.data_type() == field.data_type() && value.name == name && !code.contains('(') {
        return Ok(value.expr);
    }
    Ok(call_field("cast", field, Kernel::Cast, Some(target), vec![value.expr]))
}

fn coalesce(args: Vec<Typed>) -> Result<Expr> {
    let (data_type, name) = common_type("COALESCE", &args)?;
    let exprs = args.into_iter().map(|arg| convert(arg, &data_type, &name)).collect::<Result<Vec<_>>>()?;
    Ok(retag(coalesce_case(&exprs), data_type, &name))
}

/// The first that is not null; later ones are computed only where earlier ones are null.
fn coalesce_case(exprs: &[Expr]) -> Expr {
    match exprs {
        [] => Expr::Literal(datafusion::common::ScalarValue::Null, None),
        [only] => only.clone(),
        [first, rest @ ..] => Expr::Case(datafusion::logical_expr::Case::new(
            None,
            vec![(Box::new(first.clone().is_not_null()), Box::new(first.clone()))],
            Some(Box::new(coalesce_case(rest))),
        )),
    }
}

fn nullif(args: Vec<Typed>) -> Result<Expr> {
    let [value, other] = <[Typed; 2]>::try_from(args).map_err(|args| undefined("nullif", &args))?;
    let null = Expr::Literal(datafusion::common::ScalarValue::try_from(value.data_type())?, None);
    let result = value.expr.clone();
    let equal = compare(Operator::Eq, value, other)?;
    Ok(Expr::Case(datafusion::logical_expr::Case::new(
        None,
        vec![(Box::new(equal), Box::new(null))],
        Some(Box::new(result)),
    )))
}

fn extreme(name: &str, args: Vec<Typed>) -> Result<Expr> {
    let (data_type, type_name) = common_type(&name.to_ascii_uppercase(), &args)?;
    let exprs = args.into_iter().map(|arg| convert(arg, &data_type, &type_name)).collect::<Result<Vec<_>>>()?;
    let function =
        if name == "greatest" { datafusion::functions::core::greatest() } else { datafusion::functions::core::least() };
    Ok(retag(function.call(exprs), data_type, &type_name))
}

fn concat(name: &str, args: Vec<Typed>) -> Result<Expr> {
    let exprs = args.into_iter().map(concat_text).collect::<Result<Vec<_>>>()?;
    if exprs.is_empty() {
        return Err(undefined(name, &[]));
    }
    Ok(if name == "concat" {
        let kernel = Kernel::Rows(|values| Ok(Datum::text(values.iter().map(Datum::as_text).collect::<String>())));
        call("concat", DataType::Utf8, kernel, exprs)
    } else {
        let kernel = Kernel::Rows(|values| {
            let Some((by, rest)) = values.split_first() else { return Ok(Datum::Null) };
            if by.is_null() {
                return Ok(Datum::Null);
            }
            let parts: Vec<&str> = rest.iter().filter(|value| !value.is_null()).map(Datum::as_text).collect();
            Ok(Datum::text(parts.join(by.as_text())))
        });
        call("concat_ws", DataType::Utf8, kernel, exprs)
    })
}

/// Booleans are `t` and `f` here, as their output function prints them.
fn concat_text(arg: Typed) -> Result<Expr> {
    if arg.name == "bool" {
        let kernel = Kernel::Strict(|values| {
            Ok(Datum::text(if values[0] == Datum::Value(Value::Bool(true)) { "t" } else { "f" }))
        });
        return Ok(call("bool_text", DataType::Utf8, kernel, vec![arg.expr]));
    }
    as_text(arg)
}

fn temporal(name: &str, mut args: Vec<Typed>) -> Result<Expr> {
    let is_temporal = |arg: &Typed| arg.is_time() || matches!(arg.name.as_str(), "time" | "interval");
    match (name, args.len()) {
        ("extract" | "date_part" | "date_trunc", 2) => {
            let value = args.remove(1);
            let unit = convert(args.remove(0), &DataType::Utf8, "text")?;
            if !is_temporal(&value) || (name == "date_trunc" && value.name == "time") {
                return Err(undefined(name, &[value]));
            }
            let output = value.data_type().clone();
            let args = vec![unit, value.expr];
            Ok(match name {
                "extract" => {
                    let kernel = Kernel::Strict(|v| time::extract(v[0].as_text(), &v[1]).map(Datum::Number));
                    call("extract", numeric::DYNAMIC, kernel, args)
                }
                "date_part" => {
                    let kernel = Kernel::Strict(|v| {
                        time::extract(v[0].as_text(), &v[1]).map(|n| Datum::Value(Value::Float8(n.to_f64())))
                    });
                    call("date_part", DataType::Float64, kernel, args)
                }
                _ => {
                    let output = if output == DataType::Date32 { timestamptz() } else { output };
                    call("date_trunc", output, Kernel::Strict(|v| time::truncate(v[0].as_text(), &v[1])), args)
                }
            })
        }
        ("age", 2) => {
            if let Some(wrong) = args.iter().find(|arg| !arg.is_time()) {
                return Err(undefined(name, std::slice::from_ref(wrong)));
            }
            let exprs = args.into_iter().map(|arg| arg.expr).collect();
            Ok(call("age", time::INTERVAL, Kernel::Strict(|v| time::age(&v[0], &v[1])), exprs))
        }
        ("make_date", 3) => {
            let exprs =
                args.into_iter().map(|arg| convert(arg, &DataType::Int32, "int4")).collect::<Result<Vec<_>>>()?;
            let kernel = Kernel::Strict(|v| time::make_date(v[0].as_i64(), v[1].as_i64(), v[2].as_i64()));
            Ok(call("make_date", DataType::Date32, kernel, exprs))
        }
        ("timezone", 2) => {
            let value = args.remove(1);
            match args[0].unknown_text() {
                Some(zone) if ["utc", "gmt", "z", "utc+0"].contains(&zone.to_ascii_lowercase().as_str()) => {}
                _ => return Err(unsupported("a time zone other than UTC")),
            }
            match value.name.as_str() {
                "timestamptz" => cast(value, "timestamp"),
                "timestamp" => cast(value, "timestamptz"),
                _ => Err(undefined(name, &[value])),
            }
        }
        _ => Err(undefined(name, &args)),
    }
}

/// `CASE WHEN condition THEN value … ELSE value END`: conditions and values in turn, then the last value.
pub(crate) fn plan_case(args: Vec<Typed>) -> Result<Expr> {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    let count = args.len();
    for (at, arg) in args.into_iter().enumerate() {
        if at % 2 == 0 && at + 1 < count {
            if arg.name != "bool" && !arg.is_unknown() {
                return Err(refuse(
                    "42804",
                    format!("argument of CASE/WHEN must be type boolean, not type {}", long_name(&arg.name)),
                ));
            }
            conditions.push(convert(arg, &DataType::Boolean, "bool")?);
        } else {
            values.push(arg);
        }
    }
    let (data_type, name) = common_type("CASE", &values)?;
    let mut values = values.into_iter().map(|value| convert(value, &data_type, &name)).collect::<Result<Vec<_>>>()?;
    let last = values.pop().ok_or_else(|| DataFusionError::Internal("a CASE without values".into()))?;
    let branches = conditions.into_iter().map(Box::new).zip(values.into_iter().map(Box::new)).collect();
    let case = Expr::Case(datafusion::logical_expr::Case::new(None, branches, Some(Box::new(last))));
    Ok(retag(case, data_type, &name))
}

/// `value IN (list)`
pub(crate) fn plan_in(value: Typed, list: Vec<Typed>) -> Result<Expr> {
    let mut all = vec![value];
    all.extend(list);
    let same = common_type("IN", &all).ok().filter(|(data_type, name)| {
        name != "json" && !matches!(data_type, DataType::Decimal256(..) | DataType::Interval(_))
    });
    if let Some((data_type, name)) = same {
        let mut exprs = all.into_iter().map(|arg| convert(arg, &data_type, &name)).collect::<Result<Vec<_>>>()?;
        let value = exprs.remove(0);
        return Ok(value.in_list(exprs, false));
    }
    let value = all.remove(0);
    let mut result: Option<Expr> = None;
    for item in all {
        let equal = compare(Operator::Eq, value.clone(), item)?;
        result = Some(match result {
            Some(result) => result.or(equal),
            None => equal,
        });
    }
    result.ok_or_else(|| refuse("42601", "IN needs a list"))
}
