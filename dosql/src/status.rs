//! What a shard says about itself.

use lake_cdc::Lsn;
use serde_json::{Value, json};

use crate::answer::iso;
use crate::limits::PAGE_BYTES;
use crate::outbox::Outbox;
use crate::page_store::PageStore;
use crate::storage::counted::Counted;
use crate::storage::shard_meta::{Life, ShardMeta};

/// The status of a database. Positions are decimal strings; `null` is before the first transaction.
pub(crate) fn of(meta: &ShardMeta, store: &PageStore, outbox: &Outbox, storage: &dyn Counted) -> Value {
    let lsn = |lsn: Option<Lsn>| lsn.map(|lsn| lsn.to_string());
    let committed = store.committed();
    let counts = storage.counts();
    let (unimaged_pages, cached_pages) = store.resident_pages();
    json!({
        "database": meta.database,
        "namespace": meta.namespace,
        "timeline": meta.timeline.to_string(),
        "state": match meta.life { Life::Live => "live", Life::Ending => "ending" },
        "createdAt": iso(meta.created_at),
        "committed": lsn(committed.lsn),
        "committedAt": committed.lsn.map(|_| iso(committed.stamp)),
        "sent": lsn(outbox.sent().min(committed.lsn)),
        "accepted": lsn(outbox.accepted()),
        "durable": lsn(outbox.durable()),
        "imaged": lsn(store.imaged().lsn),
        "loggedFrom": lsn(store.first_logged()),
        "backlogBytes": outbox.backlog_bytes(committed),
        "databaseBytes": u64::from(committed.page_count) * PAGE_BYTES as u64,
        "memory": { "unimagedPages": unimaged_pages, "cachedPages": cached_pages },
        "connection": outbox.link_name(),
        "refusal": outbox.refusal().map(|refusal| json!({"reason": refusal.reason, "message": refusal.message})),
        "storage": {
            "sizeBytes": storage.size_bytes().ok(),
            "reads": counts.reads,
            "rowsRead": counts.rows_read,
            "batches": counts.batches,
            "rowsWritten": counts.rows_written,
            "bytesWritten": counts.bytes_written,
            "alarmsSet": counts.alarms,
        },
    })
}
