//! Whether a script has to be built again: a digest of everything that goes into it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::paths;
use crate::process::{cargo, output};
use crate::toolchain::{rust, zig};

/// Counted up when the build chain changes what it makes of the same sources.
const CHAIN: u32 = 1;

/// The digest of a package, its profile, the folders it is compiled from and the compilers.
pub(crate) fn of_package(package: &str, profile: &str, entry_module: &str) -> Result<String> {
    let mut digest = Sha256::new();
    let head = format!("{CHAIN} {package} {profile} {} {}\n", rust::version()?, zig::VERSION);
    digest.update(head);
    digest.update(entry_module);
    let mut files = vec![
        paths::root().join("Cargo.toml"),
        paths::root().join("Cargo.lock"),
        paths::root().join(".cargo/config.toml"),
    ];
    for folder in folders_of(package)? {
        collect(&folder, &mut files)?;
    }
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(paths::root()).unwrap_or(&file);
        digest.update(format!("{} {}\n", name.display(), bytes.len()));
        digest.update(&bytes);
    }
    Ok(hex(&digest.finalize())[..24].to_owned())
}

/// The folders of a package and of all our packages that it is built from.
fn folders_of(package: &str) -> Result<BTreeSet<PathBuf>> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut folders = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(name) = open.pop() {
        let found = packages.iter().find(|package| package["name"] == name.as_str());
        let found = found.with_context(|| format!("no package '{name}' in the workspace"))?;
        let manifest = Path::new(found["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().context("a manifest lies in a folder")?.to_owned();
        if !folders.insert(folder) {
            continue;
        }
        for dependency in found["dependencies"].as_array().into_iter().flatten() {
            let is_ours = !dependency["path"].is_null() && dependency["kind"] != "dev";
            if let (true, Some(name)) = (is_ours, dependency["name"].as_str()) {
                open.push(name.to_owned());
            }
        }
    }
    Ok(folders)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "benches", "target", "node_modules"].contains(&name.as_str()) {
                collect(&path, files)?;
            }
        } else if !name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
