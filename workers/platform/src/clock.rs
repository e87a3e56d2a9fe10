//! The wall clock and the random source of the platform.

use lake_host::{Clock, Random};
use wasm_bindgen::prelude::*;

/// `Date.now()`, in microseconds. On the platform it moves only with I/O.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerClock;

impl Clock for WorkerClock {
    fn now_micros(&self) -> i64 {
        // Milliseconds since 1970 are exact in a double until the year 287396.
        js_sys::Date::now() as i64 * 1_000
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

/// `crypto.getRandomValues`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerRandom;

/// The most bytes one call of `getRandomValues` fills.
const RANDOM_BYTES_MAX: usize = 65_536;

impl Random for WorkerRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(RANDOM_BYTES_MAX) {
            get_random_values(chunk);
        }
    }
}
