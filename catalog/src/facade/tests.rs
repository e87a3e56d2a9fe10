//! Serving over a store in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use lake_api::scope::Access;
use lake_api::storage_key::Grant;
use lake_host::{ByteRange, ETag, ObjectStoreError};
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

/// A bucket with uploads, over the store in memory.
#[derive(Default)]
struct MemoryBucket {
    objects: MemoryObjectStore,
    uploads: RefCell<BTreeMap<String, String>>,
    marks: RefCell<BTreeMap<String, String>>,
}

impl Bucket for MemoryBucket {
    async fn delete_all(&self, keys: &[String]) -> Result<(), ObjectStoreError> {
        for key in keys {
            self.objects.delete(key).await?;
        }
        Ok(())
    }

    async fn create_upload(&self, key: &str, mark: &str) -> Result<String, UploadError> {
        let id = format!("{key}#{}", self.uploads.borrow().len());
        self.uploads.borrow_mut().insert(id.clone(), mark.to_owned());
        Ok(id)
    }

    async fn complete_upload(&self, key: &str, stored: &str, parts: &[Part]) -> Result<ETag, UploadError> {
        let mark = self.uploads.borrow_mut().remove(stored).ok_or(UploadError::Gone)?;
        self.objects.place(key, format!("{} parts", parts.len()).as_bytes());
        self.marks.borrow_mut().insert(key.to_owned(), mark);
        self.objects.head(key).await?.map(|info| info.etag).ok_or(UploadError::Gone)
    }

    async fn abort_upload(&self, _key: &str, stored: &str) -> Result<(), UploadError> {
        self.uploads.borrow_mut().remove(stored).map(|_| ()).ok_or(UploadError::Gone)
    }

    async fn find_mark(&self, key: &str) -> Result<Option<(String, ETag)>, ObjectStoreError> {
        let info = self.objects.head(key).await?;
        Ok(self.marks.borrow().get(key).cloned().zip(info.map(|info| info.etag)))
    }
}

const MINE: &str = "warehouse/default/mine/a";

impl MemoryBucket {
    fn send(&self, instruction: &Instruction, body: &str) -> FacadeResponse {
        let answer = run(carry_out(instruction, body.as_bytes(), self, [7; 16]));
        answer.unwrap_or_else(|error| error.into_response("r-1"))
    }

    fn create(&self) -> UploadId {
        let answer = self.send(&Instruction::CreateUpload { bucket: "lakehouse".into(), key: MINE.into() }, "");
        let xml = String::from_utf8(answer.body).unwrap();
        let id = xml.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0;
        UploadId::parse(id).unwrap()
    }

    /// Status and the text of an answer to a completion.
    fn complete(&self, upload: &UploadId, body: &str) -> (u16, String) {
        let instruction =
            Instruction::CompleteUpload { bucket: "lakehouse".into(), key: MINE.into(), upload: upload.clone() };
        let answer = self.send(&instruction, body);
        (answer.status, String::from_utf8(answer.body).unwrap())
    }
}

const PARTS: &str =
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>";

#[test]
fn a_completion_that_is_asked_for_again_is_answered_the_same() {
    let bucket = MemoryBucket::default();
    let upload = bucket.create();
    let (status, first) = bucket.complete(&upload, PARTS);
    assert!(status == 200 && first.contains("<Key>warehouse/default/mine/a</Key><ETag>&quot;"), "{status} {first}");
    assert_eq!(bucket.complete(&upload, PARTS), (200, first));
    // An object that something else has put there since is not of this upload.
    let other = UploadId { mark: "00".into(), stored: upload.stored };
    let (status, text) = bucket.complete(&other, PARTS);
    assert!(status == 404 && text.contains("<Code>NoSuchUpload</Code>"), "{status} {text}");
}

#[test]
fn an_upload_that_was_given_up_is_gone() {
    let bucket = MemoryBucket::default();
    let upload = bucket.create();
    let abort = Instruction::AbortUpload { key: MINE.into(), upload: upload.clone() };
    assert_eq!(bucket.send(&abort, "").status, 204);
    assert_eq!(bucket.send(&abort, "").status, 404);
    assert_eq!(bucket.complete(&upload, PARTS).0, 404);
    assert_eq!(bucket.complete(&bucket.create(), "<Complete/>").0, 400);
}

#[test]
fn a_delete_is_answered_alike_whether_something_was_there_or_not() {
    let bucket = MemoryBucket::default();
    bucket.objects.place(MINE, b"x");
    let delete = Instruction::Delete { key: MINE.into() };
    for _ in 0..2 {
        let answer = bucket.send(&delete, "");
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }
    assert!(bucket.objects.keys().is_empty());
}

#[test]
fn many_objects_are_removed_as_far_as_the_grant_goes() {
    let bucket = MemoryBucket::default();
    for key in ["warehouse/default/mine/a", "warehouse/default/mine/b", "warehouse/default/orders/a"] {
        bucket.objects.place(key, b"x");
    }
    let prefix = "warehouse/default/mine".to_owned();
    let grant = Grant { prefix, access: Access::Write, expires_at: i64::MAX, is_session: true };
    let keys = ["warehouse/default/mine/a", "warehouse/default/mine/none", "warehouse/default/orders/a"];
    let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    let answer = bucket.send(&Instruction::DeleteMany { grant }, &format!("<Delete>{objects}</Delete>"));
    let xml = String::from_utf8(answer.body).unwrap();
    assert_eq!((answer.status, xml.matches("<Deleted>").count(), xml.matches("<Error>").count()), (200, 2, 1), "{xml}");
    assert_eq!(bucket.objects.keys(), ["warehouse/default/mine/b", "warehouse/default/orders/a"]);
}

#[test]
fn what_is_not_signed_is_refused_in_the_words_of_s3_wherever_in_the_bucket_it_goes() {
    let keys = lake_api::token::Keys::new("k1", &[7; 32]).unwrap();
    let bearer = BTreeMap::from([("authorization".to_owned(), "Bearer x".to_owned())]);
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"] {
        for (path, query) in [
            ("/lakehouse", ""),
            ("/lakehouse/", "list-type=2"),
            ("/lakehouse/warehouse/default/orders/data/a.parquet", "X-Amz-Date=20251121T000000Z"),
            ("/%6Cakehouse/../a//b", "%ff"),
        ] {
            for headers in [&BTreeMap::new(), &bearer] {
                let request = FacadeRequest { method, path, query, headers };
                assert!(request.is_in("lakehouse") && !request.is_signed(), "{path}");
                let refused = plan(&request, "lakehouse", &keys, 0).unwrap_err().into_response("r-1");
                assert_eq!((refused.status, header(&refused, "x-amz-request-id")), (403, Some("r-1")), "{path}");
                let body = String::from_utf8(refused.body).unwrap();
                assert!(body.contains("<Error><Code>AccessDenied</Code>") && body.contains("<RequestId>r-1"), "{body}");
            }
        }
    }
}

#[test]
fn only_paths_of_the_bucket_are_in_it() {
    let headers = BTreeMap::new();
    for path in ["/", "", "/lakehouse2/a", "/lakehous", "/v1/lakehouse/a", "//lakehouse/a", "/Lakehouse", "lakehouse/a"]
    {
        assert!(!FacadeRequest { method: "GET", path, query: "", headers: &headers }.is_in("lakehouse"), "{path}");
    }
}

#[test]
fn a_signature_is_seen_beside_a_query_that_cannot_be_read() {
    let signed = "AWS4-HMAC-SHA256 Credential=x/20251121/auto/s3/aws4_request, SignedHeaders=host, Signature=00";
    let headers = BTreeMap::from([("authorization".to_owned(), signed.to_owned())]);
    let request = FacadeRequest { method: "GET", path: "/lakehouse/a", query: "%ff", headers: &headers };
    assert!(request.is_signed());
    let keys = lake_api::token::Keys::new("k1", &[7; 32]).unwrap();
    assert!(matches!(plan(&request, "lakehouse", &keys, 0), Err(FacadeError::InvalidUri(_))));
}
