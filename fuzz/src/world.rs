//! A whole small lake in memory: a shard with tables, a lake that has some of it in snapshots and some in its tail, the
//! catalog and the bucket. Targets copy what they change.

use futures::executor::block_on;
use lake_api::scope::Access;
use lake_api::token::{Claims, Keys};
use lake_catalog::{Catalog, Settings};
use lake_cdc::{Micros, TimelineId, View, ViewRequest};
use lake_dolake::{CatalogError, Connection, Lake, LakePorts, TableCatalog, ViewAnswer};
use lake_dosql::{OutboxStep, Shard};
use lake_host::{ObjectStore, Random};
use lake_query::LakeError;
use lake_table::{EnsureTable, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableName, TableState};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom};
use serde_json::json;

/// 2025-11-21T03:42:24Z, which the requests of `tests/fixtures/sigv4` were signed at.
pub const NOW: i64 = 1_763_696_544_000_000;

/// The same in seconds.
pub const NOW_SECONDS: i64 = NOW / 1_000_000;

/// The bucket.
pub const BUCKET: &str = "lakehouse";

/// The lake's signing keys.
pub fn keys() -> Keys {
    Keys::new("k1", &[7; 32]).expect("a key that is long enough")
}

/// Claims with these scopes.
pub fn claims(scopes: &str) -> Claims {
    let scopes = scopes.split_whitespace().map(|scope| scope.parse().expect("a scope")).collect();
    Claims { subject: "fuzz".into(), issued_at: NOW_SECONDS, expires_at: NOW_SECONDS + 86_400, scopes }
}

/// The tables of the shard.
const FLUSHED: [&str; 4] = [
    "CREATE TABLE orders (id bigint PRIMARY KEY, item text, qty int, price numeric(12,2), note varchar(20))",
    "INSERT INTO orders VALUES (1, 'pen', 5, 1.50, 'a'), (2, 'ink', 7, 12.25, NULL), (3, NULL, NULL, NULL, 'c')",
    "CREATE TABLE g (id int PRIMARY KEY, i int, b int8, n numeric(12,3), f float8, s text, t text, x boolean, d date, \
     at timestamp, tz timestamptz, j jsonb, u uuid, y bytea, l int[])",
    "INSERT INTO g VALUES (1, 5, 9007199254740993, 12.5, 1.5, 'abc', 'Xyz', true, '2024-01-31', \
     '2024-01-31 23:59:59.5', '2024-01-31T23:59:59Z', '{\"a\": [1]}', '00000000-0000-0000-0000-000000000001', '\\x00ff', \
     '{1,NULL}')",
];

/// What comes after the flush.
const LATER: [&str; 4] = [
    "UPDATE orders SET qty = 8 WHERE id = 2",
    "DELETE FROM orders WHERE id = 3",
    "ALTER TABLE orders RENAME COLUMN note TO remark",
    "INSERT INTO orders (id, item) VALUES (4, 'new')",
];

/// Everything that is stored.
#[derive(Clone)]
pub struct World {
    /// The shard's object.
    pub shard: MemoryStorage,
    /// The lake's object.
    pub lake: MemoryStorage,
    /// The catalog's object.
    pub catalog: MemoryStorage,
    /// The bucket.
    pub store: MemoryObjectStore,
    random: SeededRandom,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// Objects that hold nothing.
    pub fn empty() -> World {
        World {
            shard: MemoryStorage::new(),
            lake: MemoryStorage::new(),
            catalog: MemoryStorage::new(),
            store: MemoryObjectStore::new(),
            random: SeededRandom::new(1),
        }
    }

    /// The small lake.
    pub fn new() -> World {
        let world = World::empty();
        let lake = world.open_lake().expect("a new lake");
        let mut shard = world.open_shard().expect("a new shard");
        for sql in FLUSHED {
            sql_works(&mut shard, sql);
        }
        tell(&mut shard, &lake);
        block_on(lake.flush(&world)).expect("a flush");
        for sql in LATER {
            sql_works(&mut shard, sql);
        }
        tell(&mut shard, &lake);
        world
    }

    /// A copy whose objects have storage of their own, over the same bucket.
    pub fn fork(&self) -> World {
        World { shard: self.shard.fork(), lake: self.lake.fork(), catalog: self.catalog.fork(), ..self.clone() }
    }

    /// A copy whose catalog has storage and a bucket of its own; the other objects are shared.
    pub fn fork_catalog(&self) -> World {
        World { catalog: self.catalog.fork(), store: self.copy_store(), ..self.clone() }
    }

    /// The same as [`World::fork`] with a bucket of its own too.
    pub fn fork_all(&self) -> World {
        World { store: self.copy_store(), ..self.fork() }
    }

    /// A copy of the bucket.
    pub fn copy_store(&self) -> MemoryObjectStore {
        let store = MemoryObjectStore::new();
        for key in self.store.keys() {
            store.place(&key, &self.store.bytes(&key).unwrap_or_default());
        }
        store
    }

    /// The shard as it wakes.
    pub fn open_shard(&self) -> Result<Shard<MemoryStorage>, lake_dosql::OpenError> {
        Shard::open(self.shard.clone(), "default", Micros(NOW), [0; 32])
    }

    /// The lake as it wakes.
    pub fn open_lake(&self) -> Result<Lake<MemoryStorage>, lake_dolake::LakeError> {
        Lake::open(self.lake.clone(), [7, 9])
    }

    /// The catalog as it wakes.
    pub fn open_catalog(&self) -> Result<Catalog<MemoryStorage>, lake_catalog::CatalogError> {
        Catalog::open(
            self.catalog.clone(),
            Settings { lake_name: "lake".into(), bucket: BUCKET.into(), vended: Default::default() },
        )
    }

    /// The view of both tables, for a query.
    pub fn view(&self, past: bool) -> View {
        let tables = ["g", "orders"].map(|name| ("default".to_owned(), name.to_owned())).to_vec();
        let request = ViewRequest { tables, after: None, snapshot_id: None, past, positions: Vec::new() };
        match self.open_lake().expect("opens").view(&request) {
            Ok(ViewAnswer::Ready(view)) => *view,
            other => panic!("no view: {other:?}"),
        }
    }
}

/// The body of a request with one statement.
pub fn body(sql: &str) -> String {
    json!({"sql": sql}).to_string()
}

fn sql_works(shard: &mut Shard<MemoryStorage>, sql: &str) {
    let timeline = TimelineId([1; 16]);
    let answer = shard.sql(body(sql).as_bytes(), None, Access::Write, timeline, Micros(NOW), [3; 32]);
    if let Err(error) = answer {
        panic!("{sql}: {error}");
    }
}

/// Carries messages between shard and lake until neither has more to say.
pub fn tell(shard: &mut Shard<MemoryStorage>, lake: &Lake<MemoryStorage>) {
    let mut connection = Connection::default();
    let mut steps = shard.after_request(Micros(NOW));
    while !steps.is_empty() {
        for step in std::mem::take(&mut steps) {
            match step {
                OutboxStep::Connect => steps.extend(shard.on_open(Micros(NOW))),
                OutboxStep::Send(bytes) => {
                    let received = lake.receive(&mut connection, &bytes, NOW).expect("storage works");
                    for frame in received.replies {
                        steps.extend(shard.on_message(&frame.encode(), Micros(NOW)));
                    }
                }
                OutboxStep::Close | OutboxStep::WakeIn { .. } => {}
            }
        }
    }
    shard.on_closed(Micros(NOW));
}

/// A lake that always answers with this view.
pub struct Always(pub View);

impl lake_query::Lake for Always {
    async fn view(&self, _request: &ViewRequest) -> Result<View, LakeError> {
        Ok(self.0.clone())
    }
}

impl World {
    fn ask(&self) -> Result<Catalog<MemoryStorage>, CatalogError> {
        self.open_catalog().map_err(failed)
    }
}

fn failed(error: lake_catalog::CatalogError) -> CatalogError {
    CatalogError::Failed(error.to_string())
}

impl TableCatalog for World {
    async fn ensure_table(&self, request: &EnsureTable) -> Result<TableState, CatalogError> {
        self.ask()?.ensure_table(&self.store, &self.random, NOW, request).await.map_err(failed)
    }

    async fn load_table(&self, table: &TableName) -> Result<Option<TableState>, CatalogError> {
        match self.ask()?.load_table(&self.store, table).await {
            Err(lake_catalog::CatalogError::TableNotFound { .. }) => Ok(None),
            found => found.map(Some).map_err(failed),
        }
    }

    async fn commit(&self, commit: &FlushCommit) -> Result<FlushOutcome, CatalogError> {
        self.ask()?.commit_flush(&self.store, &self.random, NOW, commit).await.map_err(failed)
    }

    async fn settle(&self, request: &SettleFlush) -> Result<Settlement, CatalogError> {
        self.ask()?.settle_flush(&self.store, request).await.map_err(failed)
    }
}

impl LakePorts for World {
    type Store = MemoryObjectStore;
    type Catalog = World;

    fn store(&self) -> &MemoryObjectStore {
        &self.store
    }

    fn catalog(&self) -> &World {
        self
    }

    fn now_micros(&self) -> i64 {
        NOW
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    async fn pause_ms(&self, _milliseconds: u32) {}
}

/// The whole of an object.
pub fn object(store: &MemoryObjectStore, key: &str) -> Option<Vec<u8>> {
    block_on(store.get(key, lake_host::ByteRange::Full)).ok().flatten().map(|object| object.bytes)
}
