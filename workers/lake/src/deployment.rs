//! What this deployment is set up with. It does not change while an isolate lives, so it is read once: asking the
//! platform and parsing keys for each request costs more than what most requests are about.

use std::cell::OnceCell;
use std::rc::Rc;

use lake_api::token::Keys;
use lake_api::{ApiError, ErrorCode};
use worker::{Env, Result};

/// Names and keys of a lake.
pub(crate) struct Deployment {
    /// The lake's name, which is also the warehouse's.
    pub(crate) lake_name: String,
    /// The name of the bucket, which is also the first part of the facade's paths.
    pub(crate) bucket: String,
    /// The keys that sign and verify tokens, or why there are none.
    pub(crate) keys: std::result::Result<Keys, ApiError>,
}

thread_local! {
    static READ: OnceCell<Rc<Deployment>> = const { OnceCell::new() };
}

impl Deployment {
    /// This isolate's.
    pub(crate) fn of(env: &Env) -> Result<Rc<Deployment>> {
        if let Some(read) = READ.with(|read| read.get().cloned()) {
            return Ok(read);
        }
        let read = Rc::new(Deployment {
            lake_name: env.var("LAKE_NAME")?.to_string(),
            bucket: env.var("BUCKET")?.to_string(),
            keys: keys(env),
        });
        Ok(READ.with(|held| Rc::clone(held.get_or_init(|| read))))
    }
}

fn keys(env: &Env) -> std::result::Result<Keys, ApiError> {
    let text = match env.secret("LAKE_KEYS") {
        Ok(secret) => secret.to_string(),
        Err(_) => env.var("LAKE_KEYS").map_err(|_| misconfigured("LAKE_KEYS is not set"))?.to_string(),
    };
    Keys::parse(&text).map_err(|reason| misconfigured(&reason.to_string()))
}

fn misconfigured(reason: &str) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("the deployment's keys cannot be used: {reason}"))
        .hint("set the secret LAKE_KEYS; `cargo xtask token` makes keys and tokens")
}
