//! `lake-sim`: runs seeds. See `cargo xtask sim`, which calls it.
//!
//! Prints a line for each failing seed, made smaller, as the command that repeats it; at the end a line with counts, and
//! with `--places` the places to die that were reached.

use std::collections::BTreeSet;
use std::process::ExitCode;

use lake_host::{plant_bug, reached_faults};
use lake_sim::{PLACES_TO_DIE, PLANTED, Plan, Run, Smaller, run, shrink};

/// What the command line says.
#[derive(Default)]
struct Arguments {
    seed: Option<u64>,
    from: u64,
    seeds: u64,
    /// Runs only each so-many-th seed: others run the rest.
    stride: u64,
    steps: Option<usize>,
    without: BTreeSet<String>,
    has_planted: bool,
    bug: Option<String>,
    has_trace: bool,
    has_places: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 100, stride: 1, ..Arguments::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seed" => arguments.seed = Some(number(value()?)?),
            "--from" => arguments.from = number(value()?)?,
            "--seeds" => arguments.seeds = number(value()?)?,
            "--stride" => arguments.stride = number(value()?)?.max(1),
            "--steps" => arguments.steps = Some(number(value()?)? as usize),
            "--without" => arguments.without = value()?.split(',').map(str::to_owned).collect(),
            "--bug" => arguments.bug = Some(value()?),
            "--planted" => arguments.has_planted = true,
            "--trace" => arguments.has_trace = true,
            "--places" => arguments.has_places = true,
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(arguments)
}

fn plan(arguments: &Arguments, seed: u64) -> Plan {
    let plan = Plan::of(seed).without(&arguments.without);
    Plan { steps: arguments.steps.unwrap_or(plan.steps), ..plan }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(reason) => {
            eprintln!("error: {reason}");
            return ExitCode::from(2);
        }
    };
    plant_bug(arguments.bug.as_deref());
    let is_good = if arguments.has_planted {
        planted(&arguments)
    } else if let Some(seed) = arguments.seed {
        one(&arguments, seed)
    } else {
        many(&arguments)
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays a seed.
fn one(arguments: &Arguments, seed: u64) -> bool {
    let run = run(&plan(arguments, seed));
    if arguments.has_trace {
        run.trace.iter().for_each(|line| println!("{line}"));
    }
    let Run { changes, removals, commits, told, events, appends, .. } = run;
    println!(
        "seed {seed}: {changes} changes, {removals} removals, {commits} commits, {told} moments, {events} events, {appends} appends"
    );
    if let Some(failure) = &run.failure {
        println!("seed {seed} failed: {failure}");
    }
    run.failure.is_none()
}

fn many(arguments: &Arguments) -> bool {
    let (mut total, mut failed, mut count) = (Run::default(), 0, 0);
    for seed in (arguments.from..arguments.from + arguments.seeds).step_by(arguments.stride as usize) {
        let plan = plan(arguments, seed);
        let run = run(&plan);
        count += 1;
        total.changes += run.changes;
        total.removals += run.removals;
        total.commits += run.commits;
        total.told += run.told;
        total.events += run.events;
        total.appends += run.appends;
        if let Some(failure) = run.failure {
            failed += 1;
            println!("seed {seed} failed: {failure}");
            let smaller = shrink(seed, Smaller { steps: plan.steps, without: arguments.without.clone(), failure });
            let without: Vec<String> = smaller.without.into_iter().collect();
            let without = if without.is_empty() { String::new() } else { format!(" --without {}", without.join(",")) };
            println!("  cargo xtask sim --seed {seed} --steps {}{without}", smaller.steps);
            println!("  {}", smaller.failure);
        }
    }
    if arguments.has_places {
        let reached = reached_faults();
        for place in PLACES_TO_DIE {
            for side in ["before", "after"] {
                let place = format!("{side} {place}");
                println!("place {} {place}", reached.get(place.as_str()).unwrap_or(&0));
            }
        }
    }
    println!(
        "total {count} seeds {failed} failed {} changes {} removals {} commits {} moments {} events {} appends",
        total.changes, total.removals, total.commits, total.told, total.events, total.appends
    );
    failed == 0
}

/// Switches each bug on and runs seeds until one fails.
fn planted(arguments: &Arguments) -> bool {
    let mut escaped = 0;
    let bugs = PLANTED.iter().enumerate().filter(|(at, _)| *at as u64 % arguments.stride == arguments.from);
    for (_, bug) in bugs {
        plant_bug(Some(bug.name));
        let found = (0..bug.seeds).find_map(|seed| Some((seed, run(&plan(arguments, seed)).failure?)));
        match found {
            Some((seed, failure)) => {
                let failure: String = failure.chars().take(100).collect();
                println!("found by seed {seed:>3} of {:>3}  {}: {failure}", bug.seeds, bug.name);
            }
            None => {
                escaped += 1;
                println!("ESCAPED all {:>3} seeds  {}", bug.seeds, bug.name);
            }
        }
    }
    plant_bug(None);
    escaped == 0
}
