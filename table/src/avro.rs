//! Avro's container: compressing a file that was written without compression, and undoing that for one that others wrote.
//!
//! The `iceberg` crate writes manifests uncompressed and offers no choice. The container is simple enough to put another
//! codec on its blocks: magic, a map of metadata, a sync marker, then blocks of count, size, data and marker.
//! Deflate, because every engine reads it; two of them fail on zstandard.

mod codec;
mod items;
mod partition;
mod schema;
#[cfg(test)]
mod tests;
pub(crate) mod uuid;

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use serde_json::Value as Json;

use crate::error::TableError;
use crate::limits::{AVRO_BLOCK_BYTES_MAX, AVRO_HEADER_BYTES_MAX, AVRO_HEADER_ENTRIES_MAX};
use codec::Codec;
pub(crate) use items::Content;
use items::Tally;

const MAGIC: &[u8] = b"Obj\x01";
const CODEC: &[u8] = b"avro.codec";
const SCHEMA: &[u8] = b"avro.schema";
/// The table's own.
const COLUMNS: &[u8] = b"schema";
const SPEC: &[u8] = b"partition-spec";
const SYNC_BYTES: usize = 16;

const BROKEN: TableError = TableError::Unsupported("an Avro file that is not as the spec says");
const TOO_LARGE: TableError = TableError::Unsupported("an Avro file that takes this much memory");

/// The same records, deflated. `file` has no codec yet.
pub(crate) fn deflate(file: &Bytes) -> Result<Bytes, TableError> {
    let mut reader = Reader(file);
    let mut metadata = reader.header()?;
    if metadata.iter().any(|(key, value)| *key == CODEC && *value != b"null") {
        return Err(BROKEN);
    }
    metadata.retain(|(key, _)| *key != CODEC);
    metadata.push((CODEC, b"deflate"));
    let sync = reader.take(SYNC_BYTES)?;
    let mut out = Vec::new();
    put_header(&mut out, &metadata, sync);
    while !reader.0.is_empty() {
        let count = reader.long()?;
        let data = reader.counted()?;
        if reader.take(SYNC_BYTES)? != sync {
            return Err(BROKEN);
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let deflated = encoder.write_all(data).and_then(|()| encoder.finish()).map_err(|_| BROKEN)?;
        put_block(&mut out, count, &deflated, sync);
    }
    Ok(Bytes::from(out))
}

/// What the header of a file is asked for: Avro's schema, and what Iceberg says of a manifest.
const HEADER_KEYS: [&[u8]; 7] =
    [SCHEMA, COLUMNS, b"schema-id", SPEC, b"partition-spec-id", b"format-version", b"content"];

/// The same items without compression, written anew from parts that were looked at.
///
/// The library that reads Avro believes what a file says of itself: it panics at a block in snappy that is shorter than
/// its checksum, inflates whatever there is, takes memory for any length that is claimed, and follows a schema that
/// contains itself until the stack ends.
pub(crate) fn plain(file: &[u8], content: Content) -> Result<Bytes, TableError> {
    let mut reader = Reader(file);
    let metadata = reader.header()?;
    if file.len() - reader.0.len() > AVRO_HEADER_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let sync = reader.take(SYNC_BYTES)?;
    let codec = Codec::of(find(&metadata, CODEC)?)?;
    let mut schema = schema::json(find(&metadata, SCHEMA)?.ok_or(BROKEN)?)?;
    let mut columns = find(&metadata, COLUMNS)?.map(header_json).transpose()?;
    let mut spec = find(&metadata, SPEC)?.map(header_json).transpose()?;
    let (mut filled, mut has_uuids) = (0, false);
    if let Some(spec) = spec.as_mut().filter(|_| content == Content::Files) {
        filled = partition::name_by_id(&mut schema, spec)?;
        if let Some(columns) = &mut columns {
            has_uuids = uuid::to_bytes(columns, spec)?;
        }
    }
    let (kind, schema) = schema::parse(&schema)?;
    let columns = columns.filter(|_| has_uuids).map(|columns| columns.to_string());
    let spec = spec.map(|spec| spec.to_string());
    let mut kept = Vec::new();
    for key in HEADER_KEYS {
        let Some(value) = find(&metadata, key)? else { continue };
        let value = match key {
            SCHEMA => schema.as_slice(),
            COLUMNS => columns.as_ref().map_or(value, |columns| columns.as_bytes()),
            SPEC => spec.as_ref().map_or(value, |spec| spec.as_bytes()),
            _ => value,
        };
        kept.push((key, value));
    }
    // First how long it becomes: a copy that grows is there twice.
    let mut length = 0;
    let mut tally = Tally::new(content, filled);
    each_block(Reader(reader.0), codec, sync, |count, block| {
        length += block.len() + BLOCK_FRAME_BYTES;
        tally.walk(&kind, count, block)
    })?;
    let mut out = Vec::new();
    put_header(&mut out, &kept, sync);
    out.reserve_exact(length);
    each_block(reader, codec, sync, |count, block| {
        // The library takes a block without items for the end.
        if count > 0 {
            put_block(&mut out, count, block, sync);
        }
        Ok(())
    })?;
    Ok(Bytes::from(out))
}

/// Two longs and the marker around a block.
const BLOCK_FRAME_BYTES: usize = 2 * 10 + SYNC_BYTES;

/// Calls with each block's count of items and its bytes without compression.
fn each_block(
    mut reader: Reader<'_>,
    codec: Codec,
    sync: &[u8],
    mut act: impl FnMut(i64, &[u8]) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let mut block = Vec::new();
    while !reader.0.is_empty() {
        let count = reader.long()?;
        codec.inflate(reader.counted()?, AVRO_BLOCK_BYTES_MAX, &mut block)?;
        if reader.take(SYNC_BYTES)? != sync {
            return Err(BROKEN);
        }
        act(count, &block)?;
    }
    Ok(())
}

/// A schema or spec in a header, whose ids have no sign: the library makes names of some of them, and panics at one with a
/// sign in it.
fn header_json(value: &[u8]) -> Result<Json, TableError> {
    let json: Json = serde_json::from_slice(value).map_err(|_| BROKEN)?;
    if has_negative_id(&json) { Err(BROKEN) } else { Ok(json) }
}

/// How deep it goes is bounded by who parsed the JSON.
fn has_negative_id(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(has_negative_id),
        Json::Object(fields) => fields.iter().any(|(key, value)| match value.as_f64() {
            Some(number) => number < 0.0 && key.ends_with("id"),
            None => has_negative_id(value),
        }),
        _ => false,
    }
}

/// An entry of a header; none may be there twice.
fn find<'a>(metadata: &[(&[u8], &'a [u8])], key: &[u8]) -> Result<Option<&'a [u8]>, TableError> {
    let mut found = metadata.iter().filter(|(held, _)| *held == key).map(|(_, value)| *value);
    match (found.next(), found.next()) {
        (value, None) => Ok(value),
        _ => Err(BROKEN),
    }
}

/// Takes Avro's primitives from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Magic and metadata.
    fn header(&mut self) -> Result<Vec<(&'a [u8], &'a [u8])>, TableError> {
        if self.take(MAGIC.len())? != MAGIC {
            return Err(BROKEN);
        }
        let mut metadata = Vec::new();
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(metadata);
            }
            // A negative count is followed by the size of the block in bytes.
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                metadata.push((self.counted()?, self.counted()?));
                if metadata.len() > AVRO_HEADER_ENTRIES_MAX {
                    return Err(TOO_LARGE);
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TableError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(BROKEN)?;
        self.0 = tail;
        Ok(head)
    }

    fn long(&mut self) -> Result<i64, TableError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(BROKEN)
    }

    fn counted(&mut self) -> Result<&'a [u8], TableError> {
        let count = usize::try_from(self.long()?).map_err(|_| BROKEN)?;
        self.take(count)
    }
}

fn put_header(out: &mut Vec<u8>, metadata: &[(&[u8], &[u8])], sync: &[u8]) {
    out.extend_from_slice(MAGIC);
    put_long(out, metadata.len() as i64);
    for (key, value) in metadata {
        put_counted(out, key);
        put_counted(out, value);
    }
    put_long(out, 0);
    out.extend_from_slice(sync);
}

fn put_block(out: &mut Vec<u8>, count: i64, data: &[u8], sync: &[u8]) {
    put_long(out, count);
    put_counted(out, data);
    out.extend_from_slice(sync);
}

fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}
