//! The `dosql` script: the Durable Object `DoSql`, one database each.

mod do_sql;

use worker::{Context, Env, Request, Response, Result, event};

/// Requests come to the objects through the front door's bindings; the script itself only says that it is there.
#[event(fetch)]
async fn fetch(_request: Request, _env: Env, _context: Context) -> Result<Response> {
    Response::ok("dosql")
}
