//! Fuzz target: see `lake_fuzz::lake`.
#![no_main]

lake_fuzz::target!(lake);
