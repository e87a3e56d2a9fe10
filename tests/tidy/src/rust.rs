//! What every Rust source has and has not.

use crate::{SourceFile, Violation, arrows, has_word};

/// Where `unsafe` may stand: at the border to SQLite and to the platform.
const UNSAFE_ALLOWED: [&str; 2] = ["dosql/src/vfs", "workers/"];

/// Module docs at the top; `unsafe` at the borders only and with its reason; tests that run and do not wait.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(&[".rs"]) && !file.is_in(&["tests/tidy"])) {
        if !file.text.starts_with("//!") && !file.ends_with(&["/tests.rs"]) {
            violations.push(file.violation(1, "begin with what this module is: `//! …`"));
        }
        violations.extend(check_unsafe(file));
        violations.extend(check_tests(file));
        violations.extend(check_panics(file));
    }
    violations
}

fn check_unsafe(file: &SourceFile) -> Vec<Violation> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut violations = Vec::new();
    for (line, text) in file.product_lines() {
        if !has_word(text, "unsafe") || text.contains("unsafe_code") {
            continue;
        }
        if !UNSAFE_ALLOWED.iter().any(|path| file.path.starts_with(path)) {
            violations.push(file.violation(line, "`unsafe` lives in `dosql/src/vfs` and in `workers/`"));
        }
        // The reason stands on one of the lines above, or on the line itself.
        let above = &lines[line.saturating_sub(8)..line];
        let is_block = text.contains("unsafe {") || text.contains("unsafe impl");
        if is_block && !above.iter().any(|line| line.contains("SAFETY:")) {
            violations.push(file.violation(line, "say why it is sound: `// SAFETY: …`"));
        }
    }
    violations
}

fn check_tests(file: &SourceFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("#[ignore") {
            violations.push(file.violation(index + 1, "a test that is not run is not a test"));
        }
        if line.contains("thread::sleep(") && !file.is_in(&["xtask"]) {
            violations.push(file.violation(index + 1, "move a clock instead of sleeping"));
        }
    }
    violations
}

/// A panic resets every object of an isolate, so a core has none that outside input could reach.
fn check_panics(file: &SourceFile) -> Vec<Violation> {
    let folder = file.path.split('/').next().unwrap_or_default();
    if !arrows::is_core(folder) || file.is_test() {
        return Vec::new();
    }
    let panics = |text: &str| text.contains(".unwrap()") || has_word(text, "panic") && text.contains("panic!(");
    let lines = file.product_lines().filter(|(_, text)| panics(text));
    lines.map(|(line, _)| file.violation(line, "a core does not panic: return an error")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> usize {
        check(&[SourceFile::new(path, &format!("//! Docs.\n{text}"))]).len()
    }

    #[test]
    fn a_module_without_docs_is_found() {
        assert_eq!(check(&[SourceFile::new("dosql/src/shard.rs", "use std::fmt;\n")]).len(), 1);
        assert_eq!(check(&[SourceFile::new("dosql/src/shard/tests.rs", "use super::*;\n")]).len(), 0);
    }

    #[test]
    fn unsafe_away_from_the_borders_is_found() {
        assert_eq!(check_one("dolake/src/tail.rs", "// SAFETY: no.\nunsafe { x() }\n"), 1);
        assert_eq!(check_one("dosql/src/vfs/file.rs", "// SAFETY: `x` is ours.\nunsafe { x() }\n"), 0);
    }

    #[test]
    fn unsafe_without_a_reason_is_found() {
        assert_eq!(check_one("dosql/src/vfs/file.rs", "unsafe { x() }\n"), 1);
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(check_one("dolake/tests/flush.rs", "#[ignore]\n"), 1);
    }

    #[test]
    fn a_test_that_sleeps_is_found() {
        assert_eq!(check_one("dolake/tests/flush.rs", "std::thread::sleep(second);\n"), 1);
    }

    #[test]
    fn a_panic_in_a_core_is_found() {
        assert_eq!(check_one("dolake/src/tail.rs", "let first = rows.first().unwrap();\n"), 1);
        assert_eq!(check_one("dolake/src/tail.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    x.unwrap();\n"), 0);
    }
}
