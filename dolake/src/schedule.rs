//! When a flush starts by itself, and when the object's alarm looks after it.
//!
//! The shell calls [`Lake::after_event`] after every event, the alarm among them, and [`Lake::after_flush`] at a flush's
//! end. The alarm is always set while the tail holds something: to the time a flush is due, or, while one is under way,
//! to a little later, because a flush that dies with its instance leaves nobody else to try again.

use lake_host::{AlarmChange, ShardStorage, WriteBatch};

use crate::error::LakeError;
use crate::lake::Lake;
use crate::limits::{COMMIT_INTERVAL_MICROS, FLUSH_AGE_MICROS, FLUSH_BACKSTOP_MICROS, FLUSH_BYTES};

impl<S: ShardStorage> Lake<S> {
    /// True while a flush is under way: another one would only wait for it.
    pub fn is_flushing(&self) -> bool {
        self.gate.borrow().running
    }

    /// True if a flush should be started now: enough bytes, old enough, or one whose outcome is open.
    pub fn flush_is_due(&self, now: i64) -> bool {
        self.next_flush_at().is_some_and(|at| at <= now)
    }

    /// When a flush is due if nothing else happens; `None` for an empty tail.
    fn next_flush_at(&self) -> Option<i64> {
        let state = self.state();
        let oldest = state.meta.oldest?;
        let due = if state.meta.tail_bytes >= FLUSH_BYTES { oldest } else { oldest + FLUSH_AGE_MICROS };
        Some(due.max(state.last_commit_at.saturating_add(COMMIT_INTERVAL_MICROS)))
    }

    /// Sets the alarm. True if the caller must start a flush now.
    pub fn after_event(&self, now: i64) -> Result<bool, LakeError> {
        let starts = self.flush_is_due(now) && !self.is_flushing();
        self.set_alarm(now, starts || self.is_flushing())?;
        Ok(starts)
    }

    /// Sets the alarm for what came in during a flush that has ended, or for the next try.
    pub fn after_flush(&self, now: i64) -> Result<(), LakeError> {
        self.set_alarm(now, self.is_flushing())
    }

    fn set_alarm(&self, now: i64, is_under_way: bool) -> Result<(), LakeError> {
        let Some(due) = self.next_flush_at() else { return Ok(()) };
        if lake_host::planted!("lake: no alarm is set") {
            return Ok(());
        }
        let at = if is_under_way { now + FLUSH_BACKSTOP_MICROS } else { due.max(now) };
        let batch = WriteBatch { alarm: Some(AlarmChange::NoLaterThan(at)), ..WriteBatch::new() };
        lake_host::durable!("lake: set the alarm", self.write_batch(&batch))
    }
}
