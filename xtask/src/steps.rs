//! A list of steps with their times: all are run, and one that failed fails the command.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::process::progress;

/// The steps of one command.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs a step; a failure is told at once and remembered.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        progress(name);
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => eprintln!("  ok, {seconds:.1} s: {name}"),
            Err(error) => {
                eprintln!("  FAILED, {seconds:.1} s: {name}\n{error:#}");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// The outcome of all.
    pub(crate) fn finish(self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", self.failed.join(", "))
    }
}
