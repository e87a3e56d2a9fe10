//! What DataFusion would do silently otherwise than Postgres, found in the plan and refused: sorting, grouping and
//! joining by types whose order or equality is not that of their Arrow values, and rows of different types in one column.

use arrow::datatypes::{DataType, Field};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan};

use crate::answer::pg_type;
use crate::error::{refuse, unsupported};
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
                for (left, right) in &join.on {
                    check_expr("a join", left, join.left.schema())?;
                    let (_, left) = left.to_field(join.left.schema())?;
                    let (_, right) = right.to_field(join.right.schema())?;
                    check_same(&left, &right)?;
                }
            }
            LogicalPlan::Union(union) => {
                let Some((first, rest)) = union.inputs.split_first() else { return Ok(TreeNodeRecursion::Continue) };
                for other in rest {
                    for (left, right) in first.schema().fields().iter().zip(other.schema().fields()) {
                        check_same(left, right)?;
                    }
                }
            }
            LogicalPlan::RecursiveQuery(query) => check_recursion(&query.recursive_term)?,
            _ => {}
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::InSubquery(within) = expr {
                    let schema = merged(node)?;
                    let (_, left) = within.expr.to_field(&schema)?;
                    if let Some(right) = within.subquery.subquery.schema().fields().first() {
                        check_same(&left, right)?;
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The columns that the expressions of `node` see.
fn merged(node: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    Ok(schema)
}

/// DataFusion casts the recursive term to the types of the first one; Postgres refuses where they differ.
fn check_recursion(term: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Projection(projection) = term else { return Ok(()) };
    for expr in &projection.expr {
        let mut expr = expr;
        while let Expr::Alias(alias) = expr {
            expr = &alias.expr;
        }
        let Expr::Cast(cast) = expr else { continue };
        let (_, from) = cast.expr.to_field(projection.input.schema())?;
        if !from.data_type().is_null() {
            let message = format!(
                "a recursive query has type {} in its recursive term, which is not that of its first; cast it",
                crate::pg::typed::long_name(&pg_type(&from)?)
            );
            return Err(refuse("42804", message));
        }
    }
    Ok(())
}

/// Refuses two types that DataFusion would bring together by printing one of them, or by giving numbers more digits.
fn check_same(left: &Field, right: &Field) -> Result<()> {
    let (a, b) = (left.data_type(), right.data_type());
    let is_whole = |data_type: &DataType| data_type.is_integer();
    let same = a == b
        || a.is_null()
        || b.is_null()
        || (is_whole(a) && is_whole(b))
        || ((is_whole(a) || a.is_floating()) && (is_whole(b) || b.is_floating()))
        || (a.is_temporal()
            && b.is_temporal()
            && !matches!((a, b), (DataType::Interval(_), _) | (_, DataType::Interval(_))))
        || matches!((a, b), (DataType::Decimal128(_, x), DataType::Decimal128(_, y)) if x == y);
    if same {
        return Ok(());
    }
    let message = format!(
        "types {} and {} in one column are not supported; cast them to one",
        crate::pg::typed::long_name(&pg_type(left)?),
        crate::pg::typed::long_name(&pg_type(right)?)
    );
    Err(refuse("42804", message))
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
