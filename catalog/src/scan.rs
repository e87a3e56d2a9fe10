//! Planning a scan for a client: which files of a snapshot may hold rows that it wants, each with its deletes.
//!
//! A small scan is answered at once. A larger one is cut into tasks, and a task is a text that says all that is needed to
//! go on (snapshot, filter, place in the list of manifests): nothing is remembered between requests. Snapshots are
//! immutable, so the place means the same whenever it is asked for. A file is left out only if nothing in it can match;
//! the client filters rows itself, by the filter that it sent.

mod content_file;
mod filter;
mod plan;
mod prune;
mod value;

pub(crate) use plan::{Part, Scan, ScanError, Tasks, check, parts, read};
