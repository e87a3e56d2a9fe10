//! A query's SQL: read, checked, its tables named, and rewritten for the planner.

pub(crate) mod build;
pub(crate) mod functions;
pub(crate) mod history;
pub(crate) mod parameters;
pub(crate) mod read;
pub(crate) mod rewrite;
pub(crate) mod select;
pub(crate) mod subquery;
pub(crate) mod tables;
pub(crate) mod types;
pub(crate) mod versions;
pub(crate) mod wildcard;
