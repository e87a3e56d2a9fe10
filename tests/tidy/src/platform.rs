//! A core does not know where it runs: no clock, no randomness, no platform, no global.

use crate::{SourceFile, Violation, arrows, has_word, manifest};

/// Packages that only a shell may use.
const PLATFORM_PACKAGES: [&str; 8] =
    ["gloo-timers", "js-sys", "reqwest", "tokio", "wasm-bindgen", "wasm-bindgen-futures", "web-time", "worker"];

/// What a core would write if it knew, and what it does instead.
const BANNED: [(&str, &str); 15] = [
    ("worker::", "take a port of `host`"),
    ("js_sys", "take a port of `host`"),
    ("wasm_bindgen", "take a port of `host`"),
    ("SystemTime", "take `now` as an argument"),
    ("Instant::now", "take `now` as an argument"),
    ("Utc::now", "take `now` as an argument"),
    ("Local::now", "take `now` as an argument"),
    ("web_time", "take `now` as an argument"),
    ("rand::", "take random bytes as an argument"),
    ("getrandom", "take random bytes as an argument"),
    ("Uuid::new_v4", "take random bytes as an argument"),
    ("tokio::", "be `async` over a port"),
    ("std::thread", "one thread; be `async` over a port"),
    ("std::fs", "take a port of `host`"),
    ("static mut", "keep state in a value that the shell owns"),
];

/// Files that need a global: what the simulation switches is set per thread and not in a release, and SQLite finds its
/// hooks by address.
const GLOBALS: [&str; 4] = ["host/src/fault.rs", "host/src/coin.rs", "host/src/planted.rs", "dosql/src/vfs"];

/// The cores name nothing of a platform, neither in their sources nor in their manifests.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (folder, manifest) in manifest::members(files).filter(|(folder, _)| arrows::is_core(folder)) {
        for dependency in manifest::dependencies(manifest).iter().filter(|dependency| !dependency.is_for_tests) {
            if PLATFORM_PACKAGES.contains(&dependency.package.as_str()) {
                let what = format!("{folder} may not use {}: take a port of `host`", dependency.package);
                violations.push(manifest.violation(dependency.line, what));
            }
        }
    }
    for file in files.iter().filter(|file| is_core_source(file)) {
        for (line, text) in file.product_lines() {
            for (word, instead) in BANNED {
                if starts_a_word(text, word) {
                    violations.push(file.violation(line, format!("`{word}` in a core: {instead}")));
                }
            }
            let global = has_word(text, "thread_local") || is_mutable_static(text);
            if global && !GLOBALS.iter().any(|path| file.path.starts_with(path)) {
                violations.push(file.violation(line, "a global in a core: keep state in a value that the shell owns"));
            }
        }
    }
    violations
}

fn is_core_source(file: &SourceFile) -> bool {
    let folder = file.path.split('/').next().unwrap_or_default();
    arrows::is_core(folder) && file.ends_with(&[".rs"]) && !file.is_test() && file.path.contains("/src/")
}

fn is_mutable_static(line: &str) -> bool {
    let is_static =
        ["static ", "pub static ", "pub(crate) static "].iter().any(|start| line.trim_start().starts_with(start));
    is_static && ["Atomic", "Mutex", "RwLock", "Cell<"].iter().any(|word| line.contains(word))
}

/// True if `pattern` stands in `line` and is not the end of a longer name.
fn starts_a_word(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&[SourceFile::new(path, text)]).len()
    }

    #[test]
    fn a_clock_in_a_core_is_found() {
        assert_eq!(check_one("dolake/src/tail.rs", "let now = std::time::Instant::now();\n"), 1);
        assert_eq!(check_one("catalog/src/commit.rs", "use std::time::SystemTime;\n"), 1);
        assert_eq!(check_one("query/src/run.rs", "let now = chrono::Utc::now();\n"), 1);
    }

    #[test]
    fn randomness_in_a_core_is_found() {
        assert_eq!(check_one("catalog/src/table.rs", "let id = uuid::Uuid::new_v4();\n"), 1);
    }

    #[test]
    fn a_platform_in_a_core_is_found() {
        assert_eq!(check_one("dosql/src/shard.rs", "use worker::Env;\n"), 1);
        assert_eq!(check_one("query/src/run.rs", "tokio::spawn(scan);\n"), 1);
        assert_eq!(check_one("query/Cargo.toml", "[dependencies]\ntokio.workspace = true\n"), 1);
    }

    #[test]
    fn a_global_in_a_core_is_found() {
        assert_eq!(check_one("dolake/src/lake.rs", "thread_local! {\n"), 1);
        assert_eq!(check_one("dolake/src/lake.rs", "static COUNT: AtomicU64 = AtomicU64::new(0);\n"), 1);
        assert_eq!(check_one("host/src/fault.rs", "thread_local! {\n"), 0);
    }

    #[test]
    fn tests_and_comments_and_longer_names_are_fine() {
        assert_eq!(check_one("query/src/run.rs", "// Not tokio::spawn: …\n"), 0);
        assert_eq!(
            check_one("query/src/run.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use tokio::runtime;\n"),
            0
        );
        assert_eq!(check_one("query/src/run.rs", "let operand::Value = x;\nsub_worker::run();\n"), 0);
        assert_eq!(check_one("query/Cargo.toml", "[dev-dependencies]\ntokio.workspace = true\n"), 0);
    }

    #[test]
    fn shells_may_know_the_platform() {
        assert_eq!(check_one("workers/lake/src/lib.rs", "use worker::Env;\n"), 0);
    }
}
