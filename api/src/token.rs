//! Bearer tokens: JSON Web Tokens signed with HMAC-SHA-256 by keys of this lake.
//!
//! Stateless, so every script verifies them alone. Strict where the format is lax: the algorithm is always HS256
//! (a header that says otherwise is refused, whatever it says), the key is named by `kid`, unpadded base64url only. Two
//! keys are valid at once, so that one can be replaced without locking anybody out. The same [`Keys`] derive storage
//! credentials, under another label.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::limits::{KEY_BYTES_MIN, KEYS_MAX, KID_BYTES_MAX, TOKEN_BYTES_MAX, TOKEN_LEEWAY_SECONDS, TOKEN_SCOPES_MAX};
use crate::scope::{Access, Action, InvalidScope, Scope};

/// The layout of the claims. A token of a newer one is refused.
const FORMAT: u8 = 1;

/// Why the configured keys were refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidKeys {
    /// Not `{"current": kid, "keys": {kid: base64url}}`.
    #[error("the keys are not {{\"current\": kid, \"keys\": {{kid: base64url}}}}")]
    Shape,
    /// `current` names none of them.
    #[error("the current key `{0}` is not among the keys")]
    NoCurrent(String),
    /// A key is shorter than a digest, or its name is not 1 to 16 letters and digits.
    #[error("key `{0}` is too short or badly named")]
    Weak(String),
    /// More than two.
    #[error("more than two keys")]
    TooMany,
}

/// The keys of a lake: the current one signs, all verify.
#[derive(Clone)]
pub struct Keys {
    current: String,
    keys: BTreeMap<String, Key>,
}

#[derive(Clone)]
struct Key {
    bytes: Vec<u8>,
    /// What every MAC under it begins with: half the work of a short one.
    begun: Hmac<Sha256>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysText {
    current: String,
    keys: BTreeMap<String, String>,
}

// By hand: a derived one would print the keys into a log.
impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Keys {
    /// One key, current.
    pub fn new(kid: &str, key: &[u8]) -> Result<Keys, InvalidKeys> {
        Keys::checked(kid.to_owned(), BTreeMap::from([(kid.to_owned(), key.to_vec())]))
    }

    /// Reads `{"current": kid, "keys": {kid: base64url}}`.
    pub fn parse(json: &str) -> Result<Keys, InvalidKeys> {
        let text: KeysText = serde_json::from_str(json).map_err(|_| InvalidKeys::Shape)?;
        let mut keys = BTreeMap::new();
        for (kid, key) in text.keys {
            keys.insert(kid, URL_SAFE_NO_PAD.decode(key).map_err(|_| InvalidKeys::Shape)?);
        }
        Keys::checked(text.current, keys)
    }

    fn checked(current: String, keys: BTreeMap<String, Vec<u8>>) -> Result<Keys, InvalidKeys> {
        if keys.len() > KEYS_MAX {
            return Err(InvalidKeys::TooMany);
        }
        for (kid, key) in &keys {
            let named = (1..=KID_BYTES_MAX).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric());
            if !named || key.len() < KEY_BYTES_MIN {
                return Err(InvalidKeys::Weak(kid.clone()));
            }
        }
        if !keys.contains_key(&current) {
            return Err(InvalidKeys::NoCurrent(current));
        }
        let begin = |(kid, bytes): (String, Vec<u8>)| match Hmac::new_from_slice(&bytes) {
            Ok(begun) => Ok((kid, Key { bytes, begun })),
            Err(_) => Err(InvalidKeys::Weak(kid)),
        };
        Ok(Keys { current, keys: keys.into_iter().map(begin).collect::<Result<_, _>>()? })
    }

    /// The text that [`Keys::parse`] reads.
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter().map(|(kid, key)| (kid.clone(), URL_SAFE_NO_PAD.encode(&key.bytes))).collect();
        serde_json::to_string(&KeysText { current: self.current.clone(), keys }).unwrap_or_default()
    }

    /// The name of the key that signs.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// HMAC-SHA-256 of `label`, a zero byte and `message` under key `kid`; `None` if there is no such key.
    ///
    /// The label keeps what is derived for one purpose from being valid for another.
    pub fn mac(&self, kid: &str, label: &str, message: &[u8]) -> Option<[u8; 32]> {
        let mut mac = self.hmac(kid)?;
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        Some(mac.finalize().into_bytes().into())
    }

    fn hmac(&self, kid: &str) -> Option<Hmac<Sha256>> {
        Some(self.keys.get(kid)?.begun.clone())
    }
}

/// What a token says, after its signature and its time were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who it was made for. For logs only; nothing is decided by it.
    pub subject: String,
    /// When it was made: seconds since 1970.
    pub issued_at: i64,
    /// When it ends: seconds since 1970.
    pub expires_at: i64,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

impl Claims {
    /// True if one of the scopes allows `action`.
    pub fn may(&self, action: Action<'_>) -> bool {
        self.scopes.iter().any(|scope| scope.allows(action))
    }

    /// True if the token has ended by the clock, and the leeway for differing clocks is over too.
    pub fn has_expired(&self, now_micros: i64) -> bool {
        has_ended(self.expires_at, now_micros)
    }

    /// How far the token reaches into a database; `None` if it does not.
    pub fn database_access(&self, database: &str) -> Option<Access> {
        [Access::Write, Access::Read].into_iter().find(|access| self.may(Action::Database(database, *access)))
    }
}

/// Why a token was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not three parts of base64url with the right JSON in them, or too long.
    #[error("the token is malformed")]
    Malformed,
    /// Its header names another algorithm than HS256.
    #[error("the token is not signed with HS256")]
    Algorithm,
    /// Its header names no key of this lake.
    #[error("the token's key is not known here")]
    UnknownKey,
    /// Not signed by that key.
    #[error("the token's signature is wrong")]
    Signature,
    /// Made by a newer build.
    #[error("the token has format {0}, which this build does not read")]
    Format(u8),
    /// Its time is over. Get another one.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is from the future")]
    NotYet,
    /// One of its scopes is not one.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: String,
    // Extensions that must be understood; we understand none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct ClaimsText {
    v: u8,
    sub: String,
    iat: i64,
    exp: i64,
    scopes: Vec<String>,
}

/// Signs `claims` with the current key.
pub fn mint(claims: &Claims, keys: &Keys) -> String {
    let header = Header { alg: "HS256".to_owned(), typ: Some("JWT".to_owned()), kid: keys.current.clone(), crit: None };
    let text = ClaimsText::from(claims);
    let mut token = encode_json(&header);
    token.push('.');
    token.push_str(&encode_json(&text));
    if let Some(mut mac) = keys.hmac(&keys.current) {
        mac.update(token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    }
    token
}

impl From<&Claims> for ClaimsText {
    fn from(claims: &Claims) -> ClaimsText {
        ClaimsText {
            v: FORMAT,
            sub: claims.subject.clone(),
            iat: claims.issued_at,
            exp: claims.expires_at,
            scopes: claims.scopes.iter().map(Scope::to_string).collect(),
        }
    }
}

impl ClaimsText {
    fn read(self) -> Result<Claims, InvalidScope> {
        let scopes: Result<Vec<Scope>, InvalidScope> = self.scopes.iter().map(|scope| scope.parse()).collect();
        Ok(Claims { subject: self.sub, issued_at: self.iat, expires_at: self.exp, scopes: scopes? })
    }
}

/// Claims that were verified already, as they travel between scripts behind the front door.
pub fn claims_to_json(claims: &Claims) -> String {
    serde_json::to_string(&ClaimsText::from(claims)).unwrap_or_default()
}

/// Reads what [`claims_to_json`] wrote. Nothing is verified: the text must come from the front door.
pub fn claims_from_json(json: &str) -> Result<Claims, TokenError> {
    let text: ClaimsText = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    Ok(text.read()?)
}

fn encode_json(value: &impl Serialize) -> String {
    // Strings and integers always serialise.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// Checks a token against the keys and the clock.
pub fn verify(token: &str, keys: &Keys, now_micros: i64) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = decode_json(header)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    let mut mac = keys.hmac(&header.kid).ok_or(TokenError::UnknownKey)?;
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    mac.verify_slice(&signature).map_err(|_| TokenError::Signature)?;

    let text: ClaimsText = decode_json(claims)?;
    if text.v != FORMAT {
        return Err(TokenError::Format(text.v));
    }
    let now = now_micros.div_euclid(1_000_000);
    if has_ended(text.exp, now_micros) {
        return Err(TokenError::Expired);
    }
    if text.iat.saturating_sub(TOKEN_LEEWAY_SECONDS) > now {
        return Err(TokenError::NotYet);
    }
    if text.scopes.len() > TOKEN_SCOPES_MAX {
        return Err(TokenError::Malformed);
    }
    Ok(text.read()?)
}

fn has_ended(expires_at: i64, now_micros: i64) -> bool {
    expires_at.saturating_add(TOKEN_LEEWAY_SECONDS) <= now_micros.div_euclid(1_000_000)
}

fn decode_json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
