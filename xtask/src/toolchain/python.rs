//! Python environments: one for each purpose, in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lock::Lock;
use crate::paths;
use crate::process::{progress, run_quiet};

/// A virtual environment with exactly these packages.
pub(crate) struct Environment {
    /// Its folder in the cache.
    pub(crate) name: &'static str,
    /// Requirements as pip reads them, exact where it matters.
    pub(crate) packages: &'static [&'static str],
}

/// The last that keep the signer which PyIceberg 0.12 registers: 2026.2 to 2026.4 replace the client before its first
/// request, and from 2026.6 on threads share one while PyIceberg takes the signer away and registers it again in each.
pub(crate) const FSSPEC: [&str; 2] = ["fsspec==2026.1.0", "s3fs==2026.1.0"];

/// What conformance tests, the demo and benchmarks read tables with.
pub(crate) const CLIENTS: Environment = Environment {
    name: "clients",
    packages: &[
        "duckdb==1.5.5",
        "duckdb-extensions==1.5.5",
        "duckdb-extension-iceberg==1.5.5",
        "duckdb-extension-httpfs==1.5.5",
        "duckdb-extension-avro==1.5.5",
        "pyiceberg[pyarrow,s3fs]==0.12.0",
        FSSPEC[0],
        FSSPEC[1],
        "pytz",
    ],
};

/// The machine's Python; `PYTHON` chooses another.
pub(crate) fn interpreter() -> PathBuf {
    std::env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

impl Environment {
    /// Installs what is missing and returns the folder.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        let folder = paths::cache().join("python").join(self.name);
        let stamp = folder.join("lake-packages");
        let wanted = self.packages.join("\n");
        let is_current = || std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted);
        if is_current() {
            return Ok(folder);
        }
        let _lock = Lock::take(&format!("python-{}", self.name))?;
        if is_current() {
            return Ok(folder);
        }
        progress(&format!("installing Python packages: {}", self.packages.join(" ")));
        create(&folder)?;
        run_quiet(
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(self.packages),
        )?;
        std::fs::write(&stamp, wanted)?;
        Ok(folder)
    }
}

fn create(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    let python = interpreter();
    if run_quiet(Command::new(&python).args(["-m", "venv"]).arg(folder)).is_ok() {
        return Ok(());
    }
    // Debian's python3 has no ensurepip; virtualenv brings its own.
    if run_quiet(Command::new(&python).args(["-m", "virtualenv", "--quiet"]).arg(folder)).is_ok() {
        return Ok(());
    }
    bail!("{} can make no virtual environment: install python3-venv or virtualenv", python.display())
}

/// An environment's own home folder: DuckDB installs its extensions there and not into the user's.
pub(crate) fn home(environment: &Path) -> Result<PathBuf> {
    let home = environment.join("home");
    std::fs::create_dir_all(&home)?;
    Ok(home)
}
