//! The simulation itself: one seed is one run, whatever process it is in, and every place to die has its name here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use lake_sim::{PLACES_TO_DIE, PLANTED, Plan};

/// Everything that a replay of a seed prints.
fn replay(seed: u64) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lake-sim"))
        .args(["--seed", &seed.to_string(), "--steps", "500", "--trace"])
        .output()
        .expect("a program that starts");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn one_seed_is_one_run_in_two_processes() {
    // With everything at once: faults, engines, rare choices, queries.
    let has_all = |seed: &u64| {
        let plan = Plan::of(*seed);
        plan.has_coins && plan.has_queries && plan.engines > 100 && plan.databases.len() > 1
    };
    for seed in (0..).filter(has_all).take(2).chain([7]) {
        let (first, second) = (replay(seed), replay(seed));
        let differs = first.lines().zip(second.lines()).position(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.len(), second.len());
        assert!(first.lines().count() > 500, "a short trace");
        assert!(first.contains("all that is stored: "), "a trace without its end");
    }
    assert_ne!(replay(7), replay(42));
}

/// The names that a macro is given in the cores.
fn names(of_macro: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = BTreeSet::new();
    for core in ["catalog", "cdc", "dolake", "dosql", "query", "table"] {
        collect(&root.join(core).join("src"), of_macro, &mut names);
    }
    names
}

fn collect(folder: &Path, of_macro: &str, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, of_macro, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            for rest in text.split(of_macro).skip(1) {
                let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
                names.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

#[test]
fn every_place_to_die_is_one_that_the_simulation_knows() {
    let known: BTreeSet<String> = PLACES_TO_DIE.iter().map(|place| (*place).to_owned()).collect();
    assert_eq!(names("durable!("), known);
    assert!(2 * known.len() >= 60, "{} places", 2 * known.len());
}

#[test]
fn every_planted_bug_is_one_that_the_simulation_looks_for() {
    let known: BTreeSet<String> = PLANTED.iter().map(|bug| bug.name.to_owned()).collect();
    assert_eq!(names("planted!("), known);
    assert!(known.len() >= 20, "{} bugs", known.len());
}
