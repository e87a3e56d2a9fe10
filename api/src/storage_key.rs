//! Storage credentials for the S3 facade, derived and not stored.
//!
//! The access key id *is* the grant: what prefix, how far, until when, under which key of the lake. The secret is a MAC
//! over the access key id, so nobody can make or change one without the key, and whoever verifies a signature needs the
//! key alone. Short-lived credentials come with a session token (another MAC), as clients expect; long-lived ones, for
//! people who type them into a `CREATE SECRET`, do without.
//!
//! ```text
//! access key id = base64url( format 1 | flags | expiry: 8, seconds | kid length | kid | prefix | crc )
//! flags           1: writes, 2: needs a session token
//! ```

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::limits::ACCESS_KEY_ID_BYTES_MAX;
use crate::scope::Access;
use crate::token::Keys;

const FORMAT: u8 = 1;
const WRITES: u8 = 1;
const NEEDS_SESSION: u8 = 2;
const SECRET_LABEL: &str = "s3-secret-1";
const SESSION_LABEL: &str = "s3-session-1";

/// Not an access key id of this lake.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the access key id is none of this lake's")]
pub struct InvalidAccessKeyId;

/// What credentials open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Keys that begin with this and a slash. `warehouse` is all tables, `warehouse/default` a namespace,
    /// `warehouse/default/orders` a table. Never empty.
    pub prefix: String,
    /// How far.
    pub access: Access,
    /// Until when: seconds since 1970.
    pub expires_at: i64,
    /// Whether a session token is part of them.
    pub is_session: bool,
}

impl Grant {
    /// True if `key` may be touched at all.
    pub fn covers(&self, key: &str) -> bool {
        key.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Credentials as an S3 client wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Public: it says what is granted.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: String,
    /// Secret, for grants that need one.
    pub session_token: Option<String>,
}

// By hand: a derived one would print secrets into a log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Credentials for a grant, under the lake's current key.
pub fn derive(keys: &Keys, grant: &Grant) -> Credentials {
    let kid = keys.current();
    let access_key_id = encode(kid, grant);
    let mac = |label| keys.mac(kid, label, access_key_id.as_bytes()).unwrap_or_default();
    let session_token = grant.is_session.then(|| URL_SAFE_NO_PAD.encode(mac(SESSION_LABEL)));
    let secret_access_key = URL_SAFE_NO_PAD.encode(mac(SECRET_LABEL));
    Credentials { access_key_id, secret_access_key, session_token }
}

/// What an access key id claims, and the secret that a request must have been signed with. Nothing is true of the claim
/// until the signature was verified.
pub struct Claimed {
    /// What is claimed.
    pub grant: Grant,
    /// The secret that signs.
    pub secret_access_key: String,
    /// The session token that has to come along, for grants that need one.
    pub session_token: Option<String>,
}

/// Reads an access key id.
pub fn claimed(keys: &Keys, access_key_id: &str) -> Result<Claimed, InvalidAccessKeyId> {
    let (kid, grant) = decode(access_key_id).ok_or(InvalidAccessKeyId)?;
    let mac = |label| keys.mac(&kid, label, access_key_id.as_bytes()).ok_or(InvalidAccessKeyId);
    let secret_access_key = URL_SAFE_NO_PAD.encode(mac(SECRET_LABEL)?);
    let session_token = if grant.is_session { Some(URL_SAFE_NO_PAD.encode(mac(SESSION_LABEL)?)) } else { None };
    Ok(Claimed { grant, secret_access_key, session_token })
}

fn encode(kid: &str, grant: &Grant) -> String {
    let mut flags = 0;
    if grant.access == Access::Write {
        flags |= WRITES;
    }
    if grant.is_session {
        flags |= NEEDS_SESSION;
    }
    let mut payload = vec![flags];
    payload.extend_from_slice(&grant.expires_at.to_be_bytes());
    // At most 16 bytes, as `Keys` holds.
    payload.push(kid.len() as u8);
    payload.extend_from_slice(kid.as_bytes());
    payload.extend_from_slice(grant.prefix.as_bytes());
    URL_SAFE_NO_PAD.encode(seal(&payload))
}

/// The envelope of everything of ours that is kept somewhere: format first, checksum last.
fn seal(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn decode(access_key_id: &str) -> Option<(String, Grant)> {
    if access_key_id.len() > ACCESS_KEY_ID_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(access_key_id).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    let (format, payload) = body.split_first()?;
    if *format != FORMAT || crc32fast::hash(body).to_le_bytes() != *checksum {
        return None;
    }
    let (flags, rest) = payload.split_first()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let (kid_length, rest) = rest.split_first()?;
    let (kid, prefix) = rest.split_at_checked(usize::from(*kid_length))?;
    if flags & !(WRITES | NEEDS_SESSION) != 0 || prefix.is_empty() {
        return None;
    }
    let grant = Grant {
        prefix: std::str::from_utf8(prefix).ok()?.to_owned(),
        access: if flags & WRITES == 0 { Access::Read } else { Access::Write },
        expires_at: i64::from_be_bytes(*expires_at),
        is_session: flags & NEEDS_SESSION != 0,
    };
    Some((std::str::from_utf8(kid).ok()?.to_owned(), grant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(byte: u8) -> Keys {
        Keys::new("k1", &[byte; 32]).unwrap()
    }

    fn grant() -> Grant {
        let prefix = "warehouse/default/orders".to_owned();
        Grant { prefix, access: Access::Read, expires_at: 1_763_700_000, is_session: true }
    }

    #[test]
    fn an_access_key_id_says_what_is_granted() {
        let derived = derive(&keys(1), &grant());
        let claimed = claimed(&keys(1), &derived.access_key_id).unwrap();
        assert_eq!(claimed.grant, grant());
        assert_eq!(claimed.secret_access_key, derived.secret_access_key);
        assert_eq!(claimed.session_token, derived.session_token);
    }

    #[test]
    fn another_key_or_another_grant_has_another_secret() {
        let derived = derive(&keys(1), &grant());
        assert_ne!(derive(&keys(2), &grant()).secret_access_key, derived.secret_access_key);
        let wider = Grant { prefix: "warehouse".into(), ..grant() };
        assert_ne!(derive(&keys(1), &wider).secret_access_key, derived.secret_access_key);
        assert_ne!(Some(derived.secret_access_key), derived.session_token);
    }

    #[test]
    fn a_key_of_another_lake_is_unknown() {
        let other = Keys::new("k2", &[1; 32]).unwrap();
        let derived = derive(&other, &grant());
        assert_eq!(claimed(&keys(1), &derived.access_key_id).map(|_| ()), Err(InvalidAccessKeyId));
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        assert!(grant().covers("warehouse/default/orders/metadata/a"));
        assert!(!grant().covers("warehouse/default/orders"));
        assert!(!grant().covers("warehouse/default/orders_history/a"));
        assert!(!grant().covers("warehouse/default/orders.2/a"));
        assert!(!grant().covers("_lake/commits/1"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let derived = derive(&keys(1), &grant());
        let printed = format!("{derived:?}");
        assert!(!printed.contains(&derived.secret_access_key), "{printed}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,120}") {
            let _read_or_refused = claimed(&keys(1), &text);
        }

        #[test]
        fn sealed_nonsense_does_not_panic(payload: Vec<u8>) {
            let _read_or_refused = claimed(&keys(1), &URL_SAFE_NO_PAD.encode(seal(&payload)));
        }
    }
}
