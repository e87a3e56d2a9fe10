//! A past state of a table, from its history: the last change of each row up to a moment.
//!
//! Keys are read first to find which change is the last one of each row, then those changes' rows are read. So what is
//! held in memory is one key per row that ever changed, not the rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::error::{DataFusionError, Result};
use futures::TryStreamExt;
use lake_cdc::{TailChange, TailOperation};

use super::columns::{Source, TableColumn};
use super::merge::{batch, converter};
use super::provider::{LakeTable, RowTest};
use crate::error::refuse;
use crate::limits::PAST_KEYS_BYTES_MAX;

/// Up to where history counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Changes at or before a position.
    Position(i64),
    /// Changes stamped at or before, in microseconds.
    Stamp(i64),
}

impl Cut {
    /// The column that it is about.
    pub(crate) fn source(self) -> Source {
        match self {
            Cut::Position(_) => Source::Position,
            Cut::Stamp(_) => Source::CommitTimestamp,
        }
    }

    /// Its greatest value that counts.
    pub(crate) fn most(self) -> i64 {
        match self {
            Cut::Position(most) | Cut::Stamp(most) => most,
        }
    }

    /// True if the change counts.
    pub(crate) fn contains(self, change: &TailChange) -> bool {
        match self {
            Cut::Position(most) => i64::try_from(change.position.0).is_ok_and(|position| position <= most),
            Cut::Stamp(most) => change.stamp.0 <= most,
        }
    }
}

/// What a key may take besides its bytes: the entry of the map.
const ENTRY_BYTES: usize = 48;

/// Reads which changes are the last of their rows, and gives the table of those. `history` has all changes up to the
/// cut in its files; `tail` those that are in none. `key` are indexes of the columns that say which row it is, the shard
/// first. Changes of a shard up to its position in `removed` count no more.
pub(crate) async fn last_rows(
    history: &LakeTable,
    key: &[usize],
    removed: &HashMap<String, i64>,
    tail: &[&TailChange],
    shown: &[usize],
) -> Result<LakeTable> {
    let position = index_of(&history.columns, Source::Position)?;
    let operation = index_of(&history.columns, Source::Operation)?;
    let mut projection = key.to_vec();
    projection.extend([position, operation]);
    let mut last = LastChanges { removed, by_key: HashMap::new(), bytes: 0 };
    let mut batches = history.stream(&projection, None)?;
    while let Some(rows) = batches.try_next().await? {
        last.add(&rows, key.len())?;
    }
    let in_tail = batch(&history.columns, &history.schema, tail)?;
    last.add(&in_tail.project(&projection)?, key.len())?;
    let positions = last.live_positions();

    let is_live = |change: &&&TailChange| {
        i64::try_from(change.position.0).is_ok_and(|position| positions.binary_search(&position).is_ok())
    };
    let live: Vec<&TailChange> = tail.iter().filter(is_live).copied().collect();
    let memory = batch(&history.columns, &history.schema, &live)?;
    // The position is for the test only.
    let mut at = shown.to_vec();
    at.push(position);
    let columns: Arc<[TableColumn]> = at.iter().map(|at| history.columns[*at].clone()).collect();
    Ok(LakeTable {
        schema: Arc::new(history.schema.project(&at)?),
        columns,
        visible: shown.len(),
        files: Arc::clone(&history.files),
        test: RowTest::OneOf(shown.len(), Arc::new(positions)),
        memory: Some(memory.project(&at)?),
        client: history.client.clone(),
    })
}

/// The index of a reserved column.
pub(crate) fn index_of(columns: &[TableColumn], source: Source) -> Result<usize> {
    columns
        .iter()
        .position(|column| column.source == source)
        .ok_or_else(|| DataFusionError::Internal(format!("a history has no column {source:?}")))
}

/// The last change of each key: its position, and whether it is a delete.
struct LastChanges<'a> {
    removed: &'a HashMap<String, i64>,
    by_key: HashMap<Box<[u8]>, (i64, bool)>,
    bytes: usize,
}

impl LastChanges<'_> {
    /// `rows` has the key columns, the shard first, then `_position` and `_operation`.
    fn add(&mut self, rows: &RecordBatch, key_width: usize) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let key: Vec<ArrayRef> = rows.columns()[..key_width].to_vec();
        let types: Vec<_> = key.iter().map(|column| column.data_type().clone()).collect();
        let keys = converter(&types)?.convert_columns(&key)?;
        let shards = rows.column(0).as_string::<i32>();
        let positions = rows.column(key_width).as_primitive::<Int64Type>();
        let operations = rows.column(key_width + 1).as_string::<i32>();
        for (at, key) in keys.iter().enumerate() {
            if positions.is_null(at) || operations.is_null(at) {
                continue;
            }
            let removed = if self.removed.is_empty() { None } else { self.removed.get(shards.value(at)) };
            if removed.is_some_and(|upto| positions.value(at) <= *upto) {
                continue;
            }
            let change = (positions.value(at), operations.value(at) == TailOperation::Delete.name());
            match self.by_key.get_mut(key.as_ref()) {
                Some(last) if last.0 > change.0 => {}
                Some(last) => *last = change,
                None => {
                    self.bytes += key.as_ref().len() + ENTRY_BYTES;
                    if self.bytes > PAST_KEYS_BYTES_MAX {
                        return Err(refuse("53200", "the history up to this moment has too many rows to read it back"));
                    }
                    self.by_key.insert(key.as_ref().into(), change);
                }
            }
        }
        Ok(())
    }

    /// Where the rows that exist were last changed, sorted.
    fn live_positions(self) -> Vec<i64> {
        let mut positions: Vec<i64> =
            self.by_key.into_values().filter(|(_, deleted)| !deleted).map(|(position, _)| position).collect();
        positions.sort_unstable();
        positions
    }
}
