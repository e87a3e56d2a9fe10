//! `tables`: the files of a table that are read back: metadata, manifest lists, manifests, position deletes, data.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::executor::block_on;
use iceberg::spec::TableMetadata;
use lake_cdc::Micros;
use lake_query::{Engine, QueryRequest};
use lake_table::{ReadError, ReadFile, RowDelta, apply_updates, plan_scan, read_position_deletes, stage_row_delta};
use lake_table::{TableName, write_position_deletes};
use lake_test_host::SeededRandom;
use serde_json::json;

use crate::engine::EngineTable;
use crate::rest::{get, post};
use crate::seed::{Seeds, choice, chosen};
use crate::world::{Always, BUCKET, NOW, World, claims, keys};

/// A table's files by what they are.
struct Table {
    world: World,
    view: Always,
    metadata: String,
    manifest_list: String,
    manifest: String,
    data: String,
}

thread_local! {
    static TABLE: Table = table();
}

fn key_of(location: &str) -> &str {
    location.strip_prefix("s3://").and_then(|path| path.strip_prefix(BUCKET)).map_or(location, |path| &path[1..])
}

fn table() -> Table {
    let world = World::new();
    let catalog = world.open_catalog().expect("opens");
    let name = TableName { namespace: "default".into(), name: "orders".into() };
    let state = block_on(catalog.load_table(&world.store, &name)).expect("the table");
    let snapshot = state.metadata.current_snapshot().expect("a snapshot");
    let files = Replaced { world: &world, location: "", bytes: &[] };
    let scan = block_on(plan_scan(&files, &state.metadata, Some(snapshot.snapshot_id()), &[])).expect("a plan");
    let folder = key_of(state.metadata.location()).to_owned();
    let is_manifest = |key: &&String| key.starts_with(&folder) && key.ends_with("-m0.avro");
    let manifest = world.store.keys().iter().find(is_manifest).cloned();
    let other = || {
        let list = key_of(snapshot.manifest_list()).to_owned();
        world.store.keys().into_iter().find(|key| key.starts_with(&folder) && key.ends_with(".avro") && *key != list)
    };
    Table {
        view: Always(world.view(false)),
        metadata: key_of(&state.metadata_location).to_owned(),
        manifest_list: key_of(snapshot.manifest_list()).to_owned(),
        manifest: manifest.or_else(other).expect("a manifest"),
        data: key_of(scan.first().expect("a data file").data.file_path()).to_owned(),
        world,
    }
}

/// The files of the world, one of them with other bytes.
struct Replaced<'a> {
    world: &'a World,
    location: &'a str,
    bytes: &'a [u8],
}

impl ReadFile for Replaced<'_> {
    async fn read(&self, location: &str) -> Result<Bytes, ReadError> {
        let key = key_of(location);
        if key == self.location {
            return Ok(Bytes::copy_from_slice(self.bytes));
        }
        let bytes = self.world.store.bytes(key).ok_or_else(|| ReadError::Missing(location.to_owned()))?;
        Ok(Bytes::from(bytes))
    }
}

/// The first byte says which file of the table has these bytes.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    TABLE.with(|table| match choice % 6 {
        0 => {
            if let Ok(metadata) = serde_json::from_slice::<TableMetadata>(bytes) {
                use_metadata(&Replaced { world: &table.world, location: "", bytes: &[] }, &metadata);
                let json = serde_json::to_vec(&metadata).expect("JSON");
                assert_eq!(serde_json::from_slice::<TableMetadata>(&json).expect("reads back"), metadata);
            }
        }
        1 => respond(table, bytes),
        2 => use_replaced(table, &table.manifest_list, bytes),
        3 => use_replaced(table, &table.manifest, bytes),
        4 => {
            let _ = std::hint::black_box(read_position_deletes(Bytes::copy_from_slice(bytes), "s3://b/a.parquet"));
        }
        _ => query(table, bytes),
    });
}

fn use_replaced(table: &Table, location: &str, bytes: &[u8]) {
    let metadata = table.world.store.bytes(&table.metadata).expect("metadata");
    let metadata: TableMetadata = serde_json::from_slice(&metadata).expect("metadata");
    use_metadata(&Replaced { world: &table.world, location, bytes }, &metadata);
}

/// Plans a scan and a snapshot on top.
fn use_metadata(files: &Replaced<'_>, metadata: &TableMetadata) {
    let _ = std::hint::black_box(block_on(plan_scan(files, metadata, metadata.current_snapshot_id(), &[])));
    let delta = RowDelta {
        snapshot_id: 77,
        now_ms: NOW / 1_000,
        attempt: "a".into(),
        summary: BTreeMap::from([("lake.position".to_owned(), "9".to_owned())]),
        ..RowDelta::default()
    };
    // Writing manifests enters an executor of its own, which may not be nested.
    let staged = futures::FutureExt::now_or_never(stage_row_delta(files, metadata, delta));
    if let Some(Ok(staged)) = staged {
        let _ = std::hint::black_box(apply_updates(metadata, &staged.updates));
    }
}

/// The catalog gives its table with this metadata to a client, and plans a scan of it.
fn respond(table: &Table, bytes: &[u8]) {
    let world = table.world.fork_all();
    world.store.place(&table.metadata, bytes);
    let catalog = world.open_catalog().expect("opens");
    let orders = "/v1/namespaces/default/tables/orders";
    let plan = post(&format!("{orders}/plan"), &json!({"filter": {"type": "gt", "term": "qty", "value": 1}}));
    for request in [get(&format!("{orders}?snapshots=refs")), get(orders), plan] {
        let (claims, keys) = (claims("all"), keys());
        let random = SeededRandom::new(2);
        let answer = catalog.respond(&request, &claims, &keys, &world.store, &random, NOW);
        let _ = std::hint::black_box(block_on(answer));
    }
}

/// A query reads the table with this data file.
fn query(table: &Table, bytes: &[u8]) {
    let store = table.world.copy_store();
    store.place(&table.data, bytes);
    let engine = Engine::new().expect("an engine");
    let body = br#"{"sql": "SELECT * FROM orders WHERE qty > 1 OR item = 'pen'"}"#;
    let request = QueryRequest::from_json(body).expect("a query");
    let _ = std::hint::black_box(block_on(engine.run(&request, &table.view, &store, Micros(NOW), || 0)));
}

/// The files as they are, and manifests that are not compressed.
pub fn seeds() -> Seeds {
    let file = |key: &str| TABLE.with(|table| table.world.store.bytes(key)).expect("the file");
    let (metadata, list, manifest, data) = TABLE.with(|table| {
        (table.metadata.clone(), table.manifest_list.clone(), table.manifest.clone(), table.data.clone())
    });
    let partition = iceberg::spec::Struct::empty();
    let deletes = write_position_deletes("s3://b/d.parquet", "s3://b/a.parquet", partition, 0, &[0, 3, 70_000]);
    let plain = EngineTable::new(2);
    vec![
        chosen(3, "manifest-plain", plain.file("metadata/m2.avro")),
        chosen(3, "manifest-deletes", plain.file("metadata/x.avro")),
        chosen(0, "metadata", file(&metadata)),
        chosen(1, "loaded", file(&metadata)),
        chosen(2, "manifest-list", file(&list)),
        chosen(3, "manifest", file(&manifest)),
        chosen(4, "deletes", deletes.expect("deletes").bytes),
        chosen(5, "data", file(&data)),
    ]
}
