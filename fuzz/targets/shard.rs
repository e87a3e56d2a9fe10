//! Fuzz target: see `lake_fuzz::shard`.
#![no_main]

lake_fuzz::target!(shard);
