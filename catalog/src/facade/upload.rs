//! Multipart uploads: what they are called, the list of parts that completes one, and what the answers say.
//!
//! The store has uploads of its own. Its id is half of what a client is given; the other half is a random mark that the
//! finished object carries, so that a completion that is asked for again (its answer was lost) is known as such.

use lake_host::ETag;

use super::xml::{NAMESPACE, PROLOGUE, escape, parse};
use super::{FacadeError, FacadeResponse};
use crate::limits::{PARTS_MAX, UPLOAD_ID_BYTES_MAX};

/// The id of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId {
    /// What the finished object carries.
    pub mark: String,
    /// The store's own id.
    pub stored: String,
}

impl UploadId {
    pub(super) fn parse(text: &str) -> Result<UploadId, FacadeError> {
        if text.len() > UPLOAD_ID_BYTES_MAX {
            return Err(FacadeError::NoSuchUpload);
        }
        let (mark, stored) = text.split_once('.').ok_or(FacadeError::NoSuchUpload)?;
        if mark.is_empty() || stored.is_empty() {
            return Err(FacadeError::NoSuchUpload);
        }
        Ok(UploadId { mark: mark.to_owned(), stored: stored.to_owned() })
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.mark, self.stored)
    }
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u16,
    /// What its upload was answered with.
    pub etag: ETag,
}

/// The number of a part.
pub(super) fn part_number(text: &str) -> Result<u16, FacadeError> {
    let number = text.parse::<u16>().ok().filter(|number| (1..=PARTS_MAX).contains(&usize::from(*number)));
    number.ok_or(FacadeError::InvalidArgument("partNumber is 1 to 10000"))
}

/// Reads the list of parts of a completion. Checksums in it are of parts, which were checked when they came.
pub(crate) fn parts(body: &[u8]) -> Result<Vec<Part>, FacadeError> {
    let root = parse(body, "CompleteMultipartUpload")?;
    let mut parts: Vec<Part> = Vec::new();
    for part in root.children.iter().filter(|child| child.name == "Part") {
        let number = part.child("PartNumber").ok_or(FacadeError::MalformedXml)?.trim();
        let number = part_number(number).map_err(|_| FacadeError::InvalidPart)?;
        let etag = part.child("ETag").ok_or(FacadeError::MalformedXml)?.trim().trim_matches('"');
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(FacadeError::InvalidPartOrder);
        }
        parts.push(Part { number, etag: ETag(etag.to_owned()) });
    }
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(FacadeError::MalformedXml);
    }
    Ok(parts)
}

pub(super) fn created(bucket: &str, key: &str, id: &UploadId) -> FacadeResponse {
    let (bucket, key, id) = (escape(bucket), escape(key), escape(&id.to_string()));
    FacadeResponse::xml(format!(
        "{PROLOGUE}<InitiateMultipartUploadResult {NAMESPACE}><Bucket>{bucket}</Bucket><Key>{key}</Key>\
         <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
    ))
}

pub(super) fn completed(bucket: &str, key: &str, etag: &ETag) -> FacadeResponse {
    let (bucket, key, etag) = (escape(bucket), escape(key), escape(&etag.0));
    FacadeResponse::xml(format!(
        "{PROLOGUE}<CompleteMultipartUploadResult {NAMESPACE}><Location>/{bucket}/{key}</Location><Bucket>{bucket}</Bucket>\
         <Key>{key}</Key><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(body: &str, expected: Result<&[(u16, &str)], FacadeError>) {
        let parts = parts(format!("<CompleteMultipartUpload>{body}</CompleteMultipartUpload>").as_bytes());
        let expected = expected.map(|parts| {
            parts
                .iter()
                .map(|(number, etag)| Part { number: *number, etag: ETag((*etag).to_owned()) })
                .collect::<Vec<_>>()
        });
        assert_eq!(parts, expected, "{body}");
    }

    #[test]
    fn parts_are_read_with_or_without_quotes() {
        check(
            "<Part><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber><ChecksumCRC32>x</ChecksumCRC32></Part>\n\
             <Part><PartNumber>3</PartNumber><ETag>b</ETag></Part>",
            Ok(&[(1, "a"), (3, "b")]),
        );
    }

    #[test]
    fn parts_out_of_order_or_without_a_name_are_refused() {
        let part = |number: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>a</ETag></Part>");
        check(&[part("2"), part("1")].concat(), Err(FacadeError::InvalidPartOrder));
        check(&[part("2"), part("2")].concat(), Err(FacadeError::InvalidPartOrder));
        check(&part("0"), Err(FacadeError::InvalidPart));
        check(&part("10001"), Err(FacadeError::InvalidPart));
        check("<Part><PartNumber>1</PartNumber></Part>", Err(FacadeError::MalformedXml));
        check("", Err(FacadeError::MalformedXml));
    }

    #[test]
    fn an_id_reads_back() {
        let id = UploadId { mark: "00ff".into(), stored: "a.b/c".into() };
        assert_eq!(UploadId::parse(&id.to_string()), Ok(id));
        for text in ["", ".", "a", "a.", ".a"] {
            assert_eq!(UploadId::parse(text), Err(FacadeError::NoSuchUpload), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in ".{0,80}") {
            let _read_or_refused = parts(body.as_bytes());
        }
    }
}
