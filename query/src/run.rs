//! One query from its request to its answer.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DfStatement;
use futures::StreamExt;
use futures::future::{Either, select, try_join_all};
use lake_api::answer::{AnswerColumn, RowWriter};
use lake_api::{ApiError, ErrorCode};
use lake_cdc::limits::VIEW_POSITIONS_MAX;
use lake_cdc::{LakePosition, Micros, View, ViewRequest, ViewTable};
use lake_dialect::ast::Statement;
use lake_host::ObjectStore;

use crate::answer;
use crate::engine::Engine;
use crate::error::from_datafusion;
use crate::lake::Lake;
use crate::limits::FUTURE_MICROS_MAX;
use crate::pg;
use crate::request::{Moment, QueryRequest};
use crate::sequence::OnePartition;
use crate::statement::tables::{Named, internal_name};
use crate::statement::{history, parameters, read, rewrite, tables as named_tables, wildcard};
use crate::store::{self, StoreClient};
use crate::tables;

/// Answers `request` with an engine of its own: see [`Engine::run`].
pub async fn run<L: Lake, S: ObjectStore>(
    request: &QueryRequest,
    lake: &L,
    objects: &S,
    now: Micros,
    elapsed_micros: impl Fn() -> i64,
) -> Result<String, ApiError> {
    Engine::new()?.run(request, lake, objects, now, elapsed_micros).await
}

/// Answers `request` with `engine`.
pub(crate) async fn answer<L: Lake, S: ObjectStore>(
    engine: &Engine,
    request: &QueryRequest,
    lake: &L,
    objects: &S,
    now: Micros,
    elapsed_micros: impl Fn() -> i64,
) -> Result<String, ApiError> {
    let namespace = request.namespace.as_deref().unwrap_or("default");
    let mut statement = read::read(&request.sql)?;
    let moment = request.moment()?;
    let mut named =
        named_tables::collect(&mut statement.query, namespace, moment, &statement.versions, &request.params)?;
    parameters::bind(&mut statement.query, &request.params, statement.parameter_count)?;
    check_moments(&named, now)?;

    let past = history::asks_for_past(&statement.query, &named);
    let view = view(lake, request, &named, past).await?;
    let found = find(&view, &named)?;
    let keys: Vec<Option<Vec<String>>> = named
        .iter()
        .zip(&found)
        .map(|(named, table)| table.map(|table| tables::key_names(&view, table, &named.table)))
        .collect();
    history::decide(&statement.query, &mut named, &keys);

    let (client, reads) = store::channel(engine.cache());
    let query = answer_query(Query {
        engine,
        statement,
        named: &named,
        view: &view,
        found: &found,
        client,
        now,
        elapsed_micros: &elapsed_micros,
    });
    let served = store::serve(objects, reads);
    // The store is served as long as the query runs, and no longer.
    match select(std::pin::pin!(query), std::pin::pin!(served)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), query)) => query.await,
    }
}

fn check_moments(named: &[Named], now: Micros) -> Result<(), ApiError> {
    for table in named {
        if let Moment::Stamp(stamp) = table.table.moment
            && stamp.0 > now.0.saturating_add(FUTURE_MICROS_MAX)
        {
            return Err(read::sql_error("22023", "the moment asked for is in the future"));
        }
    }
    Ok(())
}

async fn view<L: Lake>(lake: &L, request: &QueryRequest, named: &[Named], past: bool) -> Result<View, ApiError> {
    let mut tables: Vec<(String, String)> =
        named.iter().map(|named| (named.table.namespace.clone(), named.table.name.clone())).collect();
    tables.sort();
    tables.dedup();
    let mut snapshots = named.iter().filter_map(|named| match named.table.moment {
        Moment::Snapshot(id) => Some(id),
        _ => None,
    });
    let snapshot_id = snapshots.next();
    if snapshots.any(|id| Some(id) != snapshot_id) {
        return Err(read::sql_error("0A000", "a statement with several snapshot ids is not supported"));
    }
    let positions = named.iter().filter_map(|named| match named.table.moment {
        Moment::Position(position) => Some(position),
        _ => None,
    });
    // None may be left as it was asked for: inside of a transaction that is no state of the tables.
    let positions = positions.collect::<BTreeSet<LakePosition>>().into_iter().collect::<Vec<LakePosition>>();
    if positions.len() > VIEW_POSITIONS_MAX {
        let message = format!("a statement names at most {VIEW_POSITIONS_MAX} positions");
        return Err(read::sql_error("54000", message));
    }
    Ok(lake.view(&ViewRequest { tables, after: request.after()?, snapshot_id, past, positions }).await?)
}

/// The view's table of each name.
fn find<'a>(view: &'a View, named: &[Named]) -> Result<Vec<Option<&'a ViewTable>>, ApiError> {
    named
        .iter()
        .map(|named| {
            let found = view
                .tables
                .iter()
                .find(|table| table.namespace == named.table.namespace && table.name == named.table.name);
            if found.is_none() {
                let name = if named.table.by_name {
                    format!("{}{}", named.table.name, tables::HISTORY_SUFFIX)
                } else {
                    named.table.name.clone()
                };
                return Err(read::sql_error("42P01", format!("relation \"{name}\" does not exist")));
            }
            Ok(found)
        })
        .collect()
}

struct Query<'a, F> {
    engine: &'a Engine,
    statement: read::Read,
    named: &'a [Named],
    view: &'a View,
    found: &'a [Option<&'a ViewTable>],
    client: StoreClient,
    now: Micros,
    elapsed_micros: &'a F,
}

async fn answer_query<F: Fn() -> i64>(query: Query<'_, F>) -> Result<String, ApiError> {
    let (columns, rows, plan) = execute(&query).await.map_err(|error| from_datafusion(&error))?;
    let command = if plan { "EXPLAIN" } else { "SELECT" };
    let mut json = rows.finish(&columns, command, None);
    finish(&mut json, &query);
    Ok(json)
}

/// `position`, `source`, `final` and `stats`, and the closing brace.
fn finish<F: Fn() -> i64>(json: &mut String, query: &Query<'_, F>) {
    let source = if query.named.iter().any(|named| named.table.history) { "history" } else { "current" };
    // Writing to a String cannot fail.
    let _ =
        write!(json, ",\"position\":\"{}\",\"source\":\"{source}\",\"final\":{}", query.view.position, is_final(query));
    let counts = &query.client.counts;
    let _ = write!(
        json,
        ",\"stats\":{{\"bytesScanned\":{},\"filesScanned\":{},\"partitionsScanned\":{},\"durationMs\":{}}}}}",
        counts.bytes.load(Ordering::Relaxed),
        counts.files.load(Ordering::Relaxed),
        counts.partitions.load(Ordering::Relaxed),
        (query.elapsed_micros)().max(0) as f64 / 1_000.0,
    );
}

/// True if asking again can give no other answer: every shard's stamps have passed the moment.
fn is_final<F>(query: &Query<'_, F>) -> bool {
    !query.named.is_empty()
        && query.named.iter().all(|named| match named.table.moment {
            Moment::Now => false,
            Moment::Position(_) | Moment::Snapshot(_) => true,
            Moment::Stamp(moment) => query.view.stamps.iter().all(|(_, stamp)| *stamp > moment),
        })
}

async fn execute<F>(query: &Query<'_, F>) -> Result<(Vec<AnswerColumn>, RowWriter, bool)> {
    let (plan, state) = plan(query).await?;
    if query.statement.explain {
        return explain(&plan, &state).await;
    }
    let names: Vec<String> = plan.schema().fields().iter().map(|field| pg::names::shown(field.name())).collect();
    let physical = state.create_physical_plan(&plan).await?;
    let columns = answer::columns(&physical.schema(), &names)?;
    let mut rows = RowWriter::new();
    let mut batches = execute_stream(single(physical), state.task_ctx())?;
    while let Some(batch) = batches.next().await {
        answer::write_rows(&batch?, &columns, &mut rows)?;
    }
    Ok((columns, rows, false))
}

/// The plan with one partition: joining several would need tasks, and there is nowhere to run them.
fn single(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.properties().partitioning.partition_count() > 1 { OnePartition::over(plan) } else { plan }
}

async fn explain(plan: &LogicalPlan, state: &SessionState) -> Result<(Vec<AnswerColumn>, RowWriter, bool)> {
    let physical = state.create_physical_plan(plan).await?;
    let text = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
    let mut rows = RowWriter::new();
    for line in text.lines() {
        rows.begin_row();
        rows.text(line);
        // A plan of a bounded statement is far smaller than an answer may be.
        let _ = rows.end_row();
    }
    Ok((vec![AnswerColumn { name: "QUERY PLAN".into(), type_name: "text".into() }], rows, true))
}

async fn plan<F>(query: &Query<'_, F>) -> Result<(LogicalPlan, SessionState)> {
    let context = SessionContext::new_with_state(query.engine.session(query.now)?);
    let opened = query.named.iter().zip(query.found).map(|(named, view)| async move {
        let cut = tables::cut(named.table.moment, query.view)?;
        match view {
            Some(view) => tables::open(&query.client, view, &named.table, cut).await.map(Some),
            None => Ok(None),
        }
    });
    let mut shown: Vec<Option<Vec<String>>> = Vec::new();
    for (number, (named, table)) in query.named.iter().zip(try_join_all(opened).await?).enumerate() {
        let Some(table) = table else { continue };
        let hides = named.table.reserved && !named.table.history;
        shown.push(hides.then(|| {
            let users = table.columns.iter().take(table.visible).map(|column| column.name.clone());
            users.filter(|name| !lake_cdc::is_reserved_column(name)).collect()
        }));
        context.register_table(internal_name(number), Arc::new(table))?;
    }
    let mut sql = query.statement.query.clone();
    let shown_of = |name: &str| {
        let number = name.strip_prefix('t').and_then(|digits| digits.parse::<usize>().ok())?;
        shown.get(number).cloned().flatten()
    };
    wildcard::expand(&mut sql, &shown_of).map_err(crate::error::refusal)?;
    rewrite::rewrite(&mut sql).map_err(crate::error::refusal)?;
    let statement = DfStatement::Statement(Box::new(Statement::Query(sql)));
    let state = context.state();
    let plan = state.statement_to_plan(statement).await?;
    pg::order::check(&plan)?;
    let plan = state.optimize(&plan)?;
    Ok((plan, state))
}

impl From<crate::lake::LakeError> for ApiError {
    fn from(error: crate::lake::LakeError) -> ApiError {
        use crate::lake::LakeError;
        match error {
            LakeError::NotYet { position } => {
                ApiError::new(ErrorCode::NotYet, "the lake does not hold the transaction asked for yet")
                    .detail(format!("position {position}"))
            }
            LakeError::Refused(reason) => reason,
            LakeError::Unavailable(message) => ApiError::new(ErrorCode::Unavailable, message),
        }
    }
}
