//! What runs once in each instance of a script.
#![allow(unsafe_code)]

use wasm_bindgen::prelude::*;

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// Runs the constructors of all crates (`inventory`, which `iceberg` registers its storages with). Made by the linker.
    fn __wasm_call_ctors();
}

/// Called by the glue when an instance was made. Where nothing calls the constructors, the linker has every exported
/// function call them, each time.
#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker makes it, without parameters, and the glue calls this function once in an instance.
    #[cfg(target_arch = "wasm32")]
    unsafe {
        __wasm_call_ctors();
    }
}
