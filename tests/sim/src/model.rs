//! What a database has acknowledged, and what that means for everybody who reads.

use std::collections::BTreeMap;

use lake_test_host::SeededRandom;
use serde_json::{Value, json};

/// A change as it has to appear in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// `INSERT`, `UPDATE` or `DELETE`; or [`END`], which is no row of history.
    pub(crate) operation: &'static str,
    pub(crate) id: i64,
    /// The row's value; that before it for a delete.
    pub(crate) value: String,
}

/// The database was deleted, or the table dropped: its rows are gone.
pub(crate) const END: &str = "END";

/// A request that is on its way, with what it does when it takes effect.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) body: String,
    pub(crate) idempotency_key: String,
    pub(crate) changes: Vec<Expected>,
    /// It breaks a key: refused, and nothing changes.
    pub(crate) is_refused: bool,
    /// The columns besides id and value, if it changes them.
    columns: Option<Vec<String>>,
}

/// The rows of `items (id, value)` in one database, and all changes that led to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: BTreeMap<i64, String>,
    pub(crate) history: Vec<Expected>,
    columns: Vec<String>,
    requests: u64,
    values: u64,
}

/// Keys that a workload uses: few, so that they meet again.
const KEYS: usize = 40;

/// Columns besides id and value: few, so that they go again.
const COLUMNS_MAX: usize = 3;

impl Model {
    /// Takes the changes of an acknowledged request.
    pub(crate) fn acknowledge(&mut self, request: &Request) {
        for change in &request.changes {
            apply(&mut self.rows, change);
        }
        self.history.extend(request.changes.iter().cloned());
        if let Some(columns) = &request.columns {
            self.columns.clone_from(columns);
        }
    }

    /// The database was deleted.
    pub(crate) fn end(&mut self) {
        let end = Expected { operation: END, id: 0, value: String::new() };
        apply(&mut self.rows, &end);
        self.history.push(end);
        self.columns.clear();
    }

    /// How many rows history has.
    pub(crate) fn change_count(&self) -> usize {
        self.history.iter().filter(|change| change.operation != END).count()
    }

    /// How often the database was deleted or the table dropped.
    pub(crate) fn end_count(&self) -> usize {
        self.history.len() - self.change_count()
    }

    /// The states in which a table with the first `count` changes can be: an end may have reached it or not.
    pub(crate) fn states_after(history: &[Expected], count: usize) -> Vec<BTreeMap<i64, String>> {
        let (mut rows, mut states, mut changes) = (BTreeMap::new(), Vec::new(), 0);
        if count == 0 {
            states.push(rows.clone());
        }
        for change in history {
            let is_end = change.operation == END;
            if !is_end && changes == count {
                break;
            }
            apply(&mut rows, change);
            changes += usize::from(!is_end);
            if changes == count {
                states.push(rows.clone());
            }
        }
        states
    }

    /// A request of one to four statements that commit together.
    pub(crate) fn next_request(&mut self, database: &str, random: &SeededRandom) -> Request {
        self.requests += 1;
        if random.one_in(12) {
            return self.next_alteration(database, random);
        }
        if random.one_in(50) {
            return self.next_life(database);
        }
        let mut rows = self.rows.clone();
        let (mut statements, mut changes) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(4) {
            let first = changes.len();
            let statement = self.next_statement(&rows, random, &mut changes);
            changes[first..].iter().for_each(|change| apply(&mut rows, change));
            statements.push(statement);
        }
        let taken = rows.keys().next().copied().filter(|_| random.one_in(8));
        if let Some(id) = taken {
            statements.push(json!({"sql": "INSERT INTO items (id, value) VALUES ($1, 'again')", "params": [id]}));
            changes.clear();
        }
        Request {
            body: json!({ "statements": statements }).to_string(),
            idempotency_key: format!("{database}-{}", self.requests),
            changes,
            is_refused: taken.is_some(),
            columns: None,
        }
    }

    /// The table is dropped and made again.
    fn next_life(&self, database: &str) -> Request {
        let create = "CREATE TABLE items (id integer PRIMARY KEY, value text NOT NULL)";
        Request {
            body: json!({ "statements": [{"sql": "DROP TABLE items"}, {"sql": create}] }).to_string(),
            idempotency_key: format!("{database}-{}", self.requests),
            changes: vec![Expected { operation: END, id: 0, value: String::new() }],
            is_refused: false,
            columns: Some(Vec::new()),
        }
    }

    /// A column comes, goes or changes its name.
    fn next_alteration(&mut self, database: &str, random: &SeededRandom) -> Request {
        self.values += 1;
        // The database's own names: a name that two databases give to different columns is a contradiction, whose rows are
        // dead letters.
        let name = format!("{database}_{}", self.values);
        let (mut columns, mut changes) = (self.columns.clone(), Vec::new());
        let alteration = if columns.len() == COLUMNS_MAX {
            format!("DROP COLUMN {}", columns.remove(0))
        } else if let Some(old) = columns.first_mut().filter(|_| random.one_in(3)) {
            let rename = format!("RENAME COLUMN {old} TO {name}");
            *old = name;
            rename
        } else {
            columns.push(name.clone());
            let has_default = random.one_in(2);
            if has_default {
                // The column and an UPDATE of every row.
                let update = |(id, value): (&i64, &String)| (*id, value.clone());
                let rows = self.rows.iter().map(update);
                changes.extend(rows.map(|(id, value)| Expected { operation: "UPDATE", id, value }));
            }
            format!("ADD COLUMN {name} integer{}", if has_default { " DEFAULT 7" } else { "" })
        };
        Request {
            body: json!({ "sql": format!("ALTER TABLE items {alteration}") }).to_string(),
            idempotency_key: format!("{database}-{}", self.requests),
            changes,
            is_refused: false,
            columns: Some(columns),
        }
    }

    fn next_statement(
        &mut self,
        rows: &BTreeMap<i64, String>,
        random: &SeededRandom,
        changes: &mut Vec<Expected>,
    ) -> Value {
        self.values += 1;
        let value = format!("v{}", self.values);
        let id = random.below(KEYS) as i64;
        let Some(old) = rows.get(&id).cloned() else {
            let ids = [id, id + 1_000, id + 2_000].into_iter().filter(|id| !rows.contains_key(id));
            let ids: Vec<i64> = ids.take(1 + random.below(3)).collect();
            let tuples: Vec<_> = ids.iter().map(|id| format!("({id}, '{value}')")).collect();
            let insert = |id| Expected { operation: "INSERT", id, value: value.clone() };
            changes.extend(ids.into_iter().map(insert));
            return json!({"sql": format!("INSERT INTO items (id, value) VALUES {}", tuples.join(", "))});
        };
        match random.below(5) {
            0 | 1 => {
                changes.push(Expected { operation: "DELETE", id, value: old });
                json!({"sql": "DELETE FROM items WHERE id = $1", "params": [id]})
            }
            2 if !rows.contains_key(&(id + 5_000)) => {
                changes.push(Expected { operation: "DELETE", id, value: old.clone() });
                changes.push(Expected { operation: "INSERT", id: id + 5_000, value: old });
                json!({"sql": "UPDATE items SET id = id + 5000 WHERE id = $1", "params": [id]})
            }
            _ => {
                changes.push(Expected { operation: "UPDATE", id, value: value.clone() });
                json!({"sql": "UPDATE items SET value = $2 WHERE id = $1", "params": [id, value]})
            }
        }
    }
}

fn apply(rows: &mut BTreeMap<i64, String>, change: &Expected) {
    match change.operation {
        END => {
            rows.clear();
            None
        }
        "DELETE" => rows.remove(&change.id),
        _ => rows.insert(change.id, change.value.clone()),
    };
}
