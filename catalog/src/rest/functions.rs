//! `GET …/functions` and `GET …/functions/{function}`: the catalog holds none, and the protocol has no address to make one.

use lake_host::ShardStorage;
use serde_json::json;

use super::query::Query;
use super::route::{FunctionRoute, display};
use super::{Caller, RestError, RestResponse};
use crate::catalog::Catalog;

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn answer_function(
        &self,
        route: &FunctionRoute,
        query: &Query,
        caller: &Caller<'_>,
    ) -> Result<RestResponse, RestError> {
        match route {
            FunctionRoute::List(namespace) => {
                self.must_see(namespace, caller.claims)?;
                let (identifiers, next) = query.page()?.cut(Vec::new());
                Ok(RestResponse::value(&json!({"identifiers": identifiers, "next-page-token": next})))
            }
            FunctionRoute::Load(namespace, name) => {
                self.must_see(namespace, caller.claims)?;
                Err(RestError::NoSuchFunction(format!("{}.{name}", display(namespace))))
            }
        }
    }
}
