//! A request and its answer, each in one call between wasm and JavaScript. What is asked most often goes through here;
//! the types of `worker` make a call for each header.

use std::ops::Range;

use wasm_bindgen::prelude::*;
use worker::Result;
use worker::web_sys::{Request, Response};

#[wasm_bindgen(module = "/src/exchange.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn read(request: &Request, names: &js_sys::Array) -> std::result::Result<String, JsValue>;

    #[wasm_bindgen(catch)]
    fn answer(status: u16, lines: &str, body: Option<&[u8]>) -> std::result::Result<Response, JsValue>;
}

/// The headers that are read of a request. Made once: names cross into JavaScript only then.
pub struct HeaderNames {
    names: &'static [&'static str],
    known: js_sys::Array,
}

/// What was read of a request.
pub struct RequestHead {
    names: &'static [&'static str],
    text: String,
    /// Where each line of the text begins and ends.
    lines: Vec<Range<usize>>,
}

impl HeaderNames {
    /// Names in lower case.
    pub fn new(names: &'static [&'static str]) -> HeaderNames {
        HeaderNames { names, known: names.iter().map(|name| JsValue::from_str(name)).collect() }
    }

    /// Reads the method, the address and the named headers.
    pub fn read(&self, request: &Request) -> Result<RequestHead> {
        RequestHead::of(self.names, read(request, &self.known)?)
            .ok_or_else(|| worker::Error::RustError("a header holds a line break".to_owned()))
    }
}

impl RequestHead {
    /// `None` if it has another number of lines: a value with a line break in it would stand for another header.
    fn of(names: &'static [&'static str], text: String) -> Option<RequestHead> {
        let mut lines = Vec::with_capacity(names.len() + 2);
        let mut start = 0;
        for line in text.split('\n') {
            lines.push(start..start + line.len());
            start += line.len() + 1;
        }
        (lines.len() == names.len() + 2).then_some(RequestHead { names, text, lines })
    }

    /// `GET`, `HEAD`, ….
    pub fn method(&self) -> &str {
        self.line(0)
    }

    /// The whole address.
    pub fn url(&self) -> &str {
        self.line(1)
    }

    /// The value of a header, if it is one of the names and was sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.line(at + 2).strip_prefix('=')
    }

    fn line(&self, at: usize) -> &str {
        self.lines.get(at).and_then(|line| self.text.get(line.clone())).unwrap_or_default()
    }
}

/// An answer with these headers; `None` for the body of one that has none (204, 304).
pub fn respond<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: Option<&[u8]>,
) -> Result<Response> {
    let mut lines = String::new();
    for (name, value) in headers {
        if value.contains(['\n', '\r', '\0']) {
            return Err(worker::Error::RustError(format!("the value of {name} holds a line break")));
        }
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push_str(name);
        lines.push(':');
        lines.push_str(value);
    }
    Ok(answer(status, &lines, body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["authorization", "if-none-match"];

    #[test]
    fn a_header_that_was_not_sent_is_told_from_an_empty_one() {
        let head = RequestHead::of(NAMES, "GET\nhttp://a/b?c=d\n\n=".to_owned()).unwrap();
        assert_eq!((head.method(), head.url()), ("GET", "http://a/b?c=d"));
        assert_eq!((head.header("authorization"), head.header("if-none-match")), (None, Some("")));
    }

    #[test]
    fn a_value_is_what_was_sent_and_other_names_have_none() {
        let head = RequestHead::of(NAMES, "PUT\nhttp://a/\n=Basic a=b:c==\n=W/\"x\"".to_owned()).unwrap();
        assert_eq!(head.header("authorization"), Some("Basic a=b:c=="));
        assert_eq!(head.header("if-none-match"), Some("W/\"x\""));
        assert_eq!(head.header("host"), None);
    }

    #[test]
    fn a_value_with_a_line_break_is_refused() {
        assert!(RequestHead::of(NAMES, "GET\nhttp://a/\n=a\n=b\n".to_owned()).is_none());
        assert!(RequestHead::of(NAMES, "GET\nhttp://a/\n=a".to_owned()).is_none());
    }
}
