//! What a `Cargo.toml` says: just enough of it, line by line.

use crate::{SourceFile, Violation};

/// One dependency of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The name of the package.
    pub package: String,
    /// The line, from 1.
    pub line: usize,
    /// True if only tests see it.
    pub is_for_tests: bool,
}

/// The dependencies of a manifest.
pub fn dependencies(manifest: &SourceFile) -> Vec<Dependency> {
    let mut section = String::new();
    let mut found = Vec::new();
    for (index, line) in manifest.text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section.ends_with("dependencies")
            && section != "workspace.dependencies"
            && !line.starts_with('#')
            && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty())
        {
            // `name = { package = "other" }` is the package `other`.
            let package = line.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            let package = package.unwrap_or(name).to_owned();
            found.push(Dependency { package, line: index + 1, is_for_tests: section.ends_with("dev-dependencies") });
        }
    }
    found
}

/// The manifests of the workspace's members, each with the folder of its crate.
pub fn members(files: &[SourceFile]) -> impl Iterator<Item = (&str, &SourceFile)> {
    files.iter().filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?, file)))
}

/// Every crate takes the lints of the workspace, and no dependency comes from anywhere but the registry.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (_, manifest) in members(files) {
        if !manifest.text.contains("[lints]\nworkspace = true") {
            violations.push(manifest.violation(1, "add `[lints] workspace = true`"));
        }
    }
    for file in files.iter().filter(|file| file.ends_with(&["Cargo.toml"])) {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains("git = \"") || line.starts_with("[patch") {
                violations.push(file.violation(index + 1, "dependencies come from the registry, unpatched"));
            }
        }
    }
    for file in files.iter().filter(|file| file.path == "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            if line.starts_with("source = ") && !line.contains("github.com/rust-lang/crates.io-index") {
                violations.push(file.violation(index + 1, "a lock file names the public registry only"));
            }
        }
    }
    for file in files.iter().filter(|file| file.ends_with(&["package-lock.json"])) {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains("\"resolved\": \"http") {
                violations.push(file.violation(index + 1, "a lock file names no host: see .npmrc"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&[SourceFile::new(path, text)]).len()
    }

    #[test]
    fn dependencies_are_read_from_all_sections() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n# c = \"1\"\n\
                    [target.'cfg(x)'.dependencies]\nd_2 = { package = \"d\" }\n[dev-dependencies]\ne = \"1\"\n";
        let found = dependencies(&SourceFile::new("x/Cargo.toml", text));
        let names: Vec<_> = found.iter().map(|found| (found.package.as_str(), found.is_for_tests)).collect();
        assert_eq!(names, [("a", false), ("b", false), ("d", false), ("e", true)]);
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_is_found() {
        assert_eq!(check_one("cdc/Cargo.toml", "[package]\n"), 1);
        assert_eq!(check_one("cdc/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"), 0);
    }

    #[test]
    fn a_dependency_from_elsewhere_is_found() {
        assert_eq!(check_one("Cargo.toml", "[workspace.dependencies]\nx = { git = \"https://x\" }\n"), 1);
        assert_eq!(check_one("Cargo.toml", "[patch.crates-io]\n"), 1);
    }

    #[test]
    fn a_host_in_a_lock_file_is_found() {
        assert_eq!(check_one("Cargo.lock", "source = \"registry+https://mirror/index\"\n"), 1);
        assert_eq!(check_one("package-lock.json", "\"resolved\": \"https://mirror/x.tgz\",\n"), 1);
    }
}
