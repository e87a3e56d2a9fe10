//! `GET /v1/config`: what a client should know before anything else.
//!
//! No `prefix`: clients disagree on how to encode one. Those that then take the warehouse's name for one are answered too.
//!
//! `token-exchange-enabled`: Java's client exchanges its token before that ends, which the OAuth2 address does not know,
//! and has none that is valid from then on. Told not to, it asks for a new one with its credential.

use lake_host::ShardStorage;
use serde_json::json;

use super::query::Query;
use super::route::endpoints;
use super::{RestError, RestResponse};
use crate::catalog::Catalog;
use crate::limits::IDEMPOTENCY_LIFETIME;

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn config(&self, query: &Query) -> Result<RestResponse, RestError> {
        let own = &self.settings.lake_name;
        match query.find("warehouse").filter(|warehouse| !warehouse.is_empty()) {
            Some(warehouse) if warehouse != own => {
                Err(RestError::NoSuchWarehouse(format!("There is no warehouse `{warehouse}` here; it is `{own}`")))
            }
            _ => Ok(RestResponse::value(&json!({
                "defaults": {},
                "overrides": {"token-exchange-enabled": "false"},
                "endpoints": endpoints(),
                "idempotency-key-lifetime": IDEMPOTENCY_LIFETIME,
            }))),
        }
    }
}
