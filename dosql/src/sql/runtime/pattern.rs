//! LIKE and ILIKE.

use lake_dialect::SqlError;

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
    registry.strict("pg_ilike", 3, |a| Ok(boolean(like(str_of(a, 0)?, str_of(a, 1)?, str_of(a, 2)?, true)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
