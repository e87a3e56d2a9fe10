//! Storage that breaks one rule each: the suite has to name that rule.

use lake_host::{AlarmChange, KeyRange, ShardStorage, StorageError, WriteBatch, WriteOperation};

use super::check_storage;
use crate::MemoryStorage;

#[derive(Clone, Copy, PartialEq)]
enum Breach {
    AppliesByHalves,
    ForgetsTheAlarm,
    IgnoresLimits,
    IncludesTheEnd,
    RemovesLast,
}

#[derive(Clone)]
struct Broken {
    memory: MemoryStorage,
    breach: Breach,
}

impl ShardStorage for Broken {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(key)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError> {
        match self.breach {
            Breach::IgnoresLimits => self.memory.scan(range, usize::MAX),
            Breach::IncludesTheEnd => {
                let end = range.end.clone().map(|end| [end, vec![0]].concat());
                self.memory.scan(&KeyRange { start: range.start.clone(), end }, limit)
            }
            _ => self.memory.scan(range, limit),
        }
    }

    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        self.memory.last(range)
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        let mut batch = batch.clone();
        match self.breach {
            Breach::AppliesByHalves => {
                for operation in std::mem::take(&mut batch.operations) {
                    self.memory.apply(&WriteBatch { operations: vec![operation], alarm: None })?;
                }
            }
            Breach::ForgetsTheAlarm if batch.alarm != Some(AlarmChange::Clear) => batch.alarm = None,
            Breach::RemovesLast => {
                batch.operations.sort_by_key(|operation| !matches!(operation, WriteOperation::Put(..)));
            }
            _ => {}
        }
        self.memory.apply(&batch)
    }

    fn alarm(&self) -> Result<Option<i64>, StorageError> {
        self.memory.alarm()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.memory.size_bytes()
    }
}

fn check(breach: Breach, rules: &[&str]) {
    let broken = Broken { memory: MemoryStorage::new(), breach };
    let cases = check_storage(|| broken.clone());
    let found: Vec<_> = cases.iter().filter(|case| case.outcome.is_err()).map(|case| case.name).collect();
    assert_eq!(found, rules);
}

#[test]
fn a_batch_by_halves_is_found() {
    check(Breach::AppliesByHalves, &["a batch with a row that cannot be stored changes nothing"]);
}

#[test]
fn a_forgotten_alarm_is_found() {
    check(Breach::ForgetsTheAlarm, &["an alarm is set, moved and cleared", "no later than keeps the earlier alarm"]);
}

#[test]
fn an_ignored_limit_is_found() {
    check(Breach::IgnoresLimits, &["a scan stops at its limit"]);
}

#[test]
fn an_end_that_is_included_is_found() {
    check(
        Breach::IncludesTheEnd,
        &["a range includes its start and not its end", "a range that ends where it starts is empty"],
    );
}

#[test]
fn operations_out_of_order_are_found() {
    check(Breach::RemovesLast, &["operations take effect in order"]);
}
