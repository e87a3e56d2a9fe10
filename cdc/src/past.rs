//! What a query of the past needs besides history: which rows went without a change, and what columns were called.
//!
//! History has one row for each change. A dropped table and a deleted database change no row, and a column's name is
//! the present one, so the lake keeps these beside it and sends them with a view to a query that asks for the past.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::position::{LakePosition, Micros};
use crate::view::ViewField;

/// When something that is no row change happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// States at and after this position know of it.
    pub position: LakePosition,
    /// The stamp of its transaction.
    pub stamp: Micros,
}

/// The past of a table that its history does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewPast {
    /// When the lake met the table; `None` if that is not known.
    pub created: Option<Point>,
    /// Fields that current rows do not have any more, under the names that history has for them.
    pub dropped: Vec<ViewField>,
    /// What happened to the columns, in order. Undone from the last one back they lead to any earlier schema.
    pub alterations: Vec<Alteration>,
    /// Alterations up to here are forgotten.
    pub names_since: Option<Point>,
    /// Rows that went without a change of theirs, in order.
    pub removals: Vec<Removal>,
    /// Removals in here are forgotten.
    pub removals_unknown: Option<Gap>,
}

/// A change of a table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// When.
    pub at: Point,
    /// What it was before.
    pub before: Before,
}

/// What was before a change of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// The field was not there.
    Absent(i32),
    /// The field was there under this name.
    Named(i32, String),
    /// The key had these fields.
    Key(Vec<i32>),
}

/// A shard dropped the table, or was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose rows went.
    pub shard: String,
    /// All of its changes up to here count no more.
    pub upto: LakePosition,
    /// When.
    pub at: Point,
}

/// Moments at or after `from` and before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first moment.
    pub from: Point,
    /// The first moment after it; `None` if it has no end.
    pub to: Option<Point>,
}

impl Point {
    fn encode(self, writer: &mut Writer) {
        writer.varint(self.position.0);
        writer.signed(self.stamp.0);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Point, DecodeError> {
        Ok(Point { position: LakePosition(reader.varint("a position")?), stamp: Micros(reader.signed("a stamp")?) })
    }

    fn encode_optional(point: Option<Point>, writer: &mut Writer) {
        writer.u8(u8::from(point.is_some()));
        if let Some(point) = point {
            point.encode(writer);
        }
    }

    fn decode_optional(reader: &mut Reader<'_>) -> Result<Option<Point>, DecodeError> {
        if reader.bool("a point")? { Point::decode(reader).map(Some) } else { Ok(None) }
    }
}

impl ViewPast {
    pub(crate) fn encode(&self, writer: &mut Writer) {
        Point::encode_optional(self.created, writer);
        ViewField::encode_all(&self.dropped, writer);
        writer.varint(self.alterations.len() as u64);
        for alteration in &self.alterations {
            alteration.at.encode(writer);
            alteration.before.encode(writer);
        }
        Point::encode_optional(self.names_since, writer);
        writer.varint(self.removals.len() as u64);
        for removal in &self.removals {
            writer.text(&removal.shard);
            writer.varint(removal.upto.0);
            removal.at.encode(writer);
        }
        Point::encode_optional(self.removals_unknown.map(|gap| gap.from), writer);
        Point::encode_optional(self.removals_unknown.and_then(|gap| gap.to), writer);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<ViewPast, DecodeError> {
        let created = Point::decode_optional(reader)?;
        let dropped = ViewField::decode_all(reader)?;
        let mut alterations = Vec::new();
        for _ in 0..reader.count("alterations")? {
            alterations.push(Alteration { at: Point::decode(reader)?, before: Before::decode(reader)? });
        }
        let names_since = Point::decode_optional(reader)?;
        let mut removals = Vec::new();
        for _ in 0..reader.count("removals")? {
            removals.push(Removal {
                shard: reader.text("a shard")?.to_owned(),
                upto: LakePosition(reader.varint("a position")?),
                at: Point::decode(reader)?,
            });
        }
        let from = Point::decode_optional(reader)?;
        let to = Point::decode_optional(reader)?;
        let removals_unknown = from.map(|from| Gap { from, to });
        Ok(ViewPast { created, dropped, alterations, names_since, removals, removals_unknown })
    }
}

const ABSENT: u8 = 1;
const NAMED: u8 = 2;
const KEY: u8 = 3;

impl Before {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Before::Absent(field_id) => {
                writer.u8(ABSENT);
                writer.signed(i64::from(*field_id));
            }
            Before::Named(field_id, name) => {
                writer.u8(NAMED);
                writer.signed(i64::from(*field_id));
                writer.text(name);
            }
            Before::Key(field_ids) => {
                writer.u8(KEY);
                writer.varint(field_ids.len() as u64);
                field_ids.iter().for_each(|field_id| writer.signed(i64::from(*field_id)));
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Before, DecodeError> {
        Ok(match reader.u8("an alteration")? {
            ABSENT => Before::Absent(decode_field_id(reader)?),
            NAMED => Before::Named(decode_field_id(reader)?, reader.text("a field")?.to_owned()),
            KEY => {
                let count = reader.count("a key")?;
                Before::Key((0..count).map(|_| decode_field_id(reader)).collect::<Result<_, _>>()?)
            }
            found => return Err(DecodeError::Unknown { what: "alteration", found }),
        })
    }
}

pub(crate) fn decode_field_id(reader: &mut Reader<'_>) -> Result<i32, DecodeError> {
    i32::try_from(reader.signed("a field id")?).map_err(|_| DecodeError::Invalid("a field id"))
}
