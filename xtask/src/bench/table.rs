//! A table as a client of the REST protocol knows it, and the requests that it makes of that.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::http::{Answer, Connection};
use super::manifest_list;

/// Where the tables of a run are.
const NAMESPACE: &str = "bench";
/// Columns of each table.
const COLUMNS: i64 = 12;

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The path of its address.
    pub(super) path: String,
    /// The tag of the answer that was got last.
    pub(super) etag: String,
    uuid: String,
    location: String,
    head: Option<i64>,
    sequence_number: i64,
}

/// Makes the namespace of all tables.
pub(super) fn create_namespace(connection: &mut Connection) -> Result<()> {
    let body = json!({"namespace": [NAMESPACE], "properties": {}});
    accepted(&connection.send("POST", "/v1/namespaces", &[JSON], body.to_string().as_bytes())?).map(drop)
}

/// What each request with a body says of it.
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// The answer to a request that must succeed.
pub(super) fn accepted(answer: &Answer) -> Result<Value> {
    ensure!((200..300).contains(&answer.status), "{}", told(answer));
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// What an answer says, for people.
pub(super) fn told(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let start = text.char_indices().nth(300).map_or(text.len(), |(at, _)| at);
    format!("{}: {}", answer.status, text.get(..start).unwrap_or_default())
}

impl Table {
    /// Makes a new table.
    pub(super) fn create(connection: &mut Connection, name: &str) -> Result<Table> {
        let columns = (1..=COLUMNS).map(|id| {
            let kind = ["long", "string", "double", "timestamptz"][id as usize % 4];
            json!({"id": id, "name": format!("column_{id}"), "required": id == 1, "type": kind})
        });
        let body = json!({
            "name": name,
            "schema": {"type": "struct", "schema-id": 0, "fields": columns.collect::<Vec<_>>()},
            "properties": {"write.parquet.compression-codec": "zstd"},
        });
        let path = format!("/v1/namespaces/{NAMESPACE}/tables");
        let answer = connection.send("POST", &path, &[JSON], body.to_string().as_bytes())?;
        let made = accepted(&answer).with_context(|| format!("table {name} was not made"))?;
        let text = |field: &str| made["metadata"][field].as_str().unwrap_or_default().to_owned();
        Ok(Table {
            path: format!("{path}/{name}"),
            etag: answer.etag.unwrap_or_default(),
            uuid: text("table-uuid"),
            location: text("location"),
            head: None,
            sequence_number: 0,
        })
    }

    /// The body of a commit that sets a property.
    pub(super) fn set_property(&self, value: &str) -> Vec<u8> {
        let body = json!({
            "requirements": [{"type": "assert-table-uuid", "uuid": self.uuid}],
            "updates": [{"action": "set-properties", "updates": {"bench.value": value}}],
        });
        body.to_string().into_bytes()
    }

    /// The body of a commit that appends a snapshot to what this client knows of the table.
    pub(super) fn append(&self, id: i64) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let number = self.sequence_number + 1;
        let mut snapshot = json!({
            "snapshot-id": id, "sequence-number": number, "timestamp-ms": now, "schema-id": 0,
            "manifest-list": self.manifest_list(id),
            "summary": {
                "operation": "append", "spark.app.id": "local-1767225600000", "engine-name": "spark",
                "engine-version": "4.1.4", "iceberg-version": "Apache Iceberg 1.12.0", "added-data-files": "1",
                "added-records": "1000", "added-files-size": "24576", "changed-partition-count": "1",
                "total-data-files": number.to_string(), "total-records": (1_000 * number).to_string(),
                "total-files-size": (24_576 * number).to_string(), "total-delete-files": "0",
                "total-position-deletes": "0", "total-equality-deletes": "0",
            },
        });
        if let Some(head) = self.head {
            snapshot["parent-snapshot-id"] = json!(head);
        }
        let body = json!({
            "requirements": [
                {"type": "assert-table-uuid", "uuid": self.uuid},
                {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": self.head},
            ],
            "updates": [
                {"action": "add-snapshot", "snapshot": snapshot},
                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": id},
            ],
        });
        body.to_string().into_bytes()
    }

    /// The append of this id was the last change of the table.
    pub(super) fn appended(&mut self, id: i64) {
        self.head = Some(id);
        self.sequence_number += 1;
    }

    /// Where the manifest list of an append lies.
    fn manifest_list(&self, id: i64) -> String {
        format!("{}/metadata/snap-{id}-1.avro", self.location)
    }

    /// Puts the manifest list of an append into the lake's bucket. The catalog signs the request, so no key is needed.
    pub(super) fn put_manifest_list(
        &self,
        connection: &mut Connection,
        storage: &mut Connection,
        url: &str,
        id: i64,
    ) -> Result<()> {
        let list = manifest_list::of_append(&format!("{}/metadata/{id}-m0.avro", self.location), id, 1);
        let location = self.manifest_list(id);
        let key = location.strip_prefix("s3://").with_context(|| format!("{location} is not in a bucket"))?;
        let host = url.trim_start_matches("http://");
        let asked = json!({
            "region": "auto", "method": "PUT", "uri": format!("{url}/{key}"), "provider": "s3",
            "headers": {"host": [host]},
        });
        let path = format!("{}/sign", self.path);
        let signed = accepted(&connection.send("POST", &path, &[JSON], asked.to_string().as_bytes())?)?;
        let headers = signed["headers"].as_object().context("a signed request has headers")?;
        let lines: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
            .filter_map(|(name, values)| Some((name.as_str(), values[0].as_str()?)))
            .collect();
        accepted(&storage.send("PUT", &format!("/{key}"), &lines, &list)?).map(drop)
    }
}

/// The id of a snapshot that nobody else takes.
pub(super) fn snapshot_id(client: usize, number: usize) -> i64 {
    ((client as i64 + 1) << 32) | (number as i64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            path: "/v1/namespaces/bench/tables/t".to_owned(),
            etag: String::new(),
            uuid: "u".to_owned(),
            location: "s3://b/t".to_owned(),
            head: None,
            sequence_number: 0,
        }
    }

    #[test]
    fn an_append_follows_the_one_before_and_asks_for_it() {
        let mut table = table();
        table.appended(5);
        let body: Value = serde_json::from_slice(&table.append(6)).expect("JSON");
        assert_eq!(body["requirements"][1]["snapshot-id"], 5);
        let snapshot = &body["updates"][0]["snapshot"];
        assert_eq!((&snapshot["parent-snapshot-id"], &snapshot["sequence-number"]), (&json!(5), &json!(2)));
    }

    #[test]
    fn the_first_append_asks_for_an_empty_table() {
        let body: Value = serde_json::from_slice(&table().append(6)).expect("JSON");
        assert!(body["requirements"][1]["snapshot-id"].is_null());
        assert!(body["updates"][0]["snapshot"].get("parent-snapshot-id").is_none());
    }

    #[test]
    fn no_two_clients_take_the_same_id() {
        assert_ne!(snapshot_id(0, 1), snapshot_id(1, 0));
        assert_ne!(snapshot_id(0, 0), snapshot_id(0, 1));
    }
}
