//! JSON as Postgres understands it: `json` is checked and kept, `jsonb` is taken apart.
//!
//! Printing a [`Json`] gives Postgres' canonical `jsonb` text: keys ordered by length and then bytes, the last of
//! equal keys, numbers as exact decimals, one space after `:` and `,`.

use std::fmt;

use super::TextError;
use crate::limits::JSON_DEPTH_MAX;

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
        let mut parser = Parser { text, at: 0, canonical: true };
        let value = parser.value(0)?;
        parser.finish()?;
        Ok(value)
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
            Json::String(text) => formatter.write_str(&quote(text)),
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
                    write!(formatter, "{}{}: {value}", if index > 0 { ", " } else { "" }, quote(key))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// A JSON string with quotes, escaped as Postgres does: only what must be.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Checks that a text is JSON, as the input of `json` does.
pub fn check(text: &str) -> Result<(), TextError> {
    parse_json(text).map(|_| ())
}

/// Reads a `json`: like `jsonb`, but numbers stay as written, escapes of NUL are allowed and become U+FFFD.
pub fn parse_json(text: &str) -> Result<Json, TextError> {
    let mut parser = Parser { text, at: 0, canonical: false };
    let value = parser.value(0)?;
    parser.finish()?;
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    canonical: bool,
}

impl Parser<'_> {
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
        if depth > JSON_DEPTH_MAX {
            return Err(TextError::new("54001", "the JSON text is nested too deeply"));
        }
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
            elements.push(self.value(depth + 1)?);
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
            let key = self.string()?;
            if !self.eat(b':') {
                return Err(self.wrong());
            }
            members.push((key, self.value(depth + 1)?));
            if self.eat(b'}') {
                return Ok(if self.canonical { Json::object(members) } else { Json::Object(members) });
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
        if self.canonical { plain_decimal(written).map(Json::Number) } else { Ok(Json::Number(written.to_owned())) }
    }

    fn string(&mut self) -> Result<String, TextError> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return Err(self.wrong());
            };
            value.push_str(&rest[..end]);
            self.at += end + 1;
            match rest.as_bytes()[end] {
                b'"' => return Ok(value),
                b'\\' => self.escape(&mut value)?,
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self, value: &mut String) -> Result<(), TextError> {
        let byte = self.text.as_bytes().get(self.at).copied().ok_or_else(|| self.wrong())?;
        self.at += 1;
        value.push(match byte {
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
        });
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, TextError> {
        let first = self.code_unit()?;
        if first == 0 {
            if !self.canonical {
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

/// Most digits of a number in a `jsonb`: an exponent must not blow a few bytes up to gigabytes.
const NUMBER_DIGITS_MAX: i64 = 2_000;

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
    if exponent.saturating_abs() > NUMBER_DIGITS_MAX || (written.len() as i64) > NUMBER_DIGITS_MAX * 8 {
        return Err(TextError::new("22003", "value overflows numeric format"));
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
    Ok(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
