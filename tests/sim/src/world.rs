//! Everything together, and what can happen to it next.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use lake_dolake::Lake;
use lake_host::{Clock, Died, arm_fault, disarm_faults, throw_coins};
use lake_test_host::{ManualClock, MemoryObjectStore, MemoryStorage, SeededRandom, Simulation, TaskId};
use serde_json::Value;

use crate::bucket::Bucket;
use crate::catalog_port::CatalogObject;
use crate::check::{self, Seen};
use crate::chores::is_chore;
use crate::database::{Database, Turn};
use crate::engine::Engine;
use crate::lake_object::{LakeObject, Trouble};
use crate::past::Past;
use crate::places::{PLACES_TO_DIE, REMOVALS};
use crate::plan::{Fault, Plan, skew};
use crate::subscriber::Client;

mod look;
mod quiet;

/// A simulation.
struct World {
    plan: Plan,
    random: SeededRandom,
    clock: ManualClock,
    simulation: Simulation,
    store: MemoryObjectStore,
    bucket: Bucket,
    databases: Vec<Database>,
    lake: LakeObject,
    catalog: CatalogObject,
    clients: Vec<Client>,
    engine: Engine,
    /// What engines are at.
    appends: Vec<TaskId>,
    past: Past,
    seen: Seen,
    /// When the faults that last end, if there are some.
    healthy_at: Option<i64>,
    has_faults: bool,
}

/// How a simulation went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What happened, in order.
    pub trace: Vec<String>,
    /// What did not hold, if something did not.
    pub failure: Option<String>,
    /// Changes that were acknowledged.
    pub changes: usize,
    /// Databases that were deleted and tables that were dropped.
    pub removals: usize,
    /// Commits of the catalog.
    pub commits: usize,
    /// Answers about moments that were asked for again at the end.
    pub told: usize,
    /// Events that subscribers consumed.
    pub events: usize,
    /// What foreign engines did and were told so: appends, replaced files, tables made with rows.
    pub appends: usize,
}

/// Something does not hold.
type Outcome = Result<(), String>;

/// What engines are at at once.
const APPENDS_MAX: usize = 4;

/// Turns of tasks in which what was asked with nothing going wrong comes to its end.
const TURNS_MAX: usize = 100_000;

/// Steps between two looks at positions and bounds.
const GLANCE_STEPS: usize = 6;

/// Steps between two looks at everything.
const LOOK_STEPS: usize = 60;

/// Runs what a plan says.
pub fn run(plan: &Plan) -> Run {
    disarm_faults();
    throw_coins(if plan.has_coins { plan.seed | 1 } else { 0 });
    let mut world = World::new(plan);
    let failure = catch_unwind(AssertUnwindSafe(|| world.live().err())).unwrap_or_else(|cause| Some(panicked(&*cause)));
    disarm_faults();
    throw_coins(0);
    let lives = |world: &World| world.databases.iter().map(|database| database.model.removals()).sum();
    let changes = |world: &World| world.databases.iter().map(|database| database.model.all_lines(None).len()).sum();
    Run {
        failure,
        changes: changes(&world),
        removals: lives(&world),
        commits: check::last_commit(&world.store).unwrap_or_default() as usize,
        told: world.past.told(),
        appends: world.engine.ledger.borrow().done(),
        events: world.clients.iter().map(|client| client.positions.len()).sum(),
        trace: world.simulation.trace(),
    }
}

/// A panic of a core is a failure of its seed, and so is a death outside of every object.
fn panicked(cause: &(dyn Any + Send)) -> String {
    let said =
        || cause.downcast_ref::<String>().cloned().or(cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let died = cause.downcast_ref::<Died>().map(|died| format!("a death at {:?} that no object survives", died.0));
    died.unwrap_or_else(|| format!("a panic: {}", said().unwrap_or_default()))
}

impl World {
    fn new(plan: &Plan) -> World {
        let (clock, simulation) = (ManualClock::default(), Simulation::new(plan.seed));
        let store = MemoryObjectStore::with_clock(clock.clone());
        store.set_yields(1);
        let catalog = CatalogObject::new(&store, &clock, &simulation);
        let engine = Engine {
            catalog: catalog.clone(),
            store: store.clone(),
            clock: clock.clone(),
            random: simulation.random(),
            ledger: Rc::default(),
        };
        World {
            random: simulation.random(),
            lake: LakeObject::new(&simulation, &catalog),
            catalog,
            engine,
            appends: Vec::new(),
            healthy_at: None,
            clock,
            simulation,
            bucket: Bucket::new(&store),
            store,
            databases: plan.databases.iter().map(Database::new).collect(),
            clients: plan.subscribers.iter().map(|(namespace, share)| Client::new(namespace, *share)).collect(),
            past: Past::new(),
            seen: Seen::default(),
            has_faults: true,
            plan: plan.clone(),
        }
    }

    fn live(&mut self) -> Outcome {
        for step in 0..self.plan.steps {
            self.step()?;
            if step % LOOK_STEPS == LOOK_STEPS - 1 {
                self.look()?;
            } else if step % GLANCE_STEPS == GLANCE_STEPS - 1 {
                self.glance()?;
            }
        }
        self.settle()?;
        self.check_end()?;
        self.rest_catalog()?;
        self.simulation.trace_line(format!("all that is stored: {:016x}", self.digest()));
        Ok(())
    }

    /// Of every row and every object's name, and of what is in the objects.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let storages = self.databases.iter().map(|database| &database.storage);
        for storage in storages.chain([&self.lake.storage, &self.catalog.storage]) {
            storage.rows().hash(&mut hasher);
        }
        for key in self.store.keys() {
            // The libraries that write metadata have maps whose order is the process'.
            let is_the_same = !key.ends_with(".avro") && !key.ends_with(".metadata.json");
            (&key, is_the_same.then(|| self.store.bytes(&key))).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn now(&self) -> i64 {
        self.clock.now_micros()
    }

    /// What the lake takes at the moment.
    fn lakes_now(&self) -> i64 {
        self.now() + self.lake.skew.get()
    }

    /// One thing happens.
    fn step(&mut self) -> Outcome {
        let mut chance = self.random.below(10_000);
        let mut is = |share: usize| {
            let hit = chance < share;
            chance = chance.saturating_sub(share);
            hit
        };
        let fault = self.plan.faults.iter().find(|(_, share)| is(*share)).map(|(fault, _)| *fault);
        if let Some(fault) = fault {
            return self.fault(fault);
        }
        if let Some(at) = self.clients.iter().position(|client| is(client.share)) {
            return self.subscriber_turn(at);
        }
        if is(self.plan.readers) {
            return self.read();
        }
        if is(self.plan.engines) {
            self.start_engine();
            return Ok(());
        }
        let at = self.random.below(self.databases.len());
        match self.random.below(100) {
            0..25 => self.request(at),
            25..50 => self.deliver_to_lake(at),
            50..65 => {
                self.deliver_to_shard(at);
                Ok(())
            }
            65..92 => self.tasks_turn(),
            _ => self.pass_time(),
        }
    }

    fn turn<T>(&mut self, at: usize, act: impl FnOnce(&mut Database, &Turn<'_>) -> T) -> T {
        let (now, random) = (self.now(), self.random.clone());
        act(&mut self.databases[at], &Turn { now, random: &random })
    }

    fn request(&mut self, at: usize) -> Outcome {
        self.note(at, "request");
        self.turn(at, |database, turn| database.request(turn))
    }

    fn deliver_to_shard(&mut self, at: usize) {
        self.note(at, "hears");
        self.turn(at, |database, turn| {
            database.hear(turn);
            database.left_turn(turn);
        });
    }

    /// The next message of each socket of a database reaches the lake.
    fn deliver_to_lake(&mut self, at: usize) -> Outcome {
        let count = self.databases[at].links().count();
        for number in 0..count {
            self.deliver_link(at, number)?;
        }
        self.databases[at].forget_links();
        Ok(())
    }

    fn deliver_link(&mut self, at: usize, number: usize) -> Outcome {
        let now = self.lakes_now();
        let Some(link) = self.databases[at].links().nth(number) else { return Ok(()) };
        let mut connection = link.connection();
        let Some(message) = link.to_lake.pop_front().filter(|_| link.has_lake) else {
            if !link.has_shard && link.has_lake {
                // The lake hears that the shard is gone.
                link.has_lake = false;
                let forgotten = self.lake.act(|lake| {
                    lake.forget(&connection);
                    Ok(())
                });
                return self.after(forgotten.map(|_| ()));
            }
            if link.is_over() && number == 0 {
                self.databases[at].present.link = None;
            }
            return Ok(());
        };
        self.note(at, "reaches the lake");
        let received = match self.lake.act(|lake| lake.receive(&mut connection, &message, now)) {
            Ok(Some(received)) => received,
            // The socket cannot be accepted.
            Ok(None) => {
                self.databases[at].links().nth(number).into_iter().for_each(|link| link.has_lake = false);
                return Ok(());
            }
            Err(trouble) => return self.after(Err(trouble)),
        };
        if let Some(link) = self.databases[at].links().nth(number) {
            link.attach(&connection);
            received.replies.iter().for_each(|reply| link.send_to_shard(reply.encode()));
            link.has_lake &= received.close.is_none();
        }
        if received.tail_grew {
            self.feed()?;
        }
        self.after_lake_event()
    }

    fn feed(&mut self) -> Outcome {
        let now = self.lakes_now();
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let fed = self.lake.act(|lake| client.feed(lake, now)).map(|_| ());
            self.after(fed)?;
        }
        Ok(())
    }

    /// What the lake's shell does after every event.
    fn after_lake_event(&mut self) -> Outcome {
        self.deliver_notices()?;
        let taken = self.lake.after_event(self.lakes_now());
        self.after(taken)
    }

    fn deliver_notices(&mut self) -> Outcome {
        let notices = match self.lake.act(|lake| Ok(lake.take_notices())) {
            Ok(notices) => notices.unwrap_or_default(),
            Err(trouble) => return self.after(Err(trouble)),
        };
        for notice in notices {
            for database in &mut self.databases {
                for link in database.links().filter(|link| link.has_lake) {
                    if link.connection().wants(&notice) {
                        link.send_to_shard(notice.frame.encode());
                    }
                }
            }
        }
        Ok(())
    }

    /// What the lake's shell does when the lake cannot go on: it drops it and closes its sockets.
    fn after(&mut self, outcome: Result<(), Trouble>) -> Outcome {
        match outcome {
            Ok(()) => Ok(()),
            Err(Trouble::GaveUp(why)) if self.has_faults => {
                self.simulation.trace_line(format!("the lake gave up: {why}"));
                self.lake.give_up();
                self.close_sockets();
                Ok(())
            }
            Err(Trouble::GaveUp(why) | Trouble::Broken(why)) => Err(why),
        }
    }

    fn close_sockets(&mut self) {
        for link in self.databases.iter_mut().flat_map(Database::links) {
            link.has_lake = false;
            link.to_lake.clear();
        }
        self.clients.iter_mut().for_each(Client::disconnect);
    }

    fn subscriber_turn(&mut self, at: usize) -> Outcome {
        let (now, random) = (self.lakes_now(), self.random.clone());
        self.simulation.trace_line(format!("subscriber {at}"));
        let client = &mut self.clients[at];
        let stepped = self.lake.act(|lake| client.step(lake, now, &random)).map(|_| ());
        self.after(stepped)?;
        self.after_lake_event()
    }

    /// Somebody reads through the catalog: what is in the tail is committed first.
    fn read(&mut self) -> Outcome {
        self.simulation.trace_line("read".to_owned());
        match self.lake.open() {
            Ok(Some(_)) => self.lake.start_flush(),
            Ok(None) => {}
            Err(trouble) => return self.after(Err(trouble)),
        }
        Ok(())
    }

    /// An engine begins something.
    fn start_engine(&mut self) {
        let simulation = self.simulation.clone();
        self.appends.retain(|append| !simulation.has_ended(*append));
        if self.appends.len() < APPENDS_MAX {
            self.simulation.trace_line("engine".to_owned());
            let engine = self.engine.clone();
            self.appends.push(match is_chore(&self.random) {
                true => self.simulation.spawn("chore", engine.chore()),
                false => self.simulation.spawn("engine", engine.work()),
            });
        }
    }

    /// What is under way goes on.
    fn tasks_turn(&mut self) -> Outcome {
        // Sometimes so little that other things come in between.
        for _ in 0..1 + self.random.below([2, 8, 60, 60][self.random.below(4)]) {
            self.simulation.step();
            self.bury()?;
        }
        self.finish_flushes()
    }

    /// Who died takes its object's memory along.
    fn bury(&mut self) -> Outcome {
        for (task, _) in self.simulation.take_deaths() {
            self.catalog.died(task);
            let outcome = self.lake.died(task);
            self.after(outcome)?;
        }
        Ok(())
    }

    fn finish_flushes(&mut self) -> Outcome {
        let finished = self.lake.finish_flushes(self.lakes_now());
        self.after(finished.map(|_| ()))?;
        self.deliver_notices()
    }

    fn pass_time(&mut self) -> Outcome {
        let milliseconds = [1, 20, 300, 2_000, 15_000][self.random.below(5)];
        self.advance(milliseconds)
    }

    fn advance(&mut self, milliseconds: i64) -> Outcome {
        self.clock.advance_ms(milliseconds);
        let now = self.now();
        for at in 0..self.databases.len() {
            self.turn(at, |database, turn| database.tick(turn));
        }
        self.catalog.tick(now);
        let ticked = self.lake.tick(self.lakes_now());
        if self.healthy_at.take_if(|at| *at <= now).is_some() {
            self.heal();
        }
        self.after(ticked)
    }

    /// Faults that last are over.
    fn heal(&mut self) {
        for database in &self.databases {
            database.storage.revive();
        }
        self.lake.storage.revive();
        self.catalog.storage.revive();
        self.store.come_up();
        self.store.set_yields(1);
    }

    fn fault(&mut self, fault: Fault) -> Outcome {
        let at = self.random.below(self.databases.len());
        let object = self.random.below(3);
        let passes = self.random.below(4) as u32;
        let is_lost = self.random.one_in(2);
        self.simulation.trace_line(format!("fault {} {object} {passes} {is_lost} {at}", fault.name()));
        let now = self.now();
        let storage = [&self.databases[at].storage, &self.lake.storage, &self.catalog.storage][object].clone();
        match (fault, object) {
            (Fault::Evict, 0) => self.databases[at].evict(),
            (Fault::Evict, 1) => {
                self.lake.evict();
                // Whoever wakes it wants it to go on.
                return if is_lost { self.read() } else { Ok(()) };
            }
            (Fault::Evict, _) => self.catalog.evict(),
            (Fault::Close, _) => {
                self.lake.evict();
                self.close_sockets();
            }
            (Fault::Split, 0) => self.databases[at].split(),
            (Fault::Split, 1) => self.lake.split(),
            (Fault::Split, _) => self.catalog.split(),
            (Fault::Break, _) => self.turn(at, |database, turn| database.break_link(turn)),
            (Fault::HalfOpen, _) => self.databases[at].links().for_each(crate::link::Link::fall_silent),
            (Fault::Die, _) => {
                let is_removal = object == 0 && self.plan.engines > 0;
                let (places, passes) = if is_removal { (REMOVALS, 0) } else { (PLACES_TO_DIE, passes) };
                let place = places[self.random.below(places.len())];
                let side = if is_lost { "after" } else { "before" };
                arm_fault(&format!("{side} {place}"), passes);
            }
            (Fault::Storage, _) if is_lost => storage.lose_apply_answer_after(passes),
            (Fault::Storage, _) => storage.fail_apply_after(passes),
            (Fault::Full, _) => {
                storage.fill_up();
                self.healthy_at = Some(now + 5_000_000);
            }
            (Fault::Put, 0) => self.store.fail_put_after(passes),
            (Fault::Put, 1) => self.store.lose_response_after(passes),
            (Fault::Put, _) => self.store.repeat_put_after(passes, 1 + self.random.below(20) as u32),
            (Fault::Read, _) => self.store.fail_get_after(passes),
            (Fault::Down, _) => {
                self.store.go_down();
                self.healthy_at = Some(now + 5_000_000);
            }
            (Fault::Slow, _) => {
                self.store.set_yields(8);
                self.healthy_at = Some(now + 5_000_000);
            }
            (Fault::Answer, 1 | 2) if self.plan.engines > 0 => self.catalog.lose_next_answer_to_commit(),
            (Fault::Answer, _) => self.catalog.lose_next_answer(),
            (Fault::Client, _) => self.databases[at].loses_answer = true,
            (Fault::Subscriber, _) => {
                let count = self.clients.len().max(1);
                self.clients.iter_mut().skip(self.random.below(count)).take(1).for_each(Client::disconnect);
            }
            (Fault::Alarm, 0) => self.turn(at, |database, turn| database.alarm(turn)),
            (Fault::Alarm, 1) => {
                let taken = self.lake.alarm(self.lakes_now());
                return self.after(taken);
            }
            (Fault::Alarm, _) => self.catalog.alarm(),
            // A key is remembered for a day: a client must know by then.
            (Fault::Day, _) if self.databases.iter().all(|database| !database.needs_client()) => {
                // Or a week, after which what was dropped does not come back.
                return self.advance(if is_lost { 7 } else { 1 } * 24 * 3_600_000);
            }
            (Fault::Day, _) => {}
            (Fault::Clock, 0) => self.lake.skew.set(skew(&self.random)),
            (Fault::Clock, _) => self.databases[at].plan.skew = skew(&self.random),
        }
        Ok(())
    }

    fn lake_status(&mut self) -> Option<Value> {
        let lake: Rc<Lake<MemoryStorage>> = self.lake.open().ok().flatten()?;
        lake.status().ok()
    }

    fn note(&self, at: usize, what: &str) {
        self.simulation.trace_line(format!("{} {what}", self.databases[at].name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_or_a_death_outside_of_objects_is_said() {
        let died = || {
            arm_fault("before nothing", 0);
            lake_host::fault!("before nothing");
        };
        let panics: [(fn(), &str); 2] = [
            (|| panic!("row {}", 7), "a panic: row 7"),
            (died, "a death at \"before nothing\" that no object survives"),
        ];
        for (act, said) in panics {
            let cause = catch_unwind(act).expect_err("nothing happened");
            assert_eq!(panicked(&*cause), said);
        }
    }
}
