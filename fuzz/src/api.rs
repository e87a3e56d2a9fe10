//! `api`: addresses, tokens, scopes, access key ids, keys, and the messages on `/v1/subscribe`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use lake_api::route::{Method, route};
use lake_api::scope::{Access, Action, Scope};
use lake_api::storage_key::{Grant, claimed, derive};
use lake_api::subscribe::{ClientMessage, ServerMessage};
use lake_api::token::{Claims, Keys, claims_from_json, claims_to_json, mint, verify};
use lake_api::{ApiError, metrics};
use sha2::Sha256;

use crate::seed::{Seeds, choice, chosen};
use crate::world::{NOW, NOW_SECONDS, keys};

/// The first byte says what the text is.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    if choice % 11 == 10 {
        let error = ApiError::from_json(bytes);
        assert!(serde_json::from_str::<serde_json::Value>(&error.to_json("id")).is_ok(), "an error is JSON");
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match choice % 11 {
        0 => {
            let (method, path) = text.split_once(' ').unwrap_or(("GET", text));
            if let Ok(route) = route(Method::parse(method), path) {
                let _ = std::hint::black_box((route.action(), route.is_open()));
            }
        }
        1 => {
            if let Ok(claims) = claims_from_json(text) {
                let again = claims_from_json(&claims_to_json(&claims));
                assert_eq!(again.as_ref(), Ok(&claims));
            }
        }
        2 => {
            let _ = std::hint::black_box(verify(text, &keys(), NOW));
        }
        3 => check_signed(text),
        4 => {
            if let Ok(scope) = text.parse::<Scope>() {
                assert_eq!(scope.to_string().parse().as_ref(), Ok(&scope));
                assert!(scope.includes(&scope));
                let _ = std::hint::black_box(scope.allows(Action::Database(text, Access::Write)));
            }
        }
        5 => {
            if let Ok(claimed) = claimed(&keys(), text) {
                let derived = derive(&keys(), &claimed.grant);
                if derived.access_key_id == text {
                    assert_eq!(derived.secret_access_key, claimed.secret_access_key);
                }
            }
        }
        6 => {
            if let Ok(keys) = Keys::parse(text) {
                assert!(Keys::parse(&keys.to_json()).is_ok(), "keys read back");
            }
        }
        7 => {
            if let Ok(message) = serde_json::from_str::<ClientMessage>(text) {
                let json = serde_json::to_string(&message).expect("JSON");
                assert_eq!(serde_json::from_str::<ClientMessage>(&json).expect("reads back"), message);
            }
        }
        8 => {
            if let Ok(message) = serde_json::from_str::<ServerMessage>(text) {
                let json = serde_json::to_string(&message).expect("JSON");
                assert_eq!(serde_json::from_str::<ServerMessage>(&json).expect("reads back"), message);
            }
        }
        _ => {
            if let Ok(status) = serde_json::from_str(text) {
                let _ = std::hint::black_box(metrics::from_status(&status));
            }
        }
    }
}

/// Header and claims, a line each, under a signature that is right: what a checksum keeps chance from.
fn check_signed(text: &str) {
    let Some((header, claims)) = text.split_once('\n') else { return };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("any key");
    mac.update(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    if let Ok(claims) = verify(&token, &keys(), NOW) {
        let minted = mint(&claims, &keys());
        // What is minted is never longer by more than its spelling.
        if let Ok(again) = verify(&minted, &keys(), NOW) {
            assert_eq!(again, claims);
        }
    }
}

/// One text of each kind at least.
pub fn seeds() -> Seeds {
    let claims = Claims {
        subject: "test".into(),
        issued_at: NOW_SECONDS,
        expires_at: NOW_SECONDS + 86_400,
        scopes: vec![
            Scope::All,
            Scope::Ingest,
            Scope::Database { database: "shop".into(), access: Access::Write },
            Scope::Table { namespace: "a\u{1f}b".into(), table: "o.x".into(), access: Access::Read },
        ],
    };
    let grant = |is_session| Grant {
        prefix: "warehouse/default/orders".into(),
        access: Access::Read,
        expires_at: NOW_SECONDS + 60,
        is_session,
    };
    let mut seeds = vec![
        chosen(1, "claims", claims_to_json(&claims)),
        chosen(2, "token", mint(&claims, &keys())),
        chosen(3, "signed", format!("{}\n{}", r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#, claims_to_json(&claims))),
        chosen(5, "key-session", derive(&keys(), &grant(true)).access_key_id),
        chosen(5, "key", derive(&keys(), &grant(false)).access_key_id),
        chosen(6, "keys", keys().to_json()),
        chosen(9, "status", r#"{"position":"4","shards":{"shop":{"accepted":"3","refusals":1}},"bytes":12}"#),
        chosen(10, "error", r#"{"error":{"code":"limit_exceeded","message":"too many","retryable":true}}"#),
    ];
    for (name, text) in [
        ("sql", "POST /v1/databases/shop/sql"),
        ("create", "PUT /v1/databases/shop"),
        ("status", "GET /v1/status"),
        ("query", "POST /v1/query"),
        ("subscribe", "GET /v1/subscribe"),
        ("changes", "GET /v1/changes"),
        ("iceberg", "GET /iceberg/v1/config"),
        ("preflight", "OPTIONS /v1/query"),
        ("console", "GET /"),
    ] {
        seeds.push(chosen(0, &format!("route-{name}"), text));
    }
    for (name, text) in [
        ("lake", "lake:read"),
        ("namespace", "namespace:sales:write"),
        ("table", "table:a.b.o%2Ex:read"),
        ("database", "database:tenant-7:write"),
    ] {
        seeds.push(chosen(4, &format!("scope-{name}"), text));
    }
    let wire: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/wire/subscribe.json")).expect("JSON");
    for (index, line) in wire.iter().enumerate() {
        let kind = if line["from"] == "client" { 7 } else { 8 };
        seeds.push(chosen(kind, &format!("message-{index}"), line["message"].to_string()));
    }
    seeds
}
