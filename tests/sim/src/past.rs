//! What is told of a moment stays true: the answer of now is the answer as of that position for ever, and what was said
//! to be final about a time is said again, whatever was flushed, renamed, dropped and deleted since.

use lake_api::{ApiError, ErrorCode};
use lake_cdc::{Micros, View, ViewRequest};
use lake_dolake::{Lake, ViewAnswer};
use lake_query::{Engine, LakeError, QueryRequest};
use lake_test_host::{MemoryObjectStore, MemoryStorage, run};
use serde_json::{Value, json};

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
        let request = ViewRequest { tables, after: None, snapshot_id: None, past: false };
        let stamps = match lake.view(&request) {
            Ok(ViewAnswer::Ready(view)) => view.stamps,
            _ => return Ok(()),
        };
        // Nobody can know of a time that is over for a database that the lake has not heard of.
        if stamps.len() < databases || stamps.iter().any(|(_, stamp)| stamp.0 <= now - ago) {
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
    pub(crate) fn check(
        &self,
        lake: &Lake<MemoryStorage>,
        store: &MemoryObjectStore,
        now: i64,
    ) -> Result<usize, String> {
        for told in &self.told {
            let request = json!({"sql": SQL, "namespace": told.namespace, "asOf": told.as_of});
            let answer = self.ask(lake, store, now, &request)?.ok_or_else(|| format!("{request}: no answer"))?;
            for (what, before) in [("columns", &told.columns), ("rows", &told.rows)] {
                // Before a table was, it has the columns of today and no rows.
                let may_differ = what == "columns" && told.as_of.is_string() && told.rows == json!([]);
                if answer[what] != *before && !may_differ {
                    return Err(format!("{request}: {what} were {before}, are {}", answer[what]));
                }
            }
        }
        Ok(self.told.len())
    }
}
