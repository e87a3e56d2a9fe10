//! What the values of a row mean: a relation in terms of the lake's fields. Shapes never change and are shared.

use lake_cdc::{ColumnType, Row, Value, Writer};
use serde::{Deserialize, Serialize};

use super::column_type;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShapeField {
    /// The lake's field.
    pub(crate) field_id: i32,
    /// The column's name when the row was written.
    pub(crate) name: String,
    /// Its type when the row was written.
    #[serde(with = "column_type")]
    pub(crate) column_type: ColumnType,
}

/// The values of a row, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) table: u32,
    pub(crate) fields: Vec<ShapeField>,
    /// Indexes of the key's values, in the order of the table's key.
    pub(crate) key: Vec<usize>,
}

impl Shape {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.fields.iter().map(|field| field.name.len()).sum::<usize>();
        size_of::<Shape>() + size_of_val(&*self.fields) + names + size_of_val(&*self.key)
    }

    /// True if `row` has this shape.
    pub(crate) fn admits(&self, row: &Row) -> bool {
        row.0.len() == self.fields.len()
            && row.0.iter().zip(&self.fields).all(|(value, field)| value.is_of(&field.column_type))
            && self.key.iter().all(|index| row.0.get(*index).is_some_and(|value| !value.is_null()))
    }

    /// The row's key in canonical form.
    pub(crate) fn key_bytes(&self, row: &[Value]) -> Vec<u8> {
        let mut writer = Writer::new();
        for index in &self.key {
            if let Some(value) = row.get(*index) {
                value.encode_key(&mut writer);
            }
        }
        writer.into_bytes()
    }

    /// Where a field's value is.
    pub(crate) fn index_of(&self, field_id: i32) -> Option<usize> {
        self.fields.iter().position(|field| field.field_id == field_id)
    }
}
