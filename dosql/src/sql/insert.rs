//! INSERT.
//!
//! A statement of parameters and literals only, however many rows it has, becomes one SQLite statement of one row
//! that runs once per row with values converted here: the path of bulk loads. Everything else becomes one SQLite
//! statement as a whole.

use std::rc::Rc;

use lake_cdc::ColumnType;
use lake_dialect::ast::{Expr, Insert, OnInsert, Query, SelectItem, SetExpr, TableObject, UnaryOperator, Value};
use lake_dialect::{SqlError, fold, sqlstate};
use rusqlite::types::Value as SqliteValue;

use super::binder::{Binder, Binding, Clause};
use super::from::table_source;
use super::plan::Prepared;
use super::scope::Scope;
use super::select::OutputColumn;
use super::typed::{Literal, Typed};
use crate::schema::{Table, TableColumn};

/// One value of a row.
#[derive(Debug)]
pub(crate) enum Cell {
    /// A parameter, counted from 0.
    Parameter(usize),
    /// A literal.
    Constant(SqliteValue),
}

/// A column that gets its value per row.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// SQLite would make up a number for a NULL.
    pub(crate) is_rowid: bool,
}

/// Where the rows come from.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Row after row, `slots.len()` cells each.
    Cells {
        /// What the cells are for.
        slots: Vec<Slot>,
        /// All rows, one after the other.
        cells: Vec<Cell>,
    },
    /// The statement has them.
    InStatement,
}

/// A planned INSERT.
#[derive(Debug)]
pub(crate) struct InsertPlan {
    pub(crate) table: Rc<Table>,
    pub(crate) prepared: Prepared,
    pub(crate) rows: Rows,
    /// Output columns; in SQLite the row's id comes before them if `updates_on_conflict`.
    pub(crate) returning: Option<Vec<OutputColumn>>,
    /// ON CONFLICT DO UPDATE: no row may be touched twice.
    pub(crate) updates_on_conflict: bool,
}

/// Columns with a value per row, and the values of all rows.
type Cells = (Vec<Slot>, Vec<Cell>);

/// A value to be stored, or DEFAULT.
enum Given<'a> {
    Value(&'a Expr),
    Default,
}

impl Binder<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<InsertPlan, SqlError> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into a function"));
        };
        if insert.or.is_some()
            || insert.ignore
            || insert.overwrite
            || insert.replace_into
            || !insert.assignments.is_empty()
        {
            return Err(SqlError::unsupported("this form of INSERT"));
        }
        let table = self.table(name)?;
        let columns = target_columns(&table, &insert.columns)?;
        let default_values = insert.source.is_none();
        let plain_values = insert.source.as_deref().and_then(plain_values);
        let (body, rows, listed) = if default_values {
            let values = self.defaults(&table, &[])?;
            let (names, values) = split(values);
            let sql = if names.is_empty() {
                "DEFAULT VALUES".to_owned()
            } else {
                format!("({}) VALUES ({})", names.join(", "), values.join(", "))
            };
            (sql, Rows::InStatement, Vec::new())
        } else if let Some(values) = plain_values {
            let rows = given_rows(values, &columns)?;
            let width = rows.first().map_or(0, Vec::len);
            if width < insert.columns.len() {
                return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "INSERT has more target columns than expressions"));
            }
            let listed = columns[..width].to_vec();
            match self.cells(&table, &listed, &rows)? {
                Some((slots, cells)) => {
                    let taken = slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>();
                    let mut names = Vec::new();
                    let mut values = Vec::new();
                    for (index, slot) in slots.iter().enumerate() {
                        if let Some(column) = table.column(&slot.name) {
                            names.push(column.sqlite_name());
                            values.push(self.bind(Binding::Cell(index)));
                        }
                    }
                    let (more_names, more_values) = split(self.defaults(&table, &taken)?);
                    names.extend(more_names);
                    values.extend(more_values);
                    let sql = format!("({}) VALUES ({})", names.join(", "), values.join(", "));
                    (sql, Rows::Cells { slots, cells }, listed)
                }
                None => (self.value_rows(&table, &listed, &rows)?, Rows::InStatement, listed),
            }
        } else {
            let source = insert.source.as_deref().ok_or_else(|| SqlError::unsupported("this form of INSERT"))?;
            self.clause = Clause::Output;
            let query = self.query_for_insert(source)?;
            if query.columns.len() > columns.len() {
                return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "INSERT has more expressions than target columns"));
            }
            if query.columns.len() < columns.len() && !insert.columns.is_empty() {
                return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "INSERT has more target columns than expressions"));
            }
            let listed = columns[..query.columns.len()].to_vec();
            let alias = self.fresh("q");
            let mut names = Vec::new();
            let mut values = Vec::new();
            for (index, (column, output)) in listed.iter().zip(&query.columns).enumerate() {
                check_not_generated(column)?;
                let typed = Typed::new(format!("{alias}.k{}", index + 1), output.ty.clone());
                let typed = self.assign(typed, &column.name, &column.column_type)?;
                names.push(column.sqlite_name());
                values.push(guarded(&table, column, typed.sql));
            }
            let taken = listed.iter().map(|column| column.name.as_str()).collect::<Vec<_>>();
            let (more_names, more_values) = split(self.defaults(&table, &taken)?);
            names.extend(more_names);
            values.extend(more_values);
            // WHERE 1: else SQLite takes ON CONFLICT for the ON of a join.
            let sql =
                format!("({}) SELECT {} FROM ({}) AS {alias} WHERE 1", names.join(", "), values.join(", "), query.sql);
            (sql, Rows::InStatement, listed)
        };
        let _ = listed;
        let alias = insert.table_alias.as_ref().map_or(table.name.clone(), fold);
        let (conflict, updates_on_conflict) = match &insert.on {
            None => (String::new(), false),
            Some(OnInsert::OnConflict(on)) => self.on_conflict(&table, &alias, on)?,
            Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY UPDATE")),
        };
        let mut scope = Scope::inside(None);
        scope.add(table_source(&table, alias, &table.sqlite_name()))?;
        let (returning, mut returning_sql) = self.returning(insert.returning.as_deref(), &scope)?;
        if updates_on_conflict {
            let rowid = "_rowid_";
            returning_sql = if returning.is_some() {
                returning_sql.replacen(" RETURNING ", &format!(" RETURNING {rowid}, "), 1)
            } else {
                format!(" RETURNING {rowid}")
            };
        }
        let prepared = self.prepared(format!("INSERT INTO {} {body}{conflict}{returning_sql}", table.sqlite_name()));
        Ok(InsertPlan { table, prepared, rows, returning, updates_on_conflict })
    }

    fn query_for_insert(&mut self, source: &Query) -> Result<super::select::TranslatedQuery, SqlError> {
        self.query(source, None)
    }

    /// The cells of rows that are parameters and literals only; `None` if they are not.
    fn cells(
        &mut self,
        table: &Table,
        columns: &[TableColumn],
        rows: &[Vec<Given<'_>>],
    ) -> Result<Option<Cells>, SqlError> {
        // A column is either a value in every row or a default in every row.
        let mut slots = Vec::new();
        let mut kept = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let defaults = rows.iter().filter(|row| matches!(row[index], Given::Default)).count();
            if defaults == rows.len() {
                continue;
            }
            if defaults > 0 {
                return Ok(None);
            }
            kept.push(index);
            slots.push(Slot {
                name: column.name.clone(),
                column_type: column.column_type.clone(),
                is_rowid: table.rowid_column() == Some(column.id),
            });
        }
        for row in rows {
            for index in &kept {
                if let Given::Value(expr) = &row[*index]
                    && !is_cell(expr)
                {
                    return Ok(None);
                }
            }
        }
        let mut cells = Vec::with_capacity(rows.len() * kept.len());
        for row in rows {
            for index in &kept {
                let column = &columns[*index];
                check_not_generated(column)?;
                if let Given::Value(expr) = &row[*index] {
                    cells.push(self.cell(expr, column)?);
                }
            }
        }
        Ok(Some((slots, cells)))
    }

    fn cell(&mut self, expr: &Expr, column: &TableColumn) -> Result<Cell, SqlError> {
        let empty = Scope::default();
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            let index =
                name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0).wrapping_sub(1);
            let slot = self
                .parameters
                .get_mut(index)
                .ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter {name}")))?;
            slot.get_or_insert_with(|| super::pg_type::PgType::of_column(&column.column_type));
            return Ok(Cell::Parameter(index));
        }
        let typed = self.expression(expr, &empty)?;
        if let Some(Literal::Text(text)) = &typed.literal {
            let value = lake_cdc::text::parse(&column.column_type, text).map_err(super::input::from_text_error)?;
            return Ok(Cell::Constant(super::input::to_sqlite(value)));
        }
        if typed.literal == Some(Literal::Null) {
            return Ok(Cell::Constant(SqliteValue::Null));
        }
        // A number or boolean: converted here as an assignment would, from its text.
        let to = super::pg_type::PgType::of_column(&column.column_type);
        if let Expr::Value(value) = expr
            && let Value::Boolean(truth) = &value.value
        {
            self.convert(typed, &to, super::cast::Context::Assignment)
                .map_err(|error| assignment_error(error, column, "boolean"))?;
            let text = truth.to_string();
            return Ok(Cell::Constant(match to {
                super::pg_type::PgType::Bool => SqliteValue::Integer(i64::from(*truth)),
                _ => SqliteValue::Text(text),
            }));
        }
        let from = typed.ty.clone();
        let digits = match typed.sql.trim_matches(['(', ')', '\'']) {
            "-9223372036854775807-1" => i64::MIN.to_string(),
            digits => digits.to_owned(),
        };
        self.convert(typed, &to, super::cast::Context::Assignment)
            .map_err(|error| assignment_error(error, column, &from.display()))?;
        let stored = super::runtime::cast_text_number(&digits, &from, &column.column_type)?;
        Ok(Cell::Constant(stored))
    }

    /// `(columns) VALUES (…), (…)` with every value an expression.
    fn value_rows(
        &mut self,
        table: &Table,
        columns: &[TableColumn],
        rows: &[Vec<Given<'_>>],
    ) -> Result<String, SqlError> {
        let empty = Scope::default();
        let taken = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>();
        let rest = split(self.defaults(table, &taken)?);
        let mut texts = Vec::new();
        for row in rows {
            let mut values = Vec::new();
            for (column, given) in columns.iter().zip(row) {
                let sql = match given {
                    Given::Default => self.default_value(table, column)?.unwrap_or_else(|| "NULL".to_owned()),
                    Given::Value(expr) => {
                        check_not_generated(column)?;
                        let typed = self.within(Clause::Plain("VALUES"), |binder| binder.expression(expr, &empty))?;
                        let typed = self.assign(typed, &column.name, &column.column_type)?;
                        guarded(table, column, typed.sql)
                    }
                };
                values.push(sql);
            }
            values.extend(rest.1.iter().cloned());
            texts.push(format!("({})", values.join(", ")));
        }
        let mut names = columns.iter().map(TableColumn::sqlite_name).collect::<Vec<_>>();
        names.extend(rest.0);
        Ok(format!("({}) VALUES {}", names.join(", "), texts.join(", ")))
    }

    /// The values of the columns that a statement does not name.
    fn defaults(&mut self, table: &Table, taken: &[&str]) -> Result<Vec<(String, String)>, SqlError> {
        let mut values = Vec::new();
        for column in &table.columns {
            if !taken.contains(&column.name.as_str())
                && let Some(sql) = self.default_value(table, column)?
            {
                values.push((column.sqlite_name(), sql));
            } else if !taken.contains(&column.name.as_str()) && table.rowid_column() == Some(column.id) {
                values.push((column.sqlite_name(), guarded(table, column, "NULL".to_owned())));
            }
        }
        Ok(values)
    }

    /// The text of a column's default, `None` if it is NULL.
    pub(super) fn default_value(&mut self, table: &Table, column: &TableColumn) -> Result<Option<String>, SqlError> {
        if let Some(identity) = &column.identity {
            self.uses_sequences = true;
            let next =
                Typed::new(format!("pg_nextval({})", Binder::quoted(&identity.sequence)), super::pg_type::PgType::Int8);
            return Ok(Some(self.assign(next, &column.name, &column.column_type)?.sql));
        }
        let Some(default) = &column.default else {
            return Ok(None);
        };
        let expr = parse_expression(default)?;
        let empty = Scope::default();
        let typed = self.within(Clause::Plain("DEFAULT expressions"), |binder| binder.expression(&expr, &empty))?;
        if typed.literal == Some(Literal::Null) {
            return Ok(None);
        }
        let typed = self.assign(typed, &column.name, &column.column_type)?;
        Ok(Some(guarded(table, column, typed.sql)))
    }
}

fn assignment_error(error: SqlError, column: &TableColumn, from: &str) -> SqlError {
    if error.sqlstate != sqlstate::DATATYPE_MISMATCH {
        return error;
    }
    let to = super::pg_type::PgType::of_column(&column.column_type).display();
    SqlError::new(
        sqlstate::DATATYPE_MISMATCH,
        format!("column \"{}\" is of type {to} but expression is of type {from}", column.name),
    )
    .with_hint("You will need to rewrite or cast the expression.")
}

/// A value for a column; where NULL would make SQLite invent a number it is refused first.
pub(super) fn guarded(table: &Table, column: &TableColumn, sql: String) -> String {
    if table.rowid_column() == Some(column.id) {
        format!("pg_not_null({sql}, {}, {})", Binder::quoted(&column.name), Binder::quoted(&table.name))
    } else {
        sql
    }
}

fn check_not_generated(column: &TableColumn) -> Result<(), SqlError> {
    if column.identity.as_ref().is_some_and(|identity| identity.always) {
        return Err(SqlError::new(
            sqlstate::GENERATED_ALWAYS,
            format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
        )
        .with_detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
        .with_hint("Use OVERRIDING SYSTEM VALUE to override."));
    }
    Ok(())
}

fn split(values: Vec<(String, String)>) -> (Vec<String>, Vec<String>) {
    values.into_iter().unzip()
}

pub(super) fn column<'t>(table: &'t Table, name: &str) -> Result<&'t TableColumn, SqlError> {
    table.column(name).ok_or_else(|| {
        SqlError::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
        )
    })
}

fn target_columns(table: &Table, names: &[lake_dialect::ast::Ident]) -> Result<Vec<TableColumn>, SqlError> {
    if names.is_empty() {
        return Ok(table.columns.clone());
    }
    let mut columns: Vec<TableColumn> = Vec::new();
    for name in names {
        let name = fold(name);
        if columns.iter().any(|column| column.name == name) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push(column(table, &name)?.clone());
    }
    Ok(columns)
}

/// The rows of a bare VALUES.
fn plain_values(query: &Query) -> Option<&[Vec<Expr>]> {
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    match query.body.as_ref() {
        SetExpr::Values(values) => Some(&values.rows),
        _ => None,
    }
}

pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

fn given_rows<'a>(values: &'a [Vec<Expr>], columns: &[TableColumn]) -> Result<Vec<Vec<Given<'a>>>, SqlError> {
    let width = values.first().map_or(0, Vec::len);
    let mut rows = Vec::with_capacity(values.len());
    for row in values {
        if row.len() != width {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "VALUES lists must all be the same length"));
        }
        if row.len() > columns.len() {
            return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "INSERT has more expressions than target columns"));
        }
        rows.push(row.iter().map(|expr| if is_default(expr) { Given::Default } else { Given::Value(expr) }).collect());
    }
    Ok(rows)
}

/// A parameter or literal, perhaps with a sign.
fn is_cell(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            matches!(expr.as_ref(), Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    }
}

/// Reads an expression that the catalog keeps as text.
pub(super) fn parse_expression(text: &str) -> Result<Expr, SqlError> {
    let (mut statements, _) = lake_dialect::parse(&format!("SELECT {text}"))?;
    if let Some(lake_dialect::ast::Statement::Query(query)) = statements.pop()
        && let SetExpr::Select(select) = *query.body
        && let Some(SelectItem::UnnamedExpr(expr)) = select.projection.into_iter().next()
    {
        return Ok(expr);
    }
    Err(SqlError::new(sqlstate::INTERNAL, format!("the catalog keeps an expression that is none: {text}")))
}
