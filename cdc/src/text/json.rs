//! JSON as Postgres understands it: `json` is checked and kept, `jsonb` is taken apart.
//!
//! Printing a [`Json`] gives Postgres' canonical `jsonb` text: keys ordered by length and then bytes, the last of
//! equal keys, numbers as exact decimals, one space after `:` and `,`.

use std::fmt::{self, Write as _};

use super::TextError;
use crate::limits::{JSON_DEPTH_MAX, JSON_EXPONENT_MAX, JSON_GROWTH_BYTES_MAX, JSON_NUMBER_BYTES_MAX, JSON_VALUES_MAX};

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Decimal digits without an exponent, as Postgres' numeric prints them.
    Number(String),
    /// A string without its quotes and escapes.
    String(String),
    /// Elements in order.
    Array(Vec<Json>),
    /// Members in canonical order, each key once.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a `jsonb`.
    pub fn parse_jsonb(text: &str) -> Result<Json, TextError> {
        Parser::new(text, Reading::Jsonb).read()
    }

    /// Refuses what grew beyond what can be read again.
    pub fn bounded(self) -> Result<Json, TextError> {
        if self.count(0)? > JSON_VALUES_MAX { Err(too_many_values()) } else { Ok(self) }
    }

    /// Values and keys in it, which is itself so deep in another one.
    fn count(&self, depth: usize) -> Result<usize, TextError> {
        expect_depth(depth)?;
        let mut count = 1;
        match self {
            Json::Array(elements) => {
                for element in elements {
                    count += element.count(depth + 1)?;
                }
            }
            Json::Object(members) => {
                for (_, value) in members {
                    count += 1 + value.count(depth + 1)?;
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
        Ok(count)
    }

    /// What `json_typeof` calls it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// `json_array_length`
    pub fn array_length(&self) -> Result<usize, TextError> {
        match self {
            Json::Array(elements) => Ok(elements.len()),
            Json::Object(_) => Err(TextError::new("22023", "cannot get array length of a non-array")),
            _ => Err(TextError::new("22023", "cannot get array length of a scalar")),
        }
    }

    /// The members in canonical order; of equal keys the last stays.
    pub fn object(mut members: Vec<(String, Json)>) -> Json {
        members.reverse();
        // The sort is stable, so the last of equal keys is the first now.
        members.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
        members.dedup_by(|later, first| later.0 == first.0);
        Json::Object(members)
    }

    /// The member of this name, if it is an object.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => formatter.write_str("null"),
            Json::Bool(value) => write!(formatter, "{value}"),
            Json::Number(digits) => formatter.write_str(digits),
            Json::String(text) => write_quoted(formatter, text),
            Json::Array(elements) => {
                formatter.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    formatter.write_str(if index > 0 { ", " } else { "" })?;
                    element.fmt(formatter)?;
                }
                formatter.write_str("]")
            }
            Json::Object(members) => {
                formatter.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    formatter.write_str(if index > 0 { ", " } else { "" })?;
                    write_quoted(formatter, key)?;
                    write!(formatter, ": {value}")?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// A JSON string with quotes, escaped as Postgres does: only what must be.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    // A String takes everything.
    let _ = write_quoted(&mut quoted, text);
    quoted
}

fn write_quoted(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            control if control < ' ' => write!(out, "\\u{:04x}", control as u32)?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

/// Checks that a text is JSON, as the input of `json` does. Nothing of it is kept in memory.
pub fn check(text: &str) -> Result<(), TextError> {
    Parser::new(text, Reading::Check).read().map(|_| ())
}

/// Reads a `json`: like `jsonb`, but numbers stay as written, escapes of NUL are allowed and become U+FFFD.
pub fn parse_json(text: &str) -> Result<Json, TextError> {
    Parser::new(text, Reading::Json).read()
}

/// The canonical text of a `jsonb`.
pub fn canonical(text: &str) -> Result<String, TextError> {
    let json = Json::parse_jsonb(text)?;
    // Doubling on the way to its length, it would take three times that.
    let mut canonical = String::with_capacity(text.len() + text.len() / 4);
    let _ = write!(canonical, "{json}");
    Ok(canonical)
}

fn too_many_values() -> TextError {
    TextError::new("54000", format!("a JSON text has at most {JSON_VALUES_MAX} values and keys"))
}

fn expect_depth(depth: usize) -> Result<(), TextError> {
    if depth > JSON_DEPTH_MAX {
        return Err(TextError::new("54001", "the JSON text is nested too deeply"));
    }
    Ok(())
}

/// What becomes of what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nothing.
    Check,
    /// A `json`.
    Json,
    /// A `jsonb`.
    Jsonb,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    reading: Reading,
    /// Values and keys so far.
    values: usize,
    /// Bytes by which numbers grew.
    growth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, reading: Reading) -> Parser<'a> {
        Parser { text, at: 0, reading, values: 0, growth: 0 }
    }

    fn read(mut self) -> Result<Json, TextError> {
        let value = self.value(0)?;
        self.finish()?;
        Ok(value)
    }

    /// False if what is read is only looked at.
    fn keeps(&self) -> bool {
        self.reading != Reading::Check
    }

    fn count_value(&mut self) -> Result<(), TextError> {
        self.values += 1;
        if self.keeps() && self.values > JSON_VALUES_MAX { Err(too_many_values()) } else { Ok(()) }
    }

    fn wrong(&self) -> TextError {
        TextError::new("22P02", "invalid input syntax for type json")
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn finish(mut self) -> Result<(), TextError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong()),
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, TextError> {
        expect_depth(depth)?;
        self.count_value()?;
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.wrong()),
        }
    }

    fn word(&mut self) -> Result<Json, TextError> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return match self.text.as_bytes().get(self.at) {
                    Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => Err(self.wrong()),
                    _ => Ok(value),
                };
            }
        }
        Err(self.wrong())
    }

    fn array(&mut self, depth: usize) -> Result<Json, TextError> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.eat(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            let value = self.value(depth + 1)?;
            if self.keeps() {
                elements.push(value);
            }
            if self.eat(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.eat(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, TextError> {
        self.at += 1;
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            self.count_value()?;
            let key = self.string()?;
            if !self.eat(b':') {
                return Err(self.wrong());
            }
            let value = self.value(depth + 1)?;
            if self.keeps() {
                members.push((key, value));
            }
            if self.eat(b'}') {
                let is_canonical = self.reading == Reading::Jsonb;
                return Ok(if is_canonical { Json::object(members) } else { Json::Object(members) });
            }
            if !self.eat(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, TextError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes[self.at] == b'-');
        let first = self.at;
        let whole = self.digits();
        if whole == 0 || (whole > 1 && bytes[first] == b'0') {
            return Err(self.wrong());
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.wrong());
            }
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.wrong());
            }
        }
        if bytes.get(self.at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')) {
            return Err(self.wrong());
        }
        let written = &self.text[start..self.at];
        match self.reading {
            Reading::Check => Ok(Json::Null),
            Reading::Json => Ok(Json::Number(written.to_owned())),
            Reading::Jsonb => {
                let plain = plain_decimal(written)?;
                self.growth += plain.len().saturating_sub(written.len());
                if self.growth > JSON_GROWTH_BYTES_MAX {
                    return Err(TextError::new("54000", "the numbers of a jsonb have too many digits"));
                }
                Ok(Json::Number(plain))
            }
        }
    }

    fn keep(&self, value: &mut String, part: &str) {
        if self.keeps() {
            value.push_str(part);
        }
    }

    fn string(&mut self) -> Result<String, TextError> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return Err(self.wrong());
            };
            self.keep(&mut value, &rest[..end]);
            self.at += end + 1;
            match rest.as_bytes()[end] {
                b'"' => return Ok(value),
                b'\\' => {
                    let character = self.escape()?;
                    self.keep(&mut value, character.encode_utf8(&mut [0; 4]));
                }
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, TextError> {
        let byte = self.text.as_bytes().get(self.at).copied().ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(self.wrong()),
        })
    }

    fn unicode(&mut self) -> Result<char, TextError> {
        let first = self.code_unit()?;
        if first == 0 {
            if self.reading != Reading::Jsonb {
                return Ok(char::REPLACEMENT_CHARACTER);
            }
            return Err(TextError::new("22P05", "unsupported Unicode escape sequence"));
        }
        let code = if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return Err(self.wrong());
            }
            self.at += 2;
            let second = self.code_unit()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.wrong());
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.wrong())
    }

    fn code_unit(&mut self) -> Result<u32, TextError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.wrong())?;
        self.at += 4;
        Ok(value)
    }
}

/// Without an exponent; zero has no sign.
fn plain_decimal(written: &str) -> Result<String, TextError> {
    let (negative, unsigned) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(i64::MAX)),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let overflow = || TextError::new("22003", "value overflows numeric format");
    if exponent.saturating_abs() > JSON_EXPONENT_MAX || written.len() > JSON_NUMBER_BYTES_MAX {
        return Err(overflow());
    }
    let mut digits = format!("{whole}{fraction}");
    let mut point = whole.len() as i64 + exponent;
    if point <= 0 {
        digits = format!("{}{digits}", "0".repeat((1 - point) as usize));
        point = 1;
    }
    if point as usize > digits.len() {
        digits.push_str(&"0".repeat(point as usize - digits.len()));
    }
    let (whole, fraction) = digits.split_at(point as usize);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        other => other,
    };
    let sign = if negative && digits.bytes().any(|byte| byte != b'0') { "-" } else { "" };
    let plain = if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    if plain.len() > JSON_NUMBER_BYTES_MAX { Err(overflow()) } else { Ok(plain) }
}
