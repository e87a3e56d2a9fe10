//! A database as the simulation runs it: its object, one or two instances of it, its socket and its client.

use lake_api::ApiError;
use lake_api::scope::Access;
use lake_cdc::{Micros, TimelineId};
use lake_dosql::{OutboxStep, Shard};
use lake_host::{Random, alive};
use lake_test_host::{MemoryStorage, SeededRandom};
use serde_json::Value;

use crate::link::Link;
use crate::model::{Effect, Model};
use crate::plan::DatabasePlan;
use crate::workload::{Request, Wish, Workload};

/// What the simulation knows when it turns to a database.
pub(crate) struct Turn<'a> {
    /// The lake's time; the database has its own.
    pub(crate) now: i64,
    pub(crate) random: &'a SeededRandom,
}

/// One instance of the object: its memory, its socket, its timers.
#[derive(Default)]
pub(crate) struct Instance {
    storage: MemoryStorage,
    shard: Option<Shard<MemoryStorage>>,
    pub(crate) link: Option<Link>,
    /// Sockets that the shard has done with, as long as the lake does not know: what was sent over them still arrives.
    former: Vec<Link>,
    timers: Vec<i64>,
}

/// One database.
pub(crate) struct Database {
    pub(crate) plan: DatabasePlan,
    pub(crate) storage: MemoryStorage,
    pub(crate) present: Instance,
    /// An instance that the object has left behind and that does not know it.
    pub(crate) left: Option<Instance>,
    /// The request whose outcome the client does not know.
    pub(crate) pending: Option<Request>,
    pub(crate) model: Model,
    workload: Workload,
    is_created: bool,
    /// The client has asked for its end and does not know yet whether that holds.
    pub(crate) is_deleting: bool,
    /// The client does not hear the next answer.
    pub(crate) loses_answer: bool,
}

impl Database {
    pub(crate) fn new(plan: &DatabasePlan) -> Database {
        let storage = MemoryStorage::new();
        Database {
            plan: plan.clone(),
            present: Instance::new(&storage),
            storage,
            left: None,
            pending: None,
            model: Model::default(),
            workload: Workload::default(),
            is_created: false,
            is_deleting: false,
            loses_answer: false,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    fn now(&self, turn: &Turn<'_>) -> Micros {
        Micros(turn.now + self.plan.skew)
    }

    /// Takes the shard out of memory; its socket breaks with it.
    pub(crate) fn evict(&mut self) {
        self.present.lose_memory();
    }

    /// Another instance takes over while this one goes on.
    pub(crate) fn split(&mut self) {
        let fresh = Instance::new(&self.storage);
        let old = std::mem::replace(&mut self.present, fresh);
        old.storage.leave_behind();
        self.left = Some(old);
    }

    /// What an instance does that does not know that it is not the object's any more.
    pub(crate) fn left_turn(&mut self, turn: &Turn<'_>) {
        let now = self.now(turn);
        let Some(left) = &mut self.left else { return };
        left.hear(self.plan.name, now, turn.random);
        left.carry(self.plan.name, now, turn.random, |shard| shard.after_request(now));
        if turn.random.one_in(20) {
            left.lose_memory();
        }
        if left.shard.is_none() && left.link.as_ref().is_none_or(Link::is_over) {
            self.left = None;
        }
    }

    /// Sends the client's next request, or once more the one whose outcome it does not know.
    pub(crate) fn request(&mut self, turn: &Turn<'_>) -> Result<(), String> {
        let now = self.now(turn);
        let outcome = if self.is_deleting {
            self.delete(turn)
        } else if !self.is_created {
            self.create(turn)
        } else {
            match self.pending.take() {
                Some(request) => self.send(request, turn),
                None => match self.workload.next(&self.plan, &self.model, turn.random) {
                    Wish::Request(request) => self.send(request, turn),
                    Wish::End => self.delete(turn),
                },
            }
        };
        self.loses_answer = false;
        self.present.carry(self.plan.name, now, turn.random, |shard| shard.after_request(now));
        outcome.map_err(|error| format!("{}: {error}", self.plan.name))
    }

    fn create(&mut self, turn: &Turn<'_>) -> Result<(), String> {
        let (name, now) = (self.plan.name, self.now(turn));
        let options = format!("{{\"namespace\": \"{}\"}}", self.plan.namespace);
        let timeline = TimelineId(turn.random.id());
        let Some(shard) = self.present.open(name, turn.random) else { return Ok(()) };
        // Whether it took effect is seen at the next attempt, if this one does not say.
        self.model.try_timeline(timeline);
        let answered = alive(|| shard.create(options.as_bytes(), timeline, now));
        match answered {
            Ok(Ok(_)) => self.is_created = !self.loses_answer,
            Ok(Err(error)) => {
                let error = ApiError::from(error);
                if !passes(&error) {
                    return Err(format!("{error:?} for its creation"));
                }
            }
            Err(_died) => self.evict(),
        }
        Ok(())
    }

    fn send(&mut self, request: Request, turn: &Turn<'_>) -> Result<(), String> {
        let (name, now) = (self.plan.name, self.now(turn));
        self.pending = Some(request.clone());
        let (timeline, seed) = (TimelineId(turn.random.id()), seed(turn.random));
        let Some(shard) = self.present.open(name, turn.random) else { return Ok(()) };
        let key = Some(request.idempotency_key.as_str());
        let answered = alive(|| shard.sql(request.body.as_bytes(), key, Access::Write, timeline, now, seed));
        let Ok(answered) = answered else {
            self.evict();
            return Ok(());
        };
        if self.loses_answer {
            return Ok(());
        }
        match answered.map_err(ApiError::from) {
            Ok(_) if request.refused.is_some() => Err(format!("was not refused: {}", request.body)),
            Ok(answer) => {
                self.pending = None;
                self.acknowledge(&request, &answer)
            }
            Err(error) if Some(error.code.name()) == request.refused => {
                self.pending = None;
                Ok(())
            }
            Err(error) if passes(&error) => Ok(()),
            Err(error) => Err(format!("{error:?} for {}", request.body)),
        }
    }

    fn acknowledge(&mut self, request: &Request, answer: &str) -> Result<(), String> {
        let answer: Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
        self.workload.acknowledge(request);
        match answer["lsn"].as_str().and_then(|lsn| lsn.parse().ok()) {
            Some(lsn) => self.model.acknowledge(lsn, &request.effects),
            None if request.effects.is_empty() => Ok(()),
            None => Err(format!("no position in the answer {answer} to {}", request.body)),
        }
    }

    /// Deletes the database, which the client makes again later.
    fn delete(&mut self, turn: &Turn<'_>) -> Result<(), String> {
        let (name, now) = (self.plan.name, self.now(turn));
        self.is_deleting = true;
        let Some(shard) = self.present.open(name, turn.random) else { return Ok(()) };
        let Ok(answered) = alive(|| shard.delete(now)) else {
            self.evict();
            return Ok(());
        };
        // That it is not there is the answer to a second request when that to the first was lost.
        let is_gone = match answered.map_err(ApiError::from) {
            Ok(_) => !self.loses_answer,
            Err(error) if error.code.name() == "database_not_found" => true,
            Err(error) if passes(&error) => false,
            Err(error) => return Err(format!("{error:?} for its end")),
        };
        if is_gone {
            self.model.end();
            self.workload.end();
            (self.is_deleting, self.is_created) = (false, false);
        }
        Ok(())
    }

    /// The model as it is if what is in doubt has committed.
    pub(crate) fn doubtful_model(&self) -> Model {
        let effects = self.pending.as_ref().filter(|request| request.refused.is_none());
        let effects: Option<&[Effect]> = effects.map(|request| request.effects.as_slice());
        let mut model = self.model.with_doubt(effects);
        if self.is_deleting {
            model.end();
        }
        model
    }

    /// The answer to a SELECT of everything in a table, as (id, value).
    pub(crate) fn select(&mut self, table: &str, turn: &Turn<'_>) -> Result<Vec<(i64, String)>, String> {
        let now = self.now(turn);
        let body = format!(r#"{{"sql": "SELECT id, CAST(value AS text) AS value FROM {table} ORDER BY id"}}"#);
        let (timeline, seed) = (TimelineId(turn.random.id()), seed(turn.random));
        let shard = self.present.open(self.plan.name, turn.random).ok_or("the shard does not open")?;
        let answer = match shard.sql(body.as_bytes(), None, Access::Read, timeline, now, seed) {
            Ok(answer) => answer,
            Err(error) => {
                let error = ApiError::from(error);
                // Its client has not made it again yet.
                let is_none = error.code.name() == "42P01";
                return if is_none { Ok(Vec::new()) } else { Err(format!("{error:?}")) };
            }
        };
        let answer: Value = serde_json::from_str(&answer).map_err(|error| format!("no JSON: {error}"))?;
        let rows = answer["rows"].as_array().ok_or("no rows")?;
        Ok(rows
            .iter()
            .map(|row| (row[0].as_i64().or_else(|| row[0].as_str()?.parse().ok()).unwrap_or(-1), text(&row[1])))
            .collect())
    }

    /// What the shard says of itself, if it is in memory and has a database.
    pub(crate) fn status(&self) -> Option<Value> {
        self.present.shard.as_ref()?.status()
    }

    /// What the shard says of itself, opened if need be.
    pub(crate) fn open_status(&mut self) -> Option<Value> {
        let random = SeededRandom::new(0);
        self.present.open(self.plan.name, &random)?.status()
    }

    /// True if the lake, of which this is the status, has everything that it committed, its end too. It may not know that.
    pub(crate) fn has_told_all(&mut self, lake: &Value) -> bool {
        let Some(status) = self.open_status() else { return true };
        let shards = lake["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
        let held = shards.iter().find(|shard| shard["timeline"] == status["timeline"]);
        let accepted = held.map_or(&Value::Null, |shard| &shard["accepted"]);
        status["state"] == "live" && *accepted == status["committed"]
    }

    /// Somebody asks for its status, which opens it if need be.
    pub(crate) fn wake(&mut self, turn: &Turn<'_>) {
        let now = self.now(turn);
        self.present.carry(self.plan.name, now, turn.random, |shard| shard.after_request(now));
    }

    /// True if its client has something to do before all can be quiet.
    pub(crate) fn needs_client(&self) -> bool {
        !self.is_created || self.is_deleting || self.pending.is_some()
    }

    /// True if everything it committed is with the lake.
    pub(crate) fn is_settled(&self) -> bool {
        !self.needs_client()
            && self.left.is_none()
            && self.present.shard.as_ref().is_some_and(|shard| !shard.wants_connection())
    }

    /// Alarm and timers that are due.
    pub(crate) fn tick(&mut self, turn: &Turn<'_>) {
        let (name, now) = (self.plan.name, self.now(turn));
        if self.storage.take_due_alarm(now.0) {
            self.alarm(turn);
        }
        self.present.tick(name, now, turn.random);
        if let Some(left) = &mut self.left {
            left.tick(name, now, turn.random);
        }
    }

    /// The alarm, also when it comes once more.
    pub(crate) fn alarm(&mut self, turn: &Turn<'_>) {
        let (name, now) = (self.plan.name, self.now(turn));
        let answered = self.present.open(name, turn.random).and_then(|shard| alive(|| shard.on_alarm(now)).ok());
        let is_taken = matches!(answered, Some((_, Ok(()))));
        match answered {
            Some((steps, _)) => self.present.carry(name, now, turn.random, |_| steps),
            None => self.evict(),
        }
        if !is_taken {
            // The platform calls again.
            self.storage.alarm_failed(now.0);
        }
    }

    /// The next thing on the socket, as the shard sees it.
    pub(crate) fn hear(&mut self, turn: &Turn<'_>) {
        let now = self.now(turn);
        self.present.hear(self.plan.name, now, turn.random);
    }

    /// The socket breaks and the shard notices.
    pub(crate) fn break_link(&mut self, turn: &Turn<'_>) {
        let now = self.now(turn);
        // The shard may dial again at once.
        if self.present.link.take().is_some_and(|link| link.has_shard) {
            self.present.carry(self.plan.name, now, turn.random, |shard| shard.on_closed(now));
        }
    }

    /// Its sockets, those of an instance left behind too.
    pub(crate) fn links(&mut self) -> impl Iterator<Item = &mut Link> {
        self.present.links().chain(self.left.iter_mut().flat_map(Instance::links))
    }

    /// Forgets sockets of which nothing can come any more.
    pub(crate) fn forget_links(&mut self) {
        for instance in std::iter::once(&mut self.present).chain(&mut self.left) {
            instance.former.retain(|link| !link.is_over());
        }
    }
}

/// Sockets that are kept of those that the shard has done with.
const FORMER_MAX: usize = 4;

impl Instance {
    fn new(storage: &MemoryStorage) -> Instance {
        Instance { storage: storage.instance(), ..Instance::default() }
    }

    /// The shard, opened if it is not in memory. `None` while its storage cannot be read.
    fn open(&mut self, name: &str, random: &SeededRandom) -> Option<&mut Shard<MemoryStorage>> {
        if self.shard.is_none() {
            let storage = self.storage.clone();
            self.shard = alive(|| Shard::open(storage, name, Micros(0), seed(random))).ok()?.ok();
        }
        self.shard.as_mut()
    }

    fn links(&mut self) -> impl Iterator<Item = &mut Link> {
        self.link.iter_mut().chain(&mut self.former)
    }

    /// The shard has done with its socket. The lake hears of it behind what was sent.
    fn leave_link(&mut self) {
        if let Some(link) = self.link.take().filter(|link| link.has_lake && !link.is_silent) {
            self.former.push(link.left_by_shard());
            self.former.drain(..self.former.len().saturating_sub(FORMER_MAX));
        }
    }

    fn lose_memory(&mut self) {
        self.shard = None;
        self.timers.clear();
        if let Some(link) = &mut self.link {
            link.has_shard = false;
        }
    }

    fn tick(&mut self, name: &str, now: Micros, random: &SeededRandom) {
        let due = self.timers.iter().filter(|at| **at <= now.0).count();
        self.timers.retain(|at| *at > now.0);
        for _ in 0..due {
            self.carry(name, now, random, |shard| shard.on_timer(now));
        }
    }

    fn hear(&mut self, name: &str, now: Micros, random: &SeededRandom) {
        let Some(link) = &mut self.link else { return };
        if !link.has_shard {
            return;
        }
        if !link.is_open {
            link.is_open = true;
            self.carry(name, now, random, |shard| shard.on_open(now));
        } else if let Some(message) = link.to_shard.pop_front() {
            self.carry(name, now, random, |shard| shard.on_message(&message, now));
        } else if !link.has_lake {
            link.has_shard = false;
            self.carry(name, now, random, |shard| shard.on_closed(now));
        }
    }

    fn carry(
        &mut self,
        name: &str,
        now: Micros,
        random: &SeededRandom,
        decide: impl FnOnce(&mut Shard<MemoryStorage>) -> Vec<OutboxStep>,
    ) {
        let Some(shard) = self.open(name, random) else { return };
        let Ok(steps) = alive(|| decide(shard)) else { return self.lose_memory() };
        for step in steps {
            match step {
                OutboxStep::Connect => {
                    self.leave_link();
                    self.link = Some(Link::dialled());
                }
                OutboxStep::Send(message) => {
                    assert!(message.len() <= lake_host::MESSAGE_BYTES_MAX, "a frame of {} bytes", message.len());
                    if let Some(link) = &mut self.link {
                        link.send_to_lake(message);
                    }
                }
                OutboxStep::Close => {
                    // The shard sees the end at its next turn.
                    self.leave_link();
                    self.link = Some(Link::closing());
                }
                OutboxStep::WakeIn { millis } => self.timers.push(now.0 + i64::from(millis) * 1_000),
            }
        }
    }
}

/// True of an error after which a client tries again: full, for the moment; or nobody knows. Never of one that is our bug.
fn passes(error: &ApiError) -> bool {
    let code = error.code;
    matches!(code.name(), "53100" | "53400" | "58030" | "08007") || code.is_retryable()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn seed(random: &SeededRandom) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill(&mut seed);
    seed
}
