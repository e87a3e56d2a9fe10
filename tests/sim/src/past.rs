//! What is told of a moment stays true: the answer of now is the answer as of that position for ever, and what was said
//! to be final about a time is said again, whatever was flushed, renamed, dropped and deleted since.

use lake_api::{ApiError, ErrorCode};
use lake_cdc::{Micros, View, ViewRequest};
use lake_dolake::{Lake, ViewAnswer};
use lake_query::{Engine, LakeError, QueryRequest};
use lake_test_host::{MemoryObjectStore, MemoryStorage, SeededRandom, run};
use serde_json::{Value, json};

use crate::check::Seen;
use crate::database::Database;
use crate::workload::TOTAL;

/// Every row, every column, under the names of the moment.
const SQL: &str = "SELECT *, _shard FROM items ORDER BY _shard, id";

/// A query's way to the lake, bytes included.
struct Asked<'a>(&'a Lake<MemoryStorage>);

impl lake_query::Lake for Asked<'_> {
    async fn view(&self, request: &ViewRequest) -> Result<View, LakeError> {
        let broken = |error: &dyn std::fmt::Display| LakeError::Unavailable(error.to_string());
        let request = ViewRequest::decode(&request.encode()).map_err(|error| broken(&error))?;
        match self.0.view(&request).map_err(|error| broken(&error))? {
            ViewAnswer::Ready(view) => View::decode(&view.encode()).map_err(|error| broken(&error)),
            _ => Err(LakeError::Refused(ApiError::new(ErrorCode::NotYet, "there is something to flush"))),
        }
    }
}

/// An answer about a moment.
struct Told {
    namespace: &'static str,
    as_of: Value,
    columns: Value,
    rows: Value,
}

/// All answers so far.
pub(crate) struct Past {
    engine: Engine,
    told: Vec<Told>,
}

impl Past {
    pub(crate) fn new() -> Past {
        Past { engine: Engine::new().expect("an engine"), told: Vec::new() }
    }

    /// `None` if the lake cannot answer right now.
    fn ask(
        &self,
        lake: &Lake<MemoryStorage>,
        store: &MemoryObjectStore,
        now: i64,
        request: &Value,
    ) -> Result<Option<Value>, String> {
        let body = QueryRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.message)?;
        match run(self.engine.run(&body, &Asked(lake), store, Micros(now), || 0)) {
            Ok(answer) => serde_json::from_str(&answer).map(Some).map_err(|error| error.to_string()),
            // Not created yet, not flushed yet, or evicted a moment ago.
            Err(error) if matches!(error.code.name(), "42P01" | "not_yet" | "unavailable") => Ok(None),
            Err(error) => Err(format!("{request}: {} {}", error.code.name(), error.message)),
        }
    }

    /// Remembers what is told now, and of the time `ago` before if all `databases` of the namespace have passed it.
    pub(crate) fn observe(
        &mut self,
        lake: &Lake<MemoryStorage>,
        store: &MemoryObjectStore,
        (namespace, databases): (&'static str, usize),
        (now, ago): (i64, i64),
    ) -> Result<(), String> {
        let present = json!({"sql": SQL, "namespace": namespace});
        if let Some(answer) = self.ask(lake, store, now, &present)? {
            let as_of = json!({"position": answer["position"]});
            self.told.push(Told { namespace, as_of, columns: answer["columns"].clone(), rows: answer["rows"].clone() });
        }
        let tables = vec![(namespace.to_owned(), "items".to_owned())];
        let request = ViewRequest { tables, after: None, snapshot_id: None, past: false, positions: Vec::new() };
        let stamps = match lake.view(&request) {
            Ok(ViewAnswer::Ready(view)) => view.stamps,
            _ => return Ok(()),
        };
        // Nobody can know of a time that is over for a database that the lake has not heard of, or that has ended and may
        // be made again.
        if stamps.len() < databases {
            return Ok(());
        }
        let as_of = json!(lake_cdc::text::print(&lake_cdc::Value::TimestampTz(now - ago)));
        let past = json!({"sql": SQL, "namespace": namespace, "asOf": as_of});
        if let Some(answer) = self.ask(lake, store, now, &past)?.filter(|answer| answer["final"] == json!(true)) {
            self.told.push(Told { namespace, as_of, columns: answer["columns"].clone(), rows: answer["rows"].clone() });
        }
        Ok(())
    }

    /// Asks everything again; how many answers there were.
    pub(crate) fn check(&self, lake: &Lake<MemoryStorage>, store: &MemoryObjectStore, now: i64) -> Result<(), String> {
        for told in &self.told {
            let request = json!({"sql": SQL, "namespace": told.namespace, "asOf": told.as_of});
            let answer = self.ask(lake, store, now, &request)?.ok_or_else(|| format!("{request}: no answer"))?;
            for (what, before) in [("columns", &told.columns), ("rows", &told.rows)] {
                // Before a table was, it has the columns of today and no rows.
                let may_differ = what == "columns" && told.as_of.is_string() && told.rows == json!([]);
                if answer[what] != *before && !may_differ {
                    let (before, now) = first_difference(before, &answer[what]);
                    return Err(format!("{request}: of {what}, {before} is {now}"));
                }
            }
        }
        Ok(())
    }

    /// How many answers are remembered.
    pub(crate) fn told(&self) -> usize {
        self.told.len()
    }

    /// Money is moved in one transaction, so at any position that can be named each database has all of it or no account.
    pub(crate) fn check_balances(
        &self,
        lake: &Lake<MemoryStorage>,
        store: &MemoryObjectStore,
        now: i64,
        random: &SeededRandom,
    ) -> Result<(), String> {
        // Where transactions of earlier positions end nobody knows any more.
        let status = lake.status().map_err(|error| error.to_string())?;
        let earliest: u64 = status["earliest"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        let kept = lake.positions().0.0.saturating_sub(earliest);
        for namespace in ["shared", "solo"] {
            for _ in 0..MOMENTS {
                let at = earliest + random.below(kept.max(1) as usize) as u64;
                let sql = "SELECT _shard, sum(value) FROM accounts GROUP BY _shard";
                let request = json!({"sql": sql, "namespace": namespace, "asOf": {"position": at}});
                let Some(answer) = self.ask(lake, store, now, &request)? else { continue };
                let rows = answer["rows"].as_array().cloned().unwrap_or_default();
                if let Some(row) = rows.iter().find(|row| text(&row[1]) != TOTAL) {
                    return Err(format!("{request}: {row}, and not {TOTAL} in all"));
                }
            }
        }
        Ok(())
    }

    /// What the lake says of moments is what the models know of them. Stamps come from history; a moment between a
    /// transaction and a later one that left no row of history, and so no stamp that is known, is left out.
    pub(crate) fn check_models(
        &self,
        lake: &Lake<MemoryStorage>,
        store: &MemoryObjectStore,
        now: i64,
        databases: &[Database],
        seen: &Seen,
        random: &SeededRandom,
    ) -> Result<(), String> {
        for namespace in ["shared", "solo"] {
            let of_namespace: Vec<&Database> =
                databases.iter().filter(|database| database.plan.namespace == namespace).collect();
            let stamps: Vec<i64> = seen
                .stamps
                .iter()
                .filter(|((name, ..), _)| of_namespace.iter().any(|d| d.name() == name))
                .map(|(_, stamp)| *stamp)
                .collect();
            for _ in 0..stamps.len().min(MOMENTS) {
                let at = stamps[random.below(stamps.len())] + random.below(2) as i64;
                let mut expected = Vec::new();
                let known = of_namespace.iter().all(|database| rows_at(database, seen, at, &mut expected));
                if !known {
                    continue;
                }
                expected.sort();
                let as_of = json!(lake_cdc::text::print(&lake_cdc::Value::TimestampTz(at)));
                let sql = "SELECT _shard, id, value FROM items ORDER BY _shard, id";
                let request = json!({"sql": sql, "namespace": namespace, "asOf": as_of});
                let Some(answer) = self.ask(lake, store, now, &request)? else { continue };
                let rows = answer["rows"].as_array().cloned().unwrap_or_default();
                let rows: Vec<(String, i64, String)> =
                    rows.iter().map(|row| (text(&row[0]), row[1].as_i64().unwrap_or(-1), text(&row[2]))).collect();
                if rows != expected {
                    return Err(format!("{request}: {rows:?}, not {expected:?}"));
                }
            }
        }
        Ok(())
    }
}

/// Moments that are compared with the models, of each namespace.
const MOMENTS: usize = 4;

/// Adds the rows of `items` that a database had at a moment; false if nobody can know.
fn rows_at(database: &Database, seen: &Seen, at: i64, rows: &mut Vec<(String, i64, String)>) -> bool {
    let (mut state, mut is_certain) = (None, true);
    for (number, life) in database.model.lives.iter().enumerate() {
        for transaction in &life.transactions {
            match seen.stamps.get(&(database.name().to_owned(), number, transaction.lsn)) {
                Some(stamp) if *stamp <= at => (state, is_certain) = (Some((number, transaction.lsn)), true),
                Some(_) => return note(database, state, rows, is_certain),
                None => is_certain = false,
            }
        }
        // The end of a database has no row in history either.
        is_certain &= !life.is_over;
    }
    note(database, state, rows, is_certain)
}

fn note(
    database: &Database,
    state: Option<(usize, u64)>,
    rows: &mut Vec<(String, i64, String)>,
    is_certain: bool,
) -> bool {
    if let Some((life, lsn)) = state {
        let tables = database.model.lives[life].tables_at(lsn);
        let items = tables.get("items").into_iter().flatten();
        rows.extend(items.map(|(id, value)| (database.name().to_owned(), *id, value.clone())));
    }
    is_certain
}

/// The first element in which two lists differ, in either.
fn first_difference<'v>(before: &'v Value, now: &'v Value) -> (&'v Value, &'v Value) {
    let lengths = [before, now].map(|value| value.as_array().map_or(0, Vec::len));
    let at = (0..lengths[0].max(lengths[1])).find(|at| before[*at] != now[*at]);
    at.map_or((before, now), |at| (&before[at], &now[at]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
