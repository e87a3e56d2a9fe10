use super::*;
use crate::{Simulation, contract, run};

fn put(store: &MemoryObjectStore, key: &str) -> Result<PutOutcome, ObjectStoreError> {
    run(store.put(key, b"bytes".to_vec(), PutCondition::Always))
}

#[test]
fn memory_obeys_the_contract_of_an_object_store() {
    let store = MemoryObjectStore::new();
    contract::assert_all(run(contract::check_object_store(&store)));
}

#[test]
fn the_contract_holds_with_pauses_in_between() {
    let store = MemoryObjectStore::new();
    store.set_yields(2);
    contract::assert_all(run(contract::check_object_store(&store)));
}

#[test]
fn a_failed_put_changes_nothing_and_fails_once() {
    let store = MemoryObjectStore::new();
    store.fail_next_put();
    assert!(put(&store, "a").is_err());
    assert_eq!(store.keys(), Vec::<String>::new());
    assert!(matches!(put(&store, "a"), Ok(PutOutcome::Written(_))));
}

#[test]
fn a_lost_response_is_a_failure_that_took_effect() {
    let store = MemoryObjectStore::new();
    store.lose_next_response();
    assert!(put(&store, "a").is_err());
    assert_eq!(store.bytes("a"), Some(b"bytes".to_vec()));
}

#[test]
fn a_store_that_goes_down_answers_nothing_until_it_comes_up() {
    let store = MemoryObjectStore::new();
    store.go_down_after_puts(1);
    assert!(put(&store, "a").is_ok());
    assert!(put(&store, "b").is_err());
    assert!(run(store.head("a")).is_err());
    store.come_up();
    assert!(matches!(run(store.head("a")), Ok(Some(_))));
}

#[test]
fn requests_are_counted_by_the_class_that_bills_them() {
    let store = MemoryObjectStore::new();
    put(&store, "a").expect("up");
    run(store.put("a", Vec::new(), PutCondition::Absent)).expect("up");
    run(store.list("", None, 10)).expect("up");
    run(store.get("a", ByteRange::Suffix { length: 2 })).expect("up");
    run(store.head("a")).expect("up");
    run(store.delete("a")).expect("up");
    let expected = ObjectCounts { class_a: 3, class_b: 2, deletes: 1, bytes_read: 2, bytes_written: 5 };
    assert_eq!(store.counts(), expected);
}

#[test]
fn an_object_put_over_another_is_noted() {
    let store = MemoryObjectStore::new();
    put(&store, "a").expect("up");
    assert_eq!(store.overwritten(), Vec::<String>::new());
    put(&store, "a").expect("up");
    assert_eq!(store.overwritten(), ["a"]);
}

#[test]
fn an_observer_comes_before_the_effect_and_may_use_the_store() {
    let store = MemoryObjectStore::new();
    let other = store.clone();
    store.on_await(move |operation| {
        if *operation == ObjectOperation::Put("a".to_owned()) {
            other.place("a", b"first");
        }
    });
    let outcome = run(store.put("a", b"second".to_vec(), PutCondition::Absent));
    assert_eq!(outcome, Ok(PutOutcome::ConditionFailed));
}

#[test]
fn a_put_that_is_delivered_twice_can_undo_what_came_in_between() {
    let store = MemoryObjectStore::new();
    store.repeat_put_after(0, 2);
    let put = |key: &str, bytes: &[u8], condition| run(store.put(key, bytes.to_vec(), condition)).expect("up");
    put("hint", b"1", PutCondition::Always);
    put("hint", b"2", PutCondition::Always);
    assert_eq!(store.bytes("hint"), Some(b"2".to_vec()));
    run(store.head("hint")).expect("up");
    assert_eq!(store.bytes("hint"), Some(b"1".to_vec()));

    store.repeat_put_after(0, 1);
    put("once", b"1", PutCondition::Absent);
    store.lose("once");
    put("once", b"2", PutCondition::Always);
    assert_eq!(store.bytes("once"), Some(b"2".to_vec()));
}

#[test]
fn pauses_let_other_tasks_of_a_simulation_in() {
    let store = MemoryObjectStore::new();
    store.set_yields(1);
    let simulation = Simulation::new(3);
    for name in ["left", "right"] {
        let store = store.clone();
        simulation.spawn(name, async move {
            store.put(name, Vec::new(), PutCondition::Always).await.expect("up");
        });
    }
    assert_eq!(simulation.run_until_idle(100), 6);
    assert_eq!(store.keys(), ["left", "right"]);
}

#[test]
fn a_dumped_store_loads_again() {
    let store = MemoryObjectStore::new();
    store.place("warehouse/default/orders/metadata/v1.json", b"{}");
    store.place("warehouse/default/orders/data/1.parquet", b"PAR1");
    let directory = std::env::temp_dir().join(format!("lake-test-host-{}", std::process::id()));
    store.dump(&directory).expect("a writable temporary folder");
    let loaded = MemoryObjectStore::new();
    loaded.load(&directory).expect("what was written");
    std::fs::remove_dir_all(&directory).expect("what was written");
    assert_eq!(loaded.keys(), store.keys());
    assert_eq!(loaded.bytes("warehouse/default/orders/data/1.parquet"), Some(b"PAR1".to_vec()));
}
