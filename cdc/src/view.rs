//! What the lake tells a query: for each table where its snapshot is and what came after it, all at one position.
//!
//! The lake makes a view without an `await`, so its tables belong together. The query reads the snapshots from the
//! object store and puts the tails on top.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::change::Row;
use crate::column_type::ColumnType;
use crate::past::{ViewPast, decode_field_id};
use crate::position::{LakePosition, Lsn, Micros};

/// What a query asks the lake for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRequest {
    /// The source tables it names, as (namespace, name). Those that do not exist are left out of the view.
    pub tables: Vec<(String, String)>,
    /// Wait until this database's transaction is accepted (read your writes).
    pub after: Option<(String, Lsn)>,
    /// A snapshot id of one of the tables, to be resolved to the position it stands for.
    pub snapshot_id: Option<i64>,
    /// Tell what history does not: the query names a moment, or changes.
    pub past: bool,
    /// Positions that the query names, to be resolved to the ends of transactions. Sent only with `past`.
    pub positions: Vec<LakePosition>,
}

/// One consistent state of the tables that a query names.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Everything up to here is in the view, nothing after it.
    pub position: LakePosition,
    /// The position that the request's snapshot id stands for; `None` if none was asked for or it is unknown.
    pub snapshot_position: Option<LakePosition>,
    /// Each position that was asked for and the last one at or before it that no transaction straddles.
    pub whole_positions: Vec<(LakePosition, LakePosition)>,
    /// The tables that were asked for and exist.
    pub tables: Vec<ViewTable>,
    /// Last accepted stamp of each shard that feeds the namespaces asked for: a time is final once all have passed it.
    pub stamps: Vec<(String, Micros)>,
}

/// One source table: its Iceberg tables for current rows and for history, and its tail.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewTable {
    /// Namespace.
    pub namespace: String,
    /// Name of the table of current rows; history is `{name}_history`.
    pub name: String,
    /// Metadata of the current rows' table, `None` before its first commit.
    pub metadata_location: Option<String>,
    /// Metadata of the history table, `None` before its first commit.
    pub history_metadata_location: Option<String>,
    /// The position up to which both snapshots are complete.
    pub flushed: LakePosition,
    /// The users' columns with the schema of the view's position, in order; `_key` is among them where it is the key.
    pub fields: Vec<ViewField>,
    /// Changes after `flushed`, in order.
    pub tail: Vec<TailChange>,
    /// There if it was asked for.
    pub past: Option<ViewPast>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewField {
    /// Its Iceberg field id.
    pub field_id: i32,
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// True if it is part of the key.
    pub key: bool,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailOperation {
    /// The row is new.
    Insert,
    /// The row changed; its key did not.
    Update,
    /// The row is gone; the values are those it had.
    Delete,
}

impl TailOperation {
    /// As in `_operation`: `INSERT`, `UPDATE`, `DELETE`.
    pub fn name(self) -> &'static str {
        match self {
            TailOperation::Insert => "INSERT",
            TailOperation::Update => "UPDATE",
            TailOperation::Delete => "DELETE",
        }
    }
}

/// A change that no snapshot holds yet.
#[derive(Clone, Debug, PartialEq)]
pub struct TailChange {
    /// Its position.
    pub position: LakePosition,
    /// What it did.
    pub operation: TailOperation,
    /// Database it came from.
    pub shard: String,
    /// Its transaction.
    pub lsn: Lsn,
    /// The transaction's stamp.
    pub stamp: Micros,
    /// As in `_transaction_id`.
    pub transaction_id: String,
    /// Values in the order of the table's `fields`; if the past was asked for, those of its dropped fields follow.
    pub row: Row,
}

/// A view without the past, and a request for one.
const FORMAT: u8 = 1;
/// With the past. A lake answers in the format in which it was asked, so that either script can be deployed first: what
/// goes on meanwhile without the past does, and a lake that does not know the past yet refuses to tell it.
const FORMAT_PAST: u8 = 2;

fn decode_format(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match reader.u8(what)? {
        FORMAT => Ok(false),
        FORMAT_PAST => Ok(true),
        found => Err(DecodeError::Unknown { what: "view format", found }),
    }
}

impl View {
    /// The view's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let with_past = self.tables.iter().any(|table| table.past.is_some());
        writer.u8(if with_past { FORMAT_PAST } else { FORMAT });
        writer.varint(self.position.0);
        writer.u8(u8::from(self.snapshot_position.is_some()));
        writer.varint(self.snapshot_position.map_or(0, |position| position.0));
        writer.varint(self.tables.len() as u64);
        for table in &self.tables {
            table.encode(&mut writer);
            if with_past {
                table.past.clone().unwrap_or_default().encode(&mut writer);
            }
        }
        writer.varint(self.stamps.len() as u64);
        for (shard, stamp) in &self.stamps {
            writer.text(shard);
            writer.signed(stamp.0);
        }
        if with_past {
            writer.varint(self.whole_positions.len() as u64);
            for (asked, whole) in &self.whole_positions {
                writer.varint(asked.0);
                writer.varint(whole.0);
            }
        }
        writer.into_bytes()
    }

    /// Reads a view.
    pub fn decode(bytes: &[u8]) -> Result<View, DecodeError> {
        let mut reader = Reader::new(bytes);
        let with_past = decode_format(&mut reader, "a view")?;
        let position = LakePosition(reader.varint("a position")?);
        let found = reader.bool("a snapshot position")?;
        let snapshot_position = Some(LakePosition(reader.varint("a position")?)).filter(|_| found);
        let count = reader.count("tables")?;
        let mut tables = Vec::new();
        for _ in 0..count {
            let mut table = ViewTable::decode(&mut reader)?;
            if with_past {
                table.past = Some(ViewPast::decode(&mut reader)?);
            }
            tables.push(table);
        }
        let count = reader.count("stamps")?;
        let mut stamps = Vec::new();
        for _ in 0..count {
            stamps.push((reader.text("a shard")?.to_owned(), Micros(reader.signed("a stamp")?)));
        }
        let mut whole_positions = Vec::new();
        if with_past {
            for _ in 0..reader.count("positions")? {
                let asked = LakePosition(reader.varint("a position")?);
                whole_positions.push((asked, LakePosition(reader.varint("a position")?)));
            }
        }
        reader.finish()?;
        Ok(View { position, snapshot_position, whole_positions, tables, stamps })
    }
}

impl ViewRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(if self.past { FORMAT_PAST } else { FORMAT });
        writer.varint(self.tables.len() as u64);
        for (namespace, name) in &self.tables {
            writer.text(namespace);
            writer.text(name);
        }
        writer.optional_text(self.after.as_ref().map(|(database, _)| database.as_str()));
        writer.varint(self.after.as_ref().map_or(0, |(_, lsn)| lsn.get()));
        writer.u8(u8::from(self.snapshot_id.is_some()));
        writer.signed(self.snapshot_id.unwrap_or_default());
        if self.past {
            writer.varint(self.positions.len() as u64);
            self.positions.iter().for_each(|position| writer.varint(position.0));
        }
        writer.into_bytes()
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8]) -> Result<ViewRequest, DecodeError> {
        let mut reader = Reader::new(bytes);
        let past = decode_format(&mut reader, "a view request")?;
        let count = reader.count("tables")?;
        let mut tables = Vec::new();
        for _ in 0..count {
            tables.push((reader.text("a namespace")?.to_owned(), reader.text("a table")?.to_owned()));
        }
        let database = reader.optional_text("a database")?.map(str::to_owned);
        let lsn = Lsn::new(reader.varint("an lsn")?);
        let found = reader.bool("a snapshot id")?;
        let snapshot_id = Some(reader.signed("a snapshot id")?).filter(|_| found);
        let mut positions = Vec::new();
        if past {
            for _ in 0..reader.count("positions")? {
                positions.push(LakePosition(reader.varint("a position")?));
            }
        }
        reader.finish()?;
        Ok(ViewRequest { tables, after: database.zip(lsn), snapshot_id, past, positions })
    }
}

impl ViewTable {
    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.namespace);
        writer.text(&self.name);
        writer.optional_text(self.metadata_location.as_deref());
        writer.optional_text(self.history_metadata_location.as_deref());
        writer.varint(self.flushed.0);
        ViewField::encode_all(&self.fields, writer);
        writer.varint(self.tail.len() as u64);
        for change in &self.tail {
            change.encode(writer);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<ViewTable, DecodeError> {
        let namespace = reader.text("a namespace")?.to_owned();
        let name = reader.text("a table")?.to_owned();
        let metadata_location = reader.optional_text("a location")?.map(str::to_owned);
        let history_metadata_location = reader.optional_text("a location")?.map(str::to_owned);
        let flushed = LakePosition(reader.varint("a position")?);
        let fields = ViewField::decode_all(reader)?;
        let count = reader.count("a tail")?;
        let mut tail = Vec::new();
        for _ in 0..count {
            tail.push(TailChange::decode(reader)?);
        }
        let past = None;
        Ok(ViewTable { namespace, name, metadata_location, history_metadata_location, flushed, fields, tail, past })
    }
}

impl ViewField {
    pub(crate) fn encode_all(fields: &[ViewField], writer: &mut Writer) {
        writer.varint(fields.len() as u64);
        for field in fields {
            writer.signed(i64::from(field.field_id));
            writer.text(&field.name);
            field.column_type.encode(writer);
            writer.u8(u8::from(field.key));
        }
    }

    pub(crate) fn decode_all(reader: &mut Reader<'_>) -> Result<Vec<ViewField>, DecodeError> {
        let count = reader.count("fields")?;
        let mut fields = Vec::new();
        for _ in 0..count {
            fields.push(ViewField {
                field_id: decode_field_id(reader)?,
                name: reader.text("a field")?.to_owned(),
                column_type: ColumnType::decode(reader)?,
                key: reader.bool("a key flag")?,
            });
        }
        Ok(fields)
    }
}

impl TailChange {
    fn encode(&self, writer: &mut Writer) {
        writer.varint(self.position.0);
        writer.u8(match self.operation {
            TailOperation::Insert => 1,
            TailOperation::Update => 2,
            TailOperation::Delete => 3,
        });
        writer.text(&self.shard);
        writer.varint(self.lsn.get());
        writer.signed(self.stamp.0);
        writer.text(&self.transaction_id);
        self.row.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<TailChange, DecodeError> {
        Ok(TailChange {
            position: LakePosition(reader.varint("a position")?),
            operation: match reader.u8("an operation")? {
                1 => TailOperation::Insert,
                2 => TailOperation::Update,
                3 => TailOperation::Delete,
                found => {
                    return Err(DecodeError::Unknown { what: "operation", found });
                }
            },
            shard: reader.text("a shard")?.to_owned(),
            lsn: Lsn::new(reader.varint("an lsn")?).ok_or(DecodeError::Invalid("an lsn"))?,
            stamp: Micros(reader.signed("a stamp")?),
            transaction_id: reader.text("a transaction id")?.to_owned(),
            row: Row::decode(reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::past::{Alteration, Before, Gap, Point, Removal};
    use proptest::prelude::*;

    fn view() -> View {
        View {
            position: LakePosition(12),
            snapshot_position: None,
            whole_positions: Vec::new(),
            tables: vec![ViewTable {
                namespace: "default".into(),
                name: "orders".into(),
                metadata_location: Some("s3://lakehouse/warehouse/default/orders/metadata/1.json".into()),
                history_metadata_location: None,
                flushed: LakePosition(11),
                fields: vec![ViewField { field_id: 1, name: "id".into(), column_type: ColumnType::Int8, key: true }],
                tail: vec![TailChange {
                    position: LakePosition(12),
                    operation: TailOperation::Delete,
                    shard: "default".into(),
                    lsn: Lsn::FIRST,
                    stamp: Micros(5),
                    transaction_id: "x".into(),
                    row: Row(vec![Value::Int8(4)]),
                }],
                past: None,
            }],
            stamps: vec![("default".into(), Micros(5))],
        }
    }

    fn view_with_past() -> View {
        let point = |position, stamp| Point { position: LakePosition(position), stamp: Micros(stamp) };
        let mut view = view();
        let field =
            |field_id, name: &str| ViewField { field_id, name: name.into(), column_type: ColumnType::Text, key: false };
        view.whole_positions = vec![(LakePosition(9), LakePosition(7))];
        view.tables[0].past = Some(ViewPast {
            created: Some(point(1, -1)),
            dropped: vec![field(11, "note__11"), field(12, "note")],
            alterations: vec![
                Alteration { at: point(2, 3), before: Before::Absent(11) },
                Alteration { at: point(3, 4), before: Before::Named(11, "remark".into()) },
                Alteration { at: point(4, 5), before: Before::Key(vec![1, 11]) },
            ],
            names_since: Some(point(1, 1)),
            removals: vec![Removal { shard: "shop".into(), upto: LakePosition(4), at: point(5, 6) }],
            removals_unknown: Some(Gap { from: point(1, 2), to: Some(point(2, 3)) }),
        });
        view
    }

    #[test]
    fn a_request_reads_back() {
        for past in [false, true] {
            let request = ViewRequest {
                tables: vec![("default".into(), "orders".into())],
                after: Lsn::new(9).map(|lsn| ("shop".into(), lsn)),
                snapshot_id: Some(-4),
                past,
                positions: if past { vec![LakePosition(9)] } else { Vec::new() },
            };
            assert_eq!(ViewRequest::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn a_view_reads_back() {
        assert_eq!(View::decode(&view().encode()), Ok(view()));
        assert_eq!(View::decode(&view_with_past().encode()), Ok(view_with_past()));
    }

    #[test]
    fn what_does_not_ask_for_the_past_is_understood_by_who_does_not_know_it() {
        assert_eq!(view().encode()[0], 1);
        assert_eq!(view_with_past().encode()[0], 2);
        let mut later = view().encode();
        later[0] = 3;
        assert_eq!(View::decode(&later), Err(DecodeError::Unknown { what: "view format", found: 3 }));
    }

    proptest! {
        #[test]
        fn damaged_views_never_panic(at in 0usize..400, byte: u8) {
            let mut bytes = view_with_past().encode();
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = std::hint::black_box(View::decode(&bytes));
        }
    }
}
