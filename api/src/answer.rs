//! The JSON of SQL answers, written as the rows come: no tree of values in between.
//!
//! Numbers that JavaScript cannot hold exactly (int8, numeric) are strings; float NaN and infinities too.

use std::fmt::Write;

use crate::limits::ANSWER_BYTES_MAX;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerColumn {
    /// Its name as Postgres names it.
    pub name: String,
    /// Postgres' short type name: `int8`, `timestamptz`, `_text`.
    pub type_name: String,
}

/// The answer is larger than `ANSWER_BYTES_MAX` (54000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is larger than {} MiB", ANSWER_BYTES_MAX >> 20)]
pub struct AnswerTooLarge;

/// Writes the `rows` of one result.
#[derive(Debug)]
pub struct RowWriter {
    json: String,
    row_count: u64,
    first_value: bool,
    bytes_max: usize,
}

impl Default for RowWriter {
    fn default() -> RowWriter {
        RowWriter::new()
    }
}

impl RowWriter {
    /// No rows yet.
    pub fn new() -> RowWriter {
        RowWriter { json: String::new(), row_count: 0, first_value: true, bytes_max: ANSWER_BYTES_MAX }
    }

    /// No rows yet, with less room: what other results of the same answer left over.
    pub fn with_room(bytes_max: usize) -> RowWriter {
        RowWriter { bytes_max: bytes_max.min(ANSWER_BYTES_MAX), ..RowWriter::new() }
    }

    /// Starts a row.
    pub fn begin_row(&mut self) {
        if self.row_count > 0 {
            self.json.push(',');
        }
        self.json.push('[');
        self.first_value = true;
    }

    /// Ends a row.
    pub fn end_row(&mut self) -> Result<(), AnswerTooLarge> {
        self.json.push(']');
        self.row_count += 1;
        if self.json.len() > self.bytes_max { Err(AnswerTooLarge) } else { Ok(()) }
    }

    /// How many rows were ended.
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// How many bytes the rows take.
    pub fn len(&self) -> usize {
        self.json.len()
    }

    /// True before the first row.
    pub fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    fn separate(&mut self) {
        if !self.first_value {
            self.json.push(',');
        }
        self.first_value = false;
    }

    /// NULL.
    pub fn null(&mut self) {
        self.separate();
        self.json.push_str("null");
    }

    /// boolean
    pub fn bool(&mut self, value: bool) {
        self.separate();
        self.json.push_str(if value { "true" } else { "false" });
    }

    /// int2 and int4: a JSON number.
    pub fn int4(&mut self, value: i32) {
        self.separate();
        // Writing to a String cannot fail.
        let _ = write!(self.json, "{value}");
    }

    /// int8: a string.
    pub fn int8(&mut self, value: i64) {
        self.separate();
        let _ = write!(self.json, "\"{value}\"");
    }

    /// float4: a JSON number in the fewest digits that read back, or a string for NaN and infinities.
    pub fn float4(&mut self, value: f32) {
        if value.is_finite() {
            self.separate();
            let _ = write!(self.json, "{value:?}");
        } else {
            self.float8(f64::from(value));
        }
    }

    /// float8: as float4.
    pub fn float8(&mut self, value: f64) {
        self.separate();
        if value.is_nan() {
            self.json.push_str("\"NaN\"");
        } else if value.is_infinite() {
            self.json.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        } else {
            let _ = write!(self.json, "{value:?}");
        }
    }

    /// Everything that is a string in answers: numeric, text, dates as `cdc::text` prints them, uuid, `\x…`.
    pub fn text(&mut self, value: &str) {
        self.separate();
        push_json_string(&mut self.json, value);
    }

    /// json and jsonb: the value itself. `value` must be valid JSON.
    pub fn json(&mut self, value: &str) {
        self.separate();
        self.json.push_str(value);
    }

    /// `{"columns": […], "rows": […], "rowCount": …, "command": …` without the closing brace, so that the caller adds
    /// `lsn` or `position` and closes. `row_count` is that of `rows`, or of affected rows where there are none.
    pub fn finish(self, columns: &[AnswerColumn], command: &str, affected: Option<u64>) -> String {
        let mut answer = String::with_capacity(self.json.len() + 64 + columns.len() * 40);
        answer.push_str("{\"columns\":[");
        for (index, column) in columns.iter().enumerate() {
            answer.push_str(if index == 0 { "{\"name\":" } else { ",{\"name\":" });
            push_json_string(&mut answer, &column.name);
            answer.push_str(",\"type\":");
            push_json_string(&mut answer, &column.type_name);
            answer.push('}');
        }
        answer.push_str("],\"rows\":[");
        answer.push_str(&self.json);
        let _ = write!(answer, "],\"rowCount\":{},\"command\":", affected.unwrap_or(self.row_count));
        push_json_string(&mut answer, command);
        answer
    }
}

/// Appends `value` as a JSON string.
pub fn push_json_string(json: &mut String, value: &str) {
    json.push('"');
    let mut start = 0;
    for (index, byte) in value.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        json.push_str(&value[start..index]);
        if escape.is_empty() {
            let _ = write!(json, "\\u{byte:04x}");
        } else {
            json.push_str(escape);
        }
        start = index + 1;
    }
    json.push_str(&value[start..]);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_json_with_exact_numbers() {
        let mut rows = RowWriter::new();
        rows.begin_row();
        rows.int8(i64::MAX);
        rows.float8(f64::NAN);
        rows.float8(-0.0);
        rows.text("a\"\\\n\u{1}é");
        rows.json("{\"a\": 1}");
        rows.null();
        assert_eq!(rows.end_row(), Ok(()));
        rows.begin_row();
        rows.bool(true);
        rows.float4(0.1);
        assert_eq!(rows.end_row(), Ok(()));
        let columns = [AnswerColumn { name: "?column?".into(), type_name: "int8".into() }];
        let json = rows.finish(&columns, "SELECT", None) + "}";
        let read: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
        assert_eq!(read["rowCount"], 2);
        assert_eq!(read["columns"][0]["type"], "int8");
        assert_eq!(read["rows"][0][0], "9223372036854775807");
        assert_eq!(read["rows"][0][1], "NaN");
        assert_eq!(read["rows"][0][2].as_f64().map(f64::to_bits), Some((-0.0f64).to_bits()));
        assert_eq!(read["rows"][0][3], "a\"\\\n\u{1}é");
        assert!(json.contains("0.1]"));
    }

    #[test]
    fn rows_beyond_the_room_are_refused() {
        let mut rows = RowWriter::with_room(4);
        rows.begin_row();
        rows.text("hello");
        assert_eq!(rows.end_row(), Err(AnswerTooLarge));
    }

    /// Writes the value that a fixture describes as a client holds it.
    fn write(rows: &mut RowWriter, type_name: &str, wire: &serde_json::Value, held: &str) {
        match (type_name, wire) {
            (_, serde_json::Value::Null) => rows.null(),
            ("int2" | "int4", _) => rows.int4(held.parse().expect("an integer")),
            ("int8", _) => rows.int8(held.parse().expect("an integer")),
            ("float4", _) => rows.float4(held.parse().expect("a number")),
            ("float8", _) => rows.float8(held.parse().expect("a number")),
            ("bool", _) => rows.bool(held == "true"),
            ("jsonb", wire) => rows.json(&wire.to_string()),
            (_, wire) => rows.text(wire.as_str().expect("a text")),
        }
    }

    #[test]
    fn the_wire_fixtures_are_what_clients_get() {
        let fixtures: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/wire/answers.json")).expect("JSON");
        for fixture in fixtures["values"].as_array().expect("a list of values") {
            let mut rows = RowWriter::new();
            rows.begin_row();
            let type_name = fixture["type"].as_str().expect("a type");
            write(&mut rows, type_name, &fixture["json"], fixture["javascript"]["text"].as_str().expect("a text"));
            assert_eq!(rows.end_row(), Ok(()));
            let json = rows.finish(&[], "SELECT", None) + "}";
            let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(read["rows"][0][0], fixture["json"], "{type_name}");
        }
        let answer = &fixtures["answer"];
        let column = |column: &serde_json::Value| AnswerColumn {
            name: column["name"].as_str().expect("a name").to_owned(),
            type_name: column["type"].as_str().expect("a type").to_owned(),
        };
        let columns: Vec<_> = answer["columns"].as_array().expect("columns").iter().map(column).collect();
        let mut rows = RowWriter::new();
        for row in answer["rows"].as_array().expect("rows") {
            rows.begin_row();
            for (value, column) in row.as_array().expect("a row").iter().zip(&columns) {
                write(&mut rows, &column.type_name, value, value.as_str().unwrap_or_default());
            }
            assert_eq!(rows.end_row(), Ok(()));
        }
        let json = rows.finish(&columns, "SELECT", None) + "}";
        assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).expect("JSON"), answer);
    }
}
