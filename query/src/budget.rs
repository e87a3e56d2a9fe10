//! A statement's budget: joins and recursion make rows out of few, so what they make is counted (57014).

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

use crate::error::refuse;
use crate::limits::{BATCH_STEPS, STEPS_MAX};

/// Operators whose output is counted.
const COUNTED: [&str; 5] =
    ["CrossJoinExec", "HashJoinExec", "NestedLoopJoinExec", "SortMergeJoinExec", "RecursiveQueryExec"];

/// Puts a [`Counted`] over each of them. All of one plan share their count.
#[derive(Debug)]
pub(crate) struct CountSteps;

impl PhysicalOptimizerRule for CountSteps {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let steps = Arc::new(AtomicU64::new(0));
        plan.transform_up(|node| {
            if !COUNTED.contains(&node.name()) {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(Counted { input: node, steps: Arc::clone(&steps) }) as _))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "count_steps"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Its input, counted.
#[derive(Debug)]
struct Counted {
    input: Arc<dyn ExecutionPlan>,
    steps: Arc<AtomicU64>,
}

impl DisplayAs for Counted {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Counted")
    }
}

impl ExecutionPlan for Counted {
    fn name(&self) -> &'static str {
        "Counted"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Counted { input, steps: Arc::clone(&self.steps) })),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let steps = Arc::clone(&self.steps);
        let batches = self.input.execute(partition, context)?.map(move |batch| {
            let batch = batch?;
            let made = batch.num_rows() as u64 + BATCH_STEPS;
            if steps.fetch_add(made, Ordering::Relaxed) > STEPS_MAX {
                return Err(refuse("57014", "the statement joins or repeats too many rows"));
            }
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
