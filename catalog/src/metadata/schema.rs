//! Schemas: what is one, and numbering its fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Refused, integer, invalid};
use crate::limits::SCHEMA_DEPTH_MAX;

/// One column at any depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its id.
    pub(crate) id: i64,
    /// Its name with those of what it is in, joined by dots.
    pub(crate) name: String,
    /// Its type, if it is not a struct, list or map.
    pub(crate) primitive: Option<String>,
    has_default: bool,
}

/// All columns of a schema. Refuses what is not a schema.
pub(crate) fn fields(schema: &Value) -> Result<Vec<Field>, Refused> {
    if schema.get("type").is_some_and(|kind| kind != "struct") {
        return invalid("Cannot parse a schema that is not a struct");
    }
    let mut found = Vec::new();
    walk_struct(schema, "", &mut found, 0)?;
    let mut names = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for field in &found {
        if !names.insert(&field.name) {
            return invalid(format!("Invalid schema: multiple fields for name {}", field.name));
        }
        if !ids.insert(field.id) {
            return invalid(format!("Invalid schema: multiple fields for id {}", field.id));
        }
    }
    for id in identifiers(schema)? {
        if !ids.contains(&id) {
            return invalid(format!("Cannot add field {id} as an identifier field: not found in current schema"));
        }
    }
    Ok(found)
}

fn identifiers(schema: &Value) -> Result<Vec<i64>, Refused> {
    match schema.get("identifier-field-ids") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => {
            let ids: Option<Vec<i64>> = ids.iter().map(Value::as_i64).collect();
            ids.map_or_else(|| invalid("identifier-field-ids is not a list of numbers"), Ok)
        }
        Some(_) => invalid("identifier-field-ids is not a list of numbers"),
    }
}

/// The highest id of a schema's columns; 0 if there are none.
pub(crate) fn highest_id(schema: &Value) -> Result<i64, Refused> {
    Ok(fields(schema)?.iter().map(|field| field.id).max().unwrap_or_default().max(0))
}

/// Refuses what a format does not have yet.
pub(crate) fn check_format(schema: &Value, format_version: i64) -> Result<(), Refused> {
    for field in fields(schema)? {
        let kind = field.primitive.as_deref().unwrap_or_default();
        let base = kind.split('(').next().unwrap_or_default();
        let is_new =
            matches!(base, "timestamp_ns" | "timestamptz_ns" | "unknown" | "variant" | "geometry" | "geography");
        if is_new && format_version < 3 {
            return invalid(format!(
                "Invalid schema for v{format_version}:\n- Invalid type for {}: {kind} is not supported until v3",
                field.name
            ));
        }
        if field.has_default && format_version < 3 {
            return invalid(format!(
                "Invalid schema for v{format_version}:\n- Invalid initial default for {}: non-null default is not \
                 supported until v3",
                field.name
            ));
        }
    }
    Ok(())
}

/// True if two schemas have the same columns and identifiers, whatever their own ids are.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    let identifiers = |schema: &Value| identifiers(schema).map(BTreeSet::from_iter).unwrap_or_default();
    one.get("fields") == other.get("fields") && identifiers(one) == identifiers(other)
}

/// A schema that is stored as `schema_id`.
pub(crate) fn with_id(schema: &Value, schema_id: i64) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.insert("type".to_owned(), json!("struct"));
        object.insert("schema-id".to_owned(), json!(schema_id));
        if object.get("identifier-field-ids").is_some_and(Value::is_null) {
            object.remove("identifier-field-ids");
        }
    }
    schema
}

/// The schema with new ids from 1 in the order in which all clients give them (the fields of a struct first, then what is
/// in them), and what became of each old id.
pub(crate) fn number_anew(schema: &Value) -> Result<(Value, BTreeMap<i64, i64>), Refused> {
    let old_identifiers = identifiers(schema)?;
    fields(schema)?;
    let mut fresh = with_id(schema, 0);
    let mut numbering = Numbering { last: 0, renamed: BTreeMap::new() };
    numbering.number(&mut fresh);
    let new: Vec<i64> = old_identifiers.iter().filter_map(|id| numbering.renamed.get(id).copied()).collect();
    if let Some(object) = fresh.as_object_mut()
        && object.contains_key("identifier-field-ids")
    {
        object.insert("identifier-field-ids".to_owned(), json!(new));
    }
    Ok((fresh, numbering.renamed))
}

struct Numbering {
    last: i64,
    renamed: BTreeMap<i64, i64>,
}

impl Numbering {
    fn take(&mut self, of: &mut Value, name: &str) {
        self.last += 1;
        if let Some(old) = integer(of, name) {
            self.renamed.insert(old, self.last);
        }
        of[name] = json!(self.last);
    }

    fn number(&mut self, kind: &mut Value) {
        match kind.get("type").and_then(Value::as_str) {
            Some("struct") => {
                let Some(fields) = kind.get_mut("fields").and_then(Value::as_array_mut) else { return };
                for field in fields.iter_mut() {
                    self.take(field, "id");
                }
                for field in fields {
                    self.number(&mut field["type"]);
                }
            }
            Some("list") => {
                self.take(kind, "element-id");
                self.number(&mut kind["element"]);
            }
            Some("map") => {
                self.take(kind, "key-id");
                self.take(kind, "value-id");
                self.number(&mut kind["key"]);
                self.number(&mut kind["value"]);
            }
            _ => {}
        }
    }
}

fn walk_struct(kind: &Value, path: &str, found: &mut Vec<Field>, depth: usize) -> Result<(), Refused> {
    let Some(fields) = kind.get("fields").and_then(Value::as_array) else {
        return invalid("Cannot parse a struct without fields");
    };
    for field in fields {
        let id = id_of(field, "id")?;
        let Some(name) = field.get("name").and_then(Value::as_str) else {
            return invalid(format!("Cannot parse a field without a name: id {id}"));
        };
        if field.get("required").and_then(Value::as_bool).is_none() {
            return invalid(format!("Cannot parse field {name}: required is not a boolean"));
        }
        let has_default = field.get("initial-default").is_some_and(|default| !default.is_null());
        walk(field.get("type"), id, &join(path, name), has_default, found, depth)?;
    }
    Ok(())
}

fn walk(
    kind: Option<&Value>,
    id: i64,
    name: &str,
    has_default: bool,
    found: &mut Vec<Field>,
    depth: usize,
) -> Result<(), Refused> {
    if depth > SCHEMA_DEPTH_MAX {
        return invalid("Cannot use a schema that is nested this deep");
    }
    let kind = kind.unwrap_or(&Value::Null);
    let mut field = Field { id, name: name.to_owned(), primitive: None, has_default };
    if let Value::String(text) = kind {
        if !is_primitive(text) {
            return invalid(format!("Cannot parse type string to primitive: {text}"));
        }
        field.primitive = Some(text.clone());
        found.push(field);
        return Ok(());
    }
    found.push(field);
    match kind.get("type").and_then(Value::as_str) {
        Some("struct") => walk_struct(kind, name, found, depth + 1),
        Some("list") => {
            let element = id_of(kind, "element-id")?;
            walk(kind.get("element"), element, &join(name, "element"), false, found, depth + 1)
        }
        Some("map") => {
            let (key, value) = (id_of(kind, "key-id")?, id_of(kind, "value-id")?);
            walk(kind.get("key"), key, &join(name, "key"), false, found, depth + 1)?;
            walk(kind.get("value"), value, &join(name, "value"), false, found, depth + 1)
        }
        _ => invalid(format!("Cannot parse type of {name}")),
    }
}

fn id_of(value: &Value, name: &str) -> Result<i64, Refused> {
    let id = integer(value, name).filter(|id| i32::try_from(*id).is_ok());
    id.map_or_else(|| invalid(format!("Cannot parse {name} to an integer")), Ok)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_primitive(text: &str) -> bool {
    let argument = |name: &str, open: char, close: char| {
        let rest = text.strip_prefix(name)?.trim_start().strip_prefix(open)?;
        rest.strip_suffix(close)
    };
    match text {
        "boolean" | "int" | "long" | "float" | "double" | "date" | "time" | "timestamp" | "timestamptz"
        | "timestamp_ns" | "timestamptz_ns" | "string" | "uuid" | "binary" | "unknown" | "variant" | "geometry"
        | "geography" => true,
        _ => {
            if let Some(length) = argument("fixed", '[', ']') {
                return length.trim().parse::<u32>().is_ok();
            }
            if let Some(numbers) = argument("decimal", '(', ')') {
                let numbers: Vec<Result<u32, _>> = numbers.split(',').map(|part| part.trim().parse()).collect();
                return matches!(numbers.as_slice(), [Ok(precision), Ok(scale)] if *precision <= 38 && scale <= precision);
            }
            argument("geometry", '(', ')').is_some() || argument("geography", '(', ')').is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested() -> Value {
        json!({"type": "struct", "fields": [
            {"id": 0, "name": "id", "required": true, "type": "long"},
            {"id": 1, "name": "point", "required": false, "type": {"type": "struct", "fields": [
                {"id": 3, "name": "x", "required": true, "type": "double"},
                {"id": 4, "name": "y", "required": true, "type": "double"}]}},
            {"id": 2, "name": "tags", "required": false, "type":
                {"type": "map", "key-id": 5, "key": "string", "value-id": 6, "value-required": false, "value":
                    {"type": "list", "element-id": 7, "element": "decimal(10, 2)", "element-required": true}}},
        ], "identifier-field-ids": [0]})
    }

    #[test]
    fn ids_that_start_at_zero_start_at_one_and_identifiers_follow() {
        let (fresh, renamed) = number_anew(&nested()).unwrap();
        let ids: Vec<(i64, String)> = fields(&fresh).unwrap().into_iter().map(|field| (field.id, field.name)).collect();
        let expected = [
            (1, "id"),
            (2, "point"),
            (4, "point.x"),
            (5, "point.y"),
            (3, "tags"),
            (6, "tags.key"),
            (7, "tags.value"),
            (8, "tags.value.element"),
        ];
        assert_eq!(ids, expected.map(|(id, name)| (id, name.to_owned())));
        assert_eq!(fresh["identifier-field-ids"], json!([1]));
        assert_eq!(renamed[&0], 1);
        assert_eq!(highest_id(&fresh), Ok(8));
    }

    #[test]
    fn what_is_not_a_schema_is_refused() {
        let check = |schema: Value| assert!(fields(&schema).is_err(), "{schema}");
        let field = |field: Value| json!({"type": "struct", "fields": [field]});
        check(json!({}));
        check(json!([]));
        check(json!({"type": "list", "fields": []}));
        check(field(json!({"id": 1, "name": "a", "required": true, "type": "text"})));
        check(field(json!({"id": "1", "name": "a", "required": true, "type": "long"})));
        check(field(json!({"id": 1, "required": true, "type": "long"})));
        check(field(json!({"id": 1, "name": "a", "type": "long"})));
        check(field(json!({"id": 1, "name": "a", "required": true, "type": "decimal(39,2)"})));
        check(field(json!({"id": 1, "name": "a", "required": true, "type": {"type": "list"}})));
        check(field(json!({"id": 5_000_000_000_i64, "name": "a", "required": true, "type": "long"})));
        let mut twice = nested();
        twice["fields"][2]["name"] = json!("id");
        check(twice);
        let mut unknown = nested();
        unknown["identifier-field-ids"] = json!([9]);
        check(unknown);
    }

    #[test]
    fn types_of_format_3_need_it() {
        let of = |kind: &str| json!({"fields": [{"id": 1, "name": "a", "required": false, "type": kind}]});
        for kind in ["timestamp_ns", "variant", "geometry(srid:4326)", "unknown"] {
            assert!(check_format(&of(kind), 2).is_err(), "{kind}");
            assert_eq!(check_format(&of(kind), 3), Ok(()), "{kind}");
        }
        assert_eq!(check_format(&of("fixed[16]"), 1), Ok(()));
    }

    #[test]
    fn a_schema_nested_without_end_is_refused() {
        let mut kind = json!("long");
        for id in 0..(SCHEMA_DEPTH_MAX as i64 + 5) {
            kind = json!({"type": "list", "element-id": id + 2, "element": kind, "element-required": true});
        }
        assert!(fields(&json!({"fields": [{"id": 1, "name": "a", "required": true, "type": kind}]})).is_err());
    }

    proptest! {
        #[test]
        fn no_text_of_a_type_panics(text in ".{0,20}|(fixed|decimal|geometry) ?[\\[(]?[0-9, ]{0,5}[\\])]?") {
            let _either = is_primitive(&text);
        }
    }
}
