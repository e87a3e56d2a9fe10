//! What must hold, at any time and at the end. Checkers know nothing of the workload but the models.
//!
//! They read the bucket itself: a commit record names the metadata of every table and how far each database is in them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use iceberg::spec::TableMetadata;
use lake_catalog::CommitRecord;
use lake_dolake::limits;
use lake_dosql::limits::{BACKLOG_BYTES_MAX, CLEAN_PAGES_MAX, IN_FLIGHT_BYTES_MAX, UNIMAGED_PAGES_MAX};
use lake_table::commit_record_key;
use lake_test_host::{MemoryObjectStore, SeededRandom};
use serde_json::Value;

use crate::bucket::{Bucket, Row};
use crate::chores::CHORES;
use crate::database::Database;
use crate::engine::NAMESPACE;
use crate::model::{Line, Model};
use crate::subscriber::Client;
use crate::workload::TABLES;

mod shown;

pub(crate) use shown::{
    catalog_is_bounded, dropped_waits, engines_are_told_the_truth, engines_snapshots_stay, folders_are_empty,
    purges_are_over, shown_is_there,
};

type Outcome = Result<(), String>;

/// What was read of tables, to be compared with what is read later.
#[derive(Default)]
pub(crate) struct Seen {
    /// Rows by metadata location and snapshot: a digest is enough.
    snapshots: HashMap<(String, i64), u64>,
    /// The stamp of each transaction: database, life, position.
    pub(crate) stamps: BTreeMap<(String, usize, u64), i64>,
    /// The last commit that was checked.
    pub(crate) last: u64,
    /// Commits that were checked.
    pub(crate) commits: usize,
    /// Folders of tables that were purged, and when.
    purged: BTreeMap<String, i64>,
    /// Folders of views that were dropped, when they were, and their objects then.
    dropped_views: BTreeMap<String, (i64, Vec<String>)>,
}

/// A row of history.
#[derive(Clone, Debug)]
struct HistoryRow {
    position: u64,
    lsn: u64,
    stamp: i64,
    id: i64,
    /// All of it, as text.
    row: Row,
}

/// What is read of history.
const HISTORY: [&str; 8] =
    ["_position", "_lsn", "_transaction_id", "_commit_timestamp", "_shard", "_operation", "id", "value"];

/// True if `id` is what a transaction is called: its timeline and its position.
fn is_transaction(id: &str, timelines: &[String], lsn: u64) -> bool {
    let Some((timeline, number)) = id.rsplit_once('-') else { return false };
    number.parse() == Ok(lsn) && timelines.iter().any(|known| known == timeline)
}

/// How many commits there are, if their records are numbered without gaps.
pub(crate) fn last_commit(store: &MemoryObjectStore) -> Result<u64, String> {
    let records: Vec<_> = store.keys().into_iter().filter(|key| key.starts_with("_lake/commits/")).collect();
    for (number, key) in (1..).zip(&records) {
        if *key != commit_record_key(number) {
            return Err(format!("{key} is not the commit record after {}", number - 1));
        }
    }
    Ok(records.len() as u64)
}

/// A commit record.
pub(crate) fn record(store: &MemoryObjectStore, number: u64) -> Result<CommitRecord, String> {
    let bytes = store.bytes(&commit_record_key(number)).ok_or_else(|| format!("commit record {number} is missing"))?;
    let record = CommitRecord::decode(&bytes).map_err(|error| error.to_string())?;
    if record.number == number { Ok(record) } else { Err(format!("record {number} says it is {}", record.number)) }
}

/// In a commit each database is up to one transaction, the same in all of its tables, current rows and history.
pub(crate) fn commit_is_one_state(
    bucket: &Bucket,
    record: &CommitRecord,
    databases: &[Database],
    seen: &mut Seen,
) -> Outcome {
    seen.commits += 1;
    let mut namespaces: Vec<&str> = databases.iter().map(|database| database.plan.namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        let of_namespace: Vec<&Database> =
            databases.iter().filter(|database| database.plan.namespace == namespace).collect();
        let models: Vec<Model> = of_namespace.iter().map(|database| database.doubtful_model()).collect();
        for table in TABLES {
            let mut current = current(bucket, record, namespace, table)?;
            let mut history = history(bucket, record, namespace, table)?;
            for (database, model) in of_namespace.iter().zip(&models) {
                let name = database.name();
                let rows = current.remove(name).unwrap_or_default();
                let lines = history.remove(name).unwrap_or_default();
                table_is_at(record, name, model, table, &rows, &lines, seen)
                    .map_err(|error| format!("commit {}: {name}: {table} {error}", record.number))?;
            }
            if let Some(name) = current.keys().chain(history.keys()).next() {
                return Err(format!("commit {}: {table} has rows of the unknown database {name}", record.number));
            }
        }
    }
    Ok(())
}

fn table_is_at(
    record: &CommitRecord,
    name: &str,
    model: &Model,
    table: &'static str,
    rows: &BTreeMap<i64, String>,
    lines: &[HistoryRow],
    seen: &mut Seen,
) -> Outcome {
    let watermark = |timelines: &[String]| {
        let mut of_database = record.watermarks.iter().filter(|watermark| watermark.database == name);
        of_database.find(|watermark| timelines.contains(&watermark.timeline)).map(|watermark| watermark.lsn)
    };
    let found = model.lives.iter().enumerate().rev().find_map(|(life, of)| Some((life, watermark(&of.timelines)?)));
    // A database that has ended is not in the records of later commits, also of those that come before its last rows.
    let states = match found {
        Some((life, lsn)) => vec![(life, lsn)],
        None => {
            let over = model.lives.iter().enumerate().filter(|(_, of)| of.is_over);
            over.flat_map(|(life, of)| of.transactions.iter().map(move |of| (life, of.lsn))).collect()
        }
    };
    let mut problem = format!("is not empty, and no commit of the database is known: {rows:?}");
    if found.is_none() && lines.is_empty() && rows.is_empty() {
        return Ok(());
    }
    for (life, lsn) in states {
        let expected = model.lines(life, lsn, Some(table));
        if let Err(error) = are_same(model, lines, &expected) {
            problem = format!("history at {life}/{lsn}: {error}");
            continue;
        }
        let of = &model.lives[life];
        let at_lsn = of.tables_at(lsn).remove(table).unwrap_or_default();
        let has_ended = of.is_over && lsn >= of.last_lsn();
        if *rows == at_lsn || (has_ended && rows.is_empty()) {
            return note_stamps(name, model, table, life, lines, seen);
        }
        problem = format!("at {life}/{lsn} has the rows {rows:?}, not {at_lsn:?}");
    }
    let lives: Vec<_> = model.lives.iter().map(|life| (&life.timelines, life.last_lsn(), life.is_over)).collect();
    Err(format!("{problem}; lives {lives:?}, watermarks {:?}", record.watermarks))
}

fn are_same(model: &Model, lines: &[HistoryRow], expected: &[Line<'_>]) -> Outcome {
    if lines.len() != expected.len() {
        let at = lines.iter().zip(expected).position(|(line, wanted)| !is_same(model, line, wanted));
        let tail = |from: usize| lines.iter().skip(from).take(3).collect::<Vec<_>>();
        let rest = tail(at.unwrap_or(expected.len()));
        return Err(format!("{} changes and not {}, apart from {at:?} on: {rest:?}", lines.len(), expected.len()));
    }
    match lines.iter().zip(expected).find(|(line, wanted)| !is_same(model, line, wanted)) {
        Some((line, wanted)) => Err(format!("{line:?} is not {wanted:?}")),
        None => Ok(()),
    }
}

fn is_same(model: &Model, line: &HistoryRow, wanted: &Line<'_>) -> bool {
    let change = wanted.change;
    let [_, _, transaction_id, _, _, operation, _, value] = &line.row[..] else { return false };
    is_transaction(transaction_id, &model.lives[wanted.life].timelines, wanted.lsn)
        && (line.lsn, operation.as_str(), line.id, value) == (wanted.lsn, change.operation, change.id, &change.value)
}

/// Stamps of a database's transactions rise, and a transaction has one.
fn note_stamps(
    name: &str,
    model: &Model,
    table: &'static str,
    life: usize,
    lines: &[HistoryRow],
    seen: &mut Seen,
) -> Outcome {
    let mut lines = lines.iter();
    for number in 0..=life {
        let count = model.lines(number, u64::MAX, Some(table)).len();
        let before = if number == 0 { 0 } else { model.lines(number - 1, u64::MAX, Some(table)).len() };
        let mut last = None;
        for line in lines.by_ref().take(count - before) {
            if last.is_some_and(|(lsn, stamp)| line.lsn > lsn && line.stamp <= stamp) {
                return Err(format!("the stamp of transaction {} is not after that of the one before", line.lsn));
            }
            last = Some((line.lsn, line.stamp));
            let held = *seen.stamps.entry((name.to_owned(), number, line.lsn)).or_insert(line.stamp);
            if held != line.stamp {
                return Err(format!("transaction {} has the stamps {held} and {}", line.lsn, line.stamp));
            }
        }
    }
    Ok(())
}

/// What is committed in the end is everything that was acknowledged.
pub(crate) fn commit_is_complete(record: &CommitRecord, databases: &[Database]) -> Outcome {
    for database in databases {
        let Some(life) = database.model.lives.last() else { continue };
        let mut of_database = record.watermarks.iter().filter(|watermark| watermark.database == database.name());
        let found = of_database.find(|watermark| life.timelines.contains(&watermark.timeline));
        let found = found.map_or(0, |watermark| watermark.lsn);
        if found < life.last_lsn() {
            return Err(format!("{}: committed up to {found} of {}", database.name(), life.last_lsn()));
        }
    }
    Ok(())
}

/// The files of a retained snapshot are there, and the snapshot is what it was whenever it was read before.
pub(crate) fn snapshots_stay(
    bucket: &Bucket,
    record: &CommitRecord,
    random: &SeededRandom,
    seen: &mut Seen,
) -> Outcome {
    // What else the catalog shows, and whether it is there: `shown`.
    for table in record.tables.iter().filter(|table| !matches!(table.table.namespace.as_str(), NAMESPACE | CHORES)) {
        let metadata = bucket.metadata(&table.metadata_location)?;
        let snapshots: Vec<i64> = metadata.snapshots().map(|snapshot| snapshot.snapshot_id()).collect();
        if snapshots.is_empty() {
            continue;
        }
        let snapshot_id = snapshots[random.below(snapshots.len())];
        snapshot_stays(bucket, &metadata, snapshot_id, &["_shard", "id", "value"], seen)?;
    }
    Ok(())
}

fn snapshot_stays(
    bucket: &Bucket,
    metadata: &TableMetadata,
    snapshot_id: i64,
    columns: &[&str],
    seen: &mut Seen,
) -> Outcome {
    let mut rows = bucket.snapshot(metadata, Some(snapshot_id), columns)?;
    rows.sort_unstable();
    let digest = digest(&rows);
    let key = (metadata.location().to_owned(), snapshot_id);
    if *seen.snapshots.entry(key).or_insert(digest) != digest {
        return Err(format!("snapshot {snapshot_id} of {} is not what it was", metadata.location()));
    }
    Ok(())
}

fn digest(rows: &[Row]) -> u64 {
    let bytes = rows.iter().flat_map(|row| row.iter()).flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Who has what, of each database: the shard keeps what is not durable, the lake what it accepted.
pub(crate) fn positions_are_in_order(lake: &Value, last: Option<&CommitRecord>, databases: &[Database]) -> Outcome {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if number(&lake["flushed"]) > number(&lake["position"]) {
        return Err(format!("the lake has flushed more than it has: {lake}"));
    }
    for database in databases {
        let (name, Some(status)) = (database.name(), database.status()) else { continue };
        let timeline = status["timeline"].as_str().unwrap_or_default();
        let durable = number(&status["durable"]);
        let committed = number(&status["committed"]);
        let of_timeline = |life: &&crate::model::Life| life.timelines.iter().any(|id| id == timeline);
        if let Some(life) = database.model.lives.last().filter(of_timeline)
            && committed < life.last_lsn()
        {
            return Err(format!("{name}: transaction {} was acknowledged, the shard has {committed}", life.last_lsn()));
        }
        let watermarks = last.iter().flat_map(|record| &record.watermarks);
        let mut own = watermarks.filter(|watermark| watermark.database == name && watermark.timeline == timeline);
        let watermark = own.next().map_or(0, |watermark| watermark.lsn);
        if durable > watermark {
            return Err(format!("{name}: the shard holds {durable} for durable, the last commit has {watermark}"));
        }
        let shards = lake["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
        let held = shards.iter().find(|shard| shard["database"] == name && shard["timeline"] == timeline);
        let accepted = held.map_or(0, |shard| number(&shard["accepted"]));
        // What is not in tables yet stays in the log, so that a lake could be given it again.
        let first = number(&status["loggedFrom"]);
        // At its end a database is gone as soon as the lake has all of it, and it may not know yet that it is.
        let is_safe = if status["state"] == "ending" { watermark.max(accepted) } else { watermark };
        if committed > is_safe && (first == 0 || first > watermark + 1) {
            return Err(format!(
                "{name}: the log begins at {first}, and the tables end at {watermark}, the shard says {status}"
            ));
        }
        if accepted > committed || number(&status["accepted"]) > accepted {
            return Err(format!("{name}: committed {committed}, accepted {accepted}, the shard says {status}"));
        }
    }
    Ok(())
}

/// What is held in memory and in storage stays within its bounds.
pub(crate) fn bounds_hold(lake: &Value, databases: &mut [Database]) -> Outcome {
    let size = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let bound = |what: &str, size: u64, most: u64| {
        if size <= most { Ok(()) } else { Err(format!("{what}: {size} is more than {most}")) }
    };
    bound("the lake's tail", size(&lake["tailBytes"]), limits::TAIL_BYTES_MAX + FRAME_BYTES)?;
    bound("flushed batches", size(&lake["retainedBytes"]), limits::RETENTION_BYTES_MAX + limits::FLUSH_BYTES_MAX)?;
    for table in lake["tables"].as_array().into_iter().flatten() {
        let most = (limits::INDEX_RUNS_PER_LEVEL * INDEX_LEVELS) as u64;
        bound(&format!("runs of {}", table["name"]), size(&table["indexRuns"]), most)?;
    }
    for database in databases {
        let name = database.name();
        if let Some(status) = database.status() {
            bound(&format!("{name}: backlog"), size(&status["backlogBytes"]), BACKLOG_BYTES_MAX + FRAME_BYTES)?;
            let memory = &status["memory"];
            let pages = (CLEAN_PAGES_MAX + UNIMAGED_PAGES_MAX) as u64;
            bound(&format!("{name}: pages"), size(&memory["unimagedPages"]) + size(&memory["cachedPages"]), pages)?;
        }
        let in_flight = database.links().map(|link| link.to_lake.iter().map(Vec::len).sum::<usize>()).max();
        // A transaction that was begun is sent to its end, and none of the workloads' is greater than a frame.
        bound(&format!("{name}: in flight"), in_flight.unwrap_or(0) as u64, IN_FLIGHT_BYTES_MAX + FRAME_BYTES)?;
    }
    Ok(())
}

/// A bound is looked at before a frame is taken or sent.
const FRAME_BYTES: u64 = lake_host::MESSAGE_BYTES_MAX as u64;

/// Levels of the key index that a run of this size can have.
const INDEX_LEVELS: usize = 4;

/// Each subscriber has seen each change of its namespace once, in the order of positions.
pub(crate) fn subscriber_is_in_order(client: &Client, databases: &[Database], is_end: bool) -> Outcome {
    if !client.positions.is_sorted_by(|a, b| a < b) {
        return Err("the subscriber saw a position twice or out of order".to_owned());
    }
    for database in databases.iter().filter(|database| database.plan.namespace == client.namespace) {
        let model = database.doubtful_model();
        let expected = model.all_lines(None);
        let empty = Vec::new();
        let events = client.events.get(database.name()).unwrap_or(&empty);
        let mut next = 0;
        for event in events {
            let is_it = |wanted: &Line<'_>| {
                let (change, is_lsn) = (wanted.change, event.lsn == wanted.lsn);
                is_lsn
                    && is_transaction(&event.transaction_id, &model.lives[wanted.life].timelines, wanted.lsn)
                    && (event.table.as_str(), event.operation.as_str(), event.id, &event.value)
                        == (change.table, change.operation, change.id, &change.value)
            };
            // What lies between the end of what is kept and the beginning of what was kept again is not seen.
            let skipped = if event.is_after_gap { expected[next..].iter().position(is_it) } else { Some(0) };
            next += skipped.unwrap_or(0);
            if !expected.get(next).is_some_and(is_it) {
                let wanted = expected.get(next);
                return Err(format!("{}: the subscriber saw {event:?} and not {wanted:?}", database.name()));
            }
            next += 1;
        }
        // Nobody knows how much a gap hides of a database that has not been heard of since.
        let certain = database.model.all_lines(None).len();
        if is_end && next < certain && client.knows_end_of(database.name()) {
            return Err(format!("{}: the subscriber saw {next} of {certain} changes", database.name()));
        }
    }
    Ok(())
}

/// Nothing is put over anything else.
pub(crate) fn bucket_is_in_order(store: &MemoryObjectStore) -> Outcome {
    // Engines put their own files as often as they like; the metadata of their tables is the catalog's.
    let is_engines = |key: &str| {
        let is_below = |namespace| key.starts_with(&format!("warehouse/{namespace}/"));
        (is_below(NAMESPACE) || is_below(CHORES)) && !key.ends_with(".metadata.json")
    };
    let may_be = |key: &&String| key.ends_with("/metadata/version-hint.text") || is_engines(key);
    match store.overwritten().iter().find(|key| !may_be(key)) {
        Some(key) => Err(format!("{key} was overwritten")),
        None => Ok(()),
    }
}

fn rows(
    bucket: &Bucket,
    record: &CommitRecord,
    namespace: &str,
    name: &str,
    columns: &[&str],
) -> Result<Vec<Row>, String> {
    let mut tables = record.tables.iter();
    let found = tables.find(|table| table.table.namespace == namespace && table.table.name == name);
    let Some(table) = found else { return Ok(Vec::new()) };
    let metadata = bucket.metadata(&table.metadata_location)?;
    bucket
        .snapshot(&metadata, metadata.current_snapshot_id(), columns)
        .map_err(|error| format!("commit {}: {name}: {error}", record.number))
}

fn current(
    bucket: &Bucket,
    record: &CommitRecord,
    namespace: &str,
    table: &str,
) -> Result<BTreeMap<String, BTreeMap<i64, String>>, String> {
    let mut found = BTreeMap::<String, BTreeMap<i64, String>>::new();
    for row in rows(bucket, record, namespace, table, &["_shard", "id", "value"])? {
        let [shard, id, value] = &row[..] else { return Err("a row of other columns".to_owned()) };
        let id = id.parse().unwrap_or(-1);
        if !found.contains_key(shard) {
            found.insert(shard.clone(), BTreeMap::new());
        }
        let of_shard = found.get_mut(shard).ok_or("a shard that is not there")?;
        if of_shard.insert(id, value.clone()).is_some() {
            return Err(format!("commit {}: {shard}: row {id} of {table} is there twice", record.number));
        }
    }
    Ok(found)
}

fn history(
    bucket: &Bucket,
    record: &CommitRecord,
    namespace: &str,
    table: &str,
) -> Result<BTreeMap<String, Vec<HistoryRow>>, String> {
    let mut found = BTreeMap::<String, Vec<HistoryRow>>::new();
    for row in rows(bucket, record, namespace, &format!("{table}_history"), &HISTORY)? {
        let [position, lsn, _, stamp, shard, _, id, _] = &row[..] else {
            return Err("a row of other columns".to_owned());
        };
        let stamp = lake_cdc::text::parse(&lake_cdc::ColumnType::TimestampTz, stamp);
        let Ok(lake_cdc::Value::TimestampTz(stamp)) = stamp else { return Err("a stamp that is none".to_owned()) };
        let (position, lsn) = (position.parse().unwrap_or_default(), lsn.parse().unwrap_or_default());
        if !found.contains_key(shard) {
            found.insert(shard.clone(), Vec::new());
        }
        let of_shard = found.get_mut(shard).ok_or("a shard that is not there")?;
        of_shard.push(HistoryRow { position, lsn, stamp, id: id.parse().unwrap_or(-1), row: Rc::clone(&row) });
    }
    for (shard, rows) in &mut found {
        rows.sort_by_key(|row| row.position);
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].position == pair[1].position) {
            return Err(format!("commit {}: {shard}: two rows at one position: {pair:?}", record.number));
        }
    }
    Ok(found)
}
