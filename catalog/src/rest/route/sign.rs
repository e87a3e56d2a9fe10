//! Addresses of remote signing.

use lake_table::TableName;

use super::table_of;
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &["POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/sign"];

/// Whose files a request to sign is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignRoute {
    /// POST sign of a table
    Table(TableName),
    /// POST aws/s3/sign: of the table that the request itself names by its address
    Any,
}

/// The route, if the segments after `v1` are of remote signing.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<SignRoute>, RestError> {
    Ok(match (method, segments) {
        ("POST", ["namespaces", namespace, "tables", name, "sign"]) => {
            Some(SignRoute::Table(table_of(namespace, name)?))
        }
        ("POST", ["aws", "s3", "sign"]) => Some(SignRoute::Any),
        _ => None,
    })
}
