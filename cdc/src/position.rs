//! The three kinds of position: in a shard's log, in the lake, in time.
//!
//! They are types of their own because mixing them up loses or doubles rows.

use std::fmt;
use std::num::NonZeroU64;

/// Position of one committed transaction in one shard's log (timeline).
///
/// Starts at 1, has no holes, is never reused, and cannot be compared across timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(NonZeroU64);

impl Lsn {
    /// The first transaction of a timeline.
    pub const FIRST: Lsn = Lsn(NonZeroU64::MIN);

    /// `None` for zero.
    pub fn new(value: u64) -> Option<Lsn> {
        NonZeroU64::new(value).map(Lsn)
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The position after this one. Saturates at `u64::MAX`, which no shard reaches.
    pub fn next(self) -> Lsn {
        Lsn(self.0.saturating_add(1))
    }

    /// The position before this one, `None` for the first.
    pub fn previous(self) -> Option<Lsn> {
        Lsn::new(self.get() - 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Position of one row change in the lake, or of a transaction that changes no row and yet what is seen (a table dropped, a
/// column renamed): a total order over all shards. Zero is "before everything".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LakePosition(pub u64);

impl LakePosition {
    /// Before the first change.
    pub const ZERO: LakePosition = LakePosition(0);

    /// The position `count` changes later.
    pub fn plus(self, count: u64) -> LakePosition {
        LakePosition(self.0.saturating_add(count))
    }
}

impl fmt::Display for LakePosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// Identity of one history of a database: random, made with the database, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimelineId(pub [u8; 16]);

impl TimelineId {
    /// Reads the 32 hexadecimal digits that `Display` prints.
    pub fn parse(text: &str) -> Option<TimelineId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| TimelineId(number.to_be_bytes()))
    }
}

impl fmt::Display for TimelineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TimelineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsn_is_never_zero() {
        assert_eq!(Lsn::new(0), None);
        assert_eq!(Lsn::FIRST.previous(), None);
        assert_eq!(Lsn::FIRST.next().previous(), Some(Lsn::FIRST));
    }

    #[test]
    fn a_timeline_id_reads_what_it_prints_and_nothing_else() {
        let id = TimelineId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(TimelineId::parse(&id.to_string()), Some(id));
        assert_eq!(TimelineId::parse("+0102030405060708090a0b0c0d0e0ff"), None);
        assert_eq!(TimelineId::parse("00"), None);
    }
}
