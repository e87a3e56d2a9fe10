//! The tail: admitted batches as blob rows, by the position of their end.
//!
//! A blob outlives its flush for as long as subscribers may ask for it. Blobs that are not flushed have an entry in
//! memory, so that a query reads those of its tables only.

use std::collections::VecDeque;
use std::rc::Rc;

use lake_host::{KeyRange, ShardStorage, WriteBatch};

use crate::error::LakeError;
use crate::limits::{BLOB_BYTES_MAX, TAIL_CACHE_BYTES_MAX};
use crate::stored::{TailBlob, TailEntry, keys};

/// A blob that is not flushed.
#[derive(Clone, Debug)]
pub(crate) struct TailIndex {
    pub(crate) blob: u64,
    pub(crate) end: u64,
    pub(crate) bytes: u64,
    pub(crate) changes: u64,
    pub(crate) continues: bool,
    pub(crate) tables: Vec<u32>,
    /// It holds a DROP TABLE or the end of a shard: rows go that no change names.
    pub(crate) removes: bool,
}

impl TailIndex {
    pub(crate) fn of(number: u64, blob: &TailBlob, bytes: usize) -> TailIndex {
        let removes = blob
            .transactions
            .iter()
            .flat_map(|transaction| &transaction.entries)
            .any(|entry| matches!(entry, TailEntry::DropTable { .. } | TailEntry::EndOfShard));
        TailIndex {
            blob: number,
            end: blob.end(),
            bytes: bytes as u64,
            changes: blob.end() - blob.base,
            continues: blob.continues,
            tables: blob.tables.clone(),
            removes,
        }
    }
}

/// The newest blobs, decoded.
#[derive(Debug, Default)]
pub(crate) struct TailCache {
    blobs: VecDeque<(u64, usize, Rc<TailBlob>)>,
    bytes: usize,
}

impl TailCache {
    pub(crate) fn insert(&mut self, number: u64, bytes: usize, blob: Rc<TailBlob>) {
        self.blobs.push_back((number, bytes, blob));
        self.bytes += bytes;
        while self.bytes > TAIL_CACHE_BYTES_MAX {
            match self.blobs.pop_front() {
                Some((_, bytes, _)) => self.bytes -= bytes,
                None => return,
            }
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<Rc<TailBlob>> {
        if lake_host::rarely!("lake: a blob is not in memory") {
            return None;
        }
        self.blobs.iter().find(|(found, _, _)| *found == number).map(|(_, _, blob)| blob.clone())
    }
}

/// Puts a blob's bytes, in several rows if one is too small: a single row of a table can be larger than a blob.
///
/// Row keys are the blob's key and the number of the part; the first byte of part 0 is the number of parts.
pub(crate) fn put_blob(batch: &mut WriteBatch, end: u64, number: u64, bytes: &[u8]) {
    let parts = bytes.chunks(BLOB_BYTES_MAX + BLOB_BYTES_MAX / 2).collect::<Vec<&[u8]>>();
    for (index, part) in parts.iter().enumerate() {
        let mut key = keys::tail(end, number);
        key.push(index as u8);
        let mut value = if index == 0 { vec![parts.len() as u8] } else { Vec::new() };
        value.extend_from_slice(part);
        batch.put(key, value);
    }
}

/// Removes everything before a blob.
pub(crate) fn delete_blobs_before(batch: &mut WriteBatch, end: u64, number: u64) {
    batch.delete_range(KeyRange { start: keys::tail(0, 0), end: Some(keys::tail(end, number)) });
}

/// The first blob at or after (`end`, `number`), with its place and size.
pub(crate) fn read_next<S: ShardStorage>(
    storage: &S,
    end: u64,
    number: u64,
) -> Result<Option<(u64, u64, Vec<u8>)>, LakeError> {
    let found = storage.scan(&keys::tails_from(end, number), 1)?;
    let Some((key, value)) = found.into_iter().next() else { return Ok(None) };
    let place = key.get(2..10).zip(key.get(10..18));
    let (Some((end, number)), Some(0), Some((parts, first))) = (place, key.get(18), value.split_first()) else {
        return Err(LakeError::damaged("tail", "a row of the tail has no place in it"));
    };
    let end = end.try_into().map(u64::from_be_bytes).unwrap_or_default();
    let number = number.try_into().map(u64::from_be_bytes).unwrap_or_default();
    let mut bytes = first.to_vec();
    for part in 1..*parts {
        let mut key = keys::tail(end, number);
        key.push(part);
        let more = storage.get(&key)?.ok_or_else(|| LakeError::damaged("tail", "a part of a blob is missing"))?;
        bytes.extend_from_slice(&more);
    }
    Ok(Some((end, number, bytes)))
}

/// The blob before (`end`, `number`), with its place.
pub(crate) fn read_before<S: ShardStorage>(
    storage: &S,
    end: u64,
    number: u64,
) -> Result<Option<(u64, u64, TailBlob)>, LakeError> {
    let range = KeyRange { start: keys::tail(0, 0), end: Some(keys::tail(end, number)) };
    let Some((key, _)) = storage.last(&range)? else { return Ok(None) };
    let number_at = |range: std::ops::Range<usize>| key.get(range).and_then(|bytes| bytes.try_into().ok());
    let place = number_at(2..10).zip(number_at(10..18));
    let Some((end, number)) = place.map(|(end, number)| (u64::from_be_bytes(end), u64::from_be_bytes(number))) else {
        return Err(LakeError::damaged("tail", "a row of the tail has no place in it"));
    };
    read_blob(storage, end, number).map(|blob| Some((end, number, blob)))
}

/// A blob that must be there.
pub(crate) fn read_blob<S: ShardStorage>(storage: &S, end: u64, number: u64) -> Result<TailBlob, LakeError> {
    match read_next(storage, end, number)? {
        Some((_, found, bytes)) if found == number => TailBlob::decode(&bytes),
        _ => Err(LakeError::damaged("tail", "a blob is missing")),
    }
}
