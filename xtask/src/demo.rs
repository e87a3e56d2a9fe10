//! `cargo xtask demo`: the walk through on real data, in `demo/demo.ts`.

use anyhow::Result;

use crate::build::Mode;
use crate::dataset;
use crate::e2e::python_environment;
use crate::options::Options;
use crate::paths;
use crate::process::run;
use crate::serve::{Server, build_scripts, fresh_state};
use crate::toolchain::node;

/// The command. `--once` ends after the last comparison; else it runs until Ctrl-C.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let once = options.flag("--once");
    options.finish()?;
    build_scripts(mode)?;
    let flights = dataset::ensure()?;
    let server = Server::start(&fresh_state("demo")?)?;
    let mut command = node::command()?;
    command.arg(paths::root().join("demo/demo.ts"));
    if once {
        command.arg("--once");
    }
    run(command.envs(server.environment()).envs(python_environment()?).env("LAKE_FLIGHTS", &flights))
}
