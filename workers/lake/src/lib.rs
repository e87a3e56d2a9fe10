//! The `lake` script: the front door, and the Durable Objects `DoLake` and `Catalog`.

mod auth;
mod console;
mod deployment;
mod do_catalog;
mod do_lake;
mod facade;
mod front;
mod limits;
mod metrics;
mod ports;

use worker::{Context, Env, Result, event, web_sys};

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> Result<web_sys::Response> {
    front::serve(request, &env).await
}
