//! From the path that was sent to the key that is read, and to the one encoding that signatures are made over.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::FacadeError;
use crate::limits::TARGET_BYTES_MAX;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same without the slash.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The first segment.
    pub(super) bucket: String,
    /// The rest; `None` for the bucket itself.
    pub(super) key: Option<String>,
    /// The path as it is signed.
    pub(super) canonical: String,
}

/// Reads `/bucket/key`.
pub(super) fn parse(path: &str) -> Result<Target, FacadeError> {
    if path.len() > TARGET_BYTES_MAX {
        return Err(FacadeError::InvalidUri("it is too long"));
    }
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| FacadeError::InvalidUri("it is not UTF-8"))?;
    check_decoded(&decoded)?;
    let canonical = encode_path(&decoded);
    let rest = decoded.strip_prefix('/').ok_or(FacadeError::InvalidUri("it does not begin with a slash"))?;
    let (bucket, key) = match rest.split_once('/') {
        Some((bucket, key)) if !key.is_empty() => (bucket, Some(key.to_owned())),
        Some((bucket, _)) => (bucket, None),
        None => (rest, None),
    };
    Ok(Target { bucket: bucket.to_owned(), key, canonical })
}

/// Refuses what means two things: a path that the store, a client or something in between would read differently.
pub(super) fn check_decoded(decoded: &str) -> Result<(), FacadeError> {
    if decoded.contains('\0') {
        return Err(FacadeError::InvalidUri("it has a zero byte"));
    }
    if decoded.contains("//") {
        return Err(FacadeError::InvalidUri("it has an empty segment"));
    }
    if decoded.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(FacadeError::InvalidUri("it has a dot segment"));
    }
    Ok(())
}

/// True for parameters that a client adds to an address and that change nothing.
pub(super) fn is_harmless(name: &str) -> bool {
    name == "x-id" || name.starts_with("X-Amz-")
}

/// Canonical encoding of a path or key.
pub(super) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATH).to_string()
}

/// Canonical encoding of a name or value of a query.
fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The decoded pairs of a query.
pub(super) fn parse_query(query: &str) -> Result<Vec<(String, String)>, FacadeError> {
    if query.len() > TARGET_BYTES_MAX {
        return Err(FacadeError::InvalidUri("its query is too long"));
    }
    let decode = |part: &str| {
        let decoded = percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
        decoded.map_err(|_| FacadeError::InvalidUri("its query is not UTF-8"))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// A query as it is signed: encoded, in order, without the signature itself.
pub(super) fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    encoded.sort();
    let pairs: Vec<String> = encoded.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(path: &str, bucket: &str, key: Option<&str>, canonical: &str) {
        let target = Target { bucket: bucket.into(), key: key.map(str::to_owned), canonical: canonical.into() };
        assert_eq!(parse(path), Ok(target));
    }

    #[test]
    fn a_path_is_decoded_once_and_encoded_in_one_way() {
        check("/b/a/c.parquet", "b", Some("a/c.parquet"), "/b/a/c.parquet");
        check("/b/a%3dc", "b", Some("a=c"), "/b/a%3Dc");
        check("/b/a=c+d", "b", Some("a=c+d"), "/b/a%3Dc%2Bd");
        check("/b/%2541", "b", Some("%41"), "/b/%2541");
        check("/b/a%2Fc", "b", Some("a/c"), "/b/a/c");
        check("/b", "b", None, "/b");
        check("/b/", "b", None, "/b/");
    }

    #[test]
    fn paths_that_mean_two_things_are_refused() {
        for path in ["/b//a", "/b/a%2F%2Fc", "/b/%00", "/b/%ff", "/b/../c", "/b/a/%2e%2e/c", "/b/a%2F..", "/b/./a", "b"]
        {
            assert!(matches!(parse(path), Err(FacadeError::InvalidUri(_))), "{path}");
        }
    }

    #[test]
    fn a_query_is_signed_in_order_and_encoded() {
        let pairs = parse_query("prefix=a%2fb&list-type=2&X-Amz-Signature=00&delimiter&a=+").unwrap();
        assert_eq!(canonical_query(&pairs), "a=%2B&delimiter=&list-type=2&prefix=a%2Fb");
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".{0,60}") {
            let _read_or_refused = (parse(&path), parse_query(&path));
        }

        #[test]
        fn the_canonical_path_means_the_same_key(path in "/[a-z]{1,3}/[^/\\.\0]{1,20}") {
            if let Ok(target) = parse(&path) {
                prop_assert_eq!(parse(&target.canonical), Ok(target));
            }
        }
    }
}
