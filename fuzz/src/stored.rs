//! `stored`: what the objects keep, as a newer or a damaged build would have written it: one row of a shard, of the
//! lake or of the catalog has another payload under a checksum that is right.

use futures::executor::block_on;
use lake_api::scope::Access;
use lake_cdc::{Micros, TimelineId, ViewRequest};
use lake_host::{ShardStorage, WriteBatch, blob};
use lake_test_host::{MemoryStorage, SeededRandom};

use crate::engine::view_registration;
use crate::rest::{asked, post, send, shown};
use crate::seed::Seeds;
use crate::world::{NOW, World, body, claims, keys};

thread_local! {
    static WORLD: World = world();
}

/// When the files of a dropped view are removed, in microseconds.
const WEEK_AND_MORE: i64 = 8 * 86_400_000_000;

/// A request with a key, which is remembered.
const ONCE: &str = "DELETE /v1/namespaces/sales\nidempotency-key: 00000000-0000-7000-8000-000000000001";

/// What leaves rows of all kinds in the catalog.
const CHANGES: [&str; 4] = [
    "DELETE /v1/namespaces/default/tables/visits",
    "DELETE /v1/namespaces/default/tables/events?purgeRequested=true",
    "DELETE /v1/namespaces/default/views/w",
    ONCE,
];

/// What reads them.
const READS: [&str; 9] = [
    "GET /v1/namespaces",
    "GET /v1/namespaces/default/tables",
    "GET /v1/namespaces/default/tables/orders",
    "GET /v1/namespaces/default/tables/rows",
    "GET /v1/namespaces/default/views",
    "GET /v1/namespaces/default/views/v",
    "GET /v1/namespaces/default/dropped-tables",
    "POST /v1/namespaces/default/tables/visits/undrop",
    ONCE,
];

/// A lake with something of each kind.
fn world() -> World {
    let world = World::new().with_engines();
    let catalog = world.open_catalog().expect("opens");
    let view = post("/v1/namespaces/default/register-view", &view_registration("w"));
    for request in [view].into_iter().chain(CHANGES.map(asked)) {
        let answer = send(&catalog, &world.store, &request, &claims("all"), &SeededRandom::new(4), NOW);
        assert!(answer.status < 300, "{}", shown(&answer));
    }
    world
}

/// Which object, which of its rows (two bytes), then the payload. A flush takes long, so the first byte says too whether
/// there is one.
pub fn run(data: &[u8]) {
    let Some(([object, high, low], payload)) = data.split_first_chunk::<3>() else { return };
    let row = usize::from(u16::from_be_bytes([*high, *low]));
    let world = WORLD.with(World::fork_all);
    match object % 3 {
        0 => {
            replace(&world.shard, row, payload);
            use_shard(&world);
        }
        1 => {
            replace(&world.lake, row, payload);
            use_lake(&world, object % 2 == 0);
        }
        _ => {
            replace(&world.catalog, row, payload);
            use_catalog(&world);
        }
    }
}

/// Gives a row another payload, in the envelope of its format if it has one.
fn replace(storage: &MemoryStorage, row: usize, payload: &[u8]) {
    let rows = storage.rows();
    let (key, old) = &rows[row % rows.len()];
    let bytes = match blob::open_any(old) {
        Ok((format, _)) => blob::seal(format, payload),
        Err(_) => payload.to_vec(),
    };
    let mut batch = WriteBatch::new();
    batch.put(key.clone(), bytes);
    // A payload that no row could hold is none that was stored.
    let _ = storage.apply(&batch);
}

fn use_shard(world: &World) {
    let Ok(mut shard) = world.open_shard() else { return };
    let _ = std::hint::black_box(shard.status());
    for sql in ["SELECT * FROM orders", "INSERT INTO orders (id) VALUES (77)", "SELECT * FROM g WHERE i = 5"] {
        let timeline = TimelineId([2; 16]);
        let answer = shard.sql(body(sql).as_bytes(), Some(sql), Access::Write, timeline, Micros(NOW), [4; 32]);
        let _ = std::hint::black_box(answer);
    }
    shard.after_request(Micros(NOW));
    shard.on_open(Micros(NOW));
    let reply = lake_cdc::HelloReply { version: 1, features: 0, accepted: None, durable: None };
    shard.on_message(&lake_cdc::Frame::HelloReply(reply).encode(), Micros(NOW));
    let _ = std::hint::black_box(shard.on_alarm(Micros(NOW)));
}

fn use_lake(world: &World, flushes: bool) {
    let Ok(lake) = world.open_lake() else { return };
    let tables = ["g", "orders"].map(|name| ("default".to_owned(), name.to_owned())).to_vec();
    for past in [false, true] {
        let request =
            ViewRequest { tables: tables.clone(), after: None, snapshot_id: None, past, positions: Vec::new() };
        let _ = std::hint::black_box(lake.view(&request));
    }
    let mut subscriber = None;
    let subscribe = r#"{"type": "subscribe", "fromPosition": "0"}"#;
    let _ = std::hint::black_box(lake.subscriber_message(&mut subscriber, subscribe, |_, _| true, NOW));
    let _ = std::hint::black_box((lake.status(), lake.flush_is_due(NOW), lake.after_event(NOW)));
    if flushes {
        let _ = std::hint::black_box(block_on(lake.flush(world)));
    }
    let _ = std::hint::black_box(world.open_lake().map(|lake| lake.positions()));
}

fn use_catalog(world: &World) {
    let Ok(catalog) = world.open_catalog() else { return };
    let _ = std::hint::black_box((block_on(catalog.recover(&world.store)), catalog.position()));
    let (claims, keys) = (claims("all"), keys());
    for request in READS.map(asked) {
        let random = SeededRandom::new(2);
        let answer = catalog.respond(&request, &claims, &keys, &world.store, &random, NOW);
        let _ = std::hint::black_box(block_on(answer));
    }
    let _ = std::hint::black_box(catalog.version_hint("warehouse/default/orders"));
    for later in [NOW, NOW + WEEK_AND_MORE] {
        let _ = std::hint::black_box(block_on(catalog.purge_step(&world.store, later)));
    }
}

/// Rows as they are; of each kind of key the first ones.
pub fn seeds() -> Seeds {
    let world = world();
    let mut seeds = Seeds::new();
    for (object, (name, storage)) in
        [("shard", &world.shard), ("lake", &world.lake), ("catalog", &world.catalog)].into_iter().enumerate()
    {
        let mut seen = std::collections::BTreeMap::<u8, usize>::new();
        for (row, (key, value)) in storage.rows().into_iter().enumerate() {
            let kind = key.first().copied().unwrap_or_default();
            let count = seen.entry(kind).or_default();
            *count += 1;
            if *count > 2 {
                continue;
            }
            let payload = blob::open_any(&value).map_or(value.as_slice(), |(_, payload)| payload);
            let mut bytes = vec![object as u8];
            bytes.extend_from_slice(&(row as u16).to_be_bytes());
            bytes.extend_from_slice(payload);
            seeds.push((format!("{name}-{}-{count}", char::from(kind).to_ascii_lowercase()), bytes));
        }
    }
    seeds
}
