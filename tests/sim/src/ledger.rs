//! What engines have asked for, and what became of it as far as anybody was told.

use std::collections::{BTreeMap, BTreeSet};

/// What an engine was told of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing yet: a request is under way.
    Nothing,
    /// Its requests are over and no answer came. Nothing of it can happen any more, so the next look at the tables tells
    /// what became of it, for ever.
    Unknown,
    /// 2xx, or a look has shown it.
    Done,
    /// 4xx, or a look that came after the last request was over has not shown it.
    Never,
}

/// A row: the table, with its UUID where several tables take turns under one name, and its number.
pub(crate) type Row = (String, i64);

/// Rows that come and go in one commit: all of it or nothing.
#[derive(Debug)]
struct Deed {
    adds: Vec<Row>,
    removes: Vec<Row>,
    told: Told,
}

/// What engines know together.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    deeds: Vec<Deed>,
    rows: i64,
    /// Tables that engines began to make.
    pub(crate) creations: usize,
    /// What an engine was told that it must never be told.
    pub(crate) broken: Option<String>,
    /// The last sequence number of a table, by its UUID, that an answer of 2xx has told.
    pub(crate) acknowledged: BTreeMap<String, i64>,
    /// The rows of each data file.
    pub(crate) files: BTreeMap<String, Vec<i64>>,
}

impl Ledger {
    /// Numbers that no row has.
    pub(crate) fn new_rows(&mut self, count: usize) -> Vec<i64> {
        let first = self.rows + 1;
        self.rows += count as i64;
        (first..=self.rows).collect()
    }

    /// An engine begins a deed, of which this is the number.
    pub(crate) fn begin(&mut self, adds: Vec<Row>, removes: Vec<Row>) -> usize {
        self.deeds.push(Deed { adds, removes, told: Told::Nothing });
        self.deeds.len() - 1
    }

    /// Its requests are over.
    pub(crate) fn end(&mut self, deed: usize, told: Told) {
        self.deeds[deed].told = told;
    }

    /// Deeds that hold.
    pub(crate) fn done(&self) -> usize {
        self.deeds.iter().filter(|deed| deed.told == Told::Done).count()
    }

    /// Rows of a table that are there for certain and that nobody else is removing.
    pub(crate) fn certain(&self, table: &str) -> Vec<i64> {
        let mut certain = BTreeSet::new();
        for deed in &self.deeds {
            if deed.told != Told::Never && !deed.removes.is_empty() {
                certain.retain(|row| !deed.removes.contains(*row));
            }
            if deed.told == Told::Done {
                certain.extend(&deed.adds);
            }
        }
        certain.into_iter().filter(|(of, _)| of == table).map(|(_, id)| *id).collect()
    }

    /// Compares with the rows that are there, each once: what was acknowledged is there for ever, what was refused never,
    /// and of a commit all or nothing.
    pub(crate) fn compare(&mut self, mut there: Vec<Row>) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(format!("an engine: {broken}"));
        }
        there.sort_unstable();
        if let Some(pair) = there.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{:?} of an engine is there twice", pair[0]));
        }
        let mut expected = BTreeSet::new();
        for deed in &mut self.deeds {
            let is_seen = deed.adds.first().is_some_and(|row| there.binary_search(row).is_ok());
            if deed.told == Told::Unknown {
                deed.told = if is_seen { Told::Done } else { Told::Never };
            }
            if deed.told == Told::Done || deed.told == Told::Nothing && is_seen {
                if !deed.removes.is_empty() {
                    expected.retain(|row| !deed.removes.contains(row));
                }
                expected.extend(deed.adds.iter().cloned());
            }
        }
        let is_odd = |row: &&Row| !expected.contains(*row);
        let Some(row) =
            there.iter().find(is_odd).or_else(|| expected.iter().find(|row| there.binary_search(row).is_err()))
        else {
            return Ok(());
        };
        let deeds: Vec<_> =
            self.deeds.iter().filter(|deed| deed.adds.contains(row) || deed.removes.contains(row)).collect();
        Err(format!("row {row:?} of an engine is there: {}, after {deeds:?}", there.binary_search(row).is_ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: &str, id: i64) -> Row {
        (table.to_owned(), id)
    }

    /// A transaction of two tables, told so; then its rows are these.
    fn check(told: Told, there: &[Row], is_right: bool) {
        let mut ledger = Ledger::default();
        let deed = ledger.begin(vec![row("a", 1), row("b", 1)], Vec::new());
        ledger.end(deed, told);
        assert_eq!(ledger.compare(there.to_vec()).is_ok(), is_right, "{told:?}: {there:?}");
    }

    #[test]
    fn of_a_commit_all_or_nothing_is_there() {
        for told in [Told::Nothing, Told::Unknown, Told::Done, Told::Never] {
            check(told, &[row("a", 1), row("b", 1)], told != Told::Never);
            check(told, &[], told != Told::Done);
            check(told, &[row("a", 1)], false);
            check(told, &[row("b", 1)], false);
        }
    }

    #[test]
    fn what_is_there_twice_or_was_written_by_nobody_is_found() {
        check(Told::Done, &[row("a", 1), row("a", 1), row("b", 1)], false);
        check(Told::Done, &[row("a", 1), row("a", 2), row("b", 1)], false);
    }

    #[test]
    fn what_was_not_there_when_all_was_over_never_comes() {
        let mut ledger = Ledger::default();
        let deed = ledger.begin(vec![row("a", 1)], Vec::new());
        ledger.end(deed, Told::Unknown);
        assert_eq!(ledger.compare(Vec::new()), Ok(()));
        assert!(ledger.compare(vec![row("a", 1)]).is_err());
    }

    #[test]
    fn a_row_that_goes_and_one_that_comes_do_so_together() {
        let mut ledger = Ledger::default();
        let deed = ledger.begin(vec![row("a", 1)], Vec::new());
        ledger.end(deed, Told::Done);
        assert_eq!(ledger.certain("a"), [1]);
        ledger.begin(vec![row("a", 2)], vec![row("a", 1)]);
        assert_eq!(ledger.certain("a"), Vec::<i64>::new());
        assert_eq!(ledger.compare(vec![row("a", 1)]), Ok(()));
        assert_eq!(ledger.compare(vec![row("a", 2)]), Ok(()));
        assert!(ledger.compare(vec![row("a", 1), row("a", 2)]).is_err());
        assert!(ledger.compare(Vec::new()).is_err());
    }
}
