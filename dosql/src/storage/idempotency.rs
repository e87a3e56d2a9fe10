//! What a request with an `Idempotency-Key` was answered, kept in the batch of its own commit.
//!
//! One row per key and no index by time: each new key looks at a few of its neighbours and removes those that
//! expired, so that removal is bounded and costs no row of its own.
//!
//! ```text
//! key    'i'  the key's text
//! value  1  time zigzag  fingerprint u64 little-endian  length varint  lz4 block of the answer  crc32
//! ```

use lake_cdc::{Micros, Reader, Writer};
use lake_host::{ShardStorage, StorageError, WriteBatch, blob};

use super::{OpenError, Stored, corrupt, keys};
use crate::limits::{IDEMPOTENCY_MICROS, IDEMPOTENCY_SWEEP_ROWS};

const FORMAT: u8 = 1;

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// When it was given.
    pub(crate) at: Micros,
    /// Fingerprint of the request's body, to notice a key that is used for another request.
    pub(crate) fingerprint: u64,
    /// The answer, or its facts if it was too large to keep.
    pub(crate) answer: String,
}

/// A hash of a request body. It guards against mistakes of a client, not against malice: only who may write to the
/// database can choose keys.
pub(crate) fn fingerprint(body: &[u8]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15 ^ body.len() as u64;
    let mut words = body.chunks_exact(8);
    for word in words.by_ref() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        hash = mix(hash ^ u64::from_le_bytes(bytes));
    }
    for byte in words.remainder() {
        hash = mix(hash ^ u64::from(*byte));
    }
    hash
}

/// The finaliser of splitmix64.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Remembered {
    /// True if it is older than keys are remembered.
    pub(crate) fn is_expired(&self, now: Micros) -> bool {
        now.0.saturating_sub(self.at.0) > IDEMPOTENCY_MICROS
    }

    /// The sealed bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.signed(self.at.0);
        writer.u64(self.fingerprint);
        let answer = self.answer.as_bytes();
        writer.varint(answer.len() as u64);
        writer.raw(&lz4_flex::block::compress(answer));
        blob::seal(FORMAT, &writer.into_bytes())
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Remembered, Stored> {
        let mut reader = Reader::new(blob::open(FORMAT, bytes)?);
        let at = Micros(reader.signed("a time")?);
        let fingerprint = reader.u64("a fingerprint")?;
        let length = reader.varint("a length")?;
        // Twice the bound of what is kept: a larger length is damage, and must not be allocated.
        if length > 2 * crate::limits::IDEMPOTENT_ANSWER_BYTES_MAX as u64 {
            return Err(Stored::Pages("an answer beyond the limit"));
        }
        let compressed = reader.raw(reader.remaining(), "an answer")?;
        let answer = lz4_flex::block::decompress(compressed, length as usize)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(Stored::Pages("an answer that is no text"))?;
        Ok(Remembered { at, fingerprint, answer })
    }
}

/// What `key` was answered, if that is not too long ago.
pub(crate) fn find(storage: &dyn ShardStorage, key: &str, now: Micros) -> Result<Option<Remembered>, OpenError> {
    let Some(bytes) = storage.get(&keys::idempotency(key))? else { return Ok(None) };
    let remembered = Remembered::decode(&bytes).map_err(corrupt("answer"))?;
    Ok((!remembered.is_expired(now)).then_some(remembered))
}

/// Adds the answer of `key` to a batch, and the removal of some that expired.
pub(crate) fn stage(
    batch: &mut WriteBatch,
    storage: &dyn ShardStorage,
    key: &str,
    remembered: &Remembered,
) -> Result<(), StorageError> {
    let own = keys::idempotency(key);
    let all = keys::idempotency_all();
    let after = lake_host::KeyRange { start: own.clone(), end: all.end.clone() };
    let mut neighbours = storage.scan(&after, IDEMPOTENCY_SWEEP_ROWS)?;
    // Keys that grow, such as times, have no neighbour after them: the oldest is then at the other end.
    if neighbours.len() < IDEMPOTENCY_SWEEP_ROWS {
        neighbours.extend(storage.scan(&all, IDEMPOTENCY_SWEEP_ROWS)?);
    }
    for (key, bytes) in neighbours {
        if Remembered::decode(&bytes).map_or(true, |old| old.is_expired(remembered.at)) {
            batch.delete(key);
        }
    }
    batch.put(own, remembered.encode());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_format_1_stay_readable() {
        let bytes = fixture(include_str!("../../../tests/fixtures/dosql/idempotency_v1.hex"));
        let remembered = Remembered { at: Micros(5), fingerprint: 77, answer: "{\"lsn\":\"12\"}".to_owned() };
        assert_eq!(Remembered::decode(&bytes).ok(), Some(remembered));
    }

    #[test]
    fn an_answer_reads_back() {
        let remembered = Remembered { at: Micros(5), fingerprint: u64::MAX, answer: "{\"rows\":[]}".repeat(9) };
        assert_eq!(Remembered::decode(&remembered.encode()).ok(), Some(remembered));
    }

    #[test]
    fn a_change_anywhere_in_a_body_changes_its_fingerprint() {
        let body = b"{\"sql\":\"insert into t values (1)\"}";
        for index in 0..body.len() {
            let mut other = *body;
            other[index] ^= 1;
            assert_ne!(fingerprint(body), fingerprint(&other));
        }
        assert_ne!(fingerprint(b""), fingerprint(b"\0"));
    }

    proptest! {
        #[test]
        fn sealed_rubbish_never_panics(payload: Vec<u8>) {
            let _ = std::hint::black_box(Remembered::decode(&blob::seal(FORMAT, &payload)));
        }
    }
}
