//! What an engine does with its tables.

use std::collections::BTreeMap;

use iceberg::spec::{DataFile, TableMetadata};
use lake_table::plan_scan;
use serde_json::{Value, json};

use super::commit::Commit;
use super::{ATTEMPTS_MAX, ECHOES, EVENTS, Engine, Files, GivenUp, Habits, NAMESPACE, schema};
use crate::ledger::{Row, Told};

fn rows(table: &str, ids: &[i64]) -> Vec<Row> {
    ids.iter().map(|id| (table.to_owned(), *id)).collect()
}

/// What a table's rows are known under if several tables may have its name, one after the other.
pub(crate) fn known_as(table: &str, uuid: &str) -> String {
    if matches!(table, EVENTS | ECHOES) { table.to_owned() } else { format!("{table} {uuid}") }
}

impl Engine {
    /// One deed, for which it tries as hard as its habits say.
    pub(crate) async fn work(self) {
        let habits = [Habits::SendsAgain, Habits::Looks, Habits::HasKey][self.random.below(3)];
        match self.random.below(10) {
            0..4 => self.append(habits, &[EVENTS]).await,
            4 | 5 => self.append(habits, &[EVENTS, ECHOES]).await,
            6 | 7 => self.replace_file(habits).await,
            _ => self.create_with_rows(habits).await,
        }
    }

    /// The same new rows for each of some tables, in one commit.
    async fn append(&self, habits: Habits, tables: &[&str]) {
        let ids = self.ledger.borrow_mut().new_rows(1 + self.random.below(3));
        let adds = tables.iter().flat_map(|table| rows(table, &ids)).collect();
        let deed = self.ledger.borrow_mut().begin(adds, Vec::new());
        let told = self.try_append(habits, tables, &ids).await;
        self.end(deed, told);
    }

    async fn try_append(&self, habits: Habits, tables: &[&str], ids: &[i64]) -> Result<Told, GivenUp> {
        let mut written: BTreeMap<&str, DataFile> = BTreeMap::new();
        for _ in 0..ATTEMPTS_MAX {
            let mut commit = Commit::default();
            for &table in tables {
                let metadata = self.load_or_create(table).await?;
                if !written.contains_key(table) {
                    written.insert(table, self.write_data(&metadata, ids).await?);
                }
                let (snapshot_id, staged) = self.stage(&metadata, &written[table], None).await?;
                let uuid = metadata.uuid().to_string();
                commit.add(table, &uuid, snapshot_id, json!(staged.requirements), json!(staged.updates));
            }
            let answer = self.commit(habits, &commit).await;
            let files: Vec<DataFile> = written.values().cloned().collect();
            if let Some(told) = self.conclude(habits, answer, &files).await {
                return Ok(told);
            }
        }
        Ok(Told::Never)
    }

    /// With nothing going wrong, a commit to a table is acknowledged.
    pub(crate) async fn append_at_the_end(self) {
        for table in [EVENTS, ECHOES] {
            let Some(Some(_)) = self.load(NAMESPACE, table).await else { continue };
            let ids = self.ledger.borrow_mut().new_rows(1);
            let deed = self.ledger.borrow_mut().begin(rows(table, &ids), Vec::new());
            let told = self.try_append(Habits::Looks, &[table], &ids).await;
            if !matches!(told, Ok(Told::Done)) {
                self.break_off(format!("with nothing going wrong a commit to {table} does not hold"));
            }
            self.end(deed, told);
        }
    }

    /// A file of a table makes way for one in which a row is gone and another one is new.
    async fn replace_file(&self, habits: Habits) {
        let certain = self.ledger.borrow().certain(EVENTS);
        if certain.is_empty() {
            return self.append(habits, &[EVENTS]).await;
        }
        let old = certain[self.random.below(certain.len())];
        let new = self.ledger.borrow_mut().new_rows(1)[0];
        let deed = self.ledger.borrow_mut().begin(rows(EVENTS, &[new]), rows(EVENTS, &[old]));
        let told = self.try_replace(habits, old, new).await;
        self.end(deed, told);
    }

    async fn try_replace(&self, habits: Habits, old: i64, new: i64) -> Result<Told, GivenUp> {
        for _ in 0..ATTEMPTS_MAX {
            let metadata = self.load_or_create(EVENTS).await?;
            let scan = plan_scan(&Files(&self.store), &metadata, metadata.current_snapshot_id(), &[]).await;
            let scan = scan.map_err(|_| GivenUp)?;
            let found = scan.iter().find_map(|file| {
                let path = file.data.file_path();
                let ids = self.ledger.borrow().files.get(path).filter(|ids| ids.contains(&old)).cloned();
                Some((path, ids?))
            });
            let Some((path, mut ids)) = found else {
                self.break_off(format!("a load shows no file with row {old}"));
                return Err(GivenUp);
            };
            ids.retain(|id| *id != old);
            ids.push(new);
            let file = self.write_data(&metadata, &ids).await?;
            let (snapshot_id, staged) = self.stage(&metadata, &file, Some(path)).await?;
            let mut commit = Commit::default();
            let uuid = metadata.uuid().to_string();
            commit.add(EVENTS, &uuid, snapshot_id, json!(staged.requirements), json!(staged.updates));
            let answer = self.commit(habits, &commit).await;
            if let Some(told) = self.conclude(habits, answer, &[file]).await {
                return Ok(told);
            }
        }
        Ok(Told::Never)
    }

    /// A table that begins with rows: staged, and made by the commit that brings them. Two want each name.
    async fn create_with_rows(&self, habits: Habits) {
        let number = self.ledger.borrow().creations;
        self.ledger.borrow_mut().creations += 1;
        let table = format!("made{}", number / 2);
        let Some(metadata) = self.stage_creation(&table).await else { return };
        let ids = self.ledger.borrow_mut().new_rows(2);
        let adds = rows(&known_as(&table, &metadata.uuid().to_string()), &ids);
        let deed = self.ledger.borrow_mut().begin(adds, Vec::new());
        let told = self.try_create(habits, &table, &metadata, &ids).await;
        self.end(deed, told);
    }

    /// `None` if the name is taken, or nobody answers.
    async fn stage_creation(&self, table: &str) -> Option<TableMetadata> {
        let namespace = json!({"namespace": [NAMESPACE], "properties": {}});
        let body = json!({"name": table, "schema": schema(), "stage-create": true, "properties": {}});
        for _ in 0..ATTEMPTS_MAX {
            self.send("POST", "/v1/namespaces", &namespace, None).await;
            match self.send("POST", &format!("/v1/namespaces/{NAMESPACE}/tables"), &body, None).await {
                Some((200, answer)) => return serde_json::from_value(answer["metadata"].clone()).ok(),
                Some((409, _)) => return None,
                _ => {}
            }
        }
        None
    }

    async fn try_create(
        &self,
        habits: Habits,
        table: &str,
        metadata: &TableMetadata,
        ids: &[i64],
    ) -> Result<Told, GivenUp> {
        let file = self.write_data(metadata, ids).await?;
        let (snapshot_id, staged) = self.stage(metadata, &file, None).await?;
        let mut updates = creation(metadata);
        updates.extend(staged.updates.iter().map(|update| json!(update)));
        let mut commit = Commit::default();
        let uuid = metadata.uuid().to_string();
        commit.add(table, &uuid, snapshot_id, json!([{"type": "assert-create"}]), json!(updates));
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.commit(habits, &commit).await;
            if let Some(told) = self.conclude(habits, answer, std::slice::from_ref(&file)).await {
                return Ok(told);
            }
        }
        Ok(Told::Never)
    }

    /// Rows whose fate is in no ledger.
    pub(crate) async fn append_unseen(&self, namespace: &str, table: &str) {
        let Some(Some(metadata)) = self.load(namespace, table).await else { return };
        let ids = self.ledger.borrow_mut().new_rows(2);
        let Ok(file) = self.write_data(&metadata, &ids).await else { return };
        let Ok((_, staged)) = self.stage(&metadata, &file, None).await else { return };
        let identifier = json!({"namespace": [namespace], "name": table});
        let body = json!({"identifier": identifier, "requirements": staged.requirements, "updates": staged.updates});
        self.ask("POST", &super::path(namespace, table), &body).await;
    }

    /// Nothing was sent that could have committed if it was given up.
    fn end(&self, deed: usize, told: Result<Told, GivenUp>) {
        self.ledger.borrow_mut().end(deed, told.unwrap_or(Told::Never));
    }
}

/// What makes a staged table, as DuckDB sends it.
fn creation(metadata: &TableMetadata) -> Vec<Value> {
    let schema = json!(metadata.current_schema());
    vec![
        json!({"action": "assign-uuid", "uuid": metadata.uuid().to_string()}),
        json!({"action": "upgrade-format-version", "format-version": 2}),
        json!({"action": "add-schema", "schema": schema, "last-column-id": metadata.last_column_id()}),
        json!({"action": "set-current-schema", "schema-id": 0}),
        json!({"action": "add-spec", "spec": {"spec-id": 0, "fields": []}}),
        json!({"action": "set-default-spec", "spec-id": 0}),
        json!({"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}}),
        json!({"action": "set-default-sort-order", "sort-order-id": 0}),
        json!({"action": "set-location", "location": metadata.location()}),
        json!({"action": "set-properties", "updates": {}}),
    ]
}
