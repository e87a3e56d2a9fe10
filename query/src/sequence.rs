//! Several partitions one after the other.
//!
//! DataFusion joins partitions (of a UNION, say) with spawned tasks. A Worker has one thread and no runtime, so here
//! they are read in order.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::{self, StreamExt, TryStreamExt};

/// All rows of its input, partition after partition.
#[derive(Debug)]
pub(crate) struct OnePartition {
    input: Arc<dyn ExecutionPlan>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl OnePartition {
    pub(crate) fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        OnePartition::with_fetch(input, None)
    }

    fn with_fetch(input: Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> Arc<dyn ExecutionPlan> {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Arc::new(OnePartition { input, fetch, properties })
    }
}

impl DisplayAs for OnePartition {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OnePartition")
    }
}

impl ExecutionPlan for OnePartition {
    fn name(&self) -> &'static str {
        "OnePartition"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(OnePartition::with_fetch(input, self.fetch)),
            None => Ok(self),
        }
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = Arc::clone(&self.input);
        let count = input.properties().partitioning.partition_count();
        let batches =
            stream::iter(0..count).map(move |partition| input.execute(partition, Arc::clone(&context))).try_flatten();
        let mut left = self.fetch.unwrap_or(usize::MAX);
        let batches = batches.take_while(move |_| futures::future::ready(true)).try_filter_map(move |batch| {
            let rows = batch.num_rows().min(left);
            left -= rows;
            futures::future::ready(Ok((rows > 0).then(|| batch.slice(0, rows))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// Puts [`OnePartition`] in the place of what joins partitions with tasks.
#[derive(Debug)]
pub(crate) struct InSequence;

impl PhysicalOptimizerRule for InSequence {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.as_any().downcast_ref::<CoalescePartitionsExec>() {
            Some(joined) => Ok(Transformed::yes(OnePartition::with_fetch(Arc::clone(joined.input()), joined.fetch()))),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "in_sequence"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
