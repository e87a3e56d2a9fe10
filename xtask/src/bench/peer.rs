//! The peer of the catalog: Apache Iceberg's own REST fixture, in a JVM of its own on this machine.
//!
//! Its jars are those of the Compatibility Kit. A few lines of ours start it, because its own main listens on all
//! interfaces; they end with their stdin.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::conformance::fixture_jars;
use crate::paths;

/// A fixture that ends when this value is dropped, or when this process dies in any way.
pub(super) struct Peer {
    child: Child,
    /// Where it answers.
    pub(super) url: String,
}

impl Peer {
    /// Starts it on a free port, with tables in `state`, and waits until requests are answered. Its database is a file,
    /// which a commit waits for, or in memory.
    pub(super) fn start(state: &Path, is_in_memory: bool) -> Result<Peer> {
        let (home, lib, main) = fixture_jars(&paths::root().join("tests/bench/Peer.java"), state)?;
        let log = std::fs::File::create(state.join("peer.log"))?;
        let classpath = std::env::join_paths([main, lib.join("*")])?;
        let mut child = Command::new(home.join("bin/java"))
            .args(["-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
            .arg(classpath)
            .arg("org.apache.iceberg.rest.Peer")
            .arg(state.join("warehouse"))
            .args(is_in_memory.then_some("in-memory"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the fixture")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the fixture's output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let mut peer = Peer { child, url: String::new() };
        let url = line.trim().strip_prefix("ready ").with_context(|| {
            format!("the fixture did not start: '{}'; see {}", line.trim(), state.join("peer.log").display())
        })?;
        peer.url = url.to_owned();
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its stdin closes, which it takes as the order to end.
        drop(self.child.stdin.take());
        // Nothing to do about a failure: the process is gone or will see its stdin closed.
        let _ = self.child.wait();
    }
}
