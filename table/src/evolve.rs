//! Schema changes as table updates.

use iceberg::spec::{Schema, TableMetadata, TableMetadataBuilder};
use iceberg::{TableRequirement, TableUpdate};

use crate::error::TableError;

/// The requirement and the updates that make `wanted` the current schema; `None` if it is already.
///
/// `wanted` has the field ids of the table; ids it has not yet are new fields. Whether the change is one that
/// Iceberg allows is the caller's affair.
pub fn plan_schema(
    metadata: &TableMetadata,
    wanted: &Schema,
) -> Result<Option<(TableRequirement, Vec<TableUpdate>)>, TableError> {
    let current = metadata.current_schema();
    if current.as_struct() == wanted.as_struct() {
        return Ok(None);
    }
    let highest = metadata.schemas_iter().map(|schema| schema.schema_id()).max().unwrap_or_default();
    let schema = wanted.clone().into_builder().with_schema_id(highest + 1).build()?;
    let requirement = TableRequirement::CurrentSchemaIdMatch { current_schema_id: metadata.current_schema_id() };
    let updates = vec![TableUpdate::AddSchema { schema }, TableUpdate::SetCurrentSchema { schema_id: -1 }];
    Ok(Some((requirement, updates)))
}

/// The metadata after `updates`, for staging what comes after them in the same commit.
pub fn apply_updates(metadata: &TableMetadata, updates: &[TableUpdate]) -> Result<TableMetadata, TableError> {
    let mut builder = TableMetadataBuilder::new_from_metadata(metadata.clone(), None);
    for update in updates {
        builder = update.clone().apply(builder)?;
    }
    Ok(builder.build()?.metadata)
}
