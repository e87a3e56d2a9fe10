//! Every bound of the catalog, with its reason.

/// Longest name of a namespace (all levels) or a table in bytes: the usual bound of file systems and other catalogs.
pub const NAME_BYTES_MAX: usize = 255;

/// Most bytes of a namespace's properties: they are one stored row, and part of each answer about it.
pub const NAMESPACE_PROPERTIES_BYTES_MAX: usize = 64 << 10;

/// Longest folder name made from a name, in bytes. Two of them, the file names below and the bucket's own prefix stay
/// under the store's 1,024 bytes for a key.
pub const FOLDER_BYTES_MAX: usize = 200;

/// Longest flush id in bytes.
pub const FLUSH_ID_BYTES_MAX: usize = 128;

/// Most tables in one commit: each is one object to write before the swap.
pub const COMMIT_TABLES_MAX: usize = 1_000;

/// Objects that are written at the same time: the platform opens six connections per request.
pub const WRITES_AT_ONCE: usize = 6;

/// Longest part of a stored value in bytes. The platform's row is 2 MB with its key.
pub const PART_BYTES_MAX: usize = 1 << 20;

/// Largest commit record in bytes: it is built whole in memory. About 100,000 shards or tables.
pub const COMMIT_RECORD_BYTES_MAX: usize = 16 << 20;

/// Commits whose flush id is still known. A lake has one flush open and settles it before the next.
pub const COMMITS_KEPT: u64 = 16;

/// Bytes of `metadata.json` that are kept in memory. Parsed, which those of written tables are, a file takes several
/// times that, of the 128 MB that this object shares with the lake.
pub const CACHE_BYTES_MAX: usize = 4 << 20;

/// Tables whose `metadata.json` is kept in memory.
pub const CACHE_ENTRIES_MAX: usize = 64;

/// Largest `metadata.json` that is read: parsed it takes several times that of the isolate's 128 MB.
pub const METADATA_BYTES_MAX: u64 = 8 << 20;

/// Largest page of a REST listing.
pub const PAGE_MAX: usize = 1_000;

/// Names in one answer to a client that does not page.
pub const LIST_MAX: usize = 100_000;

/// Largest body of a REST request in bytes.
pub const REST_BODY_BYTES_MAX: usize = 1 << 20;

/// How long vended storage credentials live, in seconds. Engines ask again after a refusal.
pub const CREDENTIALS_SECONDS: i64 = 3_600;

/// How long a token of the OAuth2 address lives at most, in seconds.
pub const OAUTH_TOKEN_SECONDS: i64 = 3_600;

/// How far a signed request's time may be from ours, in seconds: AWS' own window.
pub const SIGNATURE_WINDOW_SECONDS: i64 = 900;

/// Longest time a presigned URL may ask for, in seconds: AWS' own bound of a week.
pub const PRESIGNED_SECONDS_MAX: i64 = 604_800;

/// Longest raw path or query of a storage request in bytes.
pub const TARGET_BYTES_MAX: usize = 8 << 10;

/// Most header lines that a signature may cover: each is copied and hashed.
pub const SIGNED_HEADERS_MAX: usize = 64;

/// Largest page of an object listing, as in S3.
pub const OBJECT_PAGE_MAX: usize = 1_000;

/// Requests to the store that one listing may cost; it then ends early and says that there is more.
pub const LIST_REQUESTS_MAX: usize = 16;
