//! SQL on the lake: one SELECT over snapshots and the tail that no snapshot holds yet, at one position.
//!
//! Entry points: [`QueryRequest::from_json`] reads a body, [`Engine::run`] answers it through two ports, the [`Lake`]
//! (one call for a [`lake_cdc::View`]) and the object store; [`run`] does so with an engine of its own. The answer is the JSON that the client gets; an error is a
//! [`lake_api::ApiError`], whose `to_json` is its body and whose code tells the status.
//!
//! Parsing is the shared Postgres front's; planning and execution are DataFusion's, with Postgres' types, names and
//! functions put in between (`pg`). Nothing here spawns: a query is one future, on one thread, with no runtime.

mod answer;
mod budget;
mod cache;
mod engine;
mod error;
mod lake;
pub mod limits;
mod pg;
mod request;
mod run;
mod scan;
mod schema;
mod sequence;
mod statement;
mod store;
mod tables;

pub use engine::Engine;
pub use lake::{Lake, LakeError};
pub use request::{After, AsOf, Digits, NamedAsOf, QueryRequest};
pub use run::run;
