//! Integers and binary floating point.

use super::TextError;

/// What Postgres' input functions skip around a number.
pub(super) const SPACES: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

/// Decimal, or hexadecimal, octal and binary with a prefix; single underscores between digits.
pub(super) fn parse_integer<T: TryFrom<i128>>(text: &str, type_name: &str) -> Result<T, TextError> {
    let trimmed = text.trim_matches(SPACES);
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let mut value = 0i128;
    let mut last = if radix == 10 { b'_' } else { b'0' };
    let mut any = false;
    for byte in digits.bytes() {
        if byte == b'_' {
            if last == b'_' {
                return Err(TextError::syntax(type_name, text));
            }
        } else {
            let digit = char::from(byte).to_digit(radix).ok_or_else(|| TextError::syntax(type_name, text))?;
            any = true;
            // Saturates far outside of every integer type, so that the syntax of the rest is still checked.
            value = (value * i128::from(radix) + i128::from(digit)).min(1 << 100);
        }
        last = byte;
    }
    if !any || last == b'_' {
        return Err(TextError::syntax(type_name, text));
    }
    T::try_from(if negative { -value } else { value }).map_err(|_| {
        TextError::new("22003", format!("value \"{}\" is out of range for type {type_name}", super::shown(text)))
    })
}

/// The word or number in Rust's syntax, which has everything Postgres' has except hexadecimal.
fn float_text(text: &str, type_name: &str) -> Result<String, TextError> {
    let trimmed = text.trim_matches(SPACES).to_ascii_lowercase();
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(&trimmed);
    let valid = matches!(unsigned, "nan" | "inf" | "infinity")
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-')));
    if valid { Ok(trimmed) } else { Err(TextError::syntax(type_name, text)) }
}

/// True if a text that was read as zero or infinity has other digits than that.
fn is_out_of_range(text: &str, is_zero: bool, is_infinite: bool) -> bool {
    let mantissa = text.split('e').next().unwrap_or(text);
    (is_infinite && !text.contains("inf")) || (is_zero && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
}

pub(super) fn parse_float8(text: &str) -> Result<f64, TextError> {
    let lower = float_text(text, "double precision")?;
    let value = lower.parse::<f64>().map_err(|_| TextError::syntax("double precision", text))?;
    if is_out_of_range(&lower, value == 0.0, value.is_infinite()) {
        return Err(TextError::new(
            "22003",
            format!("\"{}\" is out of range for type double precision", super::shown(text)),
        ));
    }
    Ok(value)
}

pub(super) fn parse_float4(text: &str) -> Result<f32, TextError> {
    let lower = float_text(text, "real")?;
    let value = lower.parse::<f32>().map_err(|_| TextError::syntax("real", text))?;
    if is_out_of_range(&lower, value == 0.0, value.is_infinite()) {
        return Err(TextError::new("22003", format!("\"{}\" is out of range for type real", super::shown(text))));
    }
    Ok(value)
}

pub(super) fn print_float8(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    in_postgres_form(&format!("{value:e}"), 15)
}

pub(super) fn print_float4(value: f32) -> String {
    if value.is_nan() || value.is_infinite() {
        return print_float8(f64::from(value));
    }
    in_postgres_form(&format!("{value:e}"), 6)
}

/// Rust's shortest digits, placed as C's `%g` would with `fixed_digits` digits.
fn in_postgres_form(scientific: &str, fixed_digits: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    if exponent < -4 || exponent >= fixed_digits {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{direction}{:02}", exponent.abs());
    }
    let digits = mantissa.replace('.', "");
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}");
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}
