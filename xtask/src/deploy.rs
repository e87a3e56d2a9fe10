//! `cargo xtask deploy`: puts the three scripts on Cloudflare with wrangler.
//!
//! Their bindings form a circle, and a deployment that names a script which does not exist fails. So scripts that are
//! not there yet go up first with the bindings to other scripts left out; then all three go up as they are. A script
//! that exists is never taken through the first pass, because it would lose its bindings for a moment.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::build::{Mode, build};
use crate::options::Options;
use crate::paths;
use crate::process::{progress, run};
use crate::script::{SCRIPTS, Script};
use crate::toolchain::node;

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
    for script in &SCRIPTS {
        if is_dry || !exists(script)? {
            progress(&format!("first pass: {}", script.name));
            deploy(script, &without_other_scripts(script)?, is_dry)?;
        }
    }
    for script in &SCRIPTS {
        progress(&format!("second pass: {}", script.name));
        deploy(script, &paths::root().join(script.config), is_dry)?;
    }
    if !is_dry {
        progress("the lake needs its keys once: cargo xtask token --new-keys | npx wrangler secret put LAKE_KEYS");
    }
    Ok(())
}

fn wrangler() -> Result<Command> {
    let mut command = node::command()?;
    command.arg(paths::root().join("node_modules/wrangler/bin/wrangler.js"));
    Ok(command)
}

fn exists(script: &Script) -> Result<bool> {
    let status = wrangler()?
        .args(["deployments", "list", "--name", script.name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}

fn deploy(script: &Script, config: &PathBuf, is_dry: bool) -> Result<()> {
    let mut command = wrangler()?;
    command.arg("deploy").arg("--config").arg(config);
    if is_dry {
        command.arg("--dry-run").arg("--outdir").arg(paths::root().join("build/deploy").join(script.name));
    }
    run(&mut command)
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
