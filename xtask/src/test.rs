//! `cargo xtask test`: everything that can turn red, on this machine and without an account.

use std::process::Command;

use anyhow::Result;

use crate::build::Mode;
use crate::conformance;
use crate::deploy;
use crate::disk;
use crate::e2e;
use crate::options::Options;
use crate::paths;
use crate::process::{cargo, progress, run};
use crate::serve;
use crate::steps::Steps;
use crate::toolchain::node;

/// The command. `--native` leaves out what needs the scripts.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let only_native = options.flag("--native");
    options.finish()?;
    disk::warn();
    let mut steps = Steps::default();
    steps.run("native tests", || {
        run(cargo().args(["test", "--quiet"]))?;
        run(cargo().args(["test", "--quiet", "--package", "xtask"]))
    });
    if !only_native {
        steps.run("scripts", || serve::build_scripts(mode));
        steps.run("deploy --dry-run", deploy::dry_run);
        steps.run("contract of the ports", e2e::contract);
        steps.run("SDK", sdk);
        steps.run("end to end", || e2e::specs(&[]));
        steps.run("conformance", || e2e::conformance(&[]));
        conformance::run(&mut steps, &["pyiceberg", "duckdb", "schemathesis"]);
        match conformance::rck_lacks() {
            None => conformance::run(&mut steps, &["rck"]),
            Some(lacks) => progress(&format!("conformance rck is not run: {lacks}")),
        }
    }
    steps.finish()
}

/// The SDK's own tests, which bring a server of their own.
fn sdk() -> Result<()> {
    let folder = paths::root().join("sdk-ts");
    if !folder.join("package.json").exists() {
        return Ok(());
    }
    run(Command::new("npm").args(["test", "--silent"]).current_dir(folder).env("PATH", node::path()?))
}
