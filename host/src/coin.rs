//! Choices that are legal and rare: a tiny buffer, a flush right now.
//!
//! What a core may do at any time but seldom does is where bugs hide. In a build with `debug_assertions` the simulation
//! throws a coin of two levels: once a run whether a choice is possible at all, then each time whether it is taken. So
//! some runs never see it and others see it again and again. In a release the macro is `false`.

/// `rarely!("flush: take one blob")`: true where the simulation wants the rare choice.
#[macro_export]
macro_rules! rarely {
    ($name:literal) => {{
        #[cfg(debug_assertions)]
        let taken = $crate::__coin($name);
        #[cfg(not(debug_assertions))]
        let taken = false;
        taken
    }};
}

#[cfg(debug_assertions)]
mod thrown {
    use std::cell::Cell;

    thread_local! {
        static SEED: Cell<u64> = const { Cell::new(0) };
        static THROWS: Cell<u64> = const { Cell::new(0) };
    }

    /// In one run of this many a choice is possible.
    const RUNS: u64 = 4;
    /// In a run where it is possible, it is taken once in so many times.
    const TIMES: u64 = 4;

    /// From now on coins follow this seed; zero, as at the start, for no rare choices.
    pub fn throw_coins(seed: u64) {
        SEED.set(seed);
        THROWS.set(0);
    }

    #[doc(hidden)]
    pub fn __coin(name: &str) -> bool {
        let seed = SEED.get();
        if seed == 0 {
            return false;
        }
        // FNV-1a, because the standard hasher may change from one compiler to the next.
        let of_name = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        if !mix(seed ^ of_name).is_multiple_of(RUNS) {
            return false;
        }
        THROWS.set(THROWS.get() + 1);
        mix(seed ^ of_name ^ mix(THROWS.get())).is_multiple_of(TIMES)
    }

    fn mix(number: u64) -> u64 {
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(debug_assertions)]
pub use thrown::{__coin, throw_coins};
