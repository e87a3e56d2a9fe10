//! The keys of everything stored.

use lake_cdc::Lsn;
use lake_host::KeyRange;

/// Which history pages and log belong to. Only `MAIN` exists so far; a branch will be another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BranchId(pub(crate) u32);

impl BranchId {
    /// The history a database begins with.
    pub(crate) const MAIN: BranchId = BranchId(0);
}

/// The format row.
pub(crate) fn format() -> Vec<u8> {
    b"f".to_vec()
}

/// The facts of the database.
pub(crate) fn shard_meta() -> Vec<u8> {
    b"m".to_vec()
}

/// Where the page images of a branch stand.
pub(crate) fn base(branch: BranchId) -> Vec<u8> {
    numbered(b'b', branch)
}

/// One row of the log.
pub(crate) fn log(branch: BranchId, lsn: Lsn, part: u32) -> Vec<u8> {
    let mut key = numbered(b'l', branch);
    key.extend_from_slice(&lsn.get().to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// Lsn and part of a log key.
pub(crate) fn read_log(key: &[u8]) -> Option<(Lsn, u32)> {
    let (head, part) = key.split_last_chunk::<4>()?;
    let (_, lsn) = head.split_last_chunk::<8>()?;
    Some((Lsn::new(u64::from_be_bytes(*lsn))?, u32::from_be_bytes(*part)))
}

/// Rows of the log from `from` on.
pub(crate) fn log_from(branch: BranchId, from: Lsn) -> KeyRange {
    KeyRange { start: log(branch, from, 0), end: KeyRange::prefix(&numbered(b'l', branch)).end }
}

/// Rows of the log up to and with `last`.
pub(crate) fn log_through(branch: BranchId, last: Lsn) -> KeyRange {
    KeyRange { start: numbered(b'l', branch), end: Some(log(branch, last.next(), 0)) }
}

/// The image of a page as of `lsn`.
pub(crate) fn page_image(branch: BranchId, number: u32, lsn: Lsn) -> Vec<u8> {
    let mut key = page(branch, number);
    key.extend_from_slice(&lsn.get().to_be_bytes());
    key
}

/// Images of a page made before `lsn`.
pub(crate) fn page_images_before(branch: BranchId, number: u32, lsn: Lsn) -> KeyRange {
    KeyRange { start: page(branch, number), end: Some(page_image(branch, number, lsn)) }
}

/// All images of the pages `first` to `last`.
pub(crate) fn page_images(branch: BranchId, first: u32, last: u32) -> KeyRange {
    KeyRange { start: page(branch, first), end: Some(page(branch, last.saturating_add(1))) }
}

fn page(branch: BranchId, number: u32) -> Vec<u8> {
    let mut key = numbered(b'p', branch);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// A remembered `Idempotency-Key`.
pub(crate) fn idempotency(key: &str) -> Vec<u8> {
    [b"i", key.as_bytes()].concat()
}

/// All remembered keys.
pub(crate) fn idempotency_all() -> KeyRange {
    KeyRange::prefix(b"i")
}

/// Where the times of a deleted database ended.
pub(crate) fn last_stamp() -> Vec<u8> {
    b"s".to_vec()
}

/// Everything.
pub(crate) fn everything() -> KeyRange {
    KeyRange { start: Vec::new(), end: None }
}

fn numbered(kind: u8, branch: BranchId) -> Vec<u8> {
    let mut key = Vec::with_capacity(20);
    key.push(kind);
    key.extend_from_slice(&branch.0.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_keys_are_in_the_order_of_transactions_and_parts() {
        let lsn = |value| Lsn::new(value).expect("not zero");
        assert!(log(BranchId::MAIN, lsn(255), 9) < log(BranchId::MAIN, lsn(256), 0));
        assert!(log_through(BranchId::MAIN, lsn(3)).contains(&log(BranchId::MAIN, lsn(3), u32::MAX)));
        assert!(!log_through(BranchId::MAIN, lsn(3)).contains(&log(BranchId::MAIN, lsn(4), 0)));
        assert!(!log_from(BranchId::MAIN, lsn(3)).contains(&log(BranchId(1), lsn(9), 0)));
        assert_eq!(read_log(&log(BranchId::MAIN, lsn(7), 2)), Some((lsn(7), 2)));
    }

    #[test]
    fn a_run_of_pages_has_all_their_images_and_no_others() {
        let lsn = |value| Lsn::new(value).expect("not zero");
        let range = page_images(BranchId::MAIN, 5, 7);
        for (page, is_in) in [(4, false), (5, true), (6, true), (7, true), (8, false)] {
            assert_eq!(range.contains(&page_image(BranchId::MAIN, page, lsn(u64::MAX))), is_in, "{page}");
        }
        assert!(!range.contains(&page_image(BranchId(1), 6, lsn(1))));
    }

    #[test]
    fn the_images_of_a_page_before_an_lsn_leave_out_that_lsn_and_other_pages() {
        let lsn = |value| Lsn::new(value).expect("not zero");
        let range = page_images_before(BranchId::MAIN, 7, lsn(5));
        assert!(range.contains(&page_image(BranchId::MAIN, 7, lsn(4))));
        assert!(!range.contains(&page_image(BranchId::MAIN, 7, lsn(5))));
        assert!(!range.contains(&page_image(BranchId::MAIN, 6, lsn(4))));
    }
}
