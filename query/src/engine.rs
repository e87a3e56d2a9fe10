//! What queries of one instance share: the functions that are known, the planner's rules, and immutable objects.

use std::sync::{Arc, Mutex};

use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use lake_api::ApiError;
use lake_cdc::Micros;
use lake_host::ObjectStore;

use crate::budget::CountSteps;
use crate::cache::ObjectCache;
use crate::error::from_datafusion;
use crate::lake::Lake;
use crate::limits::{BATCH_ROWS, MEMORY_BYTES_MAX};
use crate::pg;
use crate::request::QueryRequest;
use crate::sequence::InSequence;

/// Answers queries. It holds nothing of any query; one per instance saves the set-up of each.
#[derive(Debug)]
pub struct Engine {
    base: SessionState,
    cache: Arc<Mutex<ObjectCache>>,
}

impl Engine {
    /// An engine with an empty cache.
    pub fn new() -> Result<Engine, ApiError> {
        let builder = SessionStateBuilder::new()
            // A random id would be made up otherwise.
            .with_session_id("query".into())
            .with_config(config())
            .with_physical_optimizer_rule(Arc::new(InSequence))
            .with_physical_optimizer_rule(Arc::new(CountSteps));
        let base = pg::register(builder).map_err(|error| from_datafusion(&error))?;
        Ok(Engine { base, cache: Arc::default() })
    }

    /// Answers `request`.
    ///
    /// `now` is what the statement's `now()` says and what times in the future are measured by. `elapsed_micros` tells
    /// how long ago the call began, for the answer's `durationMs`.
    pub async fn run<L: Lake, S: ObjectStore>(
        &self,
        request: &QueryRequest,
        lake: &L,
        objects: &S,
        now: Micros,
        elapsed_micros: impl Fn() -> i64,
    ) -> Result<String, ApiError> {
        crate::run::answer(self, request, lake, objects, now, elapsed_micros).await
    }

    pub(crate) fn cache(&self) -> Arc<Mutex<ObjectCache>> {
        Arc::clone(&self.cache)
    }

    /// A session for one query: its own catalog, its own memory.
    pub(crate) fn session(&self, now: Micros) -> Result<SessionState> {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(disk)
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_BYTES_MAX)))
            .build_arc()?;
        Ok(SessionStateBuilder::new_from_existing(self.base.clone())
            .with_session_id("query".into())
            .with_config(config())
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_expr_planners(pg::planners(now))
            .with_runtime_env(runtime)
            .build())
    }
}

/// One partition, because there is one thread, and Postgres' reading of literals.
fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.optimizer.enable_round_robin_repartition = false;
    options.optimizer.repartition_aggregations = false;
    options.optimizer.repartition_joins = false;
    options.optimizer.repartition_sorts = false;
    options.optimizer.repartition_windows = false;
    options.optimizer.repartition_file_scans = false;
    config
}
