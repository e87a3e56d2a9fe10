//! Types of expressions while a statement is planned: literals of unknown type take the type of what they meet, and
//! values that meet are brought to one type, by Postgres' rules.

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, cast as df_cast};

use super::call::{Kernel, call, call_field};
use super::cast::{Target, cast, named_field};
use super::datum::{Datum, build};
use super::numeric::DYNAMIC;
use crate::answer::pg_type;
use crate::error::refuse;
use crate::scan::columns::UTC;

/// An expression and its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) field: FieldRef,
    /// Postgres' short name of the type; `unknown` for a literal in quotes and NULL.
    pub(crate) name: String,
}

impl Typed {
    /// With its type, as Postgres sees it.
    pub(crate) fn new(expr: Expr, schema: &DFSchema) -> Result<Typed> {
        let expr = settle(expr);
        let (_, field) = expr.to_field(schema)?;
        let name = match &expr {
            Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, _) => "unknown".to_owned(),
            _ => pg_type(&field)?,
        };
        Ok(Typed { expr, field, name })
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.name == "unknown"
    }

    pub(crate) fn data_type(&self) -> &DataType {
        self.field.data_type()
    }

    /// The text of a literal of unknown type; `None` for NULL and everything else.
    pub(crate) fn unknown_text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) if self.is_unknown() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self.name.as_str(), "numeric")
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.name.as_str(), "int2" | "int4" | "int8")
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self.name.as_str(), "float4" | "float8")
    }

    pub(crate) fn is_number(&self) -> bool {
        self.is_integer() || self.is_float() || self.is_numeric()
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.name.as_str(), "text" | "varchar")
    }

    pub(crate) fn is_time(&self) -> bool {
        matches!(self.name.as_str(), "date" | "timestamp" | "timestamptz")
    }

    /// A literal of unknown type as one of `target`.
    pub(crate) fn resolve_to(self, target: &Target, data_type: &DataType) -> Result<Expr> {
        if !self.is_unknown() {
            return Ok(self.expr);
        }
        match self.unknown_text() {
            None => Ok(Expr::Literal(ScalarValue::try_from(data_type)?, None)),
            Some(text) => {
                let value = cast(&Datum::text(text), target)?;
                literal(value, data_type)
            }
        }
    }
}

/// A literal.
pub(crate) fn literal(value: Datum, data_type: &DataType) -> Result<Expr> {
    let array = build(vec![value], data_type)?;
    Ok(Expr::Literal(ScalarValue::try_from_array(&array, 0)?, None))
}

/// Integer literals are int4 where they fit. DataFusion reads them all as bigint.
pub(crate) fn settle(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Expr::Literal(ScalarValue::Int32(Some(value)), metadata),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            Expr::Literal(ScalarValue::Decimal128(Some(i128::from(value)), 20, 0), metadata)
        }
        Expr::Negative(inner) => Expr::Negative(Box::new(settle(*inner))),
        // What is inside of others was settled when they were planned.
        other => other,
    }
}

/// The numeric type that holds all of these: a decimal where they have one scale, else a number with its own.
fn numeric_type(types: &[&DataType]) -> DataType {
    let mut scale = None;
    for data_type in types {
        match data_type {
            DataType::Decimal128(_, this) if scale.is_none_or(|scale| scale == *this) => scale = Some(*this),
            _ => return DYNAMIC,
        }
    }
    scale.map_or(DYNAMIC, |scale| DataType::Decimal128(38, scale))
}

/// The type that values of these types share, and Postgres' name of it. `what` is for the refusal: `CASE`, `IN`.
pub(crate) fn common_type(what: &str, values: &[Typed]) -> Result<(DataType, String)> {
    let known: Vec<&Typed> = values.iter().filter(|value| !value.is_unknown()).collect();
    let Some(first) = known.first() else { return Ok((DataType::Utf8, "text".into())) };
    let mismatch = |other: &Typed| {
        refuse(
            "42804",
            format!("{what} types {} and {} cannot be matched", long_name(&first.name), long_name(&other.name)),
        )
    };
    if let Some(wrong) = known.iter().find(|value| category(value) != category(first)) {
        return Err(mismatch(wrong));
    }
    let has = |name: &str| known.iter().any(|value| value.name == name);
    let types: Vec<&DataType> = known.iter().map(|value| value.data_type()).collect();
    Ok(match category(first) {
        Category::Number => {
            if has("float8") || (has("float4") && known.iter().any(|value| value.is_numeric())) {
                (DataType::Float64, "float8".into())
            } else if has("float4") {
                (DataType::Float32, "float4".into())
            } else if has("numeric") {
                (numeric_type(&types), "numeric".into())
            } else if has("int8") {
                (DataType::Int64, "int8".into())
            } else if has("int4") {
                (DataType::Int32, "int4".into())
            } else {
                (DataType::Int16, "int2".into())
            }
        }
        Category::Text => {
            (DataType::Utf8, if known.iter().all(|value| value.name == "varchar") { "varchar" } else { "text" }.into())
        }
        Category::Time => {
            let zone = |zoned: bool| DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| UTC.into()));
            if has("timestamptz") {
                (zone(true), "timestamptz".into())
            } else if has("timestamp") {
                (zone(false), "timestamp".into())
            } else {
                (DataType::Date32, "date".into())
            }
        }
        Category::Other => {
            if let Some(wrong) = known.iter().find(|value| value.name != first.name) {
                return Err(mismatch(wrong));
            }
            (first.data_type().clone(), first.name.clone())
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Category {
    Number,
    Text,
    Time,
    Other,
}

fn category(value: &Typed) -> Category {
    if value.is_number() {
        Category::Number
    } else if value.is_text() {
        Category::Text
    } else if value.is_time() {
        Category::Time
    } else {
        Category::Other
    }
}

/// `value` as a value of `data_type`, which [`common_type`] gave.
pub(crate) fn convert(value: Typed, data_type: &DataType, name: &str) -> Result<Expr> {
    if value.is_unknown() {
        let target = if name == "numeric" { Target::Numeric } else { Target::parse(name)? };
        return value.resolve_to(&target, data_type);
    }
    if value.data_type() == data_type {
        return Ok(value.expr);
    }
    Ok(match data_type {
        DataType::Decimal256(..) => dynamic(value),
        // Arrow's cast would take the digits that say the scale for digits of the value.
        DataType::Float64 | DataType::Float32 if *value.data_type() == DYNAMIC => {
            let kernel = Kernel::Strict(|values| Ok(Datum::Value(lake_cdc::Value::Float8(values[0].as_f64()))));
            df_cast(call("float8", DataType::Float64, kernel, vec![value.expr]), data_type.clone())
        }
        _ => df_cast(value.expr, data_type.clone()),
    })
}

/// An integer or numeric as a numeric with its own scale.
pub(crate) fn dynamic(value: Typed) -> Expr {
    if *value.data_type() == DYNAMIC {
        return value.expr;
    }
    call("numeric", DYNAMIC, Kernel::Strict(|values| Ok(Datum::Number(values[0].as_number()))), vec![value.expr])
}

/// `expr` with Postgres' name of its type, where its Arrow type does not tell.
pub(crate) fn retag(expr: Expr, data_type: DataType, name: &str) -> Expr {
    match name {
        "json" | "jsonb" | "varchar" => call_field(
            "as_type",
            named_field(data_type, name),
            Kernel::Arrays(|arrays, _| {
                arrays.first().cloned().ok_or_else(|| DataFusionError::Internal("a value is missing".into()))
            }),
            None,
            vec![expr],
        ),
        _ => expr,
    }
}

/// A type as Postgres' messages call it.
pub(crate) fn long_name(name: &str) -> String {
    match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "varchar" => "character varying",
        "time" => "time without time zone",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        other => match other.strip_prefix('_') {
            Some(element) => return format!("{}[]", long_name(element)),
            None => other,
        },
    }
    .to_owned()
}

/// A field of a type.
pub(crate) fn field(data_type: DataType) -> Field {
    Field::new("value", data_type, true)
}
