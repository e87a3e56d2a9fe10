//! A tail never waits for ever: somebody flushes it, or the alarm is set.

#![allow(clippy::unwrap_used)]

mod support;

use lake_dolake::Lake;
use lake_dolake::limits::{COMMIT_INTERVAL_MICROS, FLUSH_AGE_MICROS, FLUSH_BACKSTOP_MICROS, FLUSH_RETRY_MICROS};
use lake_host::{Clock, ShardStorage};
use lake_test_host::MemoryStorage;
use support::shard::Shard;
use support::{World, send_all};

/// When the alarm goes off, counted from now.
fn alarm_in(world: &World) -> Option<i64> {
    world.storage.alarm().unwrap().map(|at| at - world.clock.now_micros())
}

fn after_event(world: &World, lake: &Lake<MemoryStorage>) -> bool {
    lake.after_event(world.clock.now_micros()).unwrap()
}

/// A lake that has been sent something.
fn with_tail(world: &World) -> Lake<MemoryStorage> {
    let lake = world.open();
    send_all(world, &lake, &Shard::with_rows("default", 1, 0..10));
    lake
}

#[test]
fn an_empty_tail_needs_no_alarm() {
    let world = World::new(1);
    let lake = world.open();
    assert!(!after_event(&world, &lake));
    lake.after_flush(world.clock.now_micros()).unwrap();
    assert_eq!(alarm_in(&world), None);
}

#[test]
fn a_young_tail_waits_for_the_alarm() {
    let world = World::new(2);
    let lake = with_tail(&world);
    assert!(!after_event(&world, &lake));
    assert_eq!(alarm_in(&world), Some(FLUSH_AGE_MICROS));
    world.clock.advance_ms(FLUSH_AGE_MICROS / 1_000);
    assert!(world.storage.take_due_alarm(world.clock.now_micros()));
    assert!(after_event(&world, &lake));
}

#[test]
fn a_flush_that_dies_with_its_instance_is_looked_after() {
    let world = World::new(3);
    let lake = with_tail(&world);
    world.clock.advance_ms(FLUSH_AGE_MICROS / 1_000);
    assert!(world.storage.take_due_alarm(world.clock.now_micros()));
    assert!(after_event(&world, &lake));
    drop(lake);
    assert_eq!(alarm_in(&world), Some(FLUSH_BACKSTOP_MICROS));
    world.clock.advance_ms(FLUSH_BACKSTOP_MICROS / 1_000);
    assert!(world.storage.take_due_alarm(world.clock.now_micros()));
    assert!(after_event(&world, &world.open()));
}

#[test]
fn a_second_flush_is_not_started_beside_one_under_way() {
    let world = World::new(4);
    let lake = with_tail(&world);
    world.clock.advance_ms(FLUSH_AGE_MICROS / 1_000);
    assert!(!lake.is_flushing());
    {
        let mut flush = std::pin::pin!(lake.flush(&world));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while flush.as_mut().poll(&mut context).is_pending() {
            assert!(lake.is_flushing() && !after_event(&world, &lake));
        }
    }
    assert!(!lake.is_flushing());
}

#[test]
fn what_came_in_during_a_flush_gets_an_alarm_at_its_end() {
    let world = World::new(5);
    let lake = with_tail(&world);
    assert!(!after_event(&world, &lake));
    world.flush(&lake).unwrap();
    assert!(world.storage.take_due_alarm(i64::MAX));
    let mut shard = Shard::with_rows("default", 1, 0..10);
    shard.put("orders", 1, Some("later"));
    shard.commit();
    send_all(&world, &lake, &shard);
    world.storage.take_due_alarm(i64::MAX);
    lake.after_flush(world.clock.now_micros()).unwrap();
    assert_eq!(alarm_in(&world), Some(FLUSH_AGE_MICROS));
}

#[test]
fn a_failed_flush_is_tried_again_but_not_at_once() {
    let world = World::new(6);
    let lake = with_tail(&world);
    world.store.fail_put_after(0);
    world.flush(&lake).unwrap_err();
    world.clock.advance_ms(FLUSH_AGE_MICROS / 1_000 - 1);
    world.storage.take_due_alarm(i64::MAX);
    let now = world.clock.now_micros();
    lake.after_flush(now).unwrap();
    assert_eq!(alarm_in(&world), Some(1_000), "the oldest row's age is later than the next try");

    world.clock.advance_ms(1);
    world.store.fail_put_after(0);
    world.flush(&lake).unwrap_err();
    world.storage.take_due_alarm(i64::MAX);
    lake.after_flush(world.clock.now_micros()).unwrap();
    assert_eq!(alarm_in(&world), Some(FLUSH_RETRY_MICROS + COMMIT_INTERVAL_MICROS));
    assert!(!after_event(&world, &lake));
}
