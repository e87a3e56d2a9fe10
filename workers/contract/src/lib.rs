//! A script for tests: runs the contract of the ports over the platform's own.
//!
//! `GET /storage` runs in a Durable Object, `/object-store`, `/clock` and `/random` in the Worker, `/sockets` and `/alarms`
//! drive objects from the Worker; all answer with a list of cases.
//! It lies here because `workers/` holds the only crates that know Cloudflare.

// The attribute that exports an object makes methods without docs.
#![allow(missing_docs)]

mod object;
mod worker_lab;

use lake_platform::{DurableStorage, R2Store, WorkerClock, WorkerRandom};
use lake_test_host::contract::{
    Case, check_alarms, check_clock, check_object_store, check_random, check_sockets, check_storage,
};
use serde_json::json;
use worker::{Context, DurableObject, Env, Error, Request, Response, Result, State, durable_object, event};

use crate::worker_lab::WorkerLab;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let run = request.url()?.query().unwrap_or("only").to_owned();
    match request.path().as_str() {
        "/storage" => env.durable_object("PORTS")?.get_by_name("contract")?.fetch_with_request(request).await,
        "/object-store" => answer(check_object_store(&R2Store::new(env.bucket("R2")?)).await),
        "/clock" => answer(check_clock(&WorkerClock)),
        "/random" => answer(check_random(&WorkerRandom)),
        "/sockets" => answer(check_sockets(&WorkerLab::new(env), &run).await),
        "/alarms" => answer(check_alarms(&WorkerLab::new(env)).await),
        _ => Response::error("there are /storage, /object-store, /clock, /random, /sockets and /alarms", 404),
    }
}

/// An object whose storage the contract may use up.
#[durable_object]
pub struct Ports {
    state: State,
}

impl DurableObject for Ports {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let open = || DurableStorage::open(&self.state);
        // Once before the cases, which take a storage and not a failure to open one.
        open().map_err(|error| Error::RustError(error.to_string()))?;
        answer(check_storage(|| open().expect("it was opened just before")))
    }
}

fn answer(cases: Vec<Case>) -> Result<Response> {
    let line = |case: &Case| json!({"name": case.name, "error": case.outcome.as_ref().err()});
    Response::from_json(&cases.iter().map(line).collect::<Vec<_>>())
}
