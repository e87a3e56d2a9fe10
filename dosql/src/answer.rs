//! The JSON of a shard's answers.

use lake_api::answer::RowWriter;
use lake_cdc::{Lsn, Micros, text::calendar};

use crate::sql::Outcome;

/// Results in order, each without its closing brace.
#[derive(Debug)]
pub(crate) struct Answer {
    results: Vec<String>,
    facts: Vec<String>,
    is_list: bool,
}

impl Answer {
    /// No results yet.
    pub(crate) fn new(is_list: bool) -> Answer {
        Answer { results: Vec::new(), facts: Vec::new(), is_list }
    }

    /// Adds the result of a statement.
    pub(crate) fn push(&mut self, rows: RowWriter, outcome: Outcome) {
        let Outcome { columns, command, affected } = outcome;
        let count = affected.unwrap_or_else(|| rows.row_count());
        self.facts.push(RowWriter::new().finish(&[], command, Some(count)));
        self.results.push(rows.finish(&columns, command, affected));
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.results.iter().map(String::len).sum()
    }

    /// The answer, true as of a transaction.
    pub(crate) fn finish(&self, lsn: Option<Lsn>, at: Option<Micros>) -> String {
        close(&self.results, self.is_list, lsn, at)
    }

    /// The answer without columns and rows.
    pub(crate) fn finish_facts(&self, lsn: Option<Lsn>, at: Option<Micros>) -> String {
        close(&self.facts, self.is_list, lsn, at)
    }
}

fn close(results: &[String], is_list: bool, lsn: Option<Lsn>, at: Option<Micros>) -> String {
    let lsn = lsn.map_or_else(|| "null".to_owned(), |lsn| format!("\"{lsn}\""));
    let at = at.map_or_else(|| "null".to_owned(), |at| format!("\"{}\"", iso(at)));
    let tail = format!(",\"lsn\":{lsn},\"committedAt\":{at}}}");
    match results {
        [result] if !is_list => format!("{result}{tail}"),
        results => {
            let results = results.iter().map(|result| format!("{result}}}")).collect::<Vec<_>>();
            format!("{{\"results\":[{}]{tail}", results.join(","))
        }
    }
}

/// ISO 8601 with microseconds.
pub(crate) fn iso(at: Micros) -> String {
    format!("{}Z", calendar::iso(at.0))
}
