//! The lake's object as its shell runs it: instances, flushes that go on between events, and the alarm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lake_dolake::{FlushError, Lake, LakeError};
use lake_host::{Died, alive};
use lake_test_host::{MemoryStorage, Simulation, TaskId};
use serde_json::Value;

use crate::catalog_port::{CatalogObject, Ports};

type Outcomes = Rc<RefCell<Vec<Result<(), FlushError>>>>;

/// One instance.
struct Instance {
    storage: MemoryStorage,
    lake: Rc<Lake<MemoryStorage>>,
    flushes: Vec<TaskId>,
    outcomes: Outcomes,
}

/// The object.
pub(crate) struct LakeObject {
    pub(crate) storage: MemoryStorage,
    present: Option<Instance>,
    /// Instances that the object has left behind, as long as they have something to do.
    left: Vec<Instance>,
    simulation: Simulation,
    catalog: CatalogObject,
    /// How far its clock is from the others'.
    pub(crate) skew: Rc<Cell<i64>>,
}

/// Flushes that somebody waits for at once.
const FLUSHES_MAX: usize = 3;

/// Why the lake cannot go on.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Its memory is gone or cannot be trusted: sockets are closed, and everybody comes again.
    GaveUp(String),
    /// This must never happen.
    Broken(String),
}

impl LakeObject {
    pub(crate) fn new(simulation: &Simulation, catalog: &CatalogObject) -> LakeObject {
        LakeObject {
            storage: MemoryStorage::new(),
            present: None,
            left: Vec::new(),
            simulation: simulation.clone(),
            catalog: catalog.clone(),
            skew: Rc::default(),
        }
    }

    /// The lake, opened if it is not in memory. `None` while its storage fails.
    pub(crate) fn open(&mut self) -> Result<Option<Rc<Lake<MemoryStorage>>>, Trouble> {
        if let Some(present) = &self.present {
            return Ok(Some(Rc::clone(&present.lake)));
        }
        let random = self.simulation.random();
        let hash_key = [random.next_u64(), random.next_u64()];
        let storage = self.storage.instance();
        match alive(|| Lake::open(storage.clone(), hash_key)) {
            Ok(Ok(lake)) => {
                let lake = Rc::new(lake);
                let (flushes, outcomes) = (Vec::new(), Outcomes::default());
                self.present = Some(Instance { storage, lake: Rc::clone(&lake), flushes, outcomes });
                Ok(Some(lake))
            }
            Ok(Err(LakeError::Storage(_))) | Err(_) => Ok(None),
            Ok(Err(error)) => Err(Trouble::Broken(format!("the lake does not open: {error}"))),
        }
    }

    /// What the lake says of itself, if it is in memory.
    pub(crate) fn status(&self) -> Option<Value> {
        self.present.as_ref()?.lake.status().ok()
    }

    /// Something that the lake does in one synchronous stretch.
    pub(crate) fn act<T>(
        &mut self,
        act: impl FnOnce(&Rc<Lake<MemoryStorage>>) -> Result<T, LakeError>,
    ) -> Result<Option<T>, Trouble> {
        let Some(lake) = self.open()? else { return Ok(None) };
        match alive(|| act(&lake)) {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(LakeError::Storage(error))) => Err(Trouble::GaveUp(error.to_string())),
            Ok(Err(LakeError::Closed)) => Err(Trouble::GaveUp("closed".to_owned())),
            Ok(Err(error)) => Err(Trouble::Broken(format!("the lake failed: {error}"))),
            Err(Died(place)) => Err(Trouble::GaveUp(format!("died {place}"))),
        }
    }

    /// After every event.
    pub(crate) fn after_event(&mut self, now: i64) -> Result<(), Trouble> {
        if self.act(|lake| lake.after_event(now))? == Some(true) {
            self.start_flush();
        }
        Ok(())
    }

    /// The platform's alarm, if it is due. One that fails comes again.
    pub(crate) fn tick(&mut self, now: i64) -> Result<(), Trouble> {
        if !self.storage.take_due_alarm(now) {
            return Ok(());
        }
        self.alarm(now)
    }

    /// The alarm, also when it comes once more.
    pub(crate) fn alarm(&mut self, now: i64) -> Result<(), Trouble> {
        let taken = self.after_event(now);
        if taken.is_err() || self.present.is_none() {
            self.storage.alarm_failed(now);
        }
        taken
    }

    /// Somebody wants what is in the tail to be committed.
    pub(crate) fn start_flush(&mut self) {
        let Some(present) = &mut self.present else { return };
        if present.flushes.len() >= FLUSHES_MAX {
            return;
        }
        let ports = Ports { catalog: self.catalog.clone(), skew: self.skew.clone() };
        let (lake, outcomes) = (Rc::clone(&present.lake), Rc::clone(&present.outcomes));
        present.flushes.push(self.simulation.spawn("flush", async move {
            let flushed = lake.flush(&ports).await;
            outcomes.borrow_mut().push(flushed.map(|_| ()));
        }));
    }

    /// True while a flush is under way.
    pub(crate) fn is_flushing(&self) -> bool {
        self.present.as_ref().is_some_and(|present| !present.flushes.is_empty())
            || self.left.iter().any(|left| !left.flushes.is_empty())
    }

    /// Takes note of a task that died; the instance it belonged to has died with it.
    pub(crate) fn died(&mut self, task: TaskId) -> Result<(), Trouble> {
        self.left.retain(|left| !left.flushes.contains(&task));
        match &self.present {
            Some(present) if present.flushes.contains(&task) => Err(Trouble::GaveUp("died in a flush".to_owned())),
            _ => Ok(()),
        }
    }

    /// Flushes that have ended: how many held.
    pub(crate) fn finish_flushes(&mut self, now: i64) -> Result<usize, Trouble> {
        let simulation = self.simulation.clone();
        for left in &mut self.left {
            left.flushes.retain(|flush| !simulation.has_ended(*flush));
        }
        self.left.retain(|left| !left.flushes.is_empty());
        let Some(present) = &mut self.present else { return Ok(0) };
        present.flushes.retain(|flush| !simulation.has_ended(*flush));
        let outcomes = std::mem::take(&mut *present.outcomes.borrow_mut());
        let mut held = 0;
        for outcome in outcomes {
            match outcome {
                Ok(()) => held += 1,
                Err(FlushError::Lake(LakeError::Storage(error))) => return Err(Trouble::GaveUp(error.to_string())),
                Err(FlushError::Lake(LakeError::Closed)) => return Err(Trouble::GaveUp("closed".to_owned())),
                Err(FlushError::Lake(error)) => return Err(Trouble::Broken(format!("a flush: {error}"))),
                Err(error @ (FlushError::PositionConflict { .. } | FlushError::Fenced(_))) => {
                    return Err(Trouble::Broken(format!("a flush: {error}")));
                }
                Err(error) => self.simulation.trace_line(format!("flush failed: {error}")),
            }
            self.act(|lake| lake.after_flush(now))?;
        }
        Ok(held)
    }

    /// Drops what is in memory, the work of the instance with it.
    pub(crate) fn evict(&mut self) {
        let Some(present) = self.present.take() else { return };
        present.flushes.iter().for_each(|flush| self.simulation.evict(*flush));
    }

    /// The shell drops the lake after an error: what it was doing goes on and can write nothing any more.
    pub(crate) fn give_up(&mut self) {
        let Some(present) = self.present.take() else { return };
        present.lake.close();
        self.left.push(present);
    }

    /// Another instance takes over while this one is at work.
    pub(crate) fn split(&mut self) {
        let Some(present) = self.present.take() else { return };
        present.storage.leave_behind();
        self.left.push(present);
    }
}
