//! How many steps of SQLite's machine a request may still take.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

use crate::limits::STEPS_PER_CHECK;

/// A budget shared with the progress handlers of the connections. One thread uses it; SQLite's signature wants `Send`.
#[derive(Clone, Default)]
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
    pub(crate) fn grant(&self, steps: u64) {
        self.left.store(i64::try_from(steps).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Ends the running statement soon: SQLite is interrupted when it asks next.
    pub(crate) fn withdraw(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    /// True if SQLite was interrupted for want of steps.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }
}
