//! The user's columns of a table: now, at a moment, and of its history.
//!
//! A column is its field; names and what there is change. A past schema is the present one with what happened since
//! undone. Types are the present ones: a type only ever becomes wider, and then holds the old values too.

use std::collections::{HashMap, HashSet};

use datafusion::error::Result;
use lake_cdc::{Before, Point, ViewField, ViewPast, ViewTable};

use crate::error::{refuse, unavailable};
use crate::scan::columns::{Source, TableColumn};
use crate::scan::past::Cut;

/// A column of the user's.
#[derive(Clone, Debug)]
pub(crate) struct UserColumn {
    pub(crate) column: TableColumn,
    pub(crate) key: bool,
}

/// Those of the view's position.
pub(crate) fn present(table: &ViewTable) -> Vec<UserColumn> {
    table.fields.iter().enumerate().map(|(at, field)| user_column(at, field, field.name.clone(), field.key)).collect()
}

/// Those of history: every field that there ever was, in the order in which they came.
pub(crate) fn of_history(table: &ViewTable) -> Result<Vec<UserColumn>> {
    let past = past_of(table)?;
    let all = table.fields.iter().chain(&past.dropped).enumerate();
    let mut columns: Vec<UserColumn> =
        all.map(|(at, field)| user_column(at, field, field.name.clone(), field.key)).collect();
    columns.sort_by_key(|user| user.column.field_id);
    Ok(columns)
}

/// Those that the table had at the cut.
pub(crate) fn at(table: &ViewTable, cut: Cut) -> Result<Vec<UserColumn>> {
    let past = past_of(table)?;
    if past.created.is_some_and(|created| !cut.knows(created)) {
        return Ok(present(table));
    }
    let (names, key) = undone(table, past, cut)?;
    let all = table.fields.iter().chain(&past.dropped).enumerate();
    let mut columns: Vec<UserColumn> = all
        .filter_map(|(at, field)| {
            let name = names.get(&field.field_id)?;
            Some(user_column(at, field, (*name).to_owned(), key.contains(&field.field_id)))
        })
        .collect();
    columns.sort_by_key(|user| user.column.field_id);
    tell_apart(&mut columns);
    Ok(columns)
}

/// True if one of these columns, or the key that they have, is not the present one.
pub(crate) fn has_dropped(table: &ViewTable, users: &[UserColumn]) -> Result<bool> {
    let past = past_of(table)?;
    let is_dropped = |user: &UserColumn| past.dropped.iter().any(|field| Some(field.field_id) == user.column.field_id);
    let key = |columns: &[UserColumn]| -> HashSet<Option<i32>> {
        columns.iter().filter(|user| user.key).map(|user| user.column.field_id).collect()
    };
    Ok(users.iter().any(is_dropped) || key(users) != key(&present(table)))
}

/// Those of history at the cut: what the table had then and had lost before, but nothing that came later.
pub(crate) fn of_history_at(table: &ViewTable, cut: Cut) -> Result<Vec<UserColumn>> {
    let mut columns = at(table, cut)?;
    let past = past_of(table)?;
    let is_later = |field: &ViewField| {
        let came = Before::Absent(field.field_id);
        past.alterations.iter().any(|alteration| alteration.before == came && !cut.knows(alteration.at))
    };
    let known: HashSet<Option<i32>> = columns.iter().map(|user| user.column.field_id).collect();
    for (index, field) in past.dropped.iter().enumerate() {
        if !known.contains(&Some(field.field_id)) && !is_later(field) {
            columns.push(user_column(table.fields.len() + index, field, field.name.clone(), false));
        }
    }
    // Whoever has a name at the cut keeps it.
    tell_apart(&mut columns);
    columns.sort_by_key(|user| user.column.field_id);
    Ok(columns)
}

/// Names by field, and the key, before what the cut does not know.
fn undone<'a>(table: &'a ViewTable, past: &'a ViewPast, cut: Cut) -> Result<(HashMap<i32, &'a str>, Vec<i32>)> {
    if past.names_since.is_some_and(|since| !cut.knows(since)) {
        return Err(refuse("54000", format!("the columns of {} changed too often since that moment", table.name)));
    }
    let mut names: HashMap<i32, &str> =
        table.fields.iter().map(|field| (field.field_id, field.name.as_str())).collect();
    let mut key: Vec<i32> = table.fields.iter().filter(|field| field.key).map(|field| field.field_id).collect();
    for alteration in past.alterations.iter().rev().filter(|alteration| !cut.knows(alteration.at)) {
        match &alteration.before {
            Before::Absent(field_id) => drop(names.remove(field_id)),
            Before::Named(field_id, name) => drop(names.insert(*field_id, name)),
            Before::Key(field_ids) => key.clone_from(field_ids),
        }
    }
    Ok((names, key))
}

/// The first of a name keeps it. Shards whose clocks disagree can make two fields have one name at a moment.
fn tell_apart(columns: &mut [UserColumn]) {
    let mut taken = HashSet::new();
    for user in columns {
        if !taken.insert(user.column.name.to_ascii_lowercase()) {
            user.column.name = format!("{}__{}", user.column.name, user.column.field_id.unwrap_or_default());
        }
    }
}

/// Which changes of each shard count no more at the cut: those up to a position.
pub(crate) fn removed(table: &ViewTable, cut: Cut) -> Result<HashMap<String, i64>> {
    let past = past_of(table)?;
    if past.removals_unknown.is_some_and(|gap| cut.knows(gap.from) && !gap.to.is_some_and(|to| cut.knows(to))) {
        return Err(refuse(
            "54000",
            format!("{} was dropped, or databases that feed it deleted, too often to rebuild that moment", table.name),
        ));
    }
    let mut removed = HashMap::new();
    for removal in past.removals.iter().filter(|removal| cut.knows(removal.at)) {
        let upto = i64::try_from(removal.upto.0).unwrap_or(i64::MAX);
        let known = removed.entry(removal.shard.clone()).or_insert(upto);
        *known = upto.max(*known);
    }
    Ok(removed)
}

fn past_of(table: &ViewTable) -> Result<&ViewPast> {
    table.past.as_ref().ok_or_else(|| unavailable("the lake did not tell the past of a table"))
}

/// Both tables know a column by one id; names change.
fn user_column(at: usize, field: &ViewField, name: String, key: bool) -> UserColumn {
    let column = TableColumn {
        name,
        column_type: field.column_type.clone(),
        field_id: Some(field.field_id),
        source: Source::User(at),
    };
    UserColumn { column, key }
}

impl Cut {
    /// True if a state at the cut knows of what happened at `point`.
    pub(crate) fn knows(self, point: Point) -> bool {
        match self {
            Cut::Position(most) => i64::try_from(point.position.0).is_ok_and(|position| position <= most),
            Cut::Stamp(most) => point.stamp.0 <= most,
        }
    }
}
