//! `/`: a page that says what answers here.

use lake_platform::http::REQUEST_ID;
use worker::{Response, Result};

const PAGE: &str = include_str!("console.html");

/// The page.
pub(crate) fn page(id: &str) -> Result<Response> {
    let mut response = Response::from_html(PAGE)?;
    response.headers_mut().set(REQUEST_ID, id)?;
    Ok(response)
}
