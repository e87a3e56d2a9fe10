//! The Postgres front that the shard and the lake's SQL share: from text to statements, and the names of things.
//!
//! Parsing is sqlparser's; this crate settles what it leaves open: what a `?` means, how names fold, what an
//! unnamed column is called, and which SQLSTATE a refusal carries. It knows no catalog and no engine.

mod bounded;
mod column_name;
mod command;
mod depth;
mod error;
mod ident;
pub mod limits;
mod parse;
mod size;
pub mod sqlstate;

pub use column_name::column_name;
pub use command::unsupported_command;
pub use error::SqlError;
pub use ident::{fold, object_name};
pub use parse::parse;
pub use sqlparser::ast;
