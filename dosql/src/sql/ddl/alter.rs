//! ALTER TABLE.

use lake_dialect::ast::{AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Ident, RenameTableNameKind};
use lake_dialect::{SqlError, fold, object_name, sqlstate};

use super::super::binder::{check_schema, undefined_table};
use super::super::execute::Run;
use super::super::failure::Failure;
use super::super::insert::column as expect_column;
use super::super::limits::COLUMNS_MAX;
use super::create::{Draft, sqlite_column, unique_index};
use super::{apply, check_name, current, definition_binder, publish, quoted_name};
use crate::error::sqlite_error;
use crate::schema::{Catalog, IndexPart, Table};

pub(super) fn alter_table(alter: &AlterTable, run: &mut Run<'_>) -> Result<(), SqlError> {
    let (schema, mut name) = object_name(&alter.name)?;
    check_schema(schema.as_deref(), &name)?;
    for operation in &alter.operations {
        let catalog = current(run)?;
        let Some(table) = catalog.table(&name) else {
            return if alter.if_exists { Ok(()) } else { Err(undefined_table(&name)) };
        };
        let table = table.as_ref().clone();
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                add_column(table, column_def, *if_not_exists, &catalog, run)?;
            }
            AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                let cascade = matches!(drop_behavior, Some(lake_dialect::ast::DropBehavior::Cascade));
                for column in column_names {
                    drop_column(&name, column, *if_exists, cascade, run)?;
                }
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                rename_column(table, old_column_name, new_column_name, run)?;
            }
            AlterTableOperation::RenameTable { table_name } => {
                let (RenameTableNameKind::To(new) | RenameTableNameKind::As(new)) = table_name;
                let (_, new) = object_name(new)?;
                rename_table(table, &new, &catalog, run)?;
                name = new;
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                alter_column(table, column_name, op, &catalog, run)?
            }
            other => return Err(SqlError::unsupported(format!("ALTER TABLE … {other}"))),
        }
    }
    Ok(())
}

fn add_column(
    table: Table,
    definition: &ColumnDef,
    if_not_exists: bool,
    catalog: &Catalog,
    run: &mut Run<'_>,
) -> Result<(), SqlError> {
    let name = fold(&definition.name);
    if table.column(&name).is_some() {
        if if_not_exists {
            return Ok(());
        }
        return Err(SqlError::new(
            sqlstate::DUPLICATE_COLUMN,
            format!("column \"{name}\" of relation \"{}\" already exists", table.name),
        ));
    }
    if table.columns.len() >= COLUMNS_MAX {
        return Err(SqlError::new(
            sqlstate::TOO_MANY_COLUMNS,
            format!("tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let had_key = table.primary_key.is_some();
    let mut draft = Draft::of(table);
    draft.add_column(definition)?;
    draft.column_constraints(definition, catalog)?;
    if !had_key && draft.table.primary_key.is_some() {
        return Err(SqlError::unsupported("adding a primary key to a table"));
    }
    if draft
        .table
        .foreign_keys
        .iter()
        .any(|key| draft.table.columns.last().is_some_and(|c| key.columns.contains(&c.id)))
    {
        return Err(SqlError::unsupported("adding a column that references another table"));
    }
    draft.check_defaults(catalog)?;
    for (sequence, start, increment, max) in draft.sequences() {
        if Catalog::has_sequence(run.connection, sequence)? {
            return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{sequence}\" already exists")));
        }
        Catalog::create_sequence(run.connection, sequence, *start, *increment, *max)?;
    }
    let Some(column) = draft.table.columns.last().cloned() else { return Ok(()) };
    let sqlite_name = draft.table.sqlite_name();
    apply(
        run.connection,
        catalog,
        &draft.table,
        &format!("ALTER TABLE {sqlite_name} ADD COLUMN {}", sqlite_column(&column)),
    )?;
    let catalog = publish(&draft.table, run)?;
    // Rows that are there get the default by an UPDATE, so that every reader of the change log sees it.
    let mut binder = definition_binder(&catalog);
    if let Some(default) = binder.default_value(&draft.table, &column)? {
        if binder.uses_sequences {
            run.environment.load_sequences(run.connection)?;
        }
        let failure = Failure::of_write(&catalog, &draft.table, "UPDATE");
        run.connection
            .execute(&format!("UPDATE {sqlite_name} SET {} = {default}", column.sqlite_name()), [])
            .map_err(|error| failure.explain(error))?;
        if binder.uses_sequences {
            run.environment.store_sequences(run.connection)?;
        }
    }
    if column.not_null {
        set_not_null(&draft.table, &column.sqlite_name(), &column.name, &catalog, run)?;
    }
    for key in draft.table.unique.iter().filter(|key| key.columns.contains(&column.id)) {
        apply(run.connection, &catalog, &draft.table, &unique_index(&draft.table, key))?;
    }
    for check in &draft.checks {
        let sql = format!(
            "ALTER TABLE {sqlite_name} ADD CONSTRAINT {} CHECK ({})",
            quoted_name(&check.check.name),
            check.sql
        );
        apply(run.connection, &catalog, &draft.table, &sql)?;
    }
    Ok(())
}

fn has_nulls(table: &Table, sqlite_column: &str, run: &Run<'_>) -> Result<bool, SqlError> {
    run.connection
        .query_row(
            &format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {sqlite_column} IS NULL)", table.sqlite_name()),
            [],
            |row| row.get(0),
        )
        .map_err(|error| sqlite_error("NULLs", &error))
}

fn set_not_null(
    table: &Table,
    sqlite_column: &str,
    name: &str,
    catalog: &Catalog,
    run: &Run<'_>,
) -> Result<(), SqlError> {
    if has_nulls(table, sqlite_column, run)? {
        return Err(SqlError::new(
            sqlstate::NOT_NULL_VIOLATION,
            format!("column \"{name}\" of relation \"{}\" contains null values", table.name),
        ));
    }
    let sql = format!("ALTER TABLE {} ALTER COLUMN {sqlite_column} SET NOT NULL", table.sqlite_name());
    apply(run.connection, catalog, table, &sql)
}

fn drop_column(
    table_name: &str,
    column: &Ident,
    if_exists: bool,
    cascade: bool,
    run: &mut Run<'_>,
) -> Result<(), SqlError> {
    let catalog = current(run)?;
    let Some(mut table) = catalog.table(table_name).map(|table| table.as_ref().clone()) else {
        return Err(undefined_table(table_name));
    };
    let name = fold(column);
    let Some(column) = table.column(&name).cloned() else {
        if if_exists {
            return Ok(());
        }
        return expect_column(&table, &name).map(|_| ());
    };
    if table.columns.len() == 1 {
        return Err(SqlError::unsupported("a table without columns"));
    }
    if table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.id)) {
        return Err(SqlError::unsupported("dropping a column of the primary key"));
    }
    let child = catalog.tables().find(|other| {
        other.foreign_keys.iter().any(|key| key.parent == table.id && key.parent_columns.contains(&column.id))
    });
    if let Some(child) = child {
        if cascade {
            return Err(SqlError::unsupported("dropping a column that a foreign key references"));
        }
        return Err(SqlError::new(
            sqlstate::DEPENDENT_OBJECTS,
            format!("cannot drop column {name} of table {table_name} because other objects depend on it"),
        )
        .with_detail(format!("A constraint on table {} depends on it.", child.name)));
    }
    if table.foreign_keys.iter().any(|key| key.columns.contains(&column.id)) {
        return Err(SqlError::unsupported("dropping a column of a foreign key"));
    }
    let uses = |index: &crate::schema::Index| {
        index.parts.contains(&IndexPart::Column(column.id)) || index.reads.contains(&column.id)
    };
    let keys = table.unique.iter().filter(|key| key.columns.contains(&column.id)).map(|key| &key.name);
    let indexes = table.indexes.iter().filter(|index| uses(index)).map(|index| &index.name);
    let mut sql = String::new();
    for index in keys.chain(indexes) {
        sql.push_str(&format!("DROP INDEX {};", quoted_name(&format!("i_{index}"))));
    }
    for check in table.checks.iter().filter(|check| check.columns.contains(&column.id)) {
        sql.push_str(&format!("ALTER TABLE {} DROP CONSTRAINT {};", table.sqlite_name(), quoted_name(&check.name)));
    }
    sql.push_str(&format!("ALTER TABLE {} DROP COLUMN {};", table.sqlite_name(), column.sqlite_name()));
    table.unique.retain(|key| !key.columns.contains(&column.id));
    table.indexes.retain(|index| !uses(index));
    table.checks.retain(|check| !check.columns.contains(&column.id));
    table.columns.retain(|other| other.id != column.id);
    if let Some(identity) = &column.identity {
        Catalog::drop_sequence(run.connection, &identity.sequence)?;
    }
    apply(run.connection, &catalog, &table, &sql)?;
    publish(&table, run)?;
    Ok(())
}

fn rename_column(mut table: Table, old: &Ident, new: &Ident, run: &mut Run<'_>) -> Result<(), SqlError> {
    let (old, new) = (fold(old), fold(new));
    if table.column(&old).is_none() {
        return Err(SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{old}\" does not exist")));
    }
    if table.column(&new).is_some() {
        return Err(SqlError::new(
            sqlstate::DUPLICATE_COLUMN,
            format!("column \"{new}\" of relation \"{}\" already exists", table.name),
        ));
    }
    check_name("column", &new, table.columns.iter().map(|column| column.name.as_str()).filter(|name| *name != old))?;
    for column in table.columns.iter_mut().filter(|column| column.name == old) {
        column.former_names.retain(|name| *name != new);
        column.former_names.push(std::mem::replace(&mut column.name, new.clone()));
    }
    publish(&table, run)?;
    Ok(())
}

fn rename_table(mut table: Table, new: &str, catalog: &Catalog, run: &mut Run<'_>) -> Result<(), SqlError> {
    if catalog.has_relation(new) {
        return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{new}\" already exists")));
    }
    if table.captured {
        return Err(SqlError::unsupported("renaming a table that the lake follows")
            .with_hint("Create the table under the new name and copy its rows."));
    }
    check_name("table", new, catalog.tables().map(|table| table.name.as_str()))?;
    new.clone_into(&mut table.name);
    publish(&table, run)?;
    Ok(())
}

fn alter_column(
    mut table: Table,
    column: &Ident,
    op: &AlterColumnOperation,
    catalog: &Catalog,
    run: &mut Run<'_>,
) -> Result<(), SqlError> {
    let name = fold(column);
    let found = expect_column(&table, &name)?.clone();
    let in_key = table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&found.id));
    match op {
        AlterColumnOperation::SetDefault { .. } | AlterColumnOperation::DropDefault
            if found.identity.as_ref().is_some_and(|i| i.always) =>
        {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("column \"{name}\" of relation \"{}\" is an identity column", table.name),
            ));
        }
        AlterColumnOperation::SetDefault { .. } if found.identity.is_some() => {
            return Err(SqlError::unsupported("SET DEFAULT on a column with a sequence"));
        }
        AlterColumnOperation::SetDefault { value } => {
            change(&mut table, &name, |column| column.default = Some(value.to_string()))
        }
        AlterColumnOperation::DropDefault => change(&mut table, &name, |column| {
            column.default = None;
            column.identity = None;
        }),
        AlterColumnOperation::SetNotNull if found.not_null => return Ok(()),
        AlterColumnOperation::SetNotNull => {
            set_not_null(&table, &found.sqlite_name(), &name, catalog, run)?;
            change(&mut table, &name, |column| column.not_null = true);
        }
        AlterColumnOperation::DropNotNull if in_key => {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("column \"{name}\" is in a primary key"),
            ));
        }
        AlterColumnOperation::DropNotNull if found.identity.is_some() => {
            return Err(SqlError::unsupported("DROP NOT NULL on a column with a sequence"));
        }
        AlterColumnOperation::DropNotNull => {
            if found.not_null {
                let sql =
                    format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", table.sqlite_name(), found.sqlite_name());
                apply(run.connection, catalog, &table, &sql)?;
            }
            change(&mut table, &name, |column| column.not_null = false);
        }
        other => return Err(SqlError::unsupported(format!("ALTER COLUMN … {other}"))),
    }
    Draft::of(table.clone()).check_defaults(catalog)?;
    publish(&table, run)?;
    Ok(())
}

fn change(table: &mut Table, name: &str, edit: impl Fn(&mut crate::schema::TableColumn)) {
    table.columns.iter_mut().filter(|column| column.name == name).for_each(edit);
}
