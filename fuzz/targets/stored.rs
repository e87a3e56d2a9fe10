//! Fuzz target: see `lake_fuzz::stored`.
#![no_main]

lake_fuzz::target!(stored);
