//! What the shape of this repository promises, as rules over its files.
//!
//! A rule is a function from the files to what breaks it, so that a test can plant a violation and see it found.
//! `tests/tree.rs` holds the repository itself to every rule.

pub mod arrows;
pub mod commands;
pub mod layout;
pub mod links;
pub mod manifest;
pub mod platform;
pub mod rust;
pub mod words;

use std::{fmt, path::Path, process::Command};

/// One file of the repository that holds text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl SourceFile {
    /// A file, for a test.
    pub fn new(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// Something wrong at a line of this file.
    pub fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, what: what.into() }
    }

    /// True if the file lies in one of these folders.
    pub fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }

    /// True if its name ends with one of these.
    pub fn ends_with(&self, ends: &[&str]) -> bool {
        ends.iter().any(|end| self.path.ends_with(end))
    }

    /// True if it holds nothing but tests.
    pub fn is_test(&self) -> bool {
        self.path.contains("tests/") || self.ends_with(&["/tests.rs", ".test.ts", ".spec.ts"])
    }

    /// The lines of the product: without unit tests at the foot, and without comments. From 1.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let product = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let is_code = |(_, line): &(usize, &str)| !line.trim_start().starts_with("//");
        product.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(is_code)
    }
}

/// Reads every tracked file of the repository at `root` that holds text.
pub fn tracked_files(root: &Path) -> std::io::Result<Vec<SourceFile>> {
    let listed = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output()?;
    if !listed.status.success() {
        return Err(std::io::Error::other(String::from_utf8_lossy(&listed.stderr).into_owned()));
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        // A file that is removed and not committed yet is listed still; what is not text is not ours to read.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// True if `word` stands in `line` with nothing of a word before and after it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |part: char| part.is_alphanumeric() || part == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part);
        !before && !after
    })
}
