//! The `lake` script: the front door, and the Durable Objects `DoLake` and `Catalog`.

mod auth;
mod console;
mod do_catalog;
mod do_lake;
mod facade;
mod front;
mod limits;
mod metrics;
mod ports;

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    front::serve(request, &env).await
}
