//! `cargo xtask conformance NAME`: stock Iceberg clients, unmodified, against the scripts in workerd.
//!
//! Each suite installs its client outside of the clone, starts a lake that is empty, drives the client and stops both.
//! What came out is compared with `tests/conformance/NAME/expected.txt`, which holds a line for every test, and a
//! difference in either direction is a failure: a test that begins to pass is taken into the list as well.
//! `--accept` writes the list from the run, `docs/conformance.md` is made from all lists.

mod clients;
mod document;
mod expected;
mod junit;
mod jvm;
mod rck;
mod schemathesis;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::Mode;
use crate::options::Options;
use crate::paths;
use crate::process::progress;
use crate::serve::{Server, build_scripts, fresh_state};
use crate::steps::Steps;
use expected::{Expected, Outcome};
pub(crate) use rck::fixture_jars;

/// One client, or several that share a table.
pub(crate) struct Suite {
    /// The word on the command line, and the folder in `tests/conformance`.
    pub(crate) name: &'static str,
    /// The client with its version, as the document names it.
    client: &'static str,
    /// Where the tests come from: the client's own, the specification, or this repository.
    tests: &'static str,
    /// Installs the client; an error says in one line what the machine lacks.
    install: fn() -> Result<()>,
    /// Drives the client.
    drive: fn(&Run) -> Result<()>,
    /// Reads the outcomes if the client writes a report of its own.
    report: Option<fn(&Run) -> Result<Vec<Outcome>>>,
}

/// What a suite is given: a lake, the choice of tests, and where to leave outcomes.
pub(crate) struct Run {
    server: Server,
    state: PathBuf,
    suite: &'static str,
    words: Vec<String>,
}

impl Run {
    /// The suite's folder in the repository.
    fn folder(&self) -> PathBuf {
        paths::root().join("tests/conformance").join(self.suite)
    }

    /// Where the client appends `pass|fail|skip`, a tab, the test's name and, after another tab, the reason.
    fn outcomes(&self) -> PathBuf {
        self.state.join("outcomes.txt")
    }

    /// A program of a client with the lake's address, the token and the place for outcomes in its environment.
    fn client(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.server.environment())
            .env("LAKE_OUTCOMES", self.outcomes())
            .env("LAKE_STATE", &self.state)
            .env("LAKE_WORDS", self.words.join(" "))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&self.state);
        command
    }
}

/// All suites, the order of the document.
const SUITES: [Suite; 8] = [
    rck::SUITE,
    clients::PYICEBERG,
    schemathesis::SUITE,
    clients::DUCKDB,
    clients::SPARK,
    clients::TRINO,
    clients::ICEBERG_REST,
    clients::MIXED,
];

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let accept = options.flag("--accept");
    let write_document = options.flag("--write-document");
    let only = options.value("--only")?;
    let names = options.words();
    options.finish()?;
    if write_document {
        return document::write(&SUITES);
    }
    let suites = choose(&names)?;
    build_scripts(mode)?;
    let mut steps = Steps::default();
    for suite in suites {
        steps.run(suite.name, || suite.run(accept, only.as_deref()));
    }
    steps.finish()
}

/// Runs suites as steps of a longer command; the scripts are built.
pub(crate) fn run(steps: &mut Steps, names: &[&str]) {
    for name in names {
        let name = (*name).to_owned();
        steps.run(&format!("conformance {name}"), || {
            choose(std::slice::from_ref(&name))?.into_iter().try_for_each(|suite| suite.run(false, None))
        });
    }
}

/// Why this machine cannot run the Compatibility Kit; none if it can.
pub(crate) fn rck_lacks() -> Option<String> {
    rck::lacks().err().map(|error| format!("{error:#}"))
}

fn choose(names: &[String]) -> Result<Vec<&'static Suite>> {
    static SUITES_: [Suite; 8] = SUITES;
    let known = || SUITES_.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        bail!("which client? There are {}", known());
    }
    let find = |name: &String| {
        SUITES_
            .iter()
            .find(|suite| suite.name == name)
            .with_context(|| format!("no client '{name}': there are {}", known()))
    };
    names.iter().map(find).collect()
}

impl Suite {
    fn run(&'static self, accept: bool, only: Option<&str>) -> Result<()> {
        (self.install)()?;
        let state = fresh_state(&format!("conformance-{}", self.name))?;
        let words = only.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let run = Run { server: Server::start(&state)?, state: std::path::absolute(&state)?, suite: self.name, words };
        let driven = (self.drive)(&run);
        let found = match self.report {
            Some(report) => report(&run),
            None => read_outcomes(&run.outcomes()),
        };
        drop(run);
        let found = match (found, driven) {
            (Ok(found), Ok(())) => found,
            // A client that ended early left a list that means little: its own error comes first.
            (_, Err(error)) | (Err(error), _) => return Err(error),
        };
        self.judge(found, accept, only.is_some())
    }

    /// Compares with the list of the repository, or writes it.
    fn judge(&self, found: Vec<Outcome>, accept: bool, is_partial: bool) -> Result<()> {
        let file = list(self.name);
        let expected = Expected::load(&file)?;
        progress(&format!("{}: {}", self.name, expected::counts(&found)));
        if accept {
            anyhow::ensure!(!is_partial, "a part of the tests makes no list: leave --only out");
            std::fs::write(&file, expected.with_outcomes(found).to_text())?;
            return document::write(&SUITES);
        }
        let differences = expected.differences(&found, is_partial);
        if differences.is_empty() {
            return Ok(());
        }
        bail!("{} differs from {}:\n{}", self.name, relative(&file).display(), differences.join("\n"))
    }
}

/// The list of a suite.
fn list(suite: &str) -> PathBuf {
    paths::root().join("tests/conformance").join(suite).join("expected.txt")
}

fn relative(file: &Path) -> &Path {
    file.strip_prefix(paths::root()).unwrap_or(file)
}

/// What clients wrote, a line a test.
fn read_outcomes(file: &Path) -> Result<Vec<Outcome>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the client left no {}", file.display()))?;
    text.lines().map(Outcome::from_report).collect()
}
