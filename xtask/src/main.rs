//! Every command of the README and of CI, as `cargo xtask …`.
//!
//! Commands install what they need by themselves, print what they do on stderr and results on stdout,
//! and are quick when nothing changed. CI runs these and nothing else, so a red job can be repeated.

// A tool on a real machine: it may read the clock. The ban is for the cores.
#![allow(clippy::disallowed_methods)]

mod bind;
mod build;
mod fingerprint;
mod lock;
mod paths;
mod process;
mod script;
mod toolchain;

use std::process::ExitCode;

use anyhow::{Result, bail};

use build::Mode;

const HELP: &str = "\
cargo xtask COMMAND

  build   compile the scripts           --script dosql|lake|query   --dev
  wasm    run cargo for wasm            e.g. wasm check -p lake-dosql
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
    match name {
        "build" => build_command(rest),
        "wasm" => process::run(toolchain::rust::wasm_cargo()?.args(rest).args(["--target", toolchain::rust::TARGET])),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no command '{other}'\n{HELP}"),
    }
}

fn build_command(arguments: &[String]) -> Result<()> {
    let mut mode = Mode::Release;
    let mut scripts = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), argument.as_str()) {
            ("--dev", _) => mode = Mode::Dev,
            ("--script", _) => match arguments.next() {
                Some(name) => scripts.push(script::find(name)?),
                None => bail!("--script needs a name"),
            },
            _ => bail!("build does not know '{argument}'"),
        }
    }
    if scripts.is_empty() {
        scripts.extend(&script::SCRIPTS);
    }
    build::build_all(scripts, mode)
}
