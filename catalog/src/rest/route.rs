//! Which request is which: one file per area, each with its own addresses.

mod namespaces;
mod scans;
mod sign;
mod tables;
mod views;

pub(crate) use namespaces::NamespaceRoute;
pub(crate) use scans::ScanRoute;
pub(crate) use sign::SignRoute;
pub(crate) use tables::TableRoute;
pub(crate) use views::ViewRoute;

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_table::TableName;
use percent_encoding::percent_decode_str;

use super::RestError;

/// What exists, in the words of the spec: clients ask for nothing else.
pub(crate) fn endpoints() -> Vec<&'static str> {
    [namespaces::ENDPOINTS, tables::ENDPOINTS, views::ENDPOINTS, scans::ENDPOINTS, sign::ENDPOINTS].concat()
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// GET config
    Config,
    /// Of namespaces.
    Namespace(NamespaceRoute),
    /// Of tables.
    Table(TableRoute),
    /// Of views.
    View(ViewRoute),
    /// Of scans of tables.
    Scan(ScanRoute),
    /// Of remote signing.
    Sign(SignRoute),
    /// In the protocol, but not here. What it is.
    Unsupported(&'static str),
}

impl Route {
    /// Reads method and path.
    pub(crate) fn find(method: &str, path: &str) -> Result<Route, RestError> {
        let segments = decode_path(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let not_found = || RestError::NotFound(format!("There is nothing at {method} {path}"));
        let ["v1", rest @ ..] = segments.as_slice() else { return Err(not_found()) };
        if (method, rest) == ("GET", ["config"].as_slice()) {
            return Ok(Route::Config);
        }
        if let Some(route) = namespaces::find(method, rest)? {
            return Ok(Route::Namespace(route));
        }
        if let Some(route) = tables::find(method, rest)? {
            return Ok(Route::Table(route));
        }
        if let Some(route) = views::find(method, rest)? {
            return Ok(Route::View(route));
        }
        if let Some(route) = scans::find(method, rest)? {
            return Ok(Route::Scan(route));
        }
        if let Some(route) = sign::find(method, rest)? {
            return Ok(Route::Sign(route));
        }
        Ok(match (method, rest) {
            (_, ["namespaces", _, "functions", ..]) => Route::Unsupported("functions"),
            _ => return Err(not_found()),
        })
    }
}

/// What a request is about to show of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// One table, which may be unknown yet.
    Table(TableName),
    /// Which tables or namespaces there are.
    Listing,
}

/// What a request is about to show: the lake should commit first what it has not. Listings and unknown tables too,
/// because the lake may hold the first rows of a table.
pub fn shows(method: &str, path: &str) -> Option<Shown> {
    match Route::find(method, path).ok()? {
        Route::Namespace(route) => route.shows(),
        Route::Table(route) => route.shows(),
        Route::View(route) => route.shows(),
        Route::Scan(route) => route.shows(),
        Route::Config | Route::Sign(_) | Route::Unsupported(_) => None,
    }
}

fn decode_path(path: &str) -> Result<Vec<String>, RestError> {
    let decode = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8().map(|text| text.into_owned());
        decoded.map_err(|_| RestError::BadRequest("The path is not UTF-8".to_owned()))
    };
    path.split('/').skip(1).map(decode).collect()
}

/// A table out of two path segments.
fn table_of(namespace: &str, name: &str) -> Result<TableName, RestError> {
    Ok(TableName { namespace: namespace_of(namespace)?, name: name.to_owned() })
}

/// A namespace out of a path segment. Levels are joined by the separator, which is how we keep them too.
pub(crate) fn namespace_of(segment: &str) -> Result<String, RestError> {
    if segment.is_empty() || segment.contains('\0') || segment.split(NAMESPACE_SEPARATOR).any(str::is_empty) {
        return Err(RestError::BadRequest("The namespace has an empty level".to_owned()));
    }
    Ok(segment.to_owned())
}

/// A namespace as people read it.
pub(crate) fn display(namespace: &str) -> String {
    namespace.replace(NAMESPACE_SEPARATOR, ".")
}
