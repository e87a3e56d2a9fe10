//! `aws-chunked`: chunks with their length, and with their signature where the payload is signed, and checksums behind
//! the last one.
//!
//! ```text
//! 400;chunk-signature=…\r\n  1,024 bytes  \r\n  0;chunk-signature=…\r\n  x-amz-checksum-crc32:…\r\n
//! x-amz-trailer-signature:…\r\n  \r\n
//! ```
//!
//! Signatures form a chain that begins with the request's, so that no chunk can be left out, added or moved. A chunk's is
//! known to be right when the chunk has been given out; whoever stores the bytes has to be able to take them back.

use sha2::{Digest, Sha256};

use super::TOO_LONG;
use crate::facade::FacadeError;
use crate::facade::signature::ChunkSigner;
use crate::limits::{CHUNK_LINE_BYTES_MAX, TRAILERS_MAX};

const SIGNATURE: &str = "chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A header line behind the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// In lower case.
    pub(super) name: String,
    pub(super) value: String,
}

/// What comes next.
enum State {
    /// The line with the length of a chunk.
    Length,
    /// Bytes of a chunk.
    Data { left: u64, hash: Sha256, signature: String },
    /// The line end behind them.
    DataEnd,
    /// Lines behind the last chunk.
    Trailers { is_signed: bool },
    /// Nothing but line ends.
    End,
}

/// Takes chunks apart.
pub(super) struct Frames {
    signer: Option<ChunkSigner>,
    has_trailer: bool,
    state: State,
    line: Vec<u8>,
    trailers: Vec<Trailer>,
}

impl Frames {
    pub(super) fn new(signer: Option<ChunkSigner>, has_trailer: bool) -> Frames {
        Frames { signer, has_trailer, state: State::Length, line: Vec::new(), trailers: Vec::new() }
    }

    /// Appends the bytes of chunks that are in `bytes`, of which there may be `room` more.
    pub(super) fn push(&mut self, mut bytes: &[u8], room: u64, decoded: &mut Vec<u8>) -> Result<(), FacadeError> {
        while !bytes.is_empty() {
            if let State::Data { left, hash, .. } = &mut self.state {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at(here);
                // Here and not at the end, so that a body fails alike in whatever pieces it comes.
                if (decoded.len() + here) as u64 > room {
                    return Err(FacadeError::InvalidRequest(TOO_LONG));
                }
                if self.signer.is_some() {
                    hash.update(data);
                }
                decoded.extend_from_slice(data);
                *left -= here as u64;
                bytes = rest;
                if *left == 0 {
                    self.end_data()?;
                }
                continue;
            }
            let (byte, rest) = bytes.split_first().unwrap_or((&b'\n', &[]));
            bytes = rest;
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > CHUNK_LINE_BYTES_MAX {
                    return Err(FacadeError::InvalidRequest("A line between chunks is too long."));
                }
                continue;
            }
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.take_line(&line)?;
        }
        Ok(())
    }

    fn end_data(&mut self) -> Result<(), FacadeError> {
        let state = std::mem::replace(&mut self.state, State::DataEnd);
        if let (State::Data { hash, signature, .. }, Some(signer)) = (state, &mut self.signer) {
            signer.verify_chunk(&hash.finalize(), &signature)?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), FacadeError> {
        match &self.state {
            State::Length => self.begin_chunk(line),
            State::DataEnd | State::End if !line.is_empty() => {
                Err(FacadeError::InvalidRequest("A chunk is longer than it said."))
            }
            State::DataEnd => {
                self.state = State::Length;
                Ok(())
            }
            State::Trailers { is_signed } => {
                let is_signed = *is_signed;
                self.take_trailer(line, is_signed)
            }
            // Bytes of data never get here: they are no lines.
            State::End | State::Data { .. } => Ok(()),
        }
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), FacadeError> {
        const MALFORMED: FacadeError = FacadeError::InvalidRequest("The length of a chunk cannot be read.");
        let line = std::str::from_utf8(line).map_err(|_| MALFORMED)?;
        let mut fields = line.split(';').map(str::trim);
        let length = fields.next().unwrap_or_default();
        if length.is_empty() || length.len() > 16 || !length.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(MALFORMED);
        }
        let left = u64::from_str_radix(length, 16).map_err(|_| MALFORMED)?;
        let signature = fields.find_map(|field| field.strip_prefix(SIGNATURE)).unwrap_or_default().to_owned();
        let hash = Sha256::new();
        if left > 0 {
            self.state = State::Data { left, hash, signature };
            return Ok(());
        }
        if let Some(signer) = &mut self.signer {
            signer.verify_chunk(&hash.finalize(), &signature)?;
        }
        self.state = if self.has_trailer { State::Trailers { is_signed: false } } else { State::End };
        Ok(())
    }

    fn take_trailer(&mut self, line: &[u8], is_signed: bool) -> Result<(), FacadeError> {
        if line.is_empty() {
            // Some clients write an empty line in front of the signature.
            if is_signed || self.signer.is_none() {
                self.state = State::End;
            }
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| FacadeError::MalformedTrailer)?;
        let (name, value) = line.split_once(':').ok_or(FacadeError::MalformedTrailer)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if is_signed || self.trailers.len() >= TRAILERS_MAX {
            return Err(FacadeError::MalformedTrailer);
        }
        if name != TRAILER_SIGNATURE {
            self.trailers.push(Trailer { name, value: value.to_owned() });
            return Ok(());
        }
        let signer = self.signer.as_mut().ok_or(FacadeError::MalformedTrailer)?;
        let mut lines: Vec<String> =
            self.trailers.iter().map(|trailer| format!("{}:{}\n", trailer.name, trailer.value)).collect();
        lines.sort();
        signer.verify_trailer(&Sha256::digest(lines.concat()), value)?;
        self.state = State::Trailers { is_signed: true };
        Ok(())
    }

    /// What stood behind the last chunk.
    pub(super) fn finish(self) -> Result<Vec<Trailer>, FacadeError> {
        let is_over = match self.state {
            State::End => true,
            State::Trailers { is_signed } => is_signed || self.signer.is_none(),
            State::Length | State::Data { .. } | State::DataEnd => false,
        };
        // A lone line end is no line.
        match is_over && self.line.iter().all(|byte| *byte == b'\r') {
            true => Ok(self.trailers),
            false => Err(FacadeError::IncompleteBody),
        }
    }
}
