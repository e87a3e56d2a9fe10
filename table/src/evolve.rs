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

/// The metadata after `updates`, for staging what comes after them in the same commit. Its time stays what it was.
pub fn apply_updates(metadata: &TableMetadata, updates: &[TableUpdate]) -> Result<TableMetadata, TableError> {
    let mut builder = TableMetadataBuilder::new_from_metadata(metadata.clone(), None);
    for update in updates {
        builder = update.clone().apply(builder)?;
    }
    // The builder has read the machine's clock, which a core must not; its fields are private, so by way of JSON.
    let mut json = serde_json::to_value(builder.build()?.metadata)?;
    if let Some(fields) = json.as_object_mut() {
        fields.insert("last-updated-ms".to_owned(), metadata.last_updated_ms().into());
    }
    Ok(serde_json::from_value(json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{EnsureTable, TableName};
    use iceberg::spec::{NestedField, PrimitiveType, Type, UnboundPartitionSpec};

    fn schema(names: &[&str]) -> Schema {
        let fields = names.iter().enumerate().map(|(index, name)| {
            NestedField::optional(index as i32 + 1, *name, Type::Primitive(PrimitiveType::Long)).into()
        });
        Schema::builder().with_fields(fields).build().unwrap()
    }

    fn table() -> TableMetadata {
        let ensure = EnsureTable {
            table: TableName { namespace: "default".into(), name: "t".into() },
            schema: schema(&["a"]),
            partition_spec: UnboundPartitionSpec::builder().build(),
            properties: Default::default(),
            created_ms: 5,
            epoch: 1,
        };
        crate::create_metadata(&ensure, "s3://b/t", [1; 16], 5).unwrap()
    }

    #[test]
    fn the_same_schema_is_no_change() {
        assert!(plan_schema(&table(), &schema(&["a"])).unwrap().is_none());
    }

    #[test]
    fn a_renamed_and_a_new_column_keep_their_ids_and_the_time() {
        let wanted = schema(&["b", "c"]);
        let (requirement, updates) = plan_schema(&table(), &wanted).unwrap().unwrap();
        assert_eq!(requirement, TableRequirement::CurrentSchemaIdMatch { current_schema_id: 0 });
        let after = apply_updates(&table(), &updates).unwrap();
        assert_eq!(after.current_schema().as_struct(), wanted.as_struct());
        assert_eq!((after.last_column_id(), after.last_updated_ms()), (2, 5));
        assert!(plan_schema(&after, &wanted).unwrap().is_none());
    }
}
