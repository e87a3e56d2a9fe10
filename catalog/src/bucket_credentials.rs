//! Temporary credentials for the bucket's own S3 address, signed here with a key of the bucket: no request to anybody.
//!
//! The store's documentation has it so: a JWT (HS256 under the parent's secret) says bucket, access, prefixes and times; the
//! session token is `base64("jwt/" + jwt)`, the secret is the SHA-256 of the JWT in hexadecimal digits, the access key id is
//! the parent's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use lake_api::scope::Access;
use lake_api::storage_key::{Credentials, Grant};
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::hex::hex;
use crate::vended::{ACCESS_KEY_ID, ENDPOINT, SECRET_ACCESS_KEY};

const DOMAIN: &str = ".r2.cloudflarestorage.com";

/// A setting that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{name} {why}")]
pub struct InvalidSetting {
    name: &'static str,
    why: &'static str,
}

/// The key of a bucket that temporary credentials are made from, and where the bucket is.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketKey {
    host: String,
    account_id: String,
    access_key_id: String,
    secret_access_key: String,
}

// By hand: a derived one would print the secret into a log.
impl std::fmt::Debug for BucketKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BucketKey").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What a temporary credential says. The order of the fields is the order of their text.
#[derive(Serialize)]
struct Claims<'a> {
    bucket: &'a str,
    scope: &'static str,
    paths: Paths,
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Paths {
    prefix_paths: [String; 1],
    object_paths: [String; 0],
}

impl BucketKey {
    /// A key by its address, `https://{account id}.r2.cloudflarestorage.com` or the same in a jurisdiction, its id and its
    /// secret.
    pub fn new(endpoint: &str, access_key_id: &str, secret_access_key: &str) -> Result<BucketKey, InvalidSetting> {
        let invalid = |name, why| InvalidSetting { name, why };
        let host = endpoint.strip_prefix("https://").map(|host| host.strip_suffix('/').unwrap_or(host));
        let account_id = host.and_then(|host| host.strip_suffix(DOMAIN)).and_then(account_of);
        let (Some(host), Some(account_id)) = (host, account_id) else {
            let why = "is https://{account id}.r2.cloudflarestorage.com, or the same with .eu or another jurisdiction \
                       behind the account id, and nothing behind it";
            return Err(invalid(ENDPOINT, why));
        };
        let is_key = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_key(access_key_id) {
            return Err(invalid(ACCESS_KEY_ID, "has letters and digits only"));
        }
        if secret_access_key.is_empty() || !secret_access_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(SECRET_ACCESS_KEY, "has printed characters only"));
        }
        Ok(BucketKey {
            host: host.to_owned(),
            account_id: account_id.to_owned(),
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
        })
    }

    /// Where clients find the bucket, with a slash at the end.
    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}/", self.host)
    }

    /// Credentials that open what the grant says of a bucket, and nothing else of it.
    pub(crate) fn sign(&self, bucket: &str, grant: &Grant, now: i64) -> Credentials {
        let claims = Claims {
            bucket,
            scope: match grant.access {
                Access::Read => "object-read-only",
                Access::Write => "object-read-write",
            },
            // With the slash: without it `orders` would open `orders_history` too.
            paths: Paths { prefix_paths: [format!("{}/", grant.prefix)], object_paths: [] },
            sub: &self.account_id,
            iss: &self.access_key_id,
            aud: &self.host,
            iat: now,
            exp: grant.expires_at,
        };
        let jwt = self.jwt(&claims);
        Credentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: hex(&Sha256::digest(&jwt)),
            session_token: Some(STANDARD.encode(format!("jwt/{jwt}"))),
        }
    }

    fn jwt(&self, claims: &Claims<'_>) -> String {
        // A struct of texts and numbers is always JSON, and a key of any length is one for HMAC.
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let mac = Hmac::<Sha256>::new_from_slice(self.secret_access_key.as_bytes()).map(|mut mac| {
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.unwrap_or_default()))
    }
}

/// The account id of `{account id}` or `{account id}.{jurisdiction}`.
fn account_of(labels: &str) -> Option<&str> {
    let (account_id, jurisdiction) = match labels.split_once('.') {
        Some((account_id, jurisdiction)) => (account_id, Some(jurisdiction)),
        None => (labels, None),
    };
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_account = account_id.len() == 32 && account_id.bytes().all(is_hexadecimal);
    (is_account && jurisdiction.is_none_or(is_label)).then_some(account_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
    const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const NOW: i64 = 1_763_696_544;

    fn key() -> BucketKey {
        let endpoint = format!("https://{ACCOUNT}.r2.cloudflarestorage.com");
        BucketKey::new(&endpoint, "fedcba9876543210fedcba9876543210", SECRET).unwrap()
    }

    fn grant(access: Access) -> Grant {
        let prefix = "warehouse/default/orders".to_owned();
        Grant { prefix, access, expires_at: NOW + 3_600, is_session: true }
    }

    fn claims(credentials: &Credentials) -> Value {
        let token = STANDARD.decode(credentials.session_token.as_ref().unwrap()).unwrap();
        let jwt = String::from_utf8(token).unwrap().strip_prefix("jwt/").unwrap().to_owned();
        let payload = jwt.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn credentials_are_those_that_another_implementation_makes() {
        // Made by Python's hmac, hashlib and base64 from the same claims.
        let read = key().sign("lakehouse", &grant(Access::Read), NOW);
        assert_eq!(read.access_key_id, "fedcba9876543210fedcba9876543210");
        assert_eq!(read.secret_access_key, "00f2bf469dee2efd72817cd7d176e0aed20bd4e36a259b047208b2278f47102e");
        let token = read.session_token.unwrap();
        assert!(
            token.starts_with("and0L2V5SmhiR2NpT2lKSVV6STFOaUlzSW5SNWNDSTZJa3BYVkNKOS5leUppZFdOclpYUWlP"),
            "{token}"
        );
        assert!(token.ends_with("LmZjQUQya2xPSVFtWXR3SVItM1dvenhGYXlaOEJ1UG0teXJxVlVsVFlGWTA="), "{token}");
        let write = key().sign("lakehouse", &grant(Access::Write), NOW);
        assert_eq!(write.secret_access_key, "68cbcd620c766d40bef2efaada340ff887f9d3e6a5786f01f83471c62d8a6af3");
    }

    #[test]
    fn a_credential_is_for_one_bucket_one_folder_and_an_hour() {
        let expected = json!({
            "bucket": "lakehouse", "scope": "object-read-only",
            "paths": {"prefixPaths": ["warehouse/default/orders/"], "objectPaths": []},
            "sub": ACCOUNT, "iss": "fedcba9876543210fedcba9876543210",
            "aud": format!("{ACCOUNT}.r2.cloudflarestorage.com"), "iat": NOW, "exp": NOW + 3_600,
        });
        assert_eq!(claims(&key().sign("lakehouse", &grant(Access::Read), NOW)), expected);
        let write = claims(&key().sign("lakehouse", &grant(Access::Write), NOW));
        assert_eq!(write["scope"], "object-read-write");
    }

    #[test]
    fn the_address_has_an_account_and_may_have_a_jurisdiction() {
        for (endpoint, is_valid) in [
            (format!("https://{ACCOUNT}.r2.cloudflarestorage.com/"), true),
            (format!("https://{ACCOUNT}.eu.r2.cloudflarestorage.com"), true),
            (format!("http://{ACCOUNT}.r2.cloudflarestorage.com"), false),
            (format!("https://{ACCOUNT}.r2.cloudflarestorage.com/lakehouse"), false),
            (format!("https://{ACCOUNT}.r2.cloudflarestorage.com.example.com"), false),
            (format!("https://{ACCOUNT}.a.b.r2.cloudflarestorage.com"), false),
            (format!("https://{ACCOUNT}..r2.cloudflarestorage.com"), false),
            ("https://account.r2.cloudflarestorage.com".to_owned(), false),
            ("https://.r2.cloudflarestorage.com".to_owned(), false),
        ] {
            assert_eq!(BucketKey::new(&endpoint, "id", "secret").is_ok(), is_valid, "{endpoint}");
        }
        let european =
            BucketKey::new(&format!("https://{ACCOUNT}.eu.r2.cloudflarestorage.com"), "id", "secret").unwrap();
        assert_eq!(
            claims(&european.sign("b", &grant(Access::Read), NOW))["aud"],
            format!("{ACCOUNT}.eu.r2.cloudflarestorage.com")
        );
        assert_eq!(european.endpoint(), format!("https://{ACCOUNT}.eu.r2.cloudflarestorage.com/"));
    }

    #[test]
    fn keys_that_no_signature_could_carry_are_refused() {
        let endpoint = format!("https://{ACCOUNT}.r2.cloudflarestorage.com");
        for (id, secret) in [("", "s"), ("a/b", "s"), ("a b", "s"), ("a", ""), ("a", "b c")] {
            assert!(BucketKey::new(&endpoint, id, secret).is_err(), "{id} {secret}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", key()).contains(SECRET));
    }
}
