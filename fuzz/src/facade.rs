//! `facade`: requests of S3 clients, with signatures as they came and with signatures that are right.

use std::collections::BTreeMap;

use futures::executor::block_on;
use hmac::{Hmac, Mac};
use lake_api::scope::Access;
use lake_api::storage_key::{Credentials, Grant, derive};
use lake_catalog::facade::{Action, FacadeError, FacadeRequest, answer_hint, plan, serve};
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
    let (method, path, query, mut headers, _) = parse(text);
    let signer = match choice % 3 {
        0 => None,
        1 => Some(("warehouse", false)),
        _ => Some(("warehouse/default/orders", true)),
    };
    if let Some((prefix, is_session)) = signer {
        let grant = Grant { prefix: prefix.into(), access: Access::Read, expires_at: NOW_SECONDS + 60, is_session };
        sign(&method, &path, &query, &mut headers, &derive(&keys(), &grant));
    }
    let request = FacadeRequest { method: &method, path: &path, query: &query, headers: &headers };
    let _ = std::hint::black_box(request.is_signed());
    let answer = match plan(&request, BUCKET, &keys(), NOW) {
        Ok(action) => {
            if let Some((prefix, _)) = signer {
                check_covered(&action, prefix);
            }
            WORLD.with(|world| answer(&action, world))
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

fn answer(action: &Action, world: &World) -> Result<lake_catalog::facade::FacadeResponse, FacadeError> {
    if let Action::Hint { folder, .. } = action {
        let catalog = world.open_catalog().expect("opens");
        return answer_hint(action, catalog.version_hint(folder).expect("storage works").as_ref());
    }
    block_on(serve(action, &world.store))
}

/// No signature opens what lies outside of its prefix.
fn check_covered(action: &Action, prefix: &str) {
    let inside = format!("{prefix}/");
    let key = match action {
        Action::Get(read) | Action::Head(read) | Action::Hint { read, .. } => &read.key,
        Action::List(listing) => &listing.prefix,
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
    headers.insert("x-amz-content-sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned());
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
    request.push_str(&format!("\n{}\nUNSIGNED-PAYLOAD", names.join(";")));
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
        ("put", "PUT /lakehouse/warehouse/default/orders/data/a.parquet"),
    ] {
        seeds.push(chosen(1, &format!("signed-{name}"), text));
        seeds.push(chosen(2, &format!("session-{name}"), text));
    }
    seeds
}
