//! From what went wrong to what the client is told.
//!
//! Our own refusals travel through DataFusion as [`Refusal`] and come out with their SQLSTATE. What DataFusion
//! itself refuses is told by kind, and by its words where the kind says too little.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use lake_api::{ApiError, ErrorCode};
use lake_dialect::{SqlError, sqlstate};

/// A refusal of ours on its way through DataFusion.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub(crate) struct Refusal(pub(crate) ApiError);

/// A refusal with a SQLSTATE.
pub(crate) fn refuse(sqlstate: &'static str, message: impl Into<String>) -> DataFusionError {
    refusal(ApiError::new(ErrorCode::Sql(sqlstate), message))
}

/// 0A000.
pub(crate) fn unsupported(what: impl std::fmt::Display) -> DataFusionError {
    refuse("0A000", format!("{what} is not supported"))
}

/// Something that a query needs is missing for the moment.
pub(crate) fn unavailable(message: impl Into<String>) -> DataFusionError {
    refusal(ApiError::new(ErrorCode::Unavailable, message))
}

pub(crate) fn refusal(error: ApiError) -> DataFusionError {
    DataFusionError::External(Box::new(Refusal(error)))
}

/// A refusal of the shared Postgres front.
pub(crate) fn from_dialect(error: SqlError) -> ApiError {
    ApiError {
        code: ErrorCode::Sql(sqlstate::known(&error.sqlstate)),
        message: error.message,
        detail: error.detail,
        hint: error.hint,
    }
}

/// A refusal of text input.
pub(crate) fn from_text(error: lake_cdc::text::TextError) -> DataFusionError {
    refuse(error.sqlstate, error.message)
}

/// What the client is told about a failure in DataFusion.
pub(crate) fn from_datafusion(error: &DataFusionError) -> ApiError {
    let sql = |state, message: String| ApiError::new(ErrorCode::Sql(state), message);
    match error {
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(inner),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_datafusion(first),
            None => sql("XX000", error.to_string()),
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::ParquetError(inner) => match inner.as_ref() {
            parquet::errors::ParquetError::External(inner) => external(inner.as_ref()),
            other => ApiError::new(ErrorCode::Unavailable, format!("a data file cannot be read: {other}")),
        },
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::NotImplemented(message)
            if message.contains("Physical plan does not support logical expression") =>
        {
            sql("0A000", "a subquery in this place is not supported; write it as a join".into())
        }
        DataFusionError::NotImplemented(message) => sql("0A000", first_line(message)),
        DataFusionError::ResourcesExhausted(message) => sql("53200", first_line(message)),
        DataFusionError::SQL(_, _) => sql("42601", first_line(&error.to_string())),
        DataFusionError::Plan(message) => from_plan(message),
        DataFusionError::Execution(message) => from_execution(message),
        other => sql("0A000", format!("the query cannot be planned: {}", first_line(&other.to_string()))),
    }
}

fn external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ApiError {
    if let Some(Refusal(error)) = error.downcast_ref::<Refusal>() {
        return error.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner);
    }
    ApiError::new(ErrorCode::Sql("XX000"), error.to_string())
}

fn from_arrow(error: &ArrowError) -> ApiError {
    let sql = |state, message: String| ApiError::new(ErrorCode::Sql(state), message);
    match error {
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::DivideByZero => sql("22012", "division by zero".into()),
        ArrowError::ArithmeticOverflow(_) => sql("22003", "numeric value out of range".into()),
        ArrowError::CastError(message) => sql("22P02", first_line(message)),
        ArrowError::ParseError(message) => sql("22P02", first_line(message)),
        ArrowError::InvalidArgumentError(message) if message.contains("too large to store") => {
            sql("22003", "numeric field overflow".into())
        }
        // Patterns of a column are compiled as they come. The message has the pattern in it, which can be any words.
        ArrowError::ComputeError(message) if message.starts_with("Regular expression did not compile") => {
            sql(sqlstate::INVALID_REGULAR_EXPRESSION, "invalid regular expression, or one that is too large".into())
        }
        ArrowError::ComputeError(message) if message.to_ascii_lowercase().contains("overflow") => {
            sql("22003", "numeric value out of range".into())
        }
        // A plan that contradicts itself: DataFusion leaves a recursion without columns when only its rows are counted.
        ArrowError::SchemaError(message) => {
            sql("0A000", format!("the query cannot be planned: {}", first_line(message)))
        }
        ArrowError::MemoryError(message) => sql("53200", message.clone()),
        ArrowError::OffsetOverflowError(_) => sql("54000", "a column of the result is too large".into()),
        other => sql("XX000", first_line(&other.to_string())),
    }
}

fn from_schema(error: &SchemaError) -> ApiError {
    let sql = |state, message: String| ApiError::new(ErrorCode::Sql(state), message);
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            sql("42703", format!("column \"{}\" does not exist", field.name.replace('"', "\"\"")))
        }
        SchemaError::AmbiguousReference { field } => {
            sql("42702", format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            sql("42712", format!("the name \"{name}\" is used more than once"))
        }
    }
}

fn from_plan(message: &str) -> ApiError {
    let lower = message.to_ascii_lowercase();
    let has = |needle: &str| lower.contains(needle);
    let state = if has("must be in the group by")
        || has("must appear in the group by")
        || has("could not be resolved from available columns")
    {
        "42803"
    } else if (has("table") && has("not found")) || has("no table named") {
        "42P01"
    } else if has("ambiguous") {
        "42702"
    } else if has("no function matches")
        || has("invalid function")
        || has("failed to coerce arguments")
        || has("user-defined coercion failed")
    {
        "42883"
    } else if has("cannot coerce")
        || has("cannot infer common")
        || has("incompatible")
        || has("cannot cast")
        || has("not comparable")
    {
        "42804"
    } else if has("no field named") || has("column not found") {
        "42703"
    } else if has("parse") || has("syntax") {
        "42601"
    } else {
        "0A000"
    };
    ApiError::new(ErrorCode::Sql(state), first_line(message))
}

fn from_execution(message: &str) -> ApiError {
    let lower = message.to_ascii_lowercase();
    let state = if lower.contains("divide by zero") {
        "22012"
    } else if lower.contains("overflow") {
        "22003"
    } else {
        "22023"
    };
    ApiError::new(ErrorCode::Sql(state), first_line(message))
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut end = line.len().min(500);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].to_owned()
}
