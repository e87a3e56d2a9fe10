//! Fuzz target: see `lake_fuzz::api`.
#![no_main]

lake_fuzz::target!(api);
