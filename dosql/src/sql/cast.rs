//! Conversions between types: which ones Postgres makes by itself, on assignment, or when asked.

use lake_cdc::ColumnType;
use lake_dialect::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};
use lake_dialect::{SqlError, fold, sqlstate};

use super::binder::Binder;
use super::pg_type::PgType;
use super::typed::{Literal, Typed};

/// How a conversion came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Context {
    /// Nobody asked for it.
    Implicit,
    /// A value is stored into a column.
    Assignment,
    /// `CAST`, `::`
    Explicit,
}

/// What a conversion needs, if there is one.
fn needed(from: &PgType, to: &PgType) -> Option<Context> {
    use PgType as T;
    if let (Some(a), Some(b)) = (from.number_rank(), to.number_rank()) {
        return Some(if a <= b { Context::Implicit } else { Context::Assignment });
    }
    Some(match (from, to) {
        (T::Text, T::Varchar) | (T::Varchar, T::Text) => Context::Implicit,
        (T::Date, T::Timestamp | T::TimestampTz) | (T::Timestamp, T::TimestampTz) | (T::Time, T::Interval) => {
            Context::Implicit
        }
        (T::Timestamp, T::Date | T::Time)
        | (T::TimestampTz, T::Date | T::Time | T::Timestamp)
        | (T::Interval, T::Time)
        | (T::Json, T::Jsonb)
        | (T::Jsonb, T::Json) => Context::Assignment,
        (T::Bool, T::Int4) | (T::Int4, T::Bool) => Context::Explicit,
        (T::Jsonb, T::Bool) => Context::Explicit,
        (T::Jsonb, number) if number.is_number() => Context::Explicit,
        (T::Array(a), T::Array(b)) => needed(a, b).or((a == b).then_some(Context::Implicit))?,
        (_, T::Text | T::Varchar) => Context::Assignment,
        (T::Text | T::Varchar, _) => Context::Explicit,
        _ => return None,
    })
}

/// True if Postgres converts by itself.
pub(crate) fn is_implicit(from: &PgType, to: &PgType) -> bool {
    from == to || *from == PgType::Unknown || needed(from, to) == Some(Context::Implicit)
}

impl Binder<'_> {
    /// Converts where Postgres would without being asked.
    pub(crate) fn coerce(&mut self, typed: Typed, to: &PgType) -> Result<Typed, SqlError> {
        self.convert(typed, to, Context::Implicit)
    }

    /// Converts, or says that the types do not go together.
    pub(crate) fn convert(&mut self, typed: Typed, to: &PgType, context: Context) -> Result<Typed, SqlError> {
        if typed.ty == PgType::Unknown {
            return self.resolve(typed, to);
        }
        if typed.ty == *to {
            return Ok(typed);
        }
        match needed(&typed.ty, to) {
            Some(required) if required <= context => Ok(cast(typed, to)),
            _ => Err(SqlError::new(
                if context == Context::Explicit { sqlstate::CANNOT_COERCE } else { sqlstate::DATATYPE_MISMATCH },
                format!("cannot cast type {} to {}", typed.ty.display(), to.display()),
            )),
        }
    }

    /// Converts a value for a column, with its length, precision and scale.
    pub(crate) fn assign(&mut self, typed: Typed, column: &str, column_type: &ColumnType) -> Result<Typed, SqlError> {
        let to = PgType::of_column(column_type);
        if let Some(Literal::Text(text)) = &typed.literal {
            // Read with the column's own length and scale, so that a mistake shows before anything runs.
            let value = lake_cdc::text::parse(column_type, text).map_err(super::input::from_text_error)?;
            let sql = self.constant(super::input::to_sqlite(value));
            return Ok(typed.becomes(sql, to));
        }
        let from = typed.ty.clone();
        let typed = self.convert(typed, &to, Context::Assignment).map_err(|error| {
            if error.sqlstate != sqlstate::DATATYPE_MISMATCH {
                return error;
            }
            SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("column \"{column}\" is of type {} but expression is of type {}", to.display(), from.display()),
            )
            .with_hint("You will need to rewrite or cast the expression.")
        })?;
        Ok(fit(typed, column_type, Context::Assignment))
    }

    /// `CAST(… AS …)`
    pub(crate) fn cast_to(&mut self, typed: Typed, data_type: &DataType) -> Result<Typed, SqlError> {
        let target = CastTarget::of(data_type)?;
        if target.ty == PgType::Text && matches!(typed.literal, Some(Literal::Text(_))) {
            return self.resolve(typed, &PgType::Text);
        }
        let typed = self.convert(typed, &target.ty, Context::Explicit)?;
        Ok(match &target.modifier {
            Some(column_type) => fit(typed, column_type, Context::Explicit),
            None => typed,
        })
    }
}

/// Applies a length, or a precision and scale.
fn fit(typed: Typed, column_type: &ColumnType, context: Context) -> Typed {
    let sql = match column_type {
        ColumnType::Varchar(limit) => {
            let function = if context == Context::Explicit { "pg_varchar_cut" } else { "pg_varchar_fit" };
            format!("{function}({}, {limit})", typed.sql)
        }
        ColumnType::Numeric { precision, scale } => format!("pg_numeric_fit({}, {precision}, {scale})", typed.sql),
        _ => return typed,
    };
    let ty = typed.ty.clone();
    typed.becomes(sql, ty)
}

/// The SQLite text of a conversion that is allowed.
pub(crate) fn cast(typed: Typed, to: &PgType) -> Typed {
    use PgType as T;
    let sql = &typed.sql;
    let text = match (&typed.ty, to) {
        (from, to) if from == to => sql.clone(),
        (T::Text | T::Varchar, T::Text | T::Varchar) => sql.clone(),
        (T::Json, T::Text | T::Varchar) => sql.clone(),
        // A column brings its collation along until something is done to it.
        (T::Jsonb, T::Json | T::Text | T::Varchar) | (T::Numeric, T::Text | T::Varchar) => format!("({sql} || '')"),
        (from, to) if from.is_integer() && to.is_integer() && from.number_rank() < to.number_rank() => sql.clone(),
        (from, T::Numeric | T::Text | T::Varchar) if from.is_integer() => format!("CAST({sql} AS TEXT)"),
        (from, T::Float8) if from.is_integer() => format!("CAST({sql} AS REAL)"),
        (T::Float4, T::Float8) => sql.clone(),
        (T::Bool, T::Int4) => sql.clone(),
        (T::Int4, T::Bool) => format!("({sql} <> 0)"),
        (T::Date, T::Timestamp | T::TimestampTz) => format!("({sql} * 86400000000)"),
        (T::Timestamp, T::TimestampTz) | (T::TimestampTz, T::Timestamp) => sql.clone(),
        (from, to) => format!("pg_cast({}, {}, {sql})", Binder::quoted(&from.name()), Binder::quoted(&to.name())),
    };
    typed.becomes(text, to.clone())
}

/// A type as it is written, with what comes in parentheses.
pub(crate) struct CastTarget {
    pub(crate) ty: PgType,
    /// With a length, precision or scale.
    pub(crate) modifier: Option<ColumnType>,
}

impl CastTarget {
    pub(crate) fn of(data_type: &DataType) -> Result<CastTarget, SqlError> {
        let plain = |ty: PgType| Ok(CastTarget { ty, modifier: None });
        let unsupported = || Err(SqlError::unsupported(format!("type {data_type}")));
        match data_type {
            DataType::Bool | DataType::Boolean => plain(PgType::Bool),
            DataType::SmallInt(None) | DataType::Int2(None) => plain(PgType::Int2),
            DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => plain(PgType::Int4),
            DataType::BigInt(None) | DataType::Int8(None) => plain(PgType::Int8),
            DataType::Real | DataType::Float4 => plain(PgType::Float4),
            DataType::Float8 | DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) => {
                plain(PgType::Float8)
            }
            DataType::Float(ExactNumberInfo::None) => plain(PgType::Float8),
            DataType::Float(ExactNumberInfo::Precision(bits)) => match bits {
                1..=24 => plain(PgType::Float4),
                25..=53 => plain(PgType::Float8),
                _ => Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER,
                    "precision for type float must be less than 54 bits",
                )),
            },
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match info {
                ExactNumberInfo::None => plain(PgType::Numeric),
                ExactNumberInfo::Precision(precision) => numeric(*precision, 0),
                ExactNumberInfo::PrecisionAndScale(precision, scale) => numeric(*precision, *scale),
            },
            DataType::Date => plain(PgType::Date),
            DataType::Time(None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain(PgType::Time),
            DataType::Timestamp(None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                plain(PgType::Timestamp)
            }
            DataType::Timestamp(None | Some(6), TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                plain(PgType::TimestampTz)
            }
            DataType::Interval { fields: None, precision: None | Some(6) } => plain(PgType::Interval),
            DataType::Uuid => plain(PgType::Uuid),
            DataType::Text => plain(PgType::Text),
            DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
                varchar(length.as_ref())
            }
            DataType::Bytea => plain(PgType::Bytea),
            DataType::JSON => plain(PgType::Json),
            DataType::JSONB => plain(PgType::Jsonb),
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
                let element = CastTarget::of(element)?;
                if element.modifier.is_some()
                    || matches!(element.ty, PgType::Array(_) | PgType::Numeric | PgType::Interval)
                {
                    return unsupported();
                }
                plain(PgType::Array(Box::new(element.ty)))
            }
            DataType::Custom(name, arguments) if arguments.is_empty() => {
                let (schema, name) = lake_dialect::object_name(name)?;
                match (schema.as_deref(), name.as_str()) {
                    (None | Some("pg_catalog"), name) => match PgType::from_name(name) {
                        Some(ty) if !name.starts_with('_') => plain(ty),
                        _ => Err(undefined_type(name)),
                    },
                    _ => unsupported(),
                }
            }
            _ => unsupported(),
        }
    }
}

fn undefined_type(name: &str) -> SqlError {
    let known =
        ["char", "bpchar", "name", "money", "inet", "cidr", "point", "box", "xml", "oid", "timetz", "bit", "macaddr"];
    if known.contains(&name) || name.ends_with("range") || name.starts_with("reg") {
        return SqlError::unsupported(format!("type {name}"));
    }
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

fn numeric(precision: u64, scale: i64) -> Result<CastTarget, SqlError> {
    if !(1..=1000).contains(&precision) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER,
            format!("NUMERIC scale {scale} must be between -1000 and 1000"),
        ));
    }
    if precision > u64::from(lake_cdc::limits::NUMERIC_PRECISION_MAX) || scale < 0 || scale as u64 > precision {
        return Err(SqlError::unsupported(format!(
            "numeric({precision},{scale}): a table of the lake holds 38 digits, it"
        )));
    }
    Ok(CastTarget {
        ty: PgType::Numeric,
        modifier: Some(ColumnType::Numeric { precision: precision as u8, scale: scale as u8 }),
    })
}

fn varchar(length: Option<&CharacterLength>) -> Result<CastTarget, SqlError> {
    let modifier = match length {
        None => None,
        Some(CharacterLength::IntegerLength { length, .. }) => {
            if !(1..=10_485_760).contains(length) {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER,
                    "length for type varchar must be between 1 and 10485760",
                ));
            }
            Some(ColumnType::Varchar(*length as u32))
        }
        Some(CharacterLength::Max) => return Err(SqlError::unsupported("varchar(max)")),
    };
    Ok(CastTarget { ty: PgType::Varchar, modifier })
}

/// The type of a column as CREATE TABLE has it.
pub(crate) fn column_type(data_type: &DataType) -> Result<ColumnType, SqlError> {
    if let DataType::Custom(name, arguments) = data_type
        && arguments.is_empty()
        && let [lake_dialect::ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice()
    {
        match fold(ident).as_str() {
            "serial" | "serial4" => return Ok(ColumnType::Int4),
            "bigserial" | "serial8" => return Ok(ColumnType::Int8),
            "smallserial" | "serial2" => return Ok(ColumnType::Int2),
            _ => {}
        }
    }
    let target = CastTarget::of(data_type)?;
    if let Some(modifier) = target.modifier {
        return Ok(modifier);
    }
    match target.ty {
        PgType::Numeric => Ok(ColumnType::NUMERIC),
        PgType::Varchar => Ok(ColumnType::Varchar(u32::MAX)),
        ty => ty.column_type().ok_or_else(|| SqlError::unsupported(format!("a column of type {}", ty.display()))),
    }
}

/// True for the types that bring a sequence.
pub(crate) fn is_serial(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Custom(name, _) if matches!(
        name.to_string().to_ascii_lowercase().as_str(),
        "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial"
    ))
}

/// The one type that several expressions can be converted to without being asked: for CASE, UNION, VALUES and so on.
pub(crate) fn common_type(what: &str, types: &[&PgType]) -> Result<PgType, SqlError> {
    let mut common = PgType::Unknown;
    for ty in types {
        if **ty == PgType::Unknown || **ty == common {
            continue;
        }
        if common == PgType::Unknown || (is_implicit(&common, ty) && !(common.is_text() && ty.is_text())) {
            common = (*ty).clone();
        } else if !is_implicit(ty, &common) {
            return Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("{what} types {} and {} cannot be matched", common.display(), ty.display()),
            ));
        }
    }
    Ok(if common == PgType::Unknown { PgType::Text } else { common })
}
