//! One-dimensional arrays: `{1,NULL,"a b"}`.

use super::{TextError, scalar};
use crate::column_type::ColumnType;
use crate::limits::ARRAY_ELEMENTS_MAX;
use crate::value::Value;

fn malformed(text: &str) -> TextError {
    TextError::new("22P02", format!("malformed array literal: \"{}\"", super::shown(text)))
}

pub(super) fn parse(element: &ColumnType, text: &str) -> Result<Value, TextError> {
    let trimmed = text.trim_matches(super::number::SPACES);
    let inner = trimmed.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(|| malformed(text))?;
    let mut elements = Vec::new();
    if inner.trim_matches(super::number::SPACES).is_empty() {
        return Ok(Value::Array(elements));
    }
    let mut characters = inner.chars().peekable();
    loop {
        if elements.len() >= ARRAY_ELEMENTS_MAX {
            return Err(TextError::new("54000", format!("an array has at most {ARRAY_ELEMENTS_MAX} elements")));
        }
        while characters.next_if(|c| super::number::SPACES.contains(c)).is_some() {}
        let mut item = String::new();
        let mut quoted = false;
        // Spaces at the end do not belong to an element, unless they were quoted or escaped.
        let mut kept = 0;
        let mut ended = false;
        loop {
            match characters.next() {
                None => {
                    ended = true;
                    break;
                }
                Some(',') => break,
                Some('"') => {
                    if quoted || !item.is_empty() {
                        return Err(malformed(text));
                    }
                    quoted = true;
                    loop {
                        match characters.next() {
                            None => return Err(malformed(text)),
                            Some('"') => break,
                            Some('\\') => item.push(characters.next().ok_or_else(|| malformed(text))?),
                            Some(other) => item.push(other),
                        }
                    }
                    kept = item.len();
                }
                Some('{') => {
                    return Err(TextError::new("0A000", "arrays of more than one dimension are not supported"));
                }
                Some('}') => return Err(malformed(text)),
                Some('\\') => {
                    item.push(characters.next().ok_or_else(|| malformed(text))?);
                    kept = item.len();
                }
                Some(space) if super::number::SPACES.contains(&space) => {
                    if !quoted {
                        item.push(space);
                    }
                }
                Some(_) if quoted => return Err(malformed(text)),
                Some(other) => {
                    item.push(other);
                    kept = item.len();
                }
            }
        }
        item.truncate(kept);
        if !quoted && item.is_empty() {
            return Err(malformed(text));
        }
        elements.push(if !quoted && item.eq_ignore_ascii_case("null") {
            Value::Null
        } else {
            scalar::parse(element, &item)?
        });
        if ended {
            return Ok(Value::Array(elements));
        }
    }
}

pub(super) fn print(elements: &[Value]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if element.is_null() {
            text.push_str("NULL");
        } else {
            push_quoted(&mut text, &super::print(element));
        }
    }
    text.push('}');
    text
}

fn push_quoted(text: &mut String, item: &str) {
    let needs_quotes = item.is_empty()
        || item.eq_ignore_ascii_case("null")
        || item.contains(['{', '}', ',', '"', '\\'])
        || item.contains(super::number::SPACES);
    if !needs_quotes {
        text.push_str(item);
        return;
    }
    text.push('"');
    for character in item.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}
