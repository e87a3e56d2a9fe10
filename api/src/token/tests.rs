use super::*;
use crate::scope::Access;
use proptest::prelude::*;

const NOW: i64 = 1_763_700_000;

fn keys(kid: &str, byte: u8) -> Keys {
    Keys::new(kid, &[byte; 32]).unwrap()
}

fn claims() -> Claims {
    Claims { subject: "demo".into(), issued_at: NOW, expires_at: NOW + 60, scopes: vec![Scope::Lake(Access::Read)] }
}

fn at(seconds: i64) -> i64 {
    seconds * 1_000_000
}

/// Any header and claims, signed with the test key.
fn signed(header: &str, claims: &str) -> String {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = keys("k1", 7).hmac("k1").unwrap();
    mac.update(head.as_bytes());
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn check(header: &str, body: &str, expected: Result<(), TokenError>) {
    let read = verify(&signed(header, body), &keys("k1", 7), at(NOW));
    assert_eq!(read.map(|_| ()), expected, "{header} {body}");
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#;

#[test]
fn a_minted_token_says_what_was_put_in() {
    let keys = keys("k1", 7);
    assert_eq!(verify(&mint(&claims(), &keys), &keys, at(NOW)), Ok(claims()));
}

#[test]
fn an_independent_implementation_signs_the_same() {
    // Made with Python: hmac.new(b"\7" * 32, …, sha256), base64.urlsafe_b64encode.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJ2IjoxLCJzdWIiOiJkZW1vIiwiaWF0IjoxNzYzNzAwMDAwLCJleHAiOjE3NjM3MDAwNjAsInNjb3BlcyI6WyJsYWtlOnJlYWQiXX0.37CUK5zVvvUJNayvkm_ub58DUFMJLrCNcRUzjcxNy2Q";
    assert_eq!(mint(&claims(), &keys("k1", 7)), token);
}

#[test]
fn a_token_lives_a_minute_longer_than_it_says_for_slow_clocks() {
    let keys = keys("k1", 7);
    let token = mint(&claims(), &keys);
    assert!(verify(&token, &keys, at(NOW + 119)).is_ok());
    assert_eq!(verify(&token, &keys, at(NOW + 120)), Err(TokenError::Expired));
    assert!(!claims().has_expired(at(NOW + 119)) && claims().has_expired(at(NOW + 120)));
    assert!(verify(&token, &keys, at(NOW - 60)).is_ok());
    assert_eq!(verify(&token, &keys, at(NOW - 61)), Err(TokenError::NotYet));
}

#[test]
fn a_key_that_was_replaced_verifies_until_it_is_removed() {
    let old = keys("k1", 7);
    let token = mint(&claims(), &old);
    let both = Keys::checked("k2".into(), BTreeMap::from([("k1".into(), vec![7; 32]), ("k2".into(), vec![8; 32])]));
    let both = both.unwrap();
    assert!(verify(&token, &both, at(NOW)).is_ok());
    assert_eq!(verify(&token, &keys("k2", 8), at(NOW)), Err(TokenError::UnknownKey));
    assert_eq!(verify(&token, &keys("k1", 8), at(NOW)), Err(TokenError::Signature));
    assert!(verify(&mint(&claims(), &both), &keys("k2", 8), at(NOW)).is_ok());
}

#[test]
fn only_hs256_is_an_algorithm() {
    let body = r#"{"v":1,"sub":"a","iat":0,"exp":9999999999,"scopes":["all"]}"#;
    check(HEADER, body, Ok(()));
    for alg in ["none", "None", "HS512", "RS256", ""] {
        check(&format!(r#"{{"alg":"{alg}","kid":"k1"}}"#), body, Err(TokenError::Algorithm));
    }
    check(r#"{"alg":"HS256","kid":"k1","crit":["exp"]}"#, body, Err(TokenError::Algorithm));
    check(r#"{"alg":"HS256"}"#, body, Err(TokenError::UnknownKey));
    check(r#"{"kid":"k1"}"#, body, Err(TokenError::Malformed));
}

#[test]
fn signed_nonsense_is_refused() {
    check(HEADER, r#"{"v":2,"sub":"a","iat":0,"exp":9999999999,"scopes":[]}"#, Err(TokenError::Format(2)));
    check(HEADER, r#"{"v":1,"sub":"a","iat":0,"scopes":[]}"#, Err(TokenError::Malformed));
    check(HEADER, "[]", Err(TokenError::Malformed));
    let scope = r#"{"v":1,"sub":"a","iat":0,"exp":9999999999,"scopes":["lake:*"]}"#;
    check(HEADER, scope, Err(TokenError::Scope(InvalidScope("lake:*".into()))));
}

#[test]
fn an_unsigned_token_is_no_token() {
    let token = mint(&claims(), &keys("k1", 7));
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verify(signed, &keys("k1", 7), at(NOW)), Err(TokenError::Malformed));
    assert_eq!(verify(&format!("{signed}."), &keys("k1", 7), at(NOW)), Err(TokenError::Signature));
}

#[test]
fn keys_read_back_and_weak_ones_are_refused() {
    let keys = keys("k1", 7);
    assert_eq!(Keys::parse(&keys.to_json()).map(|keys| keys.to_json()), Ok(keys.to_json()));
    assert_eq!(Keys::new("k1", &[7; 31]).map(|_| ()), Err(InvalidKeys::Weak("k1".into())));
    assert_eq!(Keys::new("k/1", &[7; 32]).map(|_| ()), Err(InvalidKeys::Weak("k/1".into())));
    assert_eq!(Keys::parse("{}").map(|_| ()), Err(InvalidKeys::Shape));
    let three = (1..=3).map(|n| (format!("k{n}"), vec![n; 32])).collect();
    assert_eq!(Keys::checked("k1".into(), three).map(|_| ()), Err(InvalidKeys::TooMany));
    let one = BTreeMap::from([("k1".to_owned(), vec![7; 32])]);
    assert_eq!(Keys::checked("k2".into(), one).map(|_| ()), Err(InvalidKeys::NoCurrent("k2".into())));
}

#[test]
fn keys_are_not_printed() {
    assert_eq!(format!("{:?}", keys("k1", 7)), r#"Keys { current: "k1", .. }"#);
}

#[test]
fn labels_keep_purposes_apart() {
    let keys = keys("k1", 7);
    assert_ne!(keys.mac("k1", "a", b"b"), keys.mac("k1", "ab", b""));
    assert_eq!(keys.mac("k2", "a", b"b"), None);
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "[A-Za-z0-9_.-]{0,200}") {
        prop_assert!(verify(&text, &keys("k1", 7), at(NOW)).is_err());
    }

    #[test]
    fn a_changed_byte_breaks_a_token(index in 0usize..200, byte in b' '..b'~') {
        let keys = keys("k1", 7);
        let token = mint(&claims(), &keys);
        let mut bytes = token.clone().into_bytes();
        let index = index % bytes.len();
        bytes[index] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(verify(&changed, &keys, at(NOW)).is_ok(), changed == token);
    }
}

#[test]
fn a_token_reaches_into_a_database_as_far_as_its_furthest_scope() {
    let reach = |scopes: &[&str], expected: Option<Access>| {
        let scopes_read = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        let claims = Claims { scopes: scopes_read, ..claims() };
        assert_eq!(claims.database_access("shop"), expected, "{scopes:?}");
    };
    reach(&["database:shop:read"], Some(Access::Read));
    reach(&["database:shop:write"], Some(Access::Write));
    reach(&["database:shop:read", "database:shop:write"], Some(Access::Write));
    reach(&["all"], Some(Access::Write));
    reach(&["database:other:write", "lake:write", "namespace:shop:write", "ingest"], None);
    reach(&[], None);
}
