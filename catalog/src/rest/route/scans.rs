//! Addresses of scans of tables: planning one, and reporting what it cost.

use lake_table::TableName;

use super::{Shown, table_of};
use crate::rest::RestError;

/// In the words of the spec.
pub(super) const ENDPOINTS: &[&str] = &[
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/tasks",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
];

/// What a request of scans is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScanRoute {
    /// POST plan
    Plan(TableName),
    /// GET a plan
    Result(TableName, String),
    /// DELETE a plan
    Cancel(TableName, String),
    /// POST tasks
    Tasks(TableName),
    /// POST metrics
    Metrics(TableName),
}

impl ScanRoute {
    /// A plan shows its table, so the lake commits first what it holds of it. Its tasks are of the plan's snapshot.
    pub(super) fn shows(&self) -> Option<Shown> {
        match self {
            ScanRoute::Plan(table) => Some(Shown::Table(table.clone())),
            ScanRoute::Result(..) | ScanRoute::Cancel(..) | ScanRoute::Tasks(_) | ScanRoute::Metrics(_) => None,
        }
    }
}

/// The route, if the segments after `v1` are of scans.
pub(super) fn find(method: &str, segments: &[&str]) -> Result<Option<ScanRoute>, RestError> {
    let ["namespaces", namespace, "tables", name, rest @ ..] = segments else { return Ok(None) };
    let table = || table_of(namespace, name);
    Ok(Some(match (method, rest) {
        ("POST", ["plan"]) => ScanRoute::Plan(table()?),
        ("GET", ["plan", id]) => ScanRoute::Result(table()?, (*id).to_owned()),
        ("DELETE", ["plan", id]) => ScanRoute::Cancel(table()?, (*id).to_owned()),
        ("POST", ["tasks"]) => ScanRoute::Tasks(table()?),
        ("POST", ["metrics"]) => ScanRoute::Metrics(table()?),
        _ => return Ok(None),
    }))
}
