//! The body of a request: from the bytes on the wire to the bytes of the object, with everything that was promised of
//! them checked.
//!
//! Incremental and in little memory: bytes are pushed as they come and decoded ones taken out. What a client promised (a
//! hash in its signature, signatures of chunks, checksums in headers or behind the body, a length) is known to hold only
//! at the end, so the last byte of the object is kept back until [`BodyDecoder::finish`] has seen that it does: whoever
//! passes the bytes on cannot have stored a whole object that turns out to be a lie.

mod frames;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frames::{Frames, Trailer};

use super::FacadeError;
use super::checksum::{Algorithm, Hasher};
use super::signature::{ChunkSigner, Payload};
use crate::limits::OBJECT_BYTES_MAX;

const TOO_LONG: &str = "The body is longer than it said.";

/// How a body is sent, and what must be true of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySpec {
    length: u64,
    chunks: Option<Chunks>,
    promises: Vec<Promise>,
}

/// Framing as chunks (`aws-chunked`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunks {
    signer: Option<ChunkSigner>,
    has_trailer: bool,
}

/// A checksum that the body must have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promise {
    algorithm: Algorithm,
    /// `None`: it comes behind the body.
    value: Option<Vec<u8>>,
    /// Whether it is the payload hash of the signature, which has an error of its own.
    is_payload_hash: bool,
}

impl BodySpec {
    /// Reads what a request says of its body. `is_object` is false for bodies that are instructions: their checksum
    /// headers, if any, are of the object that they make.
    pub(super) fn read(
        headers: &BTreeMap<String, String>,
        payload: Payload,
        is_object: bool,
    ) -> Result<BodySpec, FacadeError> {
        let mut promises = Vec::new();
        let mut chunks = None;
        let length = match payload {
            Payload::Unsigned => "content-length",
            Payload::Hash(hash) => {
                let value = Some(hash.to_vec());
                promises.push(Promise { algorithm: Algorithm::Sha256, value, is_payload_hash: true });
                "content-length"
            }
            Payload::Chunks { signer, has_trailer } => {
                chunks = Some(Chunks { signer, has_trailer });
                "x-amz-decoded-content-length"
            }
        };
        let length = headers.get(length).ok_or(FacadeError::MissingContentLength)?;
        let length =
            length.trim().parse::<u64>().map_err(|_| FacadeError::InvalidArgument("the length of the body"))?;
        if length > OBJECT_BYTES_MAX {
            return Err(FacadeError::EntityTooLarge);
        }
        for (name, value) in headers.iter().filter(|(name, _)| is_object || *name == "content-md5") {
            if let Some(algorithm) = Algorithm::of_header(name)? {
                let value = Some(algorithm.decode(value)?);
                promises.push(Promise { algorithm, value, is_payload_hash: false });
            }
        }
        if chunks.as_ref().is_some_and(|chunks| chunks.has_trailer) {
            let names = headers.get("x-amz-trailer").map(String::as_str).unwrap_or_default();
            for name in names.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()) {
                let algorithm = Algorithm::of_header(&name)?.ok_or(FacadeError::MalformedTrailer)?;
                if promises.iter().any(|promise| promise.value.is_none()) {
                    return Err(FacadeError::InvalidRequest("Only one checksum can follow the body."));
                }
                promises.push(Promise { algorithm, value: None, is_payload_hash: false });
            }
        }
        Ok(BodySpec { length, chunks, promises })
    }

    /// How many bytes the object has, if the body is what it says.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Decodes a body.
pub struct BodyDecoder {
    length: u64,
    seen: u64,
    frames: Option<Frames>,
    promises: Vec<(Promise, Hasher)>,
    last: Option<u8>,
}

/// What is known of a body that was all that it promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The last byte of the object; `None` if it is empty.
    pub last: Option<u8>,
    /// Checksum headers for the answer.
    pub checksums: Vec<(String, String)>,
}

impl BodyDecoder {
    /// A decoder for one body.
    pub fn new(spec: &BodySpec) -> BodyDecoder {
        let hashers = spec.promises.iter().map(|promise| (promise.clone(), Hasher::new(promise.algorithm)));
        let frames = spec.chunks.clone().map(|chunks| Frames::new(chunks.signer, chunks.has_trailer));
        BodyDecoder { length: spec.length, seen: 0, frames, promises: hashers.collect(), last: None }
    }

    /// Takes bytes as they came and gives those of the object that they held. After an error nothing of the object may
    /// be kept.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, FacadeError> {
        let mut decoded = Vec::with_capacity(bytes.len());
        match &mut self.frames {
            None => decoded.extend_from_slice(bytes),
            Some(frames) => frames.push(bytes, self.length - self.seen, &mut decoded)?,
        }
        if decoded.len() as u64 > self.length - self.seen {
            return Err(FacadeError::InvalidRequest(TOO_LONG));
        }
        self.seen += decoded.len() as u64;
        for (_, hasher) in &mut self.promises {
            hasher.update(&decoded);
        }
        if self.seen == self.length && !decoded.is_empty() {
            self.last = decoded.pop();
        }
        Ok(decoded)
    }

    /// Ends the body and says whether it was what it promised to be.
    pub fn finish(self) -> Result<Finished, FacadeError> {
        let trailers = self.frames.map(Frames::finish).transpose()?.unwrap_or_default();
        if self.seen != self.length {
            return Err(FacadeError::IncompleteBody);
        }
        let mut checksums = Vec::new();
        for (promise, hasher) in &self.promises {
            let actual = hasher.clone().finish();
            let expected = match &promise.value {
                Some(value) => value.clone(),
                None => find(&trailers, promise.algorithm)?,
            };
            match actual == expected {
                true => {}
                false if promise.is_payload_hash => return Err(FacadeError::ContentHashMismatch),
                false => return Err(FacadeError::BadDigest),
            }
            if let Some(header) = promise.algorithm.header().filter(|_| !promise.is_payload_hash) {
                checksums.push((header.to_owned(), STANDARD.encode(&actual)));
            }
        }
        let is_announced = |algorithm| {
            self.promises.iter().any(|(promise, _)| promise.value.is_none() && promise.algorithm == algorithm)
        };
        for trailer in &trailers {
            if Algorithm::of_header(&trailer.name)?.is_some_and(|algorithm| !is_announced(algorithm)) {
                return Err(FacadeError::MalformedTrailer);
            }
        }
        Ok(Finished { last: self.last, checksums })
    }
}

/// The checksum behind the body that was announced.
fn find(trailers: &[Trailer], algorithm: Algorithm) -> Result<Vec<u8>, FacadeError> {
    let name = algorithm.header().unwrap_or("content-md5");
    let trailer = trailers.iter().find(|trailer| trailer.name == name).ok_or(FacadeError::MalformedTrailer)?;
    algorithm.decode(&trailer.value)
}

/// A whole body at once: the bytes of the object.
#[cfg(test)]
fn decode(spec: &BodySpec, pieces: &[&[u8]]) -> Result<(Vec<u8>, Finished), FacadeError> {
    let mut decoder = BodyDecoder::new(spec);
    let mut object = Vec::new();
    for piece in pieces {
        object.extend(decoder.push(piece)?);
    }
    let finished = decoder.finish()?;
    object.extend(finished.last);
    Ok((object, finished))
}

#[cfg(test)]
mod tests;
