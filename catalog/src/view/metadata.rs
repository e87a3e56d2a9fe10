//! A view's `metadata.json`.

use std::collections::{BTreeMap, BTreeSet};

use iceberg::spec::Schema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::CatalogError;

/// The only version of the format.
pub(crate) const FORMAT_VERSION: i32 = 1;

/// A view's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ViewMetadata {
    pub(crate) view_uuid: String,
    pub(crate) format_version: i32,
    pub(crate) location: String,
    pub(crate) current_version_id: i32,
    pub(crate) versions: Vec<ViewVersion>,
    pub(crate) version_log: Vec<HistoryEntry>,
    pub(crate) schemas: Vec<ViewSchema>,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
}

/// One definition of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ViewVersion {
    pub(crate) version_id: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) schema_id: i32,
    pub(crate) summary: BTreeMap<String, String>,
    pub(crate) representations: Vec<Representation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default_catalog: Option<String>,
    pub(crate) default_namespace: Vec<String>,
}

/// A definition in one dialect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Representation {
    /// A query.
    Sql {
        /// Its text.
        sql: String,
        /// Whose SQL it is.
        dialect: String,
    },
}

/// When a version became the current one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HistoryEntry {
    pub(crate) timestamp_ms: i64,
    pub(crate) version_id: i32,
}

/// A schema as JSON, known to be one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct ViewSchema(Value);

impl TryFrom<Value> for ViewSchema {
    type Error = serde_json::Error;

    fn try_from(json: Value) -> Result<ViewSchema, serde_json::Error> {
        let schema: Schema = serde_json::from_value(json)?;
        Ok(ViewSchema(serde_json::to_value(schema)?))
    }
}

impl ViewSchema {
    pub(crate) fn id(&self) -> i32 {
        self.0.get("schema-id").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok()).unwrap_or_default()
    }

    pub(crate) fn with_id(&self, id: i32) -> ViewSchema {
        let mut json = self.0.clone();
        if let Some(fields) = json.as_object_mut() {
            fields.insert("schema-id".to_owned(), id.into());
        }
        ViewSchema(json)
    }

    /// True if both have the same columns.
    pub(crate) fn is_same(&self, other: &ViewSchema) -> bool {
        self.with_id(0) == other.with_id(0)
    }
}

impl ViewVersion {
    /// True if both define the same; when and under which id they did so does not count.
    pub(crate) fn is_same(&self, other: &ViewVersion) -> bool {
        let plain = |version: &ViewVersion| ViewVersion { version_id: 0, timestamp_ms: 0, ..version.clone() };
        plain(self) == plain(other)
    }

    /// The dialects it is written in, in lower case.
    pub(crate) fn dialects(&self) -> BTreeSet<String> {
        let dialect = |Representation::Sql { dialect, .. }: &Representation| dialect.to_lowercase();
        self.representations.iter().map(dialect).collect()
    }
}

impl ViewMetadata {
    /// Reads a file, which may be a foreign one.
    pub(crate) fn decode(json: &[u8]) -> Result<ViewMetadata, CatalogError> {
        let invalid = |why: String| CatalogError::corrupt("a view's metadata.json", why);
        let metadata: ViewMetadata = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        if metadata.format_version != FORMAT_VERSION {
            return Err(invalid(format!("unsupported format version {}", metadata.format_version)));
        }
        if metadata.find(metadata.current_version_id).is_none() {
            return Err(invalid(format!("there is no current version {}", metadata.current_version_id)));
        }
        let has_schema = |id: i32| metadata.schemas.iter().any(|schema| schema.id() == id);
        if let Some(version) = metadata.versions.iter().find(|version| !has_schema(version.schema_id)) {
            return Err(invalid(format!("version {} has no schema", version.version_id)));
        }
        Ok(metadata)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, CatalogError> {
        serde_json::to_vec(self).map_err(|error| CatalogError::Invalid(error.to_string()))
    }

    pub(crate) fn find(&self, version_id: i32) -> Option<&ViewVersion> {
        self.versions.iter().find(|version| version.version_id == version_id)
    }
}
