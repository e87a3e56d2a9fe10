//! Fuzz target: see `lake_fuzz::tables`.
#![no_main]

lake_fuzz::target!(tables);
