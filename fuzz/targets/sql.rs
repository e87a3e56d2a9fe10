//! Fuzz target: see `lake_fuzz::sql`.
#![no_main]

lake_fuzz::target!(sql);
