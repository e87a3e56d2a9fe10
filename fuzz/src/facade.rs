//! `facade`: requests of S3 clients, with signatures as they came and with signatures that are right.

use std::cell::Cell;
use std::collections::BTreeMap;

use futures::executor::block_on;
use hmac::{Hmac, Mac};
use lake_api::scope::Access;
use lake_api::storage_key::{Credentials, Grant, derive};
use lake_catalog::facade::{
    Action, BodyDecoder, BodySpec, Bucket, FacadeError, FacadeRequest, FacadeResponse, Instruction, Part, UploadError,
    Write, answer_hint, carry_out, plan, serve, stored,
};
use lake_host::{ETag, ObjectStoreError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rest::parse;
use crate::seed::{Seeds, choice, chosen};
use crate::world::{BUCKET, NOW, NOW_SECONDS, World, keys};

thread_local! {
    static WORLD: World = World::new();
}

const DATE: &str = "20251121";
const TIME: &str = "20251121T034224Z";

/// The first byte says whether the request, a text as in [`parse`], is signed here before it is sent.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (method, path, query, mut headers, body) = parse(text);
    let signer = match choice % 4 {
        0 => None,
        1 => Some(("warehouse", Access::Read, false)),
        2 => Some(("warehouse/default/orders", Access::Read, true)),
        _ => Some(("warehouse/default/orders", Access::Write, true)),
    };
    if let Some((prefix, access, is_session)) = signer {
        let grant = Grant { prefix: prefix.into(), access, expires_at: NOW_SECONDS + 60, is_session };
        sign(&method, &path, &query, &mut headers, &derive(&keys(), &grant));
    }
    let request = FacadeRequest { method: &method, path: &path, query: &query, headers: &headers };
    let _ = std::hint::black_box(request.is_signed());
    let answer = match plan(&request, BUCKET, &keys(), NOW) {
        Ok(action) => {
            if let Some((prefix, access, _)) = signer {
                assert!(
                    access == Access::Write || !matches!(action, Action::Write(_)),
                    "{action:?} was signed to read"
                );
                check_covered(&action, prefix);
            }
            WORLD.with(|world| answer(&action, &body, world))
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) => assert!(response.status < 500, "{}", response.status),
        Err(error) => {
            let response = error.into_response("id");
            assert!((300..=501).contains(&response.status), "{}", response.status);
        }
    }
}

fn answer(action: &Action, body: &[u8], world: &World) -> Result<FacadeResponse, FacadeError> {
    if let Action::Write(write) = action {
        return change(write, body);
    }
    if let Action::Hint { folder, .. } = action {
        let catalog = world.open_catalog().expect("opens");
        return answer_hint(action, catalog.version_hint(folder).expect("storage works").as_ref());
    }
    block_on(serve(action, &world.store))
}

fn change(write: &Write, body: &[u8]) -> Result<FacadeResponse, FacadeError> {
    match write {
        Write::Store { body: spec, .. } => decode(spec, body).map(|(_, finished)| stored(&ETag("x".into()), finished)),
        Write::Instruct { instruction, body: spec } => {
            let instructions = match spec {
                Some(spec) => decode(spec, body)?.0,
                None => Vec::new(),
            };
            let prefix = match instruction {
                Instruction::DeleteMany { grant } => format!("{}/", grant.prefix),
                _ => String::new(),
            };
            let bucket = Forgetful { prefix, uploads: Cell::new(true) };
            block_on(carry_out(instruction, &instructions, &bucket, [7; 16]))
        }
    }
}

/// The object in a body: the same whether the body comes at once or in pieces.
fn decode(spec: &BodySpec, body: &[u8]) -> Result<(Vec<u8>, lake_catalog::facade::Finished), FacadeError> {
    let decode = |pieces: &[&[u8]]| {
        let mut decoder = BodyDecoder::new(spec);
        let mut object = Vec::new();
        for piece in pieces {
            object.extend(decoder.push(piece)?);
            assert!(object.is_empty() || (object.len() as u64) < spec.length(), "the last byte was given out");
        }
        let finished = decoder.finish()?;
        object.extend(finished.last);
        assert_eq!(object.len() as u64, spec.length());
        Ok((object, finished))
    };
    let whole = decode(&[body]);
    let pieces: Vec<&[u8]> = body.chunks(7).collect();
    assert_eq!(whole, decode(&pieces));
    whole
}

/// A bucket that takes everything and keeps nothing.
struct Forgetful {
    /// Of all that is removed.
    prefix: String,
    uploads: Cell<bool>,
}

impl Bucket for Forgetful {
    async fn delete_all(&self, keys: &[String]) -> Result<(), ObjectStoreError> {
        assert!(keys.iter().all(|key| key.starts_with(&self.prefix)), "{keys:?} are not in {:?}", self.prefix);
        Ok(())
    }

    async fn create_upload(&self, _key: &str, _mark: &str) -> Result<String, UploadError> {
        Ok("id".into())
    }

    async fn complete_upload(&self, _key: &str, _stored: &str, parts: &[Part]) -> Result<ETag, UploadError> {
        assert!(parts.is_sorted_by(|one, other| one.number < other.number), "{parts:?}");
        if self.uploads.replace(false) { Ok(ETag("x".into())) } else { Err(UploadError::Gone) }
    }

    async fn abort_upload(&self, _key: &str, _stored: &str) -> Result<(), UploadError> {
        Err(UploadError::Gone)
    }

    async fn find_mark(&self, _key: &str) -> Result<Option<(String, ETag)>, ObjectStoreError> {
        Ok(None)
    }
}

/// No signature opens what lies outside of its prefix.
fn check_covered(action: &Action, prefix: &str) {
    let inside = format!("{prefix}/");
    let key = match action {
        Action::Get(read) | Action::Head(read) | Action::Hint { read, .. } => &read.key,
        Action::List(listing) => &listing.prefix,
        Action::Write(Write::Store { key, .. }) => key,
        Action::Write(Write::Instruct { instruction, .. }) => match instruction {
            // Which keys it means is in its body.
            Instruction::DeleteMany { grant } => return assert_eq!(grant.prefix, prefix),
            Instruction::Delete { key }
            | Instruction::CreateUpload { key, .. }
            | Instruction::CompleteUpload { key, .. }
            | Instruction::AbortUpload { key, .. } => key,
        },
    };
    let is_list = matches!(action, Action::List(_));
    assert!(key.starts_with(&inside) || (is_list && key == prefix), "{key:?} is not in {prefix:?}");
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn canonical(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), set).to_string()
}

/// Signs as a client does (Signature Version 4 in headers).
fn sign(method: &str, path: &str, query: &str, headers: &mut BTreeMap<String, String>, credentials: &Credentials) {
    const IN_PATH: &AsciiSet = &RESERVED.remove(b'/');
    headers.entry("host".to_owned()).or_insert_with(|| "127.0.0.1:8787".to_owned());
    headers.insert("x-amz-date".to_owned(), TIME.to_owned());
    let payload =
        headers.entry("x-amz-content-sha256".to_owned()).or_insert_with(|| "UNSIGNED-PAYLOAD".to_owned()).clone();
    headers.remove("x-amz-security-token");
    if let Some(token) = &credentials.session_token {
        headers.insert("x-amz-security-token".to_owned(), token.clone());
    }
    let names: Vec<String> =
        headers.keys().filter(|name| *name == "host" || name.starts_with("x-amz-")).cloned().collect();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", canonical(name, RESERVED), canonical(value, RESERVED))
        })
        .collect();
    pairs.sort();
    let mut request = format!("{method}\n{}\n{}\n", canonical(path, IN_PATH), pairs.join("&"));
    for name in &names {
        let words: Vec<&str> = headers[name].split_ascii_whitespace().collect();
        request.push_str(&format!("{name}:{}\n", words.join(" ")));
    }
    request.push_str(&format!("\n{}\n{payload}", names.join(";")));
    let scope = format!("{DATE}/auto/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{TIME}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let mut key = format!("AWS4{}", credentials.secret_access_key).into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
        credentials.access_key_id,
        names.join(";"),
        hex(&mac(&key, &to_sign))
    );
    headers.insert("authorization".to_owned(), authorization);
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Requests of botocore, and requests to sign.
pub fn seeds() -> Seeds {
    let recorded: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/sigv4/requests.json")).expect("JSON");
    let mut seeds = Seeds::new();
    for (index, request) in recorded.iter().enumerate() {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let mut lines = format!("{} {}?{}", text("method"), text("path"), text("query"));
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            lines.push_str(&format!("\n{name}: {}", value.as_str().unwrap_or_default()));
        }
        seeds.push(chosen(0, &format!("recorded-{index:02}"), lines));
    }
    for (name, text) in [
        ("get", "GET /lakehouse/warehouse/default/orders/data/a.parquet\nrange: bytes=0-9"),
        ("suffix", "GET /lakehouse/warehouse/default/orders/data/a%20b.parquet\nrange: bytes=-8\nif-match: \"x\""),
        (
            "head",
            "HEAD /lakehouse/warehouse/default/orders/metadata/v1.metadata.json\nif-modified-since: Fri, 21 Nov 2025 03:42:24 GMT",
        ),
        ("hint", "GET /lakehouse/warehouse/default/orders/metadata/version-hint.text"),
        (
            "list",
            "GET /lakehouse/?list-type=2&prefix=warehouse%2Fdefault%2Forders%2F&delimiter=%2F&max-keys=2&start-after=a&encoding-type=url",
        ),
        ("list-next", "GET /lakehouse?list-type=2&prefix=warehouse/default/orders/data/&continuation-token=YQ"),
        ("put", "PUT /lakehouse/warehouse/default/orders/data/a.parquet\ncontent-length: 3\n\nabc"),
        (
            "put-crc",
            "PUT /lakehouse/warehouse/default/orders/data/a.parquet\ncontent-length: 3\nx-amz-checksum-crc32: NSRBwg==\n\nabc",
        ),
        (
            "put-chunks",
            "PUT /lakehouse/warehouse/default/orders/data/a.parquet\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 9\nx-amz-trailer: x-amz-checksum-crc64nvme\n\n4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n",
        ),
        (
            "put-signed-chunks",
            "PUT /lakehouse/warehouse/default/orders/data/a.parquet\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 0\n\n0;chunk-signature=0000000000000000000000000000000000000000000000000000000000000000\r\n\r\n",
        ),
        ("create", "POST /lakehouse/warehouse/default/orders/data/a.parquet?uploads"),
        (
            "part",
            "PUT /lakehouse/warehouse/default/orders/data/a.parquet?partNumber=1&uploadId=00.id\ncontent-length: 3\n\nabc",
        ),
        (
            "complete",
            "POST /lakehouse/warehouse/default/orders/data/a.parquet?uploadId=00.id\ncontent-length: 116\n\n<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part></CompleteMultipartUpload>",
        ),
        ("abort", "DELETE /lakehouse/warehouse/default/orders/data/a.parquet?uploadId=00.id"),
        ("delete", "DELETE /lakehouse/warehouse/default/orders/data/a.parquet"),
        (
            "delete-many",
            "POST /lakehouse?delete\ncontent-length: 119\n\n<Delete><Quiet>true</Quiet><Object><Key>warehouse/default/orders/a</Key></Object><Object><Key>b</Key></Object></Delete>",
        ),
    ] {
        seeds.push(chosen(1, &format!("signed-{name}"), text));
        seeds.push(chosen(2, &format!("session-{name}"), text));
        seeds.push(chosen(3, &format!("writing-{name}"), text));
    }
    seeds
}
