//! `cargo xtask build`: compiles, binds and measures the scripts; does nothing when nothing changed.
//!
//! A script is recognised by the fingerprint of its inputs. A finished one is kept in the cache too,
//! so that a second clone, or a branch that is gone back to, does not compile it again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::bind::{ENTRY_MODULE, bind};
use crate::fingerprint;
use crate::lock::Lock;
use crate::options::Options;
use crate::paths;
use crate::process::{progress, run};
use crate::script::{self, DEV_PROFILE, SCRIPTS, Script};
use crate::toolchain::rust;

/// How a script is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What is deployed and measured.
    Release,
    /// Quick to compile.
    Dev,
    /// What is in `build/`, whatever it was made from: for one who works on something else than the scripts.
    Kept,
}

impl Mode {
    /// `--dev` chooses the quick one, `--no-build` what is there.
    pub(crate) fn from(options: &mut Options) -> Self {
        match (options.flag("--dev"), options.flag("--no-build")) {
            (_, true) => Mode::Kept,
            (true, false) => Mode::Dev,
            (false, false) => Mode::Release,
        }
    }
}

/// A script that is ready in `build/`.
pub(crate) struct Built {
    /// Bytes of the module.
    pub(crate) raw: u64,
    /// Bytes of the module after gzip -9.
    pub(crate) gzip: u64,
}

const STAMP: &str = "stamp.json";
/// Finished scripts kept in the cache, of each script.
const KEPT_SCRIPTS: usize = 4;

/// The command: builds these scripts, or all, and prints one line for each.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let names = options.values("--script")?;
    options.finish()?;
    let chosen: Result<Vec<&Script>> = names.iter().map(|name| script::find(name)).collect();
    let scripts = if names.is_empty() { SCRIPTS.iter().collect() } else { chosen? };
    for script in scripts {
        let built = build(script, mode)?;
        println!("{:<6} raw {:.2} MB  gzip {:.2} MB", script.name, megabytes(built.raw), megabytes(built.gzip));
        if mode == Mode::Release && built.gzip > script.gzip_max {
            eprintln!("  over its budget of {:.2} MB gzip", megabytes(script.gzip_max));
        }
    }
    Ok(())
}

/// Builds one script unless it is built already.
pub(crate) fn build(script: &Script, mode: Mode) -> Result<Built> {
    let folder = paths::built_script(script.name);
    let profile = match mode {
        Mode::Release => script.profile,
        Mode::Dev => DEV_PROFILE,
        Mode::Kept => return kept(&folder),
    };
    let print = fingerprint::of_package(script.package, profile, ENTRY_MODULE)?;
    if let Some(built) = read_stamp(&folder, &print) {
        return Ok(built);
    }
    let _lock = Lock::take("script-build")?;
    let kept = paths::cache().join("scripts").join(format!("{}-{print}", script.name));
    if let Some(built) = read_stamp(&kept, &print) {
        copy(&kept, &folder)?;
        return Ok(built);
    }
    progress(&format!("compiling {} ({profile})", script.name));
    run(rust::wasm_cargo()?.args([
        "build",
        "--package",
        script.package,
        "--target",
        rust::TARGET,
        "--profile",
        profile,
    ]))?;
    let module = paths::wasm_target()
        .join(rust::TARGET)
        .join(profile)
        .join(format!("{}.wasm", script.package.replace('-', "_")));
    progress(&format!("binding {}", script.name));
    let staged = folder.with_extension("new");
    clear(&staged)?;
    bind(&module, script.durable_objects, &staged)?;
    let bytes = fs::read(staged.join("index_bg.wasm"))?;
    let built = Built { raw: bytes.len() as u64, gzip: gzipped(&bytes)? };
    let stamp = json!({"fingerprint": print, "profile": profile, "raw": built.raw, "gzip": built.gzip});
    fs::write(staged.join(STAMP), stamp.to_string())?;
    copy(&staged, &folder)?;
    copy(&staged, &kept)?;
    fs::remove_dir_all(&staged)?;
    drop_old(script.name)?;
    Ok(built)
}

fn kept(folder: &Path) -> Result<Built> {
    let stamp = stamp(folder).with_context(|| format!("nothing was built in {}", folder.display()))?;
    sizes(&stamp).context("the stamp of the build has no sizes")
}

fn read_stamp(folder: &Path, print: &str) -> Option<Built> {
    let stamp = stamp(folder)?;
    if stamp["fingerprint"] == print { sizes(&stamp) } else { None }
}

fn stamp(folder: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(folder.join(STAMP)).ok()?).ok()
}

fn sizes(stamp: &Value) -> Option<Built> {
    Some(Built { raw: stamp["raw"].as_u64()?, gzip: stamp["gzip"].as_u64()? })
}

/// Replaces a folder by a copy of another.
fn copy(from: &Path, to: &Path) -> Result<()> {
    // The stamp goes last: a copy that was cut short is not taken for a finished one.
    clear(to)?;
    copy_into(from, to)?;
    let stamp = fs::read(from.join(STAMP))?;
    fs::write(to.join(STAMP), stamp)?;
    Ok(())
}

fn copy_into(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_into(&entry.path(), &target)?;
        } else if entry.file_name() != STAMP {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    fs::create_dir_all(folder)?;
    Ok(())
}

fn drop_old(script: &str) -> Result<()> {
    let mut kept: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(paths::cache().join("scripts"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&format!("{script}-")) {
            kept.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    kept.sort();
    kept.reverse();
    for (_, folder) in kept.into_iter().skip(KEPT_SCRIPTS) {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn gzipped(bytes: &[u8]) -> Result<u64> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
