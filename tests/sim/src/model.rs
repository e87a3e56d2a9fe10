//! What a database has acknowledged, and what that means for everybody who reads.

use std::collections::BTreeMap;

use lake_cdc::TimelineId;

/// A change as it has to appear in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowChange {
    pub(crate) table: &'static str,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub(crate) operation: &'static str,
    pub(crate) id: i64,
    /// The row's value; that before it for a delete.
    pub(crate) value: String,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Row(RowChange),
    /// The table is gone, and history has no row of it.
    Drop(&'static str),
}

/// A committed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) lsn: u64,
    pub(crate) effects: Vec<Effect>,
}

/// Rows of the tables of one database.
pub(crate) type Tables = BTreeMap<&'static str, BTreeMap<i64, String>>;

/// From the creation of a database to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// Ids it can have: one for each attempt to create it, of which the first that arrived counts.
    pub(crate) timelines: Vec<String>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) is_over: bool,
}

impl Life {
    /// The last position of what was acknowledged.
    pub(crate) fn last_lsn(&self) -> u64 {
        self.transactions.last().map_or(0, |transaction| transaction.lsn)
    }

    /// The tables after the transactions up to `lsn`.
    pub(crate) fn tables_at(&self, lsn: u64) -> Tables {
        let mut tables = Tables::new();
        for transaction in self.transactions.iter().take_while(|transaction| transaction.lsn <= lsn) {
            transaction.effects.iter().for_each(|effect| apply(&mut tables, effect));
        }
        tables
    }
}

/// A row of history: a transaction and one of its changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) life: usize,
    pub(crate) lsn: u64,
    pub(crate) change: &'a RowChange,
}

/// All lives of a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) lives: Vec<Life>,
    pub(crate) tables: Tables,
}

impl Model {
    /// Somebody tries to create it with this id.
    pub(crate) fn try_timeline(&mut self, timeline: TimelineId) {
        if self.lives.last().is_none_or(|life| life.is_over) {
            self.lives.push(Life::default());
        }
        if let Some(life) = self.lives.last_mut() {
            life.timelines.push(timeline.to_string());
        }
    }

    /// A transaction was acknowledged.
    pub(crate) fn acknowledge(&mut self, lsn: u64, effects: &[Effect]) -> Result<(), String> {
        let life = self.lives.last_mut().ok_or("a transaction of no database")?;
        if lsn == life.last_lsn() && effects.is_empty() {
            // It changed nothing: the answer says where the database is.
            return Ok(());
        }
        if lsn <= life.last_lsn() {
            return Err(format!("transaction {lsn} was acknowledged after {}", life.last_lsn()));
        }
        effects.iter().for_each(|effect| apply(&mut self.tables, effect));
        life.transactions.push(Transaction { lsn, effects: effects.to_vec() });
        Ok(())
    }

    /// The database was deleted.
    pub(crate) fn end(&mut self) {
        self.tables.clear();
        if let Some(life) = self.lives.last_mut() {
            life.is_over = true;
        }
    }

    /// The model as it is if what is in doubt has committed. One client sends one request after the other, so that its
    /// position is known.
    pub(crate) fn with_doubt(&self, effects: Option<&[Effect]>) -> Model {
        let mut doubtful = self.clone();
        if let (Some(effects), Some(life)) = (effects, self.lives.last().filter(|life| !life.is_over)) {
            // It follows what was acknowledged.
            let _ = doubtful.acknowledge(life.last_lsn() + 1, effects);
        }
        doubtful
    }

    /// What history has of `table` once life `life` is there up to `lsn`, in order. All of the lives before it come first.
    pub(crate) fn lines(&self, life: usize, lsn: u64, table: Option<&str>) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        for (number, of) in self.lives.iter().enumerate().take(life + 1) {
            let is_in = |transaction: &&Transaction| number < life || transaction.lsn <= lsn;
            for transaction in of.transactions.iter().take_while(is_in) {
                let rows = transaction.effects.iter().filter_map(|effect| match effect {
                    Effect::Row(change) if table.is_none_or(|table| table == change.table) => Some(change),
                    _ => None,
                });
                lines.extend(rows.map(|change| Line { life: number, lsn: transaction.lsn, change }));
            }
        }
        lines
    }

    /// Everything that history must have in the end.
    pub(crate) fn all_lines(&self, table: Option<&str>) -> Vec<Line<'_>> {
        self.lines(self.lives.len().saturating_sub(1), u64::MAX, table)
    }

    /// Databases that ended and tables that were dropped.
    pub(crate) fn removals(&self) -> usize {
        let drops = |life: &Life| {
            let effects = life.transactions.iter().flat_map(|transaction| &transaction.effects);
            effects.filter(|effect| matches!(effect, Effect::Drop(_))).count()
        };
        self.lives.iter().map(|life| drops(life) + usize::from(life.is_over)).sum()
    }
}

/// Does what an effect does.
pub(crate) fn apply(tables: &mut Tables, effect: &Effect) {
    match effect {
        Effect::Drop(table) => {
            tables.remove(table);
        }
        Effect::Row(change) => {
            let rows = tables.entry(change.table).or_default();
            match change.operation {
                "DELETE" => rows.remove(&change.id),
                _ => rows.insert(change.id, change.value.clone()),
            };
        }
    }
}
