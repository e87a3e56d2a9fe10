//! From cargo's module to what workerd loads: wasm-bindgen's glue and our entry module.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// What the entry modules of all scripts have in common. It knows no script: it wraps what the glue exports.
pub(crate) const ENTRY_MODULE: &str = include_str!("../shim.js");

/// Where generated glue notices a trap, whether it was in a call or in a callback.
const TRAP_HOOK: &str = "function __wbg_call_abort_hook() {";

/// Writes `index.js`, `index_bg.wasm` and `shim.js` into the folder.
pub(crate) fn bind(module: &Path, durable_objects: &[&str], folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("index")
        .typescript(false)
        .module(true)?
        .remove_name_section(true)
        .remove_producers_section(true)
        // The entry module starts over with a new instance after a trap.
        .reset_state_function(true)
        .force_enable_abort_handler(true);
    bindgen.generate(folder).with_context(|| format!("cannot bind {}", module.display()))?;

    let glue = folder.join("index.js");
    let text = std::fs::read_to_string(&glue)?;
    // Source phase imports are not in every bundler; workerd gives a compiled module for a plain one.
    let text = replace_once(&text, "import source ", "import ")?;
    let text = replace_once(&text, TRAP_HOOK, &format!("{TRAP_HOOK}\n    globalThis.__wasmTrapped?.();"))?;
    std::fs::write(&glue, text)?;

    let mut entry = ENTRY_MODULE.to_owned();
    for name in durable_objects {
        entry.push_str(&format!("\nexport const {name} = durableObject('{name}')\n"));
    }
    std::fs::write(folder.join("shim.js"), entry)?;
    Ok(())
}

fn replace_once(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "wasm-bindgen's glue has changed: '{from}' is not there once");
    Ok(text.replace(from, to))
}
