//! `bytea` and `uuid`.

use super::TextError;
use super::number::SPACES;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

/// `\x…` with spaces between bytes, or the older form with `\\` and `\ooo`.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, TextError> {
    if let Some(hexadecimal) = text.strip_prefix("\\x") {
        return parse_hexadecimal(hexadecimal);
    }
    let mut value = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        (value, rest) = match (byte, tail) {
            (b'\\', [b'\\', tail @ ..]) => (pushed(value, b'\\'), tail),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                (pushed(value, ((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0')), tail)
            }
            (b'\\', _) => return Err(TextError::new("22P02", "invalid input syntax for type bytea")),
            (byte, tail) => (pushed(value, *byte), tail),
        };
    }
    Ok(value)
}

fn pushed(mut value: Vec<u8>, byte: u8) -> Vec<u8> {
    value.push(byte);
    value
}

fn parse_hexadecimal(text: &str) -> Result<Vec<u8>, TextError> {
    let mut value = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for character in text.chars() {
        if high.is_none() && SPACES.contains(&character) {
            continue;
        }
        let digit = character.to_digit(16).map(|digit| digit as u8).ok_or_else(|| {
            // Postgres has 22023 for both mistakes.
            TextError::new("22023", format!("invalid hexadecimal digit: \"{character}\""))
        })?;
        high = match high {
            None => Some(digit),
            Some(high) => {
                value.push((high << 4) | digit);
                None
            }
        };
    }
    match high {
        None => Ok(value),
        Some(_) => Err(TextError::new("22023", "invalid hexadecimal data: odd number of digits")),
    }
}

pub(super) fn print(value: &[u8]) -> String {
    let mut text = String::with_capacity(2 + value.len() * 2);
    text.push_str("\\x");
    push_hexadecimal(&mut text, value);
    text
}

fn push_hexadecimal(text: &mut String, value: &[u8]) {
    for byte in value {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Thirty-two digits, with a hyphen after any group of four, and braces around them.
pub(super) fn parse_uuid(text: &str) -> Result<[u8; 16], TextError> {
    let invalid = || TextError::syntax("uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut value = [0u8; 16];
    let mut count = 0;
    let mut after_hyphen = true;
    for byte in inner.bytes() {
        if byte == b'-' {
            if after_hyphen || count % 4 != 0 || count == 32 {
                return Err(invalid());
            }
            after_hyphen = true;
            continue;
        }
        let digit = digit(byte).ok_or_else(invalid)?;
        let slot = value.get_mut(count / 2).ok_or_else(invalid)?;
        *slot = (*slot << 4) | digit;
        count += 1;
        after_hyphen = false;
    }
    if count == 32 { Ok(value) } else { Err(invalid()) }
}

pub(super) fn print_uuid(value: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if index > 0 {
            text.push('-');
        }
        push_hexadecimal(&mut text, &value[range]);
    }
    text
}
