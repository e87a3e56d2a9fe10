//! What `/v1/status` says about the lake.

use lake_cdc::Lsn;
use lake_host::ShardStorage;
use serde_json::{Value, json};

use crate::error::LakeError;
use crate::lake::Lake;
use crate::stored::{SourceTable, keys, open_json, scan_all};

impl<S: ShardStorage> Lake<S> {
    /// Positions, tail, dead letters and counts as JSON. 64-bit numbers are decimal strings.
    pub fn status(&self) -> Result<Value, LakeError> {
        let mut shards = Vec::new();
        let known = self.state().shards.values().cloned().collect::<Vec<crate::stored::Shard>>();
        for shard in known {
            let lsn = |lsn: Option<Lsn>| lsn.map(|lsn| lsn.to_string());
            let mut contradictions = Vec::new();
            scan_all(&self.storage, keys::sources(&shard.timeline().0), |_, value| {
                let source: SourceTable = open_json("source", value)?;
                contradictions
                    .extend(source.contradiction.map(|reason| json!({"table": source.name, "reason": reason})));
                Ok(())
            })?;
            shards.push(json!({
                "database": shard.database,
                "namespace": shard.namespace,
                "timeline": shard.timeline().to_string(),
                "ended": shard.ended,
                "accepted": lsn(shard.accepted()),
                "durable": lsn(shard.durable()),
                "deadLetters": shard.dead_letters.to_string(),
                "contradictions": contradictions,
                "refusals": shard.refusals.to_string(),
                "lastRefusal": shard.refusal,
            }));
        }
        let state = self.state();
        let tables = state.tables.values().map(|table| {
            let files = state.files.get(&table.number).cloned().unwrap_or_default();
            json!({
                "namespace": table.namespace,
                "name": table.name,
                "rows": files.rows.to_string(),
                "historyRows": files.history_rows.to_string(),
                "indexRuns": files.runs.len(),
            })
        });
        let (meta, counters) = (&state.meta, &state.counters);
        Ok(json!({
            "position": meta.position.to_string(),
            "flushed": meta.flushed.to_string(),
            "earliest": meta.earliest.to_string(),
            "tailBytes": meta.tail_bytes,
            "retainedBytes": meta.retained_bytes,
            "commit": meta.commit.to_string(),
            "epoch": meta.epoch.to_string(),
            "format": meta.format,
            "deadLetters": meta.dead_letters.to_string(),
            "missingRows": meta.missing_rows.to_string(),
            "shards": shards,
            "tables": tables.collect::<Vec<Value>>(),
            "sinceWake": {
                "batches": counters.batches,
                "changes": counters.changes,
                "duplicates": counters.duplicates,
                "gaps": counters.gaps,
                "refusals": counters.refusals,
                "commits": counters.commits,
                "failedFlushes": counters.failed_flushes,
                "lastFlushError": counters.last_flush_error,
                "views": counters.views,
                "ambiguousKeys": counters.ambiguous_keys,
            },
        }))
    }
}
