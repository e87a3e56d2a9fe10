//! From the tables that a statement names to what DataFusion scans: one view of the lake, then the files of each.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use iceberg::spec::PrimitiveLiteral;
use lake_cdc::{LakePosition, TailChange, View, ViewField, ViewTable};

use crate::error::refuse;
use crate::request::Moment;
use crate::scan::columns::{Source, TableColumn, arrow_field};
use crate::scan::merge::fold;
use crate::scan::past::{Cut, index_of, last_rows};
use crate::scan::provider::{LakeTable, RowTest};
use crate::scan::snapshot::{self, FilePlan, Snapshot};
use crate::store::StoreClient;

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableUse {
    pub(crate) namespace: String,
    /// Of the source table, without `_history`.
    pub(crate) name: String,
    /// True if changes are read, not rows.
    pub(crate) history: bool,
    /// Which state.
    pub(crate) moment: Moment,
    /// True if the statement names a reserved column of current rows.
    pub(crate) reserved: bool,
}

/// Suffix of the tables of changes.
pub(crate) const HISTORY_SUFFIX: &str = "_history";

/// What a moment means in this view; `None` for the present.
pub(crate) fn cut(moment: Moment, view: &View) -> Result<Option<Cut>> {
    let position = |position: LakePosition| {
        if position > view.position {
            return Err(refuse(
                "22023",
                format!("position {position} is in the future: the lake is at {}", view.position),
            ));
        }
        Ok(Some(Cut::Position(i64::try_from(position.0).unwrap_or(i64::MAX))))
    };
    match moment {
        Moment::Now => Ok(None),
        Moment::Stamp(stamp) => Ok(Some(Cut::Stamp(stamp.0))),
        Moment::Position(wanted) => position(wanted),
        Moment::Snapshot(id) => match view.snapshot_position {
            Some(wanted) => position(wanted),
            None => Err(refuse("22023", format!("no table of the statement has a snapshot {id}"))),
        },
    }
}

/// The table that `wanted` means.
pub(crate) async fn open(
    client: &StoreClient,
    table: &ViewTable,
    wanted: &TableUse,
    cut: Option<Cut>,
) -> Result<LakeTable> {
    if wanted.history {
        return history(client, table, cut).await;
    }
    let Some(cut) = cut else { return current(client, table, wanted, &all(table)).await };
    if let Some(tail) = tail_within(client, table, cut).await? {
        return current(client, table, wanted, &tail).await;
    }
    past(client, table, wanted, cut).await
}

fn all(table: &ViewTable) -> Vec<&TailChange> {
    table.tail.iter().collect()
}

/// The part of the tail up to the cut, if the whole snapshot lies before the cut. Else the snapshot is of no use.
async fn tail_within<'a>(client: &StoreClient, table: &'a ViewTable, cut: Cut) -> Result<Option<Vec<&'a TailChange>>> {
    let usable = match (cut, &table.metadata_location) {
        // Rows that came and went within one flush are in history alone.
        (_, None) => table.history_metadata_location.is_none(),
        (Cut::Position(most), Some(_)) => i64::try_from(table.flushed.0).is_ok_and(|flushed| flushed <= most),
        // Current rows get a snapshot only when they change; history gets one with every change.
        (Cut::Stamp(most), Some(current)) => {
            is_before(client, current, most).await?
                && match &table.history_metadata_location {
                    Some(history) => is_before(client, history, most).await?,
                    None => true,
                }
        }
    };
    Ok(usable.then(|| table.tail.iter().filter(|change| cut.contains(change)).collect()))
}

/// True if everything in the newest snapshot was stamped at or before `most`.
async fn is_before(client: &StoreClient, metadata_location: &str, most: i64) -> Result<bool> {
    let snapshot = snapshot::load(client, metadata_location).await?;
    Ok(snapshot.max_stamp.is_some_and(|stamp| stamp.0 <= most))
}

/// Current rows: the snapshot with `tail` on top.
async fn current(
    client: &StoreClient,
    table: &ViewTable,
    wanted: &TableUse,
    tail: &[&TailChange],
) -> Result<LakeTable> {
    let snapshot = load(client, table.metadata_location.as_deref()).await?;
    let mut columns: Vec<TableColumn> =
        table.fields.iter().enumerate().map(|(at, field)| user_column(at, field)).collect();
    let users = columns.iter().filter(|column| !lake_cdc::is_reserved_column(&column.name)).count();
    // A hidden key is reserved too: it comes after what is shown.
    columns.sort_by_key(|column| lake_cdc::is_reserved_column(&column.name));
    columns.extend(reserved_columns(&Source::CURRENT, &snapshot.field_ids));
    let schema = schema_of(&columns);
    let key = key_of(table, &columns)?;
    let folded = fold(&columns, &schema, &key, tail)?;
    Ok(LakeTable {
        visible: if wanted.reserved { columns.len() } else { users },
        columns: columns.into(),
        schema,
        files: snapshot.files.into(),
        test: RowTest::NotIn(key, Arc::new(folded.touched)),
        memory: Some(folded.rows),
        client: client.clone(),
    })
}

/// Changes: those in files and those of the tail, up to the cut.
async fn history(client: &StoreClient, table: &ViewTable, cut: Option<Cut>) -> Result<LakeTable> {
    let snapshot = load(client, table.history_metadata_location.as_deref()).await?;
    let mut columns: Vec<TableColumn> =
        table.fields.iter().enumerate().map(|(at, field)| user_column(at, field)).collect();
    columns.extend(reserved_columns(&Source::HISTORY, &snapshot.field_ids));
    let schema = schema_of(&columns);
    let tail: Vec<&TailChange> =
        table.tail.iter().filter(|change| cut.is_none_or(|cut| cut.contains(change))).collect();
    let memory = crate::scan::merge::batch(&columns, &schema, &tail)?;
    let (files, test) = match cut {
        None => (snapshot.files, RowTest::All),
        Some(cut) => {
            let at = index_of(&columns, cut.source())?;
            let id = columns.get(at).and_then(|column| column.field_id);
            let files = snapshot.files.into_iter().filter(|file| may_hold(file, id, cut.most())).collect();
            (files, RowTest::AtMost(at, cut.most()))
        }
    };
    Ok(LakeTable {
        visible: columns.len(),
        columns: columns.into(),
        schema,
        files: files.into(),
        test,
        memory: Some(memory),
        client: client.clone(),
    })
}

/// False if every value of the field in the file is greater than `most`.
fn may_hold(file: &FilePlan, field_id: Option<i32>, most: i64) -> bool {
    let lower = field_id.and_then(|id| file.lower.get(&id)).map(iceberg::spec::Datum::literal);
    !matches!(lower, Some(PrimitiveLiteral::Long(lower)) if *lower > most)
}

/// Rows as they were at the cut.
async fn past(client: &StoreClient, table: &ViewTable, wanted: &TableUse, cut: Cut) -> Result<LakeTable> {
    let history = history(client, table, Some(cut)).await?;
    let tail: Vec<&TailChange> = table.tail.iter().filter(|change| cut.contains(change)).collect();
    let key = key_of(table, &history.columns)?;
    let users = (0..table.fields.len()).filter(|at| {
        history.columns.get(*at).is_some_and(|column| wanted.reserved || !lake_cdc::is_reserved_column(&column.name))
    });
    let mut shown: Vec<usize> = users.collect();
    if wanted.reserved {
        for source in Source::CURRENT {
            shown.push(index_of(&history.columns, source)?);
        }
    }
    last_rows(&history, &key, &tail, &shown).await
}

async fn load(client: &StoreClient, location: Option<&str>) -> Result<Snapshot> {
    match location {
        Some(location) => snapshot::load(client, location).await,
        None => Ok(Snapshot::default()),
    }
}

/// Both tables know a column by one id; names change.
fn user_column(at: usize, field: &ViewField) -> TableColumn {
    TableColumn {
        name: field.name.clone(),
        column_type: field.column_type.clone(),
        field_id: Some(field.field_id),
        source: Source::User(at),
    }
}

fn reserved_columns<'a>(
    sources: &'a [Source],
    field_ids: &'a HashMap<String, i32>,
) -> impl Iterator<Item = TableColumn> + 'a {
    sources.iter().filter_map(|source| {
        let (name, column_type) = source.reserved()?;
        Some(TableColumn {
            name: name.to_owned(),
            column_type,
            field_id: field_ids.get(name).copied(),
            source: *source,
        })
    })
}

fn schema_of(columns: &[TableColumn]) -> SchemaRef {
    Arc::new(Schema::new(
        columns.iter().map(|column| arrow_field(&column.name, &column.column_type)).collect::<Vec<Field>>(),
    ))
}

/// Indexes of what says which row it is: the shard, then the key.
fn key_of(table: &ViewTable, columns: &[TableColumn]) -> Result<Vec<usize>> {
    let mut key = vec![index_of(columns, Source::Shard)?];
    for (at, field) in table.fields.iter().enumerate() {
        if field.key {
            key.push(index_of(columns, Source::User(at))?);
        }
    }
    Ok(key)
}
