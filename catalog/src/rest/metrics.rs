//! `POST …/metrics`: what a scan or a commit has cost a client.
//!
//! A report is looked at and counted; it is not kept. Trino reports before the commit that makes its table, so the table
//! need not exist.

use lake_api::scope::Access;
use lake_host::ShardStorage;
use lake_table::TableName;
use serde::Deserialize;

use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    #[serde(rename = "report-type")]
    kind: String,
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn take_report(&self, table: &TableName, caller: &Caller<'_>) -> Result<RestResponse, RestError> {
        self.must_be_allowed(table, caller.claims, Access::Read)?;
        let report: Report = caller.body()?;
        if report.kind.is_empty() {
            return Err(RestError::BadRequest("A report has a type".to_owned()));
        }
        self.reports.set(self.reports.get().saturating_add(1));
        Ok(RestResponse::no_content())
    }

    /// Reports of clients that this instance has taken.
    pub fn reports(&self) -> u64 {
        self.reports.get()
    }
}
