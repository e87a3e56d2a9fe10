//! Partitions by a column of UUIDs as it is.
//!
//! They are 16 bytes in the file. The library wants them as a text there, and then takes no text for a UUID. So before it
//! reads the file such a field is made one of a column of 16 bytes, which is added to the table's schema, and afterwards
//! the bytes are made UUIDs.

use std::collections::BTreeSet;

use iceberg::spec::{DataFile, DataFileBuilder, Literal, PartitionSpec, PrimitiveLiteral, Struct};
use iceberg::{Error, ErrorKind};
use serde_json::{Value as Json, json};

use super::BROKEN;
use crate::error::{TableError, unreadable};

/// Ids of columns that are added: below those that Iceberg keeps for itself, and above those that tables come to.
const ADDED: i64 = 2_000_000_000;

/// Makes the fields of a spec by columns of UUIDs fields of other columns. True if there was one.
pub(super) fn to_bytes(schema: &mut Json, spec: &mut Json) -> Result<bool, TableError> {
    let mut uuids = BTreeSet::new();
    collect(schema, &mut uuids);
    let mut added = Vec::new();
    for field in spec.as_array_mut().ok_or(BROKEN)? {
        let is_identity = field.get("transform").and_then(Json::as_str) == Some("identity");
        let source = field.get("source-id").and_then(Json::as_i64).filter(|_| is_identity);
        if source.is_some_and(|source| uuids.contains(&source)) {
            let id = ADDED + added.len() as i64;
            field["source-id"] = id.into();
            added.push(json!({"id": id, "name": format!("_uuid_{id}"), "required": false, "type": "fixed[16]"}));
        }
    }
    let is_any = !added.is_empty();
    if is_any {
        schema.get_mut("fields").and_then(Json::as_array_mut).ok_or(BROKEN)?.append(&mut added);
    }
    Ok(is_any)
}

/// The ids of columns of UUIDs. How deep it goes is bounded by who parsed the JSON.
fn collect(schema: &Json, uuids: &mut BTreeSet<i64>) {
    match schema {
        Json::Array(items) => items.iter().for_each(|item| collect(item, uuids)),
        Json::Object(fields) => {
            if fields.get("type").and_then(Json::as_str) == Some("uuid") {
                uuids.extend(fields.get("id").and_then(Json::as_i64));
            }
            fields.values().for_each(|value| collect(value, uuids));
        }
        _ => {}
    }
}

/// True if a spec that was read has a field by a column that was added.
pub(crate) fn has_bytes(spec: &PartitionSpec) -> bool {
    spec.fields().iter().any(|field| i64::from(field.source_id) >= ADDED)
}

/// The file with UUIDs where its partition has bytes of a column that was added.
pub(crate) fn from_bytes(file: &DataFile, spec: &PartitionSpec) -> Result<DataFile, TableError> {
    let fields = spec.fields().iter().zip(file.partition().iter());
    let partition: Struct = fields
        .map(|(field, value)| match value {
            Some(Literal::Primitive(PrimitiveLiteral::Binary(bytes))) if i64::from(field.source_id) >= ADDED => {
                let bytes: [u8; 16] = bytes.as_slice().try_into().map_err(|_| BROKEN)?;
                Ok(Some(Literal::Primitive(PrimitiveLiteral::UInt128(u128::from_be_bytes(bytes)))))
            }
            other => Ok(other.cloned()),
        })
        .collect::<Result<_, TableError>>()?;
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_owned())
        .file_format(file.file_format())
        .partition(partition)
        .partition_spec_id(spec.spec_id())
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .first_row_id(file.first_row_id())
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(id) = file.sort_order_id() {
        builder.sort_order_id(id);
    }
    builder.build().map_err(|error| unreadable(Error::new(ErrorKind::DataInvalid, error.to_string())))
}
