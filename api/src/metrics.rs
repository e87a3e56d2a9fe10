//! `/metrics`: the numbers of a status answer in Prometheus' text format.
//!
//! Metrics are the status seen once more, so there is one place where a number is made. Objects in lists become a label:
//! `{"shards": [{"name": "a", "acceptedLsn": "3"}]}` is `lake_shards_accepted_lsn{name="a"} 3`.

use std::fmt::Write;

use serde_json::Value;

/// Every number (also decimal strings) below `status`, one line each, named by its path.
pub fn from_status(status: &Value) -> String {
    let mut text = String::new();
    walk("lake", None, status, &mut text);
    text
}

fn walk(path: &str, label: Option<&str>, value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                walk(&format!("{path}_{}", snake_case(name)), label, field, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let name = item.get("name").and_then(Value::as_str);
                walk(path, name.or(label), item, text);
            }
        }
        Value::Number(number) => line(path, label, &number.to_string(), text),
        Value::Bool(flag) => line(path, label, if *flag { "1" } else { "0" }, text),
        Value::String(digits)
            if !digits.is_empty() && digits.len() < 21 && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            line(path, label, digits, text);
        }
        Value::String(_) | Value::Null => {}
    }
}

fn line(path: &str, label: Option<&str>, number: &str, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match label {
        Some(name) => {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            writeln!(text, "{path}{{name=\"{name}\"}} {number}")
        }
        None => writeln!(text, "{path} {number}"),
    };
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        match character {
            'A'..='Z' => {
                snake.push('_');
                snake.push(character.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' | '_' => snake.push(character),
            _ => snake.push('_'),
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_lines_and_names_become_labels() {
        let status = serde_json::json!({
            "tailBytes": 5,
            "position": "9007199254740993",
            "build": "0.1.0",
            "shards": [{"name": "a\"b", "acceptedLsn": "3", "open": true}],
        });
        let text = from_status(&status);
        let mut lines = text.lines().collect::<Vec<_>>();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "lake_position 9007199254740993",
                "lake_shards_accepted_lsn{name=\"a\\\"b\"} 3",
                "lake_shards_open{name=\"a\\\"b\"} 1",
                "lake_tail_bytes 5",
            ]
        );
    }
}
