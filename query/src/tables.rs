//! From the tables that a statement names to what DataFusion scans: one view of the lake, then the files of each.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use iceberg::spec::PrimitiveLiteral;
use lake_cdc::{LakePosition, TailChange, View, ViewTable};

use crate::error::refuse;
use crate::request::Moment;
use crate::scan::columns::{Source, TableColumn, arrow_field};
use crate::scan::merge::fold;
use crate::scan::past::{Cut, index_of, last_rows};
use crate::scan::provider::{LakeTable, RowTest};
use crate::scan::snapshot::{self, FilePlan, Snapshot};
use crate::schema::{self, UserColumn};
use crate::store::StoreClient;

/// A table as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableUse {
    pub(crate) namespace: String,
    /// Of the source table, without `_history`.
    pub(crate) name: String,
    /// True if changes are read, not rows.
    pub(crate) history: bool,
    /// True if the statement asks for changes by name: `orders_history`, `FOR SYSTEM_TIME ALL`.
    pub(crate) by_name: bool,
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
        Moment::Position(wanted) => {
            position(wanted)?;
            // Inside of a transaction there is no state of the tables.
            let mut whole = view.whole_positions.iter().filter(|(asked, _)| *asked == wanted);
            position(whole.next().map_or(wanted, |(_, whole)| *whole))
        }
        Moment::Snapshot(id) => match view.snapshot_position {
            Some(wanted) => position(wanted),
            None => Err(refuse("22023", format!("no table of the statement has a snapshot {id}"))),
        },
    }
}

/// Names of the key at the moment that `wanted` asks for; of the present one where that cannot be said.
pub(crate) fn key_names(view: &View, table: &ViewTable, wanted: &TableUse) -> Vec<String> {
    let columns = match cut(wanted.moment, view) {
        Ok(Some(cut)) => schema::at(table, cut).unwrap_or_else(|_| schema::present(table)),
        _ => schema::present(table),
    };
    columns.into_iter().filter(|user| user.key).map(|user| user.column.name).collect()
}

/// The table that `wanted` means.
pub(crate) async fn open(
    client: &StoreClient,
    table: &ViewTable,
    wanted: &TableUse,
    cut: Option<Cut>,
) -> Result<LakeTable> {
    if wanted.history {
        let users = match cut {
            // Of `orders_history` the names are its own.
            Some(cut) if !wanted.by_name => schema::of_history_at(table, cut)?,
            _ => schema::of_history(table)?,
        };
        return history(client, table, users, cut).await;
    }
    let Some(cut) = cut else { return current(client, table, wanted, schema::present(table), &all(table)).await };
    let users = schema::at(table, cut)?;
    // A flush writes the columns that there are when it writes: a file of current rows may lack one that was dropped after
    // its rows were committed, and only history has the values.
    let is_whole = !schema::has_dropped(table, &users)?;
    if is_whole && let Some(tail) = tail_within(client, table, cut).await? {
        return current(client, table, wanted, users, &tail).await;
    }
    past(client, table, wanted, users, cut).await
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
    users: Vec<UserColumn>,
    tail: &[&TailChange],
) -> Result<LakeTable> {
    let snapshot = load(client, table.metadata_location.as_deref()).await?;
    let key = sources_of_key(&users);
    let mut columns: Vec<TableColumn> = users.into_iter().map(|user| user.column).collect();
    let shown = columns.iter().filter(|column| !lake_cdc::is_reserved_column(&column.name)).count();
    // A hidden key is reserved too: it comes after what is shown.
    columns.sort_by_key(|column| lake_cdc::is_reserved_column(&column.name));
    columns.extend(reserved_columns(&Source::CURRENT, &snapshot.field_ids));
    let schema = schema_of(&columns);
    let key = indexes_of(&key, &columns)?;
    let folded = fold(&columns, &schema, &key, tail)?;
    Ok(LakeTable {
        visible: if wanted.reserved { columns.len() } else { shown },
        columns: columns.into(),
        schema,
        files: snapshot.files.into(),
        test: RowTest::NotIn(key, Arc::new(folded.touched)),
        memory: Some(folded.rows),
        client: client.clone(),
    })
}

/// Changes: those in files and those of the tail, up to the cut.
async fn history(
    client: &StoreClient,
    table: &ViewTable,
    users: Vec<UserColumn>,
    cut: Option<Cut>,
) -> Result<LakeTable> {
    let snapshot = load(client, table.history_metadata_location.as_deref()).await?;
    let mut columns: Vec<TableColumn> = users.into_iter().map(|user| user.column).collect();
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
async fn past(
    client: &StoreClient,
    table: &ViewTable,
    wanted: &TableUse,
    users: Vec<UserColumn>,
    cut: Cut,
) -> Result<LakeTable> {
    let removed = schema::removed(table, cut)?;
    let (key, width) = (sources_of_key(&users), users.len());
    let history = history(client, table, users, Some(cut)).await?;
    let tail: Vec<&TailChange> = table.tail.iter().filter(|change| cut.contains(change)).collect();
    let key = indexes_of(&key, &history.columns)?;
    let users = history.columns.iter().take(width).enumerate();
    let is_shown = |column: &TableColumn| wanted.reserved || !lake_cdc::is_reserved_column(&column.name);
    let mut shown: Vec<usize> = users.filter(|(_, column)| is_shown(column)).map(|(at, _)| at).collect();
    if wanted.reserved {
        for source in Source::CURRENT {
            shown.push(index_of(&history.columns, source)?);
        }
    }
    last_rows(&history, &key, &removed, &tail, &shown).await
}

async fn load(client: &StoreClient, location: Option<&str>) -> Result<Snapshot> {
    match location {
        Some(location) => snapshot::load(client, location).await,
        None => Ok(Snapshot::default()),
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

/// What says which row it is: the shard, then the key.
fn sources_of_key(users: &[UserColumn]) -> Vec<Source> {
    let key = users.iter().filter(|user| user.key).map(|user| user.column.source);
    std::iter::once(Source::Shard).chain(key).collect()
}

fn indexes_of(sources: &[Source], columns: &[TableColumn]) -> Result<Vec<usize>> {
    sources.iter().map(|source| index_of(columns, *source)).collect()
}
