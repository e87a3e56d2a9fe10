//! A lake with shards, a catalog and an object store around it, all in memory, and a model of what must be in the tables.
#![allow(dead_code, unreachable_pub)]

pub mod catalog;
pub mod read;
pub mod shard;

use std::rc::Rc;

use catalog::MemoryCatalog;
use lake_cdc::Frame;
use lake_dolake::{Connection, FlushError, Flushed, Lake, LakePorts, Received};
use lake_host::{Clock, Random};
use lake_test_host::{ManualClock, MemoryObjectStore, MemoryStorage, SeededRandom, run, yield_now};
use shard::Shard;

/// Everything outside the lake.
#[derive(Clone)]
pub struct World {
    pub clock: ManualClock,
    pub random: SeededRandom,
    pub store: MemoryObjectStore,
    pub catalog: Rc<MemoryCatalog>,
    pub storage: MemoryStorage,
}

impl LakePorts for World {
    type Store = MemoryObjectStore;
    type Catalog = MemoryCatalog;

    fn store(&self) -> &MemoryObjectStore {
        &self.store
    }
    fn catalog(&self) -> &MemoryCatalog {
        &self.catalog
    }
    fn now_micros(&self) -> i64 {
        self.clock.now_micros()
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }
    async fn pause_ms(&self, milliseconds: u32) {
        self.clock.advance_ms(i64::from(milliseconds));
        yield_now().await;
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let clock = ManualClock::at(1_760_000_000_000_000);
        let store = MemoryObjectStore::with_clock(clock.clone());
        let catalog = Rc::new(MemoryCatalog::new(store.clone(), clock.clone()));
        World { clock, random: SeededRandom::new(seed), store, catalog, storage: MemoryStorage::new() }
    }

    /// Opens the lake over what is stored: also after a crash.
    pub fn open(&self) -> Lake<MemoryStorage> {
        self.storage.revive();
        Lake::open(self.storage.clone(), [7, 9]).expect("a storage that reads")
    }

    pub fn flush(&self, lake: &Lake<MemoryStorage>) -> Result<Flushed, FlushError> {
        run(lake.flush(self))
    }
}

/// What comes after the scheme and the bucket.
pub fn key_of(location: &str) -> &str {
    let (_, path) = location.split_once("://").expect("a location with a scheme");
    path.split_once('/').expect("a key").1
}

/// Sends everything a shard has that the lake has not, over a new connection.
pub fn send_all(world: &World, lake: &Lake<MemoryStorage>, shard: &Shard) {
    let mut connection = Connection::default();
    let reply = receive(world, lake, &mut connection, &Frame::Hello(shard.hello()));
    let Some(Frame::HelloReply(reply)) = reply.replies.first() else { panic!("{reply:?}") };
    for frame in shard.frames_after(reply.accepted) {
        let reply = receive(world, lake, &mut connection, &frame);
        assert!(reply.replies.iter().all(|frame| matches!(frame, Frame::Accepted { .. })), "{reply:?}");
    }
}

pub fn receive(world: &World, lake: &Lake<MemoryStorage>, connection: &mut Connection, frame: &Frame) -> Received {
    lake.receive(connection, &frame.encode(), world.clock.now_micros()).expect("a storage that works")
}
