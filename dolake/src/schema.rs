//! Joining a shard's table to the lake's: the lake's table is the union of what its shards have.
//!
//! A column is joined to a field once, by its name or a former one, and keeps it under every later name. What cannot be
//! joined (one name, two types) is a contradiction: it stops that shard's table only. So is what Iceberg does not allow:
//! one flush commits the tables of all shards, and must be able to build each schema. `join` works on a copy of the
//! table that is thrown away if it fails.

use std::collections::{BTreeSet, HashSet};

use lake_cdc::{Column, ColumnType, Relation, is_reserved_column, limits::COLUMNS_MAX, refuse_table_name};

use crate::limits::{FIELD_BYTES_MAX, FORMER_NAMES_MAX};
use crate::stored::{Field, LakeTable, Shape, ShapeField, SourceTable};

/// Takes a source's claim off the table it fed, in a transaction stamped `stamp`.
pub(crate) fn release(table: &mut LakeTable, shape: &Shape, stamp: i64) {
    table.users = table.users.saturating_sub(1);
    for claimed in &shape.fields {
        if let Some(field) = table.field_mut(claimed.field_id) {
            field.users = field.users.saturating_sub(1);
            // If it takes the field up again, it lets go of it later still.
            field.released = field.released.max(Some(stamp));
        }
    }
}

/// After a source is gone: fields that only it had are dropped, unless the whole table has nobody left.
pub(crate) fn drop_unused(table: &mut LakeTable) {
    if table.users > 0 {
        table.fields.iter_mut().filter(|field| field.users == 0).for_each(|field| field.dropped = true);
    }
}

/// Joins `relation` to `table`, from which the source was released before. `previous` is what it had.
///
/// Returns the shape of the rows to come, or the contradiction in a sentence.
pub(crate) fn join(
    table: &mut LakeTable,
    source: &mut SourceTable,
    relation: &Relation,
    previous: Option<&Shape>,
) -> Result<Shape, String> {
    let alone = table.users == 0;
    let is_new = table.fields.is_empty();
    check_names(relation)?;
    let fields_before = table.fields.clone();
    let mut claims = claim_fields(table, source, relation);
    for (index, column) in relation.columns.iter().enumerate() {
        let replaced = match claims[index].and_then(|id| table.field(id)) {
            Some(field) if !is_joinable(&column.column_type, &field.column_type) => {
                if field.users > 0 || (table.key.contains(&field.id) && !alone) {
                    return Err(format!(
                        "column {} is {} here and {} in the lake",
                        column.name,
                        column.column_type.pg_name(),
                        field.column_type.pg_name()
                    ));
                }
                Some(field.id)
            }
            _ => None,
        };
        if let Some(id) = replaced {
            claims[index] = None;
            if let Some(field) = table.field_mut(id) {
                field.dropped = true;
            }
        }
    }
    for (index, column) in relation.columns.iter().enumerate() {
        let id = match claims[index] {
            Some(id) => id,
            None => add_field(table, column, is_new && relation.key.contains(&index)),
        };
        claims[index] = Some(id);
        if let Some(field) = table.field_mut(id) {
            take_up(field, column);
        }
    }
    let ids = claims.into_iter().flatten().collect::<Vec<i32>>();
    let key = relation.key.iter().filter_map(|index| ids.get(*index).copied()).collect::<Vec<i32>>();
    join_key(table, key, alone)?;
    for field in &mut table.fields {
        let had = previous.is_some_and(|shape| shape.index_of(field.id).is_some());
        if field.users == 0 && (alone || had) {
            field.dropped = true;
        }
    }
    if !are_same(&fields_before, &table.fields) {
        check_table(table)?;
    }
    table.users += 1;
    // Only now: what failed has given no ids. Columns that are gone never come again.
    source.columns = relation.columns.iter().zip(&ids).map(|(column, id)| (column.id.0, *id)).collect();
    let fields = relation.columns.iter().zip(&ids).map(|(column, id)| ShapeField {
        field_id: *id,
        name: column.name.clone(),
        column_type: column.column_type.clone(),
    });
    let fields = fields.collect::<Vec<ShapeField>>();
    let key = table.key.iter().filter_map(|id| fields.iter().position(|field| field.field_id == *id)).collect();
    Ok(Shape { table: table.number, fields, key })
}

type Rule<'a> = &'a dyn Fn(&Column, &Field) -> bool;

/// The field of each column, where there is one: by earlier decision, by name, by a name the column had, by a name the
/// field had. No field is claimed twice.
fn claim_fields(table: &LakeTable, source: &SourceTable, relation: &Relation) -> Vec<Option<i32>> {
    let mut claims = vec![None; relation.columns.len()];
    let mut taken = BTreeSet::new();
    let rules: [Rule<'_>; 4] = [
        &|column, field| source.columns.get(&column.id.0) == Some(&field.id),
        &|column, field| field.name == column.name,
        &|column, field| column.former_names.contains(&field.name),
        &|column, field| field.former.contains(&column.name),
    ];
    for rule in rules {
        for (claim, column) in claims.iter_mut().zip(&relation.columns) {
            if claim.is_none() {
                *claim = table
                    .active()
                    .find(|field| !taken.contains(&field.id) && rule(column, field))
                    .map(|field| field.id);
                taken.extend(*claim);
            }
        }
    }
    claims
}

fn is_joinable(column: &ColumnType, field: &ColumnType) -> bool {
    column.widens_to(field) || field.widens_to(column)
}

fn add_field(table: &mut LakeTable, column: &Column, required: bool) -> i32 {
    let id = table.next_field;
    let is_list = matches!(column.column_type, ColumnType::Array(_));
    table.next_field += if is_list { 2 } else { 1 };
    table.fields.push(Field {
        id,
        element_id: is_list.then_some(id + 1),
        name: column.name.clone(),
        former: Vec::new(),
        column_type: column.column_type.clone(),
        required,
        users: 0,
        released: None,
        dropped: false,
    });
    id
}

/// A column joins a field: it may widen it, and rename it if this shard is ahead of the others.
fn take_up(field: &mut Field, column: &Column) {
    field.users += 1;
    if !column.column_type.widens_to(&field.column_type) {
        field.column_type = column.column_type.clone();
    }
    if field.name != column.name && column.former_names.contains(&field.name) {
        let former = std::mem::replace(&mut field.name, column.name.clone());
        field.former.retain(|name| *name != column.name);
        field.former.push(former);
        field.former.drain(..field.former.len().saturating_sub(FORMER_NAMES_MAX));
    }
}

fn join_key(table: &mut LakeTable, key: Vec<i32>, alone: bool) -> Result<(), String> {
    if table.key == key {
        return Ok(());
    }
    if !table.key.is_empty() && !alone {
        return Err("the primary key is not the one of the lake's table".to_owned());
    }
    for field in &mut table.fields {
        field.required &= key.contains(&field.id);
    }
    table.key = key;
    Ok(())
}

fn check_names(relation: &Relation) -> Result<(), String> {
    if let Some(why) = refuse_table_name(&relation.name) {
        return Err(format!("the name {:?} is reserved: {why}", relation.name));
    }
    let hidden = relation.has_hidden_key();
    let is_reserved = |column: &&Column| is_reserved_column(&column.name.to_lowercase());
    match relation.columns.iter().filter(is_reserved).find(|column| !(hidden && column.name == "_key")) {
        Some(column) => Err(format!("the column name {} is reserved", column.name)),
        None => Ok(()),
    }
}

/// True if a schema of the one is a schema of the other.
fn are_same(before: &[Field], after: &[Field]) -> bool {
    before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            (&before.name, before.dropped, &before.column_type) == (&after.name, after.dropped, &after.column_type)
        })
}

fn check_table(table: &LakeTable) -> Result<(), String> {
    let mut names = HashSet::new();
    for field in table.active() {
        if !field.take_name(&field.name, &mut names) {
            return Err(format!("two columns would be named {}", field.name));
        }
    }
    // Twice the columns of one shard: room for shards that disagree, and for what was dropped.
    if table.fields.len() > 2 * COLUMNS_MAX {
        return Err("the lake's table would have too many columns".to_owned());
    }
    let bytes = serde_json::to_vec(&table.fields).map_or(usize::MAX, |json| json.len());
    if bytes > FIELD_BYTES_MAX {
        return Err("the lake's table would have too many names".to_owned());
    }
    let schemas = table.current_schema().and_then(|_| table.history_schema());
    schemas.map(drop).map_err(|error| format!("the lake's table would have no schema: {error}"))
}

#[cfg(test)]
mod tests;
