//! What a commit asks for first: the spec's `TableRequirement`. The messages are those of Apache's implementation, by which
//! clients and their tests tell them apart.

use serde::Deserialize;
use serde_json::Value;

use super::{Metadata, Refused, invalid};

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all_fields = "kebab-case")]
pub(crate) enum Requirement {
    #[serde(rename = "assert-create")]
    Create,
    #[serde(rename = "assert-table-uuid")]
    TableUuid { uuid: String },
    #[serde(rename = "assert-ref-snapshot-id")]
    RefSnapshotId { r#ref: String, snapshot_id: Option<i64> },
    #[serde(rename = "assert-last-assigned-field-id")]
    LastAssignedFieldId { last_assigned_field_id: i64 },
    #[serde(rename = "assert-current-schema-id")]
    CurrentSchemaId { current_schema_id: i64 },
    #[serde(rename = "assert-last-assigned-partition-id")]
    LastAssignedPartitionId { last_assigned_partition_id: i64 },
    #[serde(rename = "assert-default-spec-id")]
    DefaultSpecId { default_spec_id: i64 },
    #[serde(rename = "assert-default-sort-order-id")]
    DefaultSortOrderId { default_sort_order_id: i64 },
}

impl Requirement {
    /// Reads a list of requirements.
    pub(crate) fn parse_all(requirements: &[Value]) -> Result<Vec<Requirement>, Refused> {
        let parse = |requirement: &Value| {
            let parsed = Requirement::deserialize(requirement);
            parsed.or_else(|error| invalid(format!("Cannot parse an update requirement: {error}")))
        };
        requirements.iter().map(parse).collect()
    }

    /// Checks it against the table as it is; `None` if there is none.
    pub(crate) fn check(&self, metadata: Option<&Metadata>) -> Result<(), Refused> {
        let Some(metadata) = metadata else {
            return match self {
                Requirement::Create | Requirement::RefSnapshotId { snapshot_id: None, .. } => Ok(()),
                _ => failed("table does not exist"),
            };
        };
        let same = |what: &str, expected: i64, field: &str| {
            let present = metadata.integer(field).unwrap_or_default();
            if present == expected {
                return Ok(());
            }
            failed(&format!("{what} changed: expected id {expected} != {present}"))
        };
        match self {
            Requirement::Create => failed("table already exists"),
            Requirement::TableUuid { uuid } if metadata.uuid().eq_ignore_ascii_case(uuid) => Ok(()),
            Requirement::TableUuid { uuid } => {
                failed(&format!("UUID does not match: expected {} != {uuid}", metadata.uuid()))
            }
            Requirement::RefSnapshotId { r#ref, snapshot_id } => check_ref(metadata, r#ref, *snapshot_id),
            Requirement::LastAssignedFieldId { last_assigned_field_id } => {
                same("last assigned field id", *last_assigned_field_id, "last-column-id")
            }
            Requirement::CurrentSchemaId { current_schema_id } => {
                same("current schema", *current_schema_id, "current-schema-id")
            }
            Requirement::LastAssignedPartitionId { last_assigned_partition_id } => {
                same("last assigned partition id", *last_assigned_partition_id, "last-partition-id")
            }
            Requirement::DefaultSpecId { default_spec_id } => {
                same("default partition spec", *default_spec_id, "default-spec-id")
            }
            Requirement::DefaultSortOrderId { default_sort_order_id } => {
                same("default sort order", *default_sort_order_id, "default-sort-order-id")
            }
        }
    }
}

fn check_ref(metadata: &Metadata, name: &str, expected: Option<i64>) -> Result<(), Refused> {
    let present = metadata.referenced(name);
    let kind = || {
        let kind = metadata.reference(name).and_then(|reference| reference.get("type")?.as_str());
        kind.unwrap_or("branch")
    };
    match (present, expected) {
        (None, None) => Ok(()),
        (Some(present), Some(expected)) if present == expected => Ok(()),
        (Some(_), None) => failed(&format!("{} {name} was created concurrently", kind())),
        (Some(present), Some(expected)) => {
            failed(&format!("{} {name} has changed: expected id {expected} != {present}", kind()))
        }
        (None, Some(expected)) => failed(&format!("branch or tag {name} is missing, expected {expected}")),
    }
}

fn failed(what: &str) -> Result<(), Refused> {
    Err(Refused::Conflict(format!("Requirement failed: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata() -> Metadata {
        let metadata = json!({
            "format-version": 2, "table-uuid": "0a0b", "location": "s3://b/t", "last-column-id": 3,
            "schemas": [{"type": "struct", "schema-id": 4, "fields": []}], "current-schema-id": 4,
            "partition-specs": [{"spec-id": 2, "fields": []}], "default-spec-id": 2, "last-partition-id": 1001,
            "sort-orders": [{"order-id": 1, "fields": []}], "default-sort-order-id": 1,
            "refs": {"main": {"type": "branch", "snapshot-id": 7}, "v1": {"type": "tag", "snapshot-id": 6}},
        });
        Metadata::parse(metadata.to_string().as_bytes()).unwrap()
    }

    fn check(requirement: Value, expected: Result<(), &str>) {
        let parsed = Requirement::parse_all(std::slice::from_ref(&requirement)).unwrap().remove(0);
        let expected = expected.map_err(|message| Refused::Conflict(format!("Requirement failed: {message}")));
        assert_eq!(parsed.check(Some(&metadata())), expected, "{requirement}");
    }

    #[test]
    fn requirements_that_hold_and_the_messages_of_those_that_do_not() {
        check(json!({"type": "assert-create"}), Err("table already exists"));
        check(json!({"type": "assert-table-uuid", "uuid": "0A0B"}), Ok(()));
        check(json!({"type": "assert-table-uuid", "uuid": "x"}), Err("UUID does not match: expected 0a0b != x"));
        let reference =
            |name: &str, id: Value| json!({"type": "assert-ref-snapshot-id", "ref": name, "snapshot-id": id});
        check(reference("main", json!(7)), Ok(()));
        check(reference("other", json!(null)), Ok(()));
        check(reference("main", json!(8)), Err("branch main has changed: expected id 8 != 7"));
        check(reference("v1", json!(8)), Err("tag v1 has changed: expected id 8 != 6"));
        check(reference("main", json!(null)), Err("branch main was created concurrently"));
        check(reference("other", json!(8)), Err("branch or tag other is missing, expected 8"));
        for (kind, field, what, present) in [
            ("assert-last-assigned-field-id", "last-assigned-field-id", "last assigned field id", 3),
            ("assert-current-schema-id", "current-schema-id", "current schema", 4),
            ("assert-last-assigned-partition-id", "last-assigned-partition-id", "last assigned partition id", 1001),
            ("assert-default-spec-id", "default-spec-id", "default partition spec", 2),
            ("assert-default-sort-order-id", "default-sort-order-id", "default sort order", 1),
        ] {
            check(json!({"type": kind, field: present}), Ok(()));
            check(json!({"type": kind, field: 9}), Err(&format!("{what} changed: expected id 9 != {present}")));
        }
    }

    #[test]
    fn unknown_requirements_do_not_parse() {
        for unknown in [json!({"type": "assert-everything"}), json!({}), json!({"type": "assert-table-uuid"}), json!(3)]
        {
            assert!(matches!(Requirement::parse_all(&[unknown]), Err(Refused::Invalid(_))));
        }
    }
}
