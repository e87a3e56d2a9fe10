//! The key that a day's signatures are made with, and signatures of chunks, which continue the one of their request.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::FacadeError;

/// SHA-256 of nothing.
pub(super) const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A key of one secret, day and region.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::facade) struct SigningKey(Vec<u8>);

// By hand: a derived one would print it into a log.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key for a scope such as `20251121/auto/s3/aws4_request`.
    pub(in crate::facade) fn new(secret: &str, scope: &str) -> SigningKey {
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part.as_bytes()).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
        }
        SigningKey(key)
    }

    /// The signature of a text, in hexadecimal digits.
    pub(in crate::facade) fn sign(&self, text: &str) -> String {
        mac(&self.0, text.as_bytes()).map(|mac| hex(&mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// True if `signature` is the text's. Takes as long for any.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        mac(&self.0, text.as_bytes()).is_some_and(|mac| mac.verify_slice(signature).is_ok())
    }
}

/// Verifies the chunks of one body in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::facade) struct ChunkSigner {
    key: SigningKey,
    time: String,
    scope: String,
    /// The signature before the next one: at first the request's.
    previous: String,
}

impl ChunkSigner {
    pub(in crate::facade) fn new(key: SigningKey, time: String, scope: String, seed: String) -> ChunkSigner {
        ChunkSigner { key, time, scope, previous: seed }
    }

    /// Takes the next chunk, by the hash of its bytes.
    pub(in crate::facade) fn verify_chunk(&mut self, hash: &[u8], signature: &str) -> Result<(), FacadeError> {
        let hashes = format!("{EMPTY_HASH}\n{}", hex(hash));
        self.verify("AWS4-HMAC-SHA256-PAYLOAD", &hashes, signature)
    }

    /// Takes what is behind the last chunk, by the hash of its lines.
    pub(in crate::facade) fn verify_trailer(&mut self, hash: &[u8], signature: &str) -> Result<(), FacadeError> {
        self.verify("AWS4-HMAC-SHA256-TRAILER", &hex(hash), signature)
    }

    fn verify(&mut self, algorithm: &str, hashes: &str, signature: &str) -> Result<(), FacadeError> {
        let text = [algorithm, &self.time, &self.scope, &self.previous, hashes].join("\n");
        let bytes = unhex(signature).map_err(|_| FacadeError::SignatureDoesNotMatch)?;
        if !self.key.verifies(&text, &bytes) {
            return Err(FacadeError::SignatureDoesNotMatch);
        }
        self.previous = hex(&bytes);
        Ok(())
    }
}

fn mac(key: &[u8], message: &[u8]) -> Option<Hmac<Sha256>> {
    // A key of any length is valid for HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac)
}

pub(in crate::facade) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes in hexadecimal digits.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, FacadeError> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.filter(|bytes| bytes.len() == 32).ok_or(FacadeError::AuthorizationMalformed("a bad Signature"))
}
