//! How much work a request may still do: steps of SQLite's machine, and what functions do in one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lake_dialect::{SqlError, sqlstate};
use rusqlite::Connection;

use crate::limits::{STEPS_MAX, STEPS_PER_CHECK, WORK_PER_STEP};

/// A budget shared with the progress handlers and functions of the connections. One thread uses it; the signatures of
/// SQLite want `Send`.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepBudget {
    left: Arc<AtomicI64>,
}

impl StepBudget {
    /// Makes SQLite ask on this connection.
    pub(crate) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let left = Arc::clone(&self.left);
        let steps = i64::from(STEPS_PER_CHECK);
        connection
            .progress_handler(STEPS_PER_CHECK as i32, Some(move || left.fetch_sub(steps, Ordering::Relaxed) < steps))
    }

    /// Begins a request.
    pub(crate) fn grant(&self) {
        self.grant_steps(STEPS_MAX);
    }

    /// Grants so many steps.
    pub(crate) fn grant_steps(&self, steps: u64) {
        self.left.store(i64::try_from(steps).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Takes for what a function does: bytes it looks at, or comparisons of as much. False if there is not enough left;
    /// the statement is then interrupted when SQLite asks next, or refused when it has ended.
    pub(crate) fn spend(&self, work: u64) -> bool {
        let steps = i64::try_from(work / WORK_PER_STEP).unwrap_or(i64::MAX);
        steps == 0 || self.left.fetch_sub(steps, Ordering::Relaxed) >= steps
    }

    /// The same, with the error of a function.
    pub(crate) fn charge(&self, work: u64) -> Result<(), SqlError> {
        if self.spend(work) {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement: it took more steps than one request may"))
    }

    /// Ends the running statement soon: SQLite is interrupted when it asks next.
    pub(crate) fn withdraw(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    /// True if there were not enough steps.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }
}

/// Charges small amounts of work together.
pub(crate) struct Meter<'b> {
    budget: &'b StepBudget,
    work: u64,
}

impl<'b> Meter<'b> {
    pub(crate) fn new(budget: &'b StepBudget) -> Meter<'b> {
        Meter { budget, work: 0 }
    }

    /// Counts more work.
    pub(crate) fn add(&mut self, work: u64) -> Result<(), SqlError> {
        self.work = self.work.saturating_add(work);
        if self.work < u64::from(STEPS_PER_CHECK) {
            return Ok(());
        }
        self.budget.charge(std::mem::take(&mut self.work))
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.budget.spend(self.work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_charged_in_steps_and_an_overdraft_is_remembered() {
        let budget = StepBudget::default();
        budget.grant_steps(10);
        assert!(budget.spend(WORK_PER_STEP * 4 + WORK_PER_STEP - 1));
        assert!(budget.charge(WORK_PER_STEP * 6).is_ok());
        assert!(!budget.is_spent());
        assert_eq!(budget.charge(u64::MAX).map_err(|error| error.sqlstate), Err("57014".to_owned()));
        assert!(budget.is_spent());
        budget.grant_steps(10);
        assert!(!budget.is_spent());
    }

    #[test]
    fn small_amounts_add_up() {
        let budget = StepBudget::default();
        budget.grant_steps(2_000);
        let mut meter = Meter::new(&budget);
        assert!((0..15_000).all(|_| meter.add(1).is_ok()));
        assert!((0..15_000).any(|_| meter.add(1).is_err()));
        drop(meter);
        assert!(budget.is_spent());
    }
}
