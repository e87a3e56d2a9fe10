//! What the client of a database asks for.

use lake_test_host::SeededRandom;
use serde_json::{Value, json};

use crate::model::{Effect, Model, RowChange, Tables, apply};
use crate::plan::{DatabasePlan, Habit};

/// A request that is on its way, with what it does when it takes effect.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) body: String,
    pub(crate) idempotency_key: String,
    pub(crate) effects: Vec<Effect>,
    /// The SQLSTATE it is refused with; then nothing changes.
    pub(crate) refused: Option<&'static str>,
    /// The columns besides id and value, if it changes them.
    columns: Option<Vec<String>>,
    /// It makes the tables.
    is_first: bool,
}

/// The next thing a client does.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Request(Request),
    /// Deletes the database.
    End,
}

/// The client's own memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workload {
    columns: Vec<String>,
    has_tables: bool,
    requests: u64,
    values: u64,
}

/// Columns besides id and value: few, so that they go again.
const COLUMNS_MAX: usize = 3;
/// Accounts of the bank, and what is on each.
const ACCOUNTS: i64 = 5;
const BALANCE: i64 = 100;
/// What is on all of them, as an answer says it.
pub(crate) const TOTAL: &str = "500";
/// Where rows of bulk loads begin.
const BULK: i64 = 100_000;

const ITEMS: &str = "CREATE TABLE items (id integer PRIMARY KEY, value text NOT NULL)";

/// All tables, in every database.
pub(crate) const TABLES: [&str; 3] = ["accounts", "items", "transfers"];

fn row(table: &'static str, operation: &'static str, id: i64, value: impl Into<String>) -> Effect {
    Effect::Row(RowChange { table, operation, id, value: value.into() })
}

impl Workload {
    /// Decides what comes next.
    pub(crate) fn next(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Wish {
        self.requests += 1;
        if !self.has_tables {
            return Wish::Request(self.first(plan));
        }
        let mut chance = random.below(1_000);
        let habit = plan.habits.iter().find(|(habit, size)| {
            // Ends cost much time, and some are enough.
            let size = if *habit == Habit::End { size / 5 } else { *size };
            let is_it = chance < size;
            chance = chance.saturating_sub(size);
            is_it
        });
        let request = match habit.map(|(habit, _)| *habit) {
            Some(Habit::End) => return Wish::End,
            Some(Habit::Bank) => self.transfer(plan, random, model),
            Some(Habit::Alter) => self.alter(plan, model, random),
            Some(Habit::Drop) => self.drop(plan),
            Some(Habit::Bulk) => self.bulk(plan, model, random),
            Some(Habit::Sweep) => self.sweep(plan, model, random),
            Some(Habit::Refused) => self.refused(plan, model, random),
            None => self.change(plan, model, random),
        };
        Wish::Request(request)
    }

    /// A request was acknowledged.
    pub(crate) fn acknowledge(&mut self, request: &Request) {
        if let Some(columns) = &request.columns {
            self.columns.clone_from(columns);
        }
        self.has_tables |= request.is_first;
    }

    /// The database is gone.
    pub(crate) fn end(&mut self) {
        self.columns.clear();
        self.has_tables = false;
    }

    fn request(&self, plan: &DatabasePlan, statements: Vec<Value>, effects: Vec<Effect>) -> Request {
        Request {
            body: json!({ "statements": statements }).to_string(),
            idempotency_key: format!("{}-{}", plan.name, self.requests),
            effects,
            refused: None,
            columns: None,
            is_first: false,
        }
    }

    fn first(&self, plan: &DatabasePlan) -> Request {
        let accounts: Vec<String> = (1..=ACCOUNTS).map(|id| format!("({id}, {BALANCE})")).collect();
        let statements = vec![
            json!({"sql": ITEMS}),
            json!({"sql": "CREATE TABLE accounts (id integer PRIMARY KEY, value bigint NOT NULL CHECK (value >= 0))"}),
            json!({"sql": "CREATE TABLE transfers (id bigint PRIMARY KEY, value text NOT NULL)"}),
            json!({"sql": format!("INSERT INTO accounts (id, value) VALUES {}", accounts.join(", "))}),
        ];
        let effects = (1..=ACCOUNTS).map(|id| row("accounts", "INSERT", id, BALANCE.to_string())).collect();
        Request { is_first: true, ..self.request(plan, statements, effects) }
    }

    fn transfer(&mut self, plan: &DatabasePlan, random: &SeededRandom, model: &Model) -> Request {
        let (from, to) = (1 + random.below(ACCOUNTS as usize) as i64, 1 + random.below(ACCOUNTS as usize) as i64);
        let balance = |id: i64| {
            let accounts = model.tables.get("accounts");
            accounts.and_then(|rows| rows.get(&id)).and_then(|value| value.parse::<i64>().ok()).unwrap_or_default()
        };
        let amount = 1 + random.below(30) as i64;
        let id = self.requests as i64;
        let text = format!("{from} to {to}: {amount}");
        let statements = vec![
            json!({"sql": "UPDATE accounts SET value = value - $2 WHERE id = $1", "params": [from, amount]}),
            json!({"sql": "UPDATE accounts SET value = value + $2 WHERE id = $1", "params": [to, amount]}),
            json!({"sql": "INSERT INTO transfers (id, value) VALUES ($1, $2)", "params": [id, text]}),
        ];
        if balance(from) < amount {
            return Request { refused: Some("23514"), ..self.request(plan, statements, Vec::new()) };
        }
        let taken = balance(from) - amount;
        let given = if from == to { taken } else { balance(to) } + amount;
        let effects = vec![
            row("accounts", "UPDATE", from, taken.to_string()),
            row("accounts", "UPDATE", to, given.to_string()),
            row("transfers", "INSERT", id, text),
        ];
        self.request(plan, statements, effects)
    }

    /// A column comes, goes or changes its name.
    fn alter(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Request {
        self.values += 1;
        // The database's own names: a name that two databases give to different columns is a contradiction, whose rows are
        // dead letters.
        let name = format!("{}_{}", plan.name, self.values);
        let (mut columns, mut effects) = (self.columns.clone(), Vec::new());
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
                let rows = model.tables.get("items").into_iter().flatten();
                effects.extend(rows.map(|(id, value)| row("items", "UPDATE", *id, value)));
            }
            format!("ADD COLUMN {name} integer{}", if has_default { " DEFAULT 7" } else { "" })
        };
        let statements = vec![json!({"sql": format!("ALTER TABLE items {alteration}")})];
        Request { columns: Some(columns), ..self.request(plan, statements, effects) }
    }

    /// The table is dropped and made again.
    fn drop(&self, plan: &DatabasePlan) -> Request {
        let statements = vec![json!({"sql": "DROP TABLE items"}), json!({ "sql": ITEMS })];
        Request { columns: Some(Vec::new()), ..self.request(plan, statements, vec![Effect::Drop("items")]) }
    }

    fn bulk(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Request {
        self.values += 1;
        let rows = model.tables.get("items");
        let first = rows.and_then(|rows| rows.last_key_value()).map_or(BULK, |(id, _)| (id + 1).max(BULK));
        let ids: Vec<i64> = (first..first + 20 + random.below(300) as i64).collect();
        let tuples: Vec<String> = ids.iter().map(|id| format!("({id}, 'b{}')", self.values)).collect();
        let statement = json!({"sql": format!("INSERT INTO items (id, value) VALUES {}", tuples.join(", "))});
        let effects = ids.iter().map(|id| row("items", "INSERT", *id, format!("b{}", self.values))).collect();
        self.request(plan, vec![statement], effects)
    }

    fn sweep(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Request {
        self.values += 1;
        let rows = model.tables.get("items").into_iter().flatten();
        if random.one_in(2) {
            let effects = rows.map(|(id, _)| row("items", "UPDATE", *id, format!("s{}", self.values))).collect();
            let statement = json!({"sql": "UPDATE items SET value = $1", "params": [format!("s{}", self.values)]});
            return self.request(plan, vec![statement], effects);
        }
        let rest = random.below(3) as i64;
        let is_swept = |id: i64| id >= BULK && id % 3 == rest;
        let effects = rows.filter(|(id, _)| is_swept(**id)).map(|(id, value)| row("items", "DELETE", *id, value));
        let sql = "DELETE FROM items WHERE id >= $1 AND id % 3 = $2";
        self.request(plan, vec![json!({"sql": sql, "params": [BULK, rest]})], effects.collect())
    }

    /// A list whose last statement breaks a key, so that nothing of it stays.
    fn refused(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Request {
        let mut request = self.change(plan, model, random);
        let mut tables = model.tables.clone();
        request.effects.iter().for_each(|effect| apply(&mut tables, effect));
        let Some(id) = tables.get("items").and_then(|rows| rows.keys().next()) else { return request };
        let mut body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let again = json!({"sql": "INSERT INTO items (id, value) VALUES ($1, 'again')", "params": [id]});
        if let Some(statements) = body["statements"].as_array_mut() {
            statements.push(again);
        }
        request.body = body.to_string();
        Request { effects: Vec::new(), refused: Some("23505"), ..request }
    }

    /// One to four statements that commit together.
    fn change(&mut self, plan: &DatabasePlan, model: &Model, random: &SeededRandom) -> Request {
        let mut tables = model.tables.clone();
        let (mut statements, mut effects) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(4) {
            let first = effects.len();
            if random.one_in(8) {
                // What is done after a savepoint and taken back leaves nothing.
                statements.push(json!({"sql": "SAVEPOINT mark"}));
                statements.push(self.statement(plan, &tables, random, &mut Vec::new()));
                statements.push(json!({"sql": "ROLLBACK TO SAVEPOINT mark"}));
            }
            statements.push(self.statement(plan, &tables, random, &mut effects));
            effects[first..].iter().for_each(|effect| apply(&mut tables, effect));
        }
        self.request(plan, statements, effects)
    }

    fn statement(
        &mut self,
        plan: &DatabasePlan,
        tables: &Tables,
        random: &SeededRandom,
        effects: &mut Vec<Effect>,
    ) -> Value {
        self.values += 1;
        let value = format!("v{}", self.values);
        let id = random.below(plan.keys) as i64;
        let rows = tables.get("items").cloned().unwrap_or_default();
        let Some(old) = rows.get(&id).cloned() else {
            let ids = [id, id + 1_000, id + 2_000].into_iter().filter(|id| !rows.contains_key(id));
            let ids: Vec<i64> = ids.take(1 + random.below(3)).collect();
            let tuples: Vec<_> = ids.iter().map(|id| format!("({id}, '{value}')")).collect();
            effects.extend(ids.into_iter().map(|id| row("items", "INSERT", id, &value)));
            return json!({"sql": format!("INSERT INTO items (id, value) VALUES {}", tuples.join(", "))});
        };
        match random.below(5) {
            0 | 1 => {
                effects.push(row("items", "DELETE", id, old));
                json!({"sql": "DELETE FROM items WHERE id = $1", "params": [id]})
            }
            2 if !rows.contains_key(&(id + 5_000)) => {
                effects.push(row("items", "DELETE", id, old.clone()));
                effects.push(row("items", "INSERT", id + 5_000, old));
                json!({"sql": "UPDATE items SET id = id + 5000 WHERE id = $1", "params": [id]})
            }
            _ => {
                effects.push(row("items", "UPDATE", id, &value));
                json!({"sql": "UPDATE items SET value = $2 WHERE id = $1", "params": [id, value]})
            }
        }
    }
}
