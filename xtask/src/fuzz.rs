//! `cargo xtask fuzz`: every decoder of bytes from outside against made-up inputs, for some seconds each.
//!
//! Targets are the programs of `fuzz/Cargo.toml`. Each starts from its seeds in the clone and from what earlier runs
//! have found, which is kept in the cache. An input that breaks a target is put into `fuzz/crashes`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail};

use crate::options::Options;
use crate::paths;
use crate::process::{forget_package, output, progress, run};
use crate::toolchain::fuzzer;

/// How long each target runs unless told otherwise.
const SECONDS: u32 = 20;

/// Longest that one input may take. A shard's statement may take 200 million steps.
const INPUT_SECONDS: u32 = 20;

/// Memory of a target's process with SQLite's, which the target's own bound does not count.
const MEMORY_MIB: u32 = 1_024;

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let seconds = options.number("--seconds")?.unwrap_or(SECONDS);
    let input = options.value("--input")?;
    let writes_seeds = options.flag("--write-seeds");
    let words = options.words();
    options.finish()?;
    let targets = chosen(words)?;
    let folder = build(&targets)?;
    if let Some(input) = input {
        let [target] = targets.as_slice() else { bail!("--input is for one target") };
        return run(Command::new(folder.join(target)).arg(input).args(limits()));
    }
    if writes_seeds {
        return targets.iter().try_for_each(|target| write_seeds(&folder, target));
    }
    fuzz(&folder, &targets, seconds)
}

fn root() -> PathBuf {
    paths::root().join("fuzz")
}

fn limits() -> [String; 2] {
    [format!("-timeout={INPUT_SECONDS}"), format!("-rss_limit_mb={MEMORY_MIB}")]
}

/// The targets that are named, or all.
fn chosen(words: Vec<String>) -> Result<Vec<String>> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let all = targets(&manifest);
    for word in &words {
        if !all.contains(word) {
            bail!("there is no target '{word}': {}", all.join(", "));
        }
    }
    Ok(if words.is_empty() { all } else { words })
}

/// The names of the programs of a manifest.
fn targets(manifest: &str) -> Vec<String> {
    let programs = manifest.split("[[bin]]").skip(1);
    let names = programs.filter_map(|program| {
        let line = program.lines().find_map(|line| line.strip_prefix("name = "))?;
        Some(line.trim_matches('"').to_owned())
    });
    names.collect()
}

/// Compiles the targets and returns the folder with their programs.
fn build(targets: &[String]) -> Result<PathBuf> {
    let program = fuzzer::ensure()?;
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let target_folder = paths::fuzz().join("target");
    progress("compiling the fuzz targets (minutes, the first time)");
    let mut command = Command::new(program);
    // Its first argument is the name that cargo calls it by.
    forget_package(command.current_dir(paths::root()));
    command.args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir", "fuzz"]);
    command.args(["--target", host, "--target-dir"]).arg(&target_folder);
    if let [target] = targets {
        command.arg(target);
    }
    run(command.env("CARGO_TERM_QUIET", "true"))?;
    Ok(target_folder.join(host).join("release"))
}

fn write_seeds(folder: &Path, target: &str) -> Result<()> {
    let seeds = root().join("seeds");
    if seeds.join(target).exists() {
        std::fs::remove_dir_all(seeds.join(target))?;
    }
    run(Command::new(folder.join(target)).env("LAKE_FUZZ_SEEDS", &seeds))
}

/// Runs as many targets at once as there are processors; all are run, and one that broke fails the command.
fn fuzz(folder: &Path, targets: &[String], seconds: u32) -> Result<()> {
    let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(targets.len());
    progress(&format!("{} targets for {seconds} s each, {at_once} at once", targets.len()));
    let next = AtomicUsize::new(0);
    let broken = std::thread::scope(|scope| {
        let work = || {
            let mut broken = Vec::new();
            while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                match fuzz_one(folder, target, seconds) {
                    Ok(line) => println!("{line}"),
                    Err(error) => {
                        println!("{target}  FAILED");
                        eprintln!("{target}: {error:#}");
                        broken.push(target.clone());
                    }
                }
            }
            broken
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<String>>()
    });
    if !broken.is_empty() {
        bail!("an input broke: {}", broken.join(", "));
    }
    Ok(())
}

/// One target; its line for the list, or what broke it.
fn fuzz_one(folder: &Path, target: &str, seconds: u32) -> Result<String> {
    let found = paths::fuzz().join("corpus").join(target);
    let crashes = root().join("crashes");
    let logs = paths::fuzz().join("logs");
    for folder in [&found, &crashes, &logs] {
        std::fs::create_dir_all(folder)?;
    }
    let log = logs.join(target).with_extension("log");
    let mut command = Command::new(folder.join(target));
    command.arg(&found).arg(root().join("seeds").join(target)).args(limits());
    command.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()]);
    command.arg(format!("-artifact_prefix={}/{target}-", crashes.display()));
    let dictionary = root().join("dictionaries").join(target).with_extension("dict");
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).status()?;
    // Inputs are bytes of any kind, and some are printed.
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    if !status.success() {
        return Err(anyhow!("{}\nthe whole log: {}", broken(target, &text), log.display()));
    }
    let runs = after(&text, "stat::number_of_executed_units:").unwrap_or("0");
    let coverage = after(&text, " cov: ").unwrap_or("0");
    Ok(format!("{target:10}  runs {runs}  coverage {coverage}"))
}

/// The word that follows the last `mark`.
fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.rsplit_once(mark)?.1.split_whitespace().next()
}

/// What the fuzzer said of an input that broke its target, and how to see it again.
fn broken(target: &str, log: &str) -> String {
    let marks = ["panicked at", "ERROR: libFuzzer", "memory allocation of", "overflowed its stack"];
    let mut lines: Vec<&str> = Vec::new();
    let mut all = log.lines();
    while let Some(line) = all.next() {
        if marks.iter().any(|mark| line.contains(mark)) {
            lines.push(line);
            // A panic says on the next line what went wrong.
            if line.contains("panicked at") {
                lines.extend(all.next());
            }
        }
    }
    match after(log, "Test unit written to ") {
        Some(input) => {
            let input = Path::new(input).strip_prefix(paths::root()).unwrap_or(Path::new(input)).display().to_string();
            format!("{}\nagain: cargo xtask fuzz {target} --input {input}", lines.join("\n"))
        }
        None => format!("{}\nno input was written", lines.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_programs_of_the_manifest() {
        let manifest =
            "[package]\nname = \"lake-fuzz\"\n\n[[bin]]\nname = \"a\"\npath = \"x\"\n\n[[bin]]\nname = \"b\"\n";
        assert_eq!(targets(manifest), ["a", "b"]);
    }

    #[test]
    fn the_last_count_of_a_log_counts() {
        let log = "#1 INITED cov: 5 ft: 6\n#2 NEW    cov: 7 ft: 9\nstat::number_of_executed_units: 12\n";
        assert_eq!((after(log, " cov: "), after(log, "stat::number_of_executed_units:")), (Some("7"), Some("12")));
    }

    #[test]
    fn what_broke_names_the_input_and_the_command() {
        let log = "thread 'x' panicked at cdc/src/frame.rs:1:\nboom\nstack\nTest unit written to fuzz/crashes/frames-1\nBase64: AA==";
        let said = broken("frames", log);
        assert!(
            said.contains("boom") && said.ends_with("cargo xtask fuzz frames --input fuzz/crashes/frames-1"),
            "{said}"
        );
    }
}
