//! A table's metadata as the JSON that it is.
//!
//! Tables of foreign engines hold whatever the spec allows, of formats 1 to 3, and may hold what this build does not
//! know: it has to come out of a commit as it went in. So metadata is changed as a tree of JSON, checked where a change
//! relies on it, and never goes through types that would forget. [`update`] says what a client may change, [`change`] does
//! it, [`requirement`] what it may ask for first, [`create`] begins a table.

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod partition;
pub(crate) mod requirement;
pub(crate) mod retention;
pub(crate) mod schema;
pub(crate) mod update;

use serde_json::{Map, Value, json};
use thiserror::Error;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The branch that readers get.
pub(crate) const MAIN: &str = "main";

/// Why a change cannot be made. Nothing was changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It can never be made as sent.
    #[error("{0}")]
    Invalid(String),
    /// It does not fit what the table is now. Load, and try again.
    #[error("{0}")]
    Conflict(String),
}

/// For what can never be done as sent.
pub(crate) fn invalid<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Invalid(message.into()))
}

/// The metadata of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metadata {
    fields: Object,
}

impl Metadata {
    /// Reads a `metadata.json` of any format, and fills in what format 1 leaves out.
    pub(crate) fn parse(json: &[u8]) -> Result<Metadata, Refused> {
        let fields: Object = serde_json::from_slice(json).map_err(|error| Refused::Invalid(error.to_string()))?;
        let mut metadata = Metadata { fields };
        metadata.complete()?;
        Ok(metadata)
    }

    /// From what is known to be complete.
    pub(crate) fn of(fields: Object) -> Metadata {
        Metadata { fields }
    }

    /// What a file says that is only looked into, and may be of any build.
    pub(crate) fn glance(json: &[u8]) -> Result<Metadata, Refused> {
        serde_json::from_slice(json).map(Metadata::of).or_else(|error| invalid(error.to_string()))
    }

    /// The bytes of the file.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Refused> {
        serde_json::to_vec(&self.fields).or_else(|error| invalid(error.to_string()))
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.fields.get(name).and_then(Value::as_i64)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list; empty if there is none.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// A list to change; made if there is none.
    pub(crate) fn list_mut(&mut self, name: &str) -> &mut Vec<Value> {
        let value = self.fields.entry(name).or_insert_with(|| json!([]));
        if !value.is_array() {
            *value = json!([]);
        }
        match value {
            Value::Array(list) => list,
            _ => unreachable!("it was made an array"),
        }
    }

    /// An object; `None` if there is none.
    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.fields.get(name).and_then(Value::as_object)
    }

    /// An object to change; made if there is none.
    pub(crate) fn object_mut(&mut self, name: &str) -> &mut Object {
        let value = self.fields.entry(name).or_insert_with(|| json!({}));
        if !value.is_object() {
            *value = json!({});
        }
        match value {
            Value::Object(object) => object,
            _ => unreachable!("it was made an object"),
        }
    }

    pub(crate) fn format_version(&self) -> i64 {
        self.integer("format-version").unwrap_or(1)
    }

    pub(crate) fn uuid(&self) -> &str {
        self.text("table-uuid")
    }

    pub(crate) fn location(&self) -> &str {
        self.text("location").trim_end_matches('/')
    }

    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.object("properties")?.get(name)?.as_str()
    }

    /// The snapshot of an id.
    pub(crate) fn snapshot(&self, id: i64) -> Option<&Value> {
        self.list("snapshots").iter().find(|snapshot| snapshot_id(snapshot) == Some(id))
    }

    /// What a branch or tag names.
    pub(crate) fn reference(&self, name: &str) -> Option<&Object> {
        self.object("refs")?.get(name)?.as_object()
    }

    /// The snapshot that a branch or tag names.
    pub(crate) fn referenced(&self, name: &str) -> Option<i64> {
        self.reference(name)?.get("snapshot-id")?.as_i64()
    }

    /// The snapshots that some branch or tag names.
    pub(crate) fn heads(&self) -> Vec<i64> {
        let refs = self.object("refs").into_iter().flat_map(|refs| refs.values());
        refs.filter_map(|reference| reference.get("snapshot-id")?.as_i64()).collect()
    }

    pub(crate) fn current_schema(&self) -> Option<&Value> {
        let id = self.integer("current-schema-id")?;
        self.list("schemas").iter().find(|schema| integer(schema, "schema-id") == Some(id))
    }

    fn complete(&mut self) -> Result<(), Refused> {
        match self.integer("format-version") {
            Some(1..=3) => {}
            other => return invalid(format!("Cannot read unsupported version {other:?}")),
        }
        for (name, field) in [("location", "a location"), ("table-uuid", "a table-uuid")] {
            if self.text(name).is_empty() {
                return invalid(format!("The metadata has no {field}"));
            }
        }
        if self.list("schemas").is_empty() {
            let Some(mut schema) = self.remove("schema") else { return invalid("The metadata has no schemas") };
            if let Some(schema) = schema.as_object_mut() {
                schema.entry("schema-id").or_insert_with(|| json!(0));
            }
            self.set("current-schema-id", integer(&schema, "schema-id").unwrap_or_default());
            self.set("schemas", vec![schema]);
        }
        let mut highest = 0;
        for schema in self.list("schemas") {
            highest = highest.max(schema::highest_id(schema)?);
        }
        if self.integer("last-column-id").is_none() {
            self.set("last-column-id", highest);
        }
        if self.current_schema().is_none() {
            return invalid("The metadata has no current schema");
        }
        if self.list("partition-specs").is_empty() {
            let fields = self.remove("partition-spec").unwrap_or_else(|| json!([]));
            self.set("partition-specs", vec![json!({"spec-id": 0, "fields": fields})]);
            self.set("default-spec-id", 0);
        }
        if self.integer("last-partition-id").is_none() {
            let last = self.list("partition-specs").iter().map(partition::last_field_id).max();
            self.set("last-partition-id", last.unwrap_or(partition::FIRST_FIELD_ID - 1));
        }
        if self.list("sort-orders").is_empty() {
            self.set("sort-orders", vec![json!({"order-id": 0, "fields": []})]);
            self.set("default-sort-order-id", 0);
        }
        if self.integer("current-snapshot-id").is_some_and(|id| id < 0) {
            self.remove("current-snapshot-id");
        }
        if let Some(id) = self.integer("current-snapshot-id")
            && self.reference(MAIN).is_none()
        {
            self.object_mut("refs").insert(MAIN.to_owned(), json!({"snapshot-id": id, "type": "branch"}));
        }
        for name in ["snapshots", "snapshot-log", "metadata-log"] {
            self.list_mut(name);
        }
        for name in ["refs", "properties"] {
            self.object_mut(name);
        }
        Ok(())
    }
}

/// A number of an object.
pub(crate) fn integer(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}

/// The id after one that a table has. Ids are numbers of 32 bits; a file that somebody wrote can hold any.
pub(crate) fn id_after(id: i64, name: &str) -> Result<i64, Refused> {
    let next = id.checked_add(1).filter(|next| i32::try_from(*next).is_ok());
    next.map_or_else(|| invalid(format!("Cannot give an id after {name} {id}: it is too large")), Ok)
}

/// The id of a snapshot, or of what names one.
pub(crate) fn snapshot_id(value: &Value) -> Option<i64> {
    integer(value, "snapshot-id")
}
