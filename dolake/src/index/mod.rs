//! The key index: where the current row of each key is, so that an update can mark it deleted.
//!
//! An entry says that a key with this hash has its row at (file, row), or that this row is dead. Entries lie in sorted
//! runs of blocks, each block one blob: a row of storage for each key would cost a hundred times as much. A flush adds
//! one run; runs of a level are merged into one of the next, and an entry meets its tombstone there.
//!
//! The hash has 64 keyed bits. Where two live entries remain for one hash, the caller compares the keys in the files.

mod block;
mod find;
mod hash;
mod merge;

pub(crate) use block::{Entry, Location, RunWriter};
pub(crate) use find::find;
pub(crate) use hash::KeyHasher;
pub(crate) use merge::{merge_runs, plan_merge};
