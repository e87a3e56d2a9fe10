//! Fuzz target: see `lake_fuzz::changes`.
#![no_main]

lake_fuzz::target!(changes);
