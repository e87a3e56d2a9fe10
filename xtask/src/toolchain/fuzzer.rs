//! cargo-fuzz: it compiles the targets with the marks that libFuzzer steers by. Works on stable without a sanitizer.

use std::path::PathBuf;

use anyhow::Result;

use crate::lock::Lock;
use crate::paths;
use crate::process::{cargo, progress, run_quiet, version_of};

const VERSION: &str = "0.13.2";

/// Installs it if it is missing, and returns the program.
pub(crate) fn ensure() -> Result<PathBuf> {
    let root = paths::fuzz().join("tool");
    let program = root.join("bin").join("cargo-fuzz");
    let is_current = || version_of(&program).is_some_and(|version| version.ends_with(VERSION));
    if is_current() {
        return Ok(program);
    }
    let _lock = Lock::take("fuzzer")?;
    if is_current() {
        return Ok(program);
    }
    progress(&format!("installing cargo-fuzz {VERSION}"));
    run_quiet(
        cargo().args(["install", "cargo-fuzz", "--version", VERSION, "--locked", "--force", "--root"]).arg(&root),
    )?;
    Ok(program)
}
