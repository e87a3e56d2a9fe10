//! `cargo xtask sim`: the cores on one thread from one seed, in `tests/sim`; as many processes as there are processors.
//!
//! Without words it runs the seeds of CI and fails too if a place to die was not reached. A failing seed is printed as
//! the command that repeats it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::options::Options;
use crate::paths;
use crate::process::{cargo, progress, run};

/// Seeds of CI.
const SEEDS: u64 = 2_000;

/// From so many seeds on each place to die must have been reached.
const SEEDS_FOR_PLACES: u64 = 500;

/// A run takes megabytes and gives them back; glibc keeps them with these, which saves a tenth of the time. Others
/// do not know the words.
const ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_TRIM_THRESHOLD_", "1000000000"), ("MALLOC_MMAP_THRESHOLD_", "1000000000")];

/// The command.
pub(crate) fn command(mut options: Options) -> Result<()> {
    let seed = options.number::<u64>("--seed")?;
    let steps = options.number::<u64>("--steps")?;
    let without = options.value("--without")?;
    let bug = options.value("--bug")?;
    let has_trace = options.flag("--trace");
    let is_planted = options.flag("--planted");
    let seeds = options.number::<u64>("--seeds")?.unwrap_or(SEEDS);
    let from = options.number::<u64>("--from")?.unwrap_or(0);
    options.finish()?;
    let program = build()?;
    let mut common = Vec::new();
    for (name, value) in [("--steps", steps.map(|steps| steps.to_string())), ("--without", without), ("--bug", bug)] {
        common.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    }
    if let Some(seed) = seed {
        let mut command = Command::new(program);
        command.args(["--seed", &seed.to_string()]).args(common);
        if has_trace {
            command.arg("--trace");
        }
        return run(&mut command);
    }
    if is_planted {
        return planted(&program);
    }
    many(&program, from, seeds, &common)
}

fn build() -> Result<PathBuf> {
    progress("compiling the simulation (minutes, the first time)");
    run(cargo().args(["build", "--quiet", "--profile", "sim", "--package", "lake-sim"]))?;
    Ok(paths::target().join("sim/lake-sim"))
}

fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// Runs `count` processes, each with the words of its number; all that they print, line by line, and whether all are
/// content.
fn side_by_side(
    program: &PathBuf,
    count: u64,
    words: impl Fn(u64) -> Vec<String>,
    mut line: impl FnMut(&str),
) -> Result<bool> {
    let mut children = Vec::new();
    for number in 0..count {
        let mut command = Command::new(program);
        command.args(words(number)).envs(ALLOCATOR).stdout(Stdio::piped());
        children.push(command.spawn().with_context(|| format!("cannot start {}", program.display()))?);
    }
    let (sender, lines) = std::sync::mpsc::channel();
    let mut readers = Vec::new();
    for child in &mut children {
        let (output, sender) = (child.stdout.take().context("a process without output")?, sender.clone());
        readers.push(std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The receiver ends only after all senders.
                let _ = sender.send(line);
            }
        }));
    }
    drop(sender);
    for text in lines {
        line(&text);
    }
    let mut is_content = true;
    for mut child in children {
        is_content &= child.wait()?.success();
    }
    Ok(is_content)
}

fn many(program: &PathBuf, from: u64, seeds: u64, common: &[String]) -> Result<()> {
    let count = processors().min(seeds).max(1);
    progress(&format!("{seeds} seeds from {from}, {count} at once"));
    let mut totals = [0_u64; 8];
    let mut places = BTreeMap::<String, u64>::new();
    let words = |number: u64| {
        let numbers = [from + number, seeds - number, count].map(|number| number.to_string());
        let names = ["--from", "--seeds", "--stride"].map(str::to_owned);
        let mut words: Vec<String> = names.into_iter().zip(numbers).flat_map(|(name, value)| [name, value]).collect();
        words.push("--places".to_owned());
        words.extend(common.iter().cloned());
        words
    };
    let is_content = side_by_side(program, count, words, |line| {
        if let Some((times, place)) = line.strip_prefix("place ").and_then(|rest| rest.split_once(' ')) {
            *places.entry(place.to_owned()).or_default() += times.parse::<u64>().unwrap_or(0);
        } else if line.starts_with("total ") {
            let numbers = line.split(' ').filter_map(|word| word.parse::<u64>().ok());
            totals.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
        } else {
            println!("{line}");
        }
    })?;
    let [runs, failed, changes, removals, commits, moments, events, appends] = totals;
    println!(
        "{runs} seeds: {changes} changes, {removals} databases and tables removed, {commits} commits, {moments} moments \
         asked for again, {events} events consumed, {appends} appends of foreign engines"
    );
    let reached = places.values().filter(|times| **times > 0).count();
    println!("{reached} of {} places to die were reached", places.len());
    if seeds >= SEEDS_FOR_PLACES {
        let missed: Vec<&str> =
            places.iter().filter(|(_, times)| **times == 0).map(|(place, _)| place.as_str()).collect();
        if !missed.is_empty() {
            bail!("never reached: {}", missed.join(", "));
        }
    }
    println!("{} passed, {failed} failed", runs - failed);
    if is_content { Ok(()) } else { bail!("{failed} seeds failed") }
}

fn planted(program: &PathBuf) -> Result<()> {
    let count = processors();
    let words = |number: u64| {
        ["--planted", "--from", &number.to_string(), "--stride", &count.to_string()].map(str::to_owned).to_vec()
    };
    let (mut found, mut escaped) = (0, 0);
    let is_content = side_by_side(program, count, words, |line| {
        found += u64::from(line.starts_with("found"));
        escaped += u64::from(line.starts_with("ESCAPED"));
        println!("{line}");
    })?;
    println!("{found} planted bugs found, {escaped} escaped");
    if is_content { Ok(()) } else { bail!("{escaped} planted bugs escaped") }
}
