//! Which files a scan reads, part by part.
//!
//! A part is a run of manifest entries. It is read until it ends or has given as many tasks as one answer holds; what is
//! left of it is a part again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, ManifestContentType, ManifestFile, ManifestStatus, Operation, Schema, Struct,
    TableMetadata,
};
use lake_table::{ReadFile, TableError, read_manifest, read_manifest_list, referenced_data_file};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use thiserror::Error;

use super::content_file::{Spec, to_json};
use super::filter::{Columns, Filter, parse};
use super::prune::{file_may_match, manifest_may_match};
use crate::limits::{
    READS_AT_ONCE, SCAN_ANSWER_BYTES, SCAN_APPENDED_MANIFESTS_MAX, SCAN_DELETE_MANIFESTS_BYTES_MAX,
    SCAN_MANIFEST_BYTES_MAX, SCAN_PARTS_MAX, SCAN_READ_BYTES_MAX, SCAN_SNAPSHOTS_MAX,
};

/// Why a scan cannot be planned.
#[derive(Debug, Error)]
pub(crate) enum ScanError {
    /// It can never be.
    #[error("{0}")]
    Invalid(String),
    /// Not here; the client can do it itself.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The table's files cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl From<iceberg::Error> for ScanError {
    fn from(error: iceberg::Error) -> ScanError {
        ScanError::Table(error.into())
    }
}

/// A scan of one snapshot, or of what was appended up to it. It travels to the client and back, so that nothing is remembered here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// The snapshot; `None` for a table without one.
    #[serde(rename = "s")]
    pub(crate) snapshot_id: Option<i64>,
    /// The snapshot after which it begins: then it reads the files that appends have added since, and nothing of what
    /// else was done.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<i64>,
    /// The filter as it was sent.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<Json>,
    /// Whether names are.
    #[serde(rename = "c")]
    pub(crate) is_case_sensitive: bool,
    /// Whether names are those of the snapshot's schema, not the table's.
    #[serde(rename = "u")]
    pub(crate) uses_snapshot_schema: bool,
    /// Columns whose counts are wanted.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) counted: Vec<String>,
}

/// A run of the entries of a scan's data manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The first manifest.
    #[serde(rename = "m")]
    pub(crate) manifest: usize,
    /// The first live entry of it.
    #[serde(rename = "e")]
    pub(crate) entry: usize,
    /// The manifest before which it ends.
    #[serde(rename = "z")]
    pub(crate) end: usize,
}

/// What a part gave.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    /// In the protocol's JSON.
    pub(crate) file_scan_tasks: Vec<Json>,
    /// The delete files that they refer to.
    pub(crate) delete_files: Vec<Json>,
    /// What is left of the part.
    pub(crate) rest: Option<Part>,
}

/// A file of a part, whose deletes are still looked for.
struct Found {
    file: DataFile,
    spec_id: i32,
    sequence_number: i64,
    first_row_id: Option<i64>,
    // Places in the list of delete files.
    deletes: Vec<usize>,
}

/// All of a scan, in parts of about the same number of files.
pub(crate) async fn parts<R: ReadFile>(
    files: &R,
    metadata: &TableMetadata,
    scan: &Scan,
) -> Result<Vec<Part>, ScanError> {
    let Manifests { data, .. } = manifests(files, metadata, scan).await?;
    let counts: Vec<u64> = data.iter().map(file_count).collect();
    let total = counts.iter().copied().fold(0, u64::saturating_add);
    let wanted = total.div_ceil(tasks_max(scan) as u64).clamp(1, SCAN_PARTS_MAX);
    let per_part = total.div_ceil(wanted).max(1);
    let mut parts = Vec::new();
    let (mut manifest, mut held) = (0, 0_u64);
    for (end, count) in counts.iter().enumerate().map(|(at, count)| (at + 1, count)) {
        held = held.saturating_add(*count);
        if held >= per_part && end < counts.len() {
            parts.push(Part { manifest, entry: 0, end });
            (manifest, held) = (end, 0);
        }
    }
    parts.push(Part { manifest, entry: 0, end: counts.len() });
    Ok(parts)
}

/// Reads as much of a part as one answer holds.
pub(crate) async fn read<R: ReadFile>(
    files: &R,
    metadata: &TableMetadata,
    scan: &Scan,
    part: Part,
) -> Result<Tasks, ScanError> {
    let schema = schema_of(metadata, scan);
    let columns = Columns { schema, is_case_sensitive: scan.is_case_sensitive };
    let filter = match &scan.filter {
        Some(filter) => parse(filter, &columns).map_err(ScanError::Invalid)?,
        None => Filter::Anything,
    };
    let specs = specs_of(metadata)?;
    let manifests = manifests(files, metadata, scan).await?;
    if part.end > manifests.data.len() || part.manifest > part.end {
        return Err(ScanError::Invalid("The task is of another scan".to_owned()));
    }
    let (mut found, rest) = find_files(files, &manifests, part, &filter, &specs, tasks_max(scan)).await?;
    let delete_files = find_deletes(files, &manifests.deletes, &mut found, &specs).await?;
    let counted = scan.counted.iter().filter_map(|name| schema.field_id_by_name(name)).collect();
    let residual = scan.filter.clone().unwrap_or(Json::Bool(true));
    let mut tasks = Vec::with_capacity(found.len());
    for found in found {
        let spec = spec_of(&specs, found.spec_id)?;
        let mut task = json!({
            "data-file": to_json(&found.file, spec, found.first_row_id, &counted)?, "residual-filter": residual});
        if let (false, Some(task)) = (found.deletes.is_empty(), task.as_object_mut()) {
            task.insert("delete-file-references".to_owned(), json!(found.deletes));
        }
        tasks.push(task);
    }
    Ok(Tasks { file_scan_tasks: tasks, delete_files, rest })
}

/// Refuses a filter that is none and snapshots of different lines, before anything is read.
pub(crate) fn check(metadata: &TableMetadata, scan: &Scan) -> Result<(), ScanError> {
    appends_of(metadata, scan)?;
    let columns = Columns { schema: schema_of(metadata, scan), is_case_sensitive: scan.is_case_sensitive };
    let filter = scan.filter.as_ref().map(|filter| parse(filter, &columns)).transpose();
    filter.map(|_| ()).map_err(ScanError::Invalid)
}

fn schema_of<'a>(metadata: &'a TableMetadata, scan: &Scan) -> &'a Schema {
    let snapshot = scan.snapshot_id.filter(|_| scan.uses_snapshot_schema).and_then(|id| metadata.snapshot_by_id(id));
    let of_snapshot = snapshot.and_then(|snapshot| metadata.schema_by_id(snapshot.schema_id()?));
    of_snapshot.unwrap_or_else(|| metadata.current_schema())
}

fn specs_of(metadata: &TableMetadata) -> Result<BTreeMap<i32, Spec>, ScanError> {
    metadata.partition_specs_iter().map(|spec| Ok((spec.spec_id(), Spec::of(spec, metadata)?))).collect()
}

fn spec_of(specs: &BTreeMap<i32, Spec>, id: i32) -> Result<&Spec, ScanError> {
    specs.get(&id).ok_or(ScanError::Unsupported("a file of an unknown partition spec"))
}

/// What a scan reads.
struct Manifests {
    data: Vec<ManifestFile>,
    deletes: Vec<ManifestFile>,
    /// True if only what they have added is meant, and not what was there before.
    are_appended: bool,
}

/// The manifests of the snapshot in the order of its list, or those that appends have added, oldest first.
async fn manifests<R: ReadFile>(files: &R, metadata: &TableMetadata, scan: &Scan) -> Result<Manifests, ScanError> {
    let is_data = |manifest: &ManifestFile| manifest.content == ManifestContentType::Data;
    let Some(appends) = appends_of(metadata, scan)? else {
        let all = read_manifest_list(files, metadata, scan.snapshot_id).await?;
        let (data, deletes) = all.into_iter().partition(is_data);
        return Ok(Manifests { data, deletes, are_appended: false });
    };
    // In the list of a later snapshot files of an earlier one may stand in a manifest that was merged, as files that
    // were there before; so each is asked for its own. Of a list that was read no more than that is kept.
    let lists = stream::iter(appends).map(async |id| {
        let mut list = read_manifest_list(files, metadata, Some(id)).await?;
        list.retain(|manifest| is_data(manifest) && manifest.added_snapshot_id == id);
        Ok::<_, TableError>(list)
    });
    let mut lists = pin!(lists.buffered(READS_AT_ONCE));
    let mut data = Vec::new();
    while let Some(list) = lists.try_next().await? {
        data.extend(list);
        if data.len() > SCAN_APPENDED_MANIFESTS_MAX {
            return Err(ScanError::Unsupported("planning a scan of this many appended manifests"));
        }
    }
    Ok(Manifests { data, deletes: Vec::new(), are_appended: true })
}

/// The snapshots after the scan's first that did nothing but append, oldest first; `None` if it is of one snapshot.
///
/// The first one need not be kept any more: it is enough that another one follows it.
fn appends_of(metadata: &TableMetadata, scan: &Scan) -> Result<Option<Vec<i64>>, ScanError> {
    let (Some(after), Some(end)) = (scan.after, scan.snapshot_id) else { return Ok(None) };
    let mut appends = Vec::new();
    let mut next = Some(end);
    for _ in 0..=SCAN_SNAPSHOTS_MAX {
        if next == Some(after) {
            appends.reverse();
            return Ok(Some(appends));
        }
        let Some(snapshot) = next.and_then(|id| metadata.snapshot_by_id(id)) else {
            return Err(ScanError::Invalid(format!(
                "Starting snapshot (exclusive) {after} is not a parent ancestor of end snapshot {end}"
            )));
        };
        if snapshot.summary().operation == Operation::Append {
            appends.push(snapshot.snapshot_id());
        }
        next = snapshot.parent_snapshot_id();
    }
    Err(ScanError::Unsupported("planning a scan of this many snapshots"))
}

/// At most this many live files are in a manifest, if its list says.
fn file_count(manifest: &ManifestFile) -> u64 {
    let count = |count: Option<u32>| count.map_or(1, u64::from);
    count(manifest.added_files_count) + count(manifest.existing_files_count)
}

/// What reading a manifest counts for, whatever length a foreign list says that it has.
fn cost(manifest: &ManifestFile) -> i64 {
    const REQUEST_BYTES: i64 = 16 << 10;
    manifest.manifest_length.max(REQUEST_BYTES)
}

/// Tasks of one answer: each repeats the filter.
fn tasks_max(scan: &Scan) -> usize {
    // A file's description without the filter, as it was seen with long locations.
    const TASK_BYTES: usize = 1_024;
    let filter = scan.filter.as_ref().map_or(0, |filter| filter.to_string().len());
    (SCAN_ANSWER_BYTES / (TASK_BYTES + filter)).max(1)
}

async fn find_files<R: ReadFile>(
    files: &R,
    manifests: &Manifests,
    part: Part,
    filter: &Filter,
    specs: &BTreeMap<i32, Spec>,
    tasks_max: usize,
) -> Result<(Vec<Found>, Option<Part>), ScanError> {
    let mut found = Vec::new();
    let mut read = 0_i64;
    for (at, manifest) in manifests.data.iter().enumerate().take(part.end).skip(part.manifest) {
        let spec = spec_of(specs, manifest.partition_spec_id)?;
        let summaries = manifest.partitions.as_deref().unwrap_or_default();
        if !manifest_may_match(filter, &spec.partition_of_manifest(summaries)) {
            continue;
        }
        check_size(manifest)?;
        read = read.saturating_add(cost(manifest));
        if read > SCAN_READ_BYTES_MAX && at > part.manifest {
            return Ok((found, Some(Part { manifest: at, entry: 0, end: part.end })));
        }
        let mut next_row_id = manifest.first_row_id;
        let skipped = if at == part.manifest { part.entry } else { 0 };
        for (index, entry) in read_manifest(files, manifest).await?.into_iter().enumerate() {
            // Spec, "First row ID inheritance": each file without one follows the one before.
            let inherited = if entry.data_file.first_row_id().is_none() { next_row_id } else { None };
            next_row_id =
                next_row_id.map(|id| if inherited.is_some() { id.saturating_add(entry.record_count()) } else { id });
            let is_wanted = index >= skipped && (!manifests.are_appended || entry.status == ManifestStatus::Added);
            if !is_wanted || !file_may_match(filter, &entry.data_file, &spec.partition_of_file(&entry.data_file)) {
                continue;
            }
            if found.len() == tasks_max {
                return Ok((found, Some(Part { manifest: at, entry: index, end: part.end })));
            }
            found.push(Found {
                sequence_number: entry.sequence_number.unwrap_or_default(),
                spec_id: manifest.partition_spec_id,
                first_row_id: inherited.and_then(|id| i64::try_from(id).ok()),
                file: entry.data_file,
                deletes: Vec::new(),
            });
        }
    }
    Ok((found, None))
}

/// The delete files that apply to the files found, which are told their places in the list.
async fn find_deletes<R: ReadFile>(
    files: &R,
    manifests: &[ManifestFile],
    found: &mut [Found],
    specs: &BTreeMap<i32, Spec>,
) -> Result<Vec<Json>, ScanError> {
    let mut deletes = Vec::new();
    let total: i64 = manifests.iter().map(cost).fold(0, i64::saturating_add);
    if found.is_empty() {
        return Ok(deletes);
    }
    if total > SCAN_DELETE_MANIFESTS_BYTES_MAX {
        return Err(ScanError::Unsupported("planning a scan with this many delete files"));
    }
    let by_path: BTreeMap<String, usize> =
        found.iter().enumerate().map(|(at, found)| (found.file.file_path().to_owned(), at)).collect();
    let mut by_partition: HashMap<(i32, Struct), Vec<usize>> = HashMap::new();
    for (at, found) in found.iter().enumerate() {
        by_partition.entry((found.spec_id, found.file.partition().clone())).or_default().push(at);
    }
    for manifest in manifests {
        check_size(manifest)?;
        let spec = spec_of(specs, manifest.partition_spec_id)?;
        for entry in read_manifest(files, manifest).await? {
            let sequence_number = entry.sequence_number.unwrap_or_default();
            let delete = entry.data_file;
            let is_equality = delete.content_type() == DataContentType::EqualityDeletes;
            let named = if is_equality { None } else { referenced_data_file(&delete) };
            let candidates: Vec<usize> = match named {
                Some(path) => by_path.get(&path).copied().into_iter().collect(),
                // An equality delete without a partition is about all of them.
                None if is_equality && !spec.is_partitioned() => (0..found.len()).collect(),
                None => {
                    let partition = (manifest.partition_spec_id, delete.partition().clone());
                    by_partition.get(&partition).cloned().unwrap_or_default()
                }
            };
            // Spec, "Scan planning": equality deletes apply to earlier data only, positions to that of their commit too.
            let applies = |at: &usize| {
                found.get(*at).is_some_and(|found| match is_equality {
                    true => found.sequence_number < sequence_number,
                    false => found.sequence_number <= sequence_number,
                })
            };
            let candidates: Vec<usize> = candidates.into_iter().filter(applies).collect();
            if candidates.is_empty() {
                continue;
            }
            let place = deletes.len();
            deletes.push(to_json(&delete, spec, None, &BTreeSet::new())?);
            for at in candidates {
                if let Some(found) = found.get_mut(at) {
                    found.deletes.push(place);
                }
            }
        }
    }
    Ok(only_used(deletes, found))
}

/// Leaves out the deletes that a file does not need, and then the delete files that no file needs.
fn only_used(deletes: Vec<Json>, found: &mut [Found]) -> Vec<Json> {
    let is = |place: &usize, name: &str, value: &str| {
        deletes.get(*place).is_some_and(|delete| delete.get(name).and_then(Json::as_str) == Some(value))
    };
    for found in found.iter_mut() {
        // A deletion vector replaces the position deletes of its file, and those alone.
        if found.deletes.iter().any(|place| is(place, "file-format", "puffin")) {
            found
                .deletes
                .retain(|place| is(place, "file-format", "puffin") || is(place, "content", "equality-deletes"));
        }
    }
    let used: BTreeSet<usize> = found.iter().flat_map(|found| found.deletes.iter().copied()).collect();
    let places: BTreeMap<usize, usize> = used.iter().enumerate().map(|(place, old)| (*old, place)).collect();
    for found in found.iter_mut() {
        found.deletes = found.deletes.iter().filter_map(|old| places.get(old).copied()).collect();
    }
    deletes.into_iter().enumerate().filter(|(at, _)| used.contains(at)).map(|(_, delete)| delete).collect()
}

fn check_size(manifest: &ManifestFile) -> Result<(), ScanError> {
    if manifest.manifest_length > SCAN_MANIFEST_BYTES_MAX {
        return Err(ScanError::Unsupported("planning a scan with manifests this large"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iceberg::io::FileIO;
    use iceberg::spec::ManifestListWriter;
    use lake_table::{Bytes, ReadError};
    use lake_test_host::run;

    use super::*;

    /// A table with snapshots 1 to `count`, each the child of the one before; every third has deleted something.
    fn table(count: i64) -> TableMetadata {
        let snapshots: Vec<Json> = (1..=count)
            .map(|id| {
                let operation = if id % 3 == 0 { "delete" } else { "append" };
                let mut snapshot = json!({"snapshot-id": id, "sequence-number": id, "timestamp-ms": id, "schema-id": 0,
                    "manifest-list": format!("s3://b/t/{id}.avro"), "summary": {"operation": operation}});
                if id > 1 {
                    snapshot["parent-snapshot-id"] = json!(id - 1);
                }
                snapshot
            })
            .collect();
        let metadata = json!({"format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
            "location": "s3://b/t", "last-sequence-number": count, "last-updated-ms": count, "last-column-id": 1,
            "current-schema-id": 0, "schemas": [{"type": "struct", "schema-id": 0,
                "fields": [{"id": 1, "name": "a", "required": false, "type": "long"}]}],
            "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": []}], "last-partition-id": 999,
            "default-sort-order-id": 0, "sort-orders": [{"order-id": 0, "fields": []}], "properties": {},
            "current-snapshot-id": count, "snapshots": snapshots});
        serde_json::from_value(metadata).unwrap()
    }

    fn appends(metadata: &TableMetadata, after: i64, end: i64) -> Result<Option<Vec<i64>>, ScanError> {
        appends_of(metadata, &between(after, end))
    }

    fn between(after: i64, end: i64) -> Scan {
        Scan {
            snapshot_id: Some(end),
            after: Some(after),
            filter: None,
            is_case_sensitive: true,
            uses_snapshot_schema: false,
            counted: Vec::new(),
        }
    }

    #[test]
    fn appends_are_those_after_the_first_up_to_the_last() {
        let table = table(9);
        assert_eq!(appends(&table, 1, 7).unwrap(), Some(vec![2, 4, 5, 7]));
        assert_eq!(appends(&table, 5, 6).unwrap(), Some(Vec::new()));
        assert!(matches!(appends(&table, 7, 5), Err(ScanError::Invalid(_))));
        assert!(matches!(appends(&table, 0, 5), Err(ScanError::Invalid(_))));
    }

    #[test]
    fn only_so_many_snapshots_are_looked_at() {
        let most = SCAN_SNAPSHOTS_MAX as i64;
        let table = table(most + 5);
        assert!(appends(&table, 5, most + 5).is_ok());
        assert!(matches!(appends(&table, 4, most + 5), Err(ScanError::Unsupported(_))));
    }

    /// The one list of manifests that there is.
    struct OneList(Bytes);

    impl ReadFile for OneList {
        async fn read(&self, _: &str) -> Result<Bytes, ReadError> {
            Ok(self.0.clone())
        }
    }

    /// A list of `count` manifests of snapshot 2, and one of a snapshot before it.
    fn list(count: usize) -> OneList {
        const MEMORY: &str = "memory:///list.avro";
        let manifest = |at: usize, snapshot: i64| ManifestFile {
            manifest_path: format!("s3://b/t/{at}.avro"),
            manifest_length: 1,
            partition_spec_id: 0,
            content: ManifestContentType::Data,
            sequence_number: snapshot,
            min_sequence_number: snapshot,
            added_snapshot_id: snapshot,
            added_files_count: Some(1),
            existing_files_count: Some(0),
            deleted_files_count: Some(0),
            added_rows_count: Some(1),
            existing_rows_count: Some(0),
            deleted_rows_count: Some(0),
            partitions: None,
            key_metadata: None,
            first_row_id: None,
        };
        let io = FileIO::new_with_memory();
        let bytes = run(async {
            let output = io.new_output(MEMORY).unwrap().writer().await.unwrap();
            let mut writer = ManifestListWriter::v2(output, 2, Some(1), 2);
            let own = (0..count).map(|at| manifest(at, 2));
            writer.add_manifests(own.chain([manifest(count, 1)])).unwrap();
            writer.close().await.unwrap();
            io.new_input(MEMORY).unwrap().read().await.unwrap()
        });
        OneList(bytes)
    }

    #[test]
    fn only_so_many_appended_manifests_are_kept_and_none_of_other_snapshots() {
        let (table, scan) = (table(2), between(1, 2));
        let most = run(manifests(&list(SCAN_APPENDED_MANIFESTS_MAX), &table, &scan)).unwrap();
        assert_eq!(most.data.len(), SCAN_APPENDED_MANIFESTS_MAX);
        assert!(most.data.iter().all(|manifest| manifest.added_snapshot_id == 2));
        let more = run(manifests(&list(SCAN_APPENDED_MANIFESTS_MAX + 1), &table, &scan));
        assert!(matches!(more, Err(ScanError::Unsupported(_))));
    }
}
