//! Fuzz target: see `lake_fuzz::text`.
#![no_main]

lake_fuzz::target!(text);
