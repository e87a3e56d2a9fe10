//! Manifests and manifest lists: bytes in, entries out, and back.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{
    FormatVersion, Manifest, ManifestContentType, ManifestEntry, ManifestFile, ManifestList, ManifestListWriter,
    ManifestStatus, ManifestWriterBuilder, PartitionSpec, SchemaRef, TableMetadata,
};

use crate::avro::{Content, deflate, plain, uuid};
use crate::error::{ReadFile, TableError, unreadable};

/// Where the writers of the `iceberg` crate put their bytes before they are taken out again.
pub(crate) const MEMORY: &str = "memory:///file.avro";

/// Polls a future of the memory store once: nothing there waits, and an executor cannot run inside another.
pub(crate) fn drive<T>(future: impl Future<Output = Result<T, iceberg::Error>>) -> Result<T, TableError> {
    let ended = future.now_or_never().ok_or(TableError::Unsupported("waiting for memory"))?;
    Ok(ended?)
}

/// An entry whose sequence numbers and snapshot are known.
pub type Entry = ManifestEntry;

/// The manifests of a snapshot; none for a table without one.
pub async fn read_manifest_list<R: ReadFile>(
    files: &R,
    metadata: &TableMetadata,
    snapshot_id: Option<i64>,
) -> Result<Vec<ManifestFile>, TableError> {
    let Some(snapshot_id) = snapshot_id else { return Ok(Vec::new()) };
    let snapshot = metadata.snapshot_by_id(snapshot_id).ok_or(TableError::NotFound("such snapshot"))?;
    let bytes = files.read(snapshot.manifest_list()).await?;
    parse_list(&bytes, metadata.format_version())
}

/// The manifests of a list, which anybody may have written.
pub(crate) fn parse_list(bytes: &[u8], version: FormatVersion) -> Result<Vec<ManifestFile>, TableError> {
    let file = plain(bytes, Content::Manifests)?;
    let list = ManifestList::parse_with_version(&file, version).map_err(unreadable)?;
    Ok(list.consume_entries().into_iter().collect())
}

/// The live entries of a manifest, with what they inherit from the list.
///
/// Spec, "Manifest inheritance": an added entry without numbers has those of its manifest.
pub async fn read_manifest<R: ReadFile>(files: &R, file: &ManifestFile) -> Result<Vec<Entry>, TableError> {
    let bytes = files.read(&file.manifest_path).await?;
    let entries = parse_entries(&bytes)?;
    let mut live = Vec::with_capacity(entries.len());
    for entry in entries {
        if !entry.is_alive() {
            continue;
        }
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.snapshot_id.get_or_insert(file.added_snapshot_id);
        if entry.status == ManifestStatus::Added || file.sequence_number == 0 {
            entry.sequence_number.get_or_insert(file.sequence_number);
            entry.file_sequence_number.get_or_insert(file.sequence_number);
        }
        live.push(entry);
    }
    Ok(live)
}

/// The entries of a manifest, which anybody may have written.
pub(crate) fn parse_entries(bytes: &[u8]) -> Result<Vec<Arc<Entry>>, TableError> {
    let file = plain(bytes, Content::Files)?;
    let (mut entries, metadata) = Manifest::parse_avro(&file).map_err(unreadable)?.into_parts();
    let spec = metadata.partition_spec();
    if uuid::has_bytes(spec) {
        for entry in &mut entries {
            let entry = Arc::make_mut(entry);
            entry.data_file = uuid::from_bytes(&entry.data_file, spec)?;
        }
    }
    Ok(entries)
}

/// What happens to a file in the manifest that is written.
pub(crate) enum Listed {
    /// It is new.
    Added(iceberg::spec::DataFile),
    /// It was there and stays.
    Existing(Entry),
    /// It was there and goes.
    Deleted(Entry),
}

/// Writes a manifest for `location`.
pub(crate) fn write_manifest(
    location: &str,
    snapshot_id: i64,
    schema: SchemaRef,
    spec: PartitionSpec,
    content: ManifestContentType,
    listed: Vec<Listed>,
) -> Result<(ManifestFile, Bytes), TableError> {
    let io = FileIO::new_with_memory();
    let builder = ManifestWriterBuilder::new(io.new_output(MEMORY)?, Some(snapshot_id), schema, spec);
    let mut writer = match content {
        ManifestContentType::Data => builder.build_v2_data(),
        ManifestContentType::Deletes => builder.build_v2_deletes(),
    };
    for file in listed {
        match file {
            Listed::Added(file) => writer.add_file(file, iceberg::spec::UNASSIGNED_SEQUENCE_NUMBER)?,
            Listed::Existing(entry) => {
                let (snapshot, sequence) = numbers(&entry)?;
                writer.add_existing_file(entry.data_file, snapshot, sequence, entry.file_sequence_number)?;
            }
            Listed::Deleted(entry) => {
                let (_, sequence) = numbers(&entry)?;
                writer.add_delete_file(entry.data_file, sequence, entry.file_sequence_number)?;
            }
        }
    }
    let mut manifest = drive(writer.write_manifest_file())?;
    location.clone_into(&mut manifest.manifest_path);
    let bytes = deflate(&drive(io.new_input(MEMORY)?.read())?)?;
    manifest.manifest_length = bytes.len() as i64;
    Ok((manifest, bytes))
}

fn numbers(entry: &Entry) -> Result<(i64, i64), TableError> {
    entry.snapshot_id.zip(entry.sequence_number).ok_or(TableError::Unsupported("a manifest entry without numbers"))
}

/// Writes a manifest list.
pub(crate) fn write_manifest_list(
    snapshot_id: i64,
    parent: Option<i64>,
    sequence_number: i64,
    manifests: Vec<ManifestFile>,
) -> Result<Bytes, TableError> {
    let io = FileIO::new_with_memory();
    let writer: Box<dyn FileWrite> = drive(io.new_output(MEMORY)?.writer())?;
    let mut writer = ManifestListWriter::v2(writer, snapshot_id, parent, sequence_number);
    writer.add_manifests(manifests.into_iter())?;
    drive(writer.close())?;
    deflate(&drive(async { io.new_input(MEMORY)?.read().await })?)
}

/// Refuses tables of a format that is not written here.
pub(crate) fn check_format(metadata: &TableMetadata) -> Result<(), TableError> {
    match metadata.format_version() {
        FormatVersion::V2 => Ok(()),
        _ => Err(TableError::Unsupported("writing a table that is not of format v2")),
    }
}
