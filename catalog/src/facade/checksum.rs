//! The checksums that clients send along with a body, in a header or behind it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::FacadeError;
use super::crc::Crc;

/// Begins the name of a header or trailer with a checksum.
const PREFIX: &str = "x-amz-checksum-";

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
    /// Of `Content-MD5`.
    Md5,
}

impl Algorithm {
    /// The algorithm that a header's name names. `None` for headers that hold no checksum.
    pub(super) fn of_header(name: &str) -> Result<Option<Algorithm>, FacadeError> {
        let Some(algorithm) = name.strip_prefix(PREFIX) else {
            return Ok((name == "content-md5").then_some(Algorithm::Md5));
        };
        Ok(Some(match algorithm {
            "crc32" => Algorithm::Crc32,
            "crc32c" => Algorithm::Crc32c,
            "crc64nvme" => Algorithm::Crc64Nvme,
            "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            "algorithm" | "type" | "mode" => return Ok(None),
            // What cannot be verified is not promised.
            _ => return Err(FacadeError::NotImplemented),
        }))
    }

    /// The header in which an answer repeats it.
    pub(super) fn header(self) -> Option<&'static str> {
        match self {
            Algorithm::Crc32 => Some("x-amz-checksum-crc32"),
            Algorithm::Crc32c => Some("x-amz-checksum-crc32c"),
            Algorithm::Crc64Nvme => Some("x-amz-checksum-crc64nvme"),
            Algorithm::Sha1 => Some("x-amz-checksum-sha1"),
            Algorithm::Sha256 => Some("x-amz-checksum-sha256"),
            Algorithm::Md5 => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// The bytes of a checksum as it is written.
    pub(super) fn decode(self, text: &str) -> Result<Vec<u8>, FacadeError> {
        let invalid = match self {
            Algorithm::Md5 => FacadeError::InvalidDigest,
            _ => FacadeError::InvalidRequest("The value of a checksum header is none."),
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| invalid.clone())?;
        if bytes.len() == self.bytes() { Ok(bytes) } else { Err(invalid) }
    }
}

/// A checksum that is being computed.
#[derive(Clone)]
pub(super) enum Hasher {
    Crc32(crc32fast::Hasher),
    Crc(Crc, usize),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Hasher::Crc(Crc::crc32c(), 4),
            Algorithm::Crc64Nvme => Hasher::Crc(Crc::crc64nvme(), 8),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Md5 => Hasher::Md5(Md5::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc32(hasher) => hasher.update(bytes),
            Hasher::Crc(crc, _) => crc.update(bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Md5(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Hasher::Crc(crc, bytes) => crc.value().to_be_bytes().into_iter().skip(8 - bytes).collect(),
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
            Hasher::Md5(hasher) => hasher.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, text: &str) {
        let algorithm = Algorithm::of_header(header).unwrap().unwrap();
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"1234");
        hasher.update(b"56789");
        assert_eq!(algorithm.decode(text), Ok(hasher.finish()), "{header}");
    }

    #[test]
    fn checksums_are_written_in_base64_with_the_high_byte_first() {
        check("x-amz-checksum-crc32", "y/Q5Jg==");
        check("x-amz-checksum-crc32c", "4waSgw==");
        check("x-amz-checksum-crc64nvme", "rosUhgp5mIg=");
        check("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=");
        check("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        check("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
    }

    #[test]
    fn what_is_no_checksum_is_told() {
        assert_eq!(Algorithm::of_header("x-amz-checksum-mode"), Ok(None));
        assert_eq!(Algorithm::of_header("x-amz-date"), Ok(None));
        assert_eq!(Algorithm::of_header("x-amz-checksum-xxhash64"), Err(FacadeError::NotImplemented));
        assert!(Algorithm::Crc32.decode("y/Q5").is_err());
        assert_eq!(Algorithm::Md5.decode("?"), Err(FacadeError::InvalidDigest));
    }
}
