//! Putting an append on top of a snapshot that it was not made for.
//!
//! An append adds manifests and touches no other, so it follows any snapshot as well as the one it was staged on: its own
//! manifests and those of the present snapshot are the new list. The data files and manifests stay as they were written;
//! only the list is written again, with the sequence number that the append has now.

use std::collections::BTreeSet;

use bytes::Bytes;
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{FormatVersion, ManifestContentType, ManifestFile, ManifestListWriter, UNASSIGNED_SEQUENCE_NUMBER};

use crate::avro::deflate;
use crate::error::TableError;
use crate::manifest::{MEMORY, drive, parse_list};

/// What the append becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebase {
    /// The table's format: 2 or 3.
    pub format_version: u8,
    /// The append's own id.
    pub snapshot_id: i64,
    /// The snapshot that it follows now.
    pub parent_id: i64,
    /// Its new sequence number.
    pub sequence_number: i64,
    /// The first id of its rows, in format 3.
    pub first_row_id: Option<u64>,
}

/// What becomes of an append on another snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebased {
    /// It follows the snapshot with this manifest list.
    List(Bytes),
    /// All that it adds is there: it was committed before, by a snapshot that the table may have forgotten.
    IsThere,
    /// It does more than to add files, or part of what it adds is there: it has to be staged anew.
    Refused,
}

/// Puts an append on top of a snapshot.
///
/// `own` is the list that the append came with, `base` that of the snapshot it was staged on, `present` that of the one
/// it follows now. Manifests are told apart by their paths, which are never used twice; of an append whose manifests were
/// merged or whose files were rewritten since, nothing shows here that it is there.
pub fn rebase_append(own: &[u8], base: Option<&[u8]>, present: &[u8], rebase: Rebase) -> Result<Rebased, TableError> {
    let version = match rebase.format_version {
        2 => FormatVersion::V2,
        3 => FormatVersion::V3,
        _ => return Ok(Rebased::Refused),
    };
    let (Some(own), Some(present)) = (read(own, version), read(present, version)) else {
        return Ok(Rebased::Refused);
    };
    let (added, kept): (Vec<ManifestFile>, Vec<ManifestFile>) =
        own.into_iter().partition(|manifest| manifest.added_snapshot_id == rebase.snapshot_id);
    let adds_only = |manifest: &ManifestFile| {
        manifest.content == ManifestContentType::Data
            && manifest.existing_files_count == Some(0)
            && manifest.deleted_files_count == Some(0)
    };
    let paths = |manifests: &[ManifestFile]| {
        manifests.iter().map(|manifest| manifest.manifest_path.clone()).collect::<BTreeSet<String>>()
    };
    let (own_paths, present_paths) = (paths(&added), paths(&present));
    if !own_paths.is_disjoint(&present_paths) {
        let is_there = own_paths.is_subset(&present_paths);
        return Ok(if is_there { Rebased::IsThere } else { Rebased::Refused });
    }
    let base = match base {
        None => Vec::new(),
        Some(base) => match read(base, version) {
            Some(base) => base,
            None => return Ok(Rebased::Refused),
        },
    };
    // An append may also merge manifests: then what it holds of the base is in its own ones.
    if !added.iter().all(adds_only) || paths(&kept) != paths(&base) {
        return Ok(Rebased::Refused);
    }
    // Rows of before format 3 would get their ids only now, out of those that the append has counted.
    let numbered =
        |manifest: &ManifestFile| manifest.content != ManifestContentType::Data || manifest.first_row_id.is_some();
    if version == FormatVersion::V3 && !present.iter().all(numbered) {
        return Ok(Rebased::Refused);
    }
    let added = added.into_iter().map(|manifest| ManifestFile {
        sequence_number: UNASSIGNED_SEQUENCE_NUMBER,
        min_sequence_number: UNASSIGNED_SEQUENCE_NUMBER,
        first_row_id: None,
        ..manifest
    });
    write(rebase, version, added.chain(present)).map(Rebased::List)
}

fn read(list: &[u8], version: FormatVersion) -> Option<Vec<ManifestFile>> {
    parse_list(list, version).ok()
}

fn write(
    rebase: Rebase,
    version: FormatVersion,
    manifests: impl Iterator<Item = ManifestFile>,
) -> Result<Bytes, TableError> {
    let io = FileIO::new_with_memory();
    let file: Box<dyn FileWrite> = drive(io.new_output(MEMORY)?.writer())?;
    let Rebase { snapshot_id, parent_id, sequence_number, first_row_id, .. } = rebase;
    let mut writer = match version {
        FormatVersion::V3 => ManifestListWriter::v3(file, snapshot_id, Some(parent_id), sequence_number, first_row_id),
        _ => ManifestListWriter::v2(file, snapshot_id, Some(parent_id), sequence_number),
    };
    writer.add_manifests(manifests)?;
    drive(writer.close())?;
    deflate(&drive(async { io.new_input(MEMORY)?.read().await })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str, snapshot_id: i64, sequence_number: i64, first_row_id: Option<u64>) -> ManifestFile {
        ManifestFile {
            manifest_path: path.to_owned(),
            manifest_length: 100,
            partition_spec_id: 0,
            content: ManifestContentType::Data,
            sequence_number,
            min_sequence_number: sequence_number,
            added_snapshot_id: snapshot_id,
            added_files_count: Some(1),
            existing_files_count: Some(0),
            deleted_files_count: Some(0),
            added_rows_count: Some(10),
            existing_rows_count: Some(0),
            deleted_rows_count: Some(0),
            partitions: None,
            key_metadata: None,
            first_row_id,
        }
    }

    fn list(version: u8, snapshot_id: i64, manifests: &[ManifestFile]) -> Bytes {
        let rebase = Rebase {
            format_version: version,
            snapshot_id,
            parent_id: 0,
            sequence_number: snapshot_id,
            first_row_id: Some(0).filter(|_| version == 3),
        };
        let format = if version == 3 { FormatVersion::V3 } else { FormatVersion::V2 };
        write(rebase, format, manifests.iter().cloned()).unwrap()
    }

    fn check(version: u8, row: fn(u64) -> Option<u64>) {
        let first = manifest("m1", 1, 1, row(0));
        let base = list(version, 1, std::slice::from_ref(&first));
        let present = list(version, 2, &[first.clone(), manifest("m2", 2, 2, row(10))]);
        let own = list(version, 3, &[first, manifest("m3", 3, 2, row(10))]);
        let rebase =
            Rebase { format_version: version, snapshot_id: 3, parent_id: 2, sequence_number: 3, first_row_id: row(20) };
        let rebased = rebase_append(&own, Some(&base), &present, rebase).unwrap();
        let Rebased::List(rebased) = rebased else { panic!("{rebased:?}") };
        let format = if version == 3 { FormatVersion::V3 } else { FormatVersion::V2 };
        let seen: Vec<_> = read(&rebased, format)
            .unwrap()
            .into_iter()
            .map(|m| (m.manifest_path, m.sequence_number, m.min_sequence_number, m.first_row_id))
            .collect();
        let expected = [("m3", 3, row(20)), ("m1", 1, row(0)), ("m2", 2, row(10))];
        assert_eq!(seen, expected.map(|(path, number, row)| (path.to_owned(), number, number, row)));
    }

    #[test]
    fn the_manifests_of_both_are_in_the_new_list() {
        check(2, |_| None);
        check(3, Some);
    }

    #[test]
    fn an_append_that_merged_manifests_is_not_rebased() {
        let first = manifest("m1", 1, 1, None);
        let base = list(2, 1, std::slice::from_ref(&first));
        let present = list(2, 2, &[first.clone(), manifest("m2", 2, 2, None)]);
        let rebase = Rebase { format_version: 2, snapshot_id: 3, parent_id: 2, sequence_number: 3, first_row_id: None };
        let merged = ManifestFile { existing_files_count: Some(1), ..manifest("m3", 3, 2, None) };
        let check = |own: &[ManifestFile]| {
            let own = list(2, 3, own);
            assert_eq!(rebase_append(&own, Some(&base), &present, rebase).unwrap(), Rebased::Refused);
        };
        check(&[merged]);
        check(&[manifest("m3", 3, 2, None)]);
        check(&[first, ManifestFile { deleted_files_count: Some(2), ..manifest("m3", 3, 2, None) }]);
        assert_eq!(rebase_append(b"no list", None, &present, rebase).unwrap(), Rebased::Refused);
    }

    #[test]
    fn an_append_whose_manifests_are_there_is_not_added_again() {
        let rebase = Rebase { format_version: 2, snapshot_id: 3, parent_id: 9, sequence_number: 9, first_row_id: None };
        let check = |own: &[&str], present: &[(&str, i64)], expected: fn(&Rebased) -> bool| {
            let own: Vec<_> = own.iter().map(|path| manifest(path, 3, 1, None)).collect();
            let present: Vec<_> = present.iter().map(|(path, id)| manifest(path, *id, 1, None)).collect();
            let rebased = rebase_append(&list(2, 3, &own), None, &list(2, 9, &present), rebase).unwrap();
            assert!(expected(&rebased), "{rebased:?}");
        };
        // Staged on the empty table, committed, and sent again after the table has forgotten the snapshot.
        check(&["a", "b"], &[("z", 9), ("b", 3), ("a", 3)], |rebased| *rebased == Rebased::IsThere);
        check(&["a", "b"], &[("z", 9), ("a", 3)], |rebased| *rebased == Rebased::Refused);
        check(&["a", "b"], &[("z", 9)], |rebased| matches!(rebased, Rebased::List(_)));
        // An append of nothing was not there before.
        check(&[], &[("z", 9)], |rebased| matches!(rebased, Rebased::List(_)));
    }
}
