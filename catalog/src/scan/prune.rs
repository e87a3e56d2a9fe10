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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, Schema, Struct};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::super::filter::{Columns, parse};
    use super::*;

    /// A filter of a table whose one column is a 32-bit float.
    fn filter(test: &Json) -> Filter {
        let schema = json!({"type": "struct", "schema-id": 0,
            "fields": [{"id": 1, "name": "a", "required": false, "type": "float"}]});
        let schema: Schema = serde_json::from_value(schema).unwrap();
        parse(test, &Columns { schema: &schema, is_case_sensitive: true }).unwrap()
    }

    /// True if a file is read whose values are between the two, by all that is known of it.
    fn is_kept(test: &Json, lower: f32, upper: f32) -> bool {
        let filter = filter(test);
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path("s3://b/t/a".to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .partition_spec_id(0)
            .record_count(2)
            .file_size_in_bytes(1)
            .value_counts([(1, 2)].into())
            .null_value_counts([(1, 0)].into())
            .nan_value_counts([(1, 0)].into())
            .lower_bounds(HashMap::from([(1, Datum::float(lower))]))
            .upper_bounds(HashMap::from([(1, Datum::float(upper))]))
            .build()
            .unwrap();
        let kind = Type::Primitive(PrimitiveType::Float);
        let bytes = |value: f32| Some(value.to_le_bytes().to_vec().into());
        let all = FieldSummary {
            contains_null: false,
            contains_nan: Some(false),
            lower_bound: bytes(lower),
            upper_bound: bytes(upper),
        };
        let of_all = PartitionField::of_manifest(1, Transform::Identity, &kind, &all);
        let of_one = |value: f32| PartitionField::of_file(1, Transform::Identity, &kind, Some(&Literal::float(value)));
        let is_in_partition = lower != upper || manifest_may_match(&filter, &[of_one(lower)]);
        file_may_match(&filter, &file, &[]) && manifest_may_match(&filter, &[of_all]) && is_in_partition
    }

    /// The forms in which clients write a value: the fewest digits that a 32-bit reader needs, and a 64-bit one.
    fn literals(value: f32) -> [Json; 2] {
        let parsed = |text: String| serde_json::from_str(&text).unwrap();
        [parsed(format!("{value:e}")), parsed(format!("{:e}", f64::from(value)))]
    }

    fn tests(value: f32) -> Vec<Json> {
        let of = |literal: Json| {
            let one = |kind: &str| json!({"type": kind, "term": "a", "value": literal});
            let others = json!({"type": "in", "term": "a", "values": [1e300, literal]});
            let negated = json!({"type": "not", "child": one("not-eq")});
            [one("eq"), one("lt-eq"), one("gt-eq"), others, negated]
        };
        literals(value).into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_tenth_is_found_although_no_float_is_one() {
        for test in tests(0.1) {
            assert!(is_kept(&test, 0.1, 0.1), "{test}");
        }
        let beside = |kind: &str, value: f64| json!({"type": kind, "term": "a", "value": value});
        // A client that compares as 64-bit floats sees a tenth's float after a tenth, and nine tenths' before them.
        assert!(is_kept(&beside("gt", 0.1), 0.1, 0.1));
        assert!(is_kept(&beside("lt", 0.9), 0.9, 0.9));
        assert!(!is_kept(&beside("eq", 0.1), 0.2, 0.3));
        assert!(!is_kept(&beside("lt", 0.1), 0.2, 0.3));
        assert!(!is_kept(&beside("gt-eq", 0.4), 0.2, 0.3));
    }

    #[test]
    fn zero_has_both_signs() {
        let test = |kind: &str, zero: f64| json!({"type": kind, "term": "a", "value": zero});
        for zero in [0.0, -0.0] {
            // Java finds -0.0 before 0.0, SQL finds it equal.
            for kind in ["lt", "lt-eq", "eq", "gt-eq"] {
                assert!(is_kept(&test(kind, zero), -0.0, -0.0), "{kind} {zero}");
            }
            for kind in ["gt", "lt-eq", "eq", "gt-eq"] {
                assert!(is_kept(&test(kind, zero), 0.0, 0.0), "{kind} {zero}");
            }
            assert!(!is_kept(&test("lt", zero), 0.0, 1.0) && !is_kept(&test("gt", zero), -1.0, -0.0), "{zero}");
        }
    }

    #[test]
    fn a_literal_that_is_no_float_is_between_the_greatest_and_infinity() {
        let beyond = |kind: &str| json!({"type": kind, "term": "a", "value": 1e300});
        for kind in ["eq", "gt", "gt-eq"] {
            assert!(is_kept(&beyond(kind), 0.0, f32::INFINITY), "{kind}");
            assert!(!is_kept(&beyond(kind), 0.0, 1.0), "{kind}");
        }
        assert!(is_kept(&beyond("lt"), 0.0, f32::MAX));
    }

    proptest! {
        #[test]
        fn no_file_that_holds_a_value_is_left_out_by_it(
            mut values in [any::<f32>(), any::<f32>(), any::<f32>()],
            are_near in any::<bool>(),
        ) {
            prop_assume!(values.iter().all(|value| value.is_finite()));
            if are_near {
                values = [values[1].next_down(), values[1], values[1].next_up()];
                prop_assume!(values.iter().all(|value| value.is_finite()));
            }
            values.sort_by(f32::total_cmp);
            let [lower, value, upper] = values;
            for test in tests(value) {
                for (lower, upper) in [(lower, upper), (value, upper), (lower, value), (value, value)] {
                    prop_assert!(is_kept(&test, lower, upper), "{test} and {lower:e}..={upper:e}");
                }
            }
        }
    }
}
