//! Avro's container: compressing a file that was written without compression, and a look at one that others wrote.
//!
//! The `iceberg` crate writes manifests uncompressed and offers no choice. The container is simple enough to put another
//! codec on its blocks: magic, a map of metadata, a sync marker, then blocks of count, size, data and marker.
//! Deflate, because every engine reads it; two of them fail on zstandard.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use serde_json::Value;

use crate::error::TableError;

const MAGIC: &[u8] = b"Obj\x01";
const CODEC: &[u8] = b"avro.codec";
const SCHEMA: &[u8] = b"avro.schema";
const SYNC_BYTES: usize = 16;

const BROKEN: TableError = TableError::Unsupported("an Avro file that is not as the spec says");

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
    let mut out = MAGIC.to_vec();
    put_long(&mut out, metadata.len() as i64);
    for (key, value) in metadata {
        put_counted(&mut out, key);
        put_counted(&mut out, value);
    }
    put_long(&mut out, 0);
    out.extend_from_slice(sync);
    while !reader.0.is_empty() {
        let count = reader.long()?;
        let data = reader.counted()?;
        if reader.take(SYNC_BYTES)? != sync {
            return Err(BROKEN);
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let deflated = encoder.write_all(data).and_then(|()| encoder.finish()).map_err(|_| BROKEN)?;
        put_long(&mut out, count);
        put_counted(&mut out, &deflated);
        out.extend_from_slice(sync);
    }
    Ok(Bytes::from(out))
}

/// Refuses a file whose schema has a name that Avro does not allow: the library that reads it panics there.
pub(crate) fn check_names(file: &[u8]) -> Result<(), TableError> {
    let header = Reader(file).header()?;
    let schemas = header.iter().filter(|(key, _)| *key == SCHEMA);
    for (_, json) in schemas {
        let schema: Value = serde_json::from_slice(json).map_err(|_| BROKEN)?;
        if !has_good_names(&schema) {
            return Err(BROKEN);
        }
    }
    Ok(())
}

/// True if all names in a schema are names. How deep it nests is bounded by who parsed the JSON.
fn has_good_names(schema: &Value) -> bool {
    match schema {
        Value::String(name) => is_name(name),
        Value::Array(union) => union.iter().all(has_good_names),
        Value::Object(schema) => {
            let is_good = |key: &str| match schema.get(key) {
                Some(Value::String(name)) => is_name(name) || (key == "namespace" && name.is_empty()),
                _ => true,
            };
            let aliases = schema.get("aliases").and_then(Value::as_array);
            is_good("name")
                && is_good("namespace")
                && aliases.into_iter().flatten().all(|alias| alias.as_str().is_none_or(is_name))
                && ["type", "items", "values", "fields"].iter().all(|key| schema.get(*key).is_none_or(has_good_names))
        }
        _ => true,
    }
}

/// Avro spec, "Names".
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|next| next.is_ascii_alphanumeric() || next == '_')
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one block with `data`, codec null.
    fn file(data: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_long(&mut out, 2);
        put_counted(&mut out, CODEC);
        put_counted(&mut out, b"null");
        put_counted(&mut out, b"avro.schema");
        put_counted(&mut out, b"\"bytes\"");
        put_long(&mut out, 0);
        out.extend_from_slice(&[7; SYNC_BYTES]);
        put_long(&mut out, 3);
        put_counted(&mut out, data);
        out.extend_from_slice(&[7; SYNC_BYTES]);
        out
    }

    #[test]
    fn a_block_that_repeats_itself_gets_smaller_and_names_its_codec() {
        let plain = Bytes::from(file(&[5; 10_000]));
        let deflated = deflate(&plain).unwrap();
        assert!(deflated.len() < 200, "{}", deflated.len());
        assert!(deflated.windows(7).any(|window| window == b"deflate"));
    }

    #[test]
    fn a_schema_has_names_that_are_names() {
        let check = |schema: &str, is_good: bool| {
            let mut file = MAGIC.to_vec();
            put_long(&mut file, 1);
            put_counted(&mut file, SCHEMA);
            put_counted(&mut file, schema.as_bytes());
            put_long(&mut file, 0);
            assert_eq!(check_names(&file).is_ok(), is_good, "{schema}");
        };
        check(
            r#"{"type":"record","name":"manifest_entry","fields":[{"name":"k117_v118","type":["null","int"]}]}"#,
            true,
        );
        check(r#"{"type":"record","name":"k117_v=18","fields":[]}"#, false);
        check(r#"{"type":"array","items":{"type":"record","name":"a.b","namespace":"","fields":[]}}"#, true);
        check(r#"{"type":"map","values":{"type":"fixed","name":"","size":1}}"#, false);
        check(r#"{"type":"record","name":"a","aliases":["b c"],"fields":[]}"#, false);
        check(r#"["null","a-b"]"#, false);
        check("{", false);
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let plain = file(b"rows");
        let header = plain.len() - (1 + 5 + SYNC_BYTES);
        for length in (0..plain.len()).filter(|length| *length != header) {
            assert!(deflate(&Bytes::from(plain[..length].to_vec())).is_err(), "{length}");
        }
    }
}
