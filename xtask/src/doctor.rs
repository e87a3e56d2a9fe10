//! `cargo xtask doctor`: what is missing on this machine, one line each, and how to get it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::disk;
use crate::options::Options;
use crate::process::version_of;
use crate::toolchain::{python, rust};

/// The command; fails if something is missing that the other commands cannot install by themselves.
pub(crate) fn command(options: Options) -> Result<()> {
    options.finish()?;
    let python = python::interpreter();
    let needed = [
        ("rustup", version_of("rustup"), "https://rustup.rs"),
        ("cargo", version_of("cargo"), "https://rustup.rs"),
        ("C compiler", version_of("cc"), "gcc or clang: apt install build-essential, xcode-select --install"),
        ("git", version_of("git"), "apt install git"),
        ("node", version_of("node").filter(|version| major(version) >= 18), "Node 18 or newer: https://nodejs.org"),
        ("npm", version_of("npm"), "it comes with Node: https://nodejs.org"),
        ("python", version_of(&python), "Python 3.10 or newer: apt install python3"),
        ("python venv", has_venv(&python), "apt install python3-venv, or pip install virtualenv"),
        ("ps", has_ps(), "apt install procps"),
    ];
    let mut missing = 0;
    for (name, found, remedy) in needed {
        match found {
            Some(version) => println!("ok       {name}: {version}"),
            None => {
                missing += 1;
                println!("missing  {name}: {remedy}");
            }
        }
    }
    if let Some(free) = disk::free_gb() {
        let word = if free < disk::FILLED_GB { "small   " } else { "ok      " };
        println!("{word} disk: {free} GB free; tests fill about {} from nothing", disk::FILLED_GB);
    }
    let target = if rust::has_target() { "ok      " } else { "later   " };
    println!("{target} {}: a build adds it", rust::TARGET);
    if missing > 0 {
        bail!("{missing} missing");
    }
    Ok(())
}

fn major(version: &str) -> u32 {
    version.trim_start_matches('v').split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn has_venv(python: &std::path::Path) -> Option<String> {
    ["ensurepip", "virtualenv"].into_iter().find_map(|module| {
        let found = Command::new(python).args(["-c", &format!("import {module}")]).output().ok()?.status.success();
        found.then(|| format!("by {module}"))
    })
}

fn has_ps() -> Option<String> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,comm="]).output().ok()?;
    output.status.success().then(|| "found".to_owned())
}
