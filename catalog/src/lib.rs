//! The catalog: which tables there are and where each one's present `metadata.json` is.
//!
//! One Durable Object holds the pointers of a whole lake, because moving several of them at once has to be one storage
//! write. Entry points:
//!
//! - for the lake: [`Catalog::ensure_table`], [`Catalog::load_table`], [`Catalog::commit_flush`],
//!   [`Catalog::settle_flush`]; for the object that wakes: [`Catalog::recover`];
//! - for engines: [`Catalog::respond`] answers the Iceberg REST protocol ([`rest`]); [`rest::authorise`] and
//!   [`rest::oauth::token`] need no catalog and can run in front of it;
//! - for storage reads: [`facade::plan`] verifies an S3 request and says what to do, [`facade::serve`] does it;
//!   [`Catalog::version_hint`] answers the one object that is not in the store as it is;
//!   `lake_api::storage_key::derive` makes credentials for a prefix.

mod bucket_credentials;
mod cache;
mod calendar;
mod catalog;
mod commit;
mod create;
mod error;
pub mod facade;
mod hex;
pub mod limits;
mod location;
mod metadata;
mod purge;
pub mod rest;
mod scan;
mod storage;
mod vended;
mod view;

pub use bucket_credentials::{BucketKey, InvalidSetting};
pub use catalog::{Catalog, Settings, VersionHint};
pub use error::CatalogError;
pub use storage::commit_record::{CommitRecord, RecordedTable};
pub use vended::VendedStorage;
