//! Postgres SQL on SQLite: a statement is parsed, its names are bound and its types inferred against the catalog,
//! and SQLite's SQL is written from that.
//!
//! Nothing is passed through as text: an expression that is not understood is refused with its SQLSTATE. Where
//! SQLite would answer otherwise than Postgres (integer overflow, LIKE, NULL order, numeric, dates), the translated
//! SQL calls functions of `runtime`.

mod aggregate;
mod binder;
mod cast;
mod container;
mod ddl;
mod decimal;
mod environment;
mod execute;
mod expression;
mod failure;
mod from;
mod function;
mod function_table;
mod input;
mod insert;
mod interval;
mod limits;
mod modify;
mod operator;
mod ordering;
mod output;
mod pg_type;
mod plan;
mod runtime;
mod scope;
mod select;
mod store;
mod temporal;
mod typed;
mod window;
mod with;

pub use environment::Environment;
pub use execute::{Outcome, Run, execute};
pub use plan::{Plan, PlanCache, StatementKind, plan};
pub use runtime::register_functions;
