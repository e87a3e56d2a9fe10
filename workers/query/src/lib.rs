//! The `query` script: SQL over snapshots and the unflushed tail; stateless.

mod lake_object;

use std::cell::RefCell;
use std::rc::Rc;

use lake_api::token::{Claims, claims_from_json};
use lake_api::{ApiError, ErrorCode};
use lake_cdc::Micros;
use lake_host::Clock;
use lake_platform::{R2Store, WorkerClock, WorkerRandom, http, memory};
use lake_query::{Engine, QueryRequest};
use worker::{Context, Env, Request, Response, Result, event};

use lake_object::LakeObject;

thread_local! {
    /// One for all queries of the instance: known functions, and objects that never change.
    static ENGINE: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

fn engine() -> std::result::Result<Rc<Engine>, ApiError> {
    ENGINE.with_borrow_mut(|engine| match engine {
        Some(engine) => Ok(Rc::clone(engine)),
        None => {
            let made = Rc::new(Engine::new()?);
            *engine = Some(Rc::clone(&made));
            Ok(made)
        }
    })
}

/// Only the front door reaches this script, and it has checked the token.
#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    let id = http::request_id(&request, &WorkerRandom)?;
    match request.path().as_str() {
        "/query" => {
            let claims = request.headers().get("x-lake-claims")?.unwrap_or_default();
            let claims = match claims_from_json(&claims) {
                Ok(claims) => claims,
                Err(reason) => {
                    return http::error(&ApiError::new(ErrorCode::Unauthorized, reason.to_string()), &id);
                }
            };
            // The front door lets none through that is too large.
            let body = request.bytes().await?;
            http::answer(query(&body, claims, &env, &id).await?, &id)
        }
        "/status" => http::json(format!("{{\"memoryBytes\":{}}}", memory::linear_bytes()), 200, &id),
        path => http::error(&ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}")), &id),
    }
}

async fn query(body: &[u8], claims: Claims, env: &Env, id: &str) -> Result<std::result::Result<String, ApiError>> {
    let request = match QueryRequest::from_json(body) {
        Ok(request) => request,
        Err(reason) => return Ok(Err(reason)),
    };
    let lake = LakeObject::new(env.clone(), claims, id);
    let store = R2Store::new(env.bucket("R2")?);
    let began = WorkerClock.now_micros();
    let engine = match engine() {
        Ok(engine) => engine,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(engine.run(&request, &lake, &store, Micros(began), || WorkerClock.now_micros() - began).await)
}
