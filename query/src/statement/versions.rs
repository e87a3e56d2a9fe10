//! `FOR SYSTEM_TIME AS OF …`, `VERSION AS OF …`, `AT (…)` and `FOR SYSTEM_TIME ALL` behind a table's name.
//!
//! Postgres' grammar has none of them, so they are taken out of the text before it is parsed. The table's name gets a
//! suffix that says which of them was meant; no name of a table can have it, because it holds a control character.

use lake_api::ApiError;
use lake_cdc::LakePosition;
use lake_dialect::ast::{self};

use super::read::sql_error;
use crate::request::{Moment, moment_of_text};

/// What a table's version says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Version {
    /// A state.
    Moment(Moment),
    /// A parameter that holds a timestamp.
    Parameter(usize),
    /// All changes.
    All,
}

/// Separates a table's name from the number of its version.
const MARK: char = '\u{1}';

/// The name without its mark, and the number of its version.
pub(crate) fn split(name: &str) -> (&str, Option<usize>) {
    match name.split_once(MARK) {
        Some((name, number)) => (name, number.parse().ok()),
        None => (name, None),
    }
}

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    start: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Text,
    Number,
    Symbol,
}

/// Takes the versions out of `sql`.
pub(crate) fn extract(sql: &str) -> Result<(String, Vec<Version>), ApiError> {
    let upper = sql.to_ascii_uppercase();
    if !["SYSTEM_TIME", "VERSION", "TIMESTAMP", "SNAPSHOT", "POSITION"].iter().any(|word| upper.contains(word))
        || sql.contains(MARK)
    {
        return Ok((sql.to_owned(), Vec::new()));
    }
    let pieces = pieces(sql);
    let mut versions = Vec::new();
    let mut output = String::with_capacity(sql.len());
    let mut copied = 0;
    let mut at = 1;
    while at < pieces.len() {
        let name = pieces[at - 1];
        let is_name = name.kind == Kind::Quoted || name.kind == Kind::Word;
        match version(&pieces[at..]) {
            // A word of one version is no name for the next.
            Some((version, length)) if is_name && name.start >= copied => {
                let version = version?;
                output.push_str(&sql[copied..name.start]);
                let written = match name.kind {
                    Kind::Quoted => name.text.trim_matches('"').to_owned(),
                    _ => name.text.to_ascii_lowercase(),
                };
                output.push_str(&format!("\"{written}{MARK}{}\"", versions.len()));
                versions.push(version);
                at += length;
                copied = pieces.get(at - 1).map_or(sql.len(), |last| last.start + last.text.len());
            }
            _ => at += 1,
        }
    }
    output.push_str(&sql[copied..]);
    Ok((output, versions))
}

/// The version at the start of `pieces`, and how many pieces it takes.
fn version(pieces: &[Piece<'_>]) -> Option<(Result<Version, ApiError>, usize)> {
    let word = |at: usize, wanted: &str| {
        pieces.get(at).is_some_and(|piece| piece.kind != Kind::Text && piece.text.eq_ignore_ascii_case(wanted))
    };
    if word(0, "FOR") && word(1, "SYSTEM_TIME") && word(2, "ALL") {
        return Some((Ok(Version::All), 3));
    }
    let skip = usize::from(word(0, "FOR"));
    let is_time = (word(skip, "SYSTEM_TIME") && skip == 1) || word(skip, "TIMESTAMP");
    if is_time && word(skip + 1, "AS") && word(skip + 2, "OF") {
        let typed = usize::from(word(skip + 3, "TIMESTAMP") || word(skip + 3, "TIMESTAMPTZ"));
        let value = pieces.get(skip + 3 + typed)?;
        return Some((timestamp(value), skip + 4 + typed));
    }
    if word(skip, "VERSION") && word(skip + 1, "AS") && word(skip + 2, "OF") {
        return Some((snapshot(pieces.get(skip + 3)?), skip + 4));
    }
    if word(0, "AT") && word(1, "(") && word(3, "=>") && word(5, ")") {
        let value = pieces.get(4)?;
        let found = match pieces.get(2)?.text.to_ascii_uppercase().as_str() {
            "TIMESTAMP" => timestamp(value),
            "VERSION" | "SNAPSHOT" => snapshot(value),
            "POSITION" => number(value).map(|position| Version::Moment(Moment::Position(LakePosition(position)))),
            other => Err(sql_error("42601", format!("AT ({other} => …) is not known"))),
        };
        return Some((found, 6));
    }
    None
}

fn timestamp(value: &Piece<'_>) -> Result<Version, ApiError> {
    match value.kind {
        Kind::Text => moment_of_text(value.text.trim_matches('\'')).map(Version::Moment),
        Kind::Symbol if value.text.starts_with('$') => value.text[1..]
            .parse()
            .map(Version::Parameter)
            .map_err(|_| sql_error("42601", "AS OF is followed by a timestamp in quotes or by $n")),
        _ => Err(sql_error("42601", "AS OF is followed by a timestamp in quotes or by $n")),
    }
}

fn snapshot(value: &Piece<'_>) -> Result<Version, ApiError> {
    let text = value.text.trim_matches('\'');
    text.parse()
        .map(|id| Version::Moment(Moment::Snapshot(id)))
        .map_err(|_| sql_error("42601", "VERSION AS OF is followed by a snapshot id"))
}

fn number(value: &Piece<'_>) -> Result<u64, ApiError> {
    value.text.trim_matches('\'').parse().map_err(|_| sql_error("42601", "a position is a whole number"))
}

/// Words, quoted names, texts, numbers and symbols, without comments.
fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let bytes = sql.as_bytes();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let until = |from: usize, is: &dyn Fn(u8) -> bool| {
            (from..bytes.len()).find(|at| !bytes.get(*at).is_some_and(|byte| is(*byte))).unwrap_or(bytes.len())
        };
        let kind = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = until(at, &|byte| byte != b'\n');
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = sql[at..].find("*/").map_or(bytes.len(), |end| at + end + 2);
                continue;
            }
            quote @ (b'\'' | b'"') => {
                at = until(at + 1, &|byte| byte != quote).saturating_add(1).min(bytes.len());
                if quote == b'"' { Kind::Quoted } else { Kind::Text }
            }
            b'$' => {
                at = until(at + 1, &|byte| byte.is_ascii_alphanumeric());
                Kind::Symbol
            }
            byte if byte.is_ascii_digit() => {
                at = until(at, &|byte| byte.is_ascii_digit());
                Kind::Number
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => {
                at = until(at, &|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii());
                Kind::Word
            }
            b'=' if bytes.get(at + 1) == Some(&b'>') => {
                at += 2;
                Kind::Symbol
            }
            _ => {
                at += 1;
                Kind::Symbol
            }
        };
        pieces.push(Piece { text: &sql[start..at], start, kind });
    }
    pieces
}

/// The name of a table in a statement, without the mark.
pub(crate) fn unmark(ident: &mut ast::Ident) -> Option<usize> {
    let (name, number) = split(&ident.value);
    let name = name.to_owned();
    if number.is_some() {
        ident.value = name;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake_cdc::Micros;

    fn check(sql: &str, expected: &str, expected_versions: &[Version]) {
        let (found, versions) = extract(sql).expect("a version");
        assert_eq!(found.replace(MARK, "#"), expected, "{sql}");
        assert_eq!(versions, expected_versions, "{sql}");
    }

    #[test]
    fn a_version_becomes_a_mark_on_the_name() {
        let second = Version::Moment(Moment::Stamp(Micros(1_000_000)));
        check(
            "SELECT * FROM orders FOR SYSTEM_TIME AS OF '1970-01-01T00:00:01Z' AS o, x FOR SYSTEM_TIME ALL",
            "SELECT * FROM \"orders#0\" AS o, \"x#1\"",
            &[second.clone(), Version::All],
        );
        check(
            "SELECT * FROM a.Orders TIMESTAMP AS OF TIMESTAMP '1970-01-01T00:00:01Z' WHERE 1=1",
            "SELECT * FROM a.\"orders#0\" WHERE 1=1",
            std::slice::from_ref(&second),
        );
        check("SELECT * FROM t AT (TIMESTAMP => '1970-01-01T00:00:01Z')", "SELECT * FROM \"t#0\"", &[second]);
        check("SELECT * FROM t FOR VERSION AS OF 7", "SELECT * FROM \"t#0\"", &[Version::Moment(Moment::Snapshot(7))]);
    }

    #[test]
    fn a_version_of_a_version_is_left_to_the_parser() {
        check(
            "SELECT * FROM t FOR SYSTEM_TIME ALL FOR SYSTEM_TIME ALL",
            "SELECT * FROM \"t#0\" FOR SYSTEM_TIME ALL",
            &[Version::All],
        );
    }

    #[test]
    fn what_only_looks_like_a_version_stays() {
        for sql in [
            "SELECT 'FOR SYSTEM_TIME ALL' FROM t",
            "SELECT version FROM t -- t FOR SYSTEM_TIME ALL",
            "SELECT timestamp '2020-01-01' AS of",
            "SELECT ts AT TIME ZONE 'UTC' FROM t",
        ] {
            check(sql, sql, &[]);
        }
    }
}
