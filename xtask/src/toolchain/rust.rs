//! Cargo for wasm: the target of rustup and the environment that build scripts need.

use std::process::Command;

use anyhow::{Context, Result};

use super::zig;
use crate::paths;
use crate::process::{cargo, output, progress, run};

/// The target of every script.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The compiler's version, which is part of a script's fingerprint.
pub(crate) fn version() -> Result<String> {
    output(Command::new("rustc").arg("--version"))
}

/// A cargo that compiles for wasm into its own target folder.
pub(crate) fn wasm_cargo() -> Result<Command> {
    ensure_target()?;
    let compiler = zig::ensure().context("no C compiler for wasm")?;
    let mut command = cargo();
    command
        .env("CC_wasm32_unknown_unknown", compiler.cc)
        .env("AR_wasm32_unknown_unknown", compiler.ar)
        // web-sys types come from js-sys' own glue, as worker expects.
        .env("WASM_BINDGEN_USE_JS_SYS", "1")
        .env("CARGO_TARGET_DIR", paths::wasm_target());
    Ok(command)
}

/// Whether rustc can find the standard library of the target.
pub(crate) fn has_target() -> bool {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    std::path::Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").exists()
}

fn ensure_target() -> Result<()> {
    if has_target() {
        return Ok(());
    }
    progress(&format!("adding the Rust target {TARGET}"));
    run(Command::new("rustup").args(["target", "add", TARGET]))
}
