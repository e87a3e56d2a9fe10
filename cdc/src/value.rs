//! One value of a column, and its bytes.
//!
//! Values carry their tag, so that a stored batch can be read without the relation it was written under.
//! Keys have a form of their own: two values of one type are equal exactly when their key bytes are.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::column_type::ColumnType;
use crate::limits::NUMERIC_PRECISION_MAX;
use crate::numeric::Numeric;

/// A value. `Null` has no type of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `real`; any NaN is the one NaN.
    Float4(f32),
    /// `double precision`; any NaN is the one NaN.
    Float8(f64),
    /// `numeric(p,s)`: digits with the column's scale.
    Numeric(Numeric),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `time`: microseconds since midnight, 0 ..= 86,400,000,000.
    Time(i64),
    /// `timestamp`: microseconds since 1970-01-01T00:00:00 on a wall clock.
    Timestamp(i64),
    /// `timestamptz`: microseconds since 1970-01-01T00:00:00Z.
    TimestampTz(i64),
    /// `uuid`
    Uuid([u8; 16]),
    /// `text`, `varchar`, `json` and `jsonb`: UTF-8 without NUL.
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
    /// A one-dimensional array; elements are of its element type or `Null`.
    Array(Vec<Value>),
}

impl Value {
    /// True for `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// True if the value is `Null` or of this type.
    pub fn is_of(&self, column_type: &ColumnType) -> bool {
        use ColumnType as T;
        match (self, column_type) {
            (Value::Null, _)
            | (Value::Bool(_), T::Bool)
            | (Value::Int2(_), T::Int2)
            | (Value::Int4(_), T::Int4)
            | (Value::Int8(_), T::Int8)
            | (Value::Float4(_), T::Float4)
            | (Value::Float8(_), T::Float8)
            | (Value::Date(_), T::Date)
            | (Value::Time(_), T::Time)
            | (Value::Timestamp(_), T::Timestamp)
            | (Value::TimestampTz(_), T::TimestampTz)
            | (Value::Uuid(_), T::Uuid)
            | (Value::Text(_), T::Text | T::Varchar(_) | T::Json | T::Jsonb)
            | (Value::Bytea(_), T::Bytea) => true,
            (Value::Numeric(number), T::Numeric { precision, scale }) => {
                number.scale() == *scale && number.fits(*precision)
            }
            (Value::Array(elements), T::Array(element)) => {
                elements.iter().all(|value| !matches!(value, Value::Array(_)) && value.is_of(element))
            }
            _ => false,
        }
    }

    /// Appends the value with its tag, so that it can be read without knowing its type.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.tag());
        if let Value::Numeric(number) = self {
            writer.u8(number.scale());
        }
        self.encode_payload(writer);
    }

    /// Appends the value for a key: a presence byte and the digits, without the type's width, so that a
    /// key column that is widened keeps its bytes.
    pub fn encode_key(&self, writer: &mut Writer) {
        writer.u8(u8::from(!self.is_null()));
        self.encode_payload(writer);
    }

    fn tag(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int2(_) => 2,
            Value::Int4(_) => 3,
            Value::Int8(_) => 4,
            Value::Float4(_) => 5,
            Value::Float8(_) => 6,
            Value::Numeric(_) => 7,
            Value::Date(_) => 8,
            Value::Time(_) => 9,
            Value::Timestamp(_) => 10,
            Value::TimestampTz(_) => 11,
            Value::Uuid(_) => 12,
            Value::Text(_) => 13,
            Value::Bytea(_) => 14,
            Value::Array(_) => 15,
        }
    }

    /// Integers are zigzag varints, floats little-endian with one NaN, text and bytes counted, a numeric its 16
    /// unscaled bytes, little-endian.
    fn encode_payload(&self, writer: &mut Writer) {
        match self {
            Value::Null => {}
            Value::Bool(value) => writer.u8(u8::from(*value)),
            Value::Int2(value) => writer.signed(i64::from(*value)),
            Value::Int4(value) | Value::Date(value) => writer.signed(i64::from(*value)),
            Value::Int8(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => {
                writer.signed(*value);
            }
            Value::Float4(value) => {
                let value = if value.is_nan() { f32::NAN } else { *value };
                writer.raw(&value.to_le_bytes());
            }
            Value::Float8(value) => {
                let value = if value.is_nan() { f64::NAN } else { *value };
                writer.raw(&value.to_le_bytes());
            }
            Value::Numeric(value) => writer.raw(&value.unscaled().to_le_bytes()),
            Value::Uuid(value) => writer.raw(value),
            Value::Text(value) => writer.text(value),
            Value::Bytea(value) => writer.counted(value),
            Value::Array(elements) => {
                writer.varint(elements.len() as u64);
                for element in elements {
                    element.encode(writer);
                }
            }
        }
    }

    /// Takes a tagged value.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
        let tag = reader.u8("a value")?;
        if tag != 15 {
            return Value::decode_scalar(tag, reader);
        }
        let count = reader.count("an array")?;
        let mut elements = Vec::new();
        for _ in 0..count {
            let tag = reader.u8("an array element")?;
            elements.push(Value::decode_scalar(tag, reader)?);
        }
        Ok(Value::Array(elements))
    }

    fn decode_scalar(tag: u8, reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
        let out_of_range = |_| DecodeError::Invalid("an integer");
        Ok(match tag {
            0 => Value::Null,
            1 => Value::Bool(reader.bool("a boolean")?),
            2 => Value::Int2(reader.signed("an int2")?.try_into().map_err(out_of_range)?),
            3 => Value::Int4(reader.signed("an int4")?.try_into().map_err(out_of_range)?),
            4 => Value::Int8(reader.signed("an int8")?),
            5 => Value::Float4(f32::from_le_bytes(reader.array("a float4")?)),
            6 => Value::Float8(f64::from_le_bytes(reader.array("a float8")?)),
            7 => {
                let scale = reader.u8("a numeric's scale")?;
                let number = Numeric::new(i128::from_le_bytes(reader.array("a numeric")?), scale);
                if scale > NUMERIC_PRECISION_MAX || !number.fits(NUMERIC_PRECISION_MAX) {
                    return Err(DecodeError::Invalid("a numeric"));
                }
                Value::Numeric(number)
            }
            8 => Value::Date(reader.signed("a date")?.try_into().map_err(out_of_range)?),
            9 => Value::Time(reader.signed("a time")?),
            10 => Value::Timestamp(reader.signed("a timestamp")?),
            11 => Value::TimestampTz(reader.signed("a timestamptz")?),
            12 => Value::Uuid(reader.array("a uuid")?),
            13 => Value::Text(reader.text("a text")?.to_owned()),
            14 => Value::Bytea(reader.counted("a bytea")?.to_vec()),
            found => {
                return Err(DecodeError::Unknown { what: "value tag", found });
            }
        })
    }

    /// The value as the wider type that `ColumnType::widens_to` allows; itself where nothing changes.
    pub fn widen(self, wider: &ColumnType) -> Value {
        match (self, wider) {
            (Value::Int2(value), ColumnType::Int4) => Value::Int4(i32::from(value)),
            (Value::Int2(value), ColumnType::Int8) => Value::Int8(i64::from(value)),
            (Value::Int4(value), ColumnType::Int8) => Value::Int8(i64::from(value)),
            (Value::Float4(value), ColumnType::Float8) => Value::Float8(f64::from(value)),
            (value, _) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(value: &Value) -> Result<Value, DecodeError> {
        let mut writer = Writer::new();
        value.encode(&mut writer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        let value = Value::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    #[test]
    fn every_type_reads_back() {
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int2(i16::MIN),
            Value::Int4(i32::MAX),
            Value::Int8(i64::MIN),
            Value::Float4(-0.0),
            Value::Float8(f64::INFINITY),
            Value::Numeric(Numeric::new(-(10i128.pow(38) - 1), 38)),
            Value::Date(-719_162),
            Value::Time(86_400_000_000),
            Value::Timestamp(253_402_300_799_999_999),
            Value::TimestampTz(-1),
            Value::Uuid([7; 16]),
            Value::Text("\u{10FFFF}".into()),
            Value::Bytea(vec![0, 255]),
            Value::Array(vec![Value::Int4(1), Value::Null]),
        ] {
            assert_eq!(read_back(&value).as_ref(), Ok(&value));
        }
        assert!(matches!(read_back(&Value::Float8(f64::NAN)), Ok(Value::Float8(value)) if value.is_nan()));
    }

    #[test]
    fn a_key_keeps_its_bytes_when_its_column_is_widened() {
        let bytes = |value: Value| {
            let mut writer = Writer::new();
            value.encode_key(&mut writer);
            writer.into_bytes()
        };
        assert_eq!(bytes(Value::Int4(-5)), bytes(Value::Int4(-5).widen(&ColumnType::Int8)));
        assert_ne!(bytes(Value::Null), bytes(Value::Text(String::new())));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while Value::decode(&mut reader).is_ok() && reader.remaining() > 0 {}
        }
    }
}
