//! Every command of the README and of CI, as `cargo xtask …`.
//!
//! Commands install what they need by themselves, print what they do on stderr and results on stdout,
//! and are quick when nothing changed. CI runs these and nothing else, so a red job can be repeated.

// A tool on a real machine: it may read the clock. The ban is for the cores.
#![allow(clippy::disallowed_methods)]

mod bench;
mod bind;
mod build;
mod chaos;
mod check;
mod conformance;
mod dataset;
mod demo;
mod deploy;
mod disk;
mod doctor;
mod e2e;
mod fingerprint;
mod fuzz;
mod keys;
mod lock;
mod options;
mod paths;
mod process;
mod script;
mod serve;
mod sim;
mod steps;
mod test;
mod toolchain;

use std::process::ExitCode;

use anyhow::{Result, bail};

use options::Options;

const HELP: &str = "\
cargo xtask COMMAND

  demo    the walk through on real data      --once
  dev     everything running                 --port P  --state DIR  --token-scopes S  --admin-port P  --log FILE
  test    everything that can turn red       --native
  check   fmt, clippy, tidy, docs, types
  e2e     the scripts in workerd             [part of a file name]
  conformance NAME                           stock clients: rck pyiceberg schemathesis duckdb spark trino
                                             iceberg-rest mixed; --only WORDS  --accept  --write-document
  fuzz    made-up inputs for every decoder   --seconds N  [targets]
                                             --input FILE: one input again; --write-seeds: the seeds anew
  chaos   the scripts killed under load      --kills N  --seed S
  bench   figures of this machine            --json  [part of a file name]
          the catalog beside a peer          bench catalog: --quick  --commits N  --only WORD
                                             --peer-in-memory
  sim     the cores from seeds, with faults  --seeds N  --from S  --planted
          one seed again                     --seed S  --steps N  --without a,b  --bug NAME  --trace
  build   compile the scripts                --script dosql|lake|query
  deploy  put them on Cloudflare             --dry-run
  token   a token for a lake                 --scopes S  --state DIR | --keys FILE  --hours N  --subject S  --new-keys
                                             --s3 PREFIX: a key for reading the bucket instead
  doctor  what is missing on this machine
  setup   install now what the others install when they need it
  wasm    cargo for wasm                     e.g. wasm check -p lake-dosql

Commands that build scripts take --dev (quicker to compile, larger, slower) and --no-build (what was built last).
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Result<()> {
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("help", &[][..]),
    };
    let options = Options::new(rest);
    match name {
        "bench" => bench::command(options),
        "build" => build::command(options),
        "chaos" => chaos::command(options),
        "check" => check::command(options),
        "conformance" => conformance::command(options),
        "demo" => demo::command(options),
        "deploy" => deploy::command(options),
        "dev" => serve::dev(options),
        "doctor" => doctor::command(options),
        "e2e" => e2e::command(options),
        "fuzz" => fuzz::command(options),
        "sim" => sim::command(options),
        "setup" => setup(options),
        "test" => test::command(options),
        "token" => keys::command(options),
        "wasm" => process::run(toolchain::rust::wasm_cargo()?.args(rest).args(["--target", toolchain::rust::TARGET])),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no command '{other}'\n{HELP}"),
    }
}

fn setup(options: Options) -> Result<()> {
    options.finish()?;
    toolchain::rust::wasm_cargo()?;
    toolchain::node::ensure()?;
    toolchain::python::CLIENTS.ensure()?;
    dataset::ensure()?;
    Ok(())
}
