//! Admitted transactions of one shard, in terms of the lake: what is stored before the acknowledgement.
//!
//! ```text
//! shard number · timeline · accepted at · position before the first change · flags (1: the transaction goes on in the next blob)
//! tables named · transactions: lsn · stamp · entries: kind · shape or table · images, counted
//! ```
//! Integers are varints. A change's position is the blob's first plus the number of changes before it.

use lake_cdc::{DecodeError, Lsn, Micros, Reader, Row, TimelineId, Value, Writer};
use lake_host::blob;

use crate::error::LakeError;

const FORMAT: u8 = 1;
const INSERT: u8 = 1;
const UPDATE: u8 = 2;
const DELETE: u8 = 3;
const DROP_TABLE: u8 = 4;
const END_OF_SHARD: u8 = 5;

/// A stored batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TailBlob {
    pub(crate) shard: u32,
    pub(crate) timeline: TimelineId,
    pub(crate) accepted_at: i64,
    /// Position before the first change.
    pub(crate) base: u64,
    /// The last transaction has entries in the next blob.
    pub(crate) continues: bool,
    /// Tables that have entries, ascending.
    pub(crate) tables: Vec<u32>,
    pub(crate) transactions: Vec<TailTransaction>,
}

/// A transaction, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TailTransaction {
    pub(crate) lsn: Lsn,
    pub(crate) stamp: Micros,
    pub(crate) entries: Vec<TailEntry>,
}

/// The bytes of a row, decoded when somebody wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TailRow(pub(crate) Vec<u8>);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TailEntry {
    Insert {
        shape: u32,
        after: TailRow,
    },
    Update {
        shape: u32,
        before: TailRow,
        after: TailRow,
    },
    Delete {
        shape: u32,
        before: TailRow,
    },
    /// The shard's rows of this table are gone.
    DropTable {
        table: u32,
    },
    /// The shard's rows of all tables are gone.
    EndOfShard,
}

impl TailTransaction {
    /// Entries that take a position.
    fn changes(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.is_change()).count() as u64
    }
}

impl TailRow {
    pub(crate) fn of(row: &Row) -> TailRow {
        let mut writer = Writer::new();
        row.encode(&mut writer);
        TailRow(writer.into_bytes())
    }

    pub(crate) fn decode(&self) -> Result<Row, DecodeError> {
        let mut reader = Reader::new(&self.0);
        let row = Row::decode(&mut reader)?;
        reader.finish()?;
        Ok(row)
    }

    /// The values at these indexes, in their order in the row; of a large row the others are not all in memory.
    pub(crate) fn decode_some(&self, indexes: &[usize]) -> Result<Vec<(usize, Value)>, DecodeError> {
        let mut reader = Reader::new(&self.0);
        let mut values = Vec::new();
        for index in 0..reader.count("a row")? {
            let value = Value::decode(&mut reader)?;
            if indexes.contains(&index) {
                values.push((index, value));
            }
        }
        Ok(values)
    }
}

impl TailEntry {
    /// True if it takes a position.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self, TailEntry::Insert { .. } | TailEntry::Update { .. } | TailEntry::Delete { .. })
    }

    /// Bytes it takes, about.
    pub(crate) fn size(&self) -> usize {
        8 + match self {
            TailEntry::Insert { after: row, .. } | TailEntry::Delete { before: row, .. } => row.0.len(),
            TailEntry::Update { before, after, .. } => before.0.len() + after.0.len(),
            TailEntry::DropTable { .. } | TailEntry::EndOfShard => 0,
        }
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            TailEntry::Insert { shape, after } => {
                writer.u8(INSERT);
                writer.varint(u64::from(*shape));
                writer.counted(&after.0);
            }
            TailEntry::Update { shape, before, after } => {
                writer.u8(UPDATE);
                writer.varint(u64::from(*shape));
                writer.counted(&before.0);
                writer.counted(&after.0);
            }
            TailEntry::Delete { shape, before } => {
                writer.u8(DELETE);
                writer.varint(u64::from(*shape));
                writer.counted(&before.0);
            }
            TailEntry::DropTable { table } => {
                writer.u8(DROP_TABLE);
                writer.varint(u64::from(*table));
            }
            TailEntry::EndOfShard => writer.u8(END_OF_SHARD),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<TailEntry, DecodeError> {
        let row = |reader: &mut Reader<'_>| reader.counted("a row").map(|bytes| TailRow(bytes.to_vec()));
        Ok(match reader.u8("an entry")? {
            INSERT => TailEntry::Insert { shape: number(reader)?, after: row(reader)? },
            UPDATE => TailEntry::Update { shape: number(reader)?, before: row(reader)?, after: row(reader)? },
            DELETE => TailEntry::Delete { shape: number(reader)?, before: row(reader)? },
            DROP_TABLE => TailEntry::DropTable { table: number(reader)? },
            END_OF_SHARD => TailEntry::EndOfShard,
            found => return Err(DecodeError::Unknown { what: "tail entry", found }),
        })
    }
}

fn number(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    u32::try_from(reader.varint("a number")?).map_err(|_| DecodeError::Invalid("a number"))
}

impl TailBlob {
    /// Position of the last change.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.transactions.iter().map(TailTransaction::changes).sum::<u64>()
    }

    /// Position before the first change of its last transaction, of what this blob has of it.
    pub(crate) fn start_of_last(&self) -> u64 {
        self.end() - self.transactions.last().map_or(0, TailTransaction::changes)
    }

    /// The end of the last transaction that ends here at or before `wanted`.
    pub(crate) fn last_end(&self, wanted: u64) -> Option<u64> {
        let ended = self.transactions.len().saturating_sub(usize::from(self.continues));
        let ends = self.transactions.iter().take(ended).scan(self.base, |end, transaction| {
            *end += transaction.changes();
            Some(*end)
        });
        ends.take_while(|end| *end <= wanted).last()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.varint(u64::from(self.shard));
        writer.raw(&self.timeline.0);
        writer.signed(self.accepted_at);
        writer.varint(self.base);
        writer.u8(u8::from(self.continues));
        writer.varint(self.tables.len() as u64);
        for table in &self.tables {
            writer.varint(u64::from(*table));
        }
        writer.varint(self.transactions.len() as u64);
        for transaction in &self.transactions {
            writer.varint(transaction.lsn.get());
            writer.signed(transaction.stamp.0);
            writer.varint(transaction.entries.len() as u64);
            for entry in &transaction.entries {
                entry.encode(&mut writer);
            }
        }
        blob::seal(FORMAT, &writer.into_bytes())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<TailBlob, LakeError> {
        let payload = blob::open(FORMAT, bytes).map_err(|error| LakeError::damaged("tail", error))?;
        TailBlob::decode_payload(payload).map_err(|error| LakeError::damaged("tail", error))
    }

    fn decode_payload(payload: &[u8]) -> Result<TailBlob, DecodeError> {
        let mut reader = Reader::new(payload);
        let shard = number(&mut reader)?;
        let timeline = TimelineId(reader.array("a timeline")?);
        let accepted_at = reader.signed("a time")?;
        let base = reader.varint("a position")?;
        let continues = reader.bool("flags")?;
        let mut tables = Vec::new();
        for _ in 0..reader.count("tables")? {
            tables.push(number(&mut reader)?);
        }
        let mut transactions = Vec::new();
        for _ in 0..reader.count("transactions")? {
            let lsn = Lsn::new(reader.varint("an lsn")?).ok_or(DecodeError::Invalid("an lsn"))?;
            let stamp = Micros(reader.signed("a stamp")?);
            let mut entries = Vec::new();
            for _ in 0..reader.count("entries")? {
                entries.push(TailEntry::decode(&mut reader)?);
            }
            transactions.push(TailTransaction { lsn, stamp, entries });
        }
        reader.finish()?;
        Ok(TailBlob { shard, timeline, accepted_at, base, continues, tables, transactions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blob() -> TailBlob {
        let row = TailRow::of(&Row(vec![Value::Int8(1), Value::Null]));
        TailBlob {
            shard: 3,
            timeline: TimelineId([7; 16]),
            accepted_at: -5,
            base: 1 << 40,
            continues: true,
            tables: vec![1, 4],
            transactions: vec![TailTransaction {
                lsn: Lsn::FIRST,
                stamp: Micros(9),
                entries: vec![
                    TailEntry::Insert { shape: 1, after: row.clone() },
                    TailEntry::Update { shape: 1, before: row.clone(), after: row.clone() },
                    TailEntry::Delete { shape: 2, before: row },
                    TailEntry::DropTable { table: 4 },
                    TailEntry::EndOfShard,
                ],
            }],
        }
    }

    #[test]
    fn a_blob_reads_back_and_ends_at_its_last_change() {
        assert_eq!(TailBlob::decode(&blob().encode()).unwrap(), blob());
        assert_eq!(blob().end(), (1 << 40) + 3);
    }

    #[test]
    fn the_bytes_of_version_1_stay_what_they_are() {
        let hex = blob().encode().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, include_str!("../../../tests/fixtures/lake/tail_blob_v1.hex").trim());
    }

    #[test]
    fn values_of_a_row_are_read_by_their_indexes() {
        let row = TailRow::of(&Row(vec![Value::Int8(1), Value::Text("x".into()), Value::Null]));
        assert_eq!(row.decode_some(&[2, 0]).unwrap(), [(0, Value::Int8(1)), (2, Value::Null)]);
    }

    #[test]
    fn damage_is_told() {
        let mut bytes = blob().encode();
        bytes[5] ^= 1;
        assert!(matches!(TailBlob::decode(&bytes), Err(LakeError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(bytes: Vec<u8>) {
            let _ = std::hint::black_box(TailBlob::decode(&blob::seal(FORMAT, &bytes)));
        }
    }
}
