//! CRC-32C and CRC-64/NVME, eight bytes at a time: in wasm there is no instruction for either.

/// A reflected CRC of up to 64 bits, all ones at the start and inverted at the end.
#[derive(Clone)]
pub(super) struct Crc {
    tables: &'static [[u64; 256]; 8],
    ones: u64,
    state: u64,
}

static CRC32C_TABLES: [[u64; 256]; 8] = tables(0x82f6_3b78);
static CRC64NVME_TABLES: [[u64; 256]; 8] = tables(0x9a6c_9329_ac4b_c9b5);

const fn tables(polynomial: u64) -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

impl Crc {
    pub(super) fn crc32c() -> Crc {
        Crc { tables: &CRC32C_TABLES, ones: u64::from(u32::MAX), state: u64::from(u32::MAX) }
    }

    pub(super) fn crc64nvme() -> Crc {
        Crc { tables: &CRC64NVME_TABLES, ones: u64::MAX, state: u64::MAX }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let mut state = self.state;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mixed = (state ^ u64::from_le_bytes(*word)).to_le_bytes();
            // The first byte has seven more to go through.
            state = mixed
                .iter()
                .zip(self.tables.iter().rev())
                .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            state = self.tables[0][usize::from(state.to_le_bytes()[0] ^ byte)] ^ (state >> 8);
        }
        self.state = state;
    }

    pub(super) fn value(&self) -> u64 {
        self.state ^ self.ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_values_of_the_catalogue_of_crcs() {
        let mut crc = Crc::crc32c();
        crc.update(b"123456789");
        assert_eq!(crc.value(), 0xe306_9283);
        let mut crc = Crc::crc64nvme();
        crc.update(b"123456789");
        assert_eq!(crc.value(), 0xae8b_1486_0a79_9888);
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(bytes: Vec<u8>, at: usize) {
            for crc in [Crc::crc32c(), Crc::crc64nvme()] {
                let (mut whole, mut pieces) = (crc.clone(), crc);
                let at = at % (bytes.len() + 1);
                whole.update(&bytes);
                pieces.update(&bytes[..at]);
                pieces.update(&bytes[at..]);
                prop_assert_eq!(whole.value(), pieces.value());
            }
        }
    }
}
