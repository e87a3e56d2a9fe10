//! The change record of one transaction: what a shard stores with the commit, sends, and the lake keeps in its tail.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::change::{Change, Row};
use crate::position::{Lsn, Micros};
use crate::relation::{Relation, TableId};

/// One entry, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A table was created or altered: rows that follow have this shape.
    Relation(Relation),
    /// A row changed.
    Change(Change),
    /// A table was dropped: its rows of this shard are gone.
    DropTable(TableId),
}

/// A committed transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Its position.
    pub lsn: Lsn,
    /// When it was stamped: strictly increasing per shard.
    pub stamp: Micros,
    /// What it did. Empty if it touched only tables without capture.
    pub entries: Vec<Entry>,
}

const FORMAT: u8 = 1;
const RELATION: u8 = 1;
const INSERT: u8 = 2;
const UPDATE: u8 = 3;
const DELETE: u8 = 4;
const DROP_TABLE: u8 = 5;

impl Entry {
    /// Appends the entry: a kind byte and its fields. A shard appends entries while the transaction runs.
    pub fn encode(&self, writer: &mut Writer) {
        match self {
            Entry::Relation(relation) => {
                writer.u8(RELATION);
                relation.encode(writer);
            }
            Entry::Change(Change::Insert { table_id, after }) => {
                writer.u8(INSERT);
                writer.varint(u64::from(table_id.0));
                after.encode(writer);
            }
            Entry::Change(Change::Update { table_id, before, after }) => {
                writer.u8(UPDATE);
                writer.varint(u64::from(table_id.0));
                before.encode(writer);
                after.encode(writer);
            }
            Entry::Change(Change::Delete { table_id, before }) => {
                writer.u8(DELETE);
                writer.varint(u64::from(table_id.0));
                before.encode(writer);
            }
            Entry::DropTable(table_id) => {
                writer.u8(DROP_TABLE);
                writer.varint(u64::from(table_id.0));
            }
        }
    }

    /// Takes an entry.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let kind = reader.u8("an entry")?;
        if kind == RELATION {
            return Relation::decode(reader).map(Entry::Relation);
        }
        if !(INSERT..=DROP_TABLE).contains(&kind) {
            return Err(DecodeError::Unknown { what: "entry kind", found: kind });
        }
        let table_id = u32::try_from(reader.varint("a table id")?).map_err(|_| DecodeError::Invalid("a table id"))?;
        let table_id = TableId(table_id);
        Ok(match kind {
            INSERT => Entry::Change(Change::Insert { table_id, after: Row::decode(reader)? }),
            UPDATE => {
                let before = Row::decode(reader)?;
                Entry::Change(Change::Update { table_id, before, after: Row::decode(reader)? })
            }
            DELETE => Entry::Change(Change::Delete { table_id, before: Row::decode(reader)? }),
            _ => Entry::DropTable(table_id),
        })
    }
}

impl Transaction {
    /// How many lake positions it takes: its row changes.
    pub fn change_count(&self) -> u64 {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Change(_))).count() as u64
    }

    /// The record: format byte, lsn, stamp, then entries up to the end of the bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        Transaction::encode_header(self.lsn, self.stamp, &mut writer);
        for entry in &self.entries {
            entry.encode(&mut writer);
        }
        writer.into_bytes()
    }

    /// Appends what comes before the entries, for a shard that has encoded them already.
    pub fn encode_header(lsn: Lsn, stamp: Micros, writer: &mut Writer) {
        writer.u8(FORMAT);
        writer.varint(lsn.get());
        writer.signed(stamp.0);
    }

    /// Reads a record that `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Transaction, DecodeError> {
        let mut reader = Reader::new(bytes);
        match reader.u8("a change record")? {
            FORMAT => {}
            found => {
                return Err(DecodeError::Unknown { what: "change record format", found });
            }
        }
        let lsn = Lsn::new(reader.varint("an lsn")?).ok_or(DecodeError::Invalid("an lsn"))?;
        let stamp = Micros(reader.signed("a stamp")?);
        let mut entries = Vec::new();
        while reader.remaining() > 0 {
            entries.push(Entry::decode(&mut reader)?);
        }
        Ok(Transaction { lsn, stamp, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, ColumnId, ColumnType, Value};
    use proptest::prelude::*;

    fn transaction() -> Transaction {
        let table_id = TableId(7);
        let relation = Relation {
            table_id,
            name: "orders".into(),
            columns: vec![
                Column {
                    id: ColumnId(1),
                    name: "id".into(),
                    former_names: vec![],
                    column_type: ColumnType::Int8,
                    nullable: false,
                },
                Column {
                    id: ColumnId(3),
                    name: "note".into(),
                    former_names: vec!["remark".into()],
                    column_type: ColumnType::Varchar(20),
                    nullable: true,
                },
            ],
            key: vec![0],
        };
        let row = |id, note: Option<&str>| {
            Row(vec![Value::Int8(id), note.map_or(Value::Null, |text| Value::Text(text.into()))])
        };
        Transaction {
            lsn: Lsn::FIRST,
            stamp: Micros(1_700_000_000_000_000),
            entries: vec![
                Entry::Relation(relation),
                Entry::Change(Change::Insert { table_id, after: row(1, Some("a")) }),
                Entry::Change(Change::Update { table_id, before: row(1, Some("a")), after: row(1, None) }),
                Entry::Change(Change::Delete { table_id, before: row(1, None) }),
                Entry::DropTable(table_id),
            ],
        }
    }

    #[test]
    fn a_record_reads_back() {
        assert_eq!(Transaction::decode(&transaction().encode()), Ok(transaction()));
        assert_eq!(transaction().change_count(), 3);
    }

    #[test]
    fn the_bytes_of_version_1_stay_what_they_are() {
        let bytes = transaction().encode();
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, include_str!("../../tests/fixtures/cdc/transaction_v1.hex").trim());
    }

    proptest! {
        #[test]
        fn damaged_records_are_refused_or_read_but_never_panic(at in 0usize..200, byte: u8, cut in 0usize..200) {
            let mut bytes = transaction().encode();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            let _ = std::hint::black_box(Transaction::decode(&bytes));
        }
    }
}
