//! A database as the simulation runs it: the shard, its client, its timers and its socket.

use lake_api::scope::Access;
use lake_cdc::{Micros, TimelineId};
use lake_dosql::{OutboxStep, Shard};
use lake_host::Random;
use lake_test_host::{MemoryStorage, SeededRandom};

use crate::link::Link;
use crate::model::{Model, Request};

/// One database.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) storage: MemoryStorage,
    shard: Option<Shard<MemoryStorage>>,
    pub(crate) link: Option<Link>,
    timers: Vec<i64>,
    pub(crate) pending: Option<Request>,
    pub(crate) model: Model,
    is_created: bool,
    /// The client has asked for its end and does not know yet whether that holds.
    pub(crate) is_deleting: bool,
}

impl Database {
    pub(crate) fn new(name: &str, namespace: &str) -> Database {
        Database {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            storage: MemoryStorage::new(),
            shard: None,
            link: None,
            timers: Vec::new(),
            pending: None,
            model: Model::default(),
            is_created: false,
            is_deleting: false,
        }
    }

    /// The shard, opened if it is not in memory. `None` while its storage cannot be read.
    fn open(&mut self, now: i64, random: &SeededRandom) -> Option<&mut Shard<MemoryStorage>> {
        if self.shard.is_none() {
            self.shard = Shard::open(self.storage.clone(), &self.name, Micros(now), seed(random)).ok();
        }
        self.shard.as_mut()
    }

    /// Takes the shard out of memory; its socket breaks with it.
    pub(crate) fn evict(&mut self) {
        self.shard = None;
        self.timers.clear();
        if let Some(link) = &mut self.link {
            link.has_shard = false;
        }
    }

    /// Creates database and table, until that is acknowledged.
    fn create(&mut self, now: i64, random: &SeededRandom) -> bool {
        let options = format!("{{\"namespace\": \"{}\"}}", self.namespace);
        let timeline = TimelineId(random.id());
        let Some(shard) = self.open(now, random) else { return false };
        if shard.create(options.as_bytes(), timeline, Micros(now)).is_err() {
            return false;
        }
        let body = r#"{"sql": "CREATE TABLE items (id integer PRIMARY KEY, value text NOT NULL)"}"#;
        shard.sql(body.as_bytes(), Some("create"), Access::Write, timeline, Micros(now), seed(random)).is_ok()
    }

    /// Sends the client's next request, or once more the one whose outcome it does not know.
    pub(crate) fn request(&mut self, now: i64, random: &SeededRandom) {
        let wants_end = self.is_created && self.pending.is_none() && random.one_in(60);
        if wants_end || self.is_deleting {
            return self.delete(now, random);
        }
        if !self.is_created {
            self.is_created = self.create(now, random);
            self.carry(now, random, |shard| shard.after_request(Micros(now)));
            return;
        }
        let request = match self.pending.take() {
            Some(request) => request,
            None => self.model.next_request(&self.name, random),
        };
        self.pending = Some(request.clone());
        let (timeline, seed) = (TimelineId(random.id()), seed(random));
        let Some(shard) = self.open(now, random) else { return };
        let key = Some(request.idempotency_key.as_str());
        let outcome = shard.sql(request.body.as_bytes(), key, Access::Write, timeline, Micros(now), seed);
        match outcome.map_err(lake_api::ApiError::from) {
            Ok(_) if request.is_refused => panic!("{}: a broken key was taken: {}", self.name, request.body),
            Ok(_) => {
                self.model.acknowledge(&request);
                self.pending = None;
            }
            Err(error) if error.code.name() == "23505" && request.is_refused => self.pending = None,
            Err(error) if error.code.is_retryable() || !error.code.has_no_side_effects() => {}
            Err(error) => panic!("{}: {error:?} for {}", self.name, request.body),
        }
        self.carry(now, random, |shard| shard.after_request(Micros(now)));
    }

    /// Deletes the database, which the client makes again later.
    fn delete(&mut self, now: i64, random: &SeededRandom) {
        self.is_deleting = true;
        let Some(shard) = self.open(now, random) else { return };
        // That it is not there is the answer to a second request when that to the first was lost.
        let is_gone = match shard.delete(Micros(now)).map_err(lake_api::ApiError::from) {
            Ok(_) => true,
            Err(error) => error.code.name() == "database_not_found",
        };
        if is_gone {
            self.model.end();
            (self.is_deleting, self.is_created) = (false, false);
        }
        self.carry(now, random, |shard| shard.after_request(Micros(now)));
    }

    /// The answer to a SELECT of everything.
    pub(crate) fn select(&mut self, now: i64, random: &SeededRandom) -> Result<String, String> {
        let body = r#"{"sql": "SELECT id, value FROM items ORDER BY id"}"#;
        let (timeline, seed) = (TimelineId(random.id()), seed(random));
        let shard = self.open(now, random).ok_or("the shard does not open")?;
        shard.sql(body.as_bytes(), None, Access::Read, timeline, Micros(now), seed).map_err(|error| error.to_string())
    }

    /// Somebody asks for its status, which opens it if need be.
    pub(crate) fn wake(&mut self, now: i64, random: &SeededRandom) {
        self.carry(now, random, |shard| shard.after_request(Micros(now)));
    }

    /// True if its client has something to do before all can be quiet.
    pub(crate) fn needs_client(&self) -> bool {
        !self.is_created || self.is_deleting || self.pending.is_some()
    }

    /// True if everything it committed is with the lake.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_created
            && !self.is_deleting
            && self.pending.is_none()
            && self.shard.as_ref().is_some_and(|shard| !shard.wants_connection())
    }

    /// Alarm and timers that are due.
    pub(crate) fn tick(&mut self, now: i64, random: &SeededRandom) {
        if self.storage.take_due_alarm(now) {
            let steps = self.open(now, random).and_then(|shard| shard.on_alarm(Micros(now)).ok());
            match steps {
                Some(steps) => self.carry(now, random, |_| steps),
                None => self.storage.alarm_failed(now),
            }
        }
        let due = self.timers.iter().filter(|at| **at <= now).count();
        self.timers.retain(|at| *at > now);
        for _ in 0..due {
            self.carry(now, random, |shard| shard.on_timer(Micros(now)));
        }
    }

    /// The next thing on the socket, as the shard sees it.
    pub(crate) fn hear(&mut self, now: i64, random: &SeededRandom) {
        let Some(link) = &mut self.link else { return };
        if !link.has_shard {
            return;
        }
        if !link.is_open {
            link.is_open = true;
            self.carry(now, random, |shard| shard.on_open(Micros(now)));
        } else if let Some(message) = link.to_shard.pop_front() {
            self.carry(now, random, |shard| shard.on_message(&message, Micros(now)));
        } else if !link.has_lake {
            link.has_shard = false;
            self.carry(now, random, |shard| shard.on_closed(Micros(now)));
        }
    }

    /// The socket breaks and the shard notices.
    pub(crate) fn break_link(&mut self, now: i64, random: &SeededRandom) {
        // The shard may dial again at once.
        if self.link.take().is_some_and(|link| link.has_shard) {
            self.carry(now, random, |shard| shard.on_closed(Micros(now)));
        }
    }

    fn carry(
        &mut self,
        now: i64,
        random: &SeededRandom,
        decide: impl FnOnce(&mut Shard<MemoryStorage>) -> Vec<OutboxStep>,
    ) {
        let Some(shard) = self.open(now, random) else { return };
        for step in decide(shard) {
            match step {
                OutboxStep::Connect => self.link = Some(Link::dialled()),
                OutboxStep::Send(message) => {
                    if let Some(link) = self.link.as_mut().filter(|link| link.has_shard) {
                        link.to_lake.push_back(message);
                    }
                }
                OutboxStep::Close => {
                    if let Some(link) = &mut self.link {
                        // The lake sees the end after what was sent; the shard at its next turn.
                        link.has_lake = false;
                        link.to_shard.clear();
                    }
                }
                OutboxStep::WakeIn { millis } => self.timers.push(now + i64::from(millis) * 1_000),
            }
        }
    }
}

fn seed(random: &SeededRandom) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill(&mut seed);
    seed
}
