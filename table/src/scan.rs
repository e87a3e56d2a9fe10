//! The scan plan: which files make up a snapshot, each with the deletes that apply to it.

use std::collections::BTreeMap;

use iceberg::spec::{DataContentType, DataFile, Datum, ManifestContentType, ManifestFile, TableMetadata};

use crate::error::{ReadFile, TableError};
use crate::manifest::{Entry, read_manifest, read_manifest_list};
use crate::position_delete::referenced_data_file;

/// One data file of a scan.
#[derive(Clone, Debug)]
pub struct ScanFile {
    /// The file.
    pub data: DataFile,
    /// The partition spec that its partition belongs to.
    pub partition_spec_id: i32,
    /// Its data sequence number.
    pub sequence_number: i64,
    /// The position delete files that may name rows of it.
    pub deletes: Vec<DataFile>,
}

/// Values of one field that a reader wants: files whose bounds lie wholly outside are left out.
#[derive(Clone, Debug)]
pub struct FieldRange {
    /// The field.
    pub field_id: i32,
    /// Least value wanted, inclusive. Of the field's type.
    pub lower: Option<Datum>,
    /// Greatest value wanted, inclusive.
    pub upper: Option<Datum>,
}

impl FieldRange {
    /// True if `file` may hold a row whose value is in the range. NULL never is.
    fn admits(&self, file: &DataFile) -> bool {
        let nulls = file.null_value_counts().get(&self.field_id);
        if file.record_count() > 0 && nulls == file.value_counts().get(&self.field_id) && nulls.is_some() {
            return false;
        }
        let outside = |bound: Option<&Datum>, limit: Option<&Datum>, order: std::cmp::Ordering| {
            bound.zip(limit).and_then(|(bound, limit)| bound.partial_cmp(limit)) == Some(order)
        };
        !outside(file.lower_bounds().get(&self.field_id), self.upper.as_ref(), std::cmp::Ordering::Greater)
            && !outside(file.upper_bounds().get(&self.field_id), self.lower.as_ref(), std::cmp::Ordering::Less)
    }
}

/// The files of a snapshot (`None`: an empty table) that may hold rows within all of `ranges`.
pub async fn plan_scan<R: ReadFile>(
    files: &R,
    metadata: &TableMetadata,
    snapshot_id: Option<i64>,
    ranges: &[FieldRange],
) -> Result<Vec<ScanFile>, TableError> {
    let manifests = read_manifest_list(files, metadata, snapshot_id).await?;
    // Asked for together: one after the other, each would wait for the store's latency.
    let reads = manifests.iter().map(|manifest| read_manifest(files, manifest));
    let entries = futures::future::try_join_all(reads).await?;
    scan_of(manifests.into_iter().zip(entries), ranges)
}

/// The same for who has read the manifests: each with its live entries.
pub fn scan_of(
    manifests: impl IntoIterator<Item = (ManifestFile, Vec<Entry>)>,
    ranges: &[FieldRange],
) -> Result<Vec<ScanFile>, TableError> {
    let mut scan = Vec::new();
    let mut by_path: BTreeMap<String, Vec<(i64, i32, DataFile)>> = BTreeMap::new();
    for (manifest, entries) in manifests {
        let spec = manifest.partition_spec_id;
        for entry in entries {
            let sequence_number = entry.sequence_number.unwrap_or_default();
            match (manifest.content, entry.data_file.content_type()) {
                (ManifestContentType::Data, DataContentType::Data) => {
                    if ranges.iter().all(|range| range.admits(&entry.data_file)) {
                        scan.push(ScanFile {
                            data: entry.data_file,
                            partition_spec_id: spec,
                            sequence_number,
                            deletes: Vec::new(),
                        });
                    }
                }
                (ManifestContentType::Deletes, DataContentType::PositionDeletes) => {
                    let key = referenced_data_file(&entry.data_file).unwrap_or_default();
                    by_path.entry(key).or_default().push((sequence_number, spec, entry.data_file));
                }
                _ => return Err(TableError::Unsupported("a table with equality deletes")),
            }
        }
    }
    for file in &mut scan {
        // Deletes that name no one file can be about any file of their partition.
        let own = by_path.get(file.data.file_path()).into_iter().flatten();
        let shared =
            by_path.get("").into_iter().flatten().filter(|(_, spec, delete)| {
                *spec == file.partition_spec_id && delete.partition() == file.data.partition()
            });
        // Spec, "Scan planning": a position delete applies to data of its own or an earlier sequence number.
        file.deletes = own
            .chain(shared)
            .filter(|(sequence_number, _, _)| *sequence_number >= file.sequence_number)
            .map(|(_, _, delete)| delete.clone())
            .collect();
    }
    Ok(scan)
}
