//! The items of a block, walked before the library reads them.
//!
//! The library takes memory for as much as a length or a count says before it looks whether so much is there, and values
//! that take no bytes are as many as somebody likes to claim. So each value is stepped over here first, and what it will
//! take is added up.

use super::schema::Kind;
use super::{BROKEN, Reader, TOO_LARGE};
use crate::error::TableError;
use crate::limits::{AVRO_HELD_BYTES_MAX, AVRO_VALUE_BYTES_MAX};

/// What a byte of a text or a block counts: all else is estimated with pointers of 64 bits, of which a script's take half.
const TEXT_WEIGHT: u64 = 2;

/// What a value of the library takes, with its box if it is optional.
const VALUE_BYTES: u64 = 64;

/// What a field of a record takes besides its value and the letters of its name, which it has for itself.
const FIELD_BYTES: u64 = 40;

/// A file or manifest that becomes of an item, with a little room for more of them.
const MADE_BYTES: u64 = 1_200;

/// A value of a file's partition, also a null.
const PARTITION_BYTES: u64 = 88;

/// A null that is put where a partition has no value: with its box, in a field with a name of 20 letters.
const FILLED_BYTES: u64 = 2 * VALUE_BYTES + FIELD_BYTES + 20;

/// Records around that value: the entry, the file, and the partition.
const PARTITION_DEPTH: usize = 3;

/// A count of a column.
const COUNT_BYTES: u64 = 16;

/// A bound of a column.
const BOUND_BYTES: u64 = 128;

/// Whose items they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A list: all its items are held as values until the last one is read.
    Manifests,
    /// A manifest: one item at a time is held as a value, and once more in the schema of the reader; what stays are files.
    Files,
}

/// Where a value stands in an item.
#[derive(Clone, Copy)]
enum Place {
    /// In so many records.
    Records(usize),
    /// In an array: it is about a column.
    Array,
}

impl Place {
    fn in_record(self) -> Place {
        match self {
            Place::Records(count) => Place::Records(count + 1),
            Place::Array => Place::Array,
        }
    }
}

/// The bytes that reading a file takes, added up while its items are walked.
pub(super) struct Tally {
    content: Content,
    /// Values that each item gets besides those it has.
    filled: u64,
    /// The blocks.
    blocks: u64,
    /// The largest of them, of which there are two copies besides.
    largest_block: u64,
    /// The values that are held.
    values: u64,
    /// The most that the values of an item before took.
    largest_item: u64,
    /// What was made of the items.
    made: u64,
}

impl Tally {
    /// `filled` is how many fields of its partition an item has not, and gets with a null.
    pub(super) fn new(content: Content, filled: usize) -> Tally {
        let filled = filled as u64;
        Tally { content, filled, blocks: 0, largest_block: 0, values: 0, largest_item: 0, made: 0 }
    }

    /// Walks over all of a block.
    pub(super) fn walk(&mut self, kind: &Kind, count: i64, block: &[u8]) -> Result<(), TableError> {
        // What becomes of a value of another kind is said in an error.
        if !matches!(kind, Kind::Record(_)) {
            return Err(BROKEN);
        }
        self.blocks += block.len() as u64;
        self.largest_block = self.largest_block.max(block.len() as u64);
        let mut data = Reader(block);
        for _ in 0..u64::try_from(count).map_err(|_| BROKEN)? {
            let before = data.0.len();
            self.step(kind, &mut data, Place::Records(0))?;
            // Of items that are nothing there can be any number.
            if data.0.len() == before {
                return Err(BROKEN);
            }
            self.add(self.filled * FILLED_BYTES, self.filled * PARTITION_BYTES)?;
            self.made += MADE_BYTES;
            if self.content == Content::Files {
                self.largest_item = self.largest_item.max(self.values);
                self.values = 0;
            }
        }
        if data.0.is_empty() { Ok(()) } else { Err(BROKEN) }
    }

    /// Steps over one value. How deep it goes is bounded with the schema.
    fn step(&mut self, kind: &Kind, data: &mut Reader<'_>, place: Place) -> Result<(), TableError> {
        match kind {
            Kind::Null => self.add_value(0, COUNT_BYTES, place),
            Kind::Boolean => {
                data.take(1)?;
                self.add_value(0, COUNT_BYTES, place)
            }
            Kind::Integer => {
                data.long()?;
                self.add_value(0, COUNT_BYTES, place)
            }
            Kind::Float => {
                data.take(size_of::<f32>())?;
                self.add_value(0, COUNT_BYTES, place)
            }
            Kind::Double => {
                data.take(size_of::<f64>())?;
                self.add_value(0, COUNT_BYTES, place)
            }
            Kind::Bytes => {
                let length = data.counted()?.len();
                self.add_value(length, BOUND_BYTES, place)
            }
            Kind::Fixed(size) => {
                data.take(*size)?;
                self.add_value(*size, BOUND_BYTES, place)
            }
            Kind::Array(items) => {
                self.add(VALUE_BYTES, 0)?;
                loop {
                    let count = data.long()?;
                    if count == 0 {
                        return Ok(());
                    }
                    // A negative count is followed by the size of the block in bytes.
                    if count < 0 {
                        data.long()?;
                    }
                    for _ in 0..count.unsigned_abs() {
                        self.step(items, data, Place::Array)?;
                    }
                }
            }
            Kind::Union(variants) => {
                self.add(VALUE_BYTES, 0)?;
                let index = usize::try_from(data.long()?).map_err(|_| BROKEN)?;
                self.step(variants.get(index).ok_or(BROKEN)?, data, place)
            }
            Kind::Record(fields) => {
                self.add(VALUE_BYTES, 0)?;
                for (name, kind) in fields {
                    self.add(FIELD_BYTES + *name as u64, 0)?;
                    self.step(kind, data, place.in_record())?;
                }
                Ok(())
            }
        }
    }

    /// A value that holds no others, and what becomes of it: `of_column` if it is about a column.
    fn add_value(&mut self, length: usize, of_column: u64, place: Place) -> Result<(), TableError> {
        if length > AVRO_VALUE_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        let made = match place {
            Place::Array => of_column,
            Place::Records(PARTITION_DEPTH..) => PARTITION_BYTES,
            // A file has room for it.
            Place::Records(_) => 0,
        };
        let text = TEXT_WEIGHT * length as u64;
        self.add(VALUE_BYTES + text, made + text)
    }

    fn add(&mut self, value: u64, made: u64) -> Result<(), TableError> {
        self.values += value;
        let values = match self.content {
            Content::Manifests => self.values,
            Content::Files => {
                self.made += made;
                2 * self.values.max(self.largest_item)
            }
        };
        let total = TEXT_WEIGHT * (self.blocks + 2 * self.largest_block) + values + self.made;
        if total > AVRO_HELD_BYTES_MAX { Err(TOO_LARGE) } else { Ok(()) }
    }
}
