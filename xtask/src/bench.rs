//! `cargo xtask bench`: what the system reaches on this machine, next to what it is compared with.
//!
//! Each `tests/bench/*.bench.ts` gets a running lake that is empty, and prints one JSON object a line on stdout:
//! `{"name", "value", "unit", "peer", "ratio"}`, the last two null where there is nothing to compare with. Figures are
//! printed and never asserted: a timed test is red on a busy machine.
//!
//! [`catalog`] is written here, because its load comes from many clients at once and its peer is a JVM.

mod catalog;
mod http;
mod load;
mod manifest_list;
mod peer;
mod sample;
mod table;

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::build::Mode;
use crate::conformance::rck_lacks;
use crate::dataset;
use crate::e2e::{files, python_environment};
use crate::options::Options;
use crate::process::progress;
use crate::serve::{Server, build_scripts, fresh_state};
use crate::toolchain::node;

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let as_json = options.flag("--json");
    let effort = catalog::Effort::from(&mut options)?;
    let words = options.words();
    options.finish()?;
    build_scripts(mode)?;
    let mut figures = Vec::new();
    let files = files("tests/bench", ".bench.ts", &words)?;
    if !files.is_empty() {
        figures.extend(measure(&files)?);
    }
    let mut outcome = Ok(());
    let lacks = rck_lacks().filter(|_| words.is_empty());
    if let Some(lacks) = lacks {
        progress(&format!("the catalog is not measured, for want of its peer: {lacks}"));
    } else if words.is_empty() || words.iter().any(|word| "catalog".contains(word.as_str())) {
        outcome = catalog::measure(&effort, &mut figures);
    }
    if as_json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print_table(&figures);
    }
    outcome
}

/// The figures of benchmarks in TypeScript.
fn measure(files: &[PathBuf]) -> Result<Vec<Value>> {
    let flights = dataset::ensure()?;
    let mut figures = Vec::new();
    for file in files {
        progress(&format!("measuring {}", file.file_stem().unwrap_or_default().to_string_lossy()));
        let server = Server::start(&fresh_state("bench")?)?;
        let output = node::command()?
            .arg(file)
            .envs(server.environment())
            .envs(python_environment()?)
            .env("LAKE_FLIGHTS", &flights)
            .stderr(Stdio::inherit())
            .output()?;
        anyhow::ensure!(output.status.success(), "{} failed ({})", file.display(), output.status);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let figure: Value = serde_json::from_str(line).with_context(|| format!("not a figure: {line}"))?;
            figures.push(figure);
        }
    }
    Ok(figures)
}

fn print_table(figures: &[Value]) {
    let text = |figure: &Value, field: &str| match &figure[field] {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{:.2}", number.as_f64().unwrap_or(f64::NAN)),
        _ => String::new(),
    };
    println!("{:<32} {:>14} {:<10} {:<24} {:>8}", "name", "value", "unit", "peer", "ratio");
    for figure in figures {
        println!(
            "{:<32} {:>14} {:<10} {:<24} {:>8}",
            text(figure, "name"),
            text(figure, "value"),
            text(figure, "unit"),
            text(figure, "peer"),
            text(figure, "ratio")
        );
    }
}
