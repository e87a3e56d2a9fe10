//! From what SQLite returns to the JSON of an answer.

use lake_api::answer::{AnswerTooLarge, RowWriter};
use lake_api::limits::ANSWER_BYTES_MAX;
use lake_cdc::Value;
use rusqlite::types::ValueRef;

use super::input::{printed_bytes_at_least, to_value};
use super::limits::LONG_TEXT_BYTES;
use super::pg_type::PgType;

/// Refuses what does not fit: a row is asked for its length when it has ended, and several values of 16 MiB do not fit in
/// memory before that.
fn expect_room(writer: &RowWriter, bytes: usize) -> Result<(), AnswerTooLarge> {
    if writer.len() + bytes > ANSWER_BYTES_MAX { Err(AnswerTooLarge) } else { Ok(()) }
}

/// How long a text is as a JSON string, if it is long enough to matter: a control character is six bytes.
fn escaped_bytes(text: &[u8]) -> usize {
    if text.len() <= LONG_TEXT_BYTES {
        return text.len();
    }
    let added = text.iter().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..=31 => 5,
        _ => 0,
    });
    text.len() + added.sum::<usize>()
}

fn write_text(writer: &mut RowWriter, text: &str) -> Result<(), AnswerTooLarge> {
    expect_room(writer, escaped_bytes(text.as_bytes()))?;
    writer.text(text);
    Ok(())
}

/// Prints what can be longer than it is stored, if it can fit.
fn write_printed(writer: &mut RowWriter, value: ValueRef<'_>, ty: &PgType) -> Result<(), AnswerTooLarge> {
    let value = to_value(value, ty);
    expect_room(writer, printed_bytes_at_least(&value))?;
    write_text(writer, &lake_cdc::text::print(&value))
}

/// Writes one value, unless the answer is then too large.
pub(super) fn write(writer: &mut RowWriter, value: ValueRef<'_>, ty: &PgType) -> Result<(), AnswerTooLarge> {
    match (value, ty) {
        (ValueRef::Text(text), PgType::Json | PgType::Jsonb) => {
            expect_room(writer, text.len())?;
            match std::str::from_utf8(text) {
                Ok(json) => writer.json(json),
                Err(_) => writer.null(),
            }
        }
        (ValueRef::Null, _) => writer.null(),
        (ValueRef::Integer(value), PgType::Bool) => writer.bool(value != 0),
        (ValueRef::Integer(value), PgType::Int2 | PgType::Int4) => writer.int4(value as i32),
        (ValueRef::Integer(value), PgType::Int8) => writer.int8(value),
        (ValueRef::Integer(value), PgType::Float8 | PgType::Float4) => writer.float8(value as f64),
        (ValueRef::Real(value), PgType::Float4) => writer.float4(value as f32),
        (ValueRef::Real(value), _) => writer.float8(value),
        (ValueRef::Text(_), PgType::Float4 | PgType::Float8) => writer.float8(f64::NAN),
        (ValueRef::Integer(_), PgType::Timestamp | PgType::TimestampTz) => writer.text(&iso(value, ty)),
        (ValueRef::Text(text), PgType::Text | PgType::Varchar | PgType::Numeric) => {
            write_text(writer, &String::from_utf8_lossy(text))?;
        }
        _ => write_printed(writer, value, ty)?,
    }
    Ok(())
}

/// ISO 8601 with six digits of microseconds.
fn iso(value: ValueRef<'_>, ty: &PgType) -> String {
    let micros = match to_value(value, ty) {
        Value::Timestamp(micros) | Value::TimestampTz(micros) => micros,
        other => return lake_cdc::text::print(&other),
    };
    let whole = lake_cdc::text::print(&Value::Timestamp(micros - micros.rem_euclid(1_000_000)));
    let zone = if *ty == PgType::TimestampTz { "Z" } else { "" };
    format!("{}.{:06}{zone}", whole.replacen(' ', "T", 1), micros.rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::super::input::to_sqlite;
    use super::*;

    /// Whether a writer takes the value, and how long its row is then.
    fn written(value: Value, ty: &PgType) -> (bool, usize) {
        let mut writer = RowWriter::new();
        let stored = to_sqlite(value);
        let is_written = write(&mut writer, (&stored).into(), ty).is_ok();
        (is_written, writer.len())
    }

    #[test]
    fn what_is_too_long_when_it_is_written_is_refused_before() {
        let control = || Value::Text("\u{1}".repeat(3_000_000));
        let quotes = || Value::Text("\"".repeat(9_000_000));
        let array = |element: Value| Value::Array(vec![element]);
        let texts = PgType::Array(Box::new(PgType::Text));
        for (value, ty) in [
            (control(), PgType::Text),
            (quotes(), PgType::Varchar),
            (array(control()), texts.clone()),
            (array(quotes()), texts.clone()),
            (Value::Bytea(vec![255; 9_000_000]), PgType::Bytea),
            (array(Value::Bytea(vec![255; 9_000_000])), PgType::Array(Box::new(PgType::Bytea))),
        ] {
            assert_eq!(written(value, &ty), (false, 0), "{ty:?}");
        }
        assert_eq!(written(array(Value::Text("a".repeat(9_000_000))), &texts), (true, 9_000_004));
        assert_eq!(written(Value::Bytea(vec![255; 8_000_000]), &PgType::Bytea), (true, 16_000_005));
    }

    #[test]
    fn a_long_text_is_counted_as_it_is_escaped() {
        let text = (0..128).map(char::from).collect::<String>().repeat(1_000) + "\u{e9}";
        let (is_written, length) = written(Value::Text(text.clone()), &PgType::Text);
        assert!(is_written);
        assert_eq!(escaped_bytes(text.as_bytes()) + 2, length);
    }

    #[test]
    fn a_value_prints_in_no_fewer_bytes_than_were_expected() {
        let text = || Value::Text("a \"".to_owned());
        for value in [
            Value::Null,
            Value::Int8(1),
            text(),
            Value::Bytea(vec![1, 2]),
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Null, text(), Value::Bytea(vec![1])]),
        ] {
            assert!(printed_bytes_at_least(&value) <= lake_cdc::text::print(&value).len(), "{value:?}");
        }
        assert_eq!(printed_bytes_at_least(&Value::Array(vec![text(), Value::Bytea(vec![1, 2])])), 3 + 6);
    }
}
