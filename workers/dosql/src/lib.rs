//! The `dosql` script: the shard as a Durable Object, one per database.

use worker::{Context, DurableObject, Env, Request, Response, Result, State, durable_object, event};

/// Shards are reached through the lake's front door only.
#[event(fetch)]
async fn fetch(_request: Request, _env: Env, _context: Context) -> Result<Response> {
    Response::error("not found", 404)
}

/// One database.
#[durable_object]
pub struct DoSql {
    _state: State,
}

impl DurableObject for DoSql {
    fn new(state: State, _env: Env) -> Self {
        Self { _state: state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::from_json(&serde_json::json!({"status": "ok", "object": "DoSql"}))
    }
}
