//! Fuzz target: see `lake_fuzz::views`.
#![no_main]

lake_fuzz::target!(views);
