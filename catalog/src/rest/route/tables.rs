//! Addresses of tables.

use lake_table::TableName;

use super::{Shown, namespace_of, table_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/unregister",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
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
    /// POST tables: a new one
    Create(String),
    /// POST register: one that has its metadata
    Register(String),
    /// GET dropped-tables: those that can come back. Ours, not the spec's
    Dropped(String),
    /// POST a table: a commit
    Commit(TableName),
    /// DELETE a table
    Drop(TableName),
    /// POST unregister of a table
    Unregister(TableName),
    /// POST undrop of a table. Ours, not the spec's
    Undrop(TableName),
    /// POST tables/rename
    Rename,
    /// POST transactions/commit
    Transaction,
}

impl TableRoute {
    pub(super) fn shows(&self) -> Option<Shown> {
        match self {
            TableRoute::Load(table) | TableRoute::Exists(table) => Some(Shown::Table(table.clone())),
            TableRoute::List(_) => Some(Shown::Listing),
            TableRoute::Credentials(_)
            | TableRoute::Create(_)
            | TableRoute::Register(_)
            | TableRoute::Dropped(_)
            | TableRoute::Commit(_)
            | TableRoute::Drop(_)
            | TableRoute::Unregister(_)
            | TableRoute::Undrop(_)
            | TableRoute::Rename
            | TableRoute::Transaction => None,
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
        ("POST", ["namespaces", namespace, "tables"]) => TableRoute::Create(namespace_of(namespace)?),
        ("POST", ["namespaces", namespace, "register"]) => TableRoute::Register(namespace_of(namespace)?),
        ("GET", ["namespaces", namespace, "dropped-tables"]) => TableRoute::Dropped(namespace_of(namespace)?),
        ("POST", ["namespaces", namespace, "tables", name]) => TableRoute::Commit(table_of(namespace, name)?),
        ("DELETE", ["namespaces", namespace, "tables", name]) => TableRoute::Drop(table_of(namespace, name)?),
        ("POST", ["namespaces", namespace, "tables", name, "unregister"]) => {
            TableRoute::Unregister(table_of(namespace, name)?)
        }
        ("POST", ["namespaces", namespace, "tables", name, "undrop"]) => TableRoute::Undrop(table_of(namespace, name)?),
        ("POST", ["tables", "rename"]) => TableRoute::Rename,
        ("POST", ["transactions", "commit"]) => TableRoute::Transaction,
        _ => return Ok(None),
    }))
}
