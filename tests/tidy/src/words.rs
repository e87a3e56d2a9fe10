//! Words that do not belong in a file that others read.

use crate::{SourceFile, Violation, has_word};

/// Marks of unfinished work: a file says what is, and what is missing is refused with an error and said in the README.
const UNFINISHED: [&str; 9] =
    ["TODO", "FIXME", "XXX", "HACK", "for now", "todo!", "unimplemented!", "WIP", "not yet implemented"];

/// Praise of oneself and comments about a change.
const PRAISE: [&str; 5] = ["production-ready", "production ready", "blazing", "battle-tested", "as requested"];

/// Paths of the machine that somebody works on.
const MACHINE_PATHS: [&str; 5] = ["/root/", "/home/", "/Users/", "/tmp/", "/work/"];

/// Options that pin a package manager to one host.
const REGISTRY_OPTIONS: [&str; 5] = ["--index-url", "--extra-index-url", "--registry", "registry=", "index-url ="];

/// No unfinished work, no praise, no machine's path and no registry's name in any file.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| is_written_by_hand(file)) {
        for (index, line) in file.text.lines().enumerate() {
            let mut found = |what: String| violations.push(file.violation(index + 1, what));
            for word in
                UNFINISHED.iter().filter(|word| has_word(line, word.trim_end_matches('!')) && line.contains(**word))
            {
                found(format!("`{word}`: finish it, or refuse it with an error and say so in README"));
            }
            for word in PRAISE.iter().filter(|word| line.to_lowercase().contains(**word)) {
                found(format!("`{word}`: say what it does"));
            }
            for path in MACHINE_PATHS.iter().filter(|path| names_path(line, path)) {
                found(format!("`{path}` is a path of one machine"));
            }
            for option in REGISTRY_OPTIONS.iter().filter(|option| line.contains(**option)) {
                found(format!("`{option}` names a registry: leave that to the machine"));
            }
        }
    }
    violations
}

/// This crate has to name what it bans; a lock file is written by its tool; fixtures hold what others wrote.
fn is_written_by_hand(file: &SourceFile) -> bool {
    !file.is_in(&["tests/tidy", "tests/fixtures", "tests/corpus"])
        // The standard's own description, which others wrote.
        && !file.ends_with(&["Cargo.lock", "package-lock.json", "/iceberg-rest-catalog-open-api.yaml"])
}

/// True if an absolute path begins there; `/v1/work/` and `https://x/home/` are others.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "}_-.*)/".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> usize {
        check(&[SourceFile::new("dosql/src/shard.rs", line)]).len()
    }

    #[test]
    fn unfinished_work_is_found() {
        for line in ["// TODO: later", "// good enough for now", "    todo!()", "unimplemented!(\"x\")", "# FIXME"] {
            assert_eq!(check_line(line), 1, "{line}");
        }
    }

    #[test]
    fn praise_is_found() {
        assert_eq!(check_line("//! A production-ready flush."), 1);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for line in ["cd /work/main", "`/root/.cargo`", "open('/tmp/x')", "file:///home/me/x"] {
            assert_eq!(check_line(line), usize::from(!line.contains("file:")), "{line}");
        }
    }

    #[test]
    fn the_name_of_a_registry_is_found() {
        assert_eq!(check_line("pip install --index-url https://mirror/simple duckdb"), 1);
        assert_eq!(check_line("registry=https://mirror/"), 1);
    }

    #[test]
    fn ordinary_sentences_are_fine() {
        for line in ["wait for nowhere", "/v1/work/x", "const TODOS: u8 = 1;", "the registry of timers"] {
            assert_eq!(check_line(line), 0, "{line}");
        }
    }
}
