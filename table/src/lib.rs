//! The Iceberg table format beyond the `iceberg` crate: row-delta snapshots, position deletes, statistics, scan plans,
//! schema changes, and what the lake and the catalog say to each other.
//!
//! `iceberg` is used for its spec types and Avro codecs only, bytes in and bytes out; none of its I/O, caches or
//! runtimes run here. What has to be read is asked for through [`ReadFile`]; what has to be written is returned.

mod avro;
mod commit;
mod create;
mod data_file;
mod error;
mod evolve;
pub mod limits;
mod manifest;
mod position_delete;
mod reader_options;
mod rebase;
mod scan;
mod snapshot;
mod statistics;

pub use bytes::Bytes;
pub use commit::{
    CommittedFlush, EnsureTable, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableCommit, TableName,
    TableState, Watermark, commit_record_key, decimal,
};
pub use create::create_metadata;
pub use data_file::{DataFileWriter, NewFile, arrow_schema};
pub use error::{ReadError, ReadFile, TableError};
pub use evolve::{apply_updates, plan_schema};
pub use manifest::{Entry, read_manifest, read_manifest_list};
pub use position_delete::{read_position_deletes, referenced_data_file, write_position_deletes};
pub use reader_options::{check_footer, reader_options};
pub use rebase::{Rebase, Rebased, rebase_append};
pub use scan::{FieldRange, ScanFile, plan_scan, scan_of};
pub use snapshot::{RowDelta, StagedSnapshot, stage_row_delta};
