//! `cargo xtask deploy`: puts the three scripts on Cloudflare with wrangler.
//!
//! Their bindings form a circle, and a deployment that names a script which does not exist fails. So scripts that are
//! not there yet go up first with the bindings to other scripts left out; then all three go up as they are. A script
//! that exists is never taken through the first pass, because it would lose its bindings for a moment.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::build::{Mode, build};
use crate::keys;
use crate::options::Options;
use crate::paths;
use crate::process::{output, progress, run, run_quiet};
use crate::script::{self, SCRIPTS, Script};
use crate::toolchain::node;

/// The script with the front door, which alone has secrets.
const FRONT: &str = "lake";
/// The secret of a key of the bucket, which the front door has where engines get credentials for the bucket itself.
const PARENT_SECRET: &str = "R2_SECRET_ACCESS_KEY";

/// The command. `--dry-run` bundles both passes and uploads nothing.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let is_dry = options.flag("--dry-run");
    options.finish()?;
    for script in &SCRIPTS {
        let built = build(script, Mode::Release)?;
        ensure!(
            built.gzip <= script.gzip_max,
            "{} has {} bytes gzipped and may have {}",
            script.name,
            built.gzip,
            script.gzip_max
        );
    }
    if is_dry {
        return dry_run();
    }
    ensure_bucket()?;
    for script in &SCRIPTS {
        if !exists(script)? {
            progress(&format!("first pass: {}", script.name));
            run(&mut deployment(&without_other_scripts(script)?)?)?;
        }
    }
    for script in &SCRIPTS {
        progress(&format!("second pass: {}", script.name));
        run(&mut deployment(&paths::root().join(script.config))?)?;
    }
    ensure_keys()?;
    ensure_parent_key()
}

/// Bundles what is in `build/` for both passes, as a deployment of a lake that does not exist yet would.
pub(crate) fn dry_run() -> Result<()> {
    let bundles = paths::root().join("build/deploy");
    for script in &SCRIPTS {
        for (pass, config) in [("first", without_other_scripts(script)?), ("second", paths::root().join(script.config))]
        {
            let folder = bundles.join(pass).join(script.name);
            run_quiet(deployment(&config)?.arg("--dry-run").arg("--outdir").arg(&folder))?;
            ensure!(folder.join("shim.js").exists(), "wrangler bundled no shim.js into {}", folder.display());
            println!("{pass} pass: {}", script.name);
        }
    }
    Ok(())
}

fn wrangler() -> Result<Command> {
    let mut command = node::command()?;
    command.arg(paths::root().join("node_modules/wrangler/bin/wrangler.js"));
    Ok(command)
}

fn exists(script: &Script) -> Result<bool> {
    succeeds(&["deployments", "list", "--name", script.name])
}

fn succeeds(arguments: &[&str]) -> Result<bool> {
    Ok(wrangler()?.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}

fn ensure_bucket() -> Result<()> {
    let config = fs::read_to_string(paths::root().join(script::find(FRONT)?.config))?;
    let name = config.lines().find_map(|line| line.strip_prefix("bucket_name = \"")?.strip_suffix('"'));
    let name = name.context("the config names no bucket")?;
    if !succeeds(&["r2", "bucket", "info", name])? {
        progress(&format!("making the bucket {name}"));
        run(wrangler()?.args(["r2", "bucket", "create", name]))?;
    }
    Ok(())
}

/// Gives the lake its keys, once. They stay in `.state/production`, where `cargo xtask token` finds them.
fn ensure_keys() -> Result<()> {
    let secrets = output(wrangler()?.args(["secret", "list", "--name", FRONT]))?;
    if secrets.contains("LAKE_KEYS") {
        return Ok(());
    }
    let state = paths::state("production");
    let keys = keys::of_state(&state)?.to_json();
    let mut child = wrangler()?.args(["secret", "put", "LAKE_KEYS", "--name", FRONT]).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("the command's input is piped")?.write_all(keys.as_bytes())?;
    ensure!(child.wait()?.success(), "wrangler could not put the secret LAKE_KEYS");
    progress(&format!("keep {}: tokens are made with it, by cargo xtask token --state", state.display()));
    Ok(())
}

/// Says so if engines are to get credentials of the bucket itself, and the key that these are made from is not there.
fn ensure_parent_key() -> Result<()> {
    let config = fs::read_to_string(paths::root().join(script::find(FRONT)?.config))?;
    if !wants_parent_key(&config) {
        return Ok(());
    }
    ensure!(
        output(wrangler()?.args(["secret", "list", "--name", FRONT]))?.contains(PARENT_SECRET),
        "STORAGE_CREDENTIALS is r2, and {PARENT_SECRET} is not set: wrangler secret put {PARENT_SECRET} --name {FRONT}"
    );
    Ok(())
}

/// True if the settings have engines read the bucket itself.
fn wants_parent_key(config: &str) -> bool {
    config.lines().any(|line| line.trim() == "STORAGE_CREDENTIALS = \"r2\"")
}

fn deployment(config: &Path) -> Result<Command> {
    let mut command = wrangler()?;
    command.arg("deploy").arg("--config").arg(config);
    Ok(command)
}

/// The script's configuration without bindings to other scripts, as a file next to the built script.
fn without_other_scripts(script: &Script) -> Result<PathBuf> {
    let text = fs::read_to_string(paths::root().join(script.config))?;
    let folder = paths::root().join("build/first-pass");
    fs::create_dir_all(&folder)?;
    let config = folder.join(format!("{}.toml", script.name));
    let main = format!("main = \"../{}/shim.js\"", script.name);
    let kept: String = sections(&text).filter(|section| !names_another_script(section)).collect();
    let line = kept.lines().find(|line| line.starts_with("main = ")).context("the config has no main")?;
    fs::write(&config, kept.replace(line, &main))?;
    Ok(config)
}

/// The text before the first `[`, then each table with its lines.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices('\n').filter(|(at, _)| text[at + 1..].starts_with('[')).map(|(at, _)| at + 1);
    let mut bounds: Vec<usize> = std::iter::once(0).chain(starts).collect();
    bounds.push(text.len());
    (1..bounds.len()).map(move |index| &text[bounds[index - 1]..bounds[index]])
}

fn names_another_script(section: &str) -> bool {
    section.starts_with("[[services]]") || section.lines().any(|line| line.starts_with("script_name = "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bucket_itself_needs_its_key() {
        assert!(wants_parent_key("[vars]\nSTORAGE_CREDENTIALS = \"r2\"\n"));
        assert!(!wants_parent_key("[vars]\n# STORAGE_CREDENTIALS = \"r2\"\nSTORAGE_CREDENTIALS = \"facade\"\n"));
    }

    #[test]
    fn the_first_pass_keeps_everything_but_bindings_to_other_scripts() {
        let text = "name = \"a\"\n\n[vars]\nX = \"1\"\n\n[[durable_objects.bindings]]\nname = \"O\"\nclass_name = \"O\"\n\n\
                    [[durable_objects.bindings]]\nname = \"P\"\nscript_name = \"b\"\n\n[[services]]\nbinding = \"B\"\n";
        let kept: String = sections(text).filter(|section| !names_another_script(section)).collect();
        assert_eq!(
            kept,
            "name = \"a\"\n\n[vars]\nX = \"1\"\n\n[[durable_objects.bindings]]\nname = \"O\"\nclass_name = \"O\"\n\n"
        );
    }
}
