//! What is fuzzed: for every decoder of bytes from outside a function that takes any bytes and must not panic, hang or
//! fill the memory, and seeds that it understands.
//!
//! A module here is a target. `run` calls public entry points only, as a shell would; where a decoder has an encoder,
//! what was read is written and read again and must be the same. `seeds` makes the checked-in corpus out of real
//! values, so that a change of a layout is followed by making it again: `cargo xtask fuzz --write-seeds`.

pub mod api;
pub mod avro;
pub mod blobs;
pub mod changes;
pub mod engine;
pub mod engines;
pub mod facade;
pub mod frames;
pub mod lake;
pub mod query;
pub mod rest;
pub mod seed;
pub mod shard;
pub mod sql;
pub mod stored;
pub mod tables;
pub mod text;
pub mod views;
pub mod world;

pub use libfuzzer_sys;

use std::alloc::System;

use cap::Cap;

/// An isolate has 128 MB for everything. A target that wants more at once ends: an announced length was believed, or
/// something grows that has no bound.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, 128 << 20);

/// The program of a target: `target!(frames)`.
#[macro_export]
macro_rules! target {
    ($module:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(
            init: $crate::seed::write_if_asked(stringify!($module), $crate::$module::seeds),
            |data: &[u8]| $crate::$module::run(data)
        );
    };
}
