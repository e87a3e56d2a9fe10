//! The first metadata of a table that an engine creates.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Metadata, Object, Refused, invalid, partition, schema};

/// Properties that say something about the table and are not stored as such.
const RESERVED: &[&str] = &[
    "format-version",
    "uuid",
    "snapshot-count",
    "current-snapshot-id",
    "current-snapshot-summary",
    "current-snapshot-timestamp-ms",
    "current-schema",
    "default-partition-spec",
    "default-sort-order",
];

/// The format of tables that do not ask for one.
const FORMAT_DEFAULT: i64 = 2;

/// The body of a request that creates a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CreateTable {
    pub(crate) name: String,
    pub(crate) location: Option<String>,
    pub(crate) schema: Value,
    pub(crate) partition_spec: Option<Value>,
    pub(crate) write_order: Option<Value>,
    pub(crate) stage_create: Option<bool>,
    pub(crate) properties: Option<Object>,
}

/// The format that properties ask for.
pub(crate) fn format_of(properties: &Object) -> Result<i64, Refused> {
    let format = match properties.get("format-version") {
        None => FORMAT_DEFAULT,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(other) => other.as_i64().unwrap_or_default(),
    };
    check_format(format).map(|()| format)
}

/// Refuses formats that are not supported.
pub(crate) fn check_format(format: i64) -> Result<(), Refused> {
    match format {
        1..=3 => Ok(()),
        other => invalid(format!("Unsupported format version: v{other} (supported: v1 to v3)")),
    }
}

/// Texts only, without what is reserved.
pub(crate) fn check_properties(properties: &Object) -> Result<Object, Refused> {
    let mut checked = Object::new();
    for (name, value) in properties {
        if !value.is_string() {
            return invalid(format!("Cannot parse property {name}: not a string"));
        }
        if !RESERVED.contains(&name.as_str()) {
            checked.insert(name.clone(), value.clone());
        }
    }
    Ok(checked)
}

/// The metadata of an empty table, its fields numbered from 1.
pub(crate) fn first_metadata(
    wanted: &CreateTable,
    location: &str,
    uuid: &str,
    now_ms: i64,
) -> Result<Metadata, Refused> {
    let none = Object::new();
    let properties = wanted.properties.as_ref().unwrap_or(&none);
    let format_version = format_of(properties)?;
    let properties = check_properties(properties)?;
    let (schema, renamed) = schema::number_anew(&wanted.schema)?;
    schema::check_format(&schema, format_version)?;
    let spec = partition::fresh_spec(wanted.partition_spec.as_ref(), &renamed)?;
    let order = partition::fresh_order(wanted.write_order.as_ref(), &renamed)?;
    let metadata = json!({
        "format-version": format_version,
        "table-uuid": uuid,
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now_ms,
        "last-column-id": schema::highest_id(&schema)?,
        "schemas": [schema],
        "current-schema-id": 0,
        "last-partition-id": partition::last_field_id(&spec),
        "partition-specs": [spec],
        "default-spec-id": 0,
        "default-sort-order-id": order["order-id"],
        "sort-orders": [order],
        "properties": properties,
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
    });
    let Value::Object(fields) = metadata else { return invalid("unreachable") };
    let mut metadata = Metadata::of(fields);
    finish(&mut metadata);
    Ok(metadata)
}

/// Adds and takes away what each format writes.
pub(crate) fn finish(metadata: &mut Metadata) {
    match metadata.format_version() {
        1 => {
            let schema = metadata.current_schema().cloned().unwrap_or_default();
            metadata.set("schema", schema);
            let default = metadata.integer("default-spec-id");
            let specs = metadata.list("partition-specs");
            let spec = specs.iter().find(|spec| super::integer(spec, "spec-id") == default);
            let fields = spec.map(partition::fields_of).unwrap_or_default().to_vec();
            metadata.set("partition-spec", fields);
            metadata.remove("last-sequence-number");
        }
        format => {
            metadata.remove("schema");
            metadata.remove("partition-spec");
            if metadata.integer("last-sequence-number").is_none() {
                metadata.set("last-sequence-number", 0);
            }
            for snapshot in metadata.list_mut("snapshots") {
                if let Some(snapshot) = snapshot.as_object_mut() {
                    snapshot.entry("sequence-number").or_insert_with(|| json!(0));
                }
            }
            if format >= 3 && metadata.integer("next-row-id").is_none() {
                metadata.set("next-row-id", 0);
            }
        }
    }
}
