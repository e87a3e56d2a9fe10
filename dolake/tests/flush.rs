//! What was accepted is in the tables, exactly once, whatever died on the way.

#![allow(clippy::unwrap_used)]

mod support;

use lake_cdc::{Column, ColumnId, ColumnType, Frame, Lsn, RefusalReason, ViewRequest};
use lake_dolake::{Connection, Lake, ViewAnswer};
use lake_host::{Died, alive, arm_fault, reached_faults};
use lake_test_host::{MemoryStorage, run};
use support::read::rows;
use support::shard::{Shard, column, found, model};
use support::{World, receive, send_all};

fn check(world: &World, shards: &[&Shard], table: &str) {
    assert_eq!(found(&rows(world, "default", table)), model(shards, table));
    let history = rows(world, "default", &format!("{table}_history"));
    let changes = shards.iter().map(|shard| shard.changes.get(table).copied().unwrap_or_default()).sum::<u64>();
    assert_eq!(history.len() as u64, changes);
    let mut positions = history.iter().map(|row| row["_position"].parse().unwrap()).collect::<Vec<u64>>();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len() as u64, changes, "no change is counted twice");
    assert_eq!(world.store.overwritten(), Vec::<String>::new());
}

#[test]
fn inserted_rows_are_in_both_tables() {
    let world = World::new(1);
    let lake = world.open();
    let shard = Shard::with_rows("default", 1, 0..100);
    send_all(&world, &lake, &shard);
    assert_eq!(world.flush(&lake).unwrap().commits, 1);
    check(&world, &[&shard], "orders");
    let notices = lake.take_notices();
    assert_eq!(notices[0].frame, Frame::Durable { lsn: Lsn::FIRST });
}

#[test]
fn updated_and_deleted_rows_leave_the_current_table() {
    let world = World::new(2);
    let lake = world.open();
    let mut shard = Shard::with_rows("default", 1, 0..50);
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    for id in 0..20 {
        shard.put("orders", id, (id % 2 == 0).then_some("changed"));
    }
    shard.put("orders", 99, Some("new"));
    shard.put("orders", 99, Some("new and changed"));
    shard.put("orders", 98, Some("short-lived"));
    shard.put("orders", 98, None);
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
    // Again, so that a delete file is replaced by one with more rows, and a file loses all of its rows.
    for id in 0..50 {
        shard.put("orders", id, (id % 3 == 0).then_some("again"));
    }
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn keys_that_collide_are_told_apart() {
    let world = World::new(3);
    let lake = Lake::open(world.storage.clone(), [7, 9]).unwrap().with_hash_mask(3);
    let mut shard = Shard::with_rows("default", 1, 0..40);
    let other = Shard::with_rows("other", 2, 0..40);
    send_all(&world, &lake, &shard);
    send_all(&world, &lake, &other);
    world.flush(&lake).unwrap();
    for id in 0..40 {
        shard.put("orders", id, (id % 4 != 0).then_some("changed"));
    }
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    check(&world, &[&shard, &other], "orders");
    assert!(lake.status().unwrap()["sinceWake"]["ambiguousKeys"].as_u64() > Some(0));
}

#[test]
fn many_flushes_merge_manifests_and_index_runs() {
    let world = World::new(4);
    let lake = world.open();
    let mut shard = Shard::with_rows("default", 1, 0..10);
    for round in 0..40 {
        shard.put("orders", round % 10, Some(&format!("round {round}")));
        shard.put("orders", 100 + round, Some("new"));
        shard.commit();
        send_all(&world, &lake, &shard);
        world.flush(&lake).unwrap();
    }
    check(&world, &[&shard], "orders");
    let status = lake.status().unwrap();
    assert!(status["tables"][0]["indexRuns"].as_u64() < Some(15), "{status}");
    let metadata = world.catalog.metadata("default", "orders").unwrap();
    let summary = metadata.current_snapshot().unwrap().summary();
    let total = |key: &str| summary.additional_properties[key].parse::<u64>().unwrap();
    assert_eq!(total("total-records") - total("total-position-deletes"), 50);
    assert_eq!(status["tables"][0]["rows"], "50");
    assert_eq!(summary.additional_properties["lake.position"], status["flushed"].as_str().unwrap());
}

#[test]
fn two_shards_feed_one_table_and_one_goes() {
    let world = World::new(5);
    let lake = world.open();
    let mut first = Shard::with_rows("a", 1, 0..30);
    let mut second = Shard::with_rows("b", 2, 0..30);
    send_all(&world, &lake, &first);
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    first.put("orders", 1, Some("changed"));
    first.commit();
    second.put("orders", 2, Some("changed"));
    second.commit();
    send_all(&world, &lake, &first);
    send_all(&world, &lake, &second);
    first.drop_table("orders");
    first.commit();
    send_all(&world, &lake, &first);
    world.flush(&lake).unwrap();
    check(&world, &[&first, &second], "orders");
    // The table comes back on the first shard with the same keys.
    first.create("orders");
    first.put("orders", 1, Some("second life"));
    first.put("orders", 2, Some("second life"));
    first.commit();
    send_all(&world, &lake, &first);
    world.flush(&lake).unwrap();
    first.put("orders", 1, None);
    first.put("orders", 2, Some("third"));
    first.commit();
    send_all(&world, &lake, &first);
    world.flush(&lake).unwrap();
    check(&world, &[&first, &second], "orders");
}

#[test]
fn a_deleted_database_loses_its_rows_and_its_successor_keeps_its_own() {
    let world = World::new(6);
    let lake = world.open();
    let mut first = Shard::with_rows("a", 1, 0..10);
    send_all(&world, &lake, &first);
    world.flush(&lake).unwrap();
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(first.hello()));
    let end = Frame::End { lsn: Some(Lsn::FIRST) };
    assert_eq!(receive(&world, &lake, &mut connection, &end).replies, [Frame::Ended]);
    assert_eq!(receive(&world, &lake, &mut connection, &end).replies, [Frame::Ended]);
    let refused = receive(&world, &lake, &mut Connection::default(), &Frame::Hello(first.hello()));
    assert!(matches!(refused.replies[0], Frame::Refused { reason: RefusalReason::Ended, .. }));
    let mut second = Shard::with_rows("a", 9, 5..15);
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    first.rows.clear();
    check(&world, &[&first, &second], "orders");
    second.put("orders", 7, None);
    second.commit();
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    check(&world, &[&first, &second], "orders");
}

#[test]
fn one_shard_migrates_and_the_other_does_not_yet() {
    let world = World::new(8);
    let lake = world.open();
    let mut first = Shard::with_rows("a", 1, 0..3);
    let second = Shard::with_rows("b", 2, 0..3);
    send_all(&world, &lake, &first);
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    let renamed = Column {
        id: ColumnId(2),
        name: "remark".into(),
        former_names: vec!["note".into()],
        column_type: ColumnType::Text,
        nullable: true,
    };
    first.relation("orders", vec![column(1, "id", ColumnType::Int8), renamed]);
    first.put("orders", 3, Some("new name"));
    first.commit();
    let mut late = second;
    late.put("orders", 3, Some("old name"));
    late.commit();
    send_all(&world, &lake, &first);
    send_all(&world, &lake, &late);
    world.flush(&lake).unwrap();
    let found = rows(&world, "default", "orders");
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|row| row.contains_key("remark") && !row.contains_key("note")), "{found:?}");
}

#[test]
fn a_contradiction_hurts_nobody_else() {
    let world = World::new(9);
    let lake = world.open();
    let first = Shard::with_rows("a", 1, 0..3);
    send_all(&world, &lake, &first);
    let mut second = Shard::new("b", 2);
    second.relation("orders", vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Int4)]);
    second.commit();
    second.create("orders");
    second.log.clear();
    let mut liar = Shard::new("b", 2);
    liar.relation("orders", vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Int4)]);
    liar.entry(lake_cdc::Entry::Change(lake_cdc::Change::Insert {
        table_id: liar.table_id("orders"),
        after: lake_cdc::Row(vec![lake_cdc::Value::Int8(1), lake_cdc::Value::Int4(5)]),
    }));
    liar.create("customers");
    liar.put("customers", 1, Some("fine"));
    liar.commit();
    send_all(&world, &lake, &liar);
    world.flush(&lake).unwrap();
    check(&world, &[&first], "orders");
    check(&world, &[&liar], "customers");
    let status = lake.status().unwrap();
    assert_eq!(status["deadLetters"], "1");
    assert!(status["shards"][1]["contradictions"][0]["reason"].as_str().unwrap().contains("note"), "{status}");
}

#[test]
fn resent_overlapping_and_gapped_batches() {
    let world = World::new(10);
    let lake = world.open();
    let mut shard = Shard::with_rows("default", 1, 0..3);
    for id in 3..8 {
        shard.put("orders", id, Some("x"));
        shard.commit();
    }
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let lsn = |value| Lsn::new(value).unwrap();
    let batch = |from: u64, to: u64| {
        let parts = (from..=to).flat_map(|number| match shard.frame(lsn(number)) {
            Frame::Changes(parts) => parts,
            other => panic!("{other:?}"),
        });
        Frame::Changes(parts.collect())
    };
    let mut answer = |frame: &Frame| receive(&world, &lake, &mut connection, frame).replies;
    assert_eq!(answer(&batch(1, 2)), [Frame::Accepted { lsn: lsn(2), delay_ms: 0 }]);
    assert_eq!(answer(&batch(1, 2)), [Frame::Accepted { lsn: lsn(2), delay_ms: 0 }]);
    assert_eq!(answer(&batch(4, 5)), [Frame::Gap { expected: lsn(3) }]);
    assert_eq!(answer(&batch(2, 4)), [Frame::Accepted { lsn: lsn(4), delay_ms: 0 }]);
    assert_eq!(answer(&batch(3, 6)), [Frame::Accepted { lsn: lsn(6), delay_ms: 0 }]);
    world.flush(&lake).unwrap();
    assert_eq!(rows(&world, "default", "orders_history").len(), 8);
}

#[test]
fn a_transaction_in_parts_is_admitted_with_the_last() {
    let world = World::new(11);
    let lake = world.open();
    let shard = Shard::with_rows("default", 1, 0..200);
    let bytes = shard.log[0].encode();
    let part = |index: usize| {
        let chunks = bytes.chunks(bytes.len() / 3 + 1).collect::<Vec<&[u8]>>();
        let part = lake_cdc::TransactionPart {
            lsn: Lsn::FIRST,
            part: index as u32,
            last: index + 1 == chunks.len(),
            bytes: chunks[index].to_vec(),
        };
        Frame::Changes(vec![part])
    };
    let mut connection = Connection::default();
    receive(&world, &lake, &mut connection, &Frame::Hello(shard.hello()));
    let mut answer = |index| receive(&world, &lake, &mut connection, &part(index)).replies;
    assert_eq!(answer(0), []);
    assert_eq!(answer(2), [Frame::Gap { expected: Lsn::FIRST }]);
    assert_eq!(answer(0), []);
    assert_eq!(answer(1), []);
    assert_eq!(answer(2), [Frame::Accepted { lsn: Lsn::FIRST, delay_ms: 0 }]);
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn a_notice_is_for_the_timeline_that_it_is_about() {
    let world = World::new(14);
    let lake = world.open();
    let (first, second) = (Shard::with_rows("a", 1, 0..3), Shard::with_rows("a", 2, 0..3));
    send_all(&world, &lake, &first);
    let mut ended = Connection::default();
    receive(&world, &lake, &mut ended, &Frame::Hello(first.hello()));
    world.flush(&lake).unwrap();
    let notices = lake.take_notices();
    assert!(ended.wants(&notices[0]));
    receive(&world, &lake, &mut ended, &Frame::End { lsn: Some(Lsn::FIRST) });
    let mut present = Connection::default();
    receive(&world, &lake, &mut present, &Frame::Hello(second.hello()));
    assert!(!present.wants(&notices[0]));
    assert!(!Connection::default().wants(&notices[0]));
}

#[test]
fn a_row_whose_deletion_became_a_dead_letter_does_not_come_twice() {
    let world = World::new(15);
    let lake = world.open();
    let first = Shard::with_rows("a", 1, 0..3);
    let mut second = Shard::with_rows("b", 2, 0..3);
    send_all(&world, &lake, &first);
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    second.relation("orders", vec![column(1, "id", ColumnType::Int8), column(2, "note", ColumnType::Int4)]);
    second.put("orders", 1, None);
    second.commit();
    second.create("orders");
    second.put("orders", 1, Some("again"));
    second.put("orders", 7, Some("new"));
    second.commit();
    send_all(&world, &lake, &second);
    world.flush(&lake).unwrap();
    let status = lake.status().unwrap();
    assert_eq!((&status["deadLetters"], &status["missingRows"]), (&"1".into(), &"0".into()), "{status}");
    assert_eq!(found(&rows(&world, "default", "orders")), model(&[&first, &second], "orders"));
}

#[test]
fn a_table_without_a_row_is_made_for_who_wants_to_read() {
    let world = World::new(19);
    let lake = world.open();
    let mut shard = Shard::new("default", 1);
    shard.create("orders");
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    for name in ["orders", "orders_history"] {
        let metadata = world.catalog.metadata("default", name).unwrap();
        assert_eq!((metadata.current_snapshot_id(), rows(&world, "default", name).len()), (None, 0), "{name}");
    }
    world.flush(&lake).unwrap();
    shard.put("orders", 1, Some("first"));
    shard.commit();
    send_all(&world, &lake, &shard);
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

/// A busy history: flushed, changed, with more in the tail.
fn busy(world: &World) -> (Lake<MemoryStorage>, Shard) {
    let lake = world.open();
    let mut shard = Shard::with_rows("default", 1, 0..30);
    send_all(world, &lake, &shard);
    world.flush(&lake).unwrap();
    for id in 0..10 {
        shard.put("orders", id, (id % 2 == 0).then_some("changed"));
    }
    shard.create("customers");
    shard.put("customers", 1, Some("new"));
    shard.commit();
    send_all(world, &lake, &shard);
    (lake, shard)
}

#[test]
fn a_lake_that_dies_anywhere_in_a_flush_loses_nothing() {
    let world = World::new(20);
    let (lake, _) = busy(&world);
    let before = reached_faults();
    world.flush(&lake).unwrap();
    let points = reached_faults().into_iter().filter(|(point, count)| before.get(point) != Some(count));
    let points: Vec<&str> = points.map(|(point, _)| point).collect();
    assert!(points.len() >= 16, "{points:?}");
    for point in points {
        let world = World::new(20);
        let (lake, mut shard) = busy(&world);
        arm_fault(point, 0);
        assert_eq!(alive(|| world.flush(&lake)).unwrap_err(), Died(point));
        drop(lake);
        let lake = world.open();
        // More comes in before the next flush settles the last one.
        shard.put("orders", 3, Some("after the crash"));
        shard.commit();
        send_all(&world, &lake, &shard);
        world.flush(&lake).unwrap_or_else(|error| panic!("{point}: {error}"));
        check(&world, &[&shard], "orders");
        check(&world, &[&shard], "customers");
    }
}

#[test]
fn storage_that_dies_at_any_write_loses_nothing_acknowledged() {
    for applies in 0..14 {
        let world = World::new(21);
        let (lake, shard) = busy(&world);
        world.storage.die_after_applies(applies);
        let died = world.flush(&lake).is_err();
        drop(lake);
        let lake = world.open();
        world.flush(&lake).unwrap_or_else(|error| panic!("{applies}: {error}"));
        check(&world, &[&shard], "orders");
        check(&world, &[&shard], "customers");
        if !died {
            return;
        }
    }
    panic!("a flush has fewer writes than this");
}

#[test]
fn an_object_store_that_fails_at_any_write_fails_the_flush_only() {
    for puts in 0..40 {
        let world = World::new(22);
        let (lake, shard) = busy(&world);
        world.store.fail_put_after(puts);
        let failed = world.flush(&lake).is_err();
        world.store.come_up();
        world.flush(&lake).unwrap_or_else(|error| panic!("{puts}: {error}"));
        check(&world, &[&shard], "orders");
        if !failed {
            return;
        }
    }
}

#[test]
fn a_lost_answer_of_the_catalog_is_settled() {
    let world = World::new(23);
    let (lake, shard) = busy(&world);
    world.catalog.lose_next_answer();
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn a_lost_request_to_the_catalog_is_planned_anew() {
    let world = World::new(24);
    let (lake, shard) = busy(&world);
    world.catalog.drop_next_request();
    assert!(world.flush(&lake).is_err());
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn a_lost_race_is_staged_again() {
    let world = World::new(25);
    let (lake, shard) = busy(&world);
    world.catalog.conflict(3);
    world.flush(&lake).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn an_older_instance_is_fenced() {
    let world = World::new(26);
    let (old, mut shard) = busy(&world);
    let new = world.open();
    world.flush(&new).unwrap();
    shard.put("orders", 1, Some("more"));
    shard.commit();
    send_all(&world, &new, &shard);
    world.flush(&new).unwrap();
    assert!(world.flush(&old).is_err());
    check(&world, &[&shard], "orders");
}

#[test]
fn a_closed_instance_writes_nothing_more() {
    let world = World::new(31);
    let (old, mut shard) = busy(&world);
    world.store.set_yields(1);
    let outcome = run(async {
        let flushing = old.flush(&world);
        let replacing = async {
            old.close();
            let new = world.open();
            shard.put("orders", 3, Some("accepted by the next instance"));
            shard.commit();
            send_all(&world, &new, &shard);
        };
        futures::future::join(flushing, replacing).await.0
    });
    assert!(outcome.is_err());
    assert!(old.receive(&mut Connection::default(), &Frame::Hello(Shard::new("x", 9).hello()).encode(), 0).is_err());
    world.flush(&world.open()).unwrap();
    check(&world, &[&shard], "orders");
}

#[test]
fn a_view_has_the_tail_and_the_snapshot_at_one_position() {
    let world = World::new(27);
    let (lake, shard) = busy(&world);
    let request = ViewRequest {
        tables: vec![("default".into(), "orders".into()), ("default".into(), "nothing".into())],
        after: Some(("default".into(), shard.log.last().unwrap().lsn)),
        snapshot_id: None,
        past: false,
        positions: Vec::new(),
    };
    let ViewAnswer::Ready(view) = lake.view(&request).unwrap() else { panic!("a view") };
    assert_eq!(view.tables.len(), 1);
    assert_eq!(view.tables[0].tail.len(), 10);
    assert_eq!(view.tables[0].flushed.0, 30);
    assert_eq!(view.position.0, 41);
    assert!(view.tables[0].metadata_location.is_some());
    assert_eq!(view.tables[0].fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["id", "note"]);
    world.flush(&lake).unwrap();
    let snapshot = world.catalog.metadata("default", "orders").unwrap().current_snapshot_id();
    let request = ViewRequest { snapshot_id: snapshot, ..request };
    let ViewAnswer::Ready(view) = lake.view(&request).unwrap() else { panic!("a view") };
    assert_eq!(view.tables[0].tail, []);
    assert_eq!(view.snapshot_position.map(|position| position.0), Some(41));
}

#[test]
fn a_view_waits_for_what_was_written() {
    let world = World::new(28);
    let (lake, mut shard) = busy(&world);
    shard.put("orders", 77, Some("later"));
    let lsn = shard.commit();
    let request = ViewRequest {
        tables: vec![("default".into(), "orders".into())],
        after: Some(("default".into(), lsn)),
        snapshot_id: None,
        past: false,
        positions: Vec::new(),
    };
    assert!(matches!(lake.view(&request).unwrap(), ViewAnswer::Behind(Some(_))));
    let answer = run(async {
        let waiting = lake.view_after(&request, std::future::pending());
        let sending = async { send_all(&world, &lake, &shard) };
        futures::future::join(waiting, sending).await.0
    });
    assert!(matches!(answer.unwrap(), ViewAnswer::Ready(_)));
    let request = ViewRequest { after: Some(("default".into(), lsn.next())), ..request };
    let timed_out = run(lake.view_after(&request, async {}));
    assert_eq!(timed_out.unwrap(), ViewAnswer::Behind(Some(lsn)));
}

#[test]
fn a_dropped_table_in_the_tail_is_flushed_before_a_view() {
    let world = World::new(29);
    let (lake, mut shard) = busy(&world);
    shard.drop_table("orders");
    shard.commit();
    send_all(&world, &lake, &shard);
    let request = ViewRequest {
        tables: vec![("default".into(), "orders".into())],
        after: None,
        snapshot_id: None,
        past: false,
        positions: Vec::new(),
    };
    assert_eq!(lake.view(&request).unwrap(), ViewAnswer::NeedsFlush);
    world.flush(&lake).unwrap();
    assert!(matches!(lake.view(&request).unwrap(), ViewAnswer::Ready(_)));
    assert_eq!(rows(&world, "default", "orders"), []);
}

#[test]
fn loads_that_arrive_together_share_commits() {
    let world = World::new(30);
    let (lake, shard) = busy(&world);
    world.store.set_yields(2);
    let before = world.catalog.commits();
    run(async {
        let flushes = (0..8).map(|_| lake.flush(&world));
        for flushed in futures::future::join_all(flushes).await {
            flushed.unwrap();
        }
    });
    assert_eq!(world.catalog.commits() - before, 1);
    check(&world, &[&shard], "orders");
}
