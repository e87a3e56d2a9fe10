//! Fuzz target: see `lake_fuzz::blobs`.
#![no_main]

lake_fuzz::target!(blobs);
