//! A table of the lake: the union of what its shards have, and the Iceberg schemas that follow from it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{
    ListType, NestedField, NestedFieldRef, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec,
};
use lake_cdc::ColumnType;
use lake_table::TableName;
use serde::{Deserialize, Serialize};

use super::{TablePast, column_type};
use crate::limits::TABLE_EXTRA_BYTES;

/// Columns that the lake adds, with field ids that every table shares.
pub(crate) mod system {
    pub(crate) const SHARD: i32 = 1;
    pub(crate) const COMMIT_TIMESTAMP: i32 = 2;
    pub(crate) const OPERATION: i32 = 3;
    pub(crate) const POSITION: i32 = 4;
    pub(crate) const LSN: i32 = 5;
    pub(crate) const TRANSACTION_ID: i32 = 6;
    /// The first id of a user's column.
    pub(crate) const FIRST_FIELD: i32 = 10;
}

/// A column of the lake's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) id: i32,
    /// Id of a list's element.
    pub(crate) element_id: Option<i32>,
    pub(crate) name: String,
    /// Names it had before.
    pub(crate) former: Vec<String>,
    #[serde(with = "column_type")]
    pub(crate) column_type: ColumnType,
    /// Never null: part of the key since the table exists.
    pub(crate) required: bool,
    /// Shards' tables that have it.
    pub(crate) users: u32,
    /// The latest stamp at which one let go of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) released: Option<i64>,
    /// Gone from the current rows; history keeps it.
    pub(crate) dropped: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeTable {
    pub(crate) number: u32,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) next_field: i32,
    /// Field ids of the key.
    pub(crate) key: Vec<i32>,
    /// Shards' tables that feed it.
    pub(crate) users: u32,
    /// What history does not tell.
    #[serde(default, skip_serializing_if = "TablePast::is_empty")]
    pub(crate) past: TablePast,
}

impl LakeTable {
    pub(crate) fn new(number: u32, namespace: &str, name: &str) -> LakeTable {
        LakeTable {
            number,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            fields: Vec::new(),
            next_field: system::FIRST_FIELD,
            key: Vec::new(),
            users: 0,
            past: TablePast::default(),
        }
    }

    /// What it counts towards `TABLES_BYTES_MAX`: about its bytes in memory, but for the removals, which have a bound of
    /// their own and come with every database that is deleted.
    pub(crate) fn bytes(&self) -> usize {
        let of_field = |field: &Field| {
            let former = field.former.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>();
            size_of::<Field>() + field.name.len() + former
        };
        TABLE_EXTRA_BYTES + self.fields.iter().map(of_field).sum::<usize>() + self.past.alteration_bytes()
    }

    pub(crate) fn table_name(&self) -> TableName {
        TableName { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    pub(crate) fn history_name(&self) -> TableName {
        TableName { namespace: self.namespace.clone(), name: format!("{}_history", self.name) }
    }

    /// The fields of the current rows, in order.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.dropped)
    }

    pub(crate) fn field(&self, id: i32) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    pub(crate) fn field_mut(&mut self, id: i32) -> Option<&mut Field> {
        self.fields.iter_mut().find(|field| field.id == id)
    }

    /// The schema of the current rows.
    pub(crate) fn current_schema(&self) -> Result<Schema, iceberg::Error> {
        let names = names_of(self.active().collect(), &CURRENT_NAMES);
        let mut fields = nested(self.active(), &names);
        fields.push(required(system::SHARD, "_shard", PrimitiveType::String));
        fields.push(required(system::COMMIT_TIMESTAMP, "_commit_timestamp", PrimitiveType::Timestamptz));
        Schema::builder().with_fields(fields).build()
    }

    /// The schema of history: all fields there ever were.
    pub(crate) fn history_schema(&self) -> Result<Schema, iceberg::Error> {
        let mut fields = nested(self.fields.iter(), &self.names_in_history());
        fields.push(required(system::OPERATION, "_operation", PrimitiveType::String));
        fields.push(required(system::POSITION, "_position", PrimitiveType::Long));
        fields.push(required(system::SHARD, "_shard", PrimitiveType::String));
        fields.push(required(system::LSN, "_lsn", PrimitiveType::Long));
        fields.push(required(system::TRANSACTION_ID, "_transaction_id", PrimitiveType::String));
        fields.push(required(system::COMMIT_TIMESTAMP, "_commit_timestamp", PrimitiveType::Timestamptz));
        Schema::builder().with_fields(fields).build()
    }

    /// Names by field id. One belongs to the field that has it now; earlier holders carry their id.
    pub(crate) fn names_in_history(&self) -> HashMap<i32, String> {
        names_of(self.fields.iter().collect(), &HISTORY_NAMES)
    }

    /// History is partitioned by the day of the commit.
    pub(crate) fn history_spec() -> Result<UnboundPartitionSpec, iceberg::Error> {
        Ok(UnboundPartitionSpec::builder()
            .add_partition_field(system::COMMIT_TIMESTAMP, PARTITION_NAME, Transform::Day)?
            .build())
    }
}

/// Of what history is partitioned by. Iceberg refuses a column of the name.
const PARTITION_NAME: &str = "_commit_timestamp_day";

/// What no field of the current rows can be called.
const CURRENT_NAMES: [&str; 2] = ["_shard", "_commit_timestamp"];

/// What no field of history can be called.
const HISTORY_NAMES: [&str; 7] =
    ["_shard", "_commit_timestamp", "_operation", "_position", "_lsn", "_transaction_id", PARTITION_NAME];

/// A name for each field, so that a schema of them can be built whatever the fields are called: shards feed many tables
/// through one flush, and a schema that cannot be built would stop all of them.
///
/// Present fields come before dropped ones, and late ones before early ones. Who comes too late carries the field's id,
/// and as many underscores as it needs to be alone.
fn names_of(mut fields: Vec<&Field>, own: &[&str]) -> HashMap<i32, String> {
    fields.sort_by_key(|field| (field.dropped, Reverse(field.id)));
    let mut taken = own.iter().map(|name| (*name).to_owned()).collect::<HashSet<String>>();
    let (first, late): (Vec<&Field>, Vec<&Field>) =
        fields.into_iter().partition(|field| field.take_name(&field.name, &mut taken));
    let mut names = first.into_iter().map(|field| (field.id, field.name.clone())).collect::<HashMap<i32, String>>();
    for field in late {
        let mut name = format!("{}__{}", field.name, field.id);
        while !field.take_name(&name, &mut taken) {
            name.push('_');
        }
        names.insert(field.id, name);
    }
    names
}

fn nested<'f>(fields: impl Iterator<Item = &'f Field>, names: &HashMap<i32, String>) -> Vec<NestedFieldRef> {
    fields.map(|field| field.nested(names.get(&field.id).unwrap_or(&field.name))).collect()
}

impl Field {
    /// Takes `name` if nobody has it. Names that differ only by case are one, and a list's element has a name too.
    pub(crate) fn take_name(&self, name: &str, taken: &mut HashSet<String>) -> bool {
        let name = name.to_lowercase();
        let element = self.element_id.is_some().then(|| format!("{name}.element"));
        let is_free = !taken.contains(&name) && !element.as_ref().is_some_and(|element| taken.contains(element));
        if is_free {
            taken.insert(name);
            taken.extend(element);
        }
        is_free
    }

    fn nested(&self, name: &str) -> NestedFieldRef {
        let kind = match &self.column_type {
            ColumnType::Array(element) => Type::List(ListType {
                element_field: Arc::new(NestedField::list_element(
                    self.element_id.unwrap_or_default(),
                    Type::Primitive(primitive(element)),
                    false,
                )),
            }),
            scalar => Type::Primitive(primitive(scalar)),
        };
        Arc::new(NestedField::new(self.id, name, kind, self.required))
    }
}

fn required(id: i32, name: &str, kind: PrimitiveType) -> NestedFieldRef {
    Arc::new(NestedField::required(id, name, Type::Primitive(kind)))
}

fn primitive(column_type: &ColumnType) -> PrimitiveType {
    match column_type {
        ColumnType::Bool => PrimitiveType::Boolean,
        ColumnType::Int2 | ColumnType::Int4 => PrimitiveType::Int,
        ColumnType::Int8 => PrimitiveType::Long,
        ColumnType::Float4 => PrimitiveType::Float,
        ColumnType::Float8 => PrimitiveType::Double,
        ColumnType::Numeric { precision, scale } => {
            PrimitiveType::Decimal { precision: u32::from(*precision), scale: u32::from(*scale) }
        }
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Time => PrimitiveType::Time,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::TimestampTz => PrimitiveType::Timestamptz,
        ColumnType::Uuid => PrimitiveType::Uuid,
        ColumnType::Bytea => PrimitiveType::Binary,
        // An array of arrays does not exist; the decoder refuses it.
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Json | ColumnType::Jsonb | ColumnType::Array(_) => {
            PrimitiveType::String
        }
    }
}
