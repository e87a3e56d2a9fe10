//! What engines ask of the catalog besides appends: tables, views and namespaces come, change their names and go. Nobody
//! asks what became of each; what counts is that the catalog never breaks, and that the lake does not mind.

use lake_test_host::SeededRandom;
use serde_json::{Value, json};

use crate::engine::Engine;

/// Where most of it happens.
pub(crate) const CHORES: &str = "chores";
const PLACE: &str = "/v1/namespaces/chores";

fn schema() -> Value {
    json!({"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "type": "long", "required": false}]})
}

fn version(sql: &str) -> Value {
    json!({"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["chores"],
        "representations": [{"type": "sql", "sql": sql, "dialect": "spark"}]})
}

fn renamed(from: &str, to: &str) -> Value {
    let name = |name: &str| json!({"namespace": ["chores"], "name": name});
    json!({"source": name(from), "destination": name(to)})
}

impl Engine {
    /// One chore, step by step; others do theirs at the same time and under the same names.
    pub(crate) async fn chore(self) {
        let none = Value::Null;
        self.ask("POST", "/v1/namespaces", &json!({"namespace": ["chores"], "properties": {}})).await;
        match self.random.below(8) {
            0..3 => {
                self.make_table("t0").await;
                self.ask("POST", "/v1/tables/rename", &renamed("t0", "t1")).await;
                self.append_unseen(CHORES, "t1").await;
                self.drop_and_take_back("t1").await;
            }
            3 => self.register_again("t2").await,
            4 => self.change_views().await,
            5 => {
                self.ask("POST", "/v1/namespaces", &json!({"namespace": ["empty"], "properties": {}})).await;
                self.ask("DELETE", "/v1/namespaces/empty", &none).await;
            }
            6 => self.tag_a_captured_table().await,
            // A name that a database may want.
            _ => {
                let namespace = ["shared", "solo"][self.random.below(2)];
                let name = ["items", "transfers", "transfers_history"][self.random.below(3)];
                self.ask("POST", "/v1/namespaces", &json!({"namespace": [namespace], "properties": {}})).await;
                let body = json!({"name": name, "schema": schema()});
                self.ask("POST", &format!("/v1/namespaces/{namespace}/tables"), &body).await;
            }
        }
    }

    /// A table that databases feed gets a property or a tag, as engines may give it: a flush finds it changed.
    async fn tag_a_captured_table(&self) {
        let namespace = ["shared", "solo"][self.random.below(2)];
        let name = ["items", "transfers", "transfers_history"][self.random.below(3)];
        let path = format!("/v1/namespaces/{namespace}/tables/{name}");
        let Some((200, loaded)) = self.send("GET", &path, &Value::Null, None).await else { return };
        let update = match loaded["metadata"]["current-snapshot-id"].as_i64() {
            Some(id) if self.random.one_in(2) => {
                json!({"action": "set-snapshot-ref", "ref-name": "kept", "type": "tag", "snapshot-id": id})
            }
            _ => json!({"action": "set-properties", "updates": {"seen": self.random.below(1_000).to_string()}}),
        };
        self.ask("POST", &path, &json!({"requirements": [], "updates": [update]})).await;
    }

    /// A table with something in it, if there is none of the name.
    async fn make_table(&self, name: &str) {
        self.ask("POST", &format!("{PLACE}/tables"), &json!({"name": name, "schema": schema()})).await;
        self.append_unseen(CHORES, name).await;
    }

    /// A table is dropped, comes back, and is purged; from then on it does not.
    async fn drop_and_take_back(&self, table: &str) {
        let (none, path) = (Value::Null, format!("{PLACE}/tables/{table}"));
        let loaded = self.send("GET", &path, &none, None).await;
        self.ask("DELETE", &path, &none).await;
        if self.random.one_in(4) {
            // It stays as it is, until somebody else wants it back.
            return;
        }
        self.ask("POST", &format!("{path}/undrop"), &none).await;
        if !self.random.one_in(3) {
            self.ask("DELETE", &format!("{path}?purgeRequested=true"), &none).await;
            if let Some((200, loaded)) = loaded.filter(|_| self.random.one_in(2)) {
                let body = json!({"name": table, "metadata-location": loaded["metadata-location"]});
                self.ask("POST", &format!("{PLACE}/register"), &body).await;
            } else {
                self.ask("POST", &format!("{path}/undrop"), &none).await;
            }
        }
    }

    async fn change_views(&self) {
        let body = json!({"name": "v0", "schema": schema(), "view-version": version("select 1"), "properties": {}});
        self.ask("POST", &format!("{PLACE}/views"), &body).await;
        let body = json!({"updates": [
            {"action": "add-view-version", "view-version": version("select 2")},
            {"action": "set-current-view-version", "view-version-id": -1}]});
        self.ask("POST", &format!("{PLACE}/views/v0"), &body).await;
        self.ask("POST", "/v1/views/rename", &renamed("v0", "v1")).await;
        let loaded = self.send("GET", &format!("{PLACE}/views/v1"), &Value::Null, None).await;
        self.ask("DELETE", &format!("{PLACE}/views/v1"), &Value::Null).await;
        if let Some((200, loaded)) = loaded.filter(|_| self.random.one_in(2)) {
            // It comes back under another name, and its files must not go any more.
            let name = ["v2", "v3"][self.random.below(2)];
            let body = json!({"name": name, "metadata-location": loaded["metadata-location"]});
            self.ask("POST", &format!("{PLACE}/register-view"), &body).await;
            if self.random.one_in(2) {
                self.ask("DELETE", &format!("{PLACE}/views/{name}"), &Value::Null).await;
            }
        }
    }

    /// A table is taken out of the catalog and put back under a new name.
    async fn register_again(&self, table: &str) {
        self.make_table(table).await;
        let Some((200, loaded)) = self.send("GET", &format!("{PLACE}/tables/{table}"), &Value::Null, None).await else {
            return;
        };
        self.ask("POST", &format!("{PLACE}/tables/{table}/unregister"), &json!({})).await;
        let body = json!({"name": table, "metadata-location": loaded["metadata-location"]});
        self.ask("POST", &format!("{PLACE}/register"), &body).await;
    }

    /// Loads all that the catalog shows, as an engine does that begins.
    pub(crate) async fn load_all(self) {
        let listed = self.must_get("/v1/namespaces").await;
        for levels in listed["namespaces"].as_array().into_iter().flatten() {
            let namespace = format!("/v1/namespaces/{}", levels[0].as_str().unwrap_or_default());
            for kind in ["tables", "views"] {
                let listed = self.must_get(&format!("{namespace}/{kind}")).await;
                for name in listed["identifiers"].as_array().into_iter().flatten() {
                    let name = name["name"].as_str().unwrap_or_default();
                    self.must_get(&format!("{namespace}/{kind}/{name}")).await;
                }
            }
        }
    }

    async fn must_get(&self, path: &str) -> Value {
        match self.send("GET", path, &Value::Null, None).await {
            Some((200, answer)) => answer,
            other => {
                self.break_off(format!("with nothing going wrong GET {path} is answered {other:?}"));
                Value::Null
            }
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) {
        let Some((status, answer)) = self.send(method, path, body, None).await else { return };
        if status == 500 && answer["error"]["type"] == "InternalServerError" {
            self.break_off(format!("{method} {path}: {answer}"));
        }
    }
}

/// Which of the two an engine does next.
pub(crate) fn is_chore(random: &SeededRandom) -> bool {
    random.one_in(3)
}
