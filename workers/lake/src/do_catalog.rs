//! The Durable Object that holds the catalog: the REST protocol for engines, and the lake's own messages.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures::lock::Mutex;
use lake_api::token::claims_from_json;
use lake_catalog::rest::{RestError, RestRequest, RestResponse, authorise, oauth};
use lake_catalog::{CatalogError, Settings, VendedStorage};
use lake_host::Clock;
use lake_platform::http::{self, REQUEST_ID};
use lake_platform::{DurableStorage, R2Store, WorkerClock, WorkerRandom, memory};
use lake_table::{EnsureTable, FlushCommit, SettleFlush, TableName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{DurableObject, Env, Method, Request, Response, Result, State, durable_object};

use crate::auth::keys;
use crate::facade::query_of;
use crate::front::{BEHIND, CLAIMS, FLUSH_FIRST, ORIGIN, PASSED_ON, UNFLUSHED, lake_name};

/// The catalog of the lake.
#[durable_object]
pub struct Catalog {
    state: State,
    env: Env,
    catalog: Mutex<Option<Opened>>,
}

/// The catalog, and the storage below it.
#[derive(Clone)]
struct Opened {
    catalog: Rc<lake_catalog::Catalog<DurableStorage>>,
    storage: DurableStorage,
}

impl DurableObject for Catalog {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, catalog: Mutex::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let id = http::request_id(&request, &WorkerRandom)?;
        let store = R2Store::new(self.env.bucket("R2")?);
        let body = match request.method() {
            Method::Get | Method::Head => Vec::new(),
            _ => match http::body(&mut request).await? {
                Ok(body) => body,
                Err(reason) => return http::error(&reason, &id),
            },
        };
        let catalog = match self.open(&store).await {
            Ok(opened) => opened.catalog,
            // Engines know only the protocol's own errors.
            Err(reason) if request.path().starts_with("/iceberg") => {
                worker::console_error!("{id} catalog: {reason}");
                return respond(RestError::from(reason).into_response(), &id);
            }
            Err(reason) => return refuse(&reason, &id),
        };
        let path = request.path();
        if let Some(path) = path.strip_prefix("/iceberg") {
            return self.rest(&catalog, &store, &request, path, body, &id).await;
        }
        let now = WorkerClock.now_micros();
        match path.as_str() {
            "/internal/ensure" => match read::<EnsureTable>(&body) {
                Ok(wanted) => answer(catalog.ensure_table(&store, &WorkerRandom, now, &wanted).await, &id),
                Err(reason) => refuse(&reason, &id),
            },
            "/internal/load" => match read::<TableName>(&body) {
                Ok(table) => answer(catalog.load_table(&store, &table).await, &id),
                Err(reason) => refuse(&reason, &id),
            },
            "/internal/commit" => match read::<FlushCommit>(&body) {
                Ok(commit) => answer(catalog.commit_flush(&store, &WorkerRandom, now, &commit).await, &id),
                Err(reason) => refuse(&reason, &id),
            },
            "/internal/settle" => match read::<SettleFlush>(&body) {
                Ok(settle) => answer(catalog.settle_flush(&store, &settle).await, &id),
                Err(reason) => refuse(&reason, &id),
            },
            "/internal/hint" => {
                let folder = String::from_utf8_lossy(&body);
                let hint = catalog.version_hint(&folder).map(|hint| hint.map(|hint| (hint.text, hint.modified_micros)));
                answer(hint, &id)
            }
            "/status" => http::json(serde_json::json!({"memoryBytes": memory::linear_bytes()}).to_string(), 200, &id),
            _ => refuse(&CatalogError::Invalid(format!("there is nothing at {path}")), &id),
        }
    }

    /// Goes on with removing the files of purged tables.
    async fn alarm(&self) -> Result<Response> {
        let failed = |reason: &dyn std::fmt::Display| worker::Error::RustError(reason.to_string());
        let store = R2Store::new(self.env.bucket("R2")?);
        // The platform calls again after an error.
        let Opened { catalog, storage } = self.open(&store).await.map_err(|reason| failed(&reason))?;
        storage.alarm_fired().map_err(|reason| failed(&reason))?;
        catalog.purge_step(&store, WorkerClock.now_micros()).await.map_err(|reason| failed(&reason))?;
        Response::empty()
    }
}

impl Catalog {
    /// The catalog, opened and with its last commit record made good. Requests that come meanwhile wait.
    async fn open(&self, store: &R2Store) -> std::result::Result<Opened, CatalogError> {
        let mut held = self.catalog.lock().await;
        if let Some(opened) = held.as_ref() {
            return Ok(opened.clone());
        }
        let settings = settings(&self.env).map_err(|reason| CatalogError::Invalid(reason.to_string()))?;
        let storage = DurableStorage::open(&self.state).map_err(CatalogError::Storage)?;
        let catalog = Rc::new(lake_catalog::Catalog::open(storage.clone(), settings)?);
        catalog.recover(store).await?;
        let opened = Opened { catalog, storage };
        *held = Some(opened.clone());
        Ok(opened)
    }

    async fn rest(
        &self,
        catalog: &lake_catalog::Catalog<DurableStorage>,
        store: &R2Store,
        request: &Request,
        path: &str,
        body: Vec<u8>,
        id: &str,
    ) -> Result<Response> {
        let keys = match keys(&self.env)? {
            Ok(keys) => keys,
            Err(reason) => return http::error(&reason, id),
        };
        let headers = request.headers();
        let method = request.method().to_string();
        if headers.get(UNFLUSHED)?.is_some() && !catalog.shows_engines_table(&method, path).unwrap_or_default() {
            return Ok(Response::empty()?.with_status(FLUSH_FIRST));
        }
        let mut known = BTreeMap::new();
        for name in PASSED_ON.into_iter().chain(["authorization"]) {
            if let Some(value) = headers.get(name)? {
                known.insert(name.to_owned(), value);
            }
        }
        let origin = headers.get(ORIGIN)?.unwrap_or_default();
        let asked = RestRequest {
            method,
            path: path.to_owned(),
            query: query_of(request),
            headers: known,
            body,
            origin: origin.trim_end_matches('/').to_owned(),
            lake_is_behind: headers.get(BEHIND)?.is_some(),
        };
        let now = WorkerClock.now_micros();
        if oauth::is_token_request(&asked.method, &asked.path) {
            return respond(oauth::token(&asked, &keys, now), id);
        }
        // The front door has checked the token. Where it found none that is valid, the refusal is made here.
        let claims = match headers.get(CLAIMS)?.and_then(|json| claims_from_json(&json).ok()) {
            Some(claims) => Ok(claims),
            None => authorise(&asked, &keys, now),
        };
        respond(
            match claims {
                Ok(claims) => catalog.respond(&asked, &claims, &keys, store, &WorkerRandom, now).await,
                Err(reason) => reason.into_response(),
            },
            id,
        )
    }
}

/// How this deployment is set up.
fn settings(env: &Env) -> Result<Settings> {
    let find = |name: &str| env.secret(name).ok().or_else(|| env.var(name).ok()).map(|value| value.to_string());
    Ok(Settings { lake_name: lake_name(env)?, bucket: bucket_name(env)?, vended: VendedStorage::read(find) })
}

/// The name of the bucket, which is also the first part of the facade's paths.
pub(crate) fn bucket_name(env: &Env) -> Result<String> {
    Ok(env.var("BUCKET")?.to_string())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> std::result::Result<T, CatalogError> {
    serde_json::from_slice(body).map_err(|reason| CatalogError::Invalid(reason.to_string()))
}

fn answer<T: Serialize>(outcome: std::result::Result<T, CatalogError>, id: &str) -> Result<Response> {
    match outcome {
        Ok(value) => http::json(serde_json::to_string(&value)?, 200, id),
        Err(reason) => refuse(&reason, id),
    }
}

/// Errors travel to the lake by the name of their variant; it does one thing for each.
fn refuse(reason: &CatalogError, id: &str) -> Result<Response> {
    let (name, status) = match reason {
        CatalogError::Invalid(_) => ("invalid", 400),
        CatalogError::TableNotFound { .. } => ("table_not_found", 404),
        CatalogError::Fenced { .. } => ("fenced", 409),
        CatalogError::Storage(_) | CatalogError::ObjectStore(_) => ("unavailable", 503),
        CatalogError::StateUnknown(_) => ("state_unknown", 500),
        CatalogError::Corrupt { .. } | CatalogError::Newer { .. } => ("corrupt", 500),
    };
    worker::console_error!("{id} catalog: {reason}");
    http::json(serde_json::json!({"error": name, "message": reason.to_string()}).to_string(), status, id)
}

pub(crate) fn respond(answer: RestResponse, id: &str) -> Result<Response> {
    let response = match answer.status {
        204 | 304 => Response::empty()?,
        _ => Response::from_bytes(answer.body)?,
    };
    let mut response = response.with_status(answer.status);
    for (name, value) in &answer.headers {
        response.headers_mut().set(name, value)?;
    }
    response.headers_mut().set(REQUEST_ID, id)?;
    Ok(response)
}
