//! Addresses of views.

use lake_table::TableName;

use super::{Shown, namespace_of, table_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/register-view",
    "POST /v1/{prefix}/views/rename",
];

/// What a request of views is for. A view is named like a table, and no table has the name of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewRoute {
    /// GET views
    List(String),
    /// POST views
    Create(String),
    /// GET a view
    Load(TableName),
    /// HEAD a view
    Exists(TableName),
    /// POST a view
    Commit(TableName),
    /// DELETE a view
    Drop(TableName),
    /// POST register-view
    Register(String),
    /// POST views/rename
    Rename,
}

impl ViewRoute {
    /// Nothing: a view holds no rows, so none of them wait to be committed.
    pub(super) fn shows(&self) -> Option<Shown> {
        None
    }
}

/// The route, if the segments after `v1` are of views.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<ViewRoute>, RestError> {
    Ok(Some(match (method, segments) {
        ("GET", ["namespaces", namespace, "views"]) => ViewRoute::List(namespace_of(namespace)?),
        ("POST", ["namespaces", namespace, "views"]) => ViewRoute::Create(namespace_of(namespace)?),
        ("GET", ["namespaces", namespace, "views", name]) => ViewRoute::Load(table_of(namespace, name)?),
        ("HEAD", ["namespaces", namespace, "views", name]) => ViewRoute::Exists(table_of(namespace, name)?),
        ("POST", ["namespaces", namespace, "views", name]) => ViewRoute::Commit(table_of(namespace, name)?),
        ("DELETE", ["namespaces", namespace, "views", name]) => ViewRoute::Drop(table_of(namespace, name)?),
        ("POST", ["namespaces", namespace, "register-view"]) => ViewRoute::Register(namespace_of(namespace)?),
        ("POST", ["views", "rename"]) => ViewRoute::Rename,
        _ => return Ok(None),
    }))
}
