//! `cargo xtask check`: formatting, lints native and for wasm, the rules of the house, docs, TypeScript types.

use anyhow::Result;

use crate::options::Options;
use crate::paths;
use crate::process::{cargo, run};
use crate::script::SCRIPTS;
use crate::steps::Steps;
use crate::toolchain::{node, rust};

/// The command.
pub(crate) fn command(options: Options) -> Result<()> {
    options.finish()?;
    let mut steps = Steps::default();
    steps.run("fmt", || run(cargo().args(["fmt", "--all", "--check"])));
    steps.run("tidy", || run(cargo().args(["test", "--quiet", "--package", "lake-tidy"])));
    steps.run("clippy", || {
        run(cargo().args(["clippy", "--quiet", "--all-targets", "--", "--deny", "warnings"]))?;
        run(cargo().args(["clippy", "--quiet", "--package", "xtask", "--all-targets", "--", "--deny", "warnings"]))
    });
    steps.run("clippy for wasm", || {
        let mut command = rust::wasm_cargo()?;
        command.args(["clippy", "--quiet", "--target", rust::TARGET]);
        for script in &SCRIPTS {
            command.args(["--package", script.package]);
        }
        run(command.args(["--package", "lake-platform", "--", "--deny", "warnings"]))
    });
    steps.run("docs", || run(cargo().args(["doc", "--quiet", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings")));
    steps.run("types", types);
    steps.finish()
}

/// Every TypeScript project that has a configuration.
fn types() -> Result<()> {
    for project in ["sdk-ts", "tests/e2e", "tests/chaos", "tests/contract", "tests/bench", "demo"] {
        if paths::root().join(project).join("tsconfig.json").exists() {
            run(node::command()?
                .arg(paths::root().join("node_modules/typescript/bin/tsc"))
                .args(["--noEmit", "-p", project]))?;
        }
    }
    Ok(())
}
