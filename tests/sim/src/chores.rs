//! What engines ask of the catalog besides appends: tables, views and namespaces come, change their names and go. Nobody
//! asks what became of each; what counts is that the catalog never breaks, and that the lake does not mind.

use lake_test_host::SeededRandom;
use serde_json::{Value, json};

use crate::engine::Engine;

/// Where most of it happens.
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
    /// One chore.
    pub(crate) async fn chore(self) {
        let pick = |names: &[&'static str]| names[self.random.below(names.len())];
        let (table, view) = (pick(&["t0", "t1"]), pick(&["v0", "v1"]));
        let none = Value::Null;
        match self.random.below(16) {
            0 => self.ask("POST", "/v1/namespaces", &json!({"namespace": ["chores"], "properties": {}})).await,
            1 => self.ask("POST", "/v1/namespaces", &json!({"namespace": ["empty"], "properties": {}})).await,
            2 => self.ask("DELETE", "/v1/namespaces/empty", &none).await,
            3..6 => self.ask("POST", &format!("{PLACE}/tables"), &json!({"name": table, "schema": schema()})).await,
            6 => {
                let purge = self.random.one_in(2);
                self.ask("DELETE", &format!("{PLACE}/tables/{table}?purgeRequested={purge}"), &none).await;
            }
            7 => self.ask("POST", "/v1/tables/rename", &renamed("t0", "t1")).await,
            8 => self.ask("POST", &format!("{PLACE}/tables/{table}/undrop"), &none).await,
            9 => self.register_again(table).await,
            10 | 11 => {
                let body =
                    json!({"name": view, "schema": schema(), "view-version": version("select 1"), "properties": {}});
                self.ask("POST", &format!("{PLACE}/views"), &body).await;
            }
            12 => {
                let sql = format!("select {}", self.random.below(1_000));
                let body = json!({"updates": [
                    {"action": "add-view-version", "view-version": version(&sql)},
                    {"action": "set-current-view-version", "view-version-id": -1}]});
                self.ask("POST", &format!("{PLACE}/views/{view}"), &body).await;
            }
            13 => self.ask("POST", "/v1/views/rename", &renamed("v0", "v1")).await,
            14 => self.ask("DELETE", &format!("{PLACE}/views/{view}"), &none).await,
            // A name that a database may want.
            _ => {
                let namespace = pick(&["shared", "solo"]);
                let name = pick(&["items", "transfers", "transfers_history"]);
                self.ask("POST", "/v1/namespaces", &json!({"namespace": [namespace], "properties": {}})).await;
                let body = json!({"name": name, "schema": schema()});
                self.ask("POST", &format!("/v1/namespaces/{namespace}/tables"), &body).await;
            }
        }
        self.catalog.purge_step().await;
    }

    /// A table is taken out of the catalog and put back under a new name.
    async fn register_again(&self, table: &str) {
        let Some((200, loaded)) = self.send("GET", &format!("{PLACE}/tables/{table}"), &Value::Null, None).await else {
            return;
        };
        self.ask("POST", &format!("{PLACE}/tables/{table}/unregister"), &json!({})).await;
        let body = json!({"name": "t1", "metadata-location": loaded["metadata-location"]});
        self.ask("POST", &format!("{PLACE}/register"), &body).await;
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) {
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
