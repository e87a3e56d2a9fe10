//! Type names of a statement as Postgres' short names with their modifiers.

use lake_api::ApiError;
use lake_dialect::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use super::read::sql_error;

/// `int4`, `numeric(10,2)`, `varchar(3)`, `_text`.
pub(crate) fn code(data_type: &DataType) -> Result<String, ApiError> {
    let plain = |name: &str| Ok(name.to_owned());
    let unsupported = || Err(sql_error("0A000", format!("the type {data_type} is not supported")));
    match data_type {
        DataType::Bool | DataType::Boolean => plain("bool"),
        DataType::Int2(None) | DataType::SmallInt(None) => plain("int2"),
        DataType::Int(None) | DataType::Int4(None) | DataType::Integer(None) => plain("int4"),
        DataType::Int8(None) | DataType::BigInt(None) => plain("int8"),
        DataType::Real | DataType::Float4 => plain("float4"),
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits <= 24 => plain("float4"),
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) | DataType::Float(_) => {
            plain("float8")
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => Ok(match info {
            ExactNumberInfo::None => "numeric".to_owned(),
            ExactNumberInfo::Precision(precision) => format!("numeric({precision},0)"),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => format!("numeric({precision},{scale})"),
        }),
        DataType::Date => plain("date"),
        DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain("time"),
        DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain("timestamp"),
        DataType::Timestamp(None, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => plain("timestamptz"),
        DataType::Uuid => plain("uuid"),
        DataType::Text => plain("text"),
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            match length {
                None => plain("varchar"),
                Some(CharacterLength::IntegerLength { length, .. }) => Ok(format!("varchar({length})")),
                Some(CharacterLength::Max) => unsupported(),
            }
        }
        DataType::Bytea => plain("bytea"),
        DataType::JSON => plain("json"),
        DataType::JSONB => plain("jsonb"),
        DataType::Interval { fields: None, precision: None } => plain("interval"),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            match name.to_string().to_ascii_lowercase().as_str() {
                known @ ("timestamptz" | "int2" | "int4" | "int8" | "float4" | "float8" | "bool" | "jsonb") => {
                    plain(known)
                }
                _ => Err(sql_error("42704", format!("type \"{name}\" does not exist"))),
            }
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, None) | ArrayElemTypeDef::AngleBracket(element)) => {
            Ok(format!("_{}", code(element)?))
        }
        _ => unsupported(),
    }
}
