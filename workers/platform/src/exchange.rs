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
        let text = read(request, &self.known)?;
        let mut lines = Vec::with_capacity(self.names.len() + 2);
        let mut start = 0;
        for line in text.split('\n') {
            lines.push(start..start + line.len());
            start += line.len() + 1;
        }
        // A value with a line break in it would stand for another header.
        if lines.len() != self.names.len() + 2 {
            return Err(worker::Error::RustError("a header holds a line break".to_owned()));
        }
        Ok(RequestHead { names: self.names, text, lines })
    }
}

impl RequestHead {
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
