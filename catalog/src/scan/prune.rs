//! Whether a file, or any file of a manifest, may hold a row that a filter wants.
//!
//! Two witnesses speak for a file: the statistics of its columns and its partition. One of them saying "no row" is enough
//! to leave it out; what they do not say counts as "maybe".

use std::cmp::Ordering;

use iceberg::spec::{DataFile, Datum, FieldSummary, Literal, PrimitiveType, Transform, Type};
use iceberg::transform::create_transform_function;

use super::filter::{Filter, Test};
use super::value::{Value, months_of_days};

/// What is known of the values of a column.
#[derive(Clone, Debug)]
struct Known {
    lower: Option<Value>,
    upper: Option<Value>,
    may_be_null: bool,
    may_be_value: bool,
    may_be_nan: bool,
}

/// One field of a partition spec, with what is known of its values.
#[derive(Clone, Debug)]
pub(crate) struct PartitionField {
    /// The column that it is made from.
    pub(crate) source_id: i32,
    /// How.
    pub(crate) transform: Transform,
    known: Known,
}

impl PartitionField {
    /// The value of one file.
    pub(crate) fn of_file(
        source_id: i32,
        transform: Transform,
        kind: &Type,
        value: Option<&Literal>,
    ) -> PartitionField {
        let known = match value {
            None => Known { lower: None, upper: None, may_be_null: true, may_be_value: false, may_be_nan: false },
            Some(literal) => {
                let value = Value::of_literal(literal, kind);
                let may_be_nan = !matches!(value, Some(Value::Int(_) | Value::Text(_) | Value::Bool(_)));
                Known { lower: value.clone(), upper: value, may_be_null: false, may_be_value: true, may_be_nan }
            }
        };
        PartitionField { source_id, transform, known }
    }

    /// The values of all files of a manifest.
    pub(crate) fn of_manifest(source_id: i32, transform: Transform, kind: &Type, all: &FieldSummary) -> PartitionField {
        let Type::Primitive(kind) = kind else { return PartitionField::unknown(source_id, transform) };
        let bound = |bytes: Option<&[u8]>| {
            let datum = Datum::try_from_bytes(bytes?, kind.clone()).ok()?;
            Value::of_bound(&datum, kind)
        };
        let known = Known {
            lower: bound(all.lower_bound.as_ref().map(|bytes| bytes.as_slice())),
            upper: bound(all.upper_bound.as_ref().map(|bytes| bytes.as_slice())),
            may_be_null: all.contains_null,
            may_be_value: true,
            may_be_nan: is_float(kind) && all.contains_nan != Some(false),
        };
        PartitionField { source_id, transform, known }
    }

    fn unknown(source_id: i32, transform: Transform) -> PartitionField {
        let known = Known { lower: None, upper: None, may_be_null: true, may_be_value: true, may_be_nan: true };
        PartitionField { source_id, transform, known }
    }

    fn may_match(&self, kind: &PrimitiveType, test: &Test) -> bool {
        let known = &self.known;
        match (self.transform, test) {
            (Transform::Void | Transform::Unknown, _) => true,
            (Transform::Identity, _) => known.may_match(test),
            // The other transforms make null from null only.
            (_, Test::IsNull) => known.may_be_null,
            _ if !known.may_be_value => false,
            (Transform::Bucket(count), Test::In(values)) if count > 0 => {
                values.iter().any(|value| bucket(value, kind, count).is_none_or(|bucket| known.may_equal(&bucket)))
            }
            (Transform::Year | Transform::Month | Transform::Day | Transform::Hour, _) => {
                self.may_match_time(kind, test)
            }
            _ => true,
        }
    }

    /// A span of time holds a wanted moment only if it is not wholly before or after it.
    fn may_match_time(&self, kind: &PrimitiveType, test: &Test) -> bool {
        let span = |value: &Value| {
            let span = span_of(value, kind, self.transform)?;
            // Former writers rounded times before 1970 the other way.
            let tolerance = i128::from(span <= 0);
            Some((Value::Int(span - tolerance), Value::Int(span + tolerance)))
        };
        match test {
            Test::Less(value) | Test::LessOrEqual(value) => {
                span(value).is_none_or(|(_, last)| self.known.may_match(&Test::LessOrEqual(last)))
            }
            Test::Greater(value) | Test::GreaterOrEqual(value) => {
                span(value).is_none_or(|(first, _)| self.known.may_match(&Test::GreaterOrEqual(first)))
            }
            Test::In(values) => values.iter().any(|value| {
                span(value).is_none_or(|(first, last)| {
                    self.known.may_match(&Test::GreaterOrEqual(first)) && self.known.may_match(&Test::LessOrEqual(last))
                })
            }),
            _ => true,
        }
    }
}

impl Known {
    fn of_column(file: &DataFile, field_id: i32, kind: &PrimitiveType) -> Known {
        let bound = |bound: Option<&Datum>| Value::of_bound(bound?, kind);
        let (nulls, values) = (file.null_value_counts().get(&field_id), file.value_counts().get(&field_id));
        Known {
            lower: bound(file.lower_bounds().get(&field_id)),
            upper: bound(file.upper_bounds().get(&field_id)),
            may_be_null: nulls != Some(&0),
            may_be_value: nulls.is_none() || values.is_none() || nulls < values,
            may_be_nan: is_float(kind) && file.nan_value_counts().get(&field_id) != Some(&0),
        }
    }

    fn may_equal(&self, value: &Value) -> bool {
        let below = self.lower.as_ref().and_then(|lower| lower.compare(value)) == Some(Ordering::Greater);
        let above = self.upper.as_ref().and_then(|upper| upper.compare(value)) == Some(Ordering::Less);
        !below && !above
    }

    fn may_match(&self, test: &Test) -> bool {
        let lower_is = |value: &Value| self.lower.as_ref().and_then(|lower| lower.compare(value));
        let upper_is = |value: &Value| self.upper.as_ref().and_then(|upper| upper.compare(value));
        match test {
            Test::IsNull => self.may_be_null,
            _ if !self.may_be_value => false,
            Test::NotNull => true,
            Test::IsNan => self.may_be_nan,
            Test::Less(value) => !matches!(lower_is(value), Some(Ordering::Greater | Ordering::Equal)),
            Test::LessOrEqual(value) => lower_is(value) != Some(Ordering::Greater),
            // NaN is in no bound, and some engines have it after every number.
            Test::Greater(_) | Test::GreaterOrEqual(_) if self.may_be_nan => true,
            Test::Greater(value) => !matches!(upper_is(value), Some(Ordering::Less | Ordering::Equal)),
            Test::GreaterOrEqual(value) => upper_is(value) != Some(Ordering::Less),
            Test::In(values) => values.iter().any(|value| self.may_equal(value)),
            Test::StartsWith(prefix) => {
                let text = |bound: &Option<Value>| match bound {
                    Some(Value::Text(text)) => Some(text.clone()),
                    _ => None,
                };
                let head = |text: String| text.chars().take(prefix.chars().count()).collect::<String>();
                text(&self.lower).is_none_or(|lower| head(lower) <= *prefix)
                    && text(&self.upper).is_none_or(|upper| head(upper) >= *prefix)
            }
        }
    }
}

/// True if the file may hold a row that the filter wants.
pub(crate) fn file_may_match(filter: &Filter, file: &DataFile, partition: &[PartitionField]) -> bool {
    may_match(filter, &|field_id, kind, test| {
        Known::of_column(file, field_id, kind).may_match(test) && partition_may_match(partition, field_id, kind, test)
    })
}

/// True if a file of the manifest may.
pub(crate) fn manifest_may_match(filter: &Filter, partition: &[PartitionField]) -> bool {
    may_match(filter, &|field_id, kind, test| partition_may_match(partition, field_id, kind, test))
}

fn partition_may_match(partition: &[PartitionField], field_id: i32, kind: &PrimitiveType, test: &Test) -> bool {
    partition.iter().filter(|field| field.source_id == field_id).all(|field| field.may_match(kind, test))
}

fn may_match(filter: &Filter, holds: &dyn Fn(i32, &PrimitiveType, &Test) -> bool) -> bool {
    match filter {
        Filter::Anything => true,
        Filter::Nothing => false,
        Filter::And(left, right) => may_match(left, holds) && may_match(right, holds),
        Filter::Or(left, right) => may_match(left, holds) || may_match(right, holds),
        Filter::Test { field_id, kind, test } => holds(*field_id, kind, test),
    }
}

fn is_float(kind: &PrimitiveType) -> bool {
    matches!(kind, PrimitiveType::Float | PrimitiveType::Double)
}

/// The span of time that a moment or a day is in.
fn span_of(value: &Value, kind: &PrimitiveType, transform: Transform) -> Option<i128> {
    const HOUR: i128 = 3_600_000_000;
    let Value::Int(value) = value else { return None };
    let (days, hours) = match kind {
        PrimitiveType::Date => (*value, None),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            (value.div_euclid(24 * HOUR), Some(value.div_euclid(HOUR)))
        }
        _ => return None,
    };
    match transform {
        Transform::Hour => hours,
        Transform::Day => Some(days),
        Transform::Month => Some(months_of_days(days)),
        Transform::Year => Some(months_of_days(days).div_euclid(12)),
        _ => None,
    }
}

/// The bucket that a value is in; `None` where that is not known here.
fn bucket(value: &Value, kind: &PrimitiveType, count: u32) -> Option<Value> {
    let datum = match (value, kind) {
        (Value::Int(value), PrimitiveType::Int) => Datum::int(i32::try_from(*value).ok()?),
        (Value::Int(value), PrimitiveType::Long) => Datum::long(i64::try_from(*value).ok()?),
        (Value::Int(value), PrimitiveType::Date) => Datum::date(i32::try_from(*value).ok()?),
        (Value::Int(value), PrimitiveType::Timestamp) => Datum::timestamp_micros(i64::try_from(*value).ok()?),
        (Value::Int(value), PrimitiveType::Timestamptz) => Datum::timestamptz_micros(i64::try_from(*value).ok()?),
        (Value::Text(text), PrimitiveType::String) => Datum::string(text),
        _ => return None,
    };
    let function = create_transform_function(&Transform::Bucket(count)).ok()?;
    match function.transform_literal(&datum).ok()??.literal() {
        iceberg::spec::PrimitiveLiteral::Int(bucket) => Some(Value::Int(i128::from(*bucket))),
        _ => None,
    }
}
