//! The partition of a manifest's files: its fields in the schema of the file, and the spec in its header.
//!
//! The library looks for a field of the partition by the name that the spec says, and takes null where there is none: the
//! file would be left out of scans. A column may have any name and a field of Avro may not, so Java and PyIceberg write
//! `order-date` as `order_x2Ddate`, and others write it as it is. What is the same on both sides is the id, so each field
//! gets a name made of that. Nobody looks at the names after the file was read.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{BROKEN, TOO_LARGE};
use crate::error::TableError;
use crate::limits::AVRO_PARTITION_FIELDS_MAX;

/// Where the fields of the partition are in the schema of a manifest.
const PATH: [&str; 2] = ["data_file", "partition"];

/// Names the fields of the partition by their ids, in the schema and in the spec. How many values the spec has that the
/// file has not: the library puts a null for each into each entry.
pub(super) fn name_by_id(schema: &mut Json, spec: &mut Json) -> Result<usize, TableError> {
    let spec = spec.as_array_mut().ok_or(BROKEN)?;
    if spec.len() > AVRO_PARTITION_FIELDS_MAX {
        return Err(TOO_LARGE);
    }
    let mut by_id = BTreeMap::new();
    let mut id_of_name = BTreeMap::new();
    for field in spec {
        let id = field.get("field-id").and_then(Json::as_i64).ok_or(BROKEN)?;
        let is_void = field.get("transform").and_then(Json::as_str) == Some("void");
        let name = field.get_mut("name").ok_or(BROKEN)?;
        if by_id.insert(id, is_void).is_some() {
            return Err(BROKEN);
        }
        let former = std::mem::replace(name, name_of(id).into());
        id_of_name.insert(former.as_str().ok_or(BROKEN)?.to_owned(), id);
    }
    let mut unknown = Vec::new();
    for field in fields_at(schema, &PATH).into_iter().flatten() {
        let field = field.as_object_mut().ok_or(BROKEN)?;
        let former = field.get("name").and_then(Json::as_str).ok_or(BROKEN)?;
        let id = field.get("field-id").and_then(Json::as_i64).or_else(|| id_of_name.get(former).copied());
        match id.filter(|id| by_id.remove(id).is_some()) {
            Some(id) => rename(field, name_of(id)),
            None => unknown.push(field),
        }
    }
    // Nobody asks for these. Their names may be none of Avro's.
    for (at, field) in unknown.into_iter().enumerate() {
        rename(field, format!("_unknown_{at}"));
    }
    // What is null for all files may be left out.
    match by_id.values().all(|is_void| *is_void) {
        true => Ok(by_id.len()),
        false => Err(TableError::Unsupported("a manifest whose partition spec has fields that its files have not")),
    }
}

/// Longer than it had to be, so that no column has it: the library refuses a field of a spec that is named as one.
fn name_of(id: i64) -> String {
    format!("_partition_{id}")
}

fn rename(field: &mut Map<String, Json>, name: String) {
    field.insert("name".to_owned(), name.into());
}

/// The fields of a record at a path of fields below another.
fn fields_at<'a>(schema: &'a mut Json, path: &[&str]) -> Option<&'a mut Vec<Json>> {
    let mut record = schema;
    // A type may be wrapped in one.
    while record.get("type").is_some_and(Json::is_object) {
        record = record.get_mut("type")?;
    }
    let fields = record.get_mut("fields")?.as_array_mut()?;
    let Some((name, path)) = path.split_first() else { return Some(fields) };
    let field = fields.iter_mut().find(|field| field.get("name").and_then(Json::as_str) == Some(name))?;
    fields_at(field.get_mut("type")?, path)
}
