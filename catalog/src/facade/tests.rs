//! Serving over a store in memory.

use super::*;
use lake_api::scope::Access;
use lake_api::storage_key::Grant;
use lake_host::ByteRange;
use lake_test_host::{MemoryObjectStore, run};

const FOLDER: &str = "warehouse/default/orders";

fn store() -> MemoryObjectStore {
    let store = MemoryObjectStore::new();
    for key in ["data/a.parquet", "data/b.parquet", "metadata/00000-x.metadata.json", "top"] {
        store.place(&format!("{FOLDER}/{key}"), b"0123456789");
    }
    store.place("warehouse/default/orders.2/data/a.parquet", b"another table's");
    store
}

fn read(key: &str, range: ByteRange) -> Read {
    Read { key: format!("{FOLDER}/{key}"), range, if_match: None, if_none_match: None }
}

fn served(action: &Action) -> FacadeResponse {
    run(serve(action, &store())).unwrap_or_else(|error| error.into_response("r-1"))
}

fn header<'a>(response: &'a FacadeResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The lines of a listing, and whether there are more, following tokens to the end.
fn check_list(query: &str, expected: &[&str], pages: usize) {
    let grant = Grant { prefix: FOLDER.to_owned(), access: Access::Read, expires_at: i64::MAX, is_session: false };
    let mut lines = Vec::new();
    let mut token = String::new();
    for page in 1.. {
        let query = format!("list-type=2&prefix={FOLDER}/{query}{token}");
        let listing = list::plan(&path::parse_query(&query).unwrap(), &grant, "lakehouse").unwrap();
        let xml = String::from_utf8(served(&Action::List(listing)).body).unwrap();
        for (open, close) in [("<Key>", "</Key>"), ("<CommonPrefixes><Prefix>", "</Prefix>")] {
            for part in xml.split(open).skip(1) {
                lines.push(part.split(close).next().unwrap().trim_start_matches(FOLDER).to_owned());
            }
        }
        match xml.split_once("<NextContinuationToken>") {
            Some((_, rest)) => {
                token = format!("&continuation-token={}", rest.split_once('<').unwrap().0);
            }
            None => {
                assert_eq!(page, pages, "{query}");
                break;
            }
        }
    }
    lines.sort();
    assert_eq!(lines, expected, "{query}");
}

#[test]
fn an_object_is_sent_whole_or_in_part() {
    let whole = served(&Action::Get(read("top", ByteRange::Full)));
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
    let part = served(&Action::Get(read("top", ByteRange::Suffix { length: 3 })));
    assert_eq!((part.status, part.body.as_slice()), (206, &b"789"[..]));
    assert_eq!(header(&part, "content-range"), Some("bytes 7-9/10"));
}

#[test]
fn a_head_says_the_length_and_sends_nothing() {
    let head = served(&Action::Head(read("top", ByteRange::Full)));
    assert_eq!((head.status, header(&head, "content-length"), head.body.len()), (200, Some("10"), 0));
}

#[test]
fn what_is_not_there_is_an_error_in_xml() {
    let missing = served(&Action::Get(read("a<b", ByteRange::Full)));
    let text = String::from_utf8(missing.body.clone()).unwrap();
    assert_eq!((missing.status, header(&missing, "x-amz-request-id")), (404, Some("r-1")));
    assert!(text.contains("<Code>NoSuchKey</Code>"), "{text}");
    assert!(text.contains("<Key>warehouse/default/orders/a&lt;b</Key><RequestId>r-1</RequestId>"), "{text}");
}

#[test]
fn a_range_behind_the_end_says_where_the_end_is() {
    let behind = served(&Action::Get(read("top", ByteRange::From { offset: 10, length: None })));
    assert_eq!((behind.status, header(&behind, "content-range")), (416, Some("bytes */10")));
}

#[test]
fn a_store_that_fails_is_unavailable() {
    let store = store();
    store.fail_next_get();
    let answer = run(serve(&Action::Get(read("top", ByteRange::Full)), &store));
    assert_eq!(answer, Err(FacadeError::ServiceUnavailable));
}

#[test]
fn a_listing_holds_the_table_and_nothing_else() {
    check_list("", &["/data/a.parquet", "/data/b.parquet", "/metadata/00000-x.metadata.json", "/top"], 1);
    check_list("data/", &["/data/a.parquet", "/data/b.parquet"], 1);
    check_list("nothing/", &[], 1);
}

#[test]
fn pages_of_a_listing_join_without_gap_or_repeat() {
    let all = ["/data/a.parquet", "/data/b.parquet", "/metadata/00000-x.metadata.json", "/top"];
    check_list("&max-keys=1", &all, 4);
    check_list("&max-keys=3", &all, 2);
    check_list("&start-after=warehouse/default/orders/data/a.parquet", &all[1..], 1);
}

#[test]
fn a_delimiter_makes_one_line_of_a_folder() {
    check_list("&delimiter=/", &["/data/", "/metadata/", "/top"], 1);
    check_list("&delimiter=/&max-keys=1", &["/data/", "/metadata/", "/top"], 3);
}

#[test]
fn a_token_leads_nowhere_else() {
    let token = "&continuation-token=d2FyZWhvdXNlL2E"; // warehouse/a
    check_list(token, &["/data/a.parquet", "/data/b.parquet", "/metadata/00000-x.metadata.json", "/top"], 1);
}

#[test]
fn a_version_hint_is_what_the_catalog_says() {
    let read = read("metadata/version-hint.text", ByteRange::Full);
    let action = Action::Hint { folder: FOLDER.into(), read, is_head: false };
    let hint = VersionHint { text: "00003-x".into(), modified_micros: 0 };
    let answer = answer_hint(&action, Some(&hint)).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"00003-x"[..]));
    assert_eq!(header(&answer, "etag"), None);
    assert!(matches!(answer_hint(&action, None), Err(FacadeError::NoSuchKey(_))));
}
