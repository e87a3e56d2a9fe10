//! The tail on top of the snapshot: which rows of the files it replaces, and the rows it adds.
//!
//! A row is (shard, key). Two keys are equal when their typed bytes are, which is what Arrow's row format compares.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use lake_cdc::{TailChange, TailOperation, Value};

use super::columns::{Source, TableColumn, UTC, array_of};

/// Keys of rows, comparable with those of other batches of the same columns.
#[derive(Debug)]
pub(crate) struct KeySet {
    types: Vec<DataType>,
    keys: HashSet<Box<[u8]>>,
}

impl KeySet {
    /// The keys of the rows of `columns`.
    pub(crate) fn of(columns: &[ArrayRef]) -> Result<KeySet> {
        let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
        let mut keys = HashSet::new();
        if columns.first().is_some_and(|column| !column.is_empty()) {
            let rows = converter(&types)?.convert_columns(columns)?;
            keys.extend(rows.iter().map(|row| Box::<[u8]>::from(row.as_ref())));
        }
        Ok(KeySet { types, keys })
    }

    /// True where the row of `columns` is not in the set.
    pub(crate) fn absent(&self, columns: &[ArrayRef]) -> Result<BooleanArray> {
        let rows = converter(&self.types)?.convert_columns(columns)?;
        Ok(rows.iter().map(|row| Some(!self.keys.contains(row.as_ref()))).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Makes comparable bytes of rows. Two converters of the same types make the same bytes.
pub(crate) fn converter(types: &[DataType]) -> Result<RowConverter> {
    Ok(RowConverter::new(types.iter().cloned().map(SortField::new).collect())?)
}

/// Each column of `changes`.
pub(crate) fn batch(columns: &[TableColumn], schema: &SchemaRef, changes: &[&TailChange]) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|column| array(column, changes)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(changes.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}

fn array(column: &TableColumn, changes: &[&TailChange]) -> Result<ArrayRef> {
    let text = |of: fn(&TailChange) -> &str| -> ArrayRef {
        Arc::new(changes.iter().map(|change| Some(of(change))).collect::<StringArray>())
    };
    let number = |of: fn(&TailChange) -> u64| -> ArrayRef {
        Arc::new(changes.iter().map(|change| i64::try_from(of(change)).ok()).collect::<Int64Array>())
    };
    Ok(match column.source {
        Source::User(at) => {
            let values: Vec<&Value> =
                changes.iter().map(|change| change.row.0.get(at).unwrap_or(&Value::Null)).collect();
            array_of(&column.column_type, &values)?
        }
        Source::Shard => text(|change| &change.shard),
        Source::Operation => text(|change| change.operation.name()),
        Source::TransactionId => text(|change| &change.transaction_id),
        Source::Position => number(|change| change.position.0),
        Source::Lsn => number(|change| change.lsn.get()),
        Source::CommitTimestamp => {
            let stamps: arrow::array::TimestampMicrosecondArray =
                changes.iter().map(|change| Some(change.stamp.0)).collect();
            Arc::new(stamps.with_timezone(UTC))
        }
    })
}

/// The tail folded: the keys it touches, and the rows it leaves.
pub(crate) struct Folded {
    pub(crate) touched: KeySet,
    pub(crate) rows: RecordBatch,
}

/// Folds `changes`, which are in order, to the last image of each row. `key` are indexes into `columns`.
pub(crate) fn fold(
    columns: &[TableColumn],
    schema: &SchemaRef,
    key: &[usize],
    changes: &[&TailChange],
) -> Result<Folded> {
    let all = batch(columns, schema, changes)?;
    let key_columns: Vec<ArrayRef> = key.iter().map(|at| Arc::clone(all.column(*at))).collect();
    let touched = KeySet::of(&key_columns)?;
    let mut last: HashMap<Box<[u8]>, usize> = HashMap::new();
    if !changes.is_empty() {
        let rows = converter(&touched.types)?.convert_columns(&key_columns)?;
        for (at, row) in rows.iter().enumerate() {
            last.insert(row.as_ref().into(), at);
        }
    }
    let mut keep: Vec<u32> = last
        .into_values()
        .filter(|at| changes[*at].operation != TailOperation::Delete)
        .filter_map(|at| u32::try_from(at).ok())
        .collect();
    keep.sort_unstable();
    let keep = arrow::array::UInt32Array::from(keep);
    Ok(Folded { touched, rows: arrow::compute::take_record_batch(&all, &keep)? })
}
