//! `cargo xtask chaos`: the real scripts under load, killed again and again, in `tests/chaos`.

use std::fs::File;
use std::io::Read;

use anyhow::Result;

use crate::build::Mode;
use crate::e2e::{files, python_environment};
use crate::keys;
use crate::options::Options;
use crate::paths;
use crate::process::{run, run_quiet};
use crate::serve::{build_scripts, fresh_state};
use crate::toolchain::node;

/// Kills unless another number is asked for.
const KILLS_DEFAULT: u32 = 20;

/// The command. `--seed` repeats the plan of a run; without it each run has another.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let kills = options.number::<u32>("--kills")?.unwrap_or(KILLS_DEFAULT);
    let seed = match options.number::<u32>("--seed")? {
        Some(seed) => seed,
        None => random_seed()?,
    };
    options.finish()?;
    build_scripts(mode)?;
    // The comparison first: it has to find what is wrong before it may say that nothing is.
    let mut specs = node::command()?;
    specs.args(["--test", "--test-reporter=dot"]).args(files("tests/chaos", ".spec.ts", &[])?);
    run_quiet(&mut specs)?;
    let keys = keys::random_keys()?;
    run(node::command()?
        .arg(paths::root().join("tests/chaos/chaos.ts"))
        .args(["--kills", &kills.to_string(), "--seed", &seed.to_string()])
        .env("LAKE_SCRATCH", fresh_state("chaos")?)
        .env("LAKE_KEYS", keys.to_json())
        .env("LAKE_TOKEN", keys::local_token(&keys, "all")?)
        .envs(python_environment()?))
}

fn random_seed() -> Result<u32> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u16::from_le_bytes(bytes).into())
}
