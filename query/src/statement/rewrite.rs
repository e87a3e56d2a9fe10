//! The statement in the words of the planner.

use lake_api::ApiError;
use lake_dialect::ast::Query;

/// Rewrites `query`.
pub(crate) fn rewrite(_query: &mut Query) -> Result<(), ApiError> {
    Ok(())
}
