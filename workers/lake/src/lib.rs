//! The front door: routes, tokens, the S3 facade; and the Durable Objects `DoLake` and `Catalog`.

use worker::{Context, DurableObject, Env, Request, Response, Result, State, durable_object, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/healthz" => Response::from_json(&serde_json::json!({"status": "ok"})),
        "/healthz/lake" => {
            let stub = env.durable_object("LAKE")?.get_by_name("lake")?;
            stub.fetch_with_str("http://lake/healthz").await
        }
        "/healthz/dosql" => {
            let stub = env.durable_object("DOSQL")?.get_by_name("healthz")?;
            stub.fetch_with_str("http://dosql/healthz").await
        }
        "/healthz/query" => env.service("QUERY")?.fetch("http://query/healthz", None).await,
        _ => Response::error("not found", 404),
    }
}

/// The lake: admission, tail, flush, subscriptions.
#[durable_object]
pub struct DoLake {
    _state: State,
}

impl DurableObject for DoLake {
    fn new(state: State, _env: Env) -> Self {
        Self { _state: state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::from_json(&serde_json::json!({"status": "ok", "object": "DoLake"}))
    }
}

/// The Iceberg REST catalog.
#[durable_object]
pub struct Catalog {
    _state: State,
}

impl DurableObject for Catalog {
    fn new(state: State, _env: Env) -> Self {
        Self { _state: state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::from_json(&serde_json::json!({"status": "ok", "object": "Catalog"}))
    }
}
