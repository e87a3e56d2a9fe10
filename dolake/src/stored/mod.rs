//! The facts in the lake's storage, one file each, and their keys.
//!
//! Every value is a sealed blob. Keys are one letter, a slash and big-endian numbers, so that ranges are in order:
//!
//! ```text
//! m                       LakeMeta          positions, counters, sizes
//! s/{database}            Shard             timeline, accepted and durable position
//! r/{timeline}{table id}  SourceTable       how a shard's table maps to the lake's
//! t/{table}               LakeTable         fields, key, who feeds them
//! x/{shape}               Shape             what the values of a row mean
//! y/{table}{hash}         number of the shape whose JSON has this hash
//! q/{position}{blob}      TailBlob          admitted transactions, by the position of their end
//! u/{table}               TableFiles        locations, runs of the key index
//! d/{table}{file}         FileRow           one data file of current rows
//! k/{table}{run}{block}   index block
//! i                       Intent            the flush under way
//! j/{part}                Outcome           what to apply once the commit under way is known to hold
//! n/{snapshot id}         position of a snapshot, for ever
//! z/{letter}              DeadLetter
//! z/{letter}{part}        its entries as they came
//! ```

mod dead_letter;
mod files;
mod intent;
mod meta;
mod past;
mod shape;
mod shard;
mod source;
mod table;
mod tail_blob;

pub(crate) use dead_letter::{DeadLetter, ENTRIES_FORMAT};
pub(crate) use files::{FileRow, IndexBlock, IndexRun, TableFiles};
pub(crate) use intent::{Intent, Outcome, TableOutcome};
pub(crate) use meta::{FORMAT, LakeMeta};
pub(crate) use past::{Before, Point, Removal, TablePast};
pub(crate) use shape::{Shape, ShapeField};
pub(crate) use shard::Shard;
pub(crate) use source::SourceTable;
pub(crate) use table::{Field, LakeTable, system};
pub(crate) use tail_blob::{TailBlob, TailEntry, TailRow, TailTransaction};

use lake_cdc::{ColumnType, Reader, Writer};
use lake_host::{KeyRange, ShardStorage, blob};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};

use crate::error::LakeError;

/// Format byte of blobs whose payload is JSON.
const JSON_FORMAT: u8 = 1;

/// A small fact as a sealed blob.
pub(crate) fn seal_json<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, LakeError> {
    let json = serde_json::to_vec(value).map_err(|error| LakeError::damaged(what, error))?;
    Ok(blob::seal(JSON_FORMAT, &json))
}

/// Reads such a blob.
pub(crate) fn open_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, LakeError> {
    let payload = blob::open(JSON_FORMAT, bytes).map_err(|error| LakeError::damaged(what, error))?;
    serde_json::from_slice(payload).map_err(|error| LakeError::damaged(what, error))
}

/// The fact under `key`, if there is one.
pub(crate) fn get_json<S: ShardStorage, T: DeserializeOwned>(
    storage: &S,
    what: &'static str,
    key: &[u8],
) -> Result<Option<T>, LakeError> {
    storage.get(key)?.map(|bytes| open_json(what, &bytes)).transpose()
}

/// Pairs read at once from a range whose length is not known.
const SCAN_PAGE: usize = 64;

/// Calls `each` for every pair of a range, page by page.
pub(crate) fn scan_all<S: ShardStorage>(
    storage: &S,
    mut range: KeyRange,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    loop {
        let page = storage.scan(&range, SCAN_PAGE)?;
        for (key, value) in &page {
            each(key, value)?;
        }
        match page.last() {
            Some((key, _)) if page.len() == SCAN_PAGE => {
                range.start.clone_from(key);
                range.start.push(0);
            }
            _ => return Ok(()),
        }
    }
}

pub(crate) mod keys {
    //! Keys of the facts.

    use lake_host::KeyRange;

    pub(crate) const META: &[u8] = b"m";
    pub(crate) const INTENT: &[u8] = b"i";

    fn join(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut key = prefix.to_vec();
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }

    pub(crate) fn shard(database: &str) -> Vec<u8> {
        join(b"s/", &[database.as_bytes()])
    }
    pub(crate) fn shards() -> KeyRange {
        KeyRange::prefix(b"s/")
    }
    pub(crate) fn source(timeline: &[u8; 16], table_id: u32) -> Vec<u8> {
        join(b"r/", &[timeline, &table_id.to_be_bytes()])
    }
    pub(crate) fn sources(timeline: &[u8; 16]) -> KeyRange {
        KeyRange::prefix(&join(b"r/", &[timeline]))
    }
    pub(crate) fn table(table: u32) -> Vec<u8> {
        join(b"t/", &[&table.to_be_bytes()])
    }
    pub(crate) fn tables() -> KeyRange {
        KeyRange::prefix(b"t/")
    }
    pub(crate) fn shape(shape: u32) -> Vec<u8> {
        join(b"x/", &[&shape.to_be_bytes()])
    }
    pub(crate) fn shape_number(table: u32, hash: u64) -> Vec<u8> {
        join(b"y/", &[&table.to_be_bytes(), &hash.to_be_bytes()])
    }
    pub(crate) fn tail(end: u64, blob: u64) -> Vec<u8> {
        join(b"q/", &[&end.to_be_bytes(), &blob.to_be_bytes()])
    }
    pub(crate) fn tails_from(end: u64, blob: u64) -> KeyRange {
        KeyRange { start: tail(end, blob), end: KeyRange::prefix(b"q/").end }
    }
    pub(crate) fn files(table: u32) -> Vec<u8> {
        join(b"u/", &[&table.to_be_bytes()])
    }
    pub(crate) fn file(table: u32, file: u32) -> Vec<u8> {
        join(b"d/", &[&table.to_be_bytes(), &file.to_be_bytes()])
    }
    pub(crate) fn files_of(table: u32) -> KeyRange {
        KeyRange::prefix(&join(b"d/", &[&table.to_be_bytes()]))
    }
    pub(crate) fn block(table: u32, run: u32, block: u32) -> Vec<u8> {
        join(b"k/", &[&table.to_be_bytes(), &run.to_be_bytes(), &block.to_be_bytes()])
    }
    pub(crate) fn run(table: u32, run: u32) -> KeyRange {
        KeyRange::prefix(&join(b"k/", &[&table.to_be_bytes(), &run.to_be_bytes()]))
    }
    /// All runs of a table from `run` on: left over from work that was not finished.
    pub(crate) fn runs_from(table: u32, run: u32) -> KeyRange {
        let all = KeyRange::prefix(&join(b"k/", &[&table.to_be_bytes()]));
        KeyRange { start: block(table, run, 0), end: all.end }
    }
    pub(crate) fn outcome(part: u32) -> Vec<u8> {
        join(b"j/", &[&part.to_be_bytes()])
    }
    pub(crate) fn outcomes() -> KeyRange {
        KeyRange::prefix(b"j/")
    }
    pub(crate) fn snapshot(snapshot_id: i64) -> Vec<u8> {
        join(b"n/", &[&snapshot_id.to_be_bytes()])
    }
    pub(crate) fn dead_letter(letter: u64) -> Vec<u8> {
        join(b"z/", &[&letter.to_be_bytes()])
    }
    pub(crate) fn dead_letter_part(letter: u64, part: u32) -> Vec<u8> {
        join(b"z/", &[&letter.to_be_bytes(), &part.to_be_bytes()])
    }
}

/// Serde of a column type: its bytes as hexadecimal digits.
pub(crate) mod column_type {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &ColumnType, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = Writer::new();
        value.encode(&mut writer);
        serializer.serialize_str(&to_hex(&writer.into_bytes()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnType, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_hex(&text).ok_or_else(|| D::Error::custom("not hexadecimal"))?;
        ColumnType::decode(&mut Reader::new(&bytes)).map_err(D::Error::custom)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests;
