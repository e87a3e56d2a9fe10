//! The `query` script: SQL over snapshots and the unflushed tail; stateless.

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(request: Request, _env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/healthz" => Response::from_json(&serde_json::json!({"status": "ok"})),
        _ => Response::error("not found", 404),
    }
}
