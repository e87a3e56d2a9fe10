//! Reading one object: ranges, conditions, and the header lines of the answer.

use std::collections::BTreeMap;

use lake_host::{ByteRange, ETag, ObjectInfo};

use super::time::http_date;
use super::{FacadeError, FacadeResponse};

/// A request for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The key in the store.
    pub key: String,
    /// Which bytes. `Full` for HEAD.
    pub range: ByteRange,
    /// `If-Match`: only these versions.
    pub if_match: Option<String>,
    /// `If-None-Match`: not these versions.
    pub if_none_match: Option<String>,
}

/// Status and header lines of an answer, known before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP status: 200, 206 or 304.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// True if the bytes of the range that was asked for follow (unless the method is HEAD).
    pub fn has_body(&self) -> bool {
        self.status != 304
    }
}

impl Read {
    pub(super) fn of(key: String, headers: &BTreeMap<String, String>, is_head: bool) -> Read {
        let range = match headers.get("range") {
            Some(range) if !is_head => parse_range(range).unwrap_or(ByteRange::Full),
            _ => ByteRange::Full,
        };
        let header = |name: &str| headers.get(name).cloned();
        Read { key, range, if_match: header("if-match"), if_none_match: header("if-none-match") }
    }
}

/// Reads `bytes=0-9`, `bytes=9-` or `bytes=-9`. Anything else is ignored, as HTTP says, and all bytes are sent.
fn parse_range(text: &str) -> Option<ByteRange> {
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first, last) {
        ("", length) => Some(ByteRange::Suffix { length: number(length)? }),
        (first, "") => Some(ByteRange::From { offset: number(first)?, length: None }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            let length = last.checked_sub(first)?.checked_add(1)?;
            Some(ByteRange::From { offset: first, length: Some(length) })
        }
    }
}

/// First byte and count of a range in an object of `size` bytes; `None` if there is no such byte.
fn resolve(range: ByteRange, size: u64) -> Option<(u64, u64)> {
    match range {
        ByteRange::Full => Some((0, size)),
        ByteRange::From { offset, .. } if offset >= size => None,
        ByteRange::From { offset, length } => Some((offset, length.unwrap_or(size).min(size - offset))),
        ByteRange::Suffix { length: 0 } => None,
        ByteRange::Suffix { .. } if size == 0 => None,
        ByteRange::Suffix { length } => Some((size - length.min(size), length.min(size))),
    }
}

/// Status and header lines for an object, or why it is not sent. An object without an ETag has none in its answer.
pub fn head_of(read: &Read, info: &ObjectInfo) -> Result<Head, FacadeError> {
    if read.if_match.as_deref().is_some_and(|wanted| !names(wanted, &info.etag)) {
        return Err(FacadeError::PreconditionFailed);
    }
    let mut headers = vec![
        ("accept-ranges".to_owned(), "bytes".to_owned()),
        ("last-modified".to_owned(), http_date(info.modified_micros)),
    ];
    if !info.etag.0.is_empty() {
        headers.push(("etag".to_owned(), format!("\"{}\"", info.etag.0)));
    }
    if read.if_none_match.as_deref().is_some_and(|known| names(known, &info.etag)) {
        return Ok(Head { status: 304, headers });
    }
    let (first, length) = resolve(read.range, info.size).ok_or(FacadeError::InvalidRange { size: info.size })?;
    headers.push(("content-length".to_owned(), length.to_string()));
    // Not a text type: those are compressed on the way, which costs them their length.
    headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
    if read.range == ByteRange::Full {
        return Ok(Head { status: 200, headers });
    }
    headers.push(("content-range".to_owned(), format!("bytes {first}-{}/{}", first + length - 1, info.size)));
    Ok(Head { status: 206, headers })
}

/// True if a list of quoted versions, or `*`, names this one.
fn names(list: &str, etag: &ETag) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.trim_matches('"') == etag.0)
}

/// Answers with a text that is in no store. It has no ETag: a client that takes its length first and its bytes later
/// would otherwise take a commit in between for damage.
pub(super) fn answer_text(
    read: &Read,
    is_head: bool,
    text: &[u8],
    modified_micros: i64,
) -> Result<FacadeResponse, FacadeError> {
    let info = ObjectInfo { size: text.len() as u64, etag: ETag(String::new()), modified_micros };
    let head = head_of(read, &info)?;
    let bytes = match resolve(read.range, info.size) {
        Some((first, length)) if head.has_body() && !is_head => {
            text.get(first as usize..(first + length) as usize).unwrap_or_default()
        }
        _ => &[],
    };
    Ok(FacadeResponse { status: head.status, headers: head.headers, body: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(headers: &[(&str, &str)]) -> Read {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Read::of("k".into(), &headers, false)
    }

    fn info() -> ObjectInfo {
        ObjectInfo { size: 10, etag: ETag("abc".into()), modified_micros: 1_763_696_544_000_000 }
    }

    fn header<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
        head.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What a range gives: status and `content-range`.
    fn check(range: &str, expected: Result<(u16, Option<&str>), FacadeError>) {
        let head = head_of(&read(&[("range", range)]), &info());
        let head = head.as_ref().map(|head| (head.status, header(head, "content-range"))).map_err(Clone::clone);
        assert_eq!(head, expected, "{range}");
    }

    #[test]
    fn ranges_are_those_of_http() {
        check("bytes=0-3", Ok((206, Some("bytes 0-3/10"))));
        check("bytes=5-", Ok((206, Some("bytes 5-9/10"))));
        check("bytes=5-99", Ok((206, Some("bytes 5-9/10"))));
        check("bytes=-3", Ok((206, Some("bytes 7-9/10"))));
        check("bytes=-99", Ok((206, Some("bytes 0-9/10"))));
    }

    #[test]
    fn a_range_after_the_end_cannot_be_satisfied() {
        check("bytes=10-", Err(FacadeError::InvalidRange { size: 10 }));
        check("bytes=-0", Err(FacadeError::InvalidRange { size: 10 }));
    }

    #[test]
    fn a_range_that_makes_no_sense_is_ignored() {
        for range in ["bytes=3-1", "bytes=a-b", "bytes=-", "rows=0-1", "bytes=0-1,4-5", "bytes=+1-2", ""] {
            check(range, Ok((200, None)));
        }
    }

    #[test]
    fn a_version_that_moved_fails_a_match() {
        assert_eq!(head_of(&read(&[("if-match", "\"abc\"")]), &info()).map(|head| head.status), Ok(200));
        assert_eq!(head_of(&read(&[("if-match", "\"abd\"")]), &info()), Err(FacadeError::PreconditionFailed));
        assert_eq!(head_of(&read(&[("if-none-match", "\"x\", \"abc\"")]), &info()).map(|head| head.status), Ok(304));
        assert_eq!(head_of(&read(&[("if-none-match", "\"x\"")]), &info()).map(|head| head.status), Ok(200));
    }

    #[test]
    fn an_answer_says_what_a_reader_relies_on() {
        let head = head_of(&read(&[]), &info()).unwrap();
        assert_eq!(header(&head, "content-length"), Some("10"));
        assert_eq!(header(&head, "etag"), Some("\"abc\""));
        assert_eq!(header(&head, "last-modified"), Some("Fri, 21 Nov 2025 03:42:24 GMT"));
        assert_eq!(header(&head, "accept-ranges"), Some("bytes"));
    }

    #[test]
    fn a_text_is_sent_in_parts_too() {
        let answer = answer_text(&read(&[("range", "bytes=2-3")]), false, b"00001-x", 0).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (206, &b"00"[..]));
        let answer = answer_text(&read(&[]), true, b"00001-x", 0).unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }

    proptest! {
        #[test]
        fn a_resolved_range_is_inside_the_object(range in "bytes=[0-9]{0,20}-[0-9]{0,20}", size: u64) {
            let range = read(&[("range", &range)]).range;
            if let Some((first, length)) = resolve(range, size) {
                prop_assert!(first.checked_add(length).is_some_and(|end| end <= size));
                prop_assert!(size == 0 || length > 0);
            }
        }
    }
}
