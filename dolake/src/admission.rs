//! A shard resends a batch until it sees an answer, so every batch can arrive more than once: after a lost answer, after
//! this object was evicted, after the socket broke. Admission makes that harmless, and it is the only place that does.

use lake_cdc::Lsn;
use lake_host::planted;

use crate::state::Pending;

/// What to do with a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Keep it until its transaction is complete.
    Fresh,
    /// Nothing: the lake holds its transaction.
    Duplicate,
    /// Refuse, and have the shard resend from `expected`.
    Gap {
        /// The first transaction that is missing.
        expected: Lsn,
    },
}

/// Compares a part with `expected`, the first transaction that is missing, and the parts of it that are here.
pub(crate) fn admit(expected: Lsn, pending: &Pending, lsn: Lsn, part: u32) -> Admission {
    let expected = if planted!("admission: one too low") { expected.previous().unwrap_or(expected) } else { expected };
    if lsn < expected {
        return Admission::Duplicate;
    }
    let next_part = if pending.lsn == Some(lsn) { pending.next_part } else { 0 };
    // Part 0 begins the transaction again, whatever came of it before.
    if lsn > expected || (part != 0 && part != next_part) {
        return Admission::Gap { expected };
    }
    Admission::Fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsn(value: u64) -> Lsn {
        Lsn::new(value).unwrap()
    }

    /// The lake waits for transaction 4 and has two parts of it.
    fn check(transaction: u64, part: u32, expected: Admission) {
        let pending = Pending { lsn: Some(lsn(4)), next_part: 2, bytes: vec![0; 9] };
        assert_eq!(admit(lsn(4), &pending, lsn(transaction), part), expected);
    }

    #[test]
    fn the_next_part_is_fresh() {
        check(4, 2, Admission::Fresh);
    }

    #[test]
    fn the_first_part_begins_again() {
        check(4, 0, Admission::Fresh);
    }

    #[test]
    fn an_earlier_transaction_is_a_duplicate() {
        check(3, 0, Admission::Duplicate);
        check(1, 7, Admission::Duplicate);
    }

    #[test]
    fn a_hole_between_transactions_is_a_gap() {
        check(5, 0, Admission::Gap { expected: lsn(4) });
    }

    #[test]
    fn a_hole_between_parts_is_a_gap() {
        check(4, 1, Admission::Gap { expected: lsn(4) });
        check(4, 3, Admission::Gap { expected: lsn(4) });
    }
}
