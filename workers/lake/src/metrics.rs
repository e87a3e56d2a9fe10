//! `/metrics`.

use lake_platform::http::REQUEST_ID;
use worker::{Env, Response, Result};

use crate::front;

/// The status' numbers in Prometheus' text format.
pub(crate) async fn answer(env: &Env, id: &str) -> Result<Response> {
    let text = lake_api::metrics::from_status(&front::gather_status(env).await?);
    let mut response = Response::from_bytes(text.into_bytes())?;
    response.headers_mut().set("content-type", "text/plain; version=0.0.4")?;
    response.headers_mut().set(REQUEST_ID, id)?;
    Ok(response)
}
