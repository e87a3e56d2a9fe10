//! Where things are: the clone, its outputs, and the cache that clones share.

use std::path::{Path, PathBuf};

/// The root of the clone this command was built from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the root")
}

/// What is installed once per machine: the C compiler, Python environments, built scripts.
/// `LAKE_CACHE` moves it; the default follows the usual cache folder.
pub(crate) fn cache() -> PathBuf {
    if let Some(dir) = std::env::var_os("LAKE_CACHE") {
        return PathBuf::from(dir);
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache"));
    base.join("lake.do")
}

/// The output of one script: glue, entry module and wasm.
pub(crate) fn built_script(name: &str) -> PathBuf {
    root().join("build").join(name)
}

/// Cargo's folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo's folder for wasm builds. Its own, so that a long script build does not lock `cargo test`.
pub(crate) fn wasm_target() -> PathBuf {
    target().join("wasm")
}

/// The fuzzer, its build of the crates and the inputs that it has found.
pub(crate) fn fuzz() -> PathBuf {
    cache().join("fuzz")
}

/// An executable that npm installed into the clone.
pub(crate) fn node_bin(name: &str) -> PathBuf {
    root().join("node_modules").join(".bin").join(name)
}

/// A folder for the state of a local lake, in the clone and out of git.
pub(crate) fn state(name: &str) -> PathBuf {
    root().join(".state").join(name)
}
