//! The little XML of S3: what answers need, and the two bodies that requests have.
//!
//! Reading is strict on purpose: elements, text, the five named entities and numbers. A document type, a comment, a
//! processing instruction or anything else that means different things to different readers is refused.

use super::FacadeError;
use crate::limits::{XML_DEPTH_MAX, XML_ELEMENTS_MAX};

/// Begins every answer.
pub(super) const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// S3's namespace, as an attribute of the outermost element.
pub(super) const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// Text for an element.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no way to write other control characters.
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An element of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without the prefix of its namespace.
    pub(super) name: String,
    /// All text directly in it.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text of the first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
    }
}

/// Reads a body whose outermost element has this name.
pub(super) fn parse(body: &[u8], name: &str) -> Result<Element, FacadeError> {
    let text = std::str::from_utf8(body).map_err(|_| FacadeError::MalformedXml)?;
    let root = read(text).ok_or(FacadeError::MalformedXml)?;
    if root.name == name { Ok(root) } else { Err(FacadeError::MalformedXml) }
}

fn read(text: &str) -> Option<Element> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let mut rest = match text.strip_prefix("<?xml") {
        Some(declared) => declared.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0;
    loop {
        let (before, tag) = rest.split_once('<')?;
        match open.last_mut() {
            Some(element) => element.text.push_str(&unescape(before)?),
            None if before.is_empty() => {}
            None => return None,
        }
        let (tag, after) = split_tag(tag)?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().filter(|element| element.name == local(name.trim_end()))?;
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None => return rest.is_empty().then_some(closed),
            }
            continue;
        }
        let (tag, is_empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name = tag.split_ascii_whitespace().next()?;
        let is_name = |character: char| character.is_ascii_alphanumeric() || ":_-".contains(character);
        elements += 1;
        let is_bounded = open.len() < XML_DEPTH_MAX && elements <= XML_ELEMENTS_MAX;
        if !tag.starts_with(name) || !name.chars().all(is_name) || !is_bounded {
            return None;
        }
        let element = Element { name: local(name).to_owned(), ..Element::default() };
        match (is_empty, open.last_mut()) {
            (false, _) => open.push(element),
            (true, Some(parent)) => parent.children.push(element),
            (true, None) => return rest.is_empty().then_some(element),
        }
    }
}

/// What stands between `<` and the `>` that ends it, and what follows. A `>` in an attribute's value ends nothing.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(character),
            (None, '<') => return None,
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('&');
    plain.push_str(parts.next()?);
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse::<u32>(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        plain.push_str(after);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = read(text);
        assert_eq!(read.as_ref().and_then(|root| root.child("b")), expected, "{text}: {read:?}");
    }

    #[test]
    fn elements_with_text_are_read() {
        check("<a><b>x</b></a>", Some("x"));
        check(
            "<?xml version=\"1.0\"?>\n<a xmlns=\"http://x/>\"> <b>x &lt;&#38;&#x2f;&quot;</b> </a>\n",
            Some("x <&/\""),
        );
        check("<s3:a xmlns:s3='x'><s3:b>x</s3:b></s3:a>", Some("x"));
        check("<a><b/></a>", Some(""));
        check("<a><c><b>x</b></c></a>", None);
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a></a><b></b>",
            "<a></a>x",
            "<a><!-- b --></a>",
            "<a><![CDATA[x]]></a>",
            "<a>&b;</a>",
            "<!DOCTYPE a [<!ENTITY b \"x\">]><a>&b;</a>",
            "<a><?b?></a>",
            "<a>&#xd800;</a>",
            "< a></a>",
            "<a><b></a></b>",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"<a>".repeat(1_000)), None);
    }

    #[test]
    fn elements_are_counted() {
        let of = |elements: usize| read(&format!("<a>{}</a>", "<b/>".repeat(elements - 1)));
        assert_eq!(of(XML_ELEMENTS_MAX).map(|root| root.children.len()), Some(XML_ELEMENTS_MAX - 1));
        assert_eq!(of(XML_ELEMENTS_MAX + 1), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[<>/&;#x!?\"'ab: ]{0,60}", other in ".{0,60}") {
            let _read_or_refused = (read(&text), read(&other));
        }

        #[test]
        fn what_is_written_reads_back(text in "[^\\p{Cc}\u{feff}]{0,20}") {
            let root = read(&format!("<a><b>{}</b></a>", escape(&text))).unwrap();
            prop_assert_eq!(root.child("b"), Some(text.as_str()));
        }
    }
}
