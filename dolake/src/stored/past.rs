//! What history does not tell of a table's past: removed rows, and what its columns were called. Part of the table's fact.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{LakeTable, Shape};
use crate::limits::{ALTERATION_BYTES_MAX, ALTERATIONS_MAX, REMOVALS_MAX};

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

impl Before {
    fn field(&self) -> Option<i32> {
        match self {
            Before::Absent(id) | Before::Named(id, _) => Some(*id),
            Before::Key(_) => None,
        }
    }
}

impl Alteration {
    /// Bytes in the table's fact.
    fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len() + 1)
    }
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
    ///
    /// A field ends when the last shard lets go of it, by the shards' stamps: not when the lake hears of that.
    pub(crate) fn note_alterations(before: &LakeTable, after: &mut LakeTable, at: Point) -> bool {
        let mut found = Vec::new();
        for field in &after.fields {
            let end = Point(at.0, field.released.map_or(at.1, |released| released.max(at.1)));
            match before.field(field.id) {
                None => found.push(Alteration { at, before: Before::Absent(field.id) }),
                Some(old) if old.dropped => {}
                Some(old) if old.name != field.name || field.dropped => {
                    let at = if field.dropped { end } else { at };
                    found.push(Alteration { at, before: Before::Named(field.id, old.name.clone()) });
                }
                Some(_) => {}
            }
        }
        if before.key != after.key {
            found.push(Alteration { at, before: Before::Key(before.key.clone()) });
        }
        let is_altered = !found.is_empty();
        if is_altered {
            after.past.alterations.extend(found);
            after.past.forget_alterations();
        }
        is_altered
    }

    /// Bytes of the alterations in memory, about.
    pub(crate) fn alteration_bytes(&self) -> usize {
        let of_names = |alteration: &Alteration| match &alteration.before {
            Before::Absent(_) => 0,
            Before::Named(_, name) => name.len(),
            Before::Key(fields) => size_of_val(&**fields),
        };
        size_of_val(&*self.alterations) + self.alterations.iter().map(of_names).sum::<usize>()
    }

    /// Keeps the latest alterations that are within both bounds.
    fn forget_alterations(&mut self) {
        let (mut kept, mut bytes) = (0, 0);
        for alteration in self.alterations.iter().rev().take(ALTERATIONS_MAX) {
            bytes = alteration.size().saturating_add(bytes);
            if bytes > ALTERATION_BYTES_MAX {
                break;
            }
            kept += 1;
        }
        for gone in self.alterations.drain(..self.alterations.len() - kept) {
            self.names_since = Some(self.names_since.map_or(gone.at, |since| since.or_later(gone.at)));
        }
    }

    /// A shard's rows have `shape` from `stamp` on, and had `previous` before, if they were there. The table, its fields
    /// and their names began with the first shard that had them, by the shards' stamps: not with the first that the lake
    /// heard of.
    pub(crate) fn note_user(table: &mut LakeTable, shape: &Shape, previous: Option<&Shape>, stamp: i64) {
        let (fields, past) = (&table.fields, &mut table.past);
        if previous.is_none()
            && let Some(created) = &mut past.created
        {
            created.1 = created.1.min(stamp);
        }
        for column in &shape.fields {
            let had = previous.and_then(|shape| shape.fields.iter().find(|had| had.field_id == column.field_id));
            if had.is_some_and(|had| had.name == column.name) {
                continue;
            }
            let of_field = |alteration: &&mut Alteration| alteration.before.field() == Some(column.field_id);
            let mut alterations = past.alterations.iter_mut().filter(of_field);
            let Some(had) = had else {
                if let Some(began) = alterations.find(|alteration| matches!(alteration.before, Before::Absent(_))) {
                    began.at.1 = began.at.1.min(stamp);
                }
                continue;
            };
            let is_present = fields.iter().any(|field| field.id == column.field_id && field.name == column.name);
            if let Some(renamed) = alterations.next_back()
                && is_present
                && matches!(&renamed.before, Before::Named(_, name) if *name == had.name)
            {
                // Not before what came before it.
                let least = alterations.next_back().map_or(i64::MIN, |earlier| earlier.at.1);
                renamed.at.1 = renamed.at.1.min(stamp.max(least));
            }
        }
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
    use crate::limits::FIELD_BYTES_MAX;
    use crate::stored::Field;
    use lake_cdc::ColumnType;
    use lake_host::ROW_BYTES_MAX;

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

    /// Fields in `count`, with names as long as they get in a stored row.
    fn with_fields(count: i32) -> LakeTable {
        let mut table = LakeTable::new(1, "default", "orders");
        table.fields = (0..count)
            .map(|number| Field {
                id: 1_000 + number,
                element_id: None,
                name: format!("{number:04}{}", "\u{1}".repeat(59)),
                former: Vec::new(),
                column_type: ColumnType::Text,
                required: true,
                users: 1,
                released: Some(i64::MIN),
                dropped: false,
            })
            .collect();
        table
    }

    #[test]
    fn keys_and_names_of_many_bytes_are_let_go_of_before_the_row_is_too_large() {
        let mut table = with_fields(500);
        for number in 0..300u64 {
            let before = table.clone();
            table.key = (0..500).map(|index| 1_000 + (index + number as i32) % 500).collect();
            table.fields.iter_mut().take(2).for_each(|field| field.name.replace_range(..4, &format!("{number:04}")));
            assert!(TablePast::note_alterations(&before, &mut table, Point(number + 1, 5)));
        }
        let bytes = serde_json::to_vec(&table.past.alterations).unwrap().len();
        assert!((ALTERATION_BYTES_MAX - 4_000..ALTERATION_BYTES_MAX + 2).contains(&bytes), "{bytes}");
        let oldest = table.past.alterations[0].at;
        assert!(oldest.0 > 100 && table.past.names_since.is_some_and(|since| oldest.0 - since.0 <= 1), "{oldest:?}");
    }

    #[test]
    fn the_largest_table_fits_a_row() {
        let mut table = with_fields(500);
        table.key = (1_000..1_500).collect();
        let room = FIELD_BYTES_MAX - serde_json::to_vec(&table.fields).unwrap().len();
        table.fields[0].former.push("x".repeat(room - 2));
        let before = table.clone();
        table.fields.iter_mut().for_each(|field| field.dropped = true);
        for _ in 0..3 {
            assert!(TablePast::note_alterations(&before, &mut table, Point(u64::MAX, i64::MIN)));
        }
        for number in 0..=REMOVALS_MAX as u32 {
            let at = Point(u64::MAX, i64::MIN);
            table.past.note_removal(Removal { shard: u32::MAX - number, upto: u64::MAX, at });
        }
        assert!(table.past.names_since.is_some() && table.past.removals_unknown.is_some());
        let row = crate::stored::seal_json("table", &table).unwrap();
        assert!((1_700_000..ROW_BYTES_MAX - 50_000).contains(&row.len()), "{}", row.len());
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
