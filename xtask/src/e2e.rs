//! `cargo xtask e2e`: the real scripts in workerd, driven from outside.
//!
//! `tests/e2e/*.spec.ts` start servers of their own, to kill them and start them again (`tests/e2e/lake.ts`).
//! `tests/conformance/*.py` are foreign engines; each gets a running lake that is empty. Words on the command line
//! choose files by a part of their name.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::build::{Mode, build};
use crate::keys;
use crate::options::Options;
use crate::paths;
use crate::process::run;
use crate::script;
use crate::serve::{Server, build_scripts, fresh_state};
use crate::steps::Steps;
use crate::toolchain::{node, python};

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let words = options.words();
    options.finish()?;
    build_scripts(mode)?;
    let mut steps = Steps::default();
    steps.run("end to end", || specs(&words));
    steps.run("conformance", || conformance(&words));
    steps.finish()
}

/// Runs the specs whose names contain one of the words.
pub(crate) fn specs(words: &[String]) -> Result<()> {
    let files = files("tests/e2e", ".spec.ts", words)?;
    if files.is_empty() {
        return Ok(());
    }
    let scratch = fresh_state("e2e")?;
    let keys = keys::random_keys()?;
    // One file at a time: two cores, and each file's servers want them.
    run(node::command()?
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files)
        .env("LAKE_SCRATCH", &scratch)
        .env("LAKE_KEYS", keys.to_json())
        .env("LAKE_TOKEN", keys::local_token(&keys, "all")?)
        .envs(python_environment()?))
}

/// Runs the contract of the ports over the platform's own.
pub(crate) fn contract() -> Result<()> {
    build(script::find("contract")?, Mode::Dev)?;
    run(node::command()?.args(["--test", "--test-reporter=spec"]).args(files("tests/contract", ".spec.ts", &[])?))
}

/// Runs the conformance programs whose names contain one of the words.
pub(crate) fn conformance(words: &[String]) -> Result<()> {
    let mut steps = Steps::default();
    for file in files("tests/conformance", ".py", words)? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        steps.run(&name, || {
            let server = Server::start(&fresh_state(&format!("conformance-{name}"))?)?;
            let mut command = client_python()?;
            run(command.arg(&file).envs(server.environment()))
        });
    }
    steps.finish()
}

/// The Python that has DuckDB and PyIceberg, with a home of its own for DuckDB's extensions.
pub(crate) fn client_python() -> Result<Command> {
    let environment = python::CLIENTS.ensure()?;
    let mut command = Command::new(environment.join("bin/python"));
    command.env("HOME", python::home(&environment)?).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(paths::root());
    Ok(command)
}

/// How a Node program finds that Python.
pub(crate) fn python_environment() -> Result<Vec<(&'static str, PathBuf)>> {
    let environment = python::CLIENTS.ensure()?;
    Ok(vec![("LAKE_PYTHON", environment.join("bin/python")), ("LAKE_PYTHON_HOME", python::home(&environment)?)])
}

/// Files of a folder in name order; all if there are no words.
pub(crate) fn files(folder: &str, ending: &str, words: &[String]) -> Result<Vec<PathBuf>> {
    let folder: &Path = &paths::root().join(folder);
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_chosen = words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
        // A file whose name starts with `_` is imported by others.
        if name.ends_with(ending) && !name.starts_with('_') && is_chosen {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
