//! Which address means what. The front door asks this table and does the rest.

use crate::error::{ApiError, ErrorCode};
use crate::limits::NAME_BYTES_MAX;
use crate::scope::{Access, Action};

/// A method of HTTP that some address knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Any other.
    Other,
}

impl Method {
    /// Reads the method of a request.
    pub fn parse(text: &str) -> Method {
        match text {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// GET `/healthz`: open to all.
    Health,
    /// GET `/metrics`
    Metrics,
    /// GET `/v1/status`
    Status,
    /// GET `/v1/databases`
    Databases,
    /// POST `/v1/databases/{database}/sql`
    Sql {
        /// Database.
        database: String,
    },
    /// PUT `/v1/databases/{database}`
    CreateDatabase {
        /// Database.
        database: String,
    },
    /// GET `/v1/databases/{database}`
    DatabaseStatus {
        /// Database.
        database: String,
    },
    /// DELETE `/v1/databases/{database}`
    DeleteDatabase {
        /// Database.
        database: String,
    },
    /// POST `/v1/query`
    Query,
    /// GET `/v1/subscribe`, a WebSocket.
    Subscribe,
    /// GET `/v1/changes`, a WebSocket.
    Changes,
    /// `/iceberg/…`: the REST catalog decides on methods itself. The path after `/iceberg`.
    Iceberg {
        /// Path after `/iceberg`, with its leading slash.
        path: String,
    },
    /// OPTIONS below `/v1`: the browser's preflight.
    Preflight,
    /// GET `/`
    Console,
}

impl Route {
    /// What a token must allow before the request goes anywhere; `None` where any valid token may go on, because only
    /// the part behind the door knows which tables are meant.
    pub fn action(&self) -> Option<Action<'_>> {
        match self {
            Route::Metrics | Route::Status => Some(Action::Lake(Access::Read)),
            Route::Databases => Some(Action::Administer),
            Route::CreateDatabase { database } | Route::DeleteDatabase { database } => {
                Some(Action::Database(database, Access::Write))
            }
            // Only the shard can tell a statement that reads from one that writes.
            Route::Sql { database } | Route::DatabaseStatus { database } => {
                Some(Action::Database(database, Access::Read))
            }
            Route::Changes => Some(Action::Ingest),
            Route::Query | Route::Subscribe | Route::Iceberg { .. } => None,
            Route::Health | Route::Preflight | Route::Console => None,
        }
    }

    /// True for what is answered without a token. The catalog checks tokens itself, because it issues some.
    pub fn is_open(&self) -> bool {
        matches!(self, Route::Health | Route::Preflight | Route::Console | Route::Iceberg { .. })
    }
}

/// Finds the route of a request that does not carry a storage signature.
pub fn route(method: Method, path: &str) -> Result<Route, ApiError> {
    if method == Method::Options && path.starts_with("/v1/") {
        return Ok(Route::Preflight);
    }
    if let Some(rest) = engines_path(path) {
        return match is_normal(rest) {
            true => Ok(Route::Iceberg { path: rest.to_owned() }),
            false => Err(ApiError::new(ErrorCode::Invalid, "the path has a segment `.` or `..`, or a backslash")
                .hint("write a backslash in a name as %5C; names of dots alone cannot be addressed")),
        };
    }
    let segments = path.split('/').skip(1).collect::<Vec<&str>>();
    match (segments.as_slice(), method) {
        ([""], Method::Get | Method::Head) => Ok(Route::Console),
        (["healthz"], Method::Get | Method::Head) => Ok(Route::Health),
        (["metrics"], Method::Get) => Ok(Route::Metrics),
        (["v1", "status"], Method::Get) => Ok(Route::Status),
        (["v1", "databases"], Method::Get) => Ok(Route::Databases),
        (["v1", "databases", name, "sql"], Method::Post) => Ok(Route::Sql { database: database(name)? }),
        (["v1", "databases", name], Method::Put) => Ok(Route::CreateDatabase { database: database(name)? }),
        (["v1", "databases", name], Method::Get) => Ok(Route::DatabaseStatus { database: database(name)? }),
        (["v1", "databases", name], Method::Delete) => Ok(Route::DeleteDatabase { database: database(name)? }),
        (["v1", "query"], Method::Post) => Ok(Route::Query),
        (["v1", "subscribe"], Method::Get) => Ok(Route::Subscribe),
        (["v1", "changes"], Method::Get) => Ok(Route::Changes),
        (
            ["" | "healthz" | "metrics"]
            | ["v1", "status" | "databases" | "query" | "subscribe" | "changes"]
            | ["v1", "databases", _]
            | ["v1", "databases", _, "sql"],
            _,
        ) => Err(ApiError::new(ErrorCode::MethodNotAllowed, format!("{path} does not know this method"))),
        _ => Err(ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
            .hint("the addresses are listed in the README")),
    }
}

/// The path after `/iceberg`, if it is below that.
pub fn engines_path(path: &str) -> Option<&str> {
    path.strip_prefix("/iceberg").filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// True if the path means the same to everybody: who parses a URL takes `..` (however its dots are written) for a step
/// up, a backslash for a slash, and leaves control characters out, so that another address would be asked than was
/// checked (WHATWG URL, path state).
fn is_normal(path: &str) -> bool {
    const LONGEST: usize = "%2e%2e".len();
    let is_dots = |segment: &str| {
        let plain = || segment.to_ascii_lowercase().replace("%2e", ".");
        segment.len() <= LONGEST && matches!(plain().as_str(), "." | "..")
    };
    !path.bytes().any(|byte| byte == b'\\' || byte.is_ascii_control()) && !path.split('/').any(is_dots)
}

/// Checks a name of a database or namespace: `[a-z0-9_-]{1,63}`.
pub fn database(name: &str) -> Result<String, ApiError> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(valid) {
        return Err(ApiError::new(ErrorCode::Invalid, "the name of a database must match [a-z0-9_-]{1,63}")
            .detail(name.chars().take(NAME_BYTES_MAX).collect::<String>()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: Result<Route, ErrorCode>) {
        assert_eq!(route(Method::parse(method), path).map_err(|error| error.code), expected, "{method} {path}");
    }

    #[test]
    fn every_address_of_the_design_is_found() {
        let database = "shop".to_owned();
        check("POST", "/v1/databases/shop/sql", Ok(Route::Sql { database: database.clone() }));
        check("PUT", "/v1/databases/shop", Ok(Route::CreateDatabase { database: database.clone() }));
        check("GET", "/v1/databases/shop", Ok(Route::DatabaseStatus { database: database.clone() }));
        check("DELETE", "/v1/databases/shop", Ok(Route::DeleteDatabase { database }));
        check("GET", "/v1/databases", Ok(Route::Databases));
        check("POST", "/v1/query", Ok(Route::Query));
        check("GET", "/v1/subscribe", Ok(Route::Subscribe));
        check("GET", "/v1/changes", Ok(Route::Changes));
        check("GET", "/v1/status", Ok(Route::Status));
        check("GET", "/healthz", Ok(Route::Health));
        check("GET", "/metrics", Ok(Route::Metrics));
        check("GET", "/", Ok(Route::Console));
        check("POST", "/iceberg/v1/x", Ok(Route::Iceberg { path: "/v1/x".into() }));
        check("OPTIONS", "/v1/query", Ok(Route::Preflight));
    }

    #[test]
    fn a_wrong_method_is_told_from_a_wrong_address() {
        check("GET", "/v1/query", Err(ErrorCode::MethodNotAllowed));
        check("POST", "/v1/databases/shop", Err(ErrorCode::MethodNotAllowed));
        check("GET", "/v2/query", Err(ErrorCode::NotFound));
        check("GET", "/icebergs", Err(ErrorCode::NotFound));
    }

    #[test]
    fn a_path_that_means_another_address_to_others_is_refused() {
        for rest in
            ["..", ".", "%2e%2E", ".%2e", "%2E.", "%2e", "a/../b", "a/..", "a\\b", "..\\..\\status", "a\t", "a\n/b"]
        {
            check("POST", &format!("/iceberg/{rest}"), Err(ErrorCode::Invalid));
            check("GET", &format!("/iceberg/v1/{rest}"), Err(ErrorCode::Invalid));
        }
        for rest in ["...", "a..b", "%2e%2e%2e", "v1/namespaces/a%2Fb/tables/.hidden", "%5C", "v1//x", "a/%2e%2ee"] {
            check("POST", &format!("/iceberg/{rest}"), Ok(Route::Iceberg { path: format!("/{rest}") }));
        }
    }

    #[test]
    fn sql_on_a_shard_and_its_status_ask_for_reading_and_its_life_for_writing() {
        let database = || "shop".to_owned();
        let asked = |route: Route, access: Access| {
            assert_eq!(route.action(), Some(Action::Database("shop", access)), "{route:?}");
        };
        asked(Route::Sql { database: database() }, Access::Read);
        asked(Route::DatabaseStatus { database: database() }, Access::Read);
        asked(Route::CreateDatabase { database: database() }, Access::Write);
        asked(Route::DeleteDatabase { database: database() }, Access::Write);
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for name in ["Shop", "a%2Fb", "a.b", "*", &"a".repeat(64)] {
            check("POST", &format!("/v1/databases/{name}/sql"), Err(ErrorCode::Invalid));
        }
    }
}
