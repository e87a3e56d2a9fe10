//! Fuzz target: see `lake_fuzz::facade`.
#![no_main]

lake_fuzz::target!(facade);
