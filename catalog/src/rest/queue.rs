//! Commits on one table that come at the same time.
//!
//! Each would read the same metadata, write its own next one, and all but one would lose the swap. So they take turns, and
//! who has the turn takes along all that wait: they are applied one after the other, written as one file and swapped
//! once. Each gets its own answer. Nothing here is stored: a commit whose client went away before its turn may or may not
//! be made, as with any lost answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures::lock::Mutex;
use lake_host::{ObjectStore, ShardStorage};
use lake_table::TableName;

use super::idempotency::Once;
use super::stage::{Swap, TableChange};
use super::{Caller, RestError};
use crate::cache::MetadataFile;
use crate::catalog::Catalog;
use crate::limits::{COMMIT_ATTEMPTS_MAX, COMMITS_TOGETHER_MAX};
use crate::storage::pointer::Pointer;

/// A table as a commit left it.
pub(super) type Committed = (Pointer, Rc<MetadataFile>);

/// A commit that waits for its turn.
#[derive(Debug)]
struct Waiting {
    change: TableChange,
    once: Option<Once>,
    outcome: RefCell<Option<Result<Committed, RestError>>>,
}

impl Waiting {
    fn settle(&self, outcome: Result<Committed, RestError>) {
        self.outcome.borrow_mut().get_or_insert(outcome);
    }
}

fn settle_all(group: &[Rc<Waiting>], error: &RestError) {
    for waiting in group {
        waiting.settle(Err(error.clone()));
    }
}

/// Those who wait for one table.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Held by who is committing.
    pub(super) turn: Mutex<()>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
}

impl Queue {
    /// The next commits to make together. `own` is among them at last, whoever took it before and went away.
    fn take(&self, own: &Rc<Waiting>) -> Vec<Rc<Waiting>> {
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.len().min(COMMITS_TOGETHER_MAX);
        let mut group: Vec<Rc<Waiting>> = waiting.drain(..count).collect();
        if waiting.is_empty() && !group.iter().any(|waiting| Rc::ptr_eq(waiting, own)) {
            group.push(Rc::clone(own));
        }
        group
    }
}

impl<S: ShardStorage> Catalog<S> {
    pub(super) fn queue_of(&self, table: &TableName) -> Rc<Queue> {
        let mut queues = self.queues.borrow_mut();
        // Who is alone with a queue is nobody.
        queues.retain(|_, queue| Rc::strong_count(queue) > 1);
        Rc::clone(queues.entry(table.clone()).or_default())
    }

    /// Commits a change of one table, together with those that come at the same time.
    pub(super) async fn commit_change(
        &self,
        store: &impl ObjectStore,
        change: TableChange,
        once: Option<Once>,
        caller: &Caller<'_>,
    ) -> Result<Committed, RestError> {
        let queue = self.queue_of(&change.table);
        let own = Rc::new(Waiting { change, once, outcome: RefCell::default() });
        queue.waiting.borrow_mut().push_back(Rc::clone(&own));
        loop {
            let turn = queue.turn.lock().await;
            if let Some(outcome) = own.outcome.borrow_mut().take() {
                return outcome;
            }
            let group = queue.take(&own);
            match self.commit_group(store, &own.change.table, &group, caller).await {
                // Together they were too much: each for itself may not be.
                Err(error) if error.is_final() && group.len() > 1 => {
                    for alone in group.chunks(1) {
                        if let Err(error) = self.commit_group(store, &own.change.table, alone, caller).await {
                            settle_all(alone, &error);
                        }
                    }
                }
                Err(error) => settle_all(&group, &error),
                Ok(()) => {}
            }
            drop(turn);
        }
    }

    async fn commit_group(
        &self,
        store: &impl ObjectStore,
        table: &TableName,
        group: &[Rc<Waiting>],
        caller: &Caller<'_>,
    ) -> Result<(), RestError> {
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let mut stage = self.begin_stage(store, table).await?;
            let mut admitted = Vec::new();
            let mut refused = Vec::new();
            for waiting in group {
                // The same request may wait twice.
                let done = waiting.once.as_ref().map(|once| self.is_done(once, caller)).transpose();
                let admission = match done {
                    Ok(Some(true)) => Ok(()),
                    Ok(_) => self.admit_change(store, &mut stage, &waiting.change, caller).await,
                    Err(error) => Err(error),
                };
                match admission {
                    Ok(()) => admitted.push(waiting),
                    Err(error) => refused.push((waiting, error)),
                }
            }
            let mut stages = [stage];
            self.write_stages(store, &mut stages, caller).await?;
            let once: Vec<&Once> = admitted.iter().filter_map(|waiting| waiting.once.as_ref()).collect();
            // No await from here until everybody has their answer.
            if self.swap_stages(&stages, &once, 200, caller)? == Swap::LostRace {
                continue;
            }
            for (waiting, error) in refused {
                waiting.settle(Err(error));
            }
            let committed = stages[0].pointer().cloned().zip(stages[0].file());
            for waiting in admitted {
                let gone = || RestError::Internal("a commit left no table".to_owned());
                waiting.settle(committed.clone().ok_or_else(gone));
            }
            self.remove_obsolete(store, &stages).await;
            return Ok(());
        }
        Err(RestError::CommitFailed("Other changes of the table were first, again and again".to_owned()))
    }
}
