//! A data or delete file in the protocol's JSON.
//!
//! Column bounds are never part of it: the specification has them as values, Java reads bytes in hexadecimal, and a client
//! that gets none falls back to the file. Counts are there for the columns that a client asks for.

use std::collections::{BTreeSet, HashMap};

use iceberg::spec::{
    DataContentType, DataFile, FieldSummary, Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, TableMetadata,
    Transform, Type,
};
use serde_json::{Map, Value as Json, json};

use super::plan::ScanError;
use super::prune::PartitionField;

/// A partition spec with the types of its values.
pub(crate) struct Spec {
    id: i32,
    fields: Vec<(i32, Transform, Type)>,
}

impl Spec {
    pub(crate) fn of(spec: &PartitionSpec, metadata: &TableMetadata) -> Result<Spec, ScanError> {
        let fields = spec.fields().iter().map(|field| {
            // The column may be gone from the present schema.
            let current = std::iter::once(metadata.current_schema());
            let source = current.chain(metadata.schemas_iter()).find_map(|schema| schema.field_by_id(field.source_id));
            let source = source.ok_or(ScanError::Unsupported("a partition field without its column"))?;
            Ok((field.source_id, field.transform, field.transform.result_type(&source.field_type)?))
        });
        Ok(Spec { id: spec.spec_id(), fields: fields.collect::<Result<_, ScanError>>()? })
    }

    /// Spec, "Partition transforms": a field that is void is as good as dropped.
    pub(crate) fn is_partitioned(&self) -> bool {
        self.fields.iter().any(|(_, transform, _)| *transform != Transform::Void)
    }

    /// The partition of a file, to be asked whether it may match.
    pub(crate) fn partition_of_file(&self, file: &DataFile) -> Vec<PartitionField> {
        let of = |((source, transform, kind), value): (&(i32, Transform, Type), Option<&Literal>)| {
            PartitionField::of_file(*source, *transform, kind, value)
        };
        self.fields.iter().zip(file.partition().iter()).map(of).collect()
    }

    /// The partitions of all files of a manifest.
    pub(crate) fn partition_of_manifest(&self, summaries: &[FieldSummary]) -> Vec<PartitionField> {
        let of = |((source, transform, kind), all): (&(i32, Transform, Type), &FieldSummary)| {
            PartitionField::of_manifest(*source, *transform, kind, all)
        };
        self.fields.iter().zip(summaries).map(of).collect()
    }

    fn partition_json(&self, file: &DataFile) -> Result<Vec<Json>, ScanError> {
        let value = |(index, (_, _, kind)): (usize, &(i32, Transform, Type))| match file.partition().iter().nth(index) {
            Some(Some(literal)) if is_printable(literal, kind) => Ok(literal.clone().try_into_json(kind)?),
            Some(Some(_)) => Err(ScanError::Unsupported("a partition value out of range")),
            Some(None) | None => Ok(Json::Null),
        };
        self.fields.iter().enumerate().map(value).collect()
    }
}

/// True if a value of a foreign file can be printed at all: days and moments that no calendar has cannot.
fn is_printable(literal: &Literal, kind: &Type) -> bool {
    const DAYS_MAX: i32 = 90_000_000;
    const MICROS_MAX: i64 = 7_000_000_000_000_000_000;
    const DAY_MICROS: i64 = 86_400_000_000;
    let (Literal::Primitive(literal), Type::Primitive(kind)) = (literal, kind) else { return false };
    match (literal, kind) {
        (PrimitiveLiteral::Int(days), PrimitiveType::Date) => (-DAYS_MAX..=DAYS_MAX).contains(days),
        (PrimitiveLiteral::Long(micros), PrimitiveType::Time) => (0..DAY_MICROS).contains(micros),
        (PrimitiveLiteral::Long(micros), PrimitiveType::Timestamp | PrimitiveType::Timestamptz) => {
            (-MICROS_MAX..=MICROS_MAX).contains(micros)
        }
        (PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin, _) => false,
        _ => true,
    }
}

/// A file; `first_row_id` is what it inherits from its manifest, `counted` the columns whose counts are wanted.
pub(crate) fn to_json(
    file: &DataFile,
    spec: &Spec,
    first_row_id: Option<i64>,
    counted: &BTreeSet<i32>,
) -> Result<Json, ScanError> {
    let content = match file.content_type() {
        DataContentType::Data => "data",
        DataContentType::PositionDeletes => "position-deletes",
        DataContentType::EqualityDeletes => "equality-deletes",
    };
    let mut json = Map::new();
    let mut put = |name: &str, value: Json| json.insert(name.to_owned(), value);
    put("content", content.into());
    put("spec-id", spec.id.into());
    put("file-path", file.file_path().into());
    put("file-format", file.file_format().to_string().to_lowercase().into());
    put("partition", spec.partition_json(file)?.into());
    put("file-size-in-bytes", file.file_size_in_bytes().into());
    put("record-count", file.record_count().into());
    if let Some(offsets) = file.split_offsets() {
        put("split-offsets", json!(offsets));
    }
    if let Some(order) = file.sort_order_id() {
        put("sort-order-id", order.into());
    }
    for (name, counts) in [
        ("column-sizes", file.column_sizes()),
        ("value-counts", file.value_counts()),
        ("null-value-counts", file.null_value_counts()),
        ("nan-value-counts", file.nan_value_counts()),
    ] {
        if let Some(counts) = counts_json(counts, counted) {
            put(name, counts);
        }
    }
    match file.content_type() {
        DataContentType::Data => {
            if let Some(id) = file.first_row_id().or(first_row_id) {
                put("first-row-id", id.into());
            }
        }
        DataContentType::EqualityDeletes => {
            put("equality-ids", json!(file.equality_ids().unwrap_or_default()));
        }
        DataContentType::PositionDeletes => {
            if let Some(path) = file.referenced_data_file() {
                put("referenced-data-file", path.into());
            }
            if let Some(offset) = file.content_offset() {
                put("content-offset", offset.into());
            }
            if let Some(bytes) = file.content_size_in_bytes() {
                put("content-size-in-bytes", bytes.into());
            }
        }
    }
    Ok(Json::Object(json))
}

fn counts_json(counts: &HashMap<i32, u64>, counted: &BTreeSet<i32>) -> Option<Json> {
    let known: Vec<(i32, u64)> = counted.iter().filter_map(|id| Some((*id, *counts.get(id)?))).collect();
    let (keys, values): (Vec<i32>, Vec<u64>) = known.into_iter().unzip();
    (!keys.is_empty()).then(|| json!({"keys": keys, "values": values}))
}
