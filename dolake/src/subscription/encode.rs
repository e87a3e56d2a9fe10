//! Values as they are in answers.

use lake_cdc::text::calendar;
use lake_cdc::{ColumnType, Row, Value, text};
use serde_json::{Map, Number, Value as Json};

use crate::stored::Shape;

/// A row as an object from column name to value.
pub(super) fn image(shape: &Shape, row: &Row) -> Json {
    let members = shape.fields.iter().zip(&row.0);
    Json::Object(
        members.map(|(field, value)| (field.name.clone(), json(value, &field.column_type))).collect::<Map<_, _>>(),
    )
}

/// A moment with microseconds, in UTC.
pub(super) fn iso(micros: i64) -> String {
    format!("{}Z", calendar::iso(micros))
}

fn json(value: &Value, column_type: &ColumnType) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int2(value) => Json::from(*value),
        Value::Int4(value) => Json::from(*value),
        Value::Int8(value) => Json::from(value.to_string()),
        // The fewest digits that read back as the same float4, which are not those of the float8 beside it.
        Value::Float4(value) => float(format!("{value:?}").parse().unwrap_or(f64::from(*value))),
        Value::Float8(value) => float(*value),
        Value::Timestamp(micros) => Json::from(calendar::iso(*micros)),
        Value::TimestampTz(micros) => Json::from(iso(*micros)),
        Value::Text(value) if matches!(column_type, ColumnType::Json | ColumnType::Jsonb) => {
            serde_json::from_str(value).unwrap_or_else(|_| Json::from(value.as_str()))
        }
        Value::Text(value) => Json::from(value.as_str()),
        other => Json::from(text::print(other)),
    }
}

fn float(value: f64) -> Json {
    match Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => Json::from("NaN"),
        None if value > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, column_type: ColumnType, expected: &str) {
        assert_eq!(json(&value, &column_type).to_string(), expected);
    }

    #[test]
    fn what_javascript_cannot_hold_is_a_string() {
        check(Value::Int8(i64::MIN), ColumnType::Int8, "\"-9223372036854775808\"");
        check(Value::Int4(7), ColumnType::Int4, "7");
        check(Value::Float8(f64::NAN), ColumnType::Float8, "\"NaN\"");
        check(Value::Float4(0.1), ColumnType::Float4, "0.1");
        check(Value::Null, ColumnType::Text, "null");
    }

    #[test]
    fn times_have_microseconds() {
        check(Value::TimestampTz(0), ColumnType::TimestampTz, "\"1970-01-01T00:00:00.000000Z\"");
        check(Value::Timestamp(-1), ColumnType::Timestamp, "\"1969-12-31T23:59:59.999999\"");
        check(Value::TimestampTz(-62_135_596_800_000_000), ColumnType::TimestampTz, "\"0001-01-01T00:00:00.000000Z\"");
    }

    #[test]
    fn json_is_itself() {
        check(Value::Text("{\"a\": [1]}".into()), ColumnType::Jsonb, "{\"a\":[1]}");
        check(Value::Text("{}".into()), ColumnType::Text, "\"{}\"");
    }
}
