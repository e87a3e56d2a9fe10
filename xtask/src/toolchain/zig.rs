//! The C compiler for wasm: zig's clang from PyPI.
//!
//! SQLite and zstd are C. gcc cannot compile for wasm and a machine's clang may be any version, which
//! moves the size of the scripts by several percent; so there is one compiler, pinned, for everybody.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::python::Environment;
use crate::paths;

/// Part of the fingerprint of a script.
pub(crate) const VERSION: &str = "0.17.0";

const ENVIRONMENT: Environment = Environment { name: "zig", packages: &["ziglang==0.17.0"] };

/// The two wrappers that cargo's build scripts are pointed at.
pub(crate) struct Compiler {
    /// Compiles C for wasm32.
    pub(crate) cc: PathBuf,
    /// Makes archives of the results.
    pub(crate) ar: PathBuf,
}

/// Installs the compiler if it is missing.
pub(crate) fn ensure() -> Result<Compiler> {
    let environment = ENVIRONMENT.ensure()?;
    let zig = find(&environment)?;
    let folder = environment.join("wrappers");
    std::fs::create_dir_all(&folder)?;
    let compiler = Compiler { cc: folder.join("wasm-cc"), ar: folder.join("wasm-ar") };
    let caches = paths::cache().join("zig-cache");
    let header = format!("#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR='{0}' ZIG_LOCAL_CACHE_DIR='{0}'\n", caches.display());
    // cc-rs passes a --target that zig cannot parse, so every one is dropped. Without
    // -fno-sanitize=all a debug build has functions with more locals than V8 accepts.
    write_script(
        &compiler.cc,
        &format!(
            "{header}for argument do\n  shift\n  case \"$argument\" in\n    --target=*) ;;\n    *) set -- \"$@\" \"$argument\" ;;\n  esac\ndone\n\
             exec '{}' cc -target wasm32-freestanding -fno-sanitize=all -g0 \"$@\"\n",
            zig.display()
        ),
    )?;
    write_script(&compiler.ar, &format!("{header}exec '{}' ar \"$@\"\n", zig.display()))?;
    Ok(compiler)
}

fn find(environment: &std::path::Path) -> Result<PathBuf> {
    let lib = environment.join("lib");
    for version in std::fs::read_dir(&lib).with_context(|| format!("no {}", lib.display()))? {
        let zig = version?.path().join("site-packages/ziglang/zig");
        if zig.exists() {
            return Ok(zig);
        }
    }
    anyhow::bail!("ziglang is installed in {} but holds no zig", environment.display())
}

/// Writes only when the text differs: cargo rebuilds C code when its compiler is newer.
fn write_script(path: &std::path::Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::read_to_string(path).is_ok_and(|have| have == text) {
        return Ok(());
    }
    // Renamed into place, so that a compiler that another build is starting is never half written.
    let new = path.with_extension(format!("{}", std::process::id()));
    std::fs::File::create(&new)?.write_all(text.as_bytes())?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&new, path)?;
    Ok(())
}
