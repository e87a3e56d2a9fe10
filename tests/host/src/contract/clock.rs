//! The rules of [`Clock`] and [`Random`].

use lake_host::{Clock, Random};

use super::{Case, equal};

/// 2025-01-01T00:00:00Z and 2100-01-01T00:00:00Z: a clock that reads anything else has another unit.
const PLAUSIBLE: std::ops::Range<i64> = 1_735_689_600_000_000..4_102_444_800_000_000;

/// Checks every rule of a clock. It may stand still.
pub fn check_clock(clock: &impl Clock) -> Vec<Case> {
    let now = clock.now_micros();
    let later = clock.now_micros();
    vec![
        Case { name: "a clock counts microseconds since 1970", outcome: equal(PLAUSIBLE.contains(&now), true) },
        Case { name: "two readings lie close together", outcome: equal((later - now).abs() < 60_000_000, true) },
    ]
}

/// Checks every rule of a source of random bytes. The chance that a good one breaks a rule is below 2^-100.
pub fn check_random(random: &impl Random) -> Vec<Case> {
    let lengths = [0, 1, 7, 16, 65_536, 65_537, 200_000];
    let filled = lengths.into_iter().try_for_each(|length| {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        // Of the last sixteen bytes not all are zero still.
        let tail = &bytes[length.saturating_sub(16)..];
        let is_filled = length < 16 || tail.iter().any(|byte| *byte != 0);
        if is_filled { Ok(()) } else { Err(format!("{length} bytes were not filled to their end")) }
    });
    vec![
        Case { name: "any number of bytes is filled to its end", outcome: filled },
        Case { name: "two ids differ", outcome: equal(random.id() == random.id(), false) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, SeededRandom, contract::assert_all};

    struct Constant;

    impl Clock for Constant {
        fn now_micros(&self) -> i64 {
            // Milliseconds instead of microseconds.
            ManualClock::START_MICROS / 1_000
        }
    }

    impl Random for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            // Stops where one call of the platform's function does.
            let end = bytes.len().min(65_536);
            bytes[..end].fill(7);
        }
    }

    fn broken(cases: Vec<Case>) -> Vec<&'static str> {
        cases.into_iter().filter(|case| case.outcome.is_err()).map(|case| case.name).collect()
    }

    #[test]
    fn memory_obeys_the_contract_of_clock_and_randomness() {
        assert_all(check_clock(&ManualClock::default()));
        assert_all(check_random(&SeededRandom::new(1)));
    }

    #[test]
    fn another_unit_and_constant_bytes_are_found() {
        assert_eq!(broken(check_clock(&Constant)), ["a clock counts microseconds since 1970"]);
        assert_eq!(broken(check_random(&Constant)), ["any number of bytes is filled to its end", "two ids differ"]);
    }
}
