//! The files of a dropped view stay for a week, in which it can be registered again, and are gone then.

use futures::FutureExt;
use lake_host::{Died, alive, arm_fault, disarm_faults};

use super::tables::EVENTS;
use super::views::make;
use super::*;
use crate::limits::{DROPPED_SECONDS, DROPPED_VIEWS_MAX, PURGE_PAUSE_MICROS, PURGE_RETRY_MICROS};
use crate::storage::dropped_view::{self, DroppedView};
use lake_host::WriteBatch;

const VIEW: &str = "/v1/namespaces/default/views/v";
const WEEK: i64 = DROPPED_SECONDS * 1_000_000;

impl World {
    fn view_files(&self) -> usize {
        self.store.keys().iter().filter(|key| key.contains(".view-")).count()
    }

    fn step(&self, now: i64) {
        run(self.catalog.purge_step(&self.store, now)).unwrap();
    }
}

/// A view of two metadata files that was dropped; its metadata's location.
fn dropped() -> (World, String) {
    let world = world();
    make(&world);
    world.posted(VIEW, &json!({"updates": [{"action": "set-properties", "updates": {"a": "1"}}]}));
    let location = world.get(VIEW)["metadata-location"].as_str().unwrap().to_owned();
    world.check("all", "DELETE", VIEW, 204);
    (world, location)
}

fn register(location: &str) -> Value {
    json!({"name": "again", "metadata-location": location})
}

#[test]
fn the_files_of_a_dropped_view_are_removed_after_a_week_and_not_before() {
    let (world, location) = dropped();
    assert_eq!((world.view_files(), world.catalog.storage.alarm()), (2, Ok(Some(NOW + WEEK))));
    world.step(NOW + WEEK - 1);
    assert_eq!((world.view_files(), world.catalog.storage.alarm()), (2, Ok(Some(NOW + WEEK))));
    world.step(NOW + WEEK);
    assert_eq!(world.view_files(), 0);
    assert!(world.catalog.storage.keys(b"w/").is_empty() && world.catalog.storage.keys(b"p/").is_empty());
    let target = "/v1/namespaces/default/register-view";
    world.refused(target, &register(&location), 404, "NotFoundException", "Location does not exist");
    // Nothing else went with them.
    world.check("all", "GET", "/v1/namespaces/default/tables/orders", 200);
}

#[test]
fn files_that_a_view_was_registered_with_stay_as_long_as_it_needs_them() {
    let (world, location) = dropped();
    world.posted("/v1/namespaces/default/register-view", &register(&location));
    world.step(NOW + WEEK);
    assert_eq!(world.view_files(), 2);
    let again = "/v1/namespaces/default/views/again";
    assert_eq!(world.get(again)["metadata-location"], location.as_str());
    // Its next metadata lies in a folder of its own.
    world.posted(again, &json!({"updates": [{"action": "set-properties", "updates": {"b": "1"}}]}));
    world.step(NOW + 2 * WEEK);
    assert_eq!(world.view_files(), 1);
    world.check("all", "GET", again, 200);
}

#[test]
fn a_folder_that_is_being_emptied_gives_no_view() {
    let (world, location) = dropped();
    arm_fault("before catalog: purge an object", 0);
    assert!(alive(|| world.step(NOW + WEEK)).is_err());
    disarm_faults();
    let target = "/v1/namespaces/default/register-view";
    world.refused(target, &register(&location), 400, "BadRequestException", "are purged");
}

#[test]
fn a_removal_that_died_goes_on() {
    for point in [
        "before catalog: take up a dropped view",
        "after catalog: take up a dropped view",
        "before catalog: begin a step of a purge",
        "after catalog: begin a step of a purge",
        "before catalog: purge an object",
        "after catalog: purge an object",
        "before catalog: end a step of a purge",
        "after catalog: end a step of a purge",
    ] {
        let (world, _) = dropped();
        arm_fault(point, 0);
        let died = alive(|| world.step(NOW + WEEK));
        assert_eq!(died.err().map(|Died(name)| name), Some(point));
        disarm_faults();
        let fresh = Catalog::open(world.catalog.storage.clone(), world.catalog.settings.clone()).unwrap();
        run(fresh.purge_step(&world.store, NOW + WEEK + PURGE_PAUSE_MICROS)).unwrap();
        assert_eq!(world.view_files(), 0, "{point}");
        assert!(world.catalog.storage.keys(b"w/").is_empty(), "{point}");
        assert!(world.catalog.storage.keys(b"p/").is_empty(), "{point}");
    }
}

#[test]
fn a_removal_that_dies_goes_on_although_a_later_one_was_begun_meanwhile() {
    let world = world();
    world.events();
    world.store.place("warehouse/default/events/data/0.parquet", b"rows");
    arm_fault("after catalog: drop a table", 0);
    assert!(alive(|| world.send("all", "DELETE", &format!("{EVENTS}?purgeRequested=true"))).is_err());
    disarm_faults();
    make(&world);
    let storage = &world.catalog.storage;
    let due = storage.alarm().unwrap().unwrap();
    assert!(storage.take_due_alarm(due));
    world.store.set_yields(1);
    let mut step = Box::pin(world.catalog.purge_step(&world.store, due));
    assert_eq!((&mut step).now_or_never(), None);
    // The alarm at work is none that is set: this one would be for next week, and the only one.
    world.check("all", "DELETE", VIEW, 204);
    drop(step);
    let alarm = storage.alarm().unwrap();
    assert!(alarm.is_some_and(|at| at <= due + PURGE_RETRY_MICROS), "{alarm:?}");
}

#[test]
fn each_of_several_views_has_its_step() {
    let world = world();
    for at in 0..3 {
        make(&world);
        let target = format!("/v1/namespaces/default/views/v{at}");
        let name = |name: &str| json!({"namespace": ["default"], "name": name});
        world.posted("/v1/views/rename", &json!({"source": name("v"), "destination": name(&format!("v{at}"))}));
        world.check("all", "DELETE", &target, 204);
    }
    for left in (0..3).rev() {
        world.step(NOW + WEEK);
        assert_eq!(world.view_files(), left);
        assert!(world.catalog.storage.alarm().unwrap().is_some(), "{left}");
    }
}

#[test]
fn beyond_the_bound_the_oldest_is_forgotten() {
    let world = world();
    for at in 0..DROPPED_VIEWS_MAX as i64 + 2 {
        let mut batch = WriteBatch::new();
        let view = DroppedView { due_micros: NOW + at, folder: format!("warehouse/default/v.view-{at}") };
        dropped_view::put(&mut batch, &world.catalog.storage, &view).unwrap();
        world.catalog.storage.apply(&batch).unwrap();
    }
    assert_eq!(world.catalog.storage.keys(b"w/").len(), DROPPED_VIEWS_MAX);
    let first = dropped_view::first(&world.catalog.storage).unwrap().unwrap();
    assert_eq!(first, DroppedView { due_micros: NOW + 2, folder: "warehouse/default/v.view-2".into() });
}

#[test]
fn no_table_is_made_in_the_folder_of_a_view() {
    let (world, location) = dropped();
    let folder = location.rsplit_once("/metadata/").unwrap().0;
    let body = json!({"name": "t", "location": folder, "schema": {"type": "struct", "schema-id": 0, "fields": []}});
    let made = world.posted("/v1/namespaces/default/tables", &body);
    assert_ne!(made["metadata"]["location"], folder);
}
