//! What a transaction knows of the world: its time, its random numbers, its sequences, and how much it may still do.
//!
//! Functions of SQLite reach it through a shared handle, since they outlive every statement. Nothing here reads a
//! clock: the caller says what time it is, once per transaction, and gives a seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use lake_dialect::{SqlError, sqlstate};
use rusqlite::Connection;

use crate::budget::StepBudget;
use crate::error::sqlite_error;

/// Handle of the functions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    shared: Arc<Mutex<Shared>>,
    budget: StepBudget,
}

#[derive(Debug, Default)]
struct Shared {
    now: i64,
    random: u64,
    sequences: BTreeMap<String, Sequence>,
    currval: BTreeMap<String, i64>,
    last: Option<i64>,
}

#[derive(Clone, Debug)]
struct Sequence {
    /// `None` once it is used up.
    next: Option<i64>,
    increment: i64,
    max: i64,
    changed: bool,
}

impl Environment {
    /// An environment at the epoch, for connections that run nothing yet.
    pub fn new() -> Environment {
        Environment::default()
    }

    /// Begins a transaction: `now` in microseconds since 1970, `seed` for random() and gen_random_uuid().
    pub fn begin(&self, now: i64, seed: u64) {
        self.budget.grant();
        let mut shared = self.lock();
        *shared = Shared { now, random: seed, ..Shared::default() };
    }

    /// What statements and functions are charged to.
    pub(crate) fn budget(&self) -> &StepBudget {
        &self.budget
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // One thread: a poisoned lock would mean that a panic was survived, and the state is whole at every point.
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The transaction's time.
    pub fn now(&self) -> i64 {
        self.lock().now
    }

    /// The next 64 random bits (SplitMix64).
    pub(crate) fn next_random(&self) -> u64 {
        let mut shared = self.lock();
        shared.random = shared.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = shared.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Reads all sequences, before a statement that takes from one.
    pub(crate) fn load_sequences(&self, connection: &Connection) -> Result<(), SqlError> {
        let internal = |error: rusqlite::Error| sqlite_error("sequences", &error);
        let mut statement =
            connection.prepare("SELECT name, next_value, increment, max FROM _lake_sequence").map_err(internal)?;
        let rows = statement
            .query_map([], |row| {
                Ok((
                    row.get(0)?,
                    Sequence { next: row.get(1)?, increment: row.get(2)?, max: row.get(3)?, changed: false },
                ))
            })
            .map_err(internal)?;
        let sequences = rows.collect::<Result<BTreeMap<String, Sequence>, _>>().map_err(internal)?;
        self.lock().sequences = sequences;
        Ok(())
    }

    /// Writes the sequences that moved, after the statement.
    pub(crate) fn store_sequences(&self, connection: &Connection) -> Result<(), SqlError> {
        let changed = self
            .lock()
            .sequences
            .iter()
            .filter(|(_, sequence)| sequence.changed)
            .map(|(name, sequence)| (name.clone(), sequence.next))
            .collect::<Vec<_>>();
        for (name, next) in changed {
            connection
                .prepare("UPDATE _lake_sequence SET next_value = ?2 WHERE name = ?1")
                .and_then(|mut statement| statement.execute((name, next)))
                .map_err(|error| sqlite_error("sequences", &error))?;
        }
        Ok(())
    }

    /// `nextval`
    pub(crate) fn next_value(&self, name: &str) -> Result<i64, SqlError> {
        let mut shared = self.lock();
        let sequence = shared
            .sequences
            .get_mut(name)
            .ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")))?;
        let value = sequence.next.filter(|value| *value <= sequence.max).ok_or_else(|| {
            SqlError::new("2200H", format!("nextval: reached maximum value of sequence \"{name}\" ({})", sequence.max))
        })?;
        sequence.next = value.checked_add(sequence.increment);
        sequence.changed = true;
        shared.currval.insert(name.to_owned(), value);
        shared.last = Some(value);
        Ok(value)
    }

    /// `setval`
    pub(crate) fn set_value(&self, name: &str, value: i64, is_called: bool) -> Result<i64, SqlError> {
        let mut shared = self.lock();
        let sequence = shared
            .sequences
            .get_mut(name)
            .ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")))?;
        if value < 1 || value > sequence.max {
            return Err(SqlError::new(
                sqlstate::NUMERIC_OUT_OF_RANGE,
                format!("setval: value {value} is out of bounds for sequence \"{name}\" (1..{})", sequence.max),
            ));
        }
        sequence.next = if is_called { value.checked_add(sequence.increment) } else { Some(value) };
        sequence.changed = true;
        if is_called {
            shared.currval.insert(name.to_owned(), value);
        }
        Ok(value)
    }

    /// `currval`
    pub(crate) fn current_value(&self, name: &str) -> Result<i64, SqlError> {
        self.lock().currval.get(name).copied().ok_or_else(|| {
            SqlError::new(
                sqlstate::OBJECT_NOT_IN_STATE,
                format!("currval of sequence \"{name}\" is not yet defined in this session"),
            )
        })
    }

    /// `lastval`
    pub(crate) fn last_value(&self) -> Result<i64, SqlError> {
        self.lock()
            .last
            .ok_or_else(|| SqlError::new(sqlstate::OBJECT_NOT_IN_STATE, "lastval is not yet defined in this session"))
    }
}
