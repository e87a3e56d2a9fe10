//! `docs/conformance.md`, made from the lists.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::expected::{Expected, Verdict, counts};
use super::{Suite, list};
use crate::paths;
use crate::process::progress;

const INTRODUCTION: &str = "\
# Conformance

Stock Iceberg clients, unmodified, against the three scripts in a local workerd.
`cargo xtask conformance NAME` installs the client, starts everything, runs the tests and compares them with the list in
`tests/conformance/NAME/expected.txt`; it fails when they differ, also when a test begins to pass.
This page is made from those lists by `cargo xtask conformance --write-document`.

";

/// Writes the document.
pub(super) fn write(suites: &[Suite]) -> Result<()> {
    let text = text(suites)?;
    let file = paths::root().join("docs/conformance.md");
    if std::fs::read_to_string(&file).is_ok_and(|have| have == text) {
        return Ok(());
    }
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    progress("docs/conformance.md is written");
    Ok(())
}

fn text(suites: &[Suite]) -> Result<String> {
    let mut table = String::from("| Name | Client | Tests | Passed | Failed | Not run |\n|---|---|---|---|---|---|\n");
    let mut sections = String::new();
    for suite in suites {
        let expected = Expected::load(&list(suite.name))?;
        let counts = counts(expected.outcomes.values());
        let (pass, fail, skip) = (counts.pass, counts.fail, counts.skip);
        if expected.outcomes.is_empty() {
            writeln!(table, "| `{}` | {} | {} | no run | | |", suite.name, suite.client, suite.tests)?;
        } else {
            writeln!(table, "| `{}` | {} | {} | {pass} | {fail} | {skip} |", suite.name, suite.client, suite.tests)?;
        }
        write_section(&mut sections, suite, &expected)?;
    }
    Ok(format!("{INTRODUCTION}{table}{sections}"))
}

fn write_section(text: &mut String, suite: &Suite, expected: &Expected) -> Result<()> {
    writeln!(text, "\n## {}\n\n{}.", suite.name, suite.client)?;
    for note in &expected.notes {
        writeln!(text, "{note}")?;
    }
    for (verdict, title) in [(Verdict::Fail, "Failed"), (Verdict::Skip, "Not run")] {
        // Tests with the same reason are one line.
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for outcome in expected.outcomes.values().filter(|outcome| outcome.verdict == verdict) {
            match reasons.iter_mut().find(|(reason, _)| *reason == outcome.reason) {
                Some((_, names)) => names.push(&outcome.name),
                None => reasons.push((&outcome.reason, vec![&outcome.name])),
            }
        }
        if reasons.is_empty() {
            continue;
        }
        writeln!(text, "\n{title}:\n")?;
        for (reason, names) in reasons {
            let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.replace('`', "'"))).collect();
            writeln!(text, "- {}: {}", names.join(", "), escaped(reason))?;
        }
    }
    Ok(())
}

/// A reason may hold what Markdown takes for a tag.
fn escaped(reason: &str) -> String {
    reason.replace('<', "\\<").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::SUITES;

    #[test]
    fn the_document_is_what_the_lists_say() {
        let have = std::fs::read_to_string(paths::root().join("docs/conformance.md")).unwrap_or_default();
        let want = text(&SUITES).expect("all lists can be read");
        assert!(have == want, "docs/conformance.md is old: cargo xtask conformance --write-document");
    }
}
