//! Objects that queries read again and again: metadata, manifests, footers and small files.
//!
//! No object of a table is ever overwritten, so what is kept cannot be stale; a bound is all that is needed.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use lake_host::ByteRange;

use crate::limits::{CACHE_BYTES_MAX, CACHE_ENTRY_BYTES_MAX};

/// The part of an object that was read.
type Part = (String, ByteRangeKey);
type ByteRangeKey = (u8, u64, u64);

/// Bytes by what was asked for, the oldest dropped first.
#[derive(Debug, Default)]
pub(crate) struct ObjectCache {
    entries: HashMap<Part, (Bytes, u64)>,
    order: VecDeque<Part>,
    bytes: usize,
}

fn part(key: &str, range: ByteRange) -> Part {
    let range = match range {
        ByteRange::Full => (0, 0, 0),
        ByteRange::From { offset, length } => (1, offset, length.unwrap_or(u64::MAX)),
        ByteRange::Suffix { length } => (2, length, 0),
    };
    (key.to_owned(), range)
}

impl ObjectCache {
    /// The bytes of a part, and the size of its object.
    pub(crate) fn get(&self, key: &str, range: ByteRange) -> Option<(Bytes, u64)> {
        self.entries.get(&part(key, range)).cloned()
    }

    /// Keeps a part, if it is small.
    pub(crate) fn keep(&mut self, key: &str, range: ByteRange, bytes: &Bytes, size: u64) {
        if bytes.len() > CACHE_ENTRY_BYTES_MAX {
            return;
        }
        let part = part(key, range);
        if self.entries.insert(part.clone(), (bytes.clone(), size)).is_some() {
            return;
        }
        self.order.push_back(part);
        self.bytes += bytes.len();
        while self.bytes > CACHE_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some((bytes, _)) = self.entries.remove(&oldest) {
                self.bytes -= bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_parts_make_room() {
        let mut cache = ObjectCache::default();
        let bytes = Bytes::from(vec![0; CACHE_ENTRY_BYTES_MAX]);
        let count = CACHE_BYTES_MAX / CACHE_ENTRY_BYTES_MAX + 1;
        for number in 0..count {
            cache.keep(&number.to_string(), ByteRange::Full, &bytes, 1);
        }
        assert_eq!(cache.get("0", ByteRange::Full), None);
        assert_eq!(cache.get("1", ByteRange::Full).map(|(_, size)| size), Some(1));
        assert_eq!(cache.get("1", ByteRange::Suffix { length: 1 }), None);
        assert!(cache.bytes <= CACHE_BYTES_MAX);
    }

    #[test]
    fn a_large_part_is_not_kept() {
        let mut cache = ObjectCache::default();
        cache.keep("a", ByteRange::Full, &Bytes::from(vec![0; CACHE_ENTRY_BYTES_MAX + 1]), 1);
        assert_eq!(cache.get("a", ByteRange::Full), None);
    }
}
