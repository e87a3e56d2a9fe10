//! Fuzz target: see `lake_fuzz::query`.
#![no_main]

lake_fuzz::target!(query);
