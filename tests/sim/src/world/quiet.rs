//! The end of a run: faults stop, all rests, and everything must become quiet.

use lake_catalog::limits::DROPPED_SECONDS;
use lake_host::{ShardStorage, disarm_faults, throw_coins};
use serde_json::Value;

use super::{Outcome, TURNS_MAX, World};
use crate::check;
use crate::database::Database;
use crate::subscriber::Client;

/// Rounds in which all must become quiet.
const ROUNDS_MAX: usize = 2_000;

/// How long all rests: longer than a shard waits at most before it tries the lake again.
const REST_ROUNDS: usize = 50;
const REST_STEP_MS: i64 = 15_000;

/// In this time the objects of purged tables are gone, also if a step failed before.
const PURGE_MICROS: i64 = 10 * 60 * 1_000_000;
/// Longer than the files of a dropped view wait. One that somebody uses again is looked at once a week for ever.
const REMOVAL_MICROS: i64 = 2 * DROPPED_SECONDS * 1_000_000;
/// Alarms in each of the two.
const ALARMS_MAX: usize = 400;

impl World {
    /// Faults end, and everything gets the time it needs.
    pub(super) fn settle(&mut self) -> Outcome {
        self.simulation.trace_line("settle".to_owned());
        disarm_faults();
        throw_coins(0);
        self.heal();
        self.healthy_at = None;
        self.catalog.revive();
        // Sometimes nobody comes to whom an object could say what it left undone.
        if self.random.one_in(2) {
            self.rest()?;
        }
        // What was left behind by a fault may still give up.
        for _ in 0..4 {
            self.settle_round()?;
        }
        self.has_faults = false;
        self.rest()?;
        for _ in 0..ROUNDS_MAX {
            self.settle_round()?;
            // Twice, because a turn of one may give another something to do.
            if self.is_quiet()? {
                self.settle_round()?;
                if self.is_quiet()? {
                    return Ok(());
                }
            }
        }
        let waiting: Vec<_> =
            self.databases.iter().filter(|database| !database.is_settled()).map(Database::name).collect();
        let status = self.lake_status();
        Err(format!("it does not settle; waiting: {waiting:?}, the lake: {status:?}"))
    }

    /// Nobody asks for anything, and no object is in memory: alarms alone bring everything into tables.
    fn rest(&mut self) -> Outcome {
        self.lake.evict();
        self.databases.iter_mut().for_each(Database::evict);
        for _ in 0..REST_ROUNDS {
            self.advance(REST_STEP_MS)?;
            for _ in 0..8 {
                for at in 0..self.databases.len() {
                    self.deliver_to_lake(at)?;
                    self.deliver_to_shard(at);
                }
            }
            self.tasks_turn()?;
            self.tasks_turn()?;
            if self.is_rested() {
                return Ok(());
            }
        }
        let text = |status: Option<Value>| status.map_or_else(String::new, |status| status.to_string());
        let shards: Vec<_> = self.databases.iter_mut().map(|database| text(database.open_status())).collect();
        let lake = text(self.lake_status());
        Err(format!("alarms alone do not bring all into tables: {}, the lake {lake}", shards.join(", ")))
    }

    /// Nobody asks the catalog for anything: its alarm alone removes what was purged, and what dropped views left when their
    /// week is over. Nothing else has an alarm any more that anybody would look at.
    pub(super) fn rest_catalog(&mut self) -> Outcome {
        if self.plan.engines == 0 {
            return Ok(());
        }
        self.look_at_all()?;
        self.take_catalogs_alarms(PURGE_MICROS)?;
        let Some(still) = self.catalog.still() else { return Ok(()) };
        check::purges_are_over(&still)?;
        self.take_catalogs_alarms(REMOVAL_MICROS)?;
        let Some(still) = self.catalog.still() else { return Ok(()) };
        check::folders_are_empty(&still, &self.store, &self.seen)?;
        self.look_at_all()
    }

    /// The catalog's alarms of so many microseconds, each of which finds it out of memory.
    fn take_catalogs_alarms(&mut self, micros: i64) -> Outcome {
        let end = self.now() + micros;
        // An alarm whose object has just died is not back yet.
        self.simulation.run_until_idle(TURNS_MAX);
        for _ in 0..ALARMS_MAX {
            let alarm = self.catalog.storage.alarm().map_err(|error| error.to_string())?;
            let Some(alarm) = alarm.filter(|alarm| *alarm <= end) else { return Ok(()) };
            self.catalog.evict();
            self.clock.advance_micros((alarm - self.now()).max(0));
            self.catalog.tick(self.now());
            self.simulation.run_until_idle(TURNS_MAX);
        }
        Err("the catalog's alarm comes again and again".to_owned())
    }

    fn is_rested(&mut self) -> bool {
        let Ok(Some(lake)) = self.lake.open() else { return false };
        let (position, flushed) = lake.positions();
        let Ok(status) = lake.status() else { return false };
        position == flushed && self.databases.iter_mut().all(|database| database.has_told_all(&status))
    }

    fn is_quiet(&mut self) -> Result<bool, String> {
        let Ok(Some(lake)) = self.lake.open() else { return Ok(false) };
        let (position, flushed) = lake.positions();
        Ok(!self.lake.is_flushing()
            && self.appends.iter().all(|append| self.simulation.has_ended(*append))
            && position == flushed
            && self.databases.iter().all(Database::is_settled)
            && self.clients.iter().all(Client::is_quiet))
    }

    fn settle_round(&mut self) -> Outcome {
        self.advance(500)?;
        for at in 0..self.databases.len() {
            if !self.databases[at].is_settled() {
                self.turn(at, |database, turn| database.wake(turn));
                if self.databases[at].needs_client() {
                    self.request(at)?;
                }
            }
            for _ in 0..8 {
                self.deliver_to_lake(at)?;
                self.deliver_to_shard(at);
            }
        }
        for _ in 0..20 {
            for at in 0..self.clients.len() {
                self.subscriber_turn(at)?;
                // Some take one event at a time, and there are many to catch up on.
                for _ in 0..20 {
                    if !self.clients[at].is_quiet() {
                        self.subscriber_turn(at)?;
                    }
                }
            }
            self.tasks_turn()?;
        }
        Ok(())
    }
}
