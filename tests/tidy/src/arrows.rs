//! Who may use whom. `ARCHITECTURE.md` draws the same arrows.

use crate::{SourceFile, Violation, manifest};

const SHARED: [&str; 4] = ["api", "cdc", "host", "table"];

/// The crates of ours that a crate may use, by their folders. `None`: all of them.
fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    match folder {
        "api" | "cdc" | "dialect" | "host" | "table" => Some(&[]),
        "dosql" => Some(&["api", "cdc", "dialect", "host"]),
        "catalog" => Some(&["api", "host", "table"]),
        "dolake" => Some(&["api", "cdc", "host", "table"]),
        "query" => Some(&["api", "cdc", "dialect", "host", "table"]),
        "tests/host" => Some(&["host"]),
        "tests/tidy" => Some(&[]),
        "workers/platform" => Some(&["api", "host"]),
        "xtask" => Some(&["api"]),
        _ => None,
    }
}

/// The folder of a package of ours.
fn folder_of(package: &str) -> Option<&str> {
    match package {
        "lake-test-host" => Some("tests/host"),
        "lake-tidy" => Some("tests/tidy"),
        "lake-platform" => Some("workers/platform"),
        "lake-worker" => Some("workers/lake"),
        "dosql-worker" => Some("workers/dosql"),
        "query-worker" => Some("workers/query"),
        _ => package.strip_prefix("lake-"),
    }
}

/// No crate uses one that its arrows do not reach. Tests may use `tests/host` besides.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (folder, manifest) in manifest::members(files) {
        for dependency in manifest::dependencies(manifest) {
            let Some(target) = folder_of(&dependency.package) else { continue };
            let for_tests = dependency.is_for_tests && target == "tests/host";
            let is_drawn = match allowed(folder) {
                Some(targets) => targets.contains(&target) || for_tests,
                // Shells and whole-system tests use every core; nothing uses a shell but a shell.
                None => target != "xtask" && (!target.starts_with("workers/") || folder.starts_with("workers/")),
            };
            if !is_drawn {
                violations.push(manifest.violation(dependency.line, format!("{folder} may not use {target}")));
            }
        }
    }
    violations
}

/// Crates that hold decisions: they compile natively and to wasm and know no platform.
pub fn is_core(folder: &str) -> bool {
    SHARED.contains(&folder) || ["dialect", "dosql", "dolake", "catalog", "query"].contains(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(folder: &str, section: &str, dependency: &str) -> usize {
        let text = format!("[{section}]\n{dependency}.workspace = true\n");
        check(&[SourceFile::new(&format!("{folder}/Cargo.toml"), &text)]).len()
    }

    #[test]
    fn a_core_that_uses_another_core_is_found() {
        assert_eq!(check_one("dosql", "dependencies", "lake-dolake"), 1);
        assert_eq!(check_one("query", "dependencies", "lake-catalog"), 1);
    }

    #[test]
    fn a_contract_that_uses_anything_of_ours_is_found() {
        assert_eq!(check_one("cdc", "dependencies", "lake-host"), 1);
        assert_eq!(check_one("table", "dependencies", "lake-host"), 1);
    }

    #[test]
    fn a_core_that_uses_a_shell_is_found() {
        assert_eq!(check_one("dolake", "dependencies", "lake-platform"), 1);
        assert_eq!(check_one("tests/sim", "dependencies", "lake-worker"), 1);
    }

    #[test]
    fn arrows_that_are_drawn_are_fine() {
        assert_eq!(check_one("dosql", "dependencies", "lake-dialect"), 0);
        assert_eq!(check_one("workers/lake", "dependencies", "lake-dolake"), 0);
        assert_eq!(check_one("workers/lake", "dependencies", "lake-platform"), 0);
    }

    #[test]
    fn the_platform_uses_the_ports_and_the_contract_only() {
        assert_eq!(check_one("workers/platform", "dependencies", "lake-host"), 0);
        assert_eq!(check_one("workers/platform", "dependencies", "lake-cdc"), 1);
    }

    #[test]
    fn the_test_host_is_for_tests_only() {
        assert_eq!(check_one("catalog", "dev-dependencies", "lake-test-host"), 0);
        assert_eq!(check_one("catalog", "dependencies", "lake-test-host"), 1);
    }
}
