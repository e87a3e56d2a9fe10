//! Commits, and dying at every step of one.

use super::*;
use crate::catalog::Settings;
use lake_host::{ByteRange, Died, alive, arm_fault, disarm_faults, reached_faults};
use lake_table::commit_record_key;
use lake_table::{EnsureTable, TableState, Watermark};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom, run};
use serde_json::json;

const NOW: i64 = 1_763_696_544_000_000;
const NOW_MS: i64 = NOW / 1_000;

/// A lake's catalog over storage and a bucket that survive it.
struct World {
    storage: MemoryStorage,
    store: MemoryObjectStore,
    random: SeededRandom,
    catalog: Catalog<MemoryStorage>,
}

impl World {
    fn new() -> World {
        let storage = MemoryStorage::new();
        let catalog = open(&storage);
        World { storage, store: MemoryObjectStore::new(), random: SeededRandom::new(1), catalog }
    }

    /// With the tables `orders` and `items`, at position 0.
    fn with_tables() -> World {
        let world = World::new();
        for name in ["items", "orders"] {
            world.ensure(name).unwrap();
        }
        world
    }

    /// Faults are over; the object goes on with what it has in memory.
    fn heal(&self) {
        disarm_faults();
        self.storage.revive();
        self.store.come_up();
    }

    /// Faults are over; the object starts again, its memory is gone.
    fn wake(&mut self) {
        self.heal();
        self.catalog = open(&self.storage);
        run(self.catalog.recover(&self.store)).unwrap();
    }

    fn ensure(&self, name: &str) -> Result<TableState, CatalogError> {
        run(self.catalog.ensure_table(&self.store, &self.random, NOW, &ensure(name, 1)))
    }

    fn commit(&self, commit: &FlushCommit) -> Result<FlushOutcome, CatalogError> {
        run(self.catalog.commit_flush(&self.store, &self.random, NOW, commit))
    }

    fn settle(&self, flush_id: &str, epoch: u64) -> Settlement {
        let settle = SettleFlush { flush_id: Some(flush_id.to_owned()), epoch };
        run(self.catalog.settle_flush(&self.store, &settle)).unwrap()
    }

    fn load(&self, name: &str) -> TableState {
        run(self.catalog.load_table(&self.store, &table(name))).unwrap()
    }

    fn snapshot_id(&self, name: &str) -> Option<i64> {
        self.load(name).metadata.current_snapshot_id()
    }

    fn record(&self, number: u64) -> Option<CommitRecord> {
        self.store.bytes(&commit_record_key(number)).map(|bytes| CommitRecord::decode(&bytes).unwrap())
    }
}

fn open(storage: &MemoryStorage) -> Catalog<MemoryStorage> {
    let settings = Settings { lake_name: "lake".into(), bucket: "lakehouse".into(), vended: Default::default() };
    Catalog::open(storage.clone(), settings).unwrap()
}

fn table(name: &str) -> TableName {
    TableName { namespace: "default".into(), name: name.into() }
}

fn ensure(name: &str, epoch: u64) -> EnsureTable {
    let schema = json!({"type": "struct", "schema-id": 0, "fields": [
        {"id": 1, "name": "id", "type": "long", "required": true},
        {"id": 2, "name": "note", "type": "string", "required": false},
    ]});
    EnsureTable {
        table: table(name),
        schema: serde_json::from_value(schema).unwrap(),
        partition_spec: serde_json::from_value(json!({"fields": []})).unwrap(),
        properties: [("freshness".to_owned(), "0".to_owned())].into(),
        created_ms: NOW_MS,
        epoch,
    }
}

/// A snapshot on top of `parent`.
fn table_commit(name: &str, parent: Option<i64>, snapshot_id: i64) -> TableCommit {
    let mut snapshot = json!({
        "snapshot-id": snapshot_id, "sequence-number": snapshot_id, "timestamp-ms": NOW_MS + snapshot_id,
        "manifest-list": format!("s3://lakehouse/{snapshot_id}.avro"), "summary": {"operation": "append"},
        "schema-id": 0,
    });
    if let Some(parent) = parent {
        snapshot["parent-snapshot-id"] = parent.into();
    }
    let requirement = json!({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent});
    let updates = json!([
        {"action": "add-snapshot", "snapshot": snapshot},
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot_id},
    ]);
    TableCommit {
        table: table(name),
        requirements: vec![serde_json::from_value(requirement).unwrap()],
        updates: serde_json::from_value(updates).unwrap(),
    }
}

/// The flush `f{number}` of ten positions, which gives both tables the snapshot of its number.
fn flush(number: u64, epoch: u64) -> FlushCommit {
    let parent = Some(number as i64 - 1).filter(|parent| *parent > 0);
    FlushCommit {
        flush_id: format!("f{number}"),
        epoch,
        base: (number - 1) * 10,
        end: number * 10,
        watermarks: vec![Watermark { database: "shop".into(), timeline: "00".repeat(16), lsn: number }],
        tables: ["items", "orders"].map(|name| table_commit(name, parent, number as i64)).into(),
    }
}

fn committed(outcome: FlushOutcome) -> CommittedFlush {
    match outcome {
        FlushOutcome::Committed(committed) => committed,
        other => panic!("{other:?}"),
    }
}

/// A schema of about 200 kB that is like no other.
fn schema_change(number: usize) -> Vec<TableUpdate> {
    let schema = json!({"type": "struct", "schema-id": number, "fields": [
        {"id": 1, "name": "id", "type": "long", "required": true},
        {"id": 2, "name": format!("note{number}"), "type": "string", "required": false, "doc": "x".repeat(200_000)},
    ]});
    let updates = json!([
        {"action": "add-schema", "schema": schema}, {"action": "set-current-schema", "schema-id": -1}]);
    serde_json::from_value(updates).unwrap()
}

#[test]
fn a_table_that_changes_for_ever_forgets_old_schemas_before_nobody_can_read_it() {
    let world = World::with_tables();
    for number in 1..=30 {
        let mut flush = flush(number, 1);
        for table in &mut flush.tables {
            if table.table.name == "orders" {
                table.updates.splice(0..0, schema_change(number as usize));
                let snapshot = serde_json::to_value(&table.updates[2]).unwrap();
                let text = snapshot.to_string().replace("\"schema-id\":0", &format!("\"schema-id\":{number}"));
                table.updates[2] = serde_json::from_str(&text).unwrap();
            }
        }
        committed(world.commit(&flush).unwrap());
        let location = world.load("orders").metadata_location;
        let size = world.store.size(location.strip_prefix("s3://lakehouse/").unwrap()).unwrap();
        assert!(size as u64 <= LAKE_METADATA_BYTES_MAX, "{number}: {size}");
    }
    let metadata = world.load("orders").metadata;
    assert_eq!((metadata.current_snapshot_id(), metadata.current_schema_id()), (Some(30), 30));
    for snapshot in metadata.snapshots() {
        assert!(snapshot.schema(&metadata).is_ok(), "{}", snapshot.snapshot_id());
    }
    assert!((2..30).contains(&metadata.snapshots().count()));
    // The other table has lost nothing.
    assert_eq!(world.load("items").metadata.snapshots().count(), 30);
}

#[test]
fn a_table_is_made_once_with_the_ids_it_was_asked_for() {
    let world = World::new();
    let made = world.ensure("orders").unwrap();
    assert_eq!(made.metadata.location(), "s3://lakehouse/warehouse/default/orders");
    assert!(made.metadata_location.starts_with("s3://lakehouse/warehouse/default/orders/metadata/00000-"));
    assert_eq!(made.metadata.current_schema().highest_field_id(), 2);
    assert_eq!(world.ensure("orders").unwrap(), made);
    let json = world.store.bytes(made.metadata_location.strip_prefix("s3://lakehouse/").unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<TableMetadata>(&json).unwrap(), made.metadata);
    assert!(!String::from_utf8(json).unwrap().contains("current-snapshot-id"));
}

#[test]
fn a_location_that_holds_anything_is_not_used_again() {
    let world = World::new();
    world.store.place("warehouse/default/orders/data/left.parquet", b"x");
    assert_eq!(world.ensure("orders").unwrap().metadata.location(), "s3://lakehouse/warehouse/default/orders.2");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let world = World::new();
    for name in ["", "a\0b", "x".repeat(256).as_str()] {
        assert!(matches!(world.ensure(name), Err(CatalogError::Invalid(_))), "{name:?}");
    }
}

#[test]
fn a_commit_moves_all_its_tables_and_leaves_a_record() {
    let world = World::with_tables();
    world.ensure("quiet").unwrap();
    let done = committed(world.commit(&flush(1, 1)).unwrap());
    assert_eq!((done.number, done.end, done.tables.len()), (1, 10, 2));
    assert_eq!((world.snapshot_id("items"), world.snapshot_id("orders")), (Some(1), Some(1)));
    let record = world.record(1).unwrap();
    assert_eq!((record.position, record.flush_id.as_str(), record.watermarks[0].lsn), (10, "f1", 1));
    let tables: Vec<(&str, bool)> = record.tables.iter().map(|t| (t.table.name.as_str(), t.changed)).collect();
    assert_eq!(tables, [("items", true), ("orders", true), ("quiet", false)]);
    assert_eq!(record.tables[1].metadata_location, world.load("orders").metadata_location);
}

#[test]
fn the_version_hint_names_the_present_metadata() {
    let world = World::with_tables();
    world.commit(&flush(1, 1)).unwrap();
    let hint = world.catalog.version_hint("warehouse/default/orders").unwrap().unwrap();
    let location = world.load("orders").metadata_location;
    assert!(location.ends_with(&format!("/{}.metadata.json", hint.text)), "{location} {hint:?}");
    assert!(hint.text.starts_with("00001-"));
    let stored = world.store.bytes("warehouse/default/orders/metadata/version-hint.text").unwrap();
    assert_eq!(stored, hint.text.into_bytes());
    assert_eq!(world.catalog.version_hint("warehouse/default/nothing").unwrap(), None);
}

#[test]
fn nothing_but_the_version_hint_is_ever_overwritten() {
    let world = World::with_tables();
    for number in 1..=3 {
        world.commit(&flush(number, 1)).unwrap();
    }
    assert!(world.store.overwritten().iter().all(|key| key.ends_with("/metadata/version-hint.text")));
}

#[test]
fn a_flush_sent_twice_is_committed_once() {
    let world = World::with_tables();
    let first = committed(world.commit(&flush(1, 1)).unwrap());
    assert_eq!(committed(world.commit(&flush(1, 1)).unwrap()), first);
    world.commit(&flush(2, 1)).unwrap();
    assert_eq!(committed(world.commit(&flush(1, 1)).unwrap()), first);
    assert!(world.record(3).is_none());
}

#[test]
fn a_flush_from_another_base_is_refused() {
    let world = World::with_tables();
    world.commit(&flush(1, 1)).unwrap();
    assert_eq!(world.commit(&flush(3, 1)), Ok(FlushOutcome::BaseMoved { position: 10 }));
    let again = FlushCommit { flush_id: "other".into(), ..flush(1, 1) };
    assert_eq!(world.commit(&again), Ok(FlushOutcome::BaseMoved { position: 10 }));
    assert_eq!(world.snapshot_id("orders"), Some(1));
}

#[test]
fn one_failed_requirement_stops_all_tables() {
    let world = World::with_tables();
    let mut commit = flush(1, 1);
    commit.tables[1] = table_commit("orders", Some(7), 8);
    let outcome = world.commit(&commit).unwrap();
    assert!(matches!(&outcome, FlushOutcome::Conflict { table, .. } if table.name == "orders"), "{outcome:?}");
    assert_eq!((world.snapshot_id("items"), world.catalog.position()), (None, Ok(0)));
    commit.tables[1] = table_commit("nothing", None, 1);
    assert!(matches!(world.commit(&commit), Ok(FlushOutcome::Conflict { .. })));
}

#[test]
fn an_instance_that_was_followed_by_another_is_fenced() {
    let world = World::with_tables();
    world.commit(&flush(1, 3)).unwrap();
    assert_eq!(world.commit(&flush(2, 2)), Ok(FlushOutcome::Fenced { epoch: 3 }));
    assert_eq!(world.settle("f2", 2), Settlement::Fenced { epoch: 3 });
    assert_eq!(world.ensure("more"), Err(CatalogError::Fenced { epoch: 3 }));
    assert_eq!(world.snapshot_id("orders"), Some(1));
}

#[test]
fn what_was_settled_as_not_committed_never_is() {
    let world = World::with_tables();
    assert_eq!(world.settle("f1", 2), Settlement::NotCommitted { position: 0 });
    assert_eq!(world.commit(&flush(1, 1)), Ok(FlushOutcome::Fenced { epoch: 2 }));
}

#[test]
fn a_settlement_while_the_commit_is_under_way_wins() {
    let world = World::with_tables();
    world.store.set_yields(1);
    let flush = flush(1, 1);
    let (commit, settled) = run(async {
        let commit = world.catalog.commit_flush(&world.store, &world.random, NOW, &flush);
        let settle = SettleFlush { flush_id: Some("f1".into()), epoch: 2 };
        let settle = world.catalog.settle_flush(&world.store, &settle);
        futures::join!(commit, settle)
    });
    assert_eq!(settled, Ok(Settlement::NotCommitted { position: 0 }));
    assert_eq!(commit, Ok(FlushOutcome::Fenced { epoch: 2 }));
}

#[test]
fn two_commits_at_once_do_not_both_take_effect() {
    let world = World::with_tables();
    world.store.set_yields(2);
    let (one, other) = (flush(1, 1), FlushCommit { flush_id: "other".into(), ..flush(1, 1) });
    let (one, other) = run(async {
        futures::join!(
            world.catalog.commit_flush(&world.store, &world.random, NOW, &one),
            world.catalog.commit_flush(&world.store, &world.random, NOW, &other),
        )
    });
    assert_eq!(committed(one.unwrap()).number, 1);
    assert_eq!(other, Ok(FlushOutcome::BaseMoved { position: 10 }));
}

#[test]
fn two_commits_that_move_no_position_do_not_both_move_a_table() {
    let world = World::with_tables();
    world.store.set_yields(2);
    let still = |id: &str| FlushCommit { flush_id: id.into(), end: 0, ..flush(1, 1) };
    let (one, other) = (still("one"), still("other"));
    let (one, other) = run(async {
        futures::join!(
            world.catalog.commit_flush(&world.store, &world.random, NOW, &one),
            world.catalog.commit_flush(&world.store, &world.random, NOW, &other),
        )
    });
    assert_eq!(committed(one.unwrap()).number, 1);
    assert!(matches!(other, Ok(FlushOutcome::Conflict { .. })), "{other:?}");
}

#[test]
fn the_same_flush_twice_at_once_is_committed_once() {
    let world = World::with_tables();
    world.store.set_yields(2);
    let flush = flush(1, 1);
    let (one, other) = run(async {
        futures::join!(
            world.catalog.commit_flush(&world.store, &world.random, NOW, &flush),
            world.catalog.commit_flush(&world.store, &world.random, NOW, &flush),
        )
    });
    assert_eq!(committed(one.unwrap()), committed(other.unwrap()));
    assert!(world.record(2).is_none());
}

#[test]
fn a_commit_without_tables_moves_the_position() {
    let world = World::with_tables();
    committed(world.commit(&FlushCommit { tables: vec![], ..flush(1, 1) }).unwrap());
    assert_eq!(world.catalog.position(), Ok(10));
    assert_eq!(world.record(1).unwrap().watermarks.len(), 1);
}

#[test]
fn a_change_without_a_snapshot_has_the_time_it_was_given() {
    let world = World::with_tables();
    let updates = json!([{"action": "set-properties", "updates": {"freshness": "60"}}]);
    let change =
        TableCommit { table: table("orders"), requirements: vec![], updates: serde_json::from_value(updates).unwrap() };
    let commit = FlushCommit { tables: vec![change], ..flush(1, 1) };
    let done = committed(world.commit(&commit).unwrap());
    let metadata = &done.tables[0].metadata;
    assert_eq!(metadata.last_updated_ms(), NOW_MS);
    assert_eq!(metadata.properties().get("freshness").map(String::as_str), Some("60"));
    assert_eq!(metadata.metadata_log().len(), 0, "readers would go there without credentials");
}

#[test]
fn a_commit_that_can_never_succeed_is_invalid() {
    let world = World::with_tables();
    let check = |change: fn(&mut FlushCommit)| {
        let mut commit = flush(1, 1);
        change(&mut commit);
        assert!(matches!(world.commit(&commit), Err(CatalogError::Invalid(_))), "{commit:?}");
    };
    check(|commit| commit.flush_id.clear());
    check(|commit| commit.base = 11);
    check(|commit| commit.tables[1] = commit.tables[0].clone());
    check(|commit| {
        let location = json!([{"action": "set-location", "location": "s3://lakehouse/elsewhere"}]);
        commit.tables[1].updates = serde_json::from_value(location).unwrap();
    });
    assert_eq!(world.catalog.position(), Ok(0));
}

#[test]
fn many_shards_fit_a_record() {
    let world = World::with_tables();
    let shard = |n: u64| Watermark { database: format!("tenant-{n}"), timeline: "ab".repeat(16), lsn: n };
    let commit = FlushCommit { watermarks: (1..=20_000).map(shard).collect(), ..flush(1, 1) };
    committed(world.commit(&commit).unwrap());
    assert_eq!(world.record(1).unwrap().watermarks, commit.watermarks);
    assert!(world.storage.keys(b"c/").len() > 1);
}

#[test]
fn only_the_last_records_are_kept_in_the_object() {
    let world = World::with_tables();
    for number in 1..=20 {
        committed(world.commit(&flush(number, 1)).unwrap());
    }
    assert_eq!(world.storage.keys(b"c/").len() as u64, crate::limits::COMMITS_KEPT);
    assert_eq!((1..=21).filter(|number| world.record(*number).is_some()).count(), 20);
}

/// Commits flush 1, fails as `arrange` says during flush 2, and checks that flush 2 took effect as a whole or not at all
/// and does once it is sent again: after the object was evicted, and when it stays.
fn check_death(what: &str, arrange: impl Fn(&World)) {
    for recover in [World::wake, |world: &mut World| world.heal()] {
        let mut world = World::with_tables();
        committed(world.commit(&flush(1, 1)).unwrap());
        arrange(&world);
        let outcome = alive(|| world.commit(&flush(2, 1)));
        let outcome = outcome.unwrap_or_else(|died| Err(CatalogError::StateUnknown(died.0.to_owned())));
        recover(&mut world);
        check_settled(what, &world, &outcome);
    }
}

fn check_settled(what: &str, world: &World, outcome: &Result<FlushOutcome, CatalogError>) {
    let seen = (world.snapshot_id("items"), world.snapshot_id("orders"), world.catalog.position().unwrap());
    match world.settle("f2", 2) {
        Settlement::Committed(done) => {
            assert_eq!((seen, done.number, done.end), ((Some(2), Some(2), 20), 2, 20), "{what}");
            assert_eq!(done.tables, [world.load("items"), world.load("orders")], "{what}");
        }
        Settlement::NotCommitted { position } => {
            assert_eq!((seen, position), ((Some(1), Some(1), 10), 10), "{what}");
            assert!(outcome.is_err(), "{what}: {outcome:?} was a lie");
            assert!(world.record(2).is_none(), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(committed(world.commit(&flush(2, 2)).unwrap()).number, 2, "{what}");
    assert_eq!(committed(world.commit(&flush(3, 2)).unwrap()).number, 3, "{what}");
    for number in 1..=3 {
        assert_eq!(world.record(number).unwrap().position, number * 10, "{what}");
    }
    // Every metadata file that something points at is there.
    for recorded in world.record(3).unwrap().tables {
        let key = recorded.metadata_location.strip_prefix("s3://lakehouse/").unwrap().to_owned();
        assert!(run(world.store.get(&key, ByteRange::Full)).unwrap().is_some(), "{what}");
    }
}

#[test]
fn dying_between_two_effects_loses_nothing() {
    for point in [
        "after catalog: raise the epoch",
        "before catalog: put metadata",
        "after catalog: put metadata",
        "before catalog: swap",
        "after catalog: swap",
        "after catalog: put a hint",
        "before catalog: put the commit record",
        "after catalog: put the commit record",
    ] {
        // The commit record of the flush before is put by the next one if nobody did.
        check_death(point, |_| arm_fault(point, 0));
        assert!(reached_faults().contains_key(point), "{point}");
    }
}

#[test]
fn a_bucket_that_fails_at_any_request_loses_nothing() {
    for passes in 0..8 {
        check_death(&format!("put {passes} fails"), |world| world.store.fail_put_after(passes));
        check_death(&format!("answer {passes} is lost"), |world| world.store.lose_response_after(passes));
        check_death(&format!("down after {passes}"), |world| world.store.go_down_after_puts(passes));
    }
}

#[test]
fn a_storage_that_fails_loses_nothing() {
    check_death("the swap fails", |world| world.storage.fail_next_apply());
    check_death("the swap's answer is lost", |world| world.storage.lose_next_apply_answer());
    check_death("dead before the swap", |world| world.storage.die_after_applies(0));
    check_death("dead after the swap", |world| world.storage.die_after_applies(1));
}

#[test]
fn a_table_whose_making_died_is_made_by_who_asks_again() {
    let mut world = World::new();
    for (name, point) in [
        ("orders", "after catalog: put the first metadata"),
        ("items", "before catalog: make a table"),
        ("customers", "after catalog: make a table"),
    ] {
        arm_fault(point, 0);
        assert_eq!(alive(|| world.ensure(name)).unwrap_err(), Died(point));
        world.wake();
        let made = world.ensure(name).unwrap();
        assert_eq!(world.load(name), made);
    }
}

#[test]
fn a_storage_of_a_newer_build_is_refused() {
    let storage = MemoryStorage::new();
    let mut batch = WriteBatch::new();
    batch.put(b"format".to_vec(), lake_host::blob::seal(9, b""));
    storage.apply(&batch).unwrap();
    let settings = Settings { lake_name: "lake".into(), bucket: "lakehouse".into(), vended: Default::default() };
    let refused = Catalog::open(storage, settings).map(|_| ());
    assert_eq!(refused, Err(CatalogError::Newer { what: "the catalog's storage", format: 9 }));
}

#[test]
fn a_bucket_of_another_history_is_not_written_over() {
    let old = World::with_tables();
    committed(old.commit(&flush(1, 1)).unwrap());
    let mut lost = World::new();
    lost.store = old.store.clone();
    let made = lost.ensure("orders").unwrap();
    assert_eq!(made.metadata.location(), "s3://lakehouse/warehouse/default/orders.2");
    let commit = FlushCommit { tables: vec![table_commit("orders", None, 1)], ..flush(1, 1) };
    assert!(matches!(lost.commit(&commit), Err(CatalogError::Corrupt { what: "the bucket", .. })));
    assert_eq!(lost.catalog.position(), Ok(0));
    assert_eq!(old.record(1).unwrap().tables.len(), 2);
}

#[test]
fn a_record_that_is_not_ours_is_never_taken_for_written() {
    let mut world = World::with_tables();
    committed(world.commit(&flush(1, 1)).unwrap());
    world.store.lose(&commit_record_key(1));
    world.store.place(&commit_record_key(1), b"somebody else's");
    world.catalog = open(&world.storage);
    let recovered = run(world.catalog.recover(&world.store));
    assert!(matches!(recovered, Err(CatalogError::Corrupt { what: "the bucket", .. })), "{recovered:?}");
}

#[test]
fn damage_is_named() {
    let world = World::with_tables();
    let key = world.storage.keys(b"t/").remove(0);
    world.storage.damage(&key, 10);
    let loaded = run(world.catalog.load_table(&world.store, &table("items")));
    assert!(matches!(loaded, Err(CatalogError::Corrupt { what: "a table's pointer", .. })), "{loaded:?}");
}
