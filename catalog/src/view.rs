//! What a view is: its versions, their schemas, and how a commit changes them.
//!
//! The format is the view spec's, version 1. The `iceberg` crate has the same types, but its builder reads the machine's
//! clock and keeps versions in hash maps, so that the same commit would be written in another order each time; so
//! these are ours. Schemas are read by the crate and kept as it prints them. The messages are Java's, which clients match.

mod change;
mod metadata;

pub(crate) use change::{NewView, ViewRequirement, ViewUpdate, check, commit, create};
pub(crate) use metadata::ViewMetadata;
