//! The list of a suite: a line for every test, with what comes out of it and, unless it passes, why.
//!
//! ```text
//! # Prose for the document.
//! pass test_one
//! skip test_two -- needs Spark
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Between a test's name and the reason.
const BEFORE_REASON: &str = " -- ";
/// A reason is a line that somebody reads.
const REASON_MAX: usize = 300;

/// What came out of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// As the client wants it.
    Pass,
    /// Not as the client wants it.
    Fail,
    /// Not run, for the reason of the line.
    Skip,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Skip => "skip",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        match word {
            "pass" => Ok(Verdict::Pass),
            "fail" => Ok(Verdict::Fail),
            "skip" => Ok(Verdict::Skip),
            other => bail!("'{other}' is none of pass, fail and skip"),
        }
    }
}

/// A test with what came out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

impl Outcome {
    /// With a reason that is one line of bearable length.
    pub(super) fn new(name: &str, verdict: Verdict, reason: &str) -> Self {
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { name: name.trim().to_owned(), verdict, reason: reason.chars().take(REASON_MAX).collect() }
    }

    /// A line that a client wrote: fields with tabs between them.
    pub(super) fn from_report(line: &str) -> Result<Self> {
        let mut fields = line.splitn(3, '\t');
        let verdict = Verdict::parse(fields.next().unwrap_or_default())?;
        let name = fields.next().with_context(|| format!("no name in '{line}'"))?;
        Ok(Self::new(name, verdict, fields.next().unwrap_or_default()))
    }

    fn from_line(line: &str) -> Result<Self> {
        let (word, rest) = line.split_once(' ').with_context(|| format!("no name in '{line}'"))?;
        let verdict = Verdict::parse(word)?;
        let (name, reason) = rest.split_once(BEFORE_REASON).unwrap_or((rest, ""));
        if verdict != Verdict::Pass && reason.is_empty() {
            bail!("'{line}' has no reason");
        }
        Ok(Self::new(name, verdict, reason))
    }

    fn to_line(&self) -> String {
        let shown = format!("{} {}", self.verdict.word(), self.name);
        if self.verdict == Verdict::Pass { shown } else { format!("{shown}{BEFORE_REASON}{}", self.reason) }
    }
}

/// What a suite is expected to say.
#[derive(Default)]
pub(super) struct Expected {
    /// Prose for the document.
    pub(super) notes: Vec<String>,
    /// In name order.
    pub(super) outcomes: BTreeMap<String, Outcome>,
}

impl Expected {
    /// Reads a list; no file is an empty one, which every run differs from.
    pub(super) fn load(file: &Path) -> Result<Self> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).with_context(|| format!("cannot read {}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut expected = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(note) = line.strip_prefix('#') {
                expected.notes.push(note.trim().to_owned());
                continue;
            }
            let outcome = Outcome::from_line(line)?;
            if let Some(twice) = expected.outcomes.insert(outcome.name.clone(), outcome) {
                bail!("'{}' is there twice", twice.name);
            }
        }
        Ok(expected)
    }

    /// As the file is written.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "# {note}"); // Writing to a string cannot fail.
        }
        for outcome in self.outcomes.values() {
            text.push_str(&outcome.to_line());
            text.push('\n');
        }
        text
    }

    /// The list with what a run found; a reason that is known for the same verdict stays as somebody wrote it.
    pub(super) fn with_outcomes(self, found: Vec<Outcome>) -> Self {
        let mut outcomes = BTreeMap::new();
        for mut outcome in found {
            if let Some(known) = self.outcomes.get(&outcome.name).filter(|known| known.verdict == outcome.verdict) {
                outcome.reason.clone_from(&known.reason);
            }
            if outcome.reason.is_empty() && outcome.verdict != Verdict::Pass {
                "the client gives no reason".clone_into(&mut outcome.reason);
            }
            outcomes.insert(outcome.name.clone(), outcome);
        }
        Self { notes: self.notes, outcomes }
    }

    /// A line for each test that is not as expected, in either direction. Of a run of chosen tests the others are not
    /// missed.
    pub(super) fn differences(&self, found: &[Outcome], is_partial: bool) -> Vec<String> {
        let mut differences = Vec::new();
        let mut seen = BTreeMap::new();
        for outcome in found {
            if seen.insert(outcome.name.as_str(), ()).is_some() {
                differences.push(format!("  twice:        {}", outcome.name));
            }
            match self.outcomes.get(&outcome.name) {
                Some(expected) if expected.verdict == outcome.verdict => {}
                Some(expected) => differences.push(format!(
                    "  {} expected: {}{}",
                    expected.verdict.word(),
                    outcome.to_line(),
                    if outcome.verdict == Verdict::Pass { ": take it into the list with --accept" } else { "" },
                )),
                None => differences.push(format!("  not in the list: {}", outcome.to_line())),
            }
        }
        if !is_partial {
            let missing = self.outcomes.keys().filter(|name| !seen.contains_key(name.as_str()));
            differences.extend(missing.map(|name| format!("  did not run:  {name}")));
        }
        differences
    }
}

/// Of outcomes: how many of each kind.
pub(super) fn counts<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Counts {
    let mut counts = Counts::default();
    for outcome in outcomes {
        match outcome.verdict {
            Verdict::Pass => counts.pass += 1,
            Verdict::Fail => counts.fail += 1,
            Verdict::Skip => counts.skip += 1,
        }
    }
    counts
}

/// How many tests came out how.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) pass: usize,
    pub(super) fail: usize,
    pub(super) skip: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed, {} not run", self.pass, self.fail, self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# A note.\npass one\nfail two -- why\nskip three -- needs Spark\n";

    fn found(text: &str) -> Vec<Outcome> {
        text.lines().map(|line| Outcome::from_report(&line.replace('|', "\t")).expect("a report")).collect()
    }

    fn check(report: &str, differences: &[&str]) {
        let expected = Expected::parse(LIST).expect("a list");
        let lines = expected.differences(&found(report), false);
        assert_eq!(lines.len(), differences.len(), "{lines:?}");
        for (line, part) in lines.iter().zip(differences) {
            assert!(line.contains(part), "{line} has no {part}");
        }
    }

    #[test]
    fn a_run_as_expected_has_no_difference() {
        check("pass|one\nfail|two|another reason\nskip|three|x", &[]);
    }

    #[test]
    fn a_test_that_fails_is_a_difference() {
        check("fail|one|500\nfail|two|x\nskip|three|x", &["pass expected: fail one -- 500"]);
    }

    #[test]
    fn a_test_that_begins_to_pass_is_a_difference() {
        check("pass|one\npass|two\nskip|three|x", &["fail expected: pass two"]);
    }

    #[test]
    fn a_test_that_is_gone_or_new_is_a_difference() {
        check("pass|one\npass|four\nskip|three|x", &["not in the list: pass four", "did not run:  two"]);
    }

    #[test]
    fn of_chosen_tests_the_others_are_not_missed() {
        let expected = Expected::parse(LIST).expect("a list");
        assert!(expected.differences(&found("pass|one"), true).is_empty());
    }

    #[test]
    fn a_list_is_written_as_it_was_read() {
        let text = Expected::parse(LIST).expect("a list").to_text();
        assert_eq!(text, "# A note.\npass one\nskip three -- needs Spark\nfail two -- why\n");
    }

    #[test]
    fn a_known_reason_stays_while_the_verdict_does() {
        let expected = Expected::parse(LIST).expect("a list");
        let text = expected.with_outcomes(found("fail|one|new\nfail|two|other\npass|three")).to_text();
        assert_eq!(text, "# A note.\nfail one -- new\npass three\nfail two -- why\n");
    }

    #[test]
    fn a_line_without_a_reason_or_with_another_word_is_refused() {
        for line in ["fail two", "skip three", "passed one", "pass"] {
            assert!(Expected::parse(line).is_err(), "{line}");
        }
        assert!(Expected::parse("pass one\npass one").is_err());
    }
}
