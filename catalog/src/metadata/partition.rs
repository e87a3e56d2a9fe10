//! Partition specs and sort orders: lists of transformed columns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Metadata, Refused, id_after, integer, invalid, schema};

/// The id of the first partition field of a table.
pub(crate) const FIRST_FIELD_ID: i64 = 1000;

/// The highest field id of a spec; one less than the first if it has none.
pub(crate) fn last_field_id(spec: &Value) -> i64 {
    fields_of(spec).iter().filter_map(|field| integer(field, "field-id")).max().unwrap_or(FIRST_FIELD_ID - 1)
}

/// The fields of a spec or an order.
pub(crate) fn fields_of(of: &Value) -> &[Value] {
    of.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The partition spec of a new table: its sources renamed, its fields numbered from 1000.
pub(crate) fn fresh_spec(spec: Option<&Value>, renamed: &BTreeMap<i64, i64>) -> Result<Value, Refused> {
    let mut fields = Vec::new();
    for (field, id) in checked_fields(spec)?.iter().zip(FIRST_FIELD_ID..) {
        let mut field = field.clone();
        rename(&mut field, renamed)?;
        field["field-id"] = json!(id);
        fields.push(field);
    }
    check_names(&fields)?;
    Ok(json!({"spec-id": 0, "fields": fields}))
}

/// The sort order of a new table.
pub(crate) fn fresh_order(order: Option<&Value>, renamed: &BTreeMap<i64, i64>) -> Result<Value, Refused> {
    let mut fields = checked_fields(order)?.to_vec();
    for field in &mut fields {
        rename(field, renamed)?;
        check_sort_field(field)?;
    }
    let id = if fields.is_empty() { 0 } else { 1 };
    Ok(json!({"order-id": id, "fields": fields}))
}

fn rename(field: &mut Value, renamed: &BTreeMap<i64, i64>) -> Result<(), Refused> {
    let source = source_of(field)?;
    match renamed.get(&source) {
        Some(id) => field["source-id"] = json!(id),
        None => return invalid(format!("Cannot find source column for id: {source}")),
    }
    check_transform(field)
}

/// A spec to add to a table: checked against its schema, its fields numbered where they are not.
pub(crate) fn bind_spec(metadata: &Metadata, spec: &Value) -> Result<Value, Refused> {
    let columns = columns_of(metadata)?;
    let mut last = metadata.integer("last-partition-id").unwrap_or(FIRST_FIELD_ID - 1);
    let mut bound = Vec::new();
    for field in checked_fields(Some(spec))? {
        let mut field = field.clone();
        let source = source_of(&field)?;
        check_transform(&field)?;
        if !columns.contains(&source) && field["transform"] != "void" {
            return invalid(format!("Cannot find source column for partition field: {source}"));
        }
        match field.get("field-id").and_then(Value::as_i64) {
            Some(id) if i32::try_from(id).is_err() => return invalid("Cannot parse field-id to an integer"),
            Some(_) => {}
            None => {
                let known = metadata.list("partition-specs").iter().flat_map(fields_of);
                let same =
                    known.clone().find(|known| is_same_field(known, &field)).and_then(|k| integer(k, "field-id"));
                let id = same.map_or_else(|| id_after(last, "field-id"), Ok)?;
                last = last.max(id);
                field["field-id"] = json!(id);
            }
        }
        bound.push(field);
    }
    check_names(&bound)?;
    Ok(json!({"spec-id": integer(spec, "spec-id").unwrap_or_default(), "fields": bound}))
}

/// An order to add to a table.
pub(crate) fn bind_order(metadata: &Metadata, order: &Value) -> Result<Value, Refused> {
    let columns = columns_of(metadata)?;
    let fields = checked_fields(Some(order))?;
    for field in fields {
        let source = source_of(field)?;
        check_transform(field)?;
        check_sort_field(field)?;
        if !columns.contains(&source) {
            return invalid(format!("Cannot find source column for sort field: {source}"));
        }
    }
    Ok(json!({"order-id": integer(order, "order-id").unwrap_or_default(), "fields": fields}))
}

/// The columns of all schemas: some clients choose the schema of a new table only after its spec and order.
fn columns_of(metadata: &Metadata) -> Result<BTreeSet<i64>, Refused> {
    let mut columns = BTreeSet::new();
    for known in metadata.list("schemas") {
        columns.extend(schema::fields(known)?.into_iter().map(|field| field.id));
    }
    Ok(columns)
}

/// True if two specs partition alike, whatever their fields' ids are.
pub(crate) fn is_same_spec(one: &Value, other: &Value) -> bool {
    let (one, other) = (fields_of(one), fields_of(other));
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| is_same_field(one, other) && one.get("name") == other.get("name"))
}

/// True if two orders sort alike.
pub(crate) fn is_same_order(one: &Value, other: &Value) -> bool {
    fields_of(one) == fields_of(other)
}

fn is_same_field(one: &Value, other: &Value) -> bool {
    one.get("transform") == other.get("transform") && source_of(one).ok() == source_of(other).ok()
}

fn checked_fields(of: Option<&Value>) -> Result<&[Value], Refused> {
    let Some(of) = of.filter(|of| !of.is_null()) else { return Ok(&[]) };
    match of.get("fields").and_then(Value::as_array) {
        Some(fields) if fields.iter().all(Value::is_object) => Ok(fields),
        _ => invalid("Cannot parse a partition spec or sort order without fields"),
    }
}

/// The column that a field is made of. Format 3 may name several; the first is the one that transforms of today take.
fn source_of(field: &Value) -> Result<i64, Refused> {
    let several = || field.get("source-ids")?.as_array()?.first()?.as_i64();
    integer(field, "source-id").or_else(several).map_or_else(|| invalid("Cannot parse a field without source-id"), Ok)
}

fn check_transform(field: &Value) -> Result<(), Refused> {
    let Some(transform) = field.get("transform").and_then(Value::as_str) else {
        return invalid("Cannot parse a field without a transform");
    };
    let (name, width) = match transform.split_once('[') {
        Some((name, width)) => (name, width.strip_suffix(']').and_then(|width| width.trim().parse::<u32>().ok())),
        None => (transform, Some(1)),
    };
    let takes_width = matches!(name, "bucket" | "truncate");
    if name.is_empty() || width.is_none_or(|width| width == 0) || (takes_width && !transform.contains('[')) {
        return invalid(format!("Cannot parse transform: {transform}"));
    }
    Ok(())
}

fn check_names(fields: &[Value]) -> Result<(), Refused> {
    let mut names = Vec::new();
    for field in fields {
        match field.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            None => return invalid("Cannot use empty or null partition name"),
            Some(name) if names.contains(&name) => {
                return invalid(format!("Cannot use partition name more than once: {name}"));
            }
            Some(name) => names.push(name),
        }
    }
    Ok(())
}

fn check_sort_field(field: &Value) -> Result<(), Refused> {
    let is_one_of = |name: &str, words: &[&str]| {
        field.get(name).and_then(Value::as_str).is_some_and(|word| words.contains(&word.to_ascii_lowercase().as_str()))
    };
    if !is_one_of("direction", &["asc", "desc"]) || !is_one_of("null-order", &["nulls-first", "nulls-last"]) {
        return invalid("Cannot parse a sort field: direction is asc or desc, null-order nulls-first or nulls-last");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_a_new_table_follow_their_columns() {
        let renamed = BTreeMap::from([(0, 1), (1, 2)]);
        let spec = json!({"fields": [
            {"source-id": 0, "field-id": 7, "name": "b", "transform": "bucket[16]"},
            {"source-id": 1, "name": "day", "transform": "day"}]});
        let fresh = fresh_spec(Some(&spec), &renamed).unwrap();
        let field = |at: usize| (fresh["fields"][at]["source-id"].as_i64(), fresh["fields"][at]["field-id"].as_i64());
        assert_eq!((field(0), field(1)), ((Some(1), Some(1000)), (Some(2), Some(1001))));
        let order = json!({"order-id": 9, "fields": [
            {"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}]});
        let fresh = fresh_order(Some(&order), &renamed).unwrap();
        assert_eq!((fresh["order-id"].as_i64(), fresh["fields"][0]["source-id"].as_i64()), (Some(1), Some(2)));
        assert_eq!(fresh_order(None, &renamed).unwrap()["order-id"], 0);
    }

    #[test]
    fn what_is_not_a_spec_is_refused() {
        let renamed = BTreeMap::from([(1, 1)]);
        let check = |spec: Value| assert!(fresh_spec(Some(&spec), &renamed).is_err(), "{spec}");
        check(json!({}));
        check(json!({"fields": [1]}));
        check(json!({"fields": [{"source-id": 2, "name": "a", "transform": "identity"}]}));
        check(json!({"fields": [{"source-id": 1, "name": "a"}]}));
        check(json!({"fields": [{"source-id": 1, "name": "", "transform": "identity"}]}));
        for transform in ["bucket", "bucket[0]", "truncate[x]", "", "bucket[1"] {
            check(json!({"fields": [{"source-id": 1, "name": "a", "transform": transform}]}));
        }
        let field = json!({"source-id": 1, "name": "a", "transform": "identity"});
        check(json!({"fields": [field, field]}));
    }
}
