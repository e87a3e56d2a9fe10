//! One transaction in the log: what it did to pages, and its change record.
//!
//! The first row of an entry is all there is, as a rule. A change record of more than one part goes on in further
//! rows of the same batch, each sealed by itself, so that no row grows beyond the platform's 2 MB.
//!
//! ```text
//! key    'l'  branch u32  lsn u64  part u32                      big-endian
//! part 0 1  lsn  stamp  page_count  record_bytes                 varints, the stamp zigzag
//!           count  page number × count  counted lz4 block        the deltas, 4096 bytes each before lz4
//!           parts  counted first part  crc32
//! part n 1  bytes of the part  crc32
//! ```

use std::rc::Rc;

use lake_cdc::limits::PART_BYTES_MAX;
use lake_cdc::{Lsn, Micros, Reader, Writer};
use lake_host::{WriteBatch, blob};

use super::keys::{self, BranchId};
use super::page_image::Page;
use super::{Stored, base::LogPosition};
use crate::limits::{DELTA_PAGES_MAX, PAGE_BYTES, PAGES_MAX};

const FORMAT: u8 = 1;

/// The first row of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// Its lsn, and the facts after it.
    pub(crate) position: LogPosition,
    /// What it did to pages. Empty if it wrote their images.
    pub(crate) pages: PageDeltas,
    /// How many parts its change record has. At least one.
    pub(crate) parts: u32,
    /// The first part.
    pub(crate) part: Vec<u8>,
}

/// Changed pages, each as the exclusive or with what it was: mostly zeros, which compress to little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageDeltas {
    numbers: Vec<u32>,
    compressed: Vec<u8>,
}

impl PageDeltas {
    /// The deltas of `(page number, before, after)`.
    pub(crate) fn between(changed: &[(u32, Rc<Page>, Rc<Page>)]) -> PageDeltas {
        let mut deltas = Vec::with_capacity(changed.len() * PAGE_BYTES);
        for (_, before, after) in changed {
            deltas.extend(before.iter().zip(after.iter()).map(|(before, after)| before ^ after));
        }
        PageDeltas {
            numbers: changed.iter().map(|(number, ..)| *number).collect(),
            compressed: lz4_flex::block::compress(&deltas),
        }
    }

    /// Bytes that they take in the log.
    pub(crate) fn len(&self) -> usize {
        self.compressed.len() + self.numbers.len() * 4
    }

    /// The pages after it, given each page before it.
    pub(crate) fn apply<E: From<Stored>>(
        &self,
        mut before: impl FnMut(u32) -> Result<Rc<Page>, E>,
    ) -> Result<Vec<(u32, Rc<Page>)>, E> {
        let length = self.numbers.len() * PAGE_BYTES;
        let deltas = lz4_flex::block::decompress(&self.compressed, length).map_err(|_| Stored::Pages("not lz4"))?;
        if deltas.len() != length {
            return Err(Stored::Pages("not whole pages").into());
        }
        let mut pages = Vec::with_capacity(self.numbers.len());
        for (number, delta) in self.numbers.iter().zip(deltas.chunks_exact(PAGE_BYTES)) {
            let mut page = *before(*number)?;
            page.iter_mut().zip(delta).for_each(|(byte, delta)| *byte ^= delta);
            pages.push((*number, Rc::new(page)));
        }
        Ok(pages)
    }
}

impl LogEntry {
    /// The sealed bytes of the first row.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.varint(self.position.lsn.map_or(0, Lsn::get));
        writer.signed(self.position.stamp.0);
        writer.varint(u64::from(self.position.page_count));
        writer.varint(self.position.record_bytes);
        writer.varint(self.pages.numbers.len() as u64);
        for number in &self.pages.numbers {
            writer.varint(u64::from(*number));
        }
        writer.counted(&self.pages.compressed);
        writer.varint(u64::from(self.parts));
        writer.counted(&self.part);
        blob::seal(FORMAT, &writer.into_bytes())
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<LogEntry, Stored> {
        let mut reader = Reader::new(blob::open(FORMAT, bytes)?);
        let lsn = Lsn::new(reader.varint("an lsn")?).ok_or(Stored::Pages("an lsn of zero"))?;
        let stamp = Micros(reader.signed("a stamp")?);
        let page_count = page_number(&mut reader)?;
        let record_bytes = reader.varint("a byte count")?;
        let count = reader.count("page numbers")?;
        if count > DELTA_PAGES_MAX {
            return Err(Stored::Pages("too many pages"));
        }
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            numbers.push(page_number(&mut reader)?);
        }
        let compressed = reader.counted("page deltas")?.to_vec();
        let parts = u32::try_from(reader.varint("parts")?).map_err(|_| Stored::Pages("too many parts"))?;
        let part = reader.counted("a part")?.to_vec();
        reader.finish()?;
        Ok(LogEntry {
            position: LogPosition { lsn: Some(lsn), stamp, page_count, record_bytes },
            pages: PageDeltas { numbers, compressed },
            parts,
            part,
        })
    }
}

fn page_number(reader: &mut Reader<'_>) -> Result<u32, Stored> {
    match u32::try_from(reader.varint("a page number")?) {
        Ok(number) if number <= PAGES_MAX => Ok(number),
        _ => Err(Stored::Pages("a page number beyond the limit")),
    }
}

/// Adds the rows of a transaction to its batch.
pub(crate) fn stage(batch: &mut WriteBatch, branch: BranchId, position: LogPosition, pages: PageDeltas, record: &[u8]) {
    let Some(lsn) = position.lsn else { return };
    let bytes = if lake_host::rarely!("shard: a record in small parts") { 200 } else { PART_BYTES_MAX };
    let mut parts = record.chunks(bytes);
    let part = parts.next().unwrap_or_default().to_vec();
    let entry = LogEntry { position, pages, parts: 1 + parts.len() as u32, part };
    batch.put(keys::log(branch, lsn, 0), entry.encode());
    for (index, part) in parts.enumerate() {
        batch.put(keys::log(branch, lsn, index as u32 + 1), encode_part(part));
    }
}

/// A further part of a change record, sealed.
pub(crate) fn encode_part(part: &[u8]) -> Vec<u8> {
    blob::seal(FORMAT, part)
}

/// Reads what `encode_part` wrote.
pub(crate) fn decode_part(bytes: &[u8]) -> Result<Vec<u8>, Stored> {
    Ok(blob::open(FORMAT, bytes)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    fn entry() -> LogEntry {
        let before = Rc::new([0; PAGE_BYTES]);
        let mut after = [0; PAGE_BYTES];
        after[100..108].copy_from_slice(b"lakehous");
        LogEntry {
            position: LogPosition { lsn: Lsn::new(300), stamp: Micros(17), page_count: 3, record_bytes: 5 },
            pages: PageDeltas::between(&[(2, before, Rc::new(after))]),
            parts: 1,
            part: b"rows".to_vec(),
        }
    }

    #[test]
    fn an_entry_reads_back_and_its_deltas_give_the_pages() {
        let read = LogEntry::decode(&entry().encode()).expect("readable");
        assert_eq!(read, entry());
        let pages = read.pages.apply::<Stored>(|_| Ok(Rc::new([0; PAGE_BYTES]))).expect("applies");
        assert_eq!((pages[0].0, &pages[0].1[100..108]), (2, &b"lakehous"[..]));
    }

    #[test]
    fn the_bytes_of_format_1_stay_readable() {
        let bytes = fixture(include_str!("../../../tests/fixtures/dosql/log_entry_v1.hex"));
        let read = LogEntry::decode(&bytes).expect("readable");
        assert_eq!((read.position, read.part), (entry().position, entry().part));
        let pages = read.pages.apply::<Stored>(|_| Ok(Rc::new([0; PAGE_BYTES]))).expect("applies");
        assert_eq!(&pages[0].1[100..108], b"lakehous");
    }

    proptest! {
        #[test]
        fn damaged_entries_are_refused(at: usize, flip in 1u8..) {
            let mut bytes = entry().encode();
            let length = bytes.len();
            bytes[at % length] ^= flip;
            prop_assert!(LogEntry::decode(&bytes).is_err());
        }

        #[test]
        fn sealed_rubbish_never_panics(payload: Vec<u8>) {
            if let Ok(entry) = LogEntry::decode(&blob::seal(FORMAT, &payload)) {
                let _ = std::hint::black_box(entry.pages.apply::<Stored>(|_| Ok(Rc::new([0; PAGE_BYTES]))));
            }
        }
    }
}
