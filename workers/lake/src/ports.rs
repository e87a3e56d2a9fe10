//! What a flush needs of the platform: the bucket, the catalog's object, time.

use std::time::Duration;

use lake_dolake::{CatalogError, LakePorts, TableCatalog};
use lake_host::{Clock, Random};
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{R2Store, WorkerClock, WorkerRandom};
use lake_table::{EnsureTable, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableName, TableState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Env, Headers, Request, RequestInit, Result};

use crate::front::catalog;

/// The ports of one lake.
pub(crate) struct WorkerPorts {
    store: R2Store,
    catalog: CatalogObject,
}

impl WorkerPorts {
    /// The ports of this deployment.
    pub(crate) fn new(env: &Env) -> Result<WorkerPorts> {
        Ok(WorkerPorts { store: R2Store::new(env.bucket("R2")?), catalog: CatalogObject { env: env.clone() } })
    }
}

impl LakePorts for WorkerPorts {
    type Store = R2Store;
    type Catalog = CatalogObject;

    fn store(&self) -> &R2Store {
        &self.store
    }

    fn catalog(&self) -> &CatalogObject {
        &self.catalog
    }

    fn now_micros(&self) -> i64 {
        WorkerClock.now_micros()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        WorkerRandom.fill(bytes);
    }

    async fn pause_ms(&self, milliseconds: u32) {
        worker::Delay::from(Duration::from_millis(u64::from(milliseconds))).await;
    }
}

/// The catalog, which is another object of this script.
pub(crate) struct CatalogObject {
    env: Env,
}

impl CatalogObject {
    /// A call that did not answer may have taken effect; so may one that says so itself.
    async fn call<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
    ) -> std::result::Result<Option<T>, CatalogError> {
        let body = serde_json::to_string(message).map_err(|reason| CatalogError::Failed(reason.to_string()))?;
        let (status, text) =
            self.send(path, body).await.map_err(|reason| CatalogError::StateUnknown(reason.to_string()))?;
        match status {
            200 => {
                serde_json::from_str(&text).map(Some).map_err(|reason| CatalogError::StateUnknown(reason.to_string()))
            }
            404 => Ok(None),
            400..=499 | 503 => Err(CatalogError::Failed(text)),
            _ => Err(CatalogError::StateUnknown(text)),
        }
    }

    async fn send(&self, path: &str, body: String) -> Result<(u16, String)> {
        let headers = Headers::new();
        headers.set(REQUEST_ID, &http::new_request_id(&WorkerRandom))?;
        let mut init = RequestInit::new();
        init.with_method(worker::Method::Post).with_headers(headers).with_body(Some(body.into()));
        let request = Request::new_with_init(&format!("http://lake.internal{path}"), &init)?;
        let mut response = catalog(&self.env)?.fetch_with_request(request).await?;
        Ok((response.status_code(), response.text().await?))
    }

    async fn must<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
    ) -> std::result::Result<T, CatalogError> {
        self.call(path, message).await?.ok_or_else(|| CatalogError::Failed(format!("{path}: not found")))
    }
}

impl TableCatalog for CatalogObject {
    async fn ensure_table(&self, request: &EnsureTable) -> std::result::Result<TableState, CatalogError> {
        self.must("/internal/ensure", request).await
    }

    async fn load_table(&self, table: &TableName) -> std::result::Result<Option<TableState>, CatalogError> {
        self.call("/internal/load", table).await
    }

    async fn commit(&self, commit: &FlushCommit) -> std::result::Result<FlushOutcome, CatalogError> {
        self.must("/internal/commit", commit).await
    }

    async fn settle(&self, request: &SettleFlush) -> std::result::Result<Settlement, CatalogError> {
        self.must("/internal/settle", request).await
    }
}
