//! Makes a failing run smaller: fewer things that go wrong, fewer things that happen, as long as it still fails.

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::world::run;

/// The smallest run that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smaller {
    /// Things that happen.
    pub steps: usize,
    /// What is left out.
    pub without: BTreeSet<String>,
    /// How it fails.
    pub failure: String,
}

/// Runs that are tried: a failing seed is looked at by a person, who waits.
const TRIES_MAX: usize = 120;

/// Makes the run of `seed` smaller, beginning with one that fails like this.
pub fn shrink(seed: u64, first: Smaller) -> Smaller {
    let (mut best, mut tries) = (first, 0);
    let mut attempt = |candidate: &mut Smaller| {
        tries += 1;
        let plan = Plan { steps: candidate.steps, ..Plan::of(seed).without(&candidate.without) };
        if tries > TRIES_MAX || plan.databases.is_empty() {
            return false;
        }
        match run(&plan).failure {
            Some(failure) => {
                candidate.failure = failure;
                true
            }
            None => false,
        }
    };
    loop {
        let before = (best.steps, best.without.len());
        for part in Plan::of(seed).without(&best.without).parts() {
            let mut candidate = best.clone();
            candidate.without.insert(part);
            if attempt(&mut candidate) {
                best = candidate;
            }
        }
        let mut cut = best.steps / 2;
        while cut > 0 {
            let mut candidate = Smaller { steps: best.steps - cut, ..best.clone() };
            if attempt(&mut candidate) {
                best = candidate;
            } else {
                cut /= 2;
            }
            cut = cut.min(best.steps / 2);
        }
        if (best.steps, best.without.len()) == before {
            return best;
        }
    }
}
