//! What the commands need beyond rustup, a C compiler, Node and Python, installed without root.
//!
//! Each part is installed once, is recognised by a stamp, and says so while it works. Compilers and
//! Python environments live in the cache that clones share; npm packages live in the clone.

pub(crate) mod fuzzer;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod rust;
pub(crate) mod zig;
