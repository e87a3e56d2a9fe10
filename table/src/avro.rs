//! Compressing an Avro file that was written without compression.
//!
//! The `iceberg` crate writes manifests uncompressed and offers no choice. The container is simple enough to put another
//! codec on its blocks: magic, a map of metadata, a sync marker, then blocks of count, size, data and marker.
//! Deflate, because every engine reads it; two of them fail on zstandard.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};

use crate::error::TableError;

const MAGIC: &[u8] = b"Obj\x01";
const CODEC: &[u8] = b"avro.codec";
const SYNC_BYTES: usize = 16;

const BROKEN: TableError = TableError::Unsupported("an Avro file that is not as the spec says");

/// The same records, deflated. `file` has no codec yet.
pub(crate) fn deflate(file: &Bytes) -> Result<Bytes, TableError> {
    let mut reader = Reader(file);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(BROKEN);
    }
    let mut metadata = Vec::new();
    loop {
        let count = reader.long()?;
        if count == 0 {
            break;
        }
        // A negative count is followed by the size of the block in bytes.
        if count < 0 {
            reader.long()?;
        }
        for _ in 0..count.unsigned_abs() {
            let (key, value) = (reader.counted()?, reader.counted()?);
            if key != CODEC {
                metadata.push((key, value));
            } else if value != b"null" {
                return Err(BROKEN);
            }
        }
    }
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

/// Takes Avro's primitives from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
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
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let plain = file(b"rows");
        let header = plain.len() - (1 + 5 + SYNC_BYTES);
        for length in (0..plain.len()).filter(|length| *length != header) {
            assert!(deflate(&Bytes::from(plain[..length].to_vec())).is_err(), "{length}");
        }
    }
}
