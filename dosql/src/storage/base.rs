//! Where the page images of a branch stand: every page at or before this position is in an image.
//!
//! ```text
//! key    'b'  branch u32
//! value  1  lsn  stamp  page_count  record_bytes  crc32          varints, the stamp zigzag
//! ```

use lake_cdc::{Lsn, Micros, Reader, Writer};
use lake_host::blob;

use super::Stored;

const FORMAT: u8 = 1;

/// A position in the log with what has to be known about it without reading the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// The transaction, `None` before the first.
    pub(crate) lsn: Option<Lsn>,
    /// Its stamp.
    pub(crate) stamp: Micros,
    /// Pages of the database.
    pub(crate) page_count: u32,
    /// Bytes of all change records up to here.
    pub(crate) record_bytes: u64,
}

impl LogPosition {
    /// The sealed bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.varint(self.lsn.map_or(0, Lsn::get));
        writer.signed(self.stamp.0);
        writer.varint(u64::from(self.page_count));
        writer.varint(self.record_bytes);
        blob::seal(FORMAT, &writer.into_bytes())
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<LogPosition, Stored> {
        let mut reader = Reader::new(blob::open(FORMAT, bytes)?);
        let position = LogPosition {
            lsn: Lsn::new(reader.varint("an lsn")?),
            stamp: Micros(reader.signed("a stamp")?),
            page_count: u32::try_from(reader.varint("a page count")?).map_err(|_| Stored::Pages("a page count"))?,
            record_bytes: reader.varint("a byte count")?,
        };
        reader.finish()?;
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_position_reads_back() {
        let position = LogPosition {
            lsn: Lsn::new(300),
            stamp: Micros(-5),
            page_count: 12,
            record_bytes: u64::from(u32::MAX) + 9,
        };
        assert_eq!(LogPosition::decode(&position.encode()).ok(), Some(position));
    }

    #[test]
    fn the_bytes_of_format_1_stay_what_they_are() {
        let position = LogPosition { lsn: Lsn::new(300), stamp: Micros(-5), page_count: 12, record_bytes: 1 << 33 };
        assert_eq!(position.encode(), fixture(include_str!("../../../tests/fixtures/dosql/base_v1.hex")));
    }

    proptest! {
        #[test]
        fn sealed_rubbish_never_panics(payload: Vec<u8>) {
            let _ = std::hint::black_box(LogPosition::decode(&blob::seal(FORMAT, &payload)));
        }
    }
}
