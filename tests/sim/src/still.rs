//! The catalog as it is at one moment, read behind its back: its answers to who asks for nothing but to see, without
//! faults, and what its storage has.

use lake_api::token::{Claims, Keys};
use lake_catalog::Catalog;
use lake_catalog::rest::RestRequest;
use lake_host::{
    ByteRange, ETag, ListPage, Object, ObjectInfo, ObjectStore, ObjectStoreError, PutCondition, PutOutcome, blob,
};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom, run};
use serde_json::Value;

use crate::catalog_port::ORIGIN;

/// A copy of the catalog; nothing happens while it is asked.
pub(crate) struct Still {
    pub(crate) catalog: Catalog<MemoryStorage>,
    pub(crate) storage: MemoryStorage,
    pub(crate) store: MemoryObjectStore,
    pub(crate) claims: Claims,
    pub(crate) keys: Keys,
    pub(crate) now: i64,
}

/// A table or a view that the catalog shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Where its `metadata.json` is.
    pub(crate) location: String,
    pub(crate) is_view: bool,
}

/// A table that was dropped to have its files removed, as the catalog remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purged {
    /// A key without a slash at its end.
    pub(crate) folder: String,
    pub(crate) dropped_micros: i64,
}

impl Still {
    fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let request =
            RestRequest { method: "GET".into(), path: path.into(), origin: ORIGIN.into(), ..RestRequest::default() };
        let (random, bucket) = (SeededRandom::new(0), OnlyRead(&self.store));
        let answer = run(self.catalog.respond(&request, &self.claims, &self.keys, &bucket, &random, self.now));
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        match answer.status {
            200 => Ok(Some(body)),
            404 => Ok(None),
            status => Err(format!("GET {path} is answered {status}: {body}")),
        }
    }

    /// The namespaces, but not those nested in them: nobody makes any.
    pub(crate) fn namespaces(&self) -> Result<Vec<String>, String> {
        let listed = self.get("/v1/namespaces")?.unwrap_or_default();
        let names = listed["namespaces"].as_array().into_iter().flatten();
        Ok(names.filter_map(|levels| Some(levels[0].as_str()?.to_owned())).collect())
    }

    /// The tables and views of a namespace. What is listed can be loaded.
    pub(crate) fn shown(&self, namespace: &str) -> Result<Vec<Shown>, String> {
        let mut shown = Vec::new();
        for (kind, is_view) in [("tables", false), ("views", true)] {
            let listed = self.get(&format!("/v1/namespaces/{namespace}/{kind}"))?.unwrap_or_default();
            for name in listed["identifiers"].as_array().into_iter().flatten() {
                let name = name["name"].as_str().unwrap_or_default();
                let path = format!("/v1/namespaces/{namespace}/{kind}/{name}");
                let loaded = self.get(&path)?.ok_or_else(|| format!("{path} is listed and not there"))?;
                shown.push(shown_as(namespace, name, &loaded, is_view)?);
            }
        }
        Ok(shown)
    }

    /// The dropped tables of a namespace that can come back.
    pub(crate) fn dropped(&self, namespace: &str) -> Result<Vec<Shown>, String> {
        let listed = self.get(&format!("/v1/namespaces/{namespace}/dropped-tables"))?.unwrap_or_default();
        let dropped = listed["dropped"].as_array().into_iter().flatten();
        dropped.map(|of| shown_as(namespace, of["name"].as_str().unwrap_or_default(), of, false)).collect()
    }

    /// Tables that were dropped to have their files removed, as long as that is remembered.
    pub(crate) fn purged(&self) -> Result<Vec<Purged>, String> {
        let rows = self.storage.rows().into_iter().filter(|(key, _)| key.starts_with(b"d/"));
        let mut purged = Vec::new();
        for (_, value) in rows {
            let json = blob::open(1, &value).map_err(|error| error.to_string())?;
            let row: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
            if row["is-purged"] == true {
                let location = row["pointer"]["location"].as_str().unwrap_or_default();
                let folder = location.strip_prefix("s3://lakehouse/").ok_or("a table of another bucket")?.to_owned();
                purged.push(Purged { folder, dropped_micros: row["dropped-micros"].as_i64().unwrap_or_default() });
            }
        }
        Ok(purged)
    }

    /// Folders whose objects are being removed.
    pub(crate) fn being_removed(&self) -> Vec<String> {
        self.storage.keys(b"p/").iter().map(|key| String::from_utf8_lossy(&key[2..]).into_owned()).collect()
    }

    /// Folders of dropped views, and when their objects will be removed.
    pub(crate) fn dropped_views(&self) -> Vec<(String, i64)> {
        let of_key = |key: &Vec<u8>| {
            let (due, folder) = key[2..].split_first_chunk::<8>()?;
            Some((String::from_utf8_lossy(folder).into_owned(), i64::from_be_bytes(*due)))
        };
        self.storage.keys(b"w/").iter().filter_map(of_key).collect()
    }
}

fn shown_as(namespace: &str, name: &str, answer: &Value, is_view: bool) -> Result<Shown, String> {
    let location = answer["metadata-location"].as_str().ok_or_else(|| format!("{name} has no metadata: {answer}"))?;
    Ok(Shown { namespace: namespace.to_owned(), name: name.to_owned(), location: location.to_owned(), is_view })
}

/// The bucket of who only looks.
struct OnlyRead<'a>(&'a MemoryObjectStore);

fn refused(key: &str) -> ObjectStoreError {
    ObjectStoreError::Failed(format!("{key} was to be changed or listed by who only looks"))
}

impl ObjectStore for OnlyRead<'_> {
    async fn get(&self, key: &str, range: ByteRange) -> Result<Option<Object>, ObjectStoreError> {
        let Some(bytes) = self.0.bytes(key) else { return Ok(None) };
        let size = bytes.len() as u64;
        let is_whole = match range {
            ByteRange::Full => true,
            ByteRange::From { offset, length } => offset == 0 && length.is_none_or(|length| length >= size),
            ByteRange::Suffix { length } => length >= size,
        };
        assert!(is_whole, "metadata is read whole");
        Ok(Some(Object { info: ObjectInfo { size, etag: ETag(String::new()), modified_micros: 0 }, bytes }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectStoreError> {
        Ok(self.get(key, ByteRange::Full).await?.map(|object| object.info))
    }

    async fn put(&self, key: &str, _: Vec<u8>, _: PutCondition) -> Result<PutOutcome, ObjectStoreError> {
        Err(refused(key))
    }

    async fn list(&self, prefix: &str, _: Option<&str>, _: usize) -> Result<ListPage, ObjectStoreError> {
        Err(refused(prefix))
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectStoreError> {
        Err(refused(key))
    }
}
