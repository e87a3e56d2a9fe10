//! The image of one page, keyed (branch, page, lsn).
//!
//! ```text
//! key    'p'  branch u32  page u32  lsn u64                      big-endian
//! value  1  lz4 block  crc32       or       2  4096 bytes  crc32
//! ```

use lake_host::blob;

use super::Stored;
use crate::limits::PAGE_BYTES;

/// The bytes of a page.
pub(crate) type Page = [u8; PAGE_BYTES];

const LZ4: u8 = 1;
/// For pages that lz4 cannot make smaller.
const RAW: u8 = 2;

/// The sealed image.
pub(crate) fn encode(page: &Page) -> Vec<u8> {
    let compressed = lz4_flex::block::compress(page);
    if compressed.len() < PAGE_BYTES { blob::seal(LZ4, &compressed) } else { blob::seal(RAW, page) }
}

/// Reads what `encode` wrote.
pub(crate) fn decode(bytes: &[u8]) -> Result<Page, Stored> {
    let mut page = [0; PAGE_BYTES];
    let length = match blob::open_any(bytes)? {
        (LZ4, payload) => lz4_flex::block::decompress_into(payload, &mut page).map_err(|_| Stored::Pages("not lz4"))?,
        (RAW, payload) if payload.len() == PAGE_BYTES => {
            page.copy_from_slice(payload);
            PAGE_BYTES
        }
        (RAW, _) => 0,
        (found, _) => return Err(blob::BlobError::Format(found).into()),
    };
    if length == PAGE_BYTES { Ok(page) } else { Err(Stored::Pages("not a whole page")) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_both_formats_stay_readable() {
        let compressed = fixture(include_str!("../../../tests/fixtures/dosql/page_image_v1.hex"));
        assert_eq!(decode(&compressed).ok(), Some([7; PAGE_BYTES]));
        assert_eq!(decode(&blob::seal(RAW, &[9; PAGE_BYTES])).ok(), Some([9; PAGE_BYTES]));
    }

    proptest! {
        #[test]
        fn a_page_reads_back(seed: u64, sparse: bool) {
            let mut page = [0; PAGE_BYTES];
            let mut state = seed | 1;
            for (index, byte) in page.iter_mut().enumerate() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if !sparse || index % 97 == 0 { *byte = (state >> 56) as u8; }
            }
            prop_assert_eq!(decode(&encode(&page)).ok(), Some(page));
        }

        #[test]
        fn damaged_images_are_refused(at: usize, flip in 1u8..) {
            let mut bytes = encode(&[7; PAGE_BYTES]);
            let length = bytes.len();
            bytes[at % length] ^= flip;
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn sealed_rubbish_never_panics(format in 0u8..4, payload: Vec<u8>) {
            let _ = std::hint::black_box(decode(&blob::seal(format, &payload)));
        }
    }
}
