//! CREATE TABLE.

use lake_cdc::ColumnType;
use lake_dialect::ast::{
    CheckConstraint, ColumnDef, ColumnOption, CreateTable, Expr, ForeignKeyConstraint, GeneratedAs, Ident,
    NullsDistinctOption, ReferentialAction as Action, SequenceOptions, TableConstraint, Value,
};
use lake_dialect::{SqlError, fold, object_name, sqlstate};

use super::super::binder::{Clause, check_schema};
use super::super::cast::{column_type, is_serial};
use super::super::execute::Run;
use super::super::limits::COLUMNS_MAX;
use super::super::pg_type::PgType;
use super::super::scope::{Scope, Source, SourceColumn};
use super::super::typed::Typed;
use super::options::{captured, check_form};
use super::{apply, check_name, current, definition_binder, made_up_name, publish, quoted_name};
use crate::schema::{Catalog, Check, ForeignKey, Identity, Key, ReferentialAction, Table, TableColumn};

/// A CHECK with its SQLite text.
pub(super) struct CheckText {
    pub(super) check: Check,
    pub(super) sql: String,
}

/// What the parts of a definition add up to.
pub(super) struct Draft {
    pub(super) table: Table,
    pub(super) checks: Vec<CheckText>,
    /// Sequences to make: name, start, increment, greatest value.
    sequences: Vec<(String, i64, i64, i64)>,
}

pub(super) fn create_table(create: &CreateTable, run: &mut Run<'_>) -> Result<(), SqlError> {
    let catalog = current(run)?;
    let (schema, name) = object_name(&create.name)?;
    check_schema(schema.as_deref(), &name)?;
    check_form(create)?;
    if catalog.has_relation(&name) {
        if create.if_not_exists && catalog.table(&name).is_some() {
            return Ok(());
        }
        return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
    }
    check_name("table", &name, catalog.tables().map(|table| table.name.as_str()))?;
    let captured = captured(&create.table_options)?;
    if create.columns.is_empty() {
        return Err(SqlError::unsupported("a table without columns"));
    }
    if create.columns.len() > COLUMNS_MAX {
        return Err(SqlError::new(
            sqlstate::TOO_MANY_COLUMNS,
            format!("tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let table = Table {
        id: Catalog::next_table_id(run.connection)?,
        name,
        columns: Vec::new(),
        next_column_id: 1,
        captured,
        primary_key: None,
        unique: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
    };
    let mut draft = Draft { table, checks: Vec::new(), sequences: Vec::new() };
    for column in &create.columns {
        draft.add_column(column)?;
    }
    for column in &create.columns {
        draft.column_constraints(column, &catalog)?;
    }
    for constraint in &create.constraints {
        draft.constraint(constraint, &catalog)?;
    }
    draft.check_defaults(&catalog)?;
    for (name, start, increment, max) in &draft.sequences {
        Catalog::create_sequence(run.connection, name, *start, *increment, *max)?;
    }
    apply(run.connection, &catalog, &draft.table, &draft.sqlite_definition())?;
    for key in
        draft.table.primary_key.iter().filter(|_| draft.table.rowid_column().is_none()).chain(&draft.table.unique)
    {
        apply(run.connection, &catalog, &draft.table, &unique_index(&draft.table, key))?;
    }
    publish(&draft.table, run)?;
    Ok(())
}

/// The index behind a key.
pub(super) fn unique_index(table: &Table, key: &Key) -> String {
    let columns = key.columns.iter().map(|id| format!("c{id}")).collect::<Vec<_>>().join(", ");
    format!("CREATE UNIQUE INDEX {} ON {} ({columns})", quoted_name(&format!("i_{}", key.name)), table.sqlite_name())
}

/// A column for SQLite: no type, so that it converts nothing.
pub(super) fn sqlite_column(column: &TableColumn) -> String {
    let collation =
        PgType::of_column(&column.column_type).collation().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    format!("{}{collation}", column.sqlite_name())
}

impl Draft {
    pub(super) fn of(table: Table) -> Draft {
        Draft { table, checks: Vec::new(), sequences: Vec::new() }
    }

    pub(super) fn sequences(&self) -> &[(String, i64, i64, i64)] {
        &self.sequences
    }

    /// Adds a column with its type and default; keys and checks come when all columns are known.
    pub(super) fn add_column(&mut self, definition: &ColumnDef) -> Result<(), SqlError> {
        let name = fold(&definition.name);
        if self.table.column(&name).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        check_name("column", &name, self.table.columns.iter().map(|column| column.name.as_str()))?;
        let mut column = TableColumn {
            id: self.table.next_column_id,
            name: name.clone(),
            former_names: Vec::new(),
            column_type: column_type(&definition.data_type)?,
            not_null: false,
            default: None,
            identity: None,
        };
        self.table.next_column_id += 1;
        if is_serial(&definition.data_type) {
            column.not_null = true;
            self.sequence(&mut column, false, &[])?;
        }
        for option in &definition.options {
            match &option.option {
                ColumnOption::NotNull => column.not_null = true,
                ColumnOption::Default(expr) => {
                    if column.identity.is_some() || column.default.is_some() {
                        return Err(SqlError::new(
                            sqlstate::SYNTAX_ERROR,
                            format!(
                                "multiple default values specified for column \"{name}\" of table \"{}\"",
                                self.table.name
                            ),
                        ));
                    }
                    column.default = Some(expr.to_string());
                }
                ColumnOption::Generated { generated_as, generation_expr: None, sequence_options, .. } => {
                    if !matches!(column.column_type, ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8) {
                        return Err(SqlError::new(
                            sqlstate::INVALID_PARAMETER,
                            "identity column type must be smallint, integer, or bigint",
                        ));
                    }
                    column.not_null = true;
                    let always = *generated_as == GeneratedAs::Always;
                    self.sequence(&mut column, always, sequence_options.as_deref().unwrap_or_default())?;
                }
                ColumnOption::Null
                | ColumnOption::PrimaryKey(_)
                | ColumnOption::Unique(_)
                | ColumnOption::ForeignKey(_)
                | ColumnOption::Check(_) => {}
                other => return Err(SqlError::unsupported(format!("{other} of a column"))),
            }
        }
        self.table.columns.push(column);
        Ok(())
    }

    fn sequence(
        &mut self,
        column: &mut TableColumn,
        always: bool,
        options: &[SequenceOptions],
    ) -> Result<(), SqlError> {
        let max = match column.column_type {
            ColumnType::Int2 => i64::from(i16::MAX),
            ColumnType::Int4 => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        let (mut start, mut increment) = (1, 1);
        for option in options {
            let (target, expr) = match option {
                SequenceOptions::StartWith(expr, _) => (&mut start, expr),
                SequenceOptions::IncrementBy(expr, _) => (&mut increment, expr),
                other => return Err(SqlError::unsupported(format!("sequence option{other}"))),
            };
            *target = positive(expr)?;
        }
        let taken = |name: &str| self.sequences.iter().any(|(other, ..)| other == name);
        let name = made_up_name(&self.table.name, std::slice::from_ref(&column.name), "seq", taken);
        self.sequences.push((name.clone(), start, increment, max));
        column.identity = Some(Identity { sequence: name, always });
        Ok(())
    }

    /// Keys, checks and references that stand at a column.
    pub(super) fn column_constraints(&mut self, definition: &ColumnDef, catalog: &Catalog) -> Result<(), SqlError> {
        let column = definition.name.clone();
        for option in &definition.options {
            let name = option.name.as_ref();
            match &option.option {
                ColumnOption::PrimaryKey(key) => {
                    check_immediate(key.characteristics.is_some())?;
                    self.primary_key(name, std::slice::from_ref(&column), catalog)?;
                }
                ColumnOption::Unique(key) => {
                    check_immediate(
                        key.characteristics.is_some() || key.nulls_distinct == NullsDistinctOption::NotDistinct,
                    )?;
                    self.unique(name, std::slice::from_ref(&column), catalog)?;
                }
                ColumnOption::Check(check) => {
                    self.check(name.or(check.name.as_ref()), check, Some(&fold(&column)), catalog)?
                }
                ColumnOption::ForeignKey(key) => self.foreign_key(name, key, std::slice::from_ref(&column), catalog)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A constraint of the table.
    pub(super) fn constraint(&mut self, constraint: &TableConstraint, catalog: &Catalog) -> Result<(), SqlError> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                check_immediate(key.characteristics.is_some())?;
                self.primary_key(key.name.as_ref(), &plain_columns(&key.columns)?, catalog)
            }
            TableConstraint::Unique(key) => {
                check_immediate(
                    key.characteristics.is_some() || key.nulls_distinct == NullsDistinctOption::NotDistinct,
                )?;
                self.unique(key.name.as_ref(), &plain_columns(&key.columns)?, catalog)
            }
            TableConstraint::Check(check) => self.check(check.name.as_ref(), check, None, catalog),
            TableConstraint::ForeignKey(key) => self.foreign_key(key.name.as_ref(), key, &key.columns, catalog),
            other => Err(SqlError::unsupported(other)),
        }
    }

    fn ids(&self, columns: &[Ident]) -> Result<Vec<u32>, SqlError> {
        let mut ids = Vec::new();
        for column in columns {
            let name = fold(column);
            let column = self.table.column(&name).ok_or_else(|| {
                SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" named in key does not exist"))
            })?;
            if ids.contains(&column.id) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{name}\" appears twice in primary key constraint"),
                ));
            }
            if matches!(column.column_type, ColumnType::Json) {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    "data type json has no default operator class for access method \"btree\"",
                ));
            }
            if matches!(column.column_type, ColumnType::Array(_)) {
                return Err(SqlError::unsupported("a key of an array"));
            }
            ids.push(column.id);
        }
        Ok(ids)
    }

    fn constraint_name(
        &self,
        given: Option<&Ident>,
        columns: &[String],
        suffix: &str,
        catalog: &Catalog,
    ) -> Result<String, SqlError> {
        let in_draft = |name: &str| {
            self.table.primary_key.iter().chain(&self.table.unique).any(|key| key.name == name)
                || self.table.checks.iter().any(|check| check.name == name)
                || self.table.foreign_keys.iter().any(|key| key.name == name)
                || self.table.name == name
        };
        let Some(given) = given else {
            let columns = if suffix == "pkey" { &[] } else { columns };
            return Ok(made_up_name(&self.table.name, columns, suffix, |name| {
                in_draft(name) || catalog.has_relation(name)
            }));
        };
        let name = fold(given);
        if in_draft(&name) || (matches!(suffix, "pkey" | "key") && catalog.has_relation(&name)) {
            return Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        Ok(name)
    }

    fn primary_key(&mut self, name: Option<&Ident>, columns: &[Ident], catalog: &Catalog) -> Result<(), SqlError> {
        if self.table.primary_key.is_some() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", self.table.name),
            ));
        }
        let ids = self.ids(columns)?;
        let name = self.constraint_name(name, &[], "pkey", catalog)?;
        for column in self.table.columns.iter_mut().filter(|column| ids.contains(&column.id)) {
            column.not_null = true;
        }
        self.table.primary_key = Some(Key { name, columns: ids });
        Ok(())
    }

    fn unique(&mut self, name: Option<&Ident>, columns: &[Ident], catalog: &Catalog) -> Result<(), SqlError> {
        let ids = self.ids(columns)?;
        let names = self.table.column_names(&ids);
        let name = self.constraint_name(name, &names, "key", catalog)?;
        self.table.unique.push(Key { name, columns: ids });
        Ok(())
    }

    fn check(
        &mut self,
        name: Option<&Ident>,
        check: &CheckConstraint,
        column: Option<&str>,
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        if check.enforced == Some(false) {
            return Err(SqlError::unsupported("NOT ENFORCED"));
        }
        let (sql, reads) = self.check_expression(&check.expr, catalog)?;
        let names = match column {
            Some(column) => vec![column.to_owned()],
            None if reads.len() == 1 => self.table.column_names(&reads),
            None => Vec::new(),
        };
        let name = self.constraint_name(name, &names, "check", catalog)?;
        let check = Check { name, columns: reads };
        self.table.checks.push(check.clone());
        self.checks.push(CheckText { check, sql });
        Ok(())
    }

    /// A condition on a row, with the ids of the columns that it reads.
    pub(super) fn check_expression(&self, expr: &Expr, catalog: &Catalog) -> Result<(String, Vec<u32>), SqlError> {
        let mut binder = definition_binder(catalog);
        let scope = self.row_scope();
        let typed = binder.within(Clause::Plain("check constraints"), |b| b.condition(expr, &scope, "CHECK"))?;
        if binder.uses_sequences || typed.sql.contains("SELECT ") && contains_subquery(expr) {
            return Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, "cannot use subquery in check constraint"));
        }
        let reads = self.reads(&typed);
        Ok((typed.sql, reads))
    }

    /// Ids of the columns that an expression over one row reads.
    pub(super) fn reads(&self, typed: &Typed) -> Vec<u32> {
        let is_read = |column: &&TableColumn| {
            typed.columns.iter().any(|used| used.name == format!("{}.{}", self.table.name, column.name))
        };
        self.table.columns.iter().filter(is_read).map(|column| column.id).collect()
    }

    /// The columns of one row, by their bare names in SQLite.
    pub(super) fn row_scope(&self) -> Scope<'static> {
        let columns = self.table.columns.iter().map(|column| SourceColumn {
            name: column.name.clone(),
            ty: PgType::of_column(&column.column_type),
            sql: column.sqlite_name(),
        });
        let source = Source { alias: self.table.name.clone(), columns: columns.collect(), key: Vec::new() };
        Scope { sources: vec![source], ..Scope::default() }
    }

    fn foreign_key(
        &mut self,
        name: Option<&Ident>,
        key: &ForeignKeyConstraint,
        columns: &[Ident],
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        check_immediate(key.characteristics.is_some())?;
        if key.match_kind.is_some_and(|kind| kind != lake_dialect::ast::ConstraintReferenceMatchKind::Simple) {
            return Err(SqlError::unsupported("MATCH FULL and MATCH PARTIAL"));
        }
        let ids = self.ids(columns)?;
        let (schema, parent_name) = object_name(&key.foreign_table)?;
        check_schema(schema.as_deref(), &parent_name)?;
        let own = parent_name == self.table.name;
        let parent = if own { None } else { catalog.table(&parent_name).cloned() };
        let parent = match (&parent, own) {
            (Some(parent), _) => parent.as_ref(),
            (None, true) => &self.table,
            (None, false) => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_TABLE,
                    format!("relation \"{parent_name}\" does not exist"),
                ));
            }
        };
        let parent_columns = if key.referred_columns.is_empty() {
            parent.primary_key.as_ref().map(|key| key.columns.clone()).ok_or_else(|| {
                SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{parent_name}\""),
                )
            })?
        } else {
            key.referred_columns
                .iter()
                .map(|column| {
                    let name = fold(column);
                    parent.column(&name).map(|column| column.id).ok_or_else(|| {
                        SqlError::new(
                            sqlstate::UNDEFINED_COLUMN,
                            format!("column \"{name}\" referenced in foreign key constraint does not exist"),
                        )
                    })
                })
                .collect::<Result<Vec<_>, _>>()?
        };
        if parent_columns.len() != ids.len() {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let is_key = parent.primary_key.iter().chain(&parent.unique).any(|key| {
            key.columns.len() == parent_columns.len() && key.columns.iter().all(|id| parent_columns.contains(id))
        });
        if !is_key {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                format!("there is no unique constraint matching given keys for referenced table \"{parent_name}\""),
            ));
        }
        for (own, other) in ids.iter().zip(&parent_columns) {
            let (Some(own), Some(other)) = (self.table.column_by_id(*own), parent.column_by_id(*other)) else {
                continue;
            };
            let (a, b) = (PgType::of_column(&own.column_type), PgType::of_column(&other.column_type));
            if a != b && !(a.is_integer() && b.is_integer()) && !(a.is_text() && b.is_text()) {
                return Err(SqlError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "key columns \"{}\" and \"{}\" are of incompatible types: {} and {}",
                        own.name,
                        other.name,
                        a.display(),
                        b.display()
                    ),
                ));
            }
            // SQLite copies the new key as it is, and the change log would tell it as the column's type has it.
            if key.on_update == Some(Action::Cascade) && !other.column_type.widens_to(&own.column_type) {
                return Err(SqlError::unsupported(format!(
                    "ON UPDATE CASCADE from \"{}\" to \"{}\", whose type does not hold every value of the other,",
                    other.name, own.name
                ))
                .with_hint("Give both columns the same type."));
            }
        }
        if [key.on_delete, key.on_update].contains(&Some(Action::SetDefault)) {
            return Err(SqlError::unsupported("SET DEFAULT as the action of a foreign key"));
        }
        let names = self.table.column_names(&ids);
        let parent_id = parent.id;
        let name = self.constraint_name(name, &names, "fkey", catalog)?;
        self.table.foreign_keys.push(ForeignKey {
            name,
            columns: ids,
            parent: parent_id,
            parent_columns,
            on_delete: action(key.on_delete),
            on_update: action(key.on_update),
        });
        Ok(())
    }

    /// Types every default once, so that a mistake is refused here and not at the first INSERT.
    pub(super) fn check_defaults(&self, catalog: &Catalog) -> Result<(), SqlError> {
        for column in &self.table.columns {
            let mut binder = definition_binder(catalog);
            binder.default_value(&self.table, column)?;
        }
        Ok(())
    }

    fn sqlite_definition(&self) -> String {
        let rowid = self.table.rowid_column();
        let mut parts = Vec::new();
        if self.table.has_hidden_key() {
            parts.push("k INTEGER PRIMARY KEY".to_owned());
        }
        for column in &self.table.columns {
            parts.push(if rowid == Some(column.id) {
                format!("{} INTEGER PRIMARY KEY", column.sqlite_name())
            } else {
                let not_null = if column.not_null { " NOT NULL" } else { "" };
                format!("{}{not_null}", sqlite_column(column))
            });
        }
        for check in &self.checks {
            parts.push(format!("CONSTRAINT {} CHECK ({})", quoted_name(&check.check.name), check.sql));
        }
        for key in &self.table.foreign_keys {
            parts.push(reference(key));
        }
        format!("CREATE TABLE {} ({})", self.table.sqlite_name(), parts.join(", "))
    }
}

/// `FOREIGN KEY (…) REFERENCES …`
fn reference(key: &ForeignKey) -> String {
    let list = |ids: &[u32]| ids.iter().map(|id| format!("c{id}")).collect::<Vec<_>>().join(", ");
    let word = |action: ReferentialAction| match action {
        ReferentialAction::NoAction => "NO ACTION",
        ReferentialAction::Restrict => "RESTRICT",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    };
    format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES t{} ({}) ON DELETE {} ON UPDATE {}",
        quoted_name(&key.name),
        list(&key.columns),
        key.parent,
        list(&key.parent_columns),
        word(key.on_delete),
        word(key.on_update)
    )
}

fn action(action: Option<Action>) -> ReferentialAction {
    match action {
        None | Some(Action::NoAction) => ReferentialAction::NoAction,
        Some(Action::Restrict) => ReferentialAction::Restrict,
        Some(Action::Cascade) => ReferentialAction::Cascade,
        Some(Action::SetNull) => ReferentialAction::SetNull,
        Some(Action::SetDefault) => ReferentialAction::SetDefault,
    }
}

fn check_immediate(unusual: bool) -> Result<(), SqlError> {
    if unusual {
        Err(SqlError::unsupported("DEFERRABLE, NULLS NOT DISTINCT or another property of a constraint"))
    } else {
        Ok(())
    }
}

fn plain_columns(columns: &[lake_dialect::ast::IndexColumn]) -> Result<Vec<Ident>, SqlError> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(ident.clone()),
            other => Err(SqlError::new(sqlstate::SYNTAX_ERROR, format!("syntax error at or near \"{other}\""))),
        })
        .collect()
}

fn positive(expr: &Expr) -> Result<i64, SqlError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i64>().ok().filter(|number| *number > 0),
            _ => None,
        },
        _ => None,
    }
    .ok_or_else(|| SqlError::unsupported(format!("the sequence option {expr}")))
}

fn contains_subquery(expr: &Expr) -> bool {
    expr.to_string().to_ascii_uppercase().contains("SELECT")
}
