//! Everything together, and what can happen to it next.

use std::cell::RefCell;
use std::rc::Rc;

use lake_dolake::{CatalogError, FlushError, Lake, LakeError};
use lake_host::{Clock, arm_fault, disarm_faults};
use lake_test_host::{ManualClock, MemoryObjectStore, MemoryStorage, SeededRandom, Simulation, TaskId};

use crate::catalog_port::{CatalogObject, Ports};
use crate::check;
use crate::past::Past;
use crate::shard::Database;
use crate::subscriber::Client;

/// Two databases share a namespace, one has its own.
const DATABASES: [(&str, &str); 3] = [("left", "shared"), ("right", "shared"), ("solo", "solo")];
const NAMESPACES: [&str; 2] = ["shared", "solo"];

/// The places to die of all cores, between two durable effects each.
const PLACES_TO_DIE: [&str; 15] = [
    "admission.after_apply",
    "admission.before_apply",
    "catalog.after_first_metadata",
    "catalog.after_metadata",
    "catalog.after_swap",
    "commit.after_apply",
    "commit.before_apply",
    "flush.after_apply",
    "flush.after_commit",
    "flush.after_data",
    "flush.after_deletes",
    "flush.after_intent",
    "flush.after_manifests",
    "flush.before_apply",
    "flush.before_commit",
];

/// A simulation.
pub struct World {
    seed: u64,
    random: SeededRandom,
    clock: ManualClock,
    simulation: Simulation,
    store: MemoryObjectStore,
    databases: Vec<Database>,
    lake_storage: MemoryStorage,
    lake: Option<Rc<Lake<MemoryStorage>>>,
    flush: Option<TaskId>,
    flush_outcome: Rc<RefCell<Option<Result<(), FlushError>>>>,
    catalog: CatalogObject,
    client: Client,
    past: Past,
    told: usize,
    has_faults: bool,
    trace: Vec<String>,
}

/// How a simulation went.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// What happened, in order.
    pub trace: Vec<String>,
    /// Changes that were acknowledged.
    pub changes: usize,
    /// Databases that were deleted and tables that were dropped.
    pub ends: usize,
    /// Commits of the catalog.
    pub commits: usize,
    /// Answers about moments that were asked for again at the end.
    pub told: usize,
}

impl World {
    /// Nothing has happened yet.
    pub fn new(seed: u64) -> World {
        let (clock, simulation) = (ManualClock::default(), Simulation::new(seed));
        let store = MemoryObjectStore::with_clock(clock.clone());
        store.set_yields(1);
        World {
            seed,
            random: simulation.random(),
            catalog: CatalogObject::new(&store, &clock, &simulation),
            clock,
            simulation,
            store,
            databases: DATABASES.iter().map(|(name, namespace)| Database::new(name, namespace)).collect(),
            lake_storage: MemoryStorage::new(),
            lake: None,
            flush: None,
            flush_outcome: Rc::default(),
            client: Client::new("shared"),
            past: Past::new(),
            told: 0,
            has_faults: true,
            trace: Vec::new(),
        }
    }

    /// Lets `steps` things happen, then everything settle. Panics with the seed if something does not hold.
    pub fn run(mut self, steps: usize) -> Run {
        for step in 0..steps {
            self.step();
            if step % 40 == 39 {
                self.check_snapshots();
            }
        }
        self.settle();
        self.check_end();
        let changes = self.databases.iter().map(|database| database.model.change_count()).sum();
        let ends = self.databases.iter().map(|database| database.model.end_count()).sum();
        let commits = self.store.keys().iter().filter(|key| key.starts_with("_lake/commits/")).count();
        self.trace.extend(self.simulation.trace());
        Run { trace: self.trace, changes, ends, commits, told: self.told }
    }

    fn now(&self) -> i64 {
        self.clock.now_micros()
    }

    /// One thing happens.
    fn step(&mut self) {
        let at = self.random.below(self.databases.len());
        match self.random.below(100) {
            0..20 => self.request(at),
            20..40 => self.deliver_to_lake(at),
            40..55 => self.deliver_to_shard(at),
            55..63 => self.subscriber_turn(),
            63..85 => self.tasks_turn(),
            85..92 => self.pass_time(),
            _ => self.fault(at),
        }
    }

    fn request(&mut self, at: usize) {
        self.note(at, "request");
        let (now, random) = (self.now(), self.random.clone());
        self.databases[at].request(now, &random);
    }

    fn deliver_to_shard(&mut self, at: usize) {
        self.note(at, "hears");
        let (now, random) = (self.now(), self.random.clone());
        self.databases[at].hear(now, &random);
    }

    fn deliver_to_lake(&mut self, at: usize) {
        let now = self.now();
        let Some(link) = &mut self.databases[at].link else { return };
        let Some(message) = link.to_lake.pop_front() else {
            if link.is_over() {
                self.databases[at].link = None;
            }
            return;
        };
        let mut connection = link.connection.clone();
        self.note(at, "reaches the lake");
        let Some(lake) = self.open_lake() else {
            // The socket cannot be accepted.
            return self.databases[at].link.iter_mut().for_each(|link| link.has_lake = false);
        };
        let received = match lake.receive(&mut connection, &message, now) {
            Ok(received) => received,
            Err(error) => return self.lake_failed(&error),
        };
        if let Some(link) = &mut self.databases[at].link {
            link.connection = connection;
            if link.has_shard {
                link.to_shard.extend(received.replies.iter().map(lake_cdc::Frame::encode));
            }
            link.has_lake &= received.close.is_none();
        }
        if received.tail_grew
            && let Err(error) = self.client.feed(&lake, now)
        {
            self.lake_failed(&error);
        }
        self.after_lake_event(&lake);
    }

    /// What the lake's shell does after every event.
    fn after_lake_event(&mut self, lake: &Rc<Lake<MemoryStorage>>) {
        self.deliver_notices(lake);
        match lake.after_event(self.now()) {
            Ok(true) => self.start_flush(lake),
            Ok(false) => {}
            Err(error) => self.lake_failed(&error),
        }
    }

    fn start_flush(&mut self, lake: &Rc<Lake<MemoryStorage>>) {
        if self.flush.is_some() {
            return;
        }
        let (ports, outcome) = (Ports { catalog: self.catalog.clone() }, Rc::clone(&self.flush_outcome));
        let lake = Rc::clone(lake);
        self.flush = Some(self.simulation.spawn("flush", async move {
            let flushed = lake.flush(&ports).await;
            *outcome.borrow_mut() = Some(flushed.map(|_| ()));
        }));
    }

    fn deliver_notices(&mut self, lake: &Lake<MemoryStorage>) {
        for notice in lake.take_notices() {
            for database in &mut self.databases {
                let link = database.link.as_mut().filter(|link| link.has_lake && link.has_shard);
                let is_known =
                    |link: &&mut crate::link::Link| link.connection.database.as_ref() == Some(&notice.database);
                if let Some(link) = link.filter(is_known) {
                    link.to_shard.push_back(notice.frame.encode());
                }
            }
        }
    }

    fn subscriber_turn(&mut self) {
        let (now, random) = (self.now(), self.random.clone());
        let Some(lake) = self.open_lake() else { return };
        if let Err(error) = self.client.step(&lake, now, &random) {
            self.lake_failed(&error);
        }
    }

    /// A flush goes on, or begins because somebody reads.
    fn tasks_turn(&mut self) {
        for _ in 0..1 + self.random.below(8) {
            self.simulation.step();
        }
        self.finish_flush();
        // Somebody reads through the catalog.
        if self.random.one_in(12)
            && let Some(lake) = self.open_lake()
        {
            self.start_flush(&lake);
        }
    }

    fn finish_flush(&mut self) {
        let Some(outcome) = self.flush_outcome.borrow_mut().take() else { return };
        self.flush = None;
        if let Some(lake) = self.lake.clone() {
            self.deliver_notices(&lake);
            if let Err(error) = lake.after_flush(self.now())
                && !matches!(error, LakeError::Closed)
            {
                self.lake_failed(&error);
            }
        }
        match outcome {
            Ok(()) => self.trace.push("flushed".to_owned()),
            Err(error) => {
                self.trace.push(format!("flush failed: {error}"));
                if let FlushError::PositionConflict { .. } = error {
                    panic!("seed {}: {error}", self.seed);
                }
                match error {
                    FlushError::Lake(error) => self.lake_failed(&error),
                    // Died at a named place: what is in memory is gone.
                    FlushError::Catalog(CatalogError::Failed(reason)) if reason == "fault" => self.evict_lake(),
                    _ => {}
                }
            }
        }
    }

    fn pass_time(&mut self) {
        let milliseconds = [1, 20, 300, 2_000, 15_000][self.random.below(5)];
        self.clock.advance_ms(milliseconds);
        self.tick();
    }

    fn tick(&mut self) {
        let (now, random) = (self.now(), self.random.clone());
        for database in &mut self.databases {
            database.tick(now, &random);
        }
        if self.lake_storage.take_due_alarm(now) {
            self.lake_alarm();
        }
    }

    fn lake_alarm(&mut self) {
        match self.open_lake() {
            Some(lake) => self.after_lake_event(&lake),
            // The platform calls again.
            None => self.lake_storage.alarm_failed(self.now()),
        }
    }

    fn fault(&mut self, at: usize) {
        let kind = self.random.below(17);
        let passes = self.random.below(4) as u32;
        self.trace.push(format!("fault {kind} {passes} at {at}"));
        let (now, random) = (self.now(), self.random.clone());
        match kind {
            0 => self.databases[at].evict(),
            1 => self.evict_lake(),
            2 => self.close_and_evict_lake(),
            3 => self.catalog.evict(),
            4 | 5 => self.databases[at].break_link(now, &random),
            6 => self.client.disconnect(),
            7 => self.databases[at].storage.fail_apply_after(passes),
            8 => self.databases[at].storage.lose_apply_answer_after(passes),
            9 => self.lake_storage.fail_apply_after(passes),
            10 => self.lake_storage.lose_apply_answer_after(passes),
            11 => self.catalog.storage.fail_apply_after(passes),
            12 => self.catalog.storage.lose_apply_answer_after(passes),
            13 => self.store.fail_put_after(passes),
            14 => self.store.lose_response_after(passes),
            15 => self.catalog.lose_next_answer(),
            _ => arm_fault(PLACES_TO_DIE[self.random.below(PLACES_TO_DIE.len())], passes),
        }
    }

    /// The lake, opened if it is not in memory. `None` while its storage fails.
    fn open_lake(&mut self) -> Option<Rc<Lake<MemoryStorage>>> {
        if self.lake.is_none() {
            let hash_key = [self.random.next_u64(), self.random.next_u64()];
            match Lake::open(self.lake_storage.clone(), hash_key) {
                Ok(lake) => self.lake = Some(Rc::new(lake)),
                Err(error) => self.trace.push(format!("the lake does not open: {error}")),
            }
        }
        self.lake.clone()
    }

    /// The lake is evicted while its sockets hibernate.
    fn evict_lake(&mut self) {
        if let Some(task) = self.flush.take() {
            self.simulation.evict(task);
        }
        self.flush_outcome.borrow_mut().take();
        self.lake = None;
    }

    fn close_and_evict_lake(&mut self) {
        self.evict_lake();
        for database in &mut self.databases {
            if let Some(link) = &mut database.link {
                link.has_lake = false;
                link.to_lake.clear();
            }
        }
        self.client.disconnect();
    }

    /// What is stored is unknown: the shell drops the lake and closes its sockets.
    fn lake_failed(&mut self, error: &LakeError) {
        // A place to die looks like damage, so that nobody goes on after it.
        let is_fault = matches!(error, LakeError::Storage(_) | LakeError::Damaged { what: "fault", .. });
        if !is_fault || !self.has_faults {
            panic!("seed {}: the lake failed: {error}", self.seed);
        }
        self.trace.push(format!("the lake failed: {error}"));
        self.close_and_evict_lake();
    }

    /// Faults end, and everything gets the time it needs.
    fn settle(&mut self) {
        self.trace.push("settle".to_owned());
        disarm_faults();
        self.has_faults = false;
        for database in &self.databases {
            database.storage.revive();
        }
        self.lake_storage.revive();
        self.catalog.revive();
        self.store.come_up();
        let is_quiet = |world: &mut World| {
            let Some(lake) = world.open_lake() else { return false };
            let (position, flushed) = lake.positions();
            world.flush.is_none()
                && position == flushed
                && world.databases.iter().all(Database::is_settled)
                && world.client.is_quiet()
        };
        for _ in 0..2_000 {
            self.settle_round();
            // Twice, because a turn of one may give another something to do.
            if is_quiet(self) {
                self.settle_round();
                if is_quiet(self) {
                    return;
                }
            }
        }
        let waiting: Vec<_> =
            self.databases.iter().filter(|database| !database.is_settled()).map(|d| &d.name).collect();
        let positions = self.lake.as_ref().map(|lake| lake.positions());
        let tail = self.trace.iter().rev().take(40).collect::<Vec<_>>();
        panic!(
            "seed {}: it does not settle; waiting: {waiting:?}, positions {positions:?}, last: {tail:#?}",
            self.seed
        );
    }

    fn settle_round(&mut self) {
        self.clock.advance_ms(500);
        self.tick();
        let (now, random) = (self.now(), self.random.clone());
        for at in 0..self.databases.len() {
            if !self.databases[at].is_settled() {
                self.databases[at].wake(now, &random);
                if self.databases[at].needs_client() {
                    self.request(at);
                }
            }
            for _ in 0..8 {
                self.deliver_to_lake(at);
                self.deliver_to_shard(at);
            }
        }
        for _ in 0..20 {
            self.subscriber_turn();
            self.tasks_turn();
        }
    }

    fn check_snapshots(&mut self) {
        // An engine that meets a failing catalog has nothing to say about its tables.
        self.catalog.storage.revive();
        self.store.come_up();
        for namespace in NAMESPACES {
            if let Err(error) = check::snapshots_are_prefixes(&self.catalog, &self.databases, namespace) {
                panic!("seed {}: {namespace}: {error}", self.seed);
            }
        }
        self.observe();
    }

    /// Somebody notes what is now, and what was a moment ago.
    fn observe(&mut self) {
        let (now, ago) = (self.now(), self.random.below(20_000_000) as i64);
        let Some(lake) = self.open_lake() else { return };
        for namespace in NAMESPACES {
            let databases = DATABASES.iter().filter(|(_, of)| *of == namespace).count();
            if let Err(error) = self.past.observe(&lake, &self.store, (namespace, databases), (now, ago)) {
                panic!("seed {}: {error}", self.seed);
            }
        }
    }

    fn check_end(&mut self) {
        let must = |outcome: Result<(), String>, seed: u64| {
            if let Err(error) = outcome {
                panic!("seed {seed}: {error}");
            }
        };
        for namespace in NAMESPACES {
            must(check::tables_are_complete(&self.catalog, &self.databases, namespace), self.seed);
        }
        must(check::subscriber_is_complete(&self.client, &self.databases), self.seed);
        let (now, random) = (self.now(), self.random.clone());
        for database in &mut self.databases {
            let answer = database.select(now, &random);
            must(answer.and_then(|answer| check::shard_is_true(&answer, &database.model)), self.seed);
        }
        self.observe();
        let told = self.lake.as_ref().map(|lake| self.past.check(lake, &self.store, now));
        self.told = told.map_or(0, |told| told.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed)));
        let position = self.lake.as_ref().map_or(0, |lake| lake.positions().1.0);
        must(check::bucket_is_in_order(&self.store, position), self.seed);
    }

    fn note(&mut self, at: usize, what: &str) {
        let line = format!("{} {what}", self.databases[at].name);
        self.trace.push(line);
    }
}
