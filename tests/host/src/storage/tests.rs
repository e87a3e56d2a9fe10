use super::*;
use crate::contract;

fn one_row(key: &str) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(key, "value");
    batch
}

#[test]
fn memory_obeys_the_contract_of_storage() {
    let storage = MemoryStorage::new();
    contract::assert_all(contract::check_storage(|| storage.clone()));
}

#[test]
fn a_failed_apply_changes_nothing_and_fails_once() {
    let storage = MemoryStorage::new();
    storage.fail_next_apply();
    assert!(matches!(storage.apply(&one_row("a")), Err(StorageError::Failed(_))));
    assert_eq!(storage.rows(), []);
    assert_eq!(storage.apply(&one_row("a")), Ok(()));
}

#[test]
fn a_lost_answer_is_a_failure_that_took_effect() {
    let storage = MemoryStorage::new();
    storage.lose_next_apply_answer();
    assert!(matches!(storage.apply(&one_row("a")), Err(StorageError::Failed(_))));
    assert_eq!(storage.get(b"a"), Ok(Some(b"value".to_vec())));
}

#[test]
fn a_dead_object_answers_nothing_until_it_is_revived() {
    let storage = MemoryStorage::new();
    storage.die_after_applies(1);
    assert_eq!(storage.apply(&one_row("a")), Ok(()));
    assert!(storage.apply(&one_row("b")).is_err());
    assert!(storage.get(b"a").is_err());
    storage.revive();
    assert_eq!(storage.keys(b""), [b"a".to_vec()]);
}

#[test]
fn a_full_storage_refuses_puts_and_still_reads_and_removes() {
    let storage = MemoryStorage::new();
    storage.apply(&one_row("a")).expect("there is room");
    storage.fill_up();
    assert_eq!(storage.apply(&one_row("b")), Err(StorageError::Full));
    assert_eq!(storage.get(b"a"), Ok(Some(b"value".to_vec())));
    let mut removal = WriteBatch::new();
    removal.delete("a");
    assert_eq!(storage.apply(&removal), Ok(()));
}

#[test]
fn a_capacity_counts_keys_and_values() {
    let storage = MemoryStorage::new();
    storage.set_capacity_bytes(6);
    assert_eq!(storage.apply(&one_row("a")), Ok(()));
    assert_eq!(storage.size_bytes(), Ok(6));
    assert_eq!(storage.apply(&one_row("b")), Err(StorageError::Full));
}

#[test]
fn rows_are_counted_as_they_are_billed() {
    let storage = MemoryStorage::new();
    let mut batch = one_row("a");
    batch.put("b", "").delete("none").delete_range(KeyRange::prefix(b"a"));
    batch.alarm = Some(AlarmChange::Set(5));
    storage.apply(&batch).expect("it fits");
    assert_eq!((storage.counts().applies, storage.counts().rows_written), (1, 4));
}

#[test]
fn an_alarm_is_taken_once_when_it_is_due() {
    let storage = MemoryStorage::new();
    let batch = WriteBatch { alarm: Some(AlarmChange::Set(5)), ..WriteBatch::new() };
    storage.apply(&batch).expect("it fits");
    assert!(!storage.take_due_alarm(4));
    assert!(storage.take_due_alarm(5));
    assert!(!storage.take_due_alarm(9));
}

#[test]
fn what_happens_to_a_fork_leaves_the_original_alone() {
    let storage = MemoryStorage::new();
    let fork = storage.fork();
    fork.apply(&one_row("a")).expect("there is room");
    assert_eq!((storage.rows().len(), fork.rows().len()), (0, 1));
}

#[test]
fn an_instance_left_behind_reads_what_was_and_writes_nothing() {
    let storage = MemoryStorage::new();
    let old = storage.instance();
    let mut batch = WriteBatch::new();
    batch.put(b"a".to_vec(), b"1".to_vec());
    old.apply(&batch).expect("its own object's storage");
    old.leave_behind();
    let mut batch = WriteBatch::new();
    batch.put(b"a".to_vec(), b"2".to_vec());
    assert!(old.clone().apply(&batch).is_err());
    storage.apply(&batch).expect("the object goes on");
    assert_eq!(old.get(b"a"), Ok(Some(b"1".to_vec())));
    assert_eq!(storage.instance().get(b"a"), Ok(Some(b"2".to_vec())));
}
