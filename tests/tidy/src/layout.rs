//! Where files lie, what they are called and how long they are.

use crate::{SourceFile, Violation};

/// What lies at the root. A new name here is a decision: add it with the commit that needs it.
const AT_ROOT: [&str; 43] = [
    ".cargo",
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".npmrc",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "GLOSSARY.md",
    "LICENSE",
    "README.md",
    "api",
    "benches",
    "catalog",
    "cdc",
    "clippy.toml",
    "console",
    "demo",
    "deny.toml",
    "dialect",
    "docs",
    "dolake",
    "dosql",
    "examples",
    "fuzz",
    "host",
    "package-lock.json",
    "package.json",
    "query",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sdk-ts",
    "table",
    "tests",
    "tools",
    "tsconfig.json",
    "typos.toml",
    "workers",
    "wrangler.toml",
    "xtask",
];

/// Ends of files that an editor, a merge or a run leaves behind.
const LEFT_BEHIND: [&str; 10] = [".bak", ".orig", ".rej", ".swp", ".tmp", ".log", "~", ".DS_Store", ".pyc", ".profraw"];

/// Names of files that say nothing about what is in them.
const SAYS_NOTHING: [&str; 6] = ["util", "common", "helper", "misc", "manager", "stuff"];

/// Folders of tools, which are ignored: what lies in them got in by force.
const OF_TOOLS: [&str; 7] = [".state", ".wrangler", "__pycache__", "build", "dist", "node_modules", "target"];

const LINES_MAX: usize = 600;

/// Nothing stray, no file name that says nothing, no source that is too long to read at one go.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        let root = file.path.split('/').next().unwrap_or_default();
        if !AT_ROOT.contains(&root) {
            violations.push(file.violation(1, format!("`{root}` is not one of the names at the root")));
        }
        if file.ends_with(&LEFT_BEHIND) {
            violations.push(file.violation(1, "this was left behind by a tool"));
        }
        if file.path.split('/').any(|folder| OF_TOOLS.contains(&folder)) {
            violations.push(file.violation(1, "this is made by a tool and ignored"));
        }
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let last_word = stem.rsplit(['_', '-']).next().unwrap_or_default().trim_end_matches('s');
        let is_source = file.ends_with(&[".rs", ".ts", ".mjs", ".js", ".py"]);
        if is_source && SAYS_NOTHING.contains(&last_word) {
            violations.push(file.violation(1, format!("`{name}` does not say what is in it: which noun is missing?")));
        }
        let lines = file.text.lines().count();
        if is_source && lines > LINES_MAX {
            violations
                .push(file.violation(LINES_MAX, format!("{lines} lines, more than {LINES_MAX}: find the second noun")));
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
    fn a_stray_file_is_found() {
        assert_eq!(check_one("notes.md", ""), 1);
        assert_eq!(check_one("scratch/run.sh", ""), 1);
        assert_eq!(check_one("dosql/src/shard.rs.orig", ""), 1);
        assert_eq!(check_one("workers/lake/.wrangler/tmp/shim.js", ""), 1);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(check_one("dosql/src/utils.rs", ""), 1);
        assert_eq!(check_one("sdk-ts/src/query_helpers.ts", ""), 1);
        assert_eq!(check_one("dosql/src/commonwealth.rs", ""), 0);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(check_one("dosql/src/shard.rs", &"\n".repeat(601)), 1);
        assert_eq!(check_one("sdk-ts/src/client.ts", &"\n".repeat(601)), 1);
        assert_eq!(check_one("dosql/src/shard.rs", &"\n".repeat(600)), 0);
    }
}
