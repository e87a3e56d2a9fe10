//! Fuzz target: see `lake_fuzz::rest`.
#![no_main]

lake_fuzz::target!(rest);
