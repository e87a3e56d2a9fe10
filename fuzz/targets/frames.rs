//! Fuzz target: see `lake_fuzz::frames`.
#![no_main]

lake_fuzz::target!(frames);
