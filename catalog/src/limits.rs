//! Every bound of the catalog, with its reason.

/// Longest name of a namespace (all levels) or a table in bytes: the usual bound of file systems and other catalogs.
pub const NAME_BYTES_MAX: usize = 255;

/// Most bytes of a namespace's properties: they are one stored row, and part of each answer about it.
pub const NAMESPACE_PROPERTIES_BYTES_MAX: usize = 64 << 10;

/// Versions of a view that its metadata keeps unless a property says otherwise: the default of the spec.
pub const VIEW_VERSIONS_KEPT: usize = 10;

/// Versions of a view that its metadata keeps at most, whatever a property says: each load answers all of them.
pub const VIEW_VERSIONS_MAX: usize = 100;

/// Largest metadata of a view in bytes; old versions go first. As large as the request that could make it.
pub const VIEW_BYTES_MAX: usize = 1 << 20;

/// How often a commit of a view is applied anew because another came first. Each attempt writes one object.
pub const VIEW_COMMIT_ATTEMPTS: usize = 16;

/// Largest filter of a scan that is planned here, in bytes: each task of the plan repeats it.
pub const SCAN_FILTER_BYTES_MAX: usize = 64 << 10;

/// About how large an answer with the tasks of a scan becomes, in bytes: it is built in memory, several times its size.
pub const SCAN_ANSWER_BYTES: usize = 2 << 20;

/// Parts that a large scan is cut into at first; clients fetch them at the same time. Each part names what is left of it.
pub const SCAN_PARTS_MAX: u64 = 16;

/// Largest manifest or manifest list that is read to plan a scan, in bytes: parsed it takes many times that of the
/// isolate's 128 MB. Ours are half as large.
pub const SCAN_MANIFEST_BYTES_MAX: i64 = 4 << 20;

/// Snapshots that a scan of what was appended between two of them looks at. Each list of manifests is a request to the
/// bucket, and a request of the platform may make 1,000; a table keeps 100 by default.
pub const SCAN_SNAPSHOTS_MAX: usize = 128;

/// Manifests of such a scan, about 1 kB each in memory.
pub const SCAN_APPENDED_MANIFESTS_MAX: usize = 10_000;

/// Bytes of data manifests that one answer reads.
pub const SCAN_READ_BYTES_MAX: i64 = 16 << 20;

/// Bytes of delete manifests that one answer reads: all of them, because any may be about its files.
pub const SCAN_DELETE_MANIFESTS_BYTES_MAX: i64 = 16 << 20;

/// Longest id of a plan that says what the plan is, in bytes. It becomes part of an address.
pub const PLAN_ID_BYTES_MAX: usize = 1_500;

/// Longest folder name made from a name, in bytes. Two of them, the file names below and the bucket's own prefix stay
/// under the store's 1,024 bytes for a key.
pub const FOLDER_BYTES_MAX: usize = 200;

/// Longest place of an engine's table in the bucket, in bytes: it is part of each access key id for the table's files, and
/// what stands below it has to fit into a key.
pub const PLACE_BYTES_MAX: usize = 512;

/// Folders between that of a namespace and an engine's table.
pub const PLACE_LEVELS_MAX: usize = 4;

/// Longest flush id in bytes.
pub const FLUSH_ID_BYTES_MAX: usize = 128;

/// Most tables in one commit: each is one object to write before the swap.
pub const COMMIT_TABLES_MAX: usize = 1_000;

/// Objects that are written at the same time: the platform opens six connections per request.
pub const WRITES_AT_ONCE: usize = 6;

/// Objects that are read at the same time, for the same reason.
pub const READS_AT_ONCE: usize = 6;

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

/// Up to where engines may let the metadata of a table that databases feed grow, in bytes, and from where on a flush lets it
/// forget old schemas and snapshots. A flush holds that of up to 64 tables; a schema alone may be larger.
pub const LAKE_METADATA_BYTES_MAX: u64 = METADATA_BYTES_MAX / 8;

/// Up to where engines may fill the properties, branches and tags of such a table, in bytes: no flush can forget them.
pub const LAKE_PROPERTIES_BYTES_MAX: usize = 64 << 10;

/// Largest page of a REST listing.
pub const PAGE_MAX: usize = 1_000;

/// Names in one answer to a client that does not page.
pub const LIST_MAX: usize = 100_000;

/// Largest body of a REST request in bytes.
pub const REST_BODY_BYTES_MAX: usize = 1 << 20;

/// Largest body of a request for a token in bytes: it is held before anybody knows who sent it. A client secret of 7 KiB,
/// and as much for the scopes.
pub const OAUTH_BODY_BYTES_MAX: usize = 16 << 10;

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

/// Largest object that one request may bring, in bytes: S3's own bound. Larger ones come in parts.
pub const OBJECT_BYTES_MAX: u64 = 5 << 30;

/// Largest body that is instructions, in bytes: 1,000 keys of 1,024 bytes with what stands around them, or 10,000 parts.
pub const INSTRUCTIONS_BYTES_MAX: u64 = 4 << 20;

/// Longest line between the chunks of a body in bytes. A length with its signature has about a hundred.
pub const CHUNK_LINE_BYTES_MAX: usize = 1_024;

/// Most lines behind the chunks of a body. Clients send one and its signature.
pub const TRAILERS_MAX: usize = 8;

/// Most keys in one request to delete objects, as in S3.
pub const DELETED_KEYS_MAX: usize = 1_000;

/// Most parts of one upload, as in S3.
pub const PARTS_MAX: usize = 10_000;

/// Longest key of an object in bytes: the store's bound.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Longest id of an upload in bytes.
pub const UPLOAD_ID_BYTES_MAX: usize = 1_024;

/// Deepest nesting of elements in a body of XML. The bodies that are read have four levels.
pub const XML_DEPTH_MAX: usize = 8;

/// Most elements in a body of XML: the parts of one upload with all that clients say of each. An element takes many times
/// its bytes of text.
pub const XML_ELEMENTS_MAX: usize = 8 * PARTS_MAX;

/// How deep a schema may be nested: it is read recursively, and a stack of a script is small.
pub const SCHEMA_DEPTH_MAX: usize = 32;

/// Snapshots that a table's metadata keeps: it is written anew by every commit, so its size is what a commit costs.
pub const SNAPSHOTS_MAX: usize = 100;

/// Most snapshots that a table can ask to keep.
pub const SNAPSHOTS_MOST: usize = 1_000;

/// Entries of the main branch's history in the metadata. More than snapshots, because a branch can go back and forth.
pub const SNAPSHOT_LOG_MAX: usize = 1_000;

/// Most former metadata files that a table can ask to keep in its log.
pub const METADATA_LOG_MAX: usize = 500;

/// Branches and tags of a table: each keeps a snapshot in the metadata.
pub const REFS_MAX: usize = 1_000;

/// Commits on one table that are taken into one metadata file when they come at the same time.
pub const COMMITS_TOGETHER_MAX: usize = 64;

/// How often a change is staged again because another one was first.
pub const COMMIT_ATTEMPTS_MAX: usize = 16;

/// How long an idempotency key is known, in seconds: longer than a client goes on asking. `idempotency-key-lifetime`
/// says half of it.
pub const IDEMPOTENCY_SECONDS: i64 = 3_600;

/// What `/v1/config` says of it.
pub const IDEMPOTENCY_LIFETIME: &str = "PT30M";

/// Characters of a refusal that are remembered under an idempotency key: enough to name what is wrong.
pub const REFUSAL_CHARS_MAX: usize = 500;

/// Rows whose time is over that one change takes away.
pub const SWEPT_ROWS_MAX: usize = 64;

/// How long a dropped table can come back and a dropped view's files stay, in seconds: a week, to notice it.
pub const DROPPED_SECONDS: i64 = 7 * 86_400;

/// How long after a table was purged the same request is answered as done, in seconds: clients repeat it when its answer
/// was lost, and take "not found" for a failure.
pub const PURGE_REPEATED_SECONDS: i64 = 60;

/// Dropped tables that are remembered. Beyond them the oldest are forgotten; their files stay.
pub const DROPPED_TABLES_MAX: usize = 1_000;

/// Dropped views whose files wait for their removal. Beyond them the oldest are forgotten; their files stay.
pub const DROPPED_VIEWS_MAX: usize = 1_000;

/// Rows that are read at once where all of a kind are looked at.
pub const ROWS_AT_ONCE: usize = 1_000;

/// Objects that one step of a purge removes: as many as one listing has.
pub const PURGE_STEP_OBJECTS: usize = 1_000;

/// When the next step of a purge begins, in microseconds.
pub const PURGE_PAUSE_MICROS: i64 = 1_000_000;

/// When a step of a purge that failed is tried again, in microseconds.
pub const PURGE_RETRY_MICROS: i64 = 60_000_000;

/// Pointers that are in memory, about 500 bytes each. Beyond them all are forgotten and read again.
pub const POINTERS_REMEMBERED_MAX: usize = 1_000;
