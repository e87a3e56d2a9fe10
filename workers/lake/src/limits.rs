//! Bounds of waiting, with their reasons.

/// How long a reader waits for a commit on read, in milliseconds. Then it gets the last snapshot: stale by a little is
/// better for an engine than a time-out.
pub(crate) const READ_WAIT_MS: u64 = 2_000;

/// How long a query waits for the transaction that it wants to see, in milliseconds. A shard that is asleep needs its
/// socket dialled first; what takes longer is an outage and answered as one.
pub(crate) const VIEW_WAIT_MS: u64 = 10_000;

/// Largest body that is taken into memory before it is stored, in bytes: most metadata. A stream costs more than it saves
/// there; larger ones never are in memory as a whole.
pub(crate) const WHOLE_BODY_BYTES_MAX: u64 = 1 << 20;
