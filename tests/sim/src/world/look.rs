//! Looking at everything, in the middle and at the end.

use serde_json::Value;

use super::{APPENDS_MAX, Outcome, TURNS_MAX, World};
use crate::check;
use crate::chores::CHORES;
use crate::database::Database;
use crate::engine::NAMESPACE;
use crate::workload::TABLES;

impl World {
    /// What must hold at any time.
    pub(super) fn look(&mut self) -> Outcome {
        if let Some(status) = self.lake_status() {
            self.look_at_positions(&status)?;
        }
        let last = check::last_commit(&self.store)?;
        let record = (last > 0).then(|| check::record(&self.store, last)).transpose()?;
        if let Some(record) = &record {
            for number in self.seen.last + 1..last {
                let passed = check::record(&self.store, number)?;
                check::commit_is_one_state(&self.bucket, &passed, &self.databases, &mut self.seen)?;
            }
            self.seen.last = last;
            check::commit_is_one_state(&self.bucket, record, &self.databases, &mut self.seen)?;
            check::snapshots_stay(&self.bucket, record, &self.random, &mut self.seen)?;
            // Each was the last one once, and is what it was.
            if self.random.one_in(4) {
                let earlier = check::record(&self.store, 1 + self.random.below(last as usize) as u64)?;
                check::commit_is_one_state(&self.bucket, &earlier, &self.databases, &mut self.seen)?;
            }
        }
        for client in &self.clients {
            check::subscriber_is_in_order(client, &self.databases, false)?;
        }
        check::bucket_is_in_order(&self.store)?;
        self.look_at_catalog(&[NAMESPACE.to_owned(), CHORES.to_owned()])?;
        self.observe()
    }

    /// What must hold at any time and costs little to see, of those who are in memory.
    pub(super) fn glance(&mut self) -> Outcome {
        self.lake.status().map_or(Ok(()), |status| self.look_at_positions(&status))
    }

    fn look_at_positions(&mut self, lake: &Value) -> Outcome {
        let last = check::last_commit(&self.store)?;
        let record = (last > 0).then(|| check::record(&self.store, last)).transpose()?;
        check::positions_are_in_order(lake, record.as_ref(), &self.databases)?;
        check::bounds_hold(lake, &mut self.databases)
    }

    /// What the catalog shows in these namespaces is there, also of dropped tables that can come back, and engines were
    /// told what is so.
    fn look_at_catalog(&mut self, namespaces: &[String]) -> Outcome {
        let Some(still) = self.catalog.still().filter(|_| self.plan.engines > 0) else { return Ok(()) };
        let (mut shown, mut dropped) = (Vec::new(), Vec::new());
        for namespace in namespaces {
            shown.extend(still.shown(namespace)?);
            dropped.extend(still.dropped(namespace)?);
        }
        check::engines_are_told_the_truth(&self.bucket, &shown, &mut self.engine.ledger.borrow_mut())?;
        check::engines_snapshots_stay(&self.bucket, &shown, &self.random, &mut self.seen)?;
        check::shown_is_there(&self.bucket, &self.store, &shown)?;
        check::shown_is_there(&self.bucket, &self.store, &dropped)?;
        check::dropped_waits(&still, &mut self.seen)?;
        check::catalog_is_bounded(&still, APPENDS_MAX)
    }

    /// Everything that the catalog has, once nobody asks for anything: an engine can load it, and it is there.
    pub(super) fn look_at_all(&mut self) -> Outcome {
        self.simulation.spawn("engine", self.engine.clone().append_at_the_end());
        self.simulation.run_until_idle(TURNS_MAX);
        self.simulation.spawn("engine", self.engine.clone().load_all());
        self.simulation.run_until_idle(TURNS_MAX);
        let Some(still) = self.catalog.still() else { return Ok(()) };
        self.look_at_catalog(&still.namespaces()?)
    }

    /// Somebody notes what is now, and what was a moment ago.
    fn observe(&mut self) -> Outcome {
        // A query that meets a failing bucket has nothing to say.
        if !self.plan.has_queries || self.has_faults && self.healthy_at.is_some() {
            return Ok(());
        }
        let (now, ago) = (self.now(), self.random.below(20_000_000) as i64);
        let Ok(Some(lake)) = self.lake.open() else { return Ok(()) };
        for namespace in ["shared", "solo"] {
            let of_namespace = |database: &&Database| database.plan.namespace == namespace;
            let databases = self.databases.iter().filter(of_namespace).count();
            if databases > 0 {
                self.past.observe(&lake, &self.store, (namespace, databases), (now, ago))?;
            }
        }
        Ok(())
    }

    pub(super) fn check_end(&mut self) -> Outcome {
        self.look()?;
        let last = check::last_commit(&self.store)?;
        if last == 0 && self.databases.iter().all(|database| database.model.all_lines(None).is_empty()) {
            return Ok(());
        }
        let record = check::record(&self.store, last)?;
        check::commit_is_complete(&record, &self.databases)?;
        for client in &self.clients {
            check::subscriber_is_in_order(client, &self.databases, true)?;
        }
        for at in 0..self.databases.len() {
            for table in TABLES {
                let found = self.turn(at, |database, turn| database.select(table, turn))?;
                let database = &self.databases[at];
                let rows = database.model.tables.get(table).into_iter().flatten();
                let expected: Vec<(i64, String)> = rows.map(|(id, value)| (*id, value.clone())).collect();
                if found != expected {
                    return Err(format!("{}: the shard has {found:?} in {table}, not {expected:?}", database.name()));
                }
            }
        }
        let (now, position) = (self.now(), record.position);
        let Ok(Some(lake)) = self.lake.open() else { return Err("the lake does not open".to_owned()) };
        if lake.positions().1.0 != position {
            return Err(format!("the last commit is at {position}, the lake at {:?}", lake.positions()));
        }
        if !self.plan.has_queries {
            return Ok(());
        }
        self.past.check(&lake, &self.store, now)?;
        self.past.check_balances(&lake, &self.store, now, &self.random)?;
        self.past.check_models(&lake, &self.store, now, &self.databases, &self.seen, &self.random)
    }
}
