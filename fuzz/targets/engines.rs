//! Fuzz target: see `lake_fuzz::engines`.
#![no_main]

lake_fuzz::target!(engines);
