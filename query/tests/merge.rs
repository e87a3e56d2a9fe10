//! Current rows, history and past states are the same whatever part of the changes is in snapshots.

mod world;

use lake_cdc::TailOperation::{Delete, Insert, Update};
use serde_json::json;
use world::{Change, World, stamp};

const CHANGES: [Change; 8] = [
    (1, Insert, "a", 1, "pen", 5),
    (2, Insert, "a", 2, "ink", 7),
    (3, Insert, "b", 1, "cap", 9),
    (4, Update, "a", 1, "pen", 6),
    (5, Delete, "a", 2, "ink", 7),
    (6, Insert, "a", 2, "ink", 1),
    (7, Delete, "b", 1, "cap", 9),
    (8, Insert, "a", 3, "pad", 4),
];

/// Worlds that hold the same changes: flushed nowhere, once, twice, after each change.
fn worlds() -> Vec<(String, World)> {
    let mut worlds = Vec::new();
    for flushes in [vec![], vec![4], vec![2, 6], vec![8], vec![5, 8], (1..=8).collect()] {
        let mut world = World::new();
        for change in &CHANGES {
            world.accept(&[*change]);
            if flushes.contains(&change.0) {
                world.flush();
            }
        }
        worlds.push((format!("flushed after {flushes:?}"), world));
    }
    worlds
}

fn check(worlds: &[(String, World)], request: serde_json::Value, expected: serde_json::Value) {
    for (name, world) in worlds {
        let found = world.ask(&request).map(|answer| answer["rows"].clone());
        assert_eq!(found, Ok(expected.clone()), "{request} {name}");
    }
}

#[test]
fn current_rows_are_the_last_images() {
    let worlds = worlds();
    check(
        &worlds,
        json!({"sql": "SELECT id, item, qty FROM orders ORDER BY id"}),
        json!([[1, "pen", 6], [2, "ink", 1], [3, "pad", 4]]),
    );
    check(&worlds, json!({"sql": "SELECT count(*) FROM orders"}), json!([["3"]]));
    check(&worlds, json!({"sql": "SELECT item FROM orders WHERE id = 2"}), json!([["ink"]]));
    check(&worlds, json!({"sql": "SELECT item FROM orders WHERE qty = 9"}), json!([]));
    check(&worlds, json!({"sql": "SELECT id FROM orders WHERE qty > 4"}), json!([[1]]));
}

#[test]
fn a_star_leaves_reserved_columns_out_of_current_rows() {
    let worlds = worlds();
    check(&worlds, json!({"sql": "SELECT * FROM orders WHERE id = 3"}), json!([[3, "pad", 4]]));
    check(&worlds, json!({"sql": "SELECT * FROM orders WHERE _shard = 'a' AND id = 3"}), json!([[3, "pad", 4]]));
    check(&worlds, json!({"sql": "SELECT o.*, o._shard FROM orders o WHERE id = 3"}), json!([[3, "pad", 4, "a"]]));
}

#[test]
fn history_has_every_change() {
    let worlds = worlds();
    check(
        &worlds,
        json!({"sql": "SELECT _position, _operation FROM orders_history WHERE id = 2 ORDER BY _position"}),
        json!([["2", "INSERT"], ["5", "DELETE"], ["6", "INSERT"]]),
    );
    check(&worlds, json!({"sql": "SELECT count(*) FROM orders FOR SYSTEM_TIME ALL"}), json!([["8"]]));
    check(&worlds, json!({"sql": "SELECT count(_lsn) FROM orders"}), json!([["8"]]));
    check(
        &worlds,
        json!({"sql": "SELECT * FROM orders WHERE id = 3 ORDER BY _commit_timestamp"}),
        json!([[3, "pad", 4, "INSERT", "8", "a", "8", "a:8", "1970-01-01T00:00:08.000000Z"]]),
    );
}

#[test]
fn a_past_state_is_what_was_there() {
    let worlds = worlds();
    let states = [
        (0, json!([])),
        (1, json!([[1, "a", 5]])),
        (3, json!([[1, "a", 5], [1, "b", 9], [2, "a", 7]])),
        (4, json!([[1, "a", 6], [1, "b", 9], [2, "a", 7]])),
        (5, json!([[1, "a", 6], [1, "b", 9]])),
        (6, json!([[1, "a", 6], [1, "b", 9], [2, "a", 1]])),
        (8, json!([[1, "a", 6], [2, "a", 1], [3, "a", 4]])),
    ];
    let sql = "SELECT id, _shard, qty FROM orders ORDER BY id, _shard";
    for (position, rows) in states {
        check(&worlds, json!({"sql": sql, "asOf": {"position": position.to_string()}}), rows.clone());
        let moment = format!("1970-01-01T00:00:0{position}Z");
        check(&worlds, json!({"sql": sql, "asOf": moment}), rows.clone());
        let versioned = sql.replace("orders", &format!("orders FOR SYSTEM_TIME AS OF '{moment}'"));
        check(&worlds, json!({"sql": versioned}), rows);
    }
    check(&worlds, json!({"sql": sql, "asOf": {"snapshotId": "77"}}), json!([[1, "a", 5], [1, "b", 9], [2, "a", 7]]));
    check(&worlds, json!({"sql": "SELECT count(*) FROM orders_history", "asOf": {"position": 4}}), json!([["4"]]));
}

#[test]
fn a_row_that_came_and_went_within_one_flush_is_in_the_past() {
    for first in [vec![], vec![(1, Insert, "a", 1, "pen", 5)]] {
        let mut world = World::new();
        let held = first.len();
        if held > 0 {
            world.accept(&first);
            world.flush();
        }
        world.accept(&[(2, Insert, "a", 7, "tip", 3), (3, Delete, "a", 7, "tip", 3)]);
        world.flush();
        for moment in [json!("1970-01-01T00:00:02Z"), json!({"position": "2"})] {
            let then = world.ask(&json!({"sql": "SELECT id FROM orders WHERE id = 7", "asOf": moment}));
            assert_eq!(then.map(|answer| answer["rows"].clone()), Ok(json!([[7]])), "{moment} after {held} rows");
        }
        let now = world.ask(&json!({"sql": "SELECT id FROM orders WHERE id = 7"}));
        assert_eq!(now.map(|answer| answer["rows"].clone()), Ok(json!([])));
    }
}

#[test]
fn an_answer_says_what_it_read() {
    for (name, world) in worlds() {
        let now = world.ask(&json!({"sql": "SELECT id FROM orders"})).expect(&name);
        assert_eq!((&now["position"], &now["source"], &now["final"]), (&json!("8"), &json!("current"), &json!(false)));
        assert_eq!(now["columns"], json!([{"name": "id", "type": "int4"}]));
        assert_eq!(now["stats"]["durationMs"], json!(1.5));
        let then = world.ask(&json!({"sql": "SELECT id FROM orders", "asOf": "1970-01-01T00:00:07Z"})).expect(&name);
        assert_eq!(then["final"], json!(true));
        let last = world.ask(&json!({"sql": "SELECT id FROM orders", "asOf": "1970-01-01T00:00:08Z"})).expect(&name);
        assert_eq!(last["final"], json!(false), "the shard may stamp that moment again");
        let changes = world.ask(&json!({"sql": "SELECT _operation FROM orders"})).expect(&name);
        assert_eq!(changes["source"], json!("history"));
    }
    assert_eq!(stamp(8).0, 8_000_000);
}

#[test]
fn what_cannot_be_is_refused() {
    let (_, world) = worlds().remove(2);
    for (request, code) in [
        (json!({"sql": "SELECT * FROM nothing"}), "42P01"),
        (json!({"sql": "SELECT nothing FROM orders"}), "42703"),
        (json!({"sql": "SELECT id FROM orders", "asOf": "2999-01-01T00:00:00Z"}), "22023"),
        (json!({"sql": "SELECT id FROM orders", "asOf": {"position": "9"}}), "22023"),
        (json!({"sql": "SELECT id FROM orders", "asOf": {"snapshotId": "5"}}), "22023"),
        (json!({"sql": "SELECT id FROM orders", "after": {"database": "a", "lsn": "99"}}), "not_yet"),
        (json!({"sql": "SELECT id FROM orders WHERE id = $1"}), "42P02"),
        (json!({"sql": "DELETE FROM orders"}), "25006"),
    ] {
        let found = world.ask(&request).map_err(|error| error.split(' ').next().unwrap_or_default().to_owned());
        assert_eq!(found, Err(code.to_owned()), "{request}");
    }
}

#[test]
fn files_that_cannot_hold_a_row_are_not_read() {
    let (_, world) = worlds().pop().expect("the world that is flushed after each change");
    let files = |sql: &str| world.ask(&json!({"sql": sql})).map(|answer| answer["stats"]["filesScanned"].clone());
    assert_eq!(files("SELECT item FROM orders WHERE id = 3"), Ok(json!(1)));
    assert_eq!(files("SELECT item FROM orders WHERE qty > 100"), Ok(json!(0)));
    assert_eq!(files("SELECT item FROM orders_history WHERE _position BETWEEN 3 AND 4"), Ok(json!(2)));
    assert_eq!(
        files("SELECT item FROM orders_history WHERE _commit_timestamp <= '1970-01-01T00:00:02Z'"),
        Ok(json!(2))
    );
    assert_eq!(files("SELECT item FROM orders_history"), Ok(json!(8)));
}

#[test]
fn objects_are_read_once_by_an_engine() {
    let (_, world) = worlds().pop().expect("a world");
    let ask = || world.ask(&json!({"sql": "SELECT count(*) FROM orders"})).map(|answer| answer["rows"].clone());
    assert_eq!(ask(), Ok(json!([["3"]])));
    world.store.reset_counts();
    assert_eq!(ask(), Ok(json!([["3"]])));
    assert_eq!(world.store.counts().class_b, 0);
}

#[test]
fn one_key_in_order_of_time_is_its_history() {
    let worlds = worlds();
    for (name, world) in &worlds {
        let request = json!({"sql": "SELECT qty FROM orders WHERE id = ? AND _shard = 'a' ORDER BY _commit_timestamp DESC", "params": ["2"]});
        let answer = world.ask(&request).expect(name);
        assert_eq!((&answer["rows"], &answer["source"]), (&json!([[1], [7], [7]]), &json!("history")), "{name}");
        let request = json!({"sql": "SELECT qty FROM orders WHERE qty = 1 ORDER BY _commit_timestamp"});
        assert_eq!(world.ask(&request).expect(name)["source"], json!("current"), "not every key column is fixed");
    }
}
