//! The one table of error codes, and the body of an error answer.
//!
//! A code tells a client three things: the HTTP status, whether sending the same again can help, and whether the
//! failed request is promised to have changed nothing. SQL errors use Postgres' SQLSTATEs as their code.

use serde_json::json;

/// Why a request failed, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A SQLSTATE of five characters.
    Sql(&'static str),
    /// The request can never succeed as sent.
    Invalid,
    /// No token, or one that is not valid.
    Unauthorized,
    /// The token does not allow this.
    Forbidden,
    /// No such address.
    NotFound,
    /// No such database.
    DatabaseNotFound,
    /// The database exists, with other options.
    DatabaseExists,
    /// The database was deleted a moment ago and the lake has not stored its end yet.
    DatabaseEnding,
    /// The address knows no such method.
    MethodNotAllowed,
    /// The body is over the limit.
    BodyTooLarge,
    /// A limit was reached; the message names it.
    LimitExceeded,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// What was asked to be waited for did not arrive in time.
    NotYet,
    /// The cursor is older than what is kept.
    PositionExpired,
    /// The cursor is from a lake that was rebuilt, or lies in the future.
    PositionUnknown,
    /// A part is missing for the moment; nothing was changed.
    Unavailable,
    /// Whether the commit took effect is not known: look, then decide.
    CommitStateUnknown,
    /// Our bug.
    Internal,
}

/// Every code that is not a SQLSTATE, for tests and documents.
pub const NAMED_CODES: [ErrorCode; 17] = [
    ErrorCode::Invalid,
    ErrorCode::Unauthorized,
    ErrorCode::Forbidden,
    ErrorCode::NotFound,
    ErrorCode::DatabaseNotFound,
    ErrorCode::DatabaseExists,
    ErrorCode::DatabaseEnding,
    ErrorCode::MethodNotAllowed,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::IdempotencyKeyReused,
    ErrorCode::NotYet,
    ErrorCode::PositionExpired,
    ErrorCode::PositionUnknown,
    ErrorCode::Unavailable,
    ErrorCode::CommitStateUnknown,
    ErrorCode::Internal,
];

impl ErrorCode {
    /// The code as it is written in answers.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::Sql(state) => state,
            ErrorCode::Invalid => "invalid",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::DatabaseNotFound => "database_not_found",
            ErrorCode::DatabaseExists => "database_exists",
            ErrorCode::DatabaseEnding => "database_ending",
            ErrorCode::MethodNotAllowed => "method_not_allowed",
            ErrorCode::BodyTooLarge => "body_too_large",
            ErrorCode::LimitExceeded => "limit_exceeded",
            ErrorCode::IdempotencyKeyReused => "idempotency_key_reused",
            ErrorCode::NotYet => "not_yet",
            ErrorCode::PositionExpired => "position_expired",
            ErrorCode::PositionUnknown => "position_unknown",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::CommitStateUnknown => "commit_state_unknown",
            ErrorCode::Internal => "internal",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::Sql(state) => sql_status(state),
            ErrorCode::Invalid => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound | ErrorCode::DatabaseNotFound => 404,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::DatabaseExists | ErrorCode::DatabaseEnding => 409,
            ErrorCode::PositionExpired | ErrorCode::PositionUnknown => 410,
            ErrorCode::BodyTooLarge => 413,
            ErrorCode::IdempotencyKeyReused => 422,
            ErrorCode::LimitExceeded => 429,
            ErrorCode::NotYet | ErrorCode::Unavailable => 503,
            ErrorCode::CommitStateUnknown | ErrorCode::Internal => 500,
        }
    }

    /// Whether sending the same request again, later, can succeed.
    pub fn is_retryable(self) -> bool {
        match self {
            ErrorCode::Sql(state) => matches!(class(state), "40" | "53" | "57" | "58") && state != "57014",
            ErrorCode::DatabaseEnding | ErrorCode::LimitExceeded | ErrorCode::NotYet | ErrorCode::Unavailable => true,
            ErrorCode::Invalid
            | ErrorCode::Unauthorized
            | ErrorCode::Forbidden
            | ErrorCode::NotFound
            | ErrorCode::DatabaseNotFound
            | ErrorCode::DatabaseExists
            | ErrorCode::MethodNotAllowed
            | ErrorCode::BodyTooLarge
            | ErrorCode::IdempotencyKeyReused
            | ErrorCode::PositionExpired
            | ErrorCode::PositionUnknown
            | ErrorCode::CommitStateUnknown
            | ErrorCode::Internal => false,
        }
    }

    /// Whether the server promises that the failed request changed nothing.
    ///
    /// A client may resend a write without an `Idempotency-Key` only if this is true.
    pub fn has_no_side_effects(self) -> bool {
        match self {
            // 58030 is a storage write whose outcome is not known, 08007 says so of a transaction, XX000 is our bug.
            ErrorCode::Sql(state) => !matches!(state, "58030" | "08007" | "XX000"),
            ErrorCode::CommitStateUnknown | ErrorCode::Internal => false,
            _ => true,
        }
    }
}

fn class(state: &str) -> &str {
    state.get(..2).unwrap_or("XX")
}

fn sql_status(state: &str) -> u16 {
    match (state, class(state)) {
        ("42501", _) => 403,
        // A wrong number of parameters is the client's doing, other states of its class are ours.
        ("08P01", _) => 400,
        ("23505", _) | (_, "40") => 409,
        ("53100", _) => 507,
        (_, "53" | "57" | "58") if state != "57014" => 503,
        (_, "XX" | "08") => 500,
        _ => 400,
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// One sentence that names what is wrong.
    pub message: String,
    /// More of it: the offending value, the position to resend from.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl ApiError {
    /// An error without detail or hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), detail: None, hint: None }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.hint = Some(hint.into());
        self
    }

    /// Adds more of what is wrong.
    pub fn detail(mut self, detail: impl Into<String>) -> ApiError {
        self.detail = Some(detail.into());
        self
    }

    /// Reads the body of an error answer of another script. A code that is not one of [`NAMED_CODES`] is our bug.
    pub fn from_json(body: &[u8]) -> ApiError {
        let read: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| read["error"][name].as_str().map(str::to_owned);
        let code = field("code").and_then(|name| NAMED_CODES.into_iter().find(|code| code.name() == name));
        ApiError {
            code: code.unwrap_or(ErrorCode::Internal),
            message: field("message").unwrap_or_else(|| "an answer cannot be read".to_owned()),
            detail: field("detail"),
            hint: field("hint"),
        }
    }

    /// The body of the answer.
    pub fn to_json(&self, request_id: &str) -> String {
        json!({"error": {
            "code": self.code.name(),
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
            "retryable": self.code.is_retryable(),
            "noSideEffects": self.code.has_no_side_effects(),
            "requestId": request_id,
        }})
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: ErrorCode, status: u16, retryable: bool, no_side_effects: bool) {
        assert_eq!(
            (code.status(), code.is_retryable(), code.has_no_side_effects()),
            (status, retryable, no_side_effects),
            "{}",
            code.name()
        );
    }

    #[test]
    fn sql_states_have_the_status_a_client_can_act_on() {
        check(ErrorCode::Sql("42601"), 400, false, true);
        check(ErrorCode::Sql("42501"), 403, false, true);
        check(ErrorCode::Sql("08P01"), 400, false, true);
        check(ErrorCode::Sql("23505"), 409, false, true);
        check(ErrorCode::Sql("40001"), 409, true, true);
        check(ErrorCode::Sql("53100"), 507, true, true);
        check(ErrorCode::Sql("57014"), 400, false, true);
        check(ErrorCode::Sql("58030"), 503, true, false);
        check(ErrorCode::Sql("XX000"), 500, false, false);
    }

    #[test]
    fn an_unknown_outcome_never_promises_that_nothing_happened() {
        check(ErrorCode::CommitStateUnknown, 500, false, false);
        check(ErrorCode::Internal, 500, false, false);
        check(ErrorCode::Unavailable, 503, true, true);
    }

    #[test]
    fn an_error_of_another_script_is_passed_on_as_it_was() {
        let error = ApiError::new(ErrorCode::NotYet, "the lake has lsn 3").hint("ask again");
        assert_eq!(ApiError::from_json(error.to_json("id").as_bytes()), error);
        assert_eq!(ApiError::from_json(b"<html>").code, ErrorCode::Internal);
    }

    #[test]
    fn names_are_different() {
        let mut names = NAMED_CODES.map(ErrorCode::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMED_CODES.len());
    }

    #[test]
    fn the_wire_fixtures_are_what_clients_get() {
        let fixtures: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/wire/errors.json")).expect("a list of answers");
        for name in NAMED_CODES.map(ErrorCode::name) {
            assert!(fixtures.iter().any(|fixture| fixture["body"]["error"]["code"] == name), "{name} has no fixture");
        }
        for fixture in fixtures {
            let wire = &fixture["body"]["error"];
            let name = wire["code"].as_str().expect("a code");
            let code = NAMED_CODES
                .into_iter()
                .find(|code| code.name() == name)
                .unwrap_or_else(|| ErrorCode::Sql(Box::leak(name.to_owned().into_boxed_str())));
            let error = ApiError {
                code,
                message: wire["message"].as_str().expect("a message").to_owned(),
                detail: wire["detail"].as_str().map(str::to_owned),
                hint: wire["hint"].as_str().map(str::to_owned),
            };
            let json = error.to_json(wire["requestId"].as_str().expect("a request id"));
            let body: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!((code.status().into(), body), (fixture["status"].clone(), fixture["body"].clone()), "{name}");
        }
    }
}
