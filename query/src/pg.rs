//! Postgres on DataFusion: types, operators, functions and the names of columns.

pub(crate) mod interval;
pub(crate) mod names;
pub(crate) mod numeric;

use datafusion::execution::session_state::SessionStateBuilder;
use lake_cdc::Micros;

/// A session with Postgres' rules.
pub(crate) fn register(builder: SessionStateBuilder, _now: Micros) -> SessionStateBuilder {
    builder
}
