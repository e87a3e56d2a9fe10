//! npm packages of the clone, among them the Node that everything of ours runs in.
//!
//! wrangler wants a newer Node than many machines have; npm's `node` package is one. The machine's
//! own Node and npm are used for the installation alone.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::lock::Lock;
use crate::paths;
use crate::process::{progress, run_quiet};

/// Installs what the lock file names, if it is not what is there; returns the Node to use.
pub(crate) fn ensure() -> Result<PathBuf> {
    let node = paths::node_bin("node");
    let stamp = paths::root().join("node_modules/.lake-stamp");
    let wanted = manifest_digest()?;
    let is_current = || node.exists() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted);
    if is_current() {
        return Ok(node);
    }
    let _lock = Lock::take("npm")?;
    if is_current() {
        return Ok(node);
    }
    progress("installing npm packages");
    // Not `npm ci`: it refuses a lock file that lacks the builds of workerd for other systems, and a registry
    // mirror need not have them. Versions still come from the lock file, which is not written.
    run_quiet(
        Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(paths::root()),
    )
    .context("npm could not install the packages of package-lock.json")?;
    if !node.exists() {
        bail!("npm installed no {}: are install scripts switched off?", node.display());
    }
    std::fs::write(&stamp, wanted)?;
    Ok(node)
}

/// A command in which `node` is that of the clone.
pub(crate) fn command() -> Result<Command> {
    let node = ensure()?;
    let mut command = Command::new(&node);
    command
        .env("PATH", path()?)
        .env("WRANGLER_SEND_METRICS", "false")
        .env("NO_UPDATE_NOTIFIER", "1")
        .current_dir(paths::root());
    Ok(command)
}

/// A search path on which the executables of the clone come first.
pub(crate) fn path() -> Result<OsString> {
    ensure()?;
    let mut path = paths::root().join("node_modules/.bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    Ok(path)
}

fn manifest_digest() -> Result<String> {
    let mut digest = Sha256::new();
    for file in ["package.json", "package-lock.json"] {
        digest.update(std::fs::read(paths::root().join(file)).with_context(|| format!("no {file}"))?);
    }
    Ok(crate::fingerprint::hex(&digest.finalize()))
}
