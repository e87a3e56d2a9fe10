//! Addresses of functions.

use super::{Shown, namespace_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "GET /v1/{prefix}/namespaces/{namespace}/functions",
    "GET /v1/{prefix}/namespaces/{namespace}/functions/{function}",
];

/// What a request of functions is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FunctionRoute {
    /// GET functions
    List(String),
    /// GET a function: namespace, name
    Load(String, String),
}

impl FunctionRoute {
    /// A namespace that is not known may be one that the lake is about to make.
    pub(super) fn shows(&self) -> Option<Shown> {
        Some(Shown::Listing)
    }
}

/// The route, if the segments after `v1` are of functions.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<FunctionRoute>, RestError> {
    Ok(Some(match (method, segments) {
        ("GET", ["namespaces", namespace, "functions"]) => FunctionRoute::List(namespace_of(namespace)?),
        ("GET", ["namespaces", namespace, "functions", name]) => {
            FunctionRoute::Load(namespace_of(namespace)?, (*name).to_owned())
        }
        _ => return Ok(None),
    }))
}
