//! Which requests of engines need nobody but the catalog.

use super::{Shown, oauth, shows};
use crate::limits::{OAUTH_BODY_BYTES_MAX, REST_BODY_BYTES_MAX};

/// What is seen of a request before anything of it is read.
#[derive(Clone, Copy, Debug)]
pub struct AtDoor<'a> {
    /// `GET`, `HEAD`, ….
    pub method: &'a str,
    /// The path after `/iceberg`, with its leading slash, as it was sent.
    pub path: &'a str,
    /// The header `content-length`.
    pub content_length: Option<&'a str>,
    /// It has a header `authorization`.
    pub is_authorised: bool,
    /// It has a header `upgrade`.
    pub upgrades: bool,
}

/// Largest body that is let through to an address.
pub fn body_bytes_max(method: &str, path: &str) -> usize {
    if oauth::is_token_request(method, path) { OAUTH_BODY_BYTES_MAX } else { REST_BODY_BYTES_MAX }
}

/// True for a request that the catalog is asked alone, as it came: it checks the token itself.
///
/// Engines ask more often than all others, and each object that is called costs as much as the rest of the answer. Where
/// nothing is to be shown, and of a table that engines own, the lake has nothing to say.
pub fn goes_as_it_came(seen: &AtDoor<'_>) -> bool {
    let is_read = matches!(seen.method, "GET" | "HEAD");
    // The object holds all bodies at once: one that does not say how long it is would have to be held to be refused.
    let length = seen.content_length.and_then(|length| length.parse::<usize>().ok());
    let is_bounded = is_read || length.is_some_and(|length| length <= body_bytes_max(seen.method, seen.path));
    // A token may be elsewhere, and who asks for a WebSocket is taken for one who reads.
    if !is_bounded || !seen.is_authorised || seen.upgrades {
        return false;
    }
    match shows(seen.method, seen.path) {
        None => true,
        // Whose table it is the catalog knows. It may send the request back, and a body can be passed on once only.
        Some(Shown::Table(_)) => is_read,
        Some(Shown::Listing) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "/v1/namespaces/sales/tables/orders";

    fn seen<'a>(method: &'a str, path: &'a str) -> AtDoor<'a> {
        let content_length = Some("2").filter(|_| method == "POST");
        AtDoor { method, path, content_length, is_authorised: true, upgrades: false }
    }

    #[test]
    fn what_shows_nothing_of_the_lake_and_reads_of_one_table_go_alone() {
        for path in [TABLE, "/v1/config", "/v1/namespaces/sales/views/v", "/v1/nothing/here"] {
            assert!(goes_as_it_came(&seen("GET", path)), "{path}");
        }
        assert!(goes_as_it_came(&seen("HEAD", TABLE)));
        for path in [TABLE, "/v1/transactions/commit", "/v1/oauth/tokens", "/v1/namespaces"] {
            assert!(goes_as_it_came(&seen("POST", path)), "{path}");
        }
    }

    #[test]
    fn what_may_show_rows_of_the_lake_waits_for_its_commit() {
        for path in ["/v1/namespaces", "/v1/namespaces/sales", "/v1/namespaces/sales/tables"] {
            assert!(!goes_as_it_came(&seen("GET", path)), "{path}");
        }
        // A plan of a table has a body, which could not be sent again if the table were the lake's.
        assert!(!goes_as_it_came(&seen("POST", &format!("{TABLE}/plan"))));
    }

    #[test]
    fn a_body_has_to_say_that_it_is_not_too_long() {
        let post = |content_length| AtDoor { content_length, ..seen("POST", TABLE) };
        let (most, more) = (REST_BODY_BYTES_MAX.to_string(), (REST_BODY_BYTES_MAX + 1).to_string());
        assert!(goes_as_it_came(&post(Some(&most))));
        for length in [None, Some(more.as_str()), Some("-1"), Some(""), Some("99999999999999999999999")] {
            assert!(!goes_as_it_came(&post(length)), "{length:?}");
        }
    }

    #[test]
    fn a_stranger_who_wants_a_token_sends_little() {
        let post = |length: usize| {
            let length = length.to_string();
            let path = "/v1/oauth/tokens";
            goes_as_it_came(&AtDoor { content_length: Some(&length), ..seen("POST", path) })
        };
        assert!(post(OAUTH_BODY_BYTES_MAX) && !post(OAUTH_BODY_BYTES_MAX + 1));
        assert_eq!(body_bytes_max("POST", "/v1/oauth/tokens"), OAUTH_BODY_BYTES_MAX);
        assert_eq!(body_bytes_max("POST", TABLE), REST_BODY_BYTES_MAX);
    }

    #[test]
    fn who_shows_no_token_or_asks_for_a_socket_does_not_go_alone() {
        assert!(!goes_as_it_came(&AtDoor { is_authorised: false, ..seen("GET", TABLE) }));
        assert!(!goes_as_it_came(&AtDoor { upgrades: true, ..seen("GET", TABLE) }));
    }
}
