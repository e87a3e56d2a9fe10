//! `metadata.json` files kept in memory. They are immutable, so the only question is how many.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::rc::Rc;

use iceberg::spec::TableMetadata;

use crate::error::CatalogError;
use crate::limits::{CACHE_BYTES_MAX, CACHE_ENTRIES_MAX};
use crate::metadata::{Metadata, Refused};

/// One file: its bytes, and the metadata once somebody needed it.
#[derive(Debug)]
pub(crate) struct MetadataFile {
    json: Vec<u8>,
    parsed: OnceCell<TableMetadata>,
    tree: OnceCell<Metadata>,
}

impl MetadataFile {
    /// A file that was read.
    pub(crate) fn new(json: Vec<u8>) -> MetadataFile {
        MetadataFile { json, parsed: OnceCell::new(), tree: OnceCell::new() }
    }

    /// A file that is about to be written.
    pub(crate) fn of(metadata: TableMetadata) -> Result<MetadataFile, CatalogError> {
        let json = serde_json::to_vec(&metadata).map_err(|error| CatalogError::Invalid(error.to_string()))?;
        Ok(MetadataFile { json, parsed: OnceCell::from(metadata), tree: OnceCell::new() })
    }

    /// A file of an engine's table that is about to be written.
    pub(crate) fn of_tree(metadata: Metadata) -> Result<MetadataFile, Refused> {
        Ok(MetadataFile { json: metadata.to_json()?, parsed: OnceCell::new(), tree: OnceCell::from(metadata) })
    }

    /// The bytes as they are in the store.
    pub(crate) fn json(&self) -> &[u8] {
        &self.json
    }

    /// What they say.
    pub(crate) fn metadata(&self) -> Result<&TableMetadata, CatalogError> {
        if let Some(metadata) = self.parsed.get() {
            return Ok(metadata);
        }
        let metadata = serde_json::from_slice(&self.json);
        let metadata = metadata.map_err(|error| CatalogError::corrupt("a metadata.json", error))?;
        Ok(self.parsed.get_or_init(|| metadata))
    }

    /// What they say, with what this build does not know.
    pub(crate) fn tree(&self) -> Result<&Metadata, CatalogError> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree);
        }
        let tree = Metadata::parse(&self.json).map_err(|error| CatalogError::corrupt("a metadata.json", error))?;
        Ok(self.tree.get_or_init(|| tree))
    }
}

/// The files used last, by location.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    // Last used at the back.
    files: VecDeque<(String, Rc<MetadataFile>)>,
    bytes: usize,
}

impl MetadataCache {
    /// A file that is in memory.
    pub(crate) fn find(&mut self, location: &str) -> Option<Rc<MetadataFile>> {
        if lake_host::rarely!("catalog: metadata is not in memory") {
            return None;
        }
        let at = self.files.iter().position(|(held, _)| held == location)?;
        let entry = self.files.remove(at)?;
        let file = Rc::clone(&entry.1);
        self.files.push_back(entry);
        Some(file)
    }

    /// Keeps the file that replaces another. Who still needs the old one reads it again.
    pub(crate) fn replace(&mut self, old: &str, location: &str, file: &Rc<MetadataFile>) {
        if let Some(at) = self.files.iter().position(|(held, _)| held == old)
            && let Some((_, forgotten)) = self.files.remove(at)
        {
            self.bytes -= forgotten.json.len();
        }
        self.keep(location, file);
    }

    /// Keeps a file, and forgets those not used for longest.
    pub(crate) fn keep(&mut self, location: &str, file: &Rc<MetadataFile>) {
        if self.find(location).is_some() {
            return;
        }
        self.bytes += file.json.len();
        self.files.push_back((location.to_owned(), Rc::clone(file)));
        while self.files.len() > CACHE_ENTRIES_MAX || self.bytes > CACHE_BYTES_MAX {
            let Some((_, oldest)) = self.files.pop_front() else { break };
            self.bytes -= oldest.json.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: usize) -> Rc<MetadataFile> {
        Rc::new(MetadataFile::new(vec![b' '; bytes]))
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let mut cache = MetadataCache::default();
        for location in ["a", "b", "c"] {
            cache.keep(location, &file(CACHE_BYTES_MAX / 3));
        }
        assert!(cache.find("a").is_some());
        cache.keep("d", &file(CACHE_BYTES_MAX / 3));
        assert!(cache.find("b").is_none());
        assert!(cache.find("a").is_some() && cache.find("c").is_some() && cache.find("d").is_some());
    }

    #[test]
    fn a_replaced_file_makes_room_for_its_successor() {
        let mut cache = MetadataCache::default();
        cache.keep("a0", &file(10));
        cache.replace("a0", "a1", &file(20));
        cache.replace("unknown", "b1", &file(5));
        assert!(cache.find("a0").is_none() && cache.find("a1").is_some() && cache.find("b1").is_some());
        assert_eq!(cache.bytes, 25);
    }

    #[test]
    fn a_file_over_the_bound_is_not_kept() {
        let mut cache = MetadataCache::default();
        cache.keep("a", &file(CACHE_BYTES_MAX + 1));
        assert!(cache.find("a").is_none());
        assert_eq!(cache.bytes, 0);
    }
}
