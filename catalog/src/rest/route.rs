//! Which request is which: one file per area, each with its own addresses.

mod functions;
mod namespaces;
mod scans;
mod sign;
mod tables;
mod views;

pub(crate) use functions::FunctionRoute;
pub(crate) use namespaces::NamespaceRoute;
pub(crate) use scans::ScanRoute;
pub(crate) use sign::SignRoute;
pub(crate) use tables::TableRoute;
pub(crate) use views::ViewRoute;

use lake_api::scope::NAMESPACE_SEPARATOR;
use lake_table::TableName;
use percent_encoding::percent_decode_str;

use super::RestError;
use crate::create::is_step;

/// What exists, in the words of the spec: clients ask for nothing else.
pub(crate) fn endpoints() -> Vec<&'static str> {
    [
        namespaces::ENDPOINTS,
        tables::ENDPOINTS,
        views::ENDPOINTS,
        functions::ENDPOINTS,
        scans::ENDPOINTS,
        sign::ENDPOINTS,
    ]
    .concat()
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
    /// Of functions.
    Function(FunctionRoute),
    /// Of scans of tables.
    Scan(ScanRoute),
    /// Of remote signing.
    Sign(SignRoute),
}

/// An address that was read: what it is for, and the prefix that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it is for.
    pub(crate) route: Route,
    /// What stands between `v1` and the rest.
    prefix: Option<String>,
}

impl Found {
    /// The route of an address without a prefix, or with the lake's name for one: `/v1/config` names no prefix, and some
    /// clients then take the name of the warehouse.
    pub(crate) fn within(self, lake_name: &str) -> Result<Route, RestError> {
        match self.prefix {
            Some(prefix) if prefix != lake_name => {
                Err(RestError::NoSuchWarehouse(format!("There is no warehouse `{prefix}` here; it is `{lake_name}`")))
            }
            _ => Ok(self.route),
        }
    }
}

impl Route {
    /// Reads method and path. An address that means something without a prefix has none.
    pub(crate) fn find(method: &str, path: &str) -> Result<Found, RestError> {
        let segments = decode_path(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let not_found = || RestError::NotFound(format!("There is nothing at {method} {path}"));
        let ["v1", rest @ ..] = segments.as_slice() else { return Err(not_found()) };
        if (method, rest) == ("GET", ["config"].as_slice()) {
            return Ok(Found { route: Route::Config, prefix: None });
        }
        if let Some(route) = Route::of(method, rest)? {
            return Ok(Found { route, prefix: None });
        }
        let [prefix, rest @ ..] = rest else { return Err(not_found()) };
        let route = Route::of(method, rest)?.ok_or_else(not_found)?;
        Ok(Found { route, prefix: Some((*prefix).to_owned()) })
    }

    fn of(method: &str, segments: &[&str]) -> Result<Option<Route>, RestError> {
        if let Some(route) = namespaces::find(method, segments)? {
            return Ok(Some(Route::Namespace(route)));
        }
        if let Some(route) = tables::find(method, segments)? {
            return Ok(Some(Route::Table(route)));
        }
        if let Some(route) = views::find(method, segments)? {
            return Ok(Some(Route::View(route)));
        }
        if let Some(route) = functions::find(method, segments)? {
            return Ok(Some(Route::Function(route)));
        }
        if let Some(route) = scans::find(method, segments)? {
            return Ok(Some(Route::Scan(route)));
        }
        Ok(sign::find(method, segments)?.map(Route::Sign))
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
    match Route::find(method, path).ok()?.route {
        Route::Namespace(route) => route.shows(),
        Route::Table(route) => route.shows(),
        Route::View(route) => route.shows(),
        Route::Function(route) => route.shows(),
        Route::Scan(route) => route.shows(),
        Route::Config | Route::Sign(_) => None,
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
    if segment.split(NAMESPACE_SEPARATOR).any(is_step) {
        return Err(RestError::BadRequest("The namespace has a level `.` or `..`, a step in a path".to_owned()));
    }
    Ok(segment.to_owned())
}

/// A namespace as people read it.
pub(crate) fn display(namespace: &str) -> String {
    namespace.replace(NAMESPACE_SEPARATOR, ".")
}
