//! Some seeds, always. `cargo xtask sim` runs many.

use lake_sim::{Plan, run};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let (mut changes, mut removals, mut commits, mut told, mut events, mut appends) = (0, 0, 0, 0, 0, 0);
    for seed in 0..8 {
        let run = run(&Plan { steps: 600, has_queries: true, engines: 200, ..Plan::of(seed) });
        assert_eq!(run.failure, None, "seed {seed}");
        changes += run.changes;
        removals += run.removals;
        commits += run.commits;
        told += run.told;
        events += run.events;
        appends += run.appends;
    }
    assert!(
        changes > 1_000 && removals > 0 && commits > 40 && told > 50 && events > 500 && appends > 20,
        "{changes} changes, {removals} removals, {commits} commits, {told} moments, {events} events, {appends} appends"
    );
}

/// Steps that a run had when these were found.
const STEPS_THEN: usize = 900;

/// Seeds that found something once, and what.
const FOUND: [(u64, &str); 3] = [
    (437, "an instance left behind speaks for a timeline that ended two lives ago"),
    (968, "a database made again has times that its last life had already"),
    (1793, "the log is sent again behind itself for each frame that met a gap"),
];

#[test]
fn what_was_found_once_stays_away() {
    for (seed, what) in FOUND {
        assert_eq!(run(&Plan { steps: STEPS_THEN, ..Plan::of(seed) }).failure, None, "{what}");
    }
}
