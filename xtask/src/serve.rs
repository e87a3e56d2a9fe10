//! A running lake: `cargo xtask dev`, and the server that tests, demo and benchmarks talk to.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::build::{Mode, build};
use crate::keys;
use crate::options::Options;
use crate::paths;
use crate::script::SCRIPTS;
use crate::toolchain::node;

/// The port of `cargo xtask dev` unless another is asked for.
const PORT_DEFAULT: u16 = 8787;

/// `cargo xtask dev`: builds, then becomes the server, so that signals reach it directly.
pub(crate) fn dev(mut options: Options) -> Result<()> {
    let mode = Mode::from(&mut options);
    let port = options.number::<u16>("--port")?.unwrap_or(PORT_DEFAULT);
    let state = options.value("--state")?.map_or_else(|| paths::state("dev"), PathBuf::from);
    let scopes = options.value("--token-scopes")?.unwrap_or_else(|| "all".to_owned());
    let mut arguments = vec!["--port".to_owned(), port.to_string()];
    for name in ["--admin-port", "--log"] {
        if let Some(value) = options.value(name)? {
            arguments.extend([name.to_owned(), value]);
        }
    }
    if options.flag("--ends-with-stdin") {
        arguments.push("--ends-with-stdin".to_owned());
    }
    options.finish()?;
    build_scripts(mode)?;
    let error = command(&state, &scopes)?.args(arguments).exec();
    Err(anyhow!(error).context("cannot start the server"))
}

/// Builds what the server loads.
pub(crate) fn build_scripts(mode: Mode) -> Result<()> {
    for script in &SCRIPTS {
        build(script, mode)?;
    }
    Ok(())
}

/// `node tools/serve.mjs` on a state folder.
fn command(state: &Path, scopes: &str) -> Result<Command> {
    let keys = keys::of_state(state)?;
    let mut command = node::command()?;
    command
        .arg(paths::root().join("tools/serve.mjs"))
        .arg("--state")
        .arg(std::path::absolute(state)?)
        .env("LAKE_KEYS", keys.to_json())
        .env("LAKE_TOKEN", keys::local_token(&keys, scopes)?);
    Ok(command)
}

/// A server that ends when this value is dropped, or when this process dies in any way.
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) url: String,
    /// A token that may do everything.
    pub(crate) token: String,
    /// Where tests evict objects.
    pub(crate) admin: String,
}

impl Server {
    /// Starts on free ports and waits until requests are answered.
    pub(crate) fn start(state: &Path) -> Result<Self> {
        let log = state.join("server.log");
        let mut child = command(state, "all")?
            .args(["--port", "0", "--admin-port", "0", "--ends-with-stdin", "--log"])
            .arg(std::path::absolute(&log)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server's output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let field = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name).map(str::to_owned))
                .ok_or_else(|| anyhow!("the server said no {name}: '{}'; see {}", line.trim(), log.display()))
        };
        match (field("url="), field("token="), field("admin=")) {
            (Ok(url), Ok(token), Ok(admin)) => Ok(Self { child, url, token, admin }),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                child.wait()?;
                bail!(error)
            }
        }
    }

    /// What a test needs to find it.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 3] {
        [("LAKE_URL", &self.url), ("LAKE_TOKEN", &self.token), ("LAKE_ADMIN", &self.admin)]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its stdin closes, which it takes as the order to end in peace.
        drop(self.child.stdin.take());
        // Nothing to do about a failure: the process is gone or will see its stdin closed.
        let _ = self.child.wait();
    }
}

/// A state folder for one run, empty at the start.
pub(crate) fn fresh_state(name: &str) -> Result<PathBuf> {
    let state = paths::state(name);
    if state.exists() {
        end_leftover(&state);
        std::fs::remove_dir_all(&state).with_context(|| format!("cannot clear {}", state.display()))?;
    }
    std::fs::create_dir_all(&state)?;
    Ok(state)
}

/// Ends the workerd that a killed server left behind in this folder.
fn end_leftover(state: &Path) {
    let Ok(text) = std::fs::read_to_string(state.join("pids.json")) else { return };
    let Ok(pids) = serde_json::from_str::<serde_json::Value>(&text) else { return };
    let Some(pid) = pids["workerd"].as_u64().map(|pid| pid.to_string()) else { return };
    let started = Command::new("ps").args(["-p", &pid, "-o", "lstart="]).output();
    let same = started.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == pids["started"]);
    if same {
        // If it has ended in between, all is well.
        let _ = Command::new("kill").args(["-9", &pid]).status();
    }
}
