//! One row, one statement. Images that cannot exist are not in the type.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::limits::COLUMNS_MAX;
use crate::relation::TableId;
use crate::value::Value;

/// The values of one row, in the order of the relation's columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

/// One row change. An UPDATE that changes the key is a delete and an insert.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A row that was not there.
    Insert {
        /// Table.
        table_id: TableId,
        /// The row.
        after: Row,
    },
    /// A row that keeps its key.
    Update {
        /// Table.
        table_id: TableId,
        /// The row as it was.
        before: Row,
        /// The row as it is.
        after: Row,
    },
    /// A row that is gone.
    Delete {
        /// Table.
        table_id: TableId,
        /// The row as it was.
        before: Row,
    },
}

impl Row {
    /// Appends a count and the tagged values.
    pub fn encode(&self, writer: &mut Writer) {
        writer.varint(self.0.len() as u64);
        for value in &self.0 {
            value.encode(writer);
        }
    }

    /// Takes a row.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Row, DecodeError> {
        let count = reader.count("a row")?;
        if count > COLUMNS_MAX {
            return Err(DecodeError::TooLarge("a row"));
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(Value::decode(reader)?);
        }
        Ok(Row(values))
    }
}

impl Change {
    /// The table it is about.
    pub fn table_id(&self) -> TableId {
        match self {
            Change::Insert { table_id, .. } | Change::Update { table_id, .. } | Change::Delete { table_id, .. } => {
                *table_id
            }
        }
    }

    /// The image that says which row it is: the last one that exists.
    pub fn row(&self) -> &Row {
        match self {
            Change::Insert { after, .. } | Change::Update { after, .. } => after,
            Change::Delete { before, .. } => before,
        }
    }
}
