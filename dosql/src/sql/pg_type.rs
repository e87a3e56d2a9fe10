//! The type of an expression, and how SQLite holds values of it.
//!
//! | type | in SQLite |
//! |---|---|
//! | bool | INTEGER 0 or 1 |
//! | int2, int4, int8 | INTEGER |
//! | float4, float8 | REAL; NaN as TEXT `NaN`, which sorts above every number |
//! | numeric | TEXT of its digits, collation `pg_numeric` |
//! | date | INTEGER days since 1970; time, timestamp, timestamptz INTEGER microseconds |
//! | interval | TEXT `months days microseconds`, collation `pg_interval` |
//! | uuid, bytea | BLOB |
//! | text, varchar, json | TEXT; jsonb TEXT in canonical form, collation `pg_jsonb` |
//! | arrays | BLOB in the bytes of `cdc` |
//!
//! A collation makes one definition of order serve comparison, ORDER BY, GROUP BY, DISTINCT, min, max and indexes.

use lake_cdc::ColumnType;

/// A type, without length or precision: those belong to columns and casts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PgType {
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
    /// `numeric`, any number of digits
    Numeric,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    TimestampTz,
    /// `interval`, in expressions only
    Interval,
    /// `uuid`
    Uuid,
    /// `text`
    Text,
    /// `varchar`
    Varchar,
    /// `bytea`
    Bytea,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// One-dimensional array
    Array(Box<PgType>),
    /// A literal or parameter whose type its surroundings decide
    Unknown,
}

impl PgType {
    /// Postgres' short name.
    pub(crate) fn name(&self) -> String {
        match self {
            PgType::Array(element) => format!("_{}", element.name()),
            PgType::Unknown => "text".to_owned(),
            other => other.code().to_owned(),
        }
    }

    /// The name in error messages.
    pub(crate) fn display(&self) -> String {
        match self {
            PgType::Bool => "boolean",
            PgType::Int2 => "smallint",
            PgType::Int4 => "integer",
            PgType::Int8 => "bigint",
            PgType::Float4 => "real",
            PgType::Float8 => "double precision",
            PgType::Time => "time without time zone",
            PgType::Timestamp => "timestamp without time zone",
            PgType::TimestampTz => "timestamp with time zone",
            PgType::Varchar => "character varying",
            PgType::Array(element) => return format!("{}[]", element.display()),
            PgType::Unknown => "unknown",
            other => other.code(),
        }
        .to_owned()
    }

    /// The short name of a type that is no array.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            PgType::Bool => "bool",
            PgType::Int2 => "int2",
            PgType::Int4 => "int4",
            PgType::Int8 => "int8",
            PgType::Float4 => "float4",
            PgType::Float8 => "float8",
            PgType::Numeric => "numeric",
            PgType::Date => "date",
            PgType::Time => "time",
            PgType::Timestamp => "timestamp",
            PgType::TimestampTz => "timestamptz",
            PgType::Interval => "interval",
            PgType::Uuid => "uuid",
            PgType::Text | PgType::Unknown => "text",
            PgType::Varchar => "varchar",
            PgType::Bytea => "bytea",
            PgType::Json => "json",
            PgType::Jsonb => "jsonb",
            PgType::Array(_) => "array",
        }
    }

    /// The type with this [`name`](PgType::name).
    pub(crate) fn from_name(name: &str) -> Option<PgType> {
        if let Some(element) = name.strip_prefix('_') {
            return PgType::from_name(element).map(|element| PgType::Array(Box::new(element)));
        }
        PgType::SCALARS.iter().find(|candidate| candidate.code() == name).cloned()
    }

    const SCALARS: [PgType; 18] = [
        PgType::Bool,
        PgType::Int2,
        PgType::Int4,
        PgType::Int8,
        PgType::Float4,
        PgType::Float8,
        PgType::Numeric,
        PgType::Date,
        PgType::Time,
        PgType::Timestamp,
        PgType::TimestampTz,
        PgType::Interval,
        PgType::Uuid,
        PgType::Text,
        PgType::Varchar,
        PgType::Bytea,
        PgType::Json,
        PgType::Jsonb,
    ];

    /// The type of a column in expressions.
    pub(crate) fn of_column(column_type: &ColumnType) -> PgType {
        match column_type {
            ColumnType::Bool => PgType::Bool,
            ColumnType::Int2 => PgType::Int2,
            ColumnType::Int4 => PgType::Int4,
            ColumnType::Int8 => PgType::Int8,
            ColumnType::Float4 => PgType::Float4,
            ColumnType::Float8 => PgType::Float8,
            ColumnType::Numeric { .. } => PgType::Numeric,
            ColumnType::Date => PgType::Date,
            ColumnType::Time => PgType::Time,
            ColumnType::Timestamp => PgType::Timestamp,
            ColumnType::TimestampTz => PgType::TimestampTz,
            ColumnType::Uuid => PgType::Uuid,
            ColumnType::Text => PgType::Text,
            ColumnType::Varchar(_) => PgType::Varchar,
            ColumnType::Bytea => PgType::Bytea,
            ColumnType::Json => PgType::Json,
            ColumnType::Jsonb => PgType::Jsonb,
            ColumnType::Array(element) => PgType::Array(Box::new(PgType::of_column(element))),
        }
    }

    /// The column type that reads its text; `None` for those with a reader of their own (numeric, interval).
    pub(crate) fn column_type(&self) -> Option<ColumnType> {
        Some(match self {
            PgType::Bool => ColumnType::Bool,
            PgType::Int2 => ColumnType::Int2,
            PgType::Int4 => ColumnType::Int4,
            PgType::Int8 => ColumnType::Int8,
            PgType::Float4 => ColumnType::Float4,
            PgType::Float8 => ColumnType::Float8,
            PgType::Date => ColumnType::Date,
            PgType::Time => ColumnType::Time,
            PgType::Timestamp => ColumnType::Timestamp,
            PgType::TimestampTz => ColumnType::TimestampTz,
            PgType::Uuid => ColumnType::Uuid,
            PgType::Text | PgType::Varchar | PgType::Unknown => ColumnType::Text,
            PgType::Bytea => ColumnType::Bytea,
            PgType::Json => ColumnType::Json,
            PgType::Jsonb => ColumnType::Jsonb,
            PgType::Array(element) => match element.as_ref() {
                PgType::Numeric => ColumnType::Array(Box::new(ColumnType::NUMERIC)),
                other => ColumnType::Array(Box::new(other.column_type()?)),
            },
            PgType::Numeric | PgType::Interval => return None,
        })
    }

    /// The collation that orders values of the type, if bytes and numbers do not.
    pub(crate) fn collation(&self) -> Option<&'static str> {
        match self {
            PgType::Numeric => Some("pg_numeric"),
            PgType::Interval => Some("pg_interval"),
            PgType::Jsonb => Some("pg_jsonb"),
            _ => None,
        }
    }

    /// Integers.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, PgType::Int2 | PgType::Int4 | PgType::Int8)
    }

    /// Binary floating point.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self, PgType::Float4 | PgType::Float8)
    }

    /// Everything with arithmetic of its own.
    pub(crate) fn is_number(&self) -> bool {
        self.is_integer() || self.is_float() || *self == PgType::Numeric
    }

    /// text and varchar.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, PgType::Text | PgType::Varchar)
    }

    /// Place in the order of implicit conversions of numbers.
    pub(crate) fn number_rank(&self) -> Option<u8> {
        Some(match self {
            PgType::Int2 => 1,
            PgType::Int4 => 2,
            PgType::Int8 => 3,
            PgType::Numeric => 4,
            PgType::Float4 => 5,
            PgType::Float8 => 6,
            _ => return None,
        })
    }
}
