//! The names that an expression can use: the tables of its FROM, and those of the queries around it.

use lake_dialect::{SqlError, sqlstate};

use super::pg_type::PgType;
use super::typed::{ColumnUse, Typed};

/// A column that a FROM item offers.
#[derive(Clone, Debug)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    pub(crate) ty: PgType,
    pub(crate) sql: String,
}

/// One FROM item.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The name that qualifies its columns.
    pub(crate) alias: String,
    pub(crate) columns: Vec<SourceColumn>,
    /// Positions of the primary key's columns: grouping by all of them covers the others too.
    pub(crate) key: Vec<usize>,
}

/// A column that USING or NATURAL made of two.
#[derive(Clone, Debug)]
pub(crate) struct MergedColumn {
    pub(crate) column: SourceColumn,
    /// (source, column) pairs that it stands for.
    pub(crate) of: Vec<(usize, usize)>,
}

/// A query level.
#[derive(Debug, Default)]
pub(crate) struct Scope<'p> {
    pub(crate) level: usize,
    pub(crate) sources: Vec<Source>,
    pub(crate) merged: Vec<MergedColumn>,
    pub(crate) parent: Option<&'p Scope<'p>>,
    /// SQLite texts of the GROUP BY expressions.
    pub(crate) groups: Vec<String>,
    /// Output names that ORDER BY and GROUP BY can use, with what they stand for.
    pub(crate) windows: Vec<(String, sqlparser::ast::WindowSpec)>,
}

impl<'p> Scope<'p> {
    /// A level inside of another.
    pub(crate) fn inside(parent: Option<&'p Scope<'p>>) -> Scope<'p> {
        Scope { level: parent.map_or(0, |parent| parent.level + 1), parent, ..Scope::default() }
    }

    fn read(&self, alias: &str, column: &SourceColumn) -> Typed {
        let mut typed = Typed::new(column.sql.clone(), column.ty.clone());
        if !self.is_grouped(&column.sql) {
            typed.columns.push(ColumnUse { level: self.level, name: format!("{alias}.{}", column.name) });
        }
        typed
    }

    fn is_grouped(&self, sql: &str) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        if self.groups.iter().any(|group| group == sql) {
            return true;
        }
        // A whole primary key in GROUP BY determines the rest of its row.
        self.sources.iter().any(|source| {
            !source.key.is_empty()
                && source.columns.iter().any(|column| column.sql == sql)
                && source.key.iter().all(|at| self.groups.iter().any(|group| *group == source.columns[*at].sql))
        })
    }

    /// Finds `name`, or `table.name`, here or further out.
    pub(crate) fn column(&self, table: Option<&str>, name: &str) -> Result<Typed, SqlError> {
        match self.find(table, name)? {
            Some(found) => Ok(found),
            None => Err(self.not_found(table, name)),
        }
    }

    fn find(&self, table: Option<&str>, name: &str) -> Result<Option<Typed>, SqlError> {
        let mut found = None;
        if let Some(table) = table {
            let Some(source) = self.sources.iter().find(|source| source.alias == table) else {
                return self.parent.map_or(Ok(None), |parent| parent.find(Some(table), name));
            };
            let mut columns = source.columns.iter().filter(|column| column.name == name);
            found = columns.next().map(|column| self.read(&source.alias, column));
            if columns.next().is_some() {
                return Err(ambiguous(name));
            }
            return match found {
                Some(found) => Ok(Some(found)),
                None => Err(SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column {table}.{name} does not exist"))),
            };
        }
        if let Some(merged) = self.merged.iter().rev().find(|merged| merged.column.name == name) {
            found = Some(self.read("", &merged.column));
        }
        for (at, source) in self.sources.iter().enumerate() {
            for (column_at, column) in source.columns.iter().enumerate() {
                if column.name != name || self.merged.iter().any(|merged| merged.of.contains(&(at, column_at))) {
                    continue;
                }
                if found.is_some() {
                    return Err(ambiguous(name));
                }
                found = Some(self.read(&source.alias, column));
            }
        }
        match (found, self.parent) {
            (None, Some(parent)) => parent.find(None, name),
            (found, _) => Ok(found),
        }
    }

    /// True if a FROM item has this name, here or further out.
    pub(crate) fn has_source(&self, alias: &str) -> bool {
        self.sources.iter().any(|source| source.alias == alias) || self.parent.is_some_and(|p| p.has_source(alias))
    }

    fn not_found(&self, table: Option<&str>, name: &str) -> SqlError {
        match table {
            Some(table) => {
                SqlError::new(sqlstate::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{table}\""))
            }
            None if self.has_source(name) => SqlError::unsupported(format!("a whole row as a value (\"{name}\")")),
            None => SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")),
        }
    }

    /// Adds a FROM item; a name can be used once.
    pub(crate) fn add(&mut self, source: Source) -> Result<(), SqlError> {
        if self.sources.iter().any(|other| other.alias == source.alias) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_ALIAS,
                format!("table name \"{}\" specified more than once", source.alias),
            ));
        }
        self.sources.push(source);
        Ok(())
    }

    /// The columns of `*`, merged ones first.
    pub(crate) fn star(&self) -> Vec<(String, Typed)> {
        let mut columns = Vec::new();
        for merged in &self.merged {
            if !self
                .merged
                .iter()
                .any(|outer| !std::ptr::eq(outer, merged) && merged.of.iter().all(|pair| outer.of.contains(pair)))
            {
                columns.push((merged.column.name.clone(), self.read("", &merged.column)));
            }
        }
        for (at, source) in self.sources.iter().enumerate() {
            for (column_at, column) in source.columns.iter().enumerate() {
                if !self.merged.iter().any(|merged| merged.of.contains(&(at, column_at))) {
                    columns.push((column.name.clone(), self.read(&source.alias, column)));
                }
            }
        }
        columns
    }

    /// The columns of `alias.*`.
    pub(crate) fn star_of(&self, alias: &str) -> Result<Vec<(String, Typed)>, SqlError> {
        let source = self.sources.iter().find(|source| source.alias == alias).ok_or_else(|| {
            SqlError::new(sqlstate::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{alias}\""))
        })?;
        Ok(source.columns.iter().map(|column| (column.name.clone(), self.read(&source.alias, column))).collect())
    }
}

fn ambiguous(name: &str) -> SqlError {
    SqlError::new(sqlstate::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous"))
}
