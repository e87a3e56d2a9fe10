//! AWS' published examples of Signature Version 4 for S3, and requests signed by botocore
//! (`tests/fixtures/sigv4/generate.py`).

use super::*;
use crate::facade::path::{parse, parse_query};
use crate::facade::{Action, Instruction, Target, Write, plan};
use proptest::prelude::*;
use serde::Deserialize;

const NOW: i64 = 1_763_696_544_000_000;

fn keys() -> Keys {
    Keys::new("k1", &[7; 32]).unwrap()
}

fn headers(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One of the examples of "Signature Calculations for the Authorization Header", all of one account and moment.
fn check_example(path: &str, query: &str, signed: &str, signature: &str, more: &[(&str, &str)]) {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed},Signature={signature}"
    );
    let mut headers = headers(more);
    headers.extend(self::headers(&[
        ("host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", EMPTY_HASH),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", &authorization),
    ]));
    assert!(is_example(path, query, &headers), "{path}?{query}");
    headers.insert("x-amz-date".into(), "20130524T000001Z".into());
    assert!(!is_example(path, query, &headers), "{path}?{query} with another date");
}

fn is_example(path: &str, query: &str, headers: &BTreeMap<String, String>) -> bool {
    let request = FacadeRequest { method: "GET", path, query, headers };
    let pairs = parse_query(query).unwrap();
    let authorization = read(headers, &pairs).unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    is_signed_with(secret, &authorization, &request, &parse(path).unwrap(), &pairs)
}

#[test]
fn the_published_example_of_a_range_verifies() {
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let signed = "host;range;x-amz-content-sha256;x-amz-date";
    check_example("/test.txt", "", signed, signature, &[("range", "bytes=0-9")]);
}

#[test]
fn the_published_example_of_a_parameter_without_value_verifies() {
    let signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    check_example("/", "lifecycle", "host;x-amz-content-sha256;x-amz-date", signature, &[]);
}

#[test]
fn the_published_example_of_a_listing_verifies() {
    let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    check_example("/", "max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date", signature, &[]);
}

#[test]
fn the_published_example_of_a_presigned_address_verifies() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let headers = headers(&[("host", "examplebucket.s3.amazonaws.com")]);
    assert!(is_example("/test.txt", query, &headers));
    assert!(!is_example("/test.txt", &query.replace("86400", "86401"), &headers));
}

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    expected: String,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../../tests/fixtures/sigv4/requests.json")).unwrap()
}

fn plan_of(case: &Case) -> Result<Action, FacadeError> {
    let Case { method, path, query, headers, .. } = case;
    plan(&FacadeRequest { method, path, query, headers }, "lakehouse", &keys(), NOW)
}

fn describe(action: &Result<Action, FacadeError>) -> String {
    match action {
        Ok(Action::Get(read)) => format!("get {}", read.key),
        Ok(Action::Head(read)) => format!("head {}", read.key),
        Ok(Action::Hint { folder, .. }) => format!("hint {folder}"),
        Ok(Action::List(listing)) => format!("list {}", listing.prefix),
        Ok(Action::Write(write)) => describe_write(write),
        Err(error) => error.kind().1.to_owned(),
    }
}

fn describe_write(write: &Write) -> String {
    match write {
        Write::Store { key, target: Target::Object(condition), body } => {
            format!("put {key} {condition:?} {}", body.length())
        }
        Write::Store { key, target: Target::Part { upload, number }, body } => {
            format!("part {key} {upload} {number} {}", body.length())
        }
        Write::Instruct { instruction: Instruction::Delete { key }, .. } => format!("delete {key}"),
        Write::Instruct { instruction: Instruction::DeleteMany { grant }, .. } => {
            format!("delete many {}", grant.prefix)
        }
        Write::Instruct { instruction: Instruction::CreateUpload { key, .. }, .. } => format!("create {key}"),
        Write::Instruct { instruction: Instruction::CompleteUpload { key, upload, .. }, .. } => {
            format!("complete {key} {upload}")
        }
        Write::Instruct { instruction: Instruction::AbortUpload { key, upload }, .. } => {
            format!("abort {key} {upload}")
        }
    }
}

#[test]
fn requests_of_another_signer_get_what_they_may() {
    for case in cases() {
        assert_eq!(describe(&plan_of(&case)), case.expected, "{}", case.name);
    }
}

#[test]
fn a_request_without_a_signature_is_denied() {
    let case = Case { headers: headers(&[("host", "a")]), query: String::new(), ..cases().remove(0) };
    assert_eq!(describe(&plan_of(&case)), "AccessDenied");
    let bearer = Case { headers: headers(&[("authorization", "Bearer x")]), ..case };
    assert_eq!(describe(&plan_of(&bearer)), "AccessDenied");
}

#[test]
fn a_signature_of_a_key_that_is_gone_is_of_nobody() {
    let case = cases().remove(0);
    let Case { method, path, query, headers, .. } = &case;
    let keys = Keys::new("k2", &[7; 32]).unwrap();
    let action = plan(&FacadeRequest { method, path, query, headers }, "lakehouse", &keys, NOW);
    assert_eq!(describe(&action), "InvalidAccessKeyId");
}

proptest! {
    /// Whatever is changed in the path, a table's credentials never open a key outside of the table.
    #[test]
    fn a_changed_path_opens_nothing(index in 0usize..60, byte in 0u8..128) {
        let mut case = cases().remove(0);
        let mut path = case.path.clone().into_bytes();
        let index = index % path.len();
        path[index] = byte;
        let path = String::from_utf8(path).unwrap();
        let is_changed = path != case.path;
        case.path = path;
        let action = plan_of(&case);
        prop_assert_eq!(action.is_ok(), !is_changed, "{:?}", action);
    }

    #[test]
    fn no_authorization_panics(text in ".{0,80}", query in ".{0,80}", path in "/.{0,40}") {
        let headers = headers(&[
            ("authorization", &format!("AWS4-HMAC-SHA256 Credential={text}, SignedHeaders={text}, Signature={text}")),
            ("x-amz-date", &text),
        ]);
        let request = FacadeRequest { method: "GET", path: &path, query: &query, headers: &headers };
        prop_assert!(plan(&request, "lakehouse", &keys(), NOW).is_err());
    }
}
