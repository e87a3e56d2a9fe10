//! SipHash-2-4 of a key: keyed, so that nobody can choose keys that collide.

/// Hashes (shard, key).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHasher {
    key: [u64; 2],
    mask: u64,
}

impl KeyHasher {
    pub(crate) fn new(key: [u64; 2], mask: u64) -> KeyHasher {
        KeyHasher { key, mask }
    }

    /// The hash of a row's key. Shards are named by number, which never changes.
    pub(crate) fn hash(&self, shard: u32, key: &[u8]) -> u64 {
        let mut bytes = Vec::with_capacity(key.len() + 4);
        bytes.extend_from_slice(&shard.to_le_bytes());
        bytes.extend_from_slice(key);
        sip_2_4(self.key, &bytes) & self.mask
    }
}

fn sip_2_4(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        absorb(&mut v, u64::from_le_bytes(word));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    last[7] = bytes.len() as u8;
    absorb(&mut v, u64::from_le_bytes(last));
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    round(v);
    v[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_hold() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes = (0..15).collect::<Vec<u8>>();
        assert_eq!(sip_2_4(key, &bytes), 0xa129_ca61_49be_45e5);
        assert_eq!(sip_2_4(key, &[]), 0x726f_db47_dd0e_0e31);
    }
}
