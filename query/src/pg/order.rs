//! Types whose order or equality is not that of their Arrow values: sorting, grouping or joining by them is refused.

use arrow::datatypes::{DataType, Field};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan};

use crate::error::unsupported;
use crate::scan::columns::PG_TYPE;

/// Refuses what would be sorted or grouped otherwise than in Postgres.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Sort(sort) => {
                for key in &sort.expr {
                    check_expr("ORDER BY", &key.expr, sort.input.schema())?;
                }
            }
            LogicalPlan::Aggregate(aggregate) => {
                for key in &aggregate.group_expr {
                    check_expr("GROUP BY", key, aggregate.input.schema())?;
                }
            }
            LogicalPlan::Distinct(Distinct::All(input)) => check_schema("DISTINCT", input.schema())?,
            LogicalPlan::Distinct(Distinct::On(on)) => {
                for key in &on.on_expr {
                    check_expr("DISTINCT ON", key, on.input.schema())?;
                }
            }
            LogicalPlan::Window(window) => {
                for expr in &window.window_expr {
                    if let Expr::WindowFunction(function) = expr {
                        let order = function.params.order_by.iter().map(|key| &key.expr);
                        for key in function.params.partition_by.iter().chain(order) {
                            check_expr("a window", key, window.input.schema())?;
                        }
                    }
                }
            }
            LogicalPlan::Join(join) => {
                for (left, _) in &join.on {
                    check_expr("a join", left, join.left.schema())?;
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check_expr(what: &str, expr: &Expr, schema: &DFSchema) -> Result<()> {
    let (_, field) = expr.to_field(schema)?;
    check_field(what, &field)
}

fn check_schema(what: &str, schema: &DFSchema) -> Result<()> {
    schema.fields().iter().try_for_each(|field| check_field(what, field))
}

fn check_field(what: &str, field: &Field) -> Result<()> {
    let name = match (field.metadata().get(PG_TYPE).map(String::as_str), field.data_type()) {
        (Some(name @ ("json" | "jsonb")), _) => name,
        (_, DataType::Interval(_)) => "interval",
        _ => return Ok(()),
    };
    Err(unsupported(format!("{what} of {name}")))
}
