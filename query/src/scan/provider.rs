//! A table as DataFusion reads it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::columns::{TableColumn, arrow_field};
use super::file::{self, Wanted};
use super::merge::KeySet;
use super::pruning::Pruning;
use super::snapshot::FilePlan;
use crate::error::refuse;
use crate::limits::{FILES_AHEAD, SCAN_ROWS_MAX};
use crate::store::StoreClient;

/// Which rows of the files count.
#[derive(Clone, Debug)]
pub(crate) enum RowTest {
    /// All.
    All,
    /// Those whose key, the columns at these indexes, is not in the set: the tail has a later word on the others.
    NotIn(Vec<usize>, Arc<KeySet>),
    /// Those whose int8 column at the index is one of these, which are sorted.
    OneOf(usize, Arc<Vec<i64>>),
    /// Those whose int8 or timestamp column at the index is at most this.
    AtMost(usize, i64),
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct LakeTable {
    pub(crate) columns: Arc<[TableColumn]>,
    /// Of all columns.
    pub(crate) schema: SchemaRef,
    /// How many of the columns, from the first, a statement can name. The others are for the test.
    pub(crate) visible: usize,
    pub(crate) files: Arc<[FilePlan]>,
    pub(crate) test: RowTest,
    /// Rows that are in no file, of all columns.
    pub(crate) memory: Option<RecordBatch>,
    pub(crate) client: StoreClient,
}

impl LakeTable {
    /// A stream of the columns at `projection`.
    pub(crate) fn stream(
        &self,
        projection: &[usize],
        pruning: Option<Arc<Pruning>>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let output: SchemaRef = Arc::new(self.schema.project(projection)?);
        let needed = self.needed(projection);
        let wanted: Arc<[Wanted]> = needed
            .iter()
            .map(|at| {
                let column = &self.columns[*at];
                Wanted { field_id: column.field_id, field: arrow_field(&column.name, &column.column_type) }
            })
            .collect();
        let test = RowFilter { test: self.test.clone(), needed, width: projection.len() };
        let files: Vec<FilePlan> = self
            .files
            .iter()
            .filter(|file| pruning.as_ref().is_none_or(|pruning| pruning.keeps_file(file)))
            .cloned()
            .collect();
        let mut partitions: Vec<&str> = files.iter().map(|file| file.partition.as_str()).collect();
        partitions.sort_unstable();
        partitions.dedup();
        self.client.counts.partitions.fetch_add(partitions.len() as u64, Ordering::Relaxed);

        let client = self.client.clone();
        let schema = Arc::clone(&output);
        let from_files = stream::iter(files)
            .map(move |file| {
                let (client, wanted, pruning) = (client.clone(), Arc::clone(&wanted), pruning.clone());
                async move { file::read(client, &file, wanted, pruning.as_deref()).await }
            })
            .buffered(FILES_AHEAD)
            .try_flatten()
            .map(move |batch| test.apply(&batch?, &schema));
        let memory = self.memory.as_ref().map(|rows| rows.project(projection).map_err(DataFusionError::from));
        let mut seen = 0u64;
        let all = from_files.chain(stream::iter(memory)).map(move |batch| {
            let batch = batch?;
            seen += batch.num_rows() as u64;
            if seen > SCAN_ROWS_MAX {
                return Err(refuse("57014", format!("the query reads more than {SCAN_ROWS_MAX} rows of a table")));
            }
            // The metadata of fields is that of the table, whatever the file said.
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&output), batch.columns().to_vec(), &options)?)
        });
        Ok(all.boxed())
    }

    /// What is read from files: the projection, then what the test looks at.
    fn needed(&self, projection: &[usize]) -> Vec<usize> {
        let mut needed = projection.to_vec();
        match &self.test {
            RowTest::All => {}
            RowTest::NotIn(key, set) => {
                if !set.is_empty() {
                    needed.extend(key);
                }
            }
            RowTest::OneOf(at, _) | RowTest::AtMost(at, _) => needed.push(*at),
        }
        needed
    }
}

/// The test on batches that have the projection first and the tested columns after it.
struct RowFilter {
    test: RowTest,
    needed: Vec<usize>,
    width: usize,
}

impl RowFilter {
    fn apply(&self, batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
        let tested: Vec<ArrayRef> = (self.width..self.needed.len()).map(|at| Arc::clone(batch.column(at))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns()[..self.width].to_vec();
        let batch = RecordBatch::try_new_with_options(Arc::clone(output), columns, &options)?;
        let keep = match (&self.test, tested.first()) {
            (RowTest::All, _) | (_, None) => return Ok(batch),
            (RowTest::NotIn(_, set), _) => set.absent(&tested)?,
            (RowTest::OneOf(_, wanted), Some(column)) => {
                integers(column)?.map(|value| value.map(|value| wanted.binary_search(&value).is_ok())).collect()
            }
            (RowTest::AtMost(_, most), Some(column)) => {
                integers(column)?.map(|value| value.map(|value| value <= *most)).collect::<BooleanArray>()
            }
        };
        Ok(filter_record_batch(&batch, &keep)?)
    }
}

fn integers(column: &ArrayRef) -> Result<Box<dyn Iterator<Item = Option<i64>> + '_>> {
    match column.data_type() {
        DataType::Int64 => Ok(Box::new(column.as_primitive::<Int64Type>().iter())),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(Box::new(column.as_primitive::<TimestampMicrosecondType>().iter()))
        }
        other => Err(DataFusionError::Internal(format!("a column of {other} is no position"))),
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        let visible: Vec<_> = self.schema.fields().iter().take(self.visible).cloned().collect();
        Arc::new(Schema::new(visible))
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Statistics rule out files, not rows.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.visible).collect(),
        };
        let schema = Arc::new(self.schema.project(&projection)?);
        let pruning = self.pruning(state, filters)?;
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Arc::new(LakeScan { table: Arc::new(self.clone()), projection, pruning, limit, properties }))
    }
}

impl LakeTable {
    fn pruning(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<Pruning>>> {
        let Some(filter) = datafusion::logical_expr::utils::conjunction(filters.iter().cloned()) else {
            return Ok(None);
        };
        let schema = DFSchema::try_from(Schema::clone(&self.schema))?;
        let filter = state.create_physical_expr(filter, &schema)?;
        // What statistics cannot decide is decided row by row above this scan.
        let Ok(predicate) = PruningPredicate::try_new(filter, Arc::clone(&self.schema)) else { return Ok(None) };
        if predicate.always_true() {
            return Ok(None);
        }
        let columns = Arc::clone(&self.columns);
        Ok(Some(Arc::new(Pruning { predicate, columns, schema: Arc::clone(&self.schema) })))
    }
}

/// The scan of a table in a physical plan.
#[derive(Debug)]
struct LakeScan {
    table: Arc<LakeTable>,
    projection: Vec<usize>,
    pruning: Option<Arc<Pruning>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for LakeScan {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.table.memory.as_ref().map_or(0, RecordBatch::num_rows);
        write!(formatter, "LakeScan: files={}, tail_rows={memory}", self.table.files.len())
    }
}

impl ExecutionPlan for LakeScan {
    fn name(&self) -> &'static str {
        "LakeScan"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.table.stream(&self.projection, self.pruning.clone())?;
        let rows = match self.limit {
            Some(limit) => first(rows, limit),
            None => rows,
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// Batches up to the one that reaches `limit` rows: nothing after it is read.
fn first(rows: BoxStream<'static, Result<RecordBatch>>, limit: usize) -> BoxStream<'static, Result<RecordBatch>> {
    let mut left = limit;
    rows.take_while(move |batch| {
        let more = left > 0;
        left = left.saturating_sub(batch.as_ref().map_or(0, RecordBatch::num_rows));
        futures::future::ready(more)
    })
    .boxed()
}
