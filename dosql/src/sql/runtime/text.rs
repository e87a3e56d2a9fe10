//! Functions of texts. Positions count characters from 1.

use lake_dialect::{SqlError, sqlstate};
use rusqlite::types::{Value as SqliteValue, ValueRef};

use super::{Registry, blob_of, boolean, fits, int_of, integer, str_of, string};
use crate::budget::StepBudget;

/// The characters from `start` on, `count` of them or all.
fn slice(text: &str, start: i64, count: Option<i64>) -> Result<&str, SqlError> {
    if count.is_some_and(|count| count < 0) {
        return Err(SqlError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let end = count.map(|count| start.saturating_add(count));
    let from = start.max(1);
    let take = end.map_or(i64::MAX, |end| (end - from).max(0));
    let rest = &text[place(text, from - 1)..];
    Ok(&rest[..place(rest, take)])
}

/// Where the characters after the first `count` begin.
fn place(text: &str, count: i64) -> usize {
    text.char_indices().nth(count as usize).map_or(text.len(), |(at, _)| at)
}

/// A text of these characters, which can have more bytes than those they were made of.
fn collected(characters: impl Iterator<Item = char>) -> Result<SqliteValue, SqlError> {
    let mut text = String::new();
    for character in characters {
        fits(text.len() + character.len_utf8())?;
        text.push(character);
    }
    Ok(string(text))
}

fn pad(a: &[ValueRef<'_>], left: bool) -> Result<SqliteValue, SqlError> {
    let (text, length) = (str_of(a, 0)?, int_of(a, 1)?.max(0) as usize);
    let fill = if a.len() > 2 { str_of(a, 2)? } else { " " };
    fits(length.saturating_mul(4))?;
    let count = text.chars().count();
    if count >= length || fill.is_empty() {
        return Ok(string(text.chars().take(length).collect::<String>()));
    }
    let padding = fill.chars().cycle().take(length - count).collect::<String>();
    Ok(string(if left { padding + text } else { text.to_owned() + &padding }))
}

fn trim(a: &[ValueRef<'_>], left: bool, right: bool, budget: &StepBudget) -> Result<SqliteValue, SqlError> {
    let mut text = str_of(a, 0)?;
    let characters = if a.len() > 1 { str_of(a, 1)? } else { " " };
    budget.charge(text.len() as u64 * characters.len() as u64)?;
    let is_trimmed = |character: char| characters.contains(character);
    if left {
        text = text.trim_start_matches(is_trimmed);
    }
    if right {
        text = text.trim_end_matches(is_trimmed);
    }
    Ok(string(text))
}

/// Refuses a text some of whose bytes are written twice.
fn fits_doubled(text: &str, is_doubled: impl Fn(u8) -> bool) -> Result<(), SqlError> {
    fits(text.len() + text.bytes().filter(|byte| is_doubled(*byte)).count())
}

/// Upper and lower case character by character, as Postgres' C.UTF-8 does: one character stays one.
fn single(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(character), None) => character,
        _ => original,
    }
}

fn upper(character: char) -> char {
    single(character.to_uppercase(), character)
}

pub(super) fn lower(character: char) -> char {
    single(character.to_lowercase(), character)
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.strict("pg_lower", 1, |a| collected(str_of(a, 0)?.chars().map(lower)))?;
    registry.strict("pg_upper", 1, |a| collected(str_of(a, 0)?.chars().map(upper)))?;
    registry.strict("pg_initcap", 1, |a| {
        let mut inside = false;
        let capitalised = str_of(a, 0)?.chars().map(|character| {
            let mapped = if inside { lower(character) } else { upper(character) };
            inside = character.is_alphanumeric();
            mapped
        });
        collected(capitalised)
    })?;
    registry
        .strict("pg_ascii", 1, |a| Ok(integer(str_of(a, 0)?.chars().next().map_or(0, |c| i64::from(u32::from(c))))))?;
    registry.strict("pg_chr", 1, |a| {
        let code = int_of(a, 0)?;
        match u32::try_from(code).ok().and_then(char::from_u32) {
            Some('\0') => Err(SqlError::new(sqlstate::PROGRAM_LIMIT, "null character not permitted")),
            Some(character) => Ok(string(character)),
            None => Err(SqlError::new(
                sqlstate::PROGRAM_LIMIT,
                format!("requested character not valid for encoding: {code}"),
            )),
        }
    })?;
    registry.strict("pg_substring", -1, |a| {
        let count = if a.len() > 2 { Some(int_of(a, 2)?) } else { None };
        Ok(string(slice(str_of(a, 0)?, int_of(a, 1)?, count)?))
    })?;
    registry.strict("pg_bytea_substring", -1, |a| {
        let (bytes, start) = (blob_of(a, 0)?, int_of(a, 1)?);
        let end = if a.len() > 2 {
            let count = int_of(a, 2)?;
            if count < 0 {
                return Err(SqlError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
            }
            start.saturating_add(count)
        } else {
            i64::MAX
        };
        let length = bytes.len() as i64;
        let from = (start.max(1) - 1).min(length);
        let to = (end.max(1) - 1).min(length).max(from);
        Ok(SqliteValue::Blob(bytes[from as usize..to as usize].to_vec()))
    })?;
    registry.strict("pg_bytea_concat", 2, |a| {
        let (left, right) = (blob_of(a, 0)?, blob_of(a, 1)?);
        fits(left.len() + right.len())?;
        Ok(SqliteValue::Blob([left, right].concat()))
    })?;
    registry.strict("pg_left", 2, |a| {
        let (text, count) = (str_of(a, 0)?, int_of(a, 1)?);
        let take = if count >= 0 { count } else { (text.chars().count() as i64 + count).max(0) };
        Ok(string(text.chars().take(take as usize).collect::<String>()))
    })?;
    registry.strict("pg_right", 2, |a| {
        let (text, count) = (str_of(a, 0)?, int_of(a, 1)?);
        let skip = if count >= 0 { (text.chars().count() as i64 - count).max(0) } else { -count };
        Ok(string(text.chars().skip(skip as usize).collect::<String>()))
    })?;
    registry.strict("pg_lpad", -1, |a| pad(a, true))?;
    registry.strict("pg_rpad", -1, |a| pad(a, false))?;
    for (name, left, right) in [("pg_btrim", true, true), ("pg_ltrim", true, false), ("pg_rtrim", false, true)] {
        let budget = registry.budget.clone();
        registry.strict(name, -1, move |a| trim(a, left, right, &budget))?;
    }
    registry.strict("pg_replace", 3, |a| {
        let (text, from, to) = (str_of(a, 0)?, str_of(a, 1)?, str_of(a, 2)?);
        if from.is_empty() {
            return Ok(string(text));
        }
        let all_replaced = (text.len() / from.len()).saturating_mul(to.len()).saturating_add(text.len() % from.len());
        fits(text.len().max(all_replaced))?;
        Ok(string(text.replace(from, to)))
    })?;
    let budget = registry.budget.clone();
    registry.strict("pg_translate", 3, move |a| {
        let (text, from, to) = (str_of(a, 0)?, str_of(a, 1)?, str_of(a, 2)?);
        budget.charge(text.len() as u64 * from.len() as u64)?;
        let translated = text.chars().filter_map(|character| match from.chars().position(|c| c == character) {
            None => Some(character),
            Some(index) => to.chars().nth(index),
        });
        collected(translated)
    })?;
    registry.strict("pg_repeat", 2, |a| {
        let (text, count) = (str_of(a, 0)?, int_of(a, 1)?.max(0) as usize);
        fits(text.len().saturating_mul(count))?;
        Ok(string(text.repeat(count)))
    })?;
    registry.strict("pg_reverse", 1, |a| Ok(string(str_of(a, 0)?.chars().rev().collect::<String>())))?;
    registry.strict("pg_strpos", 2, |a| {
        let text = str_of(a, 0)?;
        let found = text.find(str_of(a, 1)?).map_or(0, |at| text[..at].chars().count() as i64 + 1);
        Ok(integer(found))
    })?;
    registry.strict("pg_starts_with", 2, |a| Ok(boolean(str_of(a, 0)?.starts_with(str_of(a, 1)?))))?;
    registry.strict("pg_split_part", 3, |a| {
        let (text, separator, number) = (str_of(a, 0)?, str_of(a, 1)?, int_of(a, 2)?);
        if number == 0 {
            return Err(SqlError::new(sqlstate::INVALID_PARAMETER, "field position must not be zero"));
        }
        if separator.is_empty() || text.is_empty() {
            return Ok(string(if number == 1 || number == -1 { text } else { "" }));
        }
        let parts = || text.split(separator);
        let index = if number > 0 { number - 1 } else { parts().count() as i64 + number };
        Ok(string(usize::try_from(index).ok().and_then(|index| parts().nth(index)).unwrap_or("")))
    })?;
    registry.strict("pg_overlay", -1, |a| {
        let (text, new, from) = (str_of(a, 0)?, str_of(a, 1)?, int_of(a, 2)?);
        let count = if a.len() > 3 { int_of(a, 3)? } else { new.chars().count() as i64 };
        if from < 1 {
            return Err(SqlError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
        }
        let head = slice(text, 1, Some(from - 1))?;
        // A negative count repeats what is before the place.
        let tail = slice(text, from.saturating_add(count), None)?;
        fits(head.len() + new.len() + tail.len())?;
        Ok(string([head, new, tail].concat()))
    })?;
    registry.strict("pg_to_hex4", 1, |a| Ok(string(format!("{:x}", int_of(a, 0)? as i32))))?;
    registry.strict("pg_to_hex8", 1, |a| Ok(string(format!("{:x}", int_of(a, 0)?))))?;
    registry.strict("pg_quote_literal", 1, |a| {
        fits_doubled(str_of(a, 0)?, |byte| matches!(byte, b'\'' | b'\\'))?;
        let quoted = str_of(a, 0)?.replace('\'', "''");
        Ok(string(if quoted.contains('\\') {
            format!("E'{}'", quoted.replace('\\', "\\\\"))
        } else {
            format!("'{quoted}'")
        }))
    })?;
    registry.strict("pg_quote_ident", 1, |a| {
        let name = str_of(a, 0)?;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if plain {
            // Whether it is a keyword is Postgres' list; quoting a word that needs none changes nothing.
            return Ok(string(name));
        }
        fits_doubled(name, |byte| byte == b'"')?;
        Ok(string(format!("\"{}\"", name.replace('"', "\"\""))))
    })?;
    registry.any("pg_concat", -1, |a| concat(a, ""))?;
    registry.any("pg_concat_ws", -1, |a| match a.first() {
        None | Some(ValueRef::Null) => Ok(SqliteValue::Null),
        Some(_) => concat(&a[1..], str_of(a, 0)?),
    })?;
    registry.strict("pg_encode", 2, |a| {
        let bytes = blob_of(a, 0)?;
        match str_of(a, 1)? {
            "hex" => {
                fits(bytes.len() * 2)?;
                Ok(string(lake_cdc::text::print_bytea(bytes).split_off(2)))
            }
            other => Err(SqlError::unsupported(format!("encoding {other} of encode()"))),
        }
    })?;
    registry.strict("pg_decode", 2, |a| match str_of(a, 1)? {
        "hex" => super::super::input::parse(&super::super::pg_type::PgType::Bytea, &format!("\\x{}", str_of(a, 0)?)),
        other => Err(SqlError::unsupported(format!("encoding {other} of decode()"))),
    })
}

fn concat(arguments: &[ValueRef<'_>], separator: &str) -> Result<SqliteValue, SqlError> {
    let mut parts = Vec::new();
    let mut bytes = 0;
    for (index, argument) in arguments.iter().enumerate() {
        if *argument != ValueRef::Null {
            let part = str_of(arguments, index)?;
            bytes += part.len() + separator.len();
            parts.push(part);
        }
    }
    fits(bytes)?;
    Ok(string(parts.join(separator)))
}
