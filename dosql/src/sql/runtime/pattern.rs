//! LIKE, ILIKE and regular expressions.

use std::sync::{Mutex, PoisonError};

use lake_dialect::SqlError;
use regex_lite::{Regex, RegexBuilder};

use super::super::limits::{REGEX_BYTES_MAX, REGEX_DEPTH_MAX};
use super::{Registry, boolean, str_of};

/// One step of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// `%`
    Any,
    /// `_`
    One,
    Exactly(char),
}

fn steps(pattern: &str, escape: Option<char>) -> Result<Vec<Step>, SqlError> {
    let mut steps = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        steps.push(match character {
            escaped if Some(escaped) == escape => match characters.next() {
                Some(next) => Step::Exactly(next),
                None => return Err(SqlError::new("22025", "LIKE pattern must not end with escape character")),
            },
            '%' => Step::Any,
            '_' => Step::One,
            other => Step::Exactly(other),
        });
    }
    Ok(steps)
}

/// Greedy with one point to return to: linear space, and time of at most text × pattern.
fn matches(text: &[char], steps: &[Step]) -> bool {
    let (mut at, mut step) = (0, 0);
    let mut retry = None;
    while at < text.len() {
        match steps.get(step) {
            Some(Step::Any) => {
                retry = Some((step, at));
                step += 1;
                continue;
            }
            Some(Step::One) => {
                at += 1;
                step += 1;
                continue;
            }
            Some(Step::Exactly(wanted)) if *wanted == text[at] => {
                at += 1;
                step += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((any, from)) => {
                retry = Some((any, from + 1));
                at = from + 1;
                step = any + 1;
            }
            None => return false,
        }
    }
    steps[step..].iter().all(|step| *step == Step::Any)
}

fn like(text: &str, pattern: &str, escape: &str, fold: bool) -> Result<bool, SqlError> {
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    if fold {
        let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
        return Ok(matches(&characters(&text), &steps(&pattern, escape.chars().next())?));
    }
    Ok(matches(&characters(text), &steps(pattern, escape.chars().next())?))
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.strict("pg_like", 3, |a| Ok(boolean(like(str_of(a, 0)?, str_of(a, 1)?, str_of(a, 2)?, false)?)))?;
    // A pattern is nearly always the same for all rows.
    let compiled = Mutex::new(None::<(String, bool, Regex)>);
    registry.strict("pg_regex", 3, move |a| {
        let (text, pattern, ignore_case) = (str_of(a, 0)?, str_of(a, 1)?, super::int_of(a, 2)? != 0);
        check_regex(text, pattern, ignore_case)?;
        let mut last = compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, case, regex)) = last.as_ref()
            && known == pattern
            && *case == ignore_case
        {
            return Ok(boolean(regex.is_match(text)));
        }
        let regex = compile(pattern, ignore_case)?;
        let found = regex.is_match(text);
        *last = Some((pattern.to_owned(), ignore_case, regex));
        Ok(boolean(found))
    })?;
    registry.strict("pg_ilike", 3, |a| Ok(boolean(like(str_of(a, 0)?, str_of(a, 1)?, str_of(a, 2)?, true)?)))
}

/// Refuses what could be answered otherwise than Postgres answers.
///
/// The engine here is Perl's kind without Unicode tables. Where it could answer otherwise than Postgres (escapes of
/// Postgres' own, classes and case of letters beyond ASCII) the pattern is refused.
fn check_regex(text: &str, pattern: &str, ignore_case: bool) -> Result<(), SqlError> {
    let unsupported = || SqlError::unsupported(format!("the regular expression \"{pattern}\""));
    let mut escapes = pattern.chars();
    while let Some(character) = escapes.next() {
        if character == '\\' {
            match escapes.next() {
                Some('d' | 'D' | 's' | 'S' | 'w' | 'W') if text.is_ascii() => {}
                Some(other) if !other.is_alphanumeric() => {}
                Some('n' | 't' | 'r') => {}
                _ => return Err(unsupported()),
            }
        }
    }
    let has_case = ignore_case && !(text.is_ascii() && pattern.is_ascii());
    let has_class = pattern.contains("[[") || pattern.contains(":]");
    if has_case || (has_class && !text.is_ascii()) || pattern.starts_with("***") || pattern.contains("(?") {
        return Err(unsupported());
    }
    Ok(())
}

fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, SqlError> {
    RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .dot_matches_new_line(true)
        .nest_limit(REGEX_DEPTH_MAX)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| SqlError::new("2201B", format!("invalid regular expression: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str, pattern: &str, ignore_case: bool) -> Result<bool, SqlError> {
        check_regex(text, pattern, ignore_case)?;
        Ok(compile(pattern, ignore_case)?.is_match(text))
    }

    fn check(text: &str, pattern: &str, expected: bool) {
        assert_eq!(like(text, pattern, "\\", false), Ok(expected), "{text} like {pattern}");
    }

    #[test]
    fn percent_is_any_text_and_underscore_any_character() {
        check("hello", "h%o", true);
        check("hello", "_ello", true);
        check("hello", "h%x%o", false);
        check("", "%", true);
        check("\u{1F600}", "_", true);
        check("a%b", "a\\%b", true);
        check("axb", "a\\%b", false);
        check("mississippi", "m%iss%pi", true);
        assert!(like("a", "a\\", "\\", false).is_err());
    }

    #[test]
    fn a_regular_expression_that_could_mean_something_else_in_postgres_is_refused() {
        assert_eq!(regex("abc\nd", "b.*d$", false), Ok(true));
        assert_eq!(regex("ABC", "^a.c$", true), Ok(true));
        assert_eq!(regex("a1", r"\w\d", false), Ok(true));
        for (text, pattern) in [("a", r"\ma"), ("\u{e9}", r"\w"), ("a", "(?i)a"), ("a", "("), ("a", r"(a)\1")] {
            assert!(regex(text, pattern, false).is_err(), "{pattern}");
        }
        assert!(regex("\u{c9}", "\u{e9}", true).is_err());
    }
}
