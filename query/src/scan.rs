//! Reading a table: the files of its snapshot with deletes applied, and the tail on top.

pub(crate) mod columns;
pub(crate) mod file;
pub(crate) mod merge;
pub(crate) mod past;
pub(crate) mod provider;
pub(crate) mod pruning;
pub(crate) mod snapshot;
