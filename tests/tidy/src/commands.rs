//! Documents that name what can be run.

use crate::{SourceFile, Violation};

/// Where the commands are.
const COMMANDS: &str = "xtask/src/main.rs";

/// Every `cargo xtask NAME` of a document is a command.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let Some(xtask) = files.iter().find(|file| file.path == COMMANDS) else { return Vec::new() };
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(&[".md", ".yml", ".ci/run"])) {
        for (index, line) in file.text.lines().enumerate() {
            for name in named(line) {
                if !xtask.text.contains(&format!("\"{name}\"")) {
                    violations.push(file.violation(index + 1, format!("there is no `cargo xtask {name}`")));
                }
            }
        }
    }
    violations
}

/// The commands that a line names; `cargo xtask …` and `cargo xtask COMMAND` name none.
fn named(line: &str) -> Vec<&str> {
    let is_part = |part: char| part.is_ascii_lowercase() || part.is_ascii_digit() || part == '-';
    let names =
        line.split("cargo xtask ").skip(1).map(|rest| rest.split(|part| !is_part(part)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> usize {
        check(&[SourceFile::new(COMMANDS, "\"dev\" => dev(),"), SourceFile::new("README.md", line)]).len()
    }

    #[test]
    fn a_command_that_does_not_exist_is_found() {
        assert_eq!(check_line("Run `cargo xtask serve --port 1`."), 1);
    }

    #[test]
    fn commands_that_exist_are_fine() {
        assert_eq!(check_line("`cargo xtask dev` and `cargo xtask …`"), 0);
    }
}
