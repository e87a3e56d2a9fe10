//! The three Worker scripts and how each is compiled.

use anyhow::{Result, bail};

/// One script.
pub(crate) struct Script {
    /// Its name at Cloudflare, in `build/`, and in what is printed.
    pub(crate) name: &'static str,
    /// The package of its shell.
    pub(crate) package: &'static str,
    /// The cargo profile of a release.
    pub(crate) profile: &'static str,
    /// Its wrangler configuration, from the root.
    pub(crate) config: &'static str,
    /// The Durable Object classes that it exports.
    pub(crate) durable_objects: &'static [&'static str],
    /// Its budget for the gzipped module, in bytes.
    pub(crate) gzip_max: u64,
}

/// All scripts, the quickest to build first.
pub(crate) const SCRIPTS: [Script; 3] = [
    Script {
        name: "dosql",
        package: "dosql-worker",
        profile: "wasm",
        config: "workers/dosql/wrangler.toml",
        durable_objects: &["DoSql"],
        gzip_max: 2_000_000,
    },
    Script {
        name: "lake",
        package: "lake-worker",
        profile: "wasm",
        config: "wrangler.toml",
        durable_objects: &["DoLake", "Catalog"],
        gzip_max: 3_000_000,
    },
    Script {
        name: "query",
        package: "query-worker",
        profile: "wasm-small",
        config: "workers/query/wrangler.toml",
        durable_objects: &[],
        gzip_max: 8_000_000,
    },
];

/// For tests only: the ports of the platform against their contract. Built when it is named.
const CONTRACT: Script = Script {
    name: "contract",
    package: "contract-worker",
    profile: "wasm-dev",
    config: "workers/contract/wrangler.toml",
    durable_objects: &["Driven", "Ports"],
    gzip_max: 1_000_000,
};

/// The profile of the inner loop: quick to compile, larger and slower.
pub(crate) const DEV_PROFILE: &str = "wasm-dev";

/// Finds a script by its name.
pub(crate) fn find(name: &str) -> Result<&'static Script> {
    match SCRIPTS.iter().chain([&CONTRACT]).find(|script| script.name == name) {
        Some(script) => Ok(script),
        None => bail!("no script '{name}': there are dosql, lake, query and, for tests, contract"),
    }
}
