//! Every bound of what travels and is stored, with its reason.

/// Largest frame on a socket and largest stored part of a transaction, in bytes.
///
/// A storage value and its key must stay below the platform's 2 MB row; half of it leaves room for headers.
pub const PART_BYTES_MAX: usize = 1 << 20;

/// Largest change record of one transaction, in bytes, all parts together.
///
/// The lake holds the parts of an unfinished transaction in memory, next to others', in 128 MB.
pub const TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// Most tables whose rows one transaction changes, or that it drops. The lake commits a transaction at once: each table is
/// two of Iceberg's, and the metadata of all of them is in memory, up to 100 KB each.
pub const TRANSACTION_TABLES_MAX: usize = 100;

/// Most columns of a relation. Postgres allows 1,600; Parquet footers and the scan's memory grow with each.
pub const COLUMNS_MAX: usize = 500;

/// Longest name of a table or column in bytes: Postgres' NAMEDATALEN - 1.
pub const NAME_BYTES_MAX: usize = 63;

/// Greatest precision of a numeric: what an Iceberg decimal holds.
pub const NUMERIC_PRECISION_MAX: u8 = 38;

/// Precision and scale of a `numeric` without either.
pub const NUMERIC_DEFAULT: (u8, u8) = (38, 9);

/// Deepest nesting of a JSON text: its reader recurses, and the stack of a wasm module is one megabyte.
pub const JSON_DEPTH_MAX: usize = 128;

/// Greatest exponent of a number in a JSON text: written out, as in a `jsonb`, it must not blow a few bytes up to
/// gigabytes.
pub const JSON_EXPONENT_MAX: i64 = 2_000;

/// Longest number of a `jsonb`, as it is written and written out: what was stored can be read again.
pub const JSON_NUMBER_BYTES_MAX: usize = 16_000;

/// Values and keys of a JSON text that is taken apart. Each is some 30 bytes in memory besides its text, where two bytes
/// of text can be one: a text of 16 MiB would be 256 MB of an isolate's 128.
pub const JSON_VALUES_MAX: usize = 250_000;

/// Bytes by which the numbers of a `jsonb` may grow, all together, when their exponents are written out.
pub const JSON_GROWTH_BYTES_MAX: usize = 1 << 20;

/// Elements of an array: as many as a transaction may change rows, so that one parameter can bring them all. Each is 48
/// bytes in memory besides its text, and a function has two arrays and its result.
pub const ARRAY_ELEMENTS_MAX: usize = 150_000;

/// Bytes that an error message shows of a text that is no value. The text can be 16 MiB, and a message is copied often.
pub const SHOWN_BYTES_MAX: usize = 200;

/// Positions that one request for a view may have resolved: each reads a batch or more of the lake's.
pub const VIEW_POSITIONS_MAX: usize = 16;
