//! The first metadata of a table, with the field ids that the lake gave.
//!
//! The builder of the `iceberg` crate numbers the fields of a new table anew. The lake has written the ids of its
//! fields down before the table exists, so the metadata is put together here in the spec's own JSON.

use iceberg::spec::TableMetadata;
use serde_json::json;

use crate::commit::EnsureTable;
use crate::error::TableError;

const FIRST_PARTITION_FIELD_ID: i32 = 1000;

/// The metadata of an empty table (format v2) at `location`. `uuid` is random; `now_ms` is the clock.
pub fn create_metadata(
    table: &EnsureTable,
    location: &str,
    uuid: [u8; 16],
    now_ms: i64,
) -> Result<TableMetadata, TableError> {
    let schema = table.schema.clone().into_builder().with_schema_id(0).build()?;
    let spec = table.partition_spec.clone().with_spec_id(0).bind(schema.clone())?;
    let last_partition_id =
        spec.fields().iter().map(|field| field.field_id).max().unwrap_or(FIRST_PARTITION_FIELD_ID - 1);
    let metadata = json!({
        "format-version": 2,
        "table-uuid": hyphenated(uuid),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now_ms,
        "last-column-id": schema.highest_field_id(),
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-specs": [spec],
        "default-spec-id": 0,
        "last-partition-id": last_partition_id,
        "properties": table.properties,
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "sort-orders": [{"order-id": 0, "fields": []}],
        "default-sort-order-id": 0,
        "refs": {},
    });
    Ok(serde_json::from_value(metadata)?)
}

fn hyphenated(uuid: [u8; 16]) -> String {
    let mut bytes = uuid;
    // Version 4, variant 1, as readers that look at it expect.
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}-{}-{}-{}-{}", &hex[0..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::TableName;
    use iceberg::spec::{NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec};

    #[test]
    fn field_ids_are_kept_and_the_metadata_reads_back() {
        let schema = Schema::builder()
            .with_fields([
                NestedField::required(17, "id", Type::Primitive(PrimitiveType::Long)).into(),
                NestedField::required(2, "at", Type::Primitive(PrimitiveType::Timestamptz)).into(),
            ])
            .build()
            .unwrap();
        let partition_spec =
            UnboundPartitionSpec::builder().add_partition_field(2, "at_day", Transform::Day).unwrap().build();
        let ensure = EnsureTable {
            table: TableName { namespace: "default".into(), name: "t".into() },
            schema,
            partition_spec,
            properties: [("a".to_owned(), "b".to_owned())].into(),
            created_ms: 5,
            epoch: 1,
        };
        let metadata = create_metadata(&ensure, "s3://b/warehouse/default/t", [7; 16], 5).unwrap();
        assert_eq!(metadata.last_column_id(), 17);
        assert_eq!(metadata.current_schema().field_by_name("id").map(|field| field.id), Some(17));
        assert_eq!(metadata.default_partition_spec().fields()[0].field_id, 1000);
        let json = serde_json::to_string(&metadata).unwrap();
        assert!(!json.contains("current-snapshot-id"), "{json}");
        assert_eq!(serde_json::from_str::<TableMetadata>(&json).unwrap(), metadata);
    }
}
