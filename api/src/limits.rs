//! Bounds of the public contract, with their reasons.

/// Largest request body in bytes (413). A statement list is held whole in 128 MB next to its parse.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Largest answer in bytes (54000). It is built in memory before the first byte leaves.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Most statements in one list.
pub const STATEMENTS_MAX: usize = 1_000;

/// Most parameters of one statement: Postgres' own bound.
pub const PARAMETERS_MAX: usize = 65_535;

/// Longest text of one statement in bytes.
pub const SQL_BYTES_MAX: usize = 1 << 20;

/// Longest `Idempotency-Key` in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Most batches sent to a subscriber ahead of its acknowledgements: enough to read on while some are on their way, and
/// few enough to come again after a break.
pub const UNACKNOWLEDGED_BATCHES_MAX: usize = 8;

/// Longest name of a database or namespace in bytes, as the address grammar `[a-z0-9_-]{1,63}` says.
pub const NAME_BYTES_MAX: usize = 63;

/// Longest bearer token in bytes. Header lines of some clients and proxies end at 8 KiB.
pub const TOKEN_BYTES_MAX: usize = 7 << 10;

/// Most scopes of one token: each is compared on each request.
pub const TOKEN_SCOPES_MAX: usize = 64;

/// Longest scope in bytes: two names of 255 bytes, percent-encoded.
pub const SCOPE_BYTES_MAX: usize = 1_600;

/// How far clocks may differ when a token's times are checked.
pub const TOKEN_LEEWAY_SECONDS: i64 = 60;

/// Most keys that are valid at once: the current one and the one before it or after it.
pub const KEYS_MAX: usize = 2;

/// Shortest key in bytes: as long as the digest, below which HMAC-SHA-256 gets weaker.
pub const KEY_BYTES_MIN: usize = 32;

/// Longest name of a key. It is part of every access key id.
pub const KID_BYTES_MAX: usize = 16;

/// Longest access key id in bytes. It holds the folder of a table, which has up to 512.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 1_024;
