//! Functions of texts. Positions and lengths count characters.

use datafusion::error::Result;
use lake_cdc::Value;

use super::datum::Datum;
use crate::error::{refuse, unsupported};
use crate::limits::TEXT_BYTES_MAX;

type Kernel = fn(&[Datum]) -> Result<Datum>;

/// Argument types (`t` text, `i` int4), result (`t`, `i`, `b` boolean) and kernel of each function; several rows of a
/// name are overloads.
pub(crate) const FUNCTIONS: &[(&str, &str, char, Kernel)] = &[
    ("lower", "t", 't', |v| Ok(Datum::text(v[0].as_text().chars().map(lower).collect::<String>()))),
    ("upper", "t", 't', |v| Ok(Datum::text(v[0].as_text().chars().map(upper).collect::<String>()))),
    ("initcap", "t", 't', |v| Ok(Datum::text(initcap(v[0].as_text())))),
    ("length", "t", 'i', |v| int(v[0].as_text().chars().count())),
    ("char_length", "t", 'i', |v| int(v[0].as_text().chars().count())),
    ("character_length", "t", 'i', |v| int(v[0].as_text().chars().count())),
    ("octet_length", "t", 'i', |v| int(v[0].as_text().len())),
    ("bit_length", "t", 'i', |v| int(v[0].as_text().len() * 8)),
    ("substr", "ti", 't', |v| substring(v[0].as_text(), v[1].as_i64(), None)),
    ("substr", "tii", 't', |v| substring(v[0].as_text(), v[1].as_i64(), Some(v[2].as_i64()))),
    ("substring", "ti", 't', |v| substring(v[0].as_text(), v[1].as_i64(), None)),
    ("substring", "tii", 't', |v| substring(v[0].as_text(), v[1].as_i64(), Some(v[2].as_i64()))),
    ("left", "ti", 't', |v| Ok(Datum::text(left(v[0].as_text(), v[1].as_i64())))),
    ("right", "ti", 't', |v| Ok(Datum::text(right(v[0].as_text(), v[1].as_i64())))),
    ("btrim", "t", 't', |v| Ok(Datum::text(v[0].as_text().trim_matches(' ')))),
    ("btrim", "tt", 't', |v| Ok(Datum::text(trim(v, true, true)))),
    ("ltrim", "t", 't', |v| Ok(Datum::text(v[0].as_text().trim_start_matches(' ')))),
    ("ltrim", "tt", 't', |v| Ok(Datum::text(trim(v, true, false)))),
    ("rtrim", "t", 't', |v| Ok(Datum::text(v[0].as_text().trim_end_matches(' ')))),
    ("rtrim", "tt", 't', |v| Ok(Datum::text(trim(v, false, true)))),
    ("replace", "ttt", 't', replace),
    ("strpos", "tt", 'i', |v| int(position(v[0].as_text(), v[1].as_text()))),
    ("position", "tt", 'i', |v| int(position(v[1].as_text(), v[0].as_text()))),
    ("repeat", "ti", 't', repeat),
    ("reverse", "t", 't', |v| Ok(Datum::text(v[0].as_text().chars().rev().collect::<String>()))),
    ("lpad", "ti", 't', |v| pad(v[0].as_text(), v[1].as_i64(), " ", true)),
    ("lpad", "tit", 't', |v| pad(v[0].as_text(), v[1].as_i64(), v[2].as_text(), true)),
    ("rpad", "ti", 't', |v| pad(v[0].as_text(), v[1].as_i64(), " ", false)),
    ("rpad", "tit", 't', |v| pad(v[0].as_text(), v[1].as_i64(), v[2].as_text(), false)),
    ("split_part", "tti", 't', split_part),
    ("starts_with", "tt", 'b', |v| Ok(Datum::Value(Value::Bool(v[0].as_text().starts_with(v[1].as_text()))))),
    ("ascii", "t", 'i', |v| int(v[0].as_text().chars().next().map_or(0, |first| first as usize))),
    ("chr", "i", 't', chr),
    ("translate", "ttt", 't', |v| Ok(Datum::text(translate(v[0].as_text(), v[1].as_text(), v[2].as_text())))),
    ("overlay", "tti", 't', |v| overlay(v[0].as_text(), v[1].as_text(), v[2].as_i64(), None)),
    ("overlay", "ttii", 't', |v| overlay(v[0].as_text(), v[1].as_text(), v[2].as_i64(), Some(v[3].as_i64()))),
    ("regexp_replace", "ttt", 't', |v| regexp_replace(v[0].as_text(), v[1].as_text(), v[2].as_text(), "")),
    ("regexp_replace", "tttt", 't', |v| regexp_replace(v[0].as_text(), v[1].as_text(), v[2].as_text(), v[3].as_text())),
    ("quote_literal", "t", 't', |v| Ok(Datum::text(format!("'{}'", v[0].as_text().replace('\'', "''"))))),
];

fn int(value: usize) -> Result<Datum> {
    let value = i32::try_from(value).map_err(|_| refuse("22003", "integer out of range"))?;
    Ok(Datum::Value(Value::Int4(value)))
}

fn bounded(text: String) -> Result<Datum> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(refuse("54000", format!("a text is longer than {TEXT_BYTES_MAX} bytes")));
    }
    Ok(Datum::text(text))
}

/// One character for one, as Postgres maps them.
fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (character, mapped.next(), mapped.next()) {
        ('ß', _, _) => 'ẞ',
        (_, Some(only), None) => only,
        _ => character,
    }
}

fn lower(character: char) -> char {
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => character,
    }
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if inside {
            out.push(lower(character));
        } else {
            out.push(upper(character));
        }
        inside = character.is_alphanumeric();
    }
    out
}

fn substring(text: &str, start: i64, length: Option<i64>) -> Result<Datum> {
    let end = match length {
        None => i64::MAX,
        Some(length) if length < 0 => return Err(refuse("22011", "negative substring length not allowed")),
        Some(length) => start.saturating_add(length),
    };
    let skip = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(start.max(1)).max(0)).unwrap_or(usize::MAX);
    Ok(Datum::text(text.chars().skip(skip).take(take).collect::<String>()))
}

fn left(text: &str, count: i64) -> String {
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let take = if count < 0 { (all + count).max(0) } else { count };
    text.chars().take(usize::try_from(take).unwrap_or(usize::MAX)).collect()
}

fn right(text: &str, count: i64) -> String {
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let skip = if count < 0 { -count } else { (all - count).max(0) };
    text.chars().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect()
}

fn trim(values: &[Datum], start: bool, end: bool) -> String {
    let set: Vec<char> = values[1].as_text().chars().collect();
    let mut text = values[0].as_text();
    if start {
        text = text.trim_start_matches(set.as_slice());
    }
    if end {
        text = text.trim_end_matches(set.as_slice());
    }
    text.to_owned()
}

fn replace(values: &[Datum]) -> Result<Datum> {
    let from = values[1].as_text();
    if from.is_empty() {
        return Ok(values[0].clone());
    }
    let found = values[0].as_text().matches(from).count();
    if found.saturating_mul(values[2].as_text().len()) > TEXT_BYTES_MAX {
        return bounded(" ".repeat(TEXT_BYTES_MAX + 1));
    }
    bounded(values[0].as_text().replace(from, values[2].as_text()))
}

fn position(text: &str, wanted: &str) -> usize {
    text.find(wanted).map_or(0, |at| text[..at].chars().count() + 1)
}

fn repeat(values: &[Datum]) -> Result<Datum> {
    let text = values[0].as_text();
    let count = usize::try_from(values[1].as_i64().max(0)).unwrap_or(usize::MAX);
    if text.len().saturating_mul(count) > TEXT_BYTES_MAX {
        return Err(refuse("54000", format!("a text is longer than {TEXT_BYTES_MAX} bytes")));
    }
    Ok(Datum::text(text.repeat(count)))
}

fn pad(text: &str, length: i64, fill: &str, at_start: bool) -> Result<Datum> {
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    if length > TEXT_BYTES_MAX / 4 {
        return Err(refuse("54000", format!("a text is longer than {TEXT_BYTES_MAX} bytes")));
    }
    let count = text.chars().count();
    if count >= length || fill.is_empty() {
        return Ok(Datum::text(text.chars().take(length).collect::<String>()));
    }
    let filling: String = fill.chars().cycle().take(length - count).collect();
    Ok(Datum::text(if at_start { filling + text } else { text.to_owned() + &filling }))
}

fn split_part(values: &[Datum]) -> Result<Datum> {
    let (text, by, number) = (values[0].as_text(), values[1].as_text(), values[2].as_i64());
    if number == 0 {
        return Err(refuse("22023", "field position must not be zero"));
    }
    let parts: Vec<&str> = if by.is_empty() { vec![text] } else { text.split(by).collect() };
    let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    let at = if number > 0 { number - 1 } else { count + number };
    let part = usize::try_from(at).ok().and_then(|at| parts.get(at)).copied().unwrap_or_default();
    Ok(Datum::text(part))
}

fn chr(values: &[Datum]) -> Result<Datum> {
    match values[0].as_i64() {
        0 => Err(refuse("54000", "null character not permitted")),
        code => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(character) => Ok(Datum::text(character)),
            None => Err(refuse("54000", "requested character not valid for encoding")),
        },
    }
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    text.chars()
        .filter_map(|character| match from.chars().position(|wanted| wanted == character) {
            Some(at) => to.get(at).copied(),
            None => Some(character),
        })
        .collect()
}

fn overlay(text: &str, by: &str, start: i64, length: Option<i64>) -> Result<Datum> {
    if start <= 0 {
        return Err(refuse("22011", "negative substring length not allowed"));
    }
    let length = length.unwrap_or_else(|| i64::try_from(by.chars().count()).unwrap_or(i64::MAX));
    let before = left(text, start - 1);
    let skip = usize::try_from((start - 1).saturating_add(length).max(0)).unwrap_or(usize::MAX);
    let after: String = text.chars().skip(skip).collect();
    bounded(before + by + &after)
}

/// A pattern of Postgres. Back-references and look-around are not supported.
pub(crate) fn pattern(pattern: &str, flags: &str) -> Result<regex::Regex> {
    regex::RegexBuilder::new(pattern)
        .case_insensitive(flags.contains('i'))
        .size_limit(TEXT_BYTES_MAX)
        .dot_matches_new_line(true)
        .build()
        .map_err(|_| refuse("2201B", "invalid regular expression"))
}

fn regexp_replace(text: &str, from: &str, to: &str, flags: &str) -> Result<Datum> {
    if !flags.chars().all(|flag| matches!(flag, 'g' | 'i')) {
        return Err(unsupported(format!("the flags \"{flags}\" of a regular expression")));
    }
    let pattern = pattern(from, flags)?;
    // Postgres writes groups as \1 and the whole match as \&.
    let mut template = String::with_capacity(to.len());
    let mut characters = to.chars();
    while let Some(character) = characters.next() {
        match character {
            '$' => template.push_str("$$"),
            '\\' => match characters.next() {
                Some('&') => template.push_str("${0}"),
                Some(digit @ '1'..='9') => template.push_str(&format!("${{{digit}}}")),
                Some('$') => template.push_str("$$"),
                Some(other) => template.push(other),
                None => template.push('\\'),
            },
            other => template.push(other),
        }
    }
    let limit = if flags.contains('g') { 0 } else { 1 };
    bounded(pattern.replacen(text, limit, template.as_str()).into_owned())
}
