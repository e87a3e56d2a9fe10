//! What queries see: one consistent state of the tables they name, made without an `await`.

use futures::channel::oneshot;
use futures::future::{Either, select};
use lake_cdc::limits::VIEW_POSITIONS_MAX;
use lake_cdc::{
    Alteration, Before, Gap, LakePosition, Lsn, Micros, Point, Removal, Row, TailChange, TailOperation, Value, View,
    ViewField, ViewPast, ViewRequest, ViewTable,
};
use lake_host::ShardStorage;
use std::collections::HashMap;
use std::pin::pin;

use crate::error::LakeError;
use crate::flush::transaction_id;
use crate::lake::Lake;
use crate::limits::{VIEW_CHANGES_MAX, VIEW_TAIL_BYTES_MAX};
use crate::stored::{self, Field, LakeTable, Shape, Shard, TailBlob, TailEntry, keys};
use crate::tail::{TailIndex, read_before, read_next};

/// The answer to a request for a view.
#[derive(Debug, PartialEq)]
pub enum ViewAnswer {
    /// The view.
    Ready(Box<View>),
    /// The tail holds what a view cannot carry (a dropped table, too many bytes): flush, then ask again.
    NeedsFlush,
    /// The database has not come as far as the request's `after`; this is how far it is.
    Behind(Option<Lsn>),
}

impl<S: ShardStorage> Lake<S> {
    /// The view that `request` asks for, now.
    pub fn view(&self, request: &ViewRequest) -> Result<ViewAnswer, LakeError> {
        self.state_mut().counters.views += 1;
        if let Some((database, lsn)) = &request.after {
            let accepted = self.state().shards.get(database).and_then(|shard| shard.accepted());
            if accepted < Some(*lsn) {
                return Ok(ViewAnswer::Behind(accepted));
            }
        }
        let snapshot_position = request.snapshot_id.map(|id| self.snapshot_position(id)).transpose()?.flatten();
        let whole = |position: &LakePosition| Ok((*position, LakePosition(self.whole_position(position.0)?)));
        let whole_positions =
            request.positions.iter().take(VIEW_POSITIONS_MAX).map(whole).collect::<Result<_, LakeError>>()?;
        let (tables, blobs) = {
            let state = self.state();
            let numbers = request.tables.iter().filter_map(|(namespace, name)| {
                let table = state.table_number(namespace, name)?;
                state.tables.get(&table).filter(|table| table.name == *name)
            });
            let tables = numbers.cloned().collect::<Vec<LakeTable>>();
            let names_one = |blob: &&TailIndex| tables.iter().any(|t| blob.tables.contains(&t.number));
            (tables.clone(), state.tail.iter().filter(names_one).cloned().collect::<Vec<TailIndex>>())
        };
        let bytes = blobs.iter().map(|blob| blob.bytes).sum::<u64>();
        let changes = blobs.iter().map(|blob| blob.changes).sum::<u64>();
        let is_large = bytes > VIEW_TAIL_BYTES_MAX
            || changes > VIEW_CHANGES_MAX
            || (changes > 0 && lake_host::rarely!("view: a small tail is too much"));
        if is_large || blobs.iter().any(|blob| blob.removes) {
            return Ok(ViewAnswer::NeedsFlush);
        }
        let mut tables = tables
            .into_iter()
            .map(|table| self.view_table(table, request.past))
            .collect::<Vec<(LakeTable, ViewTable)>>();
        for index in &blobs {
            let blob = self.blob(index)?;
            let database = self.state().shard_name(blob.shard).unwrap_or_default().to_owned();
            for (table, view) in &mut tables {
                if index.tables.contains(&table.number) {
                    self.add_tail(table, view, &blob, &database)?;
                }
            }
        }
        let state = self.state();
        let asked = |namespace: &String| request.tables.iter().any(|(wanted, _)| wanted == namespace);
        // A database that was deleted stamps nothing any more, and must not keep times from becoming final. One of which
        // only is known that it has committed may have done so at any time.
        let stamp = |shard: &Shard| Some((shard.database.clone(), Micros(shard.stamp_of_last()?)));
        let stamps = state.shards.values().filter(|shard| asked(&shard.namespace)).filter_map(stamp);
        Ok(ViewAnswer::Ready(Box::new(View {
            position: LakePosition(state.meta.position),
            snapshot_position,
            whole_positions,
            tables: tables.into_iter().map(|(_, view)| view).collect(),
            stamps: stamps.collect(),
        })))
    }

    /// The view, once the lake has what `after` asks for, or the last answer when `timeout` ends first.
    pub async fn view_after(
        &self,
        request: &ViewRequest,
        timeout: impl Future<Output = ()>,
    ) -> Result<ViewAnswer, LakeError> {
        let mut timeout = pin!(timeout);
        loop {
            let answer = self.view(request)?;
            if !matches!(answer, ViewAnswer::Behind(_)) {
                return Ok(answer);
            }
            let (sender, receiver) = oneshot::channel();
            self.state_mut().waiters.push(sender);
            if let Either::Right(_) = select(receiver, &mut timeout).await {
                return Ok(answer);
            }
        }
    }

    /// The last position at or before `wanted` that no transaction straddles. Of what is kept no more, `wanted` itself.
    fn whole_position(&self, wanted: u64) -> Result<u64, LakeError> {
        let Some((end, number, bytes)) = read_next(&self.storage, wanted, 0)? else { return Ok(wanted) };
        let blob = TailBlob::decode(&bytes)?;
        if blob.base >= wanted {
            return Ok(wanted);
        }
        if let Some(whole) = blob.last_end(wanted) {
            return Ok(whole);
        }
        // It lies in the first transaction of the blob, which may have begun in one before.
        let (mut start, mut place) = (blob.base, (end, number));
        while let Some((end, number, blob)) =
            read_before(&self.storage, place.0, place.1)?.filter(|(.., b)| b.continues)
        {
            (start, place) = (blob.start_of_last(), (end, number));
            if blob.transactions.len() > 1 {
                break;
            }
        }
        Ok(start)
    }

    /// The position that a snapshot of any of our tables stands for, also after the snapshot expired.
    fn snapshot_position(&self, snapshot_id: i64) -> Result<Option<LakePosition>, LakeError> {
        let stored = self.storage.get(&keys::snapshot(snapshot_id))?;
        Ok(stored.and_then(|bytes| bytes.try_into().ok()).map(|bytes| LakePosition(u64::from_be_bytes(bytes))))
    }

    fn view_table(&self, table: LakeTable, with_past: bool) -> (LakeTable, ViewTable) {
        let state = self.state();
        let files = state.files.get(&table.number).cloned().unwrap_or_default();
        let fields = table.active().map(|field| view_field(&table, field, field.name.clone()));
        let view = ViewTable {
            namespace: table.namespace.clone(),
            name: table.name.clone(),
            metadata_location: files.metadata_location,
            history_metadata_location: files.history_metadata_location,
            flushed: LakePosition(state.meta.flushed),
            fields: fields.collect(),
            tail: Vec::new(),
            past: with_past.then(|| self.view_past(&table)),
        };
        (table, view)
    }

    fn view_past(&self, table: &LakeTable) -> ViewPast {
        let state = self.state();
        let shards = state.shards.values().map(|shard| (shard.number, shard.database.as_str()));
        let shards = shards.collect::<HashMap<u32, &str>>();
        let past = &table.past;
        let removals = past.removals.iter().filter_map(|removal| {
            let shard = (*shards.get(&removal.shard)?).to_owned();
            Some(Removal { shard, upto: LakePosition(removal.upto), at: point(removal.at) })
        });
        let mut names = table.names_in_history();
        let dropped = table.fields.iter().filter(|field| field.dropped);
        let dropped = dropped.map(|field| view_field(table, field, names.remove(&field.id).unwrap_or_default()));
        let alterations = past.alterations.iter().map(|alteration| Alteration {
            at: point(alteration.at),
            before: match &alteration.before {
                stored::Before::Absent(id) => Before::Absent(*id),
                stored::Before::Named(id, name) => Before::Named(*id, name.clone()),
                stored::Before::Key(ids) => Before::Key(ids.clone()),
            },
        });
        ViewPast {
            created: past.created.map(point),
            dropped: dropped.collect(),
            alterations: alterations.collect(),
            names_since: past.names_since.map(point),
            removals: removals.collect(),
            removals_unknown: past.removals_unknown.map(|gap| Gap { from: point(gap.from), to: gap.to.map(point) }),
        }
    }

    fn add_tail(
        &self,
        table: &LakeTable,
        view: &mut ViewTable,
        blob: &TailBlob,
        database: &str,
    ) -> Result<(), LakeError> {
        let mut position = blob.base;
        for transaction in &blob.transactions {
            for entry in &transaction.entries {
                position += u64::from(entry.is_change());
                let (operation, shape, row) = match entry {
                    TailEntry::Insert { shape, after } => (TailOperation::Insert, shape, after),
                    TailEntry::Update { shape, after, .. } => (TailOperation::Update, shape, after),
                    TailEntry::Delete { shape, before } => (TailOperation::Delete, shape, before),
                    TailEntry::DropTable { .. } | TailEntry::EndOfShard => continue,
                };
                let shape = self.shape(*shape)?;
                if shape.table != table.number {
                    continue;
                }
                view.tail.push(TailChange {
                    position: LakePosition(position),
                    operation,
                    shard: database.to_owned(),
                    lsn: transaction.lsn,
                    stamp: transaction.stamp,
                    transaction_id: transaction_id(blob.timeline, transaction.lsn.get()),
                    row: in_fields(&shape, row.decode()?, view),
                });
            }
        }
        Ok(())
    }
}

fn view_field(table: &LakeTable, field: &Field, name: String) -> ViewField {
    let (field_id, column_type) = (field.id, field.column_type.clone());
    ViewField { field_id, name, column_type, key: table.key.contains(&field_id) }
}

fn point(stored: stored::Point) -> Point {
    Point { position: LakePosition(stored.0), stamp: Micros(stored.1) }
}

/// A row's values in the order and with the types of the view's fields, the dropped ones last.
fn in_fields(shape: &Shape, row: Row, view: &ViewTable) -> Row {
    let mut values = row.0;
    let value_of = |field: &ViewField| {
        let index = shape.index_of(field.field_id)?;
        let value = std::mem::replace(values.get_mut(index)?, Value::Null);
        Some(value.widen(&field.column_type))
    };
    let fields = view.fields.iter().chain(view.past.iter().flat_map(|past| &past.dropped));
    Row(fields.map(value_of).map(|value| value.unwrap_or(Value::Null)).collect())
}
