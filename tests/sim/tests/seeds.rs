//! Some seeds, always; `LAKE_SIM_SEED` repeats one, `LAKE_SIM_SEEDS` runs so many.

use lake_sim::World;

const STEPS: usize = 800;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let count = setting("LAKE_SIM_SEEDS").unwrap_or(8);
    let (mut changes, mut ends, mut commits, mut told) = (0, 0, 0, 0);
    for seed in 0..count {
        let run = World::new(seed).run(STEPS);
        changes += run.changes;
        ends += run.ends;
        commits += run.commits;
        told += run.told;
    }
    assert!(changes > 20 * count as usize, "only {changes} changes in {count} runs");
    assert!(commits > 2 * count as usize, "only {commits} commits in {count} runs");
    assert!(told > 10 * count as usize, "only {told} answers about a moment in {count} runs");
    assert!(ends > count as usize / 2, "only {ends} databases were deleted in {count} runs");
}

#[test]
fn one_seed_gives_one_run() {
    let seed = setting("LAKE_SIM_SEED").unwrap_or(42);
    let (first, second) = (World::new(seed).run(STEPS), World::new(seed).run(STEPS));
    assert_eq!(first, second);
}
