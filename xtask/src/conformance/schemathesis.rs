//! schemathesis: requests made from the specification's OpenAPI file, and answers held against it.
//!
//! Seed and number of requests are fixed, so that two runs send the same; a line of the list is an operation.

use std::process::Stdio;

use anyhow::{Context, Result};

use super::expected::Outcome;
use super::{Run, Suite, junit};
use crate::toolchain::python::Environment;

pub(super) const SUITE: Suite = Suite {
    name: "schemathesis",
    client: "schemathesis 4.32.5 with the OpenAPI file of the Iceberg REST catalog (1.11.0)",
    tests: "examples, coverage and fuzzing of each operation",
    install: || ENVIRONMENT.ensure().map(drop),
    drive,
    report: Some(report),
};

const ENVIRONMENT: Environment = Environment { name: "schemathesis", packages: &["schemathesis==4.32.5"] };
const EXAMPLES: &str = "5";
/// Methods that no specification names and `Allow` headers are not about the catalog. The file allows what no catalog can
/// do (empty names, a schema with two fields of one id): a 400 is the right answer to those.
const CHECKS_LEFT_OUT: &str = "unsupported_method,allow_header_conformance,positive_data_acceptance";

fn drive(run: &Run) -> Result<()> {
    let environment = ENVIRONMENT.ensure()?;
    let log = std::fs::File::create(run.state.join("schemathesis.log"))?;
    let mut client = run.client(environment.join("bin/python"));
    client.arg(run.folder().join("prepare.py"));
    anyhow::ensure!(client.status()?.success(), "the lake could not be prepared");
    let mut client = run.client(environment.join("bin/schemathesis"));
    client
        .arg("run")
        .arg("openapi.yaml")
        .args(["--url", &format!("{}/iceberg", run.server.url)])
        .args(["--header", &format!("Authorization: Bearer {}", run.server.token)])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink"])
        .args(["--continue-on-failure", "--exclude-checks", CHECKS_LEFT_OUT, "--request-timeout", "20"])
        .args(["--report", "junit", "--report-junit-path", "report.xml"]);
    let status = client.stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log)).status()?;
    anyhow::ensure!(
        matches!(status.code(), Some(0 | 1)),
        "schemathesis ended with {status}; see {}",
        run.state.display()
    );
    Ok(())
}

fn report(run: &Run) -> Result<Vec<Outcome>> {
    let file = run.state.join("report.xml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("schemathesis left no {}", file.display()))?;
    // The message is a list of codes; the text says what was sent and what was wrong, after a random name.
    let outcomes = junit::outcomes(&text.replace(" message=\"", " codes=\""), |_, name| name.to_owned());
    let said = |outcome: Outcome| {
        let reason = outcome.reason.split_once(" - ").map_or("", |(_, reason)| reason);
        let reason = reason.split(" Reproduce with").next().unwrap_or_default().to_owned();
        Outcome { reason, ..outcome }
    };
    Ok(outcomes.into_iter().map(said).collect())
}
