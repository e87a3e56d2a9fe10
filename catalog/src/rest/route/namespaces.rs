//! Addresses of namespaces.

use super::{Shown, namespace_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
];

/// What a request of namespaces is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceRoute {
    /// GET namespaces
    List,
    /// POST namespaces
    Create,
    /// GET a namespace
    Load(String),
    /// HEAD a namespace
    Exists(String),
    /// DELETE a namespace
    Drop(String),
    /// POST properties of a namespace
    SetProperties(String),
}

impl NamespaceRoute {
    pub(super) fn shows(&self) -> Option<Shown> {
        match self {
            NamespaceRoute::List | NamespaceRoute::Load(_) | NamespaceRoute::Exists(_) => Some(Shown::Listing),
            NamespaceRoute::Create | NamespaceRoute::Drop(_) | NamespaceRoute::SetProperties(_) => None,
        }
    }
}

/// The route, if the segments after `v1` are of namespaces.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<NamespaceRoute>, RestError> {
    Ok(Some(match (method, segments) {
        ("GET", ["namespaces"]) => NamespaceRoute::List,
        ("POST", ["namespaces"]) => NamespaceRoute::Create,
        ("GET", ["namespaces", namespace]) => NamespaceRoute::Load(namespace_of(namespace)?),
        ("HEAD", ["namespaces", namespace]) => NamespaceRoute::Exists(namespace_of(namespace)?),
        ("DELETE", ["namespaces", namespace]) => NamespaceRoute::Drop(namespace_of(namespace)?),
        ("POST", ["namespaces", namespace, "properties"]) => NamespaceRoute::SetProperties(namespace_of(namespace)?),
        _ => return Ok(None),
    }))
}
