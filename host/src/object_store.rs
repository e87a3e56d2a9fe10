//! An object store: R2, or what plays it.

use thiserror::Error;

/// Identity of one version of an object, without quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// What must hold for a `put` to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutCondition {
    /// Nothing: write whatever is there.
    Always,
    /// No object has this key yet.
    Absent,
    /// The object is still the version the caller read.
    Unchanged(ETag),
}

/// What became of a `put`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Written, durable.
    Written(ETag),
    /// The condition did not hold; nothing changed.
    ConditionFailed,
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All.
    Full,
    /// `length` bytes from `offset`; fewer at the end of the object.
    From {
        /// First byte.
        offset: u64,
        /// How many at most; `None` for the rest.
        length: Option<u64>,
    },
    /// The last `length` bytes, or all if there are fewer.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// What is known of an object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its length in bytes.
    pub size: u64,
    /// Its version.
    pub etag: ETag,
    /// When it was written: microseconds since 1970.
    pub modified_micros: i64,
}

/// Bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Of the whole object.
    pub info: ObjectInfo,
    /// The bytes of the range that was asked for.
    pub bytes: Vec<u8>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// The rest.
    pub info: ObjectInfo,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// In key order.
    pub objects: Vec<ListedObject>,
    /// True if there are more after the last one.
    pub truncated: bool,
}

/// Why the store did not do it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ObjectStoreError {
    /// The request failed. For a write, whether it took effect is unknown.
    #[error("the object store failed: {0}")]
    Failed(String),
}

/// An object store. Keys are at most 1,024 bytes of UTF-8.
#[allow(async_fn_in_trait)]
pub trait ObjectStore {
    /// Bytes of an object; `None` if there is none. A range that starts after the end gives no bytes.
    async fn get(&self, key: &str, range: ByteRange) -> Result<Option<Object>, ObjectStoreError>;

    /// What is known of an object.
    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectStoreError>;

    /// Writes an object whole.
    async fn put(&self, key: &str, bytes: Vec<u8>, condition: PutCondition) -> Result<PutOutcome, ObjectStoreError>;

    /// At most `limit` (≤ 1,000) objects whose keys begin with `prefix` and come after `start_after`.
    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<ListPage, ObjectStoreError>;

    /// Removes an object if it is there.
    async fn delete(&self, key: &str) -> Result<(), ObjectStoreError>;
}
