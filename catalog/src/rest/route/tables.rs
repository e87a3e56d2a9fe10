//! Addresses of tables.

use lake_table::TableName;

use super::{Shown, namespace_of, table_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
];

/// What a request of tables is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableRoute {
    /// GET tables
    List(String),
    /// GET a table
    Load(TableName),
    /// HEAD a table
    Exists(TableName),
    /// GET credentials of a table
    Credentials(TableName),
    /// A change of a table: POST, DELETE.
    Write(TableName),
}

impl TableRoute {
    pub(super) fn shows(&self) -> Option<Shown> {
        match self {
            TableRoute::Load(table) | TableRoute::Exists(table) => Some(Shown::Table(table.clone())),
            TableRoute::List(_) => Some(Shown::Listing),
            TableRoute::Credentials(_) | TableRoute::Write(_) => None,
        }
    }
}

/// The route, if the segments after `v1` are of tables.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<TableRoute>, RestError> {
    Ok(Some(match (method, segments) {
        ("GET", ["namespaces", namespace, "tables"]) => TableRoute::List(namespace_of(namespace)?),
        ("GET", ["namespaces", namespace, "tables", name]) => TableRoute::Load(table_of(namespace, name)?),
        ("HEAD", ["namespaces", namespace, "tables", name]) => TableRoute::Exists(table_of(namespace, name)?),
        ("GET", ["namespaces", namespace, "tables", name, "credentials"]) => {
            TableRoute::Credentials(table_of(namespace, name)?)
        }
        ("POST" | "DELETE", ["namespaces", namespace, "tables", name])
        | ("POST", ["namespaces", namespace, "tables", name, "unregister"]) => {
            TableRoute::Write(table_of(namespace, name)?)
        }
        _ => return Ok(None),
    }))
}
