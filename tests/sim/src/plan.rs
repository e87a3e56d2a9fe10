//! What a seed decides before anything happens: who is there, what they do, and how much goes wrong.
//!
//! Every kind of fault has a size of its own in each run, from none to heavy. Runs in which a single thing goes wrong
//! all the time find other bugs than runs in which everything does a little.

use std::collections::BTreeSet;

use lake_test_host::SeededRandom;

/// Something that the platform may deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An object is dropped from memory; the sockets it accepted hibernate.
    Evict,
    /// The lake is dropped and its sockets are closed.
    Close,
    /// An object gets a second instance while the first one is still at work.
    Split,
    /// A socket breaks, with what is on its way.
    Break,
    /// A socket swallows everything and nobody is told.
    HalfOpen,
    /// An object dies at a named place.
    Die,
    /// A write to an object's storage fails, or takes effect and fails all the same.
    Storage,
    /// An object's storage is full for a while.
    Full,
    /// A put is refused, or takes effect and its answer is lost, or is delivered twice.
    Put,
    /// A read of the bucket fails. So does one whose body breaks off: the port hands out a body when all of it is there.
    Read,
    /// The bucket does not answer for a while.
    Down,
    /// The bucket is slow.
    Slow,
    /// The catalog's answer is lost.
    Answer,
    /// A client does not hear what became of its request.
    Client,
    /// A subscriber loses its socket.
    Subscriber,
    /// An alarm comes twice.
    Alarm,
    /// A day passes, or a week.
    Day,
    /// The clock of a database or of the lake is set, also backwards.
    Clock,
}

impl Fault {
    /// All.
    pub const ALL: [Fault; 18] = [
        Fault::Evict,
        Fault::Close,
        Fault::Split,
        Fault::Break,
        Fault::HalfOpen,
        Fault::Die,
        Fault::Storage,
        Fault::Full,
        Fault::Put,
        Fault::Read,
        Fault::Down,
        Fault::Slow,
        Fault::Answer,
        Fault::Client,
        Fault::Subscriber,
        Fault::Alarm,
        Fault::Day,
        Fault::Clock,
    ];

    /// As on the command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// What the client of a database does besides changing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// Moves money between accounts and writes down each transfer, in one transaction.
    Bank,
    /// Adds, renames and drops columns.
    Alter,
    /// Drops a table and makes it again.
    Drop,
    /// Inserts hundreds of rows at once.
    Bulk,
    /// Updates and deletes hundreds of rows at once.
    Sweep,
    /// Deletes the database and makes it again.
    End,
    /// Sends what is refused.
    Refused,
}

impl Habit {
    /// All.
    pub const ALL: [Habit; 7] =
        [Habit::Bank, Habit::Alter, Habit::Drop, Habit::Bulk, Habit::Sweep, Habit::End, Habit::Refused];

    /// As on the command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A database of the run.
#[derive(Clone, Debug)]
pub struct DatabasePlan {
    /// Its name.
    pub name: &'static str,
    /// Where its tables appear.
    pub namespace: &'static str,
    /// How often its client does what, of a thousand requests.
    pub habits: Vec<(Habit, usize)>,
    /// How far its clock is from the lake's, in microseconds.
    pub skew: i64,
    /// Keys that its client uses.
    pub keys: usize,
}

/// Two databases share a namespace, one has its own.
const DATABASES: [(&str, &str); 3] = [("left", "shared"), ("right", "shared"), ("solo", "solo")];

/// How much of a fault there is, as its share of the steps in ten thousand.
const SIZES: [usize; 8] = [0, 0, 0, 0, 4, 12, 40, 200];

/// Clocks are apart by a minute at most.
const SKEW_MICROS: i64 = 30_000_000;

/// How far a clock is from the lake's, in microseconds.
pub(crate) fn skew(random: &SeededRandom) -> i64 {
    random.below(2 * SKEW_MICROS as usize) as i64 - SKEW_MICROS
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Things that happen before all becomes quiet.
    pub steps: usize,
    /// Share of each fault in ten thousand steps.
    pub faults: Vec<(Fault, usize)>,
    /// Who is there.
    pub databases: Vec<DatabasePlan>,
    /// Whether rare choices are taken.
    pub has_coins: bool,
    /// Namespaces of subscribers, and how often each has a turn, of ten thousand steps.
    pub subscribers: Vec<(&'static str, usize)>,
    /// Turns of readers in ten thousand steps.
    pub readers: usize,
    /// Turns of foreign engines with a table of their own, in ten thousand steps.
    pub engines: usize,
    /// Whether queries are asked, of the present and of the past: they are half of what a run costs.
    pub has_queries: bool,
}

/// Steps of a run: as many as leave time for 2,000 seeds in five minutes of two cores.
pub const STEPS: usize = 660;

impl Plan {
    /// What this seed decides.
    pub fn of(seed: u64) -> Plan {
        let random = SeededRandom::new(seed ^ 0x706c_616e);
        let draw = |sizes: &[usize]| sizes[random.below(sizes.len())];
        // Sometimes all is well, so that what works without faults is seen too.
        let is_calm = random.one_in(20);
        let clock = SeededRandom::new(seed ^ 0x636c_6f63);
        let faults = Fault::ALL.map(|fault| {
            // Of its own, so that all else is as it was for seeds that are known by their number.
            let size = if fault == Fault::Clock { SIZES[clock.below(SIZES.len())] } else { draw(&SIZES) };
            (fault, if is_calm { 0 } else { size })
        });
        let databases = DATABASES[..1 + random.below(3)].iter().map(|(name, namespace)| DatabasePlan {
            name,
            namespace,
            habits: Habit::ALL.map(|habit| (habit, draw(&[0, 0, 20, 60, 200]))).to_vec(),
            skew: skew(&random),
            keys: draw(&[4, 40, 40, 400]),
        });
        let databases = databases.collect();
        Plan {
            seed,
            steps: STEPS,
            faults: faults.to_vec(),
            databases,
            has_coins: !is_calm,
            subscribers: vec![("shared", 700), ("shared", draw(&[10, 100])), ("solo", 300)],
            readers: draw(&[300, 1_500]),
            has_queries: random.one_in(6),
            engines: draw(&[0, 0, 100, 400]),
        }
    }

    /// The same without what has these names.
    pub fn without(mut self, names: &BTreeSet<String>) -> Plan {
        for (fault, size) in &mut self.faults {
            *size *= usize::from(!names.contains(&fault.name()));
        }
        for database in &mut self.databases {
            for (habit, size) in &mut database.habits {
                *size *= usize::from(!names.contains(&habit.name()));
            }
        }
        self.databases.retain(|database| !names.contains(database.name));
        self.has_coins &= !names.contains("coins");
        if names.contains("subscribers") {
            self.subscribers.clear();
        }
        if names.contains("readers") {
            self.readers = 0;
        }
        if names.contains("engines") {
            self.engines = 0;
        }
        self.has_queries &= !names.contains("queries");
        self
    }

    /// What can be left out of this run, for a smaller one.
    pub fn parts(&self) -> Vec<String> {
        let faults = self.faults.iter().filter(|(_, size)| *size > 0).map(|(fault, _)| fault.name());
        let habits = Habit::ALL.iter().filter(|habit| {
            self.databases.iter().any(|database| database.habits.iter().any(|(of, size)| of == *habit && *size > 0))
        });
        let databases = self.databases.iter().map(|database| database.name.to_owned());
        let databases = databases.filter(|_| self.databases.len() > 1);
        let mut parts: Vec<String> = faults.chain(habits.map(|habit| habit.name())).chain(databases).collect();
        parts.extend(self.has_coins.then(|| "coins".to_owned()));
        parts.extend((!self.subscribers.is_empty()).then(|| "subscribers".to_owned()));
        parts.extend((self.readers > 0).then(|| "readers".to_owned()));
        parts.extend((self.engines > 0).then(|| "engines".to_owned()));
        parts.extend(self.has_queries.then(|| "queries".to_owned()));
        parts
    }
}
