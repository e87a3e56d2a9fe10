//! How the blocks of an Avro file are compressed.
//!
//! Java writes deflate, or by a property of the table snappy, zstandard or nothing; the other engines write one of these.

use std::io::Read;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{BROKEN, TOO_LARGE};
use crate::error::TableError;
use crate::limits::ZSTD_WINDOW_LOG_MAX;

/// Bytes of the checksum behind a block in snappy.
const CRC_BYTES: usize = 4;

/// A codec that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

impl Codec {
    /// The codec of a file, whose header need not name one.
    pub(super) fn of(name: Option<&[u8]>) -> Result<Codec, TableError> {
        match name {
            None | Some(b"null") => Ok(Codec::Null),
            Some(b"deflate") => Ok(Codec::Deflate),
            Some(b"snappy") => Ok(Codec::Snappy),
            Some(b"zstandard") => Ok(Codec::Zstandard),
            Some(_) => Err(TableError::Unsupported("an Avro file in this codec")),
        }
    }

    /// Puts what a block holds into `out`, at most `most` bytes.
    pub(super) fn inflate(self, block: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), TableError> {
        out.clear();
        // One byte more tells a block that is as large as it may be from one that goes on.
        let limit = most as u64 + 1;
        match self {
            Codec::Null => out.extend_from_slice(block.get(..most + 1).unwrap_or(block)),
            Codec::Deflate => {
                DeflateDecoder::new(block).take(limit).read_to_end(out).map_err(|_| BROKEN)?;
            }
            Codec::Snappy => return inflate_snappy(block, most, out),
            Codec::Zstandard => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(block).map_err(|_| BROKEN)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| BROKEN)?;
                decoder.take(limit).read_to_end(out).map_err(|_| BROKEN)?;
            }
        }
        if out.len() > most { Err(TOO_LARGE) } else { Ok(()) }
    }
}

/// Snappy says in front how much it holds, and Avro puts the checksum of that behind.
fn inflate_snappy(block: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), TableError> {
    let (data, checksum) = block.split_last_chunk::<CRC_BYTES>().ok_or(BROKEN)?;
    let length = snap::raw::decompress_len(data).map_err(|_| BROKEN)?;
    if length > most {
        return Err(TOO_LARGE);
    }
    out.resize(length, 0);
    let held = snap::raw::Decoder::new().decompress(data, out).map_err(|_| BROKEN)?;
    let mut crc = Crc::new();
    crc.update(out);
    if held == length && crc.sum() == u32::from_be_bytes(*checksum) { Ok(()) } else { Err(BROKEN) }
}
