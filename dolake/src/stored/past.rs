//! What history does not tell of a table's past: removed rows, and what its columns were called. Part of the table's fact.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::LakeTable;
use crate::limits::{ALTERATIONS_MAX, REMOVALS_MAX};

/// When something happened: known to states at and after a position, and its transaction's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point(pub(crate) u64, pub(crate) i64);

/// What was before a change of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Before {
    /// The field was not there.
    Absent(i32),
    /// The field was there under this name.
    Named(i32, String),
    /// The key had these fields.
    Key(Vec<i32>),
}

/// A change of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alteration {
    pub(crate) at: Point,
    pub(crate) before: Before,
}

/// A shard's rows went without a change of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removal {
    /// The shard's number.
    pub(crate) shard: u32,
    /// The last position whose changes count no more.
    pub(crate) upto: u64,
    pub(crate) at: Point,
}

/// From a moment on, and until another if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) from: Point,
    pub(crate) to: Option<Point>,
}

/// The past of a table. Empty for tables from before it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TablePast {
    /// When the lake met the table.
    pub(crate) created: Option<Point>,
    /// In order.
    pub(crate) alterations: Vec<Alteration>,
    /// Alterations up to here were more than are kept.
    pub(crate) names_since: Option<Point>,
    /// In order.
    pub(crate) removals: Vec<Removal>,
    /// Moments of which a removal is not kept.
    pub(crate) removals_unknown: Option<Gap>,
}

impl Point {
    fn or_earlier(self, other: Point) -> Point {
        Point(self.0.min(other.0), self.1.min(other.1))
    }

    fn or_later(self, other: Point) -> Point {
        Point(self.0.max(other.0), self.1.max(other.1))
    }
}

impl TablePast {
    pub(crate) fn is_empty(&self) -> bool {
        *self == TablePast::default()
    }

    /// Notes what `after` has become since `before`; false if its columns are the same.
    pub(crate) fn note_alterations(before: &LakeTable, after: &mut LakeTable, at: Point) -> bool {
        let mut found = Vec::new();
        for field in &after.fields {
            match before.field(field.id) {
                None => found.push(Before::Absent(field.id)),
                Some(old) if old.dropped => {}
                Some(old) if old.name != field.name || field.dropped => {
                    found.push(Before::Named(field.id, old.name.clone()));
                }
                Some(_) => {}
            }
        }
        if before.key != after.key {
            found.push(Before::Key(before.key.clone()));
        }
        let is_altered = !found.is_empty();
        let past = &mut after.past;
        past.alterations.extend(found.into_iter().map(|before| Alteration { at, before }));
        let over = past.alterations.len().saturating_sub(ALTERATIONS_MAX);
        for gone in past.alterations.drain(..over) {
            past.names_since = Some(past.names_since.map_or(gone.at, |since| since.or_later(gone.at)));
        }
        is_altered
    }

    /// Notes that a shard's rows are gone.
    pub(crate) fn note_removal(&mut self, removal: Removal) {
        self.removals.push(removal);
        if self.removals.len() > REMOVALS_MAX {
            self.forget_removal();
        }
    }

    /// Lets go of the oldest removal that a later one of its shard makes needless for the time after that one; of the
    /// oldest of all if there is none.
    fn forget_removal(&mut self) {
        let mut later = HashMap::new();
        let mut superseded = None;
        for (index, removal) in self.removals.iter().enumerate().rev() {
            if let Some(by) = later.insert(removal.shard, removal.at) {
                superseded = Some((index, by));
            }
        }
        let (index, to) = superseded.map_or((0, None), |(index, by)| (index, Some(by)));
        let from = self.removals.remove(index).at;
        self.removals_unknown = Some(match self.removals_unknown {
            None => Gap { from, to },
            Some(known) => {
                Gap { from: known.from.or_earlier(from), to: known.to.zip(to).map(|(known, to)| known.or_later(to)) }
            }
        });
    }

    /// True if a removal of the shard is stamped at or after `stamp`.
    pub(crate) fn ends_after(&self, shard: u32, stamp: i64) -> bool {
        self.removals.iter().any(|removal| removal.shard == shard && removal.at.1 >= stamp)
    }

    /// A shard goes on with a new timeline, first stamped `stamp`: what was removed of the old one was gone before,
    /// whenever the lake heard of it.
    pub(crate) fn end_before(&mut self, shard: u32, stamp: i64) {
        for removal in self.removals.iter_mut().filter(|removal| removal.shard == shard) {
            removal.at.1 = removal.at.1.min(stamp.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removal(shard: u32, at: u64) -> Removal {
        Removal { shard, upto: at - 1, at: Point(at, at as i64 * 10) }
    }

    fn full(shard_of: impl Fn(u32) -> u32) -> TablePast {
        let mut past = TablePast::default();
        for number in 0..REMOVALS_MAX as u32 {
            past.note_removal(removal(shard_of(number), u64::from(number) + 1));
        }
        assert_eq!((past.removals.len(), past.removals_unknown), (REMOVALS_MAX, None));
        past
    }

    #[test]
    fn at_the_bound_the_oldest_removal_with_a_later_one_is_let_go() {
        let mut past = full(|number| if number == 7 { 5 } else { number });
        past.note_removal(removal(9_999_999, 1 << 40));
        assert_eq!(past.removals.len(), REMOVALS_MAX);
        assert!(!past.removals.contains(&removal(5, 6)) && past.removals.contains(&removal(5, 8)));
        assert_eq!(past.removals_unknown, Some(Gap { from: Point(6, 60), to: Some(Point(8, 80)) }));
    }

    #[test]
    fn what_is_unknown_grows_to_hold_all_that_was_let_go() {
        let mut past = full(|number| number % 10);
        past.note_removal(removal(0, 1 << 40));
        past.note_removal(removal(1, 1 << 41));
        assert_eq!(past.removals_unknown, Some(Gap { from: Point(1, 10), to: Some(Point(12, 120)) }));
    }

    #[test]
    fn a_removal_that_nothing_makes_needless_is_missed_from_then_on() {
        let mut past = full(|number| number);
        past.note_removal(removal(9_999_999, 1 << 40));
        past.note_removal(removal(3, 1 << 41));
        assert_eq!(past.removals_unknown, Some(Gap { from: Point(1, 10), to: None }));
    }

    #[test]
    fn names_are_known_since_the_last_alteration_that_was_let_go() {
        let mut table = LakeTable::new(1, "default", "orders");
        for number in 0..=ALTERATIONS_MAX as u64 {
            let before = table.clone();
            table.key = vec![number as i32 + 10];
            assert!(TablePast::note_alterations(&before, &mut table, Point(number + 1, 5)));
        }
        assert_eq!(table.past.alterations.len(), ALTERATIONS_MAX);
        assert_eq!(table.past.names_since, Some(Point(1, 5)));
        let same = table.clone();
        assert!(!TablePast::note_alterations(&same, &mut table, Point(9_999, 9)));
    }

    #[test]
    fn a_new_timeline_begins_after_the_end_of_the_old_one() {
        let mut past = TablePast::default();
        past.note_removal(removal(1, 5));
        past.note_removal(removal(2, 6));
        assert!(past.ends_after(1, 45) && !past.ends_after(1, 51));
        past.end_before(1, 45);
        assert_eq!(past.removals.iter().map(|removal| removal.at.1).collect::<Vec<i64>>(), [44, 60]);
        assert!(!past.ends_after(1, 45));
    }
}
