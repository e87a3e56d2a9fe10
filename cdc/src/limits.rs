//! Every bound of what travels and is stored, with its reason.

/// Largest frame on a socket and largest stored part of a transaction, in bytes.
///
/// A storage value and its key must stay below the platform's 2 MB row; half of it leaves room for headers.
pub const PART_BYTES_MAX: usize = 1 << 20;

/// Largest change record of one transaction, in bytes, all parts together.
///
/// The lake holds the parts of an unfinished transaction in memory, next to others', in 128 MB.
pub const TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// Most columns of a relation. Postgres allows 1,600; Parquet footers and the scan's memory grow with each.
pub const COLUMNS_MAX: usize = 500;

/// Longest name of a table or column in bytes: Postgres' NAMEDATALEN - 1.
pub const NAME_BYTES_MAX: usize = 63;

/// Deepest nesting of arrays: one level is what the types allow, decoding must not recurse further.
pub const ARRAY_DEPTH_MAX: usize = 1;

/// Greatest precision of a numeric: what an Iceberg decimal holds.
pub const NUMERIC_PRECISION_MAX: u8 = 38;

/// Precision and scale of a `numeric` without either.
pub const NUMERIC_DEFAULT: (u8, u8) = (38, 9);

/// Deepest nesting of a JSON text: its reader recurses, and the stack of a wasm module is one megabyte.
pub const JSON_DEPTH_MAX: usize = 128;

/// Positions that one request for a view may have resolved: each reads a batch or more of the lake's.
pub const VIEW_POSITIONS_MAX: usize = 16;
