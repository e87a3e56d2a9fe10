//! Running other programs: what is shown, and what a failure says.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::paths;

/// Prints what is going on, on stderr, so that stdout stays for results.
pub(crate) fn progress(what: &str) {
    eprintln!("· {what}");
}

/// A cargo in the workspace's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    forget_package(command.current_dir(paths::root()));
    command
}

/// Takes away what cargo says of this program to this program. `ring` is compiled anew when it changes, and with it
/// Parquet, Iceberg and DataFusion: every time a cargo that we call takes turns with one called by hand, or a clone lies
/// elsewhere than the last one.
pub(crate) fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
}

fn is_of_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Runs to the end with the output passed through; an error names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start: {shown}"))?;
    if !status.success() {
        bail!("failed ({status}): {shown}");
    }
    Ok(())
}

/// Runs to the end silently; the output is shown only when it failed.
pub(crate) fn run_quiet(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start: {shown}"))?;
    if !output.status.success() {
        bail!(
            "failed ({}): {shown}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// What a command prints on stdout, trimmed; stderr is passed through.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start: {shown}"))?;
    if !output.status.success() {
        bail!("failed ({}): {shown}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first line of `program --version`, or `None` if it cannot be run.
pub(crate) fn version_of(program: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or("").to_owned())
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_that_is_called_does_not_see_whose_program_called_it() {
        // Tests run below cargo, so there is something to forget.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let forgotten: Vec<_> = cargo().get_envs().map(|(name, value)| (name.to_owned(), value.is_some())).collect();
        assert!(forgotten.contains(&("CARGO_MANIFEST_DIR".into(), false)), "{forgotten:?}");
        assert!(!is_of_package("CARGO_HOME") && !is_of_package("CARGO_TARGET_DIR"));
    }
}
