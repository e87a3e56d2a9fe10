//! Names of output columns.
//!
//! Postgres allows several output columns of one name, DataFusion does not: repeated names are numbered behind a mark,
//! which is cut off again in the answer.

/// Separates a name from its number.
pub(crate) const MARK: char = '\u{2}';

/// The name that the answer shows.
pub(crate) fn shown(name: &str) -> String {
    name.split(MARK).next().unwrap_or_default().to_owned()
}
