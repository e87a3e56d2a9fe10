//! Postgres on DataFusion: types, operators, functions and the names of columns.

pub(crate) mod aggregates;
pub(crate) mod call;
pub(crate) mod cast;
pub(crate) mod datum;
pub(crate) mod functions;
pub(crate) mod interval;
pub(crate) mod json;
pub(crate) mod math;
pub(crate) mod names;
pub(crate) mod numeric;
pub(crate) mod operators;
pub(crate) mod order;
pub(crate) mod planner;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod typed;

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use lake_cdc::Micros;

/// Where functions and operators get their meaning, ours first.
pub(crate) fn planners(now: Micros) -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(planner::PgPlanner { now })];
    planners.extend(SessionStateDefaults::default_expr_planners());
    planners
}

/// Adds the functions that statements reach by name: aggregates, window functions, and ours.
pub(crate) fn register(builder: SessionStateBuilder) -> Result<SessionState> {
    let mut state = builder
        .with_aggregate_functions(aggregates::all())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build();
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(Arguments {
        signature: Signature::variadic_any(Volatility::Immutable),
    })))?;
    Ok(state)
}

/// Holds the operands of an operator of ours until it is planned. It is never computed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Arguments {
    signature: Signature,
}

impl ScalarUDFImpl for Arguments {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        planner::ARGUMENTS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Null)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("operands are no function".into()))
    }
}
