//! The Iceberg REST protocol: one file per endpoint, one table of errors, one list of what exists.
//!
//! Pure but for loading a table's metadata: the shell turns an HTTP request into a [`RestRequest`], checks its token with
//! [`authorise`], makes the lake flush what is older than a table's freshness ([`shows`] says which requests want
//! that), and sends the [`RestResponse`]. What is not answered is refused with the protocol's own words and left out of
//! `endpoints`, so that most clients never ask.

mod commit_table;
mod config;
mod create_table;
mod credentials;
mod door;
mod drop;
mod error;
mod functions;
mod idempotency;
mod load_table;
mod metrics;
mod namespaces;
pub mod oauth;
mod place;
mod plan;
mod query;
mod queue;
mod rebase;
mod register;
mod rename;
mod route;
mod sign;
mod size;
mod stage;
mod tables;
mod views;

pub use credentials::StorageConfig;
pub use door::{AtDoor, body_bytes_max, goes_as_it_came};
pub use error::RestError;
pub(crate) use queue::Queue;
pub use route::{Shown, shows};

use std::collections::BTreeMap;

use lake_api::token::{Claims, Keys, verify};
use lake_host::{ObjectStore, Random, ShardStorage};

use crate::catalog::Catalog;
use crate::limits::REST_BODY_BYTES_MAX;
use crate::vended::VendedStorage;
use query::Query;
use route::Route;
use serde::de::DeserializeOwned;

/// A request to the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestRequest {
    /// `GET`, `HEAD`, ….
    pub method: String,
    /// The path after `/iceberg`, with its leading slash, as it was sent.
    pub path: String,
    /// The query without its `?`, as it was sent.
    pub query: String,
    /// Header lines by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// Where the client reached us: `https://lake.example.com`, without a slash at the end.
    pub origin: String,
    /// The lake could not commit in time what it holds: a table that is not known may be one that it is about to make.
    pub lake_is_behind: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestResponse {
    /// HTTP status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The body; empty for 204 and for HEAD.
    pub body: Vec<u8>,
}

impl RestResponse {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> RestResponse {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            // Answers hold credentials, and are about a moment.
            ("cache-control".to_owned(), "no-store".to_owned()),
        ];
        RestResponse { status, headers, body }
    }

    pub(crate) fn value(body: &serde_json::Value) -> RestResponse {
        RestResponse::json(200, body.to_string().into_bytes())
    }

    pub(crate) fn no_content() -> RestResponse {
        RestResponse { status: 204, headers: Vec::new(), body: Vec::new() }
    }
}

/// The claims of a request's bearer token, or why there are none.
pub fn authorise(request: &RestRequest, keys: &Keys, now_micros: i64) -> Result<Claims, RestError> {
    let header = request.headers.get("authorization").map(String::as_str).unwrap_or_default();
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(RestError::Unauthorized("a bearer token is needed".to_owned())),
    };
    verify(token, keys, now_micros).map_err(|error| RestError::Unauthorized(error.to_string()))
}

impl<S: ShardStorage> Catalog<S> {
    /// Answers a REST request of a client with these claims. `keys` sign the storage credentials it is given.
    pub async fn respond(
        &self,
        request: &RestRequest,
        claims: &Claims,
        keys: &Keys,
        store: &impl ObjectStore,
        random: &dyn Random,
        now_micros: i64,
    ) -> RestResponse {
        let caller = Caller { request, claims, keys, random, now_micros };
        let mut answer = self.route(&caller, store).await;
        if let Err(error) = answer {
            let error = if request.lake_is_behind { error.while_behind() } else { error };
            answer = match self.put_refusal(&error, &caller) {
                // What was done is done, whatever this copy of the request met.
                Ok(false) => self.route(&caller, store).await,
                // That it is not noted changes nothing about the refusal.
                Ok(true) | Err(_) => Err(error),
            };
        }
        let mut response = answer.unwrap_or_else(RestError::into_response);
        if request.method == "HEAD" {
            response.body.clear();
        }
        response
    }

    async fn route(&self, caller: &Caller<'_>, store: &impl ObjectStore) -> Result<RestResponse, RestError> {
        let request = caller.request;
        if let VendedStorage::Misconfigured(reason) = &self.settings.vended {
            // Before anything is done: after a change nothing may be refused any more.
            return Err(RestError::Unavailable(format!("The lake is not set up: {reason}")));
        }
        if request.body.len() > REST_BODY_BYTES_MAX {
            return Err(RestError::TooLarge);
        }
        let query = Query::parse(&request.query)?;
        match Route::find(&request.method, &request.path)?.within(&self.settings.lake_name)? {
            Route::Config => self.config(&query),
            Route::Namespace(route) => self.answer_namespace(&route, &query, caller),
            Route::Table(route) => self.answer_table(&route, &query, caller, store).await,
            Route::View(route) => self.answer_view(&route, &query, caller, store).await,
            Route::Function(route) => self.answer_function(&route, &query, caller),
            Route::Scan(route) => self.answer_scan(&route, caller, store).await,
            Route::Sign(route) => self.answer_sign(&route, caller),
        }
    }
}

/// Who asks, and what is needed to answer them.
pub(crate) struct Caller<'a> {
    request: &'a RestRequest,
    claims: &'a Claims,
    keys: &'a Keys,
    random: &'a dyn Random,
    now_micros: i64,
}

impl Caller<'_> {
    /// The body as what the address expects.
    fn body<T: DeserializeOwned>(&self) -> Result<T, RestError> {
        serde_json::from_slice(&self.request.body)
            .map_err(|error| RestError::BadRequest(format!("The body is not what this address expects: {error}")))
    }
}

#[cfg(test)]
mod tests;
