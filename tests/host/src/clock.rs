//! Time that moves only when a test moves it, and randomness that a seed decides.

use std::{cell::Cell, rc::Rc};

use lake_host::{Clock, Random};

/// A clock that stands still until it is moved. A clone is the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    micros: Rc<Cell<i64>>,
}

impl ManualClock {
    /// 2026-01-01T00:00:00Z: a time that no test would hit by accident.
    pub const START_MICROS: i64 = 1_767_225_600_000_000;

    /// A clock at `micros` since 1970.
    pub fn at(micros: i64) -> ManualClock {
        ManualClock { micros: Rc::new(Cell::new(micros)) }
    }

    /// Moves the clock on.
    pub fn advance_micros(&self, micros: i64) {
        self.micros.set(self.micros.get() + micros);
    }

    /// Moves the clock on.
    pub fn advance_ms(&self, milliseconds: i64) {
        self.advance_micros(milliseconds * 1_000);
    }
}

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::at(ManualClock::START_MICROS)
    }
}

impl Clock for ManualClock {
    fn now_micros(&self) -> i64 {
        self.micros.get()
    }
}

/// Random bytes that are the same for the same seed (SplitMix64). A clone goes on in the same sequence.
#[derive(Clone, Debug)]
pub struct SeededRandom {
    state: Rc<Cell<u64>>,
}

impl SeededRandom {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom { state: Rc::new(Cell::new(seed)) }
    }

    /// The next number.
    pub fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// True once in `n` times on average.
    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_of_a_clock_moves_with_it() {
        let clock = ManualClock::at(5);
        let other = clock.clone();
        clock.advance_ms(2);
        assert_eq!(other.now_micros(), 2_005);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let bytes = |seed| {
            let mut bytes = [0; 13];
            SeededRandom::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn two_ids_of_one_source_differ() {
        let random = SeededRandom::new(7);
        assert_ne!(random.id(), random.id());
    }
}
