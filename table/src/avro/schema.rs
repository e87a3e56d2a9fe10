//! The schema of an Avro file: as much of Avro as Iceberg's files use.
//!
//! What is read here is written anew for the library that reads the file, so that nothing of a schema gets there that was
//! not understood here: no defaults, no aliases, no attributes. Names of records that were defined before are refused: for
//! manifests the library looks for them in its own schema and not in the file's. So a schema cannot contain itself. For the
//! name of a type of fixed length the type is written again.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::BROKEN;
use crate::error::TableError;
use crate::limits::{AVRO_SCHEMA_BYTES_MAX, AVRO_SCHEMA_DEPTH_MAX};

/// A type, as far as it says how its values are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    /// An integer of any width.
    Integer,
    Float,
    Double,
    /// Bytes or a text.
    Bytes,
    Fixed(usize),
    Array(Box<Kind>),
    Union(Vec<Kind>),
    /// The fields, each with the length of its name.
    Record(Vec<(usize, Kind)>),
}

/// The JSON of a schema.
pub(super) fn json(bytes: &[u8]) -> Result<Json, TableError> {
    if bytes.len() > AVRO_SCHEMA_BYTES_MAX {
        return Err(BROKEN);
    }
    serde_json::from_slice(bytes).map_err(|_| BROKEN)
}

/// Reads a schema, and gives it back in the words of this module.
pub(super) fn parse(json: &Json) -> Result<(Kind, Vec<u8>), TableError> {
    let (kind, json) = read(json, 0, &mut Defined::default())?;
    Ok((kind, json.to_string().into_bytes()))
}

/// The types of fixed length that were defined so far: writers say such a type once, however many fields have it.
#[derive(Default)]
struct Defined {
    by_name: HashMap<String, (Kind, Json)>,
    /// How many there are in the schema that is written.
    written: usize,
}

impl Defined {
    /// A type that was defined, once more, under a name that no other has: the library refuses a second definition.
    fn write(&mut self, name: &str) -> Option<(Kind, Json)> {
        let (kind, mut json) = self.by_name.get(name)?.clone();
        json["name"] = format!("_fixed_{}", self.written).into();
        self.written += 1;
        Some((kind, json))
    }
}

fn read(json: &Json, depth: usize, defined: &mut Defined) -> Result<(Kind, Json), TableError> {
    if depth > AVRO_SCHEMA_DEPTH_MAX {
        return Err(BROKEN);
    }
    match json {
        Json::String(name) => match defined.write(name) {
            Some(found) => Ok(found),
            None => Ok((primitive(name)?, json.clone())),
        },
        Json::Array(variants) => {
            let variants = variants.iter().map(|variant| read(variant, depth + 1, defined));
            let (kinds, jsons) = variants.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
            Ok((Kind::Union(kinds), Json::Array(jsons)))
        }
        Json::Object(schema) => match schema.get("type") {
            Some(Json::String(name)) => match name.as_str() {
                "record" => read_record(schema, depth, defined),
                "array" => {
                    let (items, json) = read(schema.get("items").ok_or(BROKEN)?, depth + 1, defined)?;
                    Ok((Kind::Array(Box::new(items)), json!({"type": "array", "items": json})))
                }
                "fixed" => read_fixed(schema, defined),
                name => match defined.write(name) {
                    Some(found) => Ok(found),
                    None => read_primitive(name, schema),
                },
            },
            Some(inner) => read(inner, depth + 1, defined),
            None => Err(BROKEN),
        },
        _ => Err(BROKEN),
    }
}

fn primitive(name: &str) -> Result<Kind, TableError> {
    match name {
        "null" => Ok(Kind::Null),
        "boolean" => Ok(Kind::Boolean),
        "int" | "long" => Ok(Kind::Integer),
        "float" => Ok(Kind::Float),
        "double" => Ok(Kind::Double),
        "bytes" | "string" => Ok(Kind::Bytes),
        _ => Err(TableError::Unsupported("an Avro file with a type that is named elsewhere, or none of Iceberg's")),
    }
}

fn read_record(schema: &Map<String, Json>, depth: usize, defined: &mut Defined) -> Result<(Kind, Json), TableError> {
    let name = name_of(schema)?;
    let fields = schema.get("fields").and_then(Json::as_array).ok_or(BROKEN)?;
    let fields = fields.iter().map(|field| {
        let name = field.get("name").and_then(Json::as_str).ok_or(BROKEN)?;
        let (kind, json) = read(field.get("type").ok_or(BROKEN)?, depth + 1, defined)?;
        Ok(((name.len(), kind), json!({"name": name, "type": json})))
    });
    let (kinds, jsons): (Vec<_>, Vec<Json>) = fields.collect::<Result<Vec<_>, TableError>>()?.into_iter().unzip();
    Ok((Kind::Record(kinds), json!({"type": "record", "name": name, "fields": jsons})))
}

/// Of the logical types the library decodes some in another way than the type below: only decimals are kept.
fn read_fixed(schema: &Map<String, Json>, defined: &mut Defined) -> Result<(Kind, Json), TableError> {
    let name = name_of(schema)?;
    let size = schema.get("size").and_then(Json::as_u64).ok_or(BROKEN)?;
    let mut json = json!({"type": "fixed", "size": size});
    annotate(&mut json, schema, &["decimal"]);
    let kind = Kind::Fixed(usize::try_from(size).map_err(|_| BROKEN)?);
    if primitive(name).is_ok() {
        return Err(BROKEN);
    }
    defined.by_name.insert(name.to_owned(), (kind, json));
    defined.write(name).ok_or(BROKEN)
}

fn read_primitive(name: &str, schema: &Map<String, Json>) -> Result<(Kind, Json), TableError> {
    let kind = primitive(name)?;
    let mut json = json!({"type": name});
    let logical: &[&str] = match name {
        "int" => &["date", "time-millis"],
        "long" => &[
            "time-micros",
            "timestamp-millis",
            "timestamp-micros",
            "timestamp-nanos",
            "local-timestamp-millis",
            "local-timestamp-micros",
            "local-timestamp-nanos",
        ],
        "bytes" => &["decimal"],
        _ => &[],
    };
    annotate(&mut json, schema, logical);
    Ok((kind, json))
}

fn annotate(json: &mut Json, schema: &Map<String, Json>, logical: &[&str]) {
    let Some(name) = schema.get("logicalType").and_then(Json::as_str).filter(|name| logical.contains(name)) else {
        return;
    };
    json["logicalType"] = name.into();
    for key in ["precision", "scale"] {
        if let Some(Json::Number(number)) = schema.get(key) {
            json[key] = number.clone().into();
        }
    }
}

/// The library panics at a name that is none.
fn name_of(schema: &Map<String, Json>) -> Result<&str, TableError> {
    schema.get("name").and_then(Json::as_str).filter(|name| is_name(name)).ok_or(BROKEN)
}

/// Avro spec, "Names".
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|next| next.is_ascii_alphanumeric() || next == '_')
    })
}
