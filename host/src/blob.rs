//! The envelope of every stored blob: a format byte first, a CRC-32 of everything before it last.
//!
//! The format byte says which layout the payload has, so that a build can refuse a newer one and migrate an older one;
//! the checksum tells damage from a bug.

use thiserror::Error;

/// Why a stored blob was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BlobError {
    /// Shorter than an empty envelope.
    #[error("the blob is cut off")]
    Truncated,
    /// The checksum does not match: damaged.
    #[error("the blob's checksum does not match")]
    Checksum,
    /// Of a format that this build does not read.
    #[error("the blob has format {0}, which this build does not read")]
    Format(u8),
}

const CHECKSUM_BYTES: usize = 4;

/// Puts `payload` into an envelope.
pub fn seal(format: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 1 + CHECKSUM_BYTES);
    bytes.push(format);
    bytes.extend_from_slice(payload);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The payload of an envelope of exactly this format.
pub fn open(format: u8, bytes: &[u8]) -> Result<&[u8], BlobError> {
    match open_any(bytes)? {
        (found, payload) if found == format => Ok(payload),
        (found, _) => Err(BlobError::Format(found)),
    }
}

/// Format and payload of an envelope.
pub fn open_any(bytes: &[u8]) -> Result<(u8, &[u8]), BlobError> {
    let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else { return Err(BlobError::Truncated) };
    let Some((format, payload)) = body.split_first() else { return Err(BlobError::Truncated) };
    if crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(BlobError::Checksum);
    }
    Ok((*format, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_gives_back_what_was_put_in() {
        assert_eq!(open(3, &seal(3, b"rows")), Ok(&b"rows"[..]));
        assert_eq!(open(3, &seal(3, b"")), Ok(&b""[..]));
    }

    #[test]
    fn damage_and_other_formats_are_told_apart() {
        let mut bytes = seal(3, b"rows");
        assert_eq!(open(2, &bytes), Err(BlobError::Format(3)));
        bytes[2] ^= 1;
        assert_eq!(open(3, &bytes), Err(BlobError::Checksum));
        assert_eq!(open(3, b"abcd"), Err(BlobError::Truncated));
    }
}
