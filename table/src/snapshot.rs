//! Staging a snapshot that adds and removes files: what a flush commits.
//!
//! Staging reads the manifests it has to rewrite and returns files and table updates. Nothing refers to the files until
//! the catalog applies the updates, so a staged snapshot can be thrown away.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, MAIN_BRANCH, ManifestContentType, ManifestFile, Operation, Snapshot, SnapshotReference,
    SnapshotRetention, Summary, TableMetadata,
};
use iceberg::{TableRequirement, TableUpdate};

use crate::error::{ReadFile, TableError};
use crate::limits::{MANIFEST_BYTES_TARGET, MANIFESTS_MAX, SNAPSHOTS_MAX};
use crate::manifest::{Listed, check_format, read_manifest, read_manifest_list, write_manifest, write_manifest_list};

/// What a snapshot changes.
#[derive(Debug, Default)]
pub struct RowDelta {
    /// Its id: random, positive.
    pub snapshot_id: i64,
    /// The clock, milliseconds.
    pub now_ms: i64,
    /// Part of the names of the files that are written; unique to this attempt.
    pub attempt: String,
    /// New data files.
    pub added_data: Vec<DataFile>,
    /// New position delete files.
    pub added_deletes: Vec<DataFile>,
    /// Locations of delete files that others replace.
    pub removed_deletes: BTreeSet<String>,
    /// Locations of data files that are gone.
    pub removed_data: BTreeSet<String>,
    /// Keys of ours in the summary.
    pub summary: BTreeMap<String, String>,
}

/// A snapshot that a commit can add.
#[derive(Debug)]
pub struct StagedSnapshot {
    /// Files to write before the commit: location and bytes.
    pub files: Vec<(String, Bytes)>,
    /// What must hold.
    pub requirements: Vec<TableRequirement>,
    /// What changes.
    pub updates: Vec<TableUpdate>,
}

/// Builds the snapshot that follows the current one of `metadata`'s main branch.
pub async fn stage_row_delta<R: ReadFile>(
    files: &R,
    metadata: &TableMetadata,
    delta: RowDelta,
) -> Result<StagedSnapshot, TableError> {
    check_format(metadata)?;
    let parent = metadata.current_snapshot();
    let parent_id = parent.map(|snapshot| snapshot.snapshot_id());
    let sequence_number = metadata.last_sequence_number() + 1;
    let mut stage =
        Stage { metadata, delta: &delta, files: Vec::new(), manifests: Vec::new(), counts: Counts::default() };
    let existing = read_manifest_list(files, metadata, parent_id).await?;
    stage.rewrite(files, existing).await?;
    let stage = stage;
    let (mut written, manifests, counts) = (stage.files, stage.manifests, stage.counts);

    let list_location = format!("{}/metadata/snap-{}-{}.avro", metadata.location(), delta.snapshot_id, delta.attempt);
    let list = write_manifest_list(delta.snapshot_id, parent_id, sequence_number, manifests)?;
    written.push((list_location.clone(), list));

    let snapshot = Snapshot::builder()
        .with_snapshot_id(delta.snapshot_id)
        .with_parent_snapshot_id(parent_id)
        .with_sequence_number(sequence_number)
        .with_timestamp_ms(delta.now_ms.max(metadata.last_updated_ms()))
        .with_manifest_list(list_location)
        .with_schema_id(metadata.current_schema_id())
        .with_summary(summary(&delta, &counts, parent.map(|snapshot| snapshot.summary())))
        .build();
    let requirements = vec![
        TableRequirement::UuidMatch { uuid: metadata.uuid() },
        TableRequirement::RefSnapshotIdMatch { r#ref: MAIN_BRANCH.to_owned(), snapshot_id: parent_id },
    ];
    let reference = SnapshotReference {
        snapshot_id: delta.snapshot_id,
        retention: SnapshotRetention::Branch {
            min_snapshots_to_keep: None,
            max_snapshot_age_ms: None,
            max_ref_age_ms: None,
        },
    };
    let mut updates = vec![
        TableUpdate::AddSnapshot { snapshot },
        TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_owned(), reference },
    ];
    let expired = expired_snapshots(metadata);
    if !expired.is_empty() {
        updates.push(TableUpdate::RemoveSnapshots { snapshot_ids: expired });
    }
    Ok(StagedSnapshot { files: written, requirements, updates })
}

/// The oldest snapshots beyond the bound, once one more is added. Only the lake writes these tables, and it makes no
/// branch or tag that could still name one.
fn expired_snapshots(metadata: &TableMetadata) -> Vec<i64> {
    let mut snapshots =
        metadata.snapshots().map(|s| (s.sequence_number(), s.snapshot_id())).collect::<Vec<(i64, i64)>>();
    snapshots.sort_unstable();
    let excess = (snapshots.len() + 1).saturating_sub(SNAPSHOTS_MAX);
    let current = metadata.current_snapshot_id();
    snapshots.into_iter().map(|(_, id)| id).filter(|id| Some(*id) != current).take(excess).collect()
}

#[derive(Default)]
struct Counts {
    removed_deletes: Vec<DataFile>,
    removed_data: Vec<DataFile>,
}

struct Stage<'a> {
    metadata: &'a TableMetadata,
    delta: &'a RowDelta,
    files: Vec<(String, Bytes)>,
    manifests: Vec<ManifestFile>,
    counts: Counts,
}

impl Stage<'_> {
    /// New manifests first, then the old ones: rewritten where a file goes, merged where there are too many.
    async fn rewrite<R: ReadFile>(&mut self, files: &R, existing: Vec<ManifestFile>) -> Result<(), TableError> {
        let mut data = Vec::new();
        let mut deletes = Vec::new();
        for manifest in existing {
            match manifest.content {
                ManifestContentType::Data => data.push(manifest),
                ManifestContentType::Deletes => deletes.push(manifest),
            }
        }
        let delta = self.delta;
        self.rewrite_kind(files, ManifestContentType::Data, data, delta.added_data.clone(), &delta.removed_data)
            .await?;
        self.rewrite_kind(
            files,
            ManifestContentType::Deletes,
            deletes,
            delta.added_deletes.clone(),
            &delta.removed_deletes,
        )
        .await
    }

    async fn rewrite_kind<R: ReadFile>(
        &mut self,
        files: &R,
        content: ManifestContentType,
        existing: Vec<ManifestFile>,
        added: Vec<DataFile>,
        removed: &BTreeSet<String>,
    ) -> Result<(), TableError> {
        let merge = existing.len() >= MANIFESTS_MAX;
        let spec_id = self.metadata.default_partition_spec_id();
        let mut listed: BTreeMap<i32, Vec<Listed>> = BTreeMap::new();
        if !added.is_empty() {
            listed.entry(spec_id).or_default().extend(added.into_iter().map(Listed::Added));
        }
        let mut kept = Vec::new();
        let mut left = removed.len();
        for manifest in existing {
            let small = manifest.manifest_length < MANIFEST_BYTES_TARGET;
            if left == 0 && !(merge && small) {
                kept.push(manifest);
                continue;
            }
            let entries = read_manifest(files, &manifest).await?;
            let gone = entries.iter().filter(|entry| removed.contains(entry.file_path())).count();
            if gone == 0 && !(merge && small) {
                kept.push(manifest);
                continue;
            }
            left = left.saturating_sub(gone);
            let into = listed.entry(manifest.partition_spec_id).or_default();
            for entry in entries {
                if removed.contains(entry.file_path()) {
                    let counted = match content {
                        ManifestContentType::Data => &mut self.counts.removed_data,
                        ManifestContentType::Deletes => &mut self.counts.removed_deletes,
                    };
                    counted.push(entry.data_file.clone());
                    into.push(Listed::Deleted(entry));
                } else {
                    into.push(Listed::Existing(entry));
                }
            }
        }
        if left > 0 {
            return Err(TableError::NotFound("file that was to be removed"));
        }
        for (spec_id, listed) in listed {
            let spec = self
                .metadata
                .partition_spec_by_id(spec_id)
                .ok_or(TableError::NotFound("partition spec of a manifest"))?;
            let kind = if content == ManifestContentType::Data { "data" } else { "deletes" };
            let location =
                format!("{}/metadata/{}-{kind}-{spec_id}.avro", self.metadata.location(), self.delta.attempt);
            let (manifest, bytes) = write_manifest(
                &location,
                self.delta.snapshot_id,
                self.metadata.current_schema().clone(),
                spec.as_ref().clone(),
                content,
                listed,
            )?;
            self.files.push((location, bytes));
            self.manifests.push(manifest);
        }
        self.manifests.extend(kept);
        Ok(())
    }
}

/// The summary: what was added and removed, the totals after it, and our keys.
fn summary(delta: &RowDelta, counts: &Counts, previous: Option<&Summary>) -> Summary {
    let rows = |files: &[DataFile]| files.iter().map(DataFile::record_count).sum::<u64>();
    let size = |files: &[DataFile]| files.iter().map(DataFile::file_size_in_bytes).sum::<u64>();
    let mut keys = BTreeMap::new();
    let mut put = |key: &str, value: u64| {
        if value > 0 {
            keys.insert(key.to_owned(), value.to_string());
        }
    };
    let partitions = delta
        .added_data
        .iter()
        .chain(&delta.added_deletes)
        .map(|file| format!("{:?}", file.partition()))
        .collect::<BTreeSet<String>>();
    put("added-data-files", delta.added_data.len() as u64);
    put("added-records", rows(&delta.added_data));
    put("added-delete-files", delta.added_deletes.len() as u64);
    put("added-position-delete-files", delta.added_deletes.len() as u64);
    put("added-position-deletes", rows(&delta.added_deletes));
    put("added-files-size", size(&delta.added_data) + size(&delta.added_deletes));
    put("deleted-data-files", counts.removed_data.len() as u64);
    put("deleted-records", rows(&counts.removed_data));
    put("removed-delete-files", counts.removed_deletes.len() as u64);
    put("removed-position-delete-files", counts.removed_deletes.len() as u64);
    put("removed-position-deletes", rows(&counts.removed_deletes));
    put("removed-files-size", size(&counts.removed_data) + size(&counts.removed_deletes));
    put("changed-partition-count", partitions.len() as u64);
    let mut total = |key: &str, plus: u64, minus: u64| {
        let before = previous
            .and_then(|summary| summary.additional_properties.get(key))
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or_default();
        keys.insert(key.to_owned(), (before + plus).saturating_sub(minus).to_string());
    };
    total("total-data-files", delta.added_data.len() as u64, counts.removed_data.len() as u64);
    total("total-records", rows(&delta.added_data), rows(&counts.removed_data));
    total("total-delete-files", delta.added_deletes.len() as u64, counts.removed_deletes.len() as u64);
    total("total-position-deletes", rows(&delta.added_deletes), rows(&counts.removed_deletes));
    total("total-equality-deletes", 0, 0);
    total(
        "total-files-size",
        size(&delta.added_data) + size(&delta.added_deletes),
        size(&counts.removed_data) + size(&counts.removed_deletes),
    );
    keys.extend(delta.summary.clone());
    let only_appends =
        delta.added_deletes.is_empty() && delta.removed_data.is_empty() && delta.removed_deletes.is_empty();
    debug_assert!(delta.added_data.iter().all(|file| file.content_type() == DataContentType::Data));
    Summary {
        operation: if only_appends { Operation::Append } else { Operation::Overwrite },
        additional_properties: keys.into_iter().collect(),
    }
}
