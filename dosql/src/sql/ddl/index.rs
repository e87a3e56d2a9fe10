//! CREATE INDEX, DROP INDEX.

use lake_dialect::ast::{CreateIndex, Expr, IndexType};
use lake_dialect::{SqlError, fold, object_name, sqlstate};

use super::super::binder::{Clause, check_schema, undefined_table};
use super::super::execute::Run;
use super::super::ordering::direction;
use super::super::pg_type::PgType;
use super::create::Draft;
use super::{apply, current, definition_binder, made_up_name, publish, quoted_name};
use crate::schema::{Index, IndexPart};

pub(super) fn create_index(create: &CreateIndex, run: &mut Run<'_>) -> Result<(), SqlError> {
    let catalog = current(run)?;
    if create.concurrently
        || !create.include.is_empty()
        || create.nulls_distinct == Some(false)
        || !create.with.is_empty()
    {
        return Err(SqlError::unsupported("CREATE INDEX with CONCURRENTLY, INCLUDE, NULLS NOT DISTINCT or WITH"));
    }
    if create.using.as_ref().is_some_and(|using| !matches!(using, IndexType::BTree)) {
        return Err(SqlError::unsupported("an index other than btree"));
    }
    let (schema, table_name) = object_name(&create.table_name)?;
    check_schema(schema.as_deref(), &table_name)?;
    let mut table =
        catalog.table(&table_name).map(|table| table.as_ref().clone()).ok_or_else(|| undefined_table(&table_name))?;
    let draft = Draft::of(table.clone());
    let scope = draft.row_scope();
    let mut parts = Vec::new();
    let mut names = Vec::new();
    let mut texts = Vec::new();
    let mut reads = Vec::new();
    for column in &create.columns {
        if column.operator_class.is_some() {
            return Err(SqlError::unsupported("an operator class"));
        }
        let mut binder = definition_binder(&catalog);
        let typed = binder.within(Clause::Plain("index expressions"), |b| b.settled(&column.column.expr, &scope))?;
        if typed.ty == PgType::Json {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                "data type json has no default operator class for access method \"btree\"",
            ));
        }
        typed.check_ordered()?;
        let named = match &column.column.expr {
            Expr::Identifier(ident) => table.column(&fold(ident)),
            _ => None,
        };
        match named {
            Some(column) => {
                parts.push(IndexPart::Column(column.id));
                names.push(column.name.clone());
            }
            None => {
                parts.push(IndexPart::Expression);
                names.push(match lake_dialect::column_name(&column.column.expr).as_str() {
                    "?column?" => "expr".to_owned(),
                    name => name.to_owned(),
                });
                reads.extend(draft.reads(&typed));
            }
        }
        // SQLite refuses NULLS LAST in an index; which end they have there does not change any answer.
        let direction = if direction(&column.column.options).contains("DESC") { " DESC" } else { "" };
        texts.push(format!("{}{direction}", typed.collated()));
    }
    let predicate = match &create.predicate {
        None => String::new(),
        Some(condition) => {
            let (sql, columns) = draft.check_expression(condition, &catalog)?;
            reads.extend(columns);
            format!(" WHERE {sql}")
        }
    };
    let name = match &create.name {
        Some(name) => object_name(name)?.1,
        None => made_up_name(&table_name, &names, "idx", |name| catalog.has_relation(name)),
    };
    if catalog.has_relation(&name) {
        if create.if_not_exists {
            return Ok(());
        }
        return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
    }
    let unique = if create.unique { "UNIQUE " } else { "" };
    let sql = format!(
        "CREATE {unique}INDEX {} ON {} ({}){predicate}",
        quoted_name(&format!("i_{name}")),
        table.sqlite_name(),
        texts.join(", ")
    );
    table.indexes.push(Index {
        name: name.clone(),
        unique: create.unique,
        parts,
        reads,
        partial: create.predicate.is_some(),
    });
    apply(run.connection, &catalog, &table, &sql).map_err(|error| {
        if error.sqlstate == sqlstate::UNIQUE_VIOLATION {
            return SqlError::new(sqlstate::UNIQUE_VIOLATION, format!("could not create unique index \"{name}\""));
        }
        if error.message.contains("non-deterministic") {
            return SqlError::new("42P17", "functions in index expression must be marked IMMUTABLE");
        }
        error
    })?;
    publish(&table, run)?;
    Ok(())
}

pub(super) fn drop_index(name: &str, if_exists: bool, run: &mut Run<'_>) -> Result<(), SqlError> {
    let catalog = current(run)?;
    let Some(table) = catalog.table_of_index(name) else {
        if if_exists {
            return Ok(());
        }
        let key_of = catalog.tables().find(|t| t.primary_key.iter().chain(&t.unique).any(|key| key.name == name));
        return Err(match key_of {
            Some(table) => SqlError::new(
                sqlstate::DEPENDENT_OBJECTS,
                format!("cannot drop index {name} because constraint {name} on table {} requires it", table.name),
            ),
            None => SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist")),
        });
    };
    let mut table = table.as_ref().clone();
    table.indexes.retain(|index| index.name != name);
    apply(run.connection, &catalog, &table, &format!("DROP INDEX {}", quoted_name(&format!("i_{name}"))))?;
    publish(&table, run)?;
    Ok(())
}
