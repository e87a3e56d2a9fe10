//! Values as they are in answers.

use lake_cdc::text::calendar;
use lake_cdc::{ColumnType, DecodeError, Value, text};
use serde_json::{Map, Number, Value as Json};

use crate::limits::EVENT_BYTES_MAX;
use crate::stored::{Shape, ShapeField, TailRow};

/// Bytes of a JSON value in memory, and of the longest one that is no text.
const JSON_VALUE_BYTES: usize = 64;

/// The images of a change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Images {
    pub(super) before: Option<Json>,
    pub(super) after: Option<Json>,
    /// They have the key only, and of that what is not too large.
    pub(super) too_large: bool,
    /// Bytes they take, about.
    pub(super) bytes: usize,
}

impl Images {
    /// The images as objects from column name to value, of the key's columns only if they are too large.
    pub(super) fn of(shape: &Shape, before: Option<&TailRow>, after: Option<&TailRow>) -> Result<Images, DecodeError> {
        let stored = before.iter().chain(&after).map(|row| row.0.len()).sum::<usize>();
        if stored <= EVENT_BYTES_MAX {
            let all = (0..shape.fields.len()).collect::<Vec<usize>>();
            let images = Images::read(shape, before, after, &all)?;
            if let Some(images) = images {
                return Ok(images);
            }
        }
        let images = Images::read(shape, before, after, &shape.key)?;
        let nothing = |row: Option<&TailRow>| row.map(|_| Json::Object(Map::new()));
        let images =
            images.unwrap_or_else(|| Images { before: nothing(before), after: nothing(after), ..Images::default() });
        Ok(Images { too_large: true, ..images })
    }

    /// The images of these columns, `None` if they are too large.
    fn read(
        shape: &Shape,
        before: Option<&TailRow>,
        after: Option<&TailRow>,
        columns: &[usize],
    ) -> Result<Option<Images>, DecodeError> {
        let mut bytes = 0;
        let mut image = |row: Option<&TailRow>| -> Result<Option<Json>, DecodeError> {
            let Some(row) = row else { return Ok(None) };
            let values = row.decode_some(columns)?;
            let members = values.iter().filter_map(|(index, value)| Some((shape.fields.get(*index)?, value)));
            bytes += members.clone().map(|(field, value)| member_bytes(field, value)).sum::<usize>();
            if bytes > EVENT_BYTES_MAX {
                return Ok(None);
            }
            let members = members.map(|(field, value)| (field.name.clone(), json(value, &field.column_type)));
            Ok(Some(Json::Object(members.collect::<Map<_, _>>())))
        };
        let (before, after) = (image(before)?, image(after)?);
        Ok((bytes <= EVENT_BYTES_MAX).then_some(Images { before, after, too_large: false, bytes }))
    }
}

fn member_bytes(field: &ShapeField, value: &Value) -> usize {
    escaped(&field.name) + 2 + value_bytes(value, &field.column_type)
}

/// Bytes of a value as JSON or in memory, whichever is more. Not less than they are.
fn value_bytes(value: &Value, column_type: &ColumnType) -> usize {
    match value {
        Value::Text(text) if matches!(column_type, ColumnType::Json | ColumnType::Jsonb) => {
            let parts = text.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
            escaped(text).max((parts + 1) * JSON_VALUE_BYTES)
        }
        Value::Text(text) => escaped(text),
        Value::Bytea(bytes) => bytes.len() * 2 + 5,
        // What is quoted is escaped twice.
        Value::Array(elements) => elements
            .iter()
            .map(|element| match element {
                Value::Text(text) => escaped(text) * 2 + 3,
                other => value_bytes(other, column_type),
            })
            .sum(),
        _ => JSON_VALUE_BYTES,
    }
}

/// Bytes of a text as JSON, quotes included.
fn escaped(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' | 8 | 9 | 10 | 12 | 13 => 2,
        0..32 => 6,
        _ => 1,
    };
    text.bytes().map(byte).sum::<usize>() + 2
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
        let found = json(&value, &column_type).to_string();
        assert_eq!(found, expected);
        let bytes = value_bytes(&value, &column_type);
        assert!((found.len()..=found.len() * 4 + 260).contains(&bytes), "{bytes} for {found}");
    }

    #[test]
    fn what_is_escaped_is_counted_as_it_is_written() {
        let odd = (0..128).map(char::from).collect::<String>() + "é";
        assert_eq!(escaped(&odd), serde_json::to_string(&odd).unwrap().len());
        check(Value::Text(odd.clone()), ColumnType::Text, &serde_json::to_string(&odd).unwrap());
        let texts = || Value::Array(vec![Value::Text("\"\\\u{1},".into()); 100]);
        let in_json = json(&texts(), &ColumnType::Array(Box::new(ColumnType::Text))).to_string();
        check(texts(), ColumnType::Array(Box::new(ColumnType::Text)), &in_json);
        check(Value::Bytea(vec![1; 3]), ColumnType::Bytea, "\"\\\\x010101\"");
    }

    fn shape(key: Vec<usize>) -> Shape {
        let field = |id: i32, name: &str, column_type| ShapeField { field_id: id, name: name.into(), column_type };
        Shape { table: 1, fields: vec![field(1, "id", ColumnType::Text), field(2, "doc", ColumnType::Json)], key }
    }

    fn check_images(row: [&str; 2], key: Vec<usize>, expected: Option<Json>) {
        let row = TailRow::of(&lake_cdc::Row(row.map(|text| Value::Text(text.into())).to_vec()));
        let images = Images::of(&shape(key), None, Some(&row)).unwrap();
        assert_eq!((images.before, images.too_large), (None, expected.is_some()));
        assert!(images.bytes <= EVENT_BYTES_MAX);
        if expected.is_some() {
            assert_eq!(images.after, expected);
        }
    }

    #[test]
    fn of_what_is_too_large_the_key_is_left() {
        let key = serde_json::json!({"id": "a"});
        check_images(["a", "{}"], vec![0], None);
        check_images(["a", &"x".repeat(EVENT_BYTES_MAX)], vec![0], Some(key.clone()));
        check_images(["a", &"\u{1}".repeat(EVENT_BYTES_MAX / 6)], vec![0], Some(key.clone()));
        let values = format!("[{}1]", "1,".repeat(EVENT_BYTES_MAX / JSON_VALUE_BYTES));
        check_images(["a", &values], vec![0], Some(key));
        check_images([&"x".repeat(EVENT_BYTES_MAX), "{}"], vec![0], Some(serde_json::json!({})));
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
