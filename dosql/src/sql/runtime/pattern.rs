//! LIKE, ILIKE and regular expressions.

use std::sync::{Mutex, PoisonError};

use lake_cdc::text::shown;
use lake_dialect::SqlError;
use regex_lite::{Regex, RegexBuilder};

use super::super::limits::{
    REGEX_BYTES_MAX, REGEX_BYTES_MIN, REGEX_BYTES_PER_WORK, REGEX_DEPTH_MAX, REGEX_GROUP_BYTES_MAX,
    REGEX_TEXT_BYTES_MAX, REGEX_WORK_PER_BYTE,
};
use super::text::lower;
use super::{Registry, boolean, str_of};
use crate::budget::{Meter, StepBudget};

/// How LIKE reads a pattern. Text and pattern can be 16 MiB each: they are read where they stand.
#[derive(Clone, Copy)]
struct Like {
    escape: Option<char>,
    folds_case: bool,
}

/// What a pattern has between two `%`.
#[derive(Clone, Copy)]
struct Part<'p> {
    pattern: &'p str,
    /// True if it stands for exactly this text.
    is_plain: bool,
}

/// How a part compares with the beginning of a text.
enum Found {
    /// It is there, in so many bytes.
    Bytes(usize),
    Other,
    /// The text ends before the part does.
    TooShort,
}

impl Like {
    fn refuse_open_end(self, pattern: &str) -> Result<(), SqlError> {
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if Some(character) == self.escape && characters.next().is_none() {
                return Err(SqlError::new("22025", "LIKE pattern must not end with escape character"));
            }
        }
        Ok(())
    }

    /// What comes before the next `%`, and what comes after it if there is one.
    fn split(self, pattern: &str) -> (Part<'_>, Option<&str>) {
        let mut is_plain = !self.folds_case;
        let mut characters = pattern.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                escape if Some(escape) == self.escape => {
                    is_plain = false;
                    characters.next();
                }
                '%' => return (Part { pattern: &pattern[..at], is_plain }, Some(characters.as_str())),
                '_' => is_plain = false,
                _ => {}
            }
        }
        (Part { pattern, is_plain }, None)
    }

    /// The first part must be at the beginning, the last one at the end, and the others anywhere between, in order: the
    /// first place of each is as good as any, so nothing is tried twice.
    fn matches(self, text: &str, pattern: &str, budget: &StepBudget) -> Result<bool, SqlError> {
        self.refuse_open_end(pattern)?;
        let (first, mut rest) = self.split(pattern);
        let (Found::Bytes(mut start), _) = self.compare(first, text) else { return Ok(false) };
        if rest.is_none() {
            return Ok(start == text.len());
        }
        let mut meter = Meter::new(budget);
        while let Some(pattern) = rest {
            let (part, after) = self.split(pattern);
            if after.is_none() {
                return Ok(self.is_at_end(part, &text[start..]));
            }
            match self.find(part, &text[start..], &mut meter)? {
                Some(end) => start += end,
                None => return Ok(false),
            }
            rest = after;
        }
        Ok(true)
    }

    fn same(self, wanted: char, found: char) -> bool {
        wanted == found || (self.folds_case && lower(wanted) == lower(found))
    }

    /// Also says how many characters were compared.
    fn compare(self, part: Part<'_>, text: &str) -> (Found, u64) {
        if part.is_plain {
            let found = if text.starts_with(part.pattern) { Found::Bytes(part.pattern.len()) } else { Found::Other };
            return (found, 1);
        }
        let (mut pattern, mut rest) = (part.pattern.chars(), text.chars());
        let mut count = 0;
        while let Some(character) = pattern.next() {
            count += 1;
            let is_escaped = Some(character) == self.escape;
            let Some(found) = rest.next() else { return (Found::TooShort, count) };
            let wanted = if is_escaped { pattern.next().unwrap_or(character) } else { character };
            if (is_escaped || wanted != '_') && !self.same(wanted, found) {
                return (Found::Other, count);
            }
        }
        (Found::Bytes(text.len() - rest.as_str().len()), count)
    }

    /// Where the first place of a part ends.
    fn find(self, part: Part<'_>, text: &str, meter: &mut Meter<'_>) -> Result<Option<usize>, SqlError> {
        if part.is_plain {
            return Ok(text.find(part.pattern).map(|at| at + part.pattern.len()));
        }
        let mut rest = text.chars();
        loop {
            let at = text.len() - rest.as_str().len();
            let (found, count) = self.compare(part, rest.as_str());
            meter.add(count)?;
            match found {
                Found::Bytes(length) => return Ok(Some(at + length)),
                Found::TooShort => return Ok(None),
                Found::Other => {}
            }
            if rest.next().is_none() {
                return Ok(None);
            }
        }
    }

    fn is_at_end(self, part: Part<'_>, text: &str) -> bool {
        if part.is_plain {
            return text.ends_with(part.pattern);
        }
        let mut pattern = part.pattern.chars();
        let mut tail = text.chars();
        while let Some(character) = pattern.next() {
            if Some(character) == self.escape {
                pattern.next();
            }
            if tail.next_back().is_none() {
                return false;
            }
        }
        matches!(self.compare(part, &text[tail.as_str().len()..]), (Found::Bytes(_), _))
    }
}

struct Compiled {
    pattern: String,
    ignores_case: bool,
    regex: Regex,
    /// A size that it fits.
    bytes: usize,
}

impl Compiled {
    /// Its states are entered once more than the text has bytes, so an empty text is not for nothing.
    fn match_work(&self, text: &str) -> u64 {
        (text.len() as u64 + 1) * self.bytes as u64 / REGEX_BYTES_PER_WORK
    }
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    for (name, folds_case) in [("pg_like", false), ("pg_ilike", true)] {
        let budget = registry.budget.clone();
        registry.strict(name, 3, move |a| {
            let like = Like { escape: str_of(a, 2)?.chars().next(), folds_case };
            Ok(boolean(like.matches(str_of(a, 0)?, str_of(a, 1)?, &budget)?))
        })?;
    }
    // A pattern is nearly always the same for all rows.
    let compiled = Mutex::new(None::<Compiled>);
    let budget = registry.budget.clone();
    registry.strict("pg_regex", 3, move |a| {
        let (text, pattern, ignores_case) = (str_of(a, 0)?, str_of(a, 1)?, super::int_of(a, 2)? != 0);
        check_regex(text, pattern, ignores_case)?;
        let mut last = compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|last| last.pattern == pattern && last.ignores_case == ignores_case);
        let known = match known {
            Some(known) => known,
            None => compile(pattern, ignores_case, &budget)?,
        };
        let known = last.insert(known);
        budget.charge(known.match_work(text))?;
        Ok(boolean(known.regex.is_match(text)))
    })
}

/// Refuses what could be answered otherwise than Postgres answers.
///
/// The engine here is Perl's kind without Unicode tables. Where it could answer otherwise than Postgres (escapes of
/// Postgres' own, classes and case of letters beyond ASCII) the pattern is refused.
fn check_regex(text: &str, pattern: &str, ignore_case: bool) -> Result<(), SqlError> {
    let unsupported = || SqlError::unsupported(format!("the regular expression \"{}\"", shown(pattern)));
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

/// Each size that is tried costs that size, and the pattern is read again for it.
fn compile(pattern: &str, ignores_case: bool, budget: &StepBudget) -> Result<Compiled, SqlError> {
    let invalid =
        |reason: &dyn std::fmt::Display| SqlError::new("2201B", format!("invalid regular expression: {reason}"));
    if pattern.len() > REGEX_TEXT_BYTES_MAX {
        return Err(invalid(&"it is too long"));
    }
    let groups = 1 + pattern.bytes().filter(|byte| *byte == b'(').count();
    let mut bytes = REGEX_BYTES_MIN;
    loop {
        if groups.saturating_mul(bytes) > REGEX_GROUP_BYTES_MAX {
            return Err(invalid(&"it has too many groups"));
        }
        budget.charge(bytes as u64 + pattern.len() as u64 * REGEX_WORK_PER_BYTE)?;
        let built = RegexBuilder::new(pattern)
            .case_insensitive(ignores_case)
            .dot_matches_new_line(true)
            .nest_limit(REGEX_DEPTH_MAX)
            .size_limit(bytes)
            .build();
        match built {
            Ok(regex) => {
                budget.charge((groups * bytes) as u64)?;
                return Ok(Compiled { pattern: pattern.to_owned(), ignores_case, regex, bytes });
            }
            Err(error) if bytes >= REGEX_BYTES_MAX => return Err(invalid(&error)),
            Err(_) => bytes *= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::WORK_PER_STEP;

    fn granted(steps: u64) -> StepBudget {
        let budget = StepBudget::default();
        budget.grant_steps(steps);
        budget
    }

    fn regex(text: &str, pattern: &str, ignores_case: bool) -> Result<bool, SqlError> {
        check_regex(text, pattern, ignores_case)?;
        Ok(compile(pattern, ignores_case, &granted(1_000_000))?.regex.is_match(text))
    }

    fn like(text: &str, pattern: &str, folds_case: bool) -> Result<bool, SqlError> {
        Like { escape: Some('\\'), folds_case }.matches(text, pattern, &granted(1_000_000))
    }

    fn check(text: &str, pattern: &str, expected: bool) {
        assert_eq!(like(text, pattern, false), Ok(expected), "{text} like {pattern}");
        assert_eq!(like(text, pattern, true), Ok(expected), "{text} ilike {pattern}");
    }

    /// What LIKE means, without a thought for time.
    fn means(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['\\', wanted, rest @ ..] => text.first() == Some(wanted) && means(&text[1..], rest),
            ['%', rest @ ..] => (0..=text.len()).any(|at| means(&text[at..], rest)),
            ['_', rest @ ..] => !text.is_empty() && means(&text[1..], rest),
            [wanted, rest @ ..] => text.first() == Some(wanted) && means(&text[1..], rest),
        }
    }

    proptest! {
        #[test]
        fn like_is_what_it_means(text in "[ab\u{e9}]{0,9}", pattern in "([ab\u{e9}%%_]|\\\\[a%_]){0,7}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = means(&characters(&text), &characters(&pattern));
            prop_assert_eq!(like(&text, &pattern, false), Ok(expected));
            prop_assert_eq!(like(&text.to_uppercase(), &pattern, true), Ok(expected));
        }
    }

    #[test]
    fn what_would_take_text_times_pattern_is_charged_and_ends() {
        let text = "a".repeat(200_000);
        let run = |pattern: &str, folds_case: bool| {
            let like = Like { escape: Some('\\'), folds_case };
            like.matches(&text, pattern, &granted(100_000)).map_err(|error| error.sqlstate)
        };
        let part = "a".repeat(100_000);
        assert_eq!(run(&format!("%{part}b%"), false), Ok(false), "plain parts are found in one pass");
        assert_eq!(run(&format!("%{part}b"), false), Ok(false));
        assert_eq!(run(&format!("%{part}_b%"), false), Err("57014".to_owned()));
        assert_eq!(run(&format!("%{part}\\b%"), false), Err("57014".to_owned()));
        assert_eq!(run(&format!("%{part}b%"), true), Err("57014".to_owned()));
        assert_eq!(run(&format!("%{part}b"), true), Ok(false), "an end is compared once");
        assert_eq!(run(&"%a".repeat(100_000), false), Ok(true));
        assert_eq!(run(&"%_".repeat(200_000), false), Ok(true));
        assert_eq!(run(&"_".repeat(200_001), false), Ok(false));
    }

    #[test]
    fn a_regular_expression_has_a_size_that_its_texts_are_charged_with() {
        let compile = |pattern: &str| compile(pattern, false, &granted(10_000_000)).map_err(|error| error.sqlstate);
        assert_eq!(compile("abc").map(|compiled| compiled.bytes), Ok(REGEX_BYTES_MIN));
        assert!(compile("a{1000}").is_ok_and(|compiled| compiled.bytes > 16 * REGEX_BYTES_MIN));
        assert!(compile(&"(a)".repeat(100)).is_ok());
        for pattern in [
            "(a{100}){1000}".to_owned(),
            "a".repeat(REGEX_TEXT_BYTES_MAX),
            "a".repeat(1 << 20),
            "(a)".repeat(1_500),
            "()".repeat(10_000),
        ] {
            assert_eq!(compile(&pattern).map(|_| ()), Err("2201B".to_owned()), "{}", shown(&pattern));
        }
    }

    #[test]
    fn what_is_compiled_and_what_is_matched_with_an_empty_text_is_charged() {
        /// The fewest steps that a pattern can be compiled with.
        fn price(pattern: &str) -> u64 {
            let (mut too_few, mut enough) = (0, 1_000_000);
            while enough - too_few > 1 {
                let steps = (too_few + enough) / 2;
                match compile(pattern, false, &granted(steps)) {
                    Ok(_) => enough = steps,
                    Err(_) => too_few = steps,
                }
            }
            enough
        }
        for (pattern, groups) in [("a{1000}".to_owned(), 1), ("a".repeat(1_000), 1), ("(a)".repeat(100), 101)] {
            let compiled = compile(&pattern, false, &granted(1_000_000)).expect("it is small enough");
            let sizes = std::iter::successors(Some(REGEX_BYTES_MIN), |size| Some(size * 2))
                .take_while(|size| *size <= compiled.bytes)
                .map(|size| size as u64 + pattern.len() as u64 * REGEX_WORK_PER_BYTE);
            let work = sizes.sum::<u64>() + groups * compiled.bytes as u64;
            assert_eq!(price(&pattern), work / WORK_PER_STEP, "{}", shown(&pattern));
            assert_eq!(compiled.match_work(""), compiled.bytes as u64 / REGEX_BYTES_PER_WORK);
        }
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
        assert!(like("a", "a\\", false).is_err());
        assert_eq!(like("\u{c9}A", "\u{e9}_", true), Ok(true));
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
