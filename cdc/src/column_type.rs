//! Column types: the Postgres types that Iceberg holds exactly.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::limits::{NUMERIC_DEFAULT, NUMERIC_PRECISION_MAX};

/// The type of a column. Every value of it can be held by Iceberg without loss (design, section 5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric(precision, scale)`, 1 ≤ precision ≤ 38, scale ≤ precision.
    Numeric {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// `date`
    Date,
    /// `time` without time zone
    Time,
    /// `timestamp` without time zone
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `uuid`
    Uuid,
    /// `text`
    Text,
    /// `varchar(n)`: at most n characters.
    Varchar(u32),
    /// `bytea`
    Bytea,
    /// `json`: text kept as written.
    Json,
    /// `jsonb`: text in Postgres' canonical form.
    Jsonb,
    /// One-dimensional array of a type that is not itself an array.
    Array(Box<ColumnType>),
}

impl ColumnType {
    /// A bare `numeric`.
    pub const NUMERIC: ColumnType = ColumnType::Numeric { precision: NUMERIC_DEFAULT.0, scale: NUMERIC_DEFAULT.1 };

    /// Postgres' short name, as in an answer's `type`: `int8`, `timestamptz`, `_text` for an array.
    pub fn pg_name(&self) -> String {
        match self {
            ColumnType::Array(element) => format!("_{}", element.pg_name()),
            other => other.scalar_name().to_owned(),
        }
    }

    fn scalar_name(&self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::Int2 => "int2",
            ColumnType::Int4 => "int4",
            ColumnType::Int8 => "int8",
            ColumnType::Float4 => "float4",
            ColumnType::Float8 => "float8",
            ColumnType::Numeric { .. } => "numeric",
            ColumnType::Date => "date",
            ColumnType::Time => "time",
            ColumnType::Timestamp => "timestamp",
            ColumnType::TimestampTz => "timestamptz",
            ColumnType::Uuid => "uuid",
            ColumnType::Text => "text",
            ColumnType::Varchar(_) => "varchar",
            ColumnType::Bytea => "bytea",
            ColumnType::Json => "json",
            ColumnType::Jsonb => "jsonb",
            ColumnType::Array(_) => "array",
        }
    }

    /// True if a value of `self` is also a value of `wider` for the lake: the promotions Iceberg allows,
    /// and types that are one type there.
    pub fn widens_to(&self, wider: &ColumnType) -> bool {
        use ColumnType::{Float4, Float8, Int2, Int4, Int8, Json, Jsonb, Numeric, Text, Varchar};
        if self == wider {
            return true;
        }
        match (self, wider) {
            (Int2, Int4 | Int8) | (Int4, Int8) | (Float4, Float8) => true,
            (Numeric { precision: from, scale: a }, Numeric { precision: to, scale: b }) => a == b && from <= to,
            (Text | Varchar(_) | Json | Jsonb, Text) => true,
            (Varchar(from), Varchar(to)) => from <= to,
            _ => false,
        }
    }

    /// Appends the type: a code byte and its parameters.
    pub fn encode(&self, writer: &mut Writer) {
        match self {
            ColumnType::Bool => writer.u8(1),
            ColumnType::Int2 => writer.u8(2),
            ColumnType::Int4 => writer.u8(3),
            ColumnType::Int8 => writer.u8(4),
            ColumnType::Float4 => writer.u8(5),
            ColumnType::Float8 => writer.u8(6),
            ColumnType::Numeric { precision, scale } => writer.raw(&[7, *precision, *scale]),
            ColumnType::Date => writer.u8(8),
            ColumnType::Time => writer.u8(9),
            ColumnType::Timestamp => writer.u8(10),
            ColumnType::TimestampTz => writer.u8(11),
            ColumnType::Uuid => writer.u8(12),
            ColumnType::Text => writer.u8(13),
            ColumnType::Varchar(length) => {
                writer.u8(14);
                writer.varint(u64::from(*length));
            }
            ColumnType::Bytea => writer.u8(15),
            ColumnType::Json => writer.u8(16),
            ColumnType::Jsonb => writer.u8(17),
            ColumnType::Array(element) => {
                writer.u8(18);
                element.encode(writer);
            }
        }
    }

    /// Takes a type.
    pub fn decode(reader: &mut Reader<'_>) -> Result<ColumnType, DecodeError> {
        let code = reader.u8("a column type")?;
        if code != 18 {
            return ColumnType::decode_scalar(code, reader);
        }
        let element = reader.u8("an array's element type")?;
        ColumnType::decode_scalar(element, reader).map(|element| ColumnType::Array(Box::new(element)))
    }

    fn decode_scalar(code: u8, reader: &mut Reader<'_>) -> Result<ColumnType, DecodeError> {
        Ok(match code {
            1 => ColumnType::Bool,
            2 => ColumnType::Int2,
            3 => ColumnType::Int4,
            4 => ColumnType::Int8,
            5 => ColumnType::Float4,
            6 => ColumnType::Float8,
            7 => {
                let [precision, scale] = reader.array("a numeric type")?;
                if precision == 0 || precision > NUMERIC_PRECISION_MAX || scale > precision {
                    return Err(DecodeError::Invalid("a numeric type"));
                }
                ColumnType::Numeric { precision, scale }
            }
            8 => ColumnType::Date,
            9 => ColumnType::Time,
            10 => ColumnType::Timestamp,
            11 => ColumnType::TimestampTz,
            12 => ColumnType::Uuid,
            13 => ColumnType::Text,
            14 => {
                let length = reader.varint("a varchar's length")?;
                ColumnType::Varchar(u32::try_from(length).map_err(|_| DecodeError::Invalid("a varchar's length"))?)
            }
            15 => ColumnType::Bytea,
            16 => ColumnType::Json,
            17 => ColumnType::Jsonb,
            found => {
                return Err(DecodeError::Unknown { what: "column type", found });
            }
        })
    }
}
