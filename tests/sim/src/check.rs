//! What must hold, at any time and at the end. Checkers know nothing of the workload but the models.

use std::collections::BTreeMap;

use lake_catalog::CommitRecord;
use lake_table::{TableName, commit_record_key};
use lake_test_host::{MemoryObjectStore, run};

use crate::bucket::read_table;
use crate::catalog_port::CatalogObject;
use crate::model::{END, Expected, Model};
use crate::shard::Database;
use crate::subscriber::Client;

type Outcome = Result<(), String>;

/// History rows of one namespace: shard, operation, id, value, in order of their positions.
type HistoryRow = (String, String, i64, String);

/// What an engine reads right now is a prefix of each shard's log, in both tables, at one position.
pub(crate) fn snapshots_are_prefixes(catalog: &CatalogObject, databases: &[Database], namespace: &str) -> Outcome {
    let Some(history) = history(catalog, namespace)? else { return Ok(()) };
    let mut current = current(catalog, namespace)?.unwrap_or_default();
    for database in databases.iter().filter(|database| database.namespace == namespace) {
        let found: Vec<_> = history.iter().filter(|(shard, ..)| *shard == database.name).collect();
        let mut expected = database.model.history.clone();
        // A commit may be known to readers before its client has got the answer.
        expected.extend(database.pending.iter().flat_map(|request| request.changes.clone()));
        if database.is_deleting {
            expected.push(Expected { operation: END, id: 0, value: String::new() });
        }
        is_prefix(&found, &expected).map_err(|error| format!("{}: history {error}", database.name))?;
        let states = Model::states_after(&expected, found.len());
        let read = current.remove(&database.name).unwrap_or_default();
        if !states.contains(&read) {
            return Err(format!(
                "{}: after {} changes the rows are {read:?}, not {states:?}",
                database.name,
                found.len()
            ));
        }
    }
    if current.is_empty() { Ok(()) } else { Err(format!("rows of unknown shards: {current:?}")) }
}

fn is_prefix(found: &[&HistoryRow], expected: &[Expected]) -> Outcome {
    let mut changes = expected.iter().filter(|change| change.operation != END);
    for (at, (_, operation, id, value)) in found.iter().enumerate() {
        let Some(wanted) = changes.next() else { return Err(format!("has {} changes too many", found.len() - at)) };
        if (operation.as_str(), *id, value) != (wanted.operation, wanted.id, &wanted.value) {
            return Err(format!("has {operation} {id} {value} at change {at}, not {wanted:?}"));
        }
    }
    Ok(())
}

/// Everything acknowledged is in both tables exactly once, and nothing else.
pub(crate) fn tables_are_complete(catalog: &CatalogObject, databases: &[Database], namespace: &str) -> Outcome {
    snapshots_are_prefixes(catalog, databases, namespace)?;
    let history = history(catalog, namespace)?.unwrap_or_default();
    let mut current = current(catalog, namespace)?.unwrap_or_default();
    for database in databases.iter().filter(|database| database.namespace == namespace) {
        let found = history.iter().filter(|(shard, ..)| *shard == database.name).count();
        let expected = database.model.change_count();
        if found != expected {
            return Err(format!("{}: {found} of {expected} changes are in history", database.name));
        }
        let read = current.remove(&database.name).unwrap_or_default();
        if read != database.model.rows {
            return Err(format!("{}: at the end the rows are {read:?}, not {:?}", database.name, database.model.rows));
        }
    }
    Ok(())
}

/// The subscriber has seen each change of its namespace once, in the order of positions.
pub(crate) fn subscriber_is_complete(client: &Client, databases: &[Database]) -> Outcome {
    let positions: Vec<u64> = client.events.iter().map(|event| event.position.parse().unwrap_or_default()).collect();
    if !positions.is_sorted_by(|a, b| a < b) {
        return Err("the subscriber saw a position twice or out of order".to_owned());
    }
    for database in databases.iter().filter(|database| database.namespace == client.namespace) {
        let events: Vec<HistoryRow> =
            client.events.iter().filter(|event| event.shard == database.name).map(row_of).collect();
        let found: Vec<_> = events.iter().collect();
        is_prefix(&found, &database.model.history)
            .map_err(|error| format!("{}: the subscriber {error}", database.name))?;
        let expected = database.model.change_count();
        if found.len() != expected {
            return Err(format!("{}: the subscriber saw {} of {expected} changes", database.name, found.len()));
        }
    }
    Ok(())
}

fn row_of(event: &lake_api::subscribe::Event) -> HistoryRow {
    let image = event.after.as_ref().or(event.before.as_ref());
    let field = |name: &str| image.and_then(|image| image.get(name)).cloned().unwrap_or_default();
    let operation = format!("{:?}", event.operation).to_uppercase();
    (
        event.shard.clone(),
        operation,
        field("id").as_i64().unwrap_or(-1),
        field("value").as_str().unwrap_or("?").to_owned(),
    )
}

/// The shard answers what was acknowledged.
pub(crate) fn shard_is_true(answer: &str, model: &Model) -> Outcome {
    let answer: serde_json::Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let rows: Vec<serde_json::Value> = model.rows.iter().map(|(id, value)| serde_json::json!([id, value])).collect();
    if answer["rows"] == serde_json::Value::from(rows) { Ok(()) } else { Err(format!("the shard answers {answer}")) }
}

/// Nothing is put over anything else, and commit records have no gap.
pub(crate) fn bucket_is_in_order(store: &MemoryObjectStore, position: u64) -> Outcome {
    if let Some(key) = store.overwritten().iter().find(|key| !key.ends_with("/metadata/version-hint.text")) {
        return Err(format!("{key} was overwritten"));
    }
    let records: Vec<_> = store.keys().into_iter().filter(|key| key.starts_with("_lake/commits/")).collect();
    let mut last = None;
    for (number, key) in (1..).zip(&records) {
        if *key != commit_record_key(number) {
            return Err(format!("{key} is not the commit record after {}", number - 1));
        }
        let record = CommitRecord::decode(&store.bytes(key).unwrap_or_default()).map_err(|error| error.to_string())?;
        if record.number != number || last.is_some_and(|last: u64| record.position < last) {
            return Err(format!("{key} says number {} at position {}", record.number, record.position));
        }
        last = Some(record.position);
    }
    match last {
        Some(last) if last != position => Err(format!("the last commit record is at {last}, the lake at {position}")),
        _ => Ok(()),
    }
}

fn history(catalog: &CatalogObject, namespace: &str) -> Result<Option<Vec<HistoryRow>>, String> {
    let columns = ["_position", "_shard", "_operation", "id", "value"];
    let Some(mut rows) = rows(catalog, namespace, "items_history", &columns)? else { return Ok(None) };
    rows.sort_by_key(|row| row[0].parse::<u64>().unwrap_or_default());
    let twice = rows.windows(2).find(|pair| pair[0][0] == pair[1][0]);
    if let Some(pair) = twice {
        return Err(format!("two history rows at one position: {pair:?}"));
    }
    let row = |row: Vec<String>| {
        let [_, shard, operation, id, value] = <[String; 5]>::try_from(row).unwrap_or_default();
        (shard, operation, id.parse().unwrap_or(-1), value)
    };
    Ok(Some(rows.into_iter().map(row).collect()))
}

type RowsByShard = BTreeMap<String, BTreeMap<i64, String>>;

fn current(catalog: &CatalogObject, namespace: &str) -> Result<Option<RowsByShard>, String> {
    let Some(rows) = rows(catalog, namespace, "items", &["_shard", "id", "value"])? else { return Ok(None) };
    let mut found = RowsByShard::new();
    for row in rows {
        let [shard, id, value] = <[String; 3]>::try_from(row).unwrap_or_default();
        let id = id.parse().unwrap_or(-1);
        if found.entry(shard.clone()).or_default().insert(id, value).is_some() {
            return Err(format!("{shard}: row {id} is there twice"));
        }
    }
    Ok(Some(found))
}

fn rows(
    catalog: &CatalogObject,
    namespace: &str,
    name: &str,
    columns: &[&str],
) -> Result<Option<Vec<Vec<String>>>, String> {
    let table = TableName { namespace: namespace.to_owned(), name: name.to_owned() };
    let loaded = run(catalog.load(&table)).map_err(|error| error.to_string())?;
    let Some(table) = loaded else { return Ok(None) };
    run(read_table(&catalog.store, &table.metadata, columns)).map(Some).map_err(|error| format!("{name}: {error}"))
}
