//! A past state knows what history does not tell: rows that went without a change, and what columns were called.

mod world;

use lake_cdc::TailOperation::{Delete, Insert, Update};
use lake_cdc::{
    Alteration, Before, ColumnType, Gap, LakePosition, Lsn, Point, Removal, Row, TailChange, Value, ViewField, ViewPast,
};
use serde_json::{Value as Json, json};
use world::{World, stamp};

fn point(position: u64) -> Point {
    Point { position: LakePosition(position), stamp: stamp(position) }
}

fn removal(shard: &str, upto: u64, at: u64) -> Removal {
    Removal { shard: shard.into(), upto: LakePosition(upto), at: point(at) }
}

fn past(world: &mut World) -> &mut ViewPast {
    world.view.tables[0].past.as_mut().expect("a past")
}

/// What two moments, the same by position and by time, answer.
fn ask(world: &World, sql: &str, position: u64) -> Result<Json, String> {
    let moments = [json!({"position": position}), json!(format!("1970-01-01T00:00:{position:02}Z"))];
    let [by_position, by_time] = moments.map(|moment| {
        let answer = world.ask(&json!({"sql": sql, "asOf": moment}));
        let names = |answer: &Json| {
            let columns = answer["columns"].as_array().cloned().unwrap_or_default();
            columns.into_iter().map(|column| column["name"].clone()).collect::<Json>()
        };
        let shown = answer.map(|answer| json!({"columns": names(&answer), "rows": answer["rows"]}));
        shown.map_err(|error| error.split(' ').next().unwrap_or_default().to_owned())
    });
    assert_eq!(by_position, by_time, "{sql} at {position}");
    by_position
}

fn check_rows(world: &World, sql: &str, position: u64, expected: Json) {
    let found = ask(world, sql, position).map(|answer| answer["rows"].clone());
    assert_eq!(found, Ok(expected), "{sql} at {position}");
}

/// Rows of two shards; that of one went at 4, came again at 5, and went once more at 7.
fn removed() -> World {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 1), (2, Insert, "b", 1, "cap", 2), (3, Update, "a", 1, "pen", 3)]);
    world.accept(&[(5, Insert, "a", 1, "ink", 5), (6, Insert, "a", 2, "pad", 6)]);
    world.accept(&[(8, Insert, "b", 2, "tip", 8)]);
    past(&mut world).removals = vec![removal("a", 3, 4), removal("a", 6, 7)];
    world.flush();
    world
}

const ROWS: &str = "SELECT _shard, id, qty FROM orders ORDER BY _shard, id";

#[test]
fn removed_rows_are_there_before_and_gone_after() {
    let world = removed();
    check_rows(&world, ROWS, 1, json!([["a", 1, 1]]));
    check_rows(&world, ROWS, 3, json!([["a", 1, 3], ["b", 1, 2]]));
    check_rows(&world, ROWS, 4, json!([["b", 1, 2]]));
    check_rows(&world, ROWS, 5, json!([["a", 1, 5], ["b", 1, 2]]));
    check_rows(&world, ROWS, 6, json!([["a", 1, 5], ["a", 2, 6], ["b", 1, 2]]));
    check_rows(&world, ROWS, 7, json!([["b", 1, 2]]));
    check_rows(&world, "SELECT count(*) FROM orders", 7, json!([["1"]]));
    check_rows(&world, "SELECT count(*) FROM orders_history", 7, json!([["5"]]));
}

#[test]
fn moments_of_which_a_removal_was_forgotten_are_refused() {
    let mut world = removed();
    let past = past(&mut world);
    past.removals.remove(0);
    past.removals_unknown = Some(Gap { from: point(4), to: Some(point(7)) });
    check_rows(&world, ROWS, 3, json!([["a", 1, 3], ["b", 1, 2]]));
    assert_eq!(ask(&world, ROWS, 4), Err("54000".into()));
    assert_eq!(ask(&world, ROWS, 6), Err("54000".into()));
    check_rows(&world, ROWS, 7, json!([["b", 1, 2]]));
    let mut world = removed();
    self::past(&mut world).removals_unknown = Some(Gap { from: point(4), to: None });
    assert_eq!(ask(&world, ROWS, 7), Err("54000".into()));
}

/// Columns `id, item, qty` become `id, amount, item`: renamed at 4, `item` dropped at 6 and another one added at 8.
/// Flushed after what is in `flushes`.
fn altered(flushes: &[u64]) -> World {
    let mut world = World::new();
    for change in [
        (1, Insert, "a", 1, "pen", 1),
        (2, Insert, "a", 2, "ink", 2),
        (3, Insert, "a", 3, "cap", 3),
        (5, Delete, "a", 3, "cap", 3),
    ] {
        world.accept(&[change]);
        if flushes.contains(&change.0) {
            world.flush();
        }
    }
    let table = &mut world.view.tables[0];
    let field = |field_id, name: &str, column_type| ViewField { field_id, name: name.into(), column_type, key: false };
    let item = field(2, "item__2", ColumnType::Text);
    table.fields.remove(1);
    table.fields[1].name = "amount".into();
    table.fields.push(field(12, "item", ColumnType::Bool));
    // Values in the order of the fields, the dropped ones last.
    for change in &mut table.tail {
        let values = std::mem::take(&mut change.row.0);
        change.row = Row(vec![values[0].clone(), values[2].clone(), Value::Null, values[1].clone()]);
    }
    table.tail.push(TailChange {
        position: LakePosition(9),
        operation: Insert,
        shard: "a".into(),
        lsn: Lsn::FIRST,
        stamp: stamp(9),
        transaction_id: "a:9".into(),
        row: Row(vec![Value::Int4(4), Value::Int4(4), Value::Bool(true), Value::Null]),
    });
    table.past = Some(ViewPast {
        created: Some(point(1)),
        dropped: vec![item],
        alterations: vec![
            Alteration { at: point(4), before: Before::Named(3, "qty".into()) },
            Alteration { at: point(6), before: Before::Named(2, "item".into()) },
            Alteration { at: point(8), before: Before::Absent(12) },
        ],
        ..ViewPast::default()
    });
    world.view.position = LakePosition(9);
    world.view.stamps = vec![("a".into(), stamp(9))];
    world
}

fn all_altered() -> impl Iterator<Item = World> {
    [vec![], vec![2], vec![3], vec![2, 5], vec![5]].into_iter().map(|flushes| altered(&flushes))
}

#[test]
fn names_are_those_of_the_moment() {
    for world in all_altered() {
        let star = "SELECT * FROM orders ORDER BY id";
        let answer = |position, columns: Json, rows: Json| {
            assert_eq!(ask(&world, star, position), Ok(json!({"columns": columns, "rows": rows})), "at {position}");
        };
        answer(2, json!(["id", "item", "qty"]), json!([[1, "pen", 1], [2, "ink", 2]]));
        answer(3, json!(["id", "item", "qty"]), json!([[1, "pen", 1], [2, "ink", 2], [3, "cap", 3]]));
        answer(4, json!(["id", "item", "amount"]), json!([[1, "pen", 1], [2, "ink", 2], [3, "cap", 3]]));
        answer(5, json!(["id", "item", "amount"]), json!([[1, "pen", 1], [2, "ink", 2]]));
        answer(6, json!(["id", "amount"]), json!([[1, 1], [2, 2]]));
        answer(7, json!(["id", "amount"]), json!([[1, 1], [2, 2]]));
        answer(8, json!(["id", "amount", "item"]), json!([[1, 1, null], [2, 2, null]]));
        answer(9, json!(["id", "amount", "item"]), json!([[1, 1, null], [2, 2, null], [4, 4, true]]));
    }
}

#[test]
fn a_column_is_known_only_while_it_is_there_under_its_name() {
    for world in all_altered() {
        check_rows(&world, "SELECT qty FROM orders WHERE item = 'ink'", 3, json!([[2]]));
        check_rows(&world, "SELECT o.amount FROM orders o WHERE o.item = 'ink'", 5, json!([[2]]));
        for (sql, position) in [
            ("SELECT amount FROM orders", 3),
            ("SELECT qty FROM orders", 4),
            ("SELECT id FROM orders WHERE item = 'ink'", 6),
            ("SELECT id FROM orders ORDER BY item", 7),
        ] {
            assert_eq!(ask(&world, sql, position), Err("42703".into()), "{sql} at {position}");
        }
        let mixed = "SELECT n.amount - t.qty FROM orders n JOIN orders FOR SYSTEM_TIME AS OF '1970-01-01T00:00:02Z' t \
                     USING (id) ORDER BY id";
        assert_eq!(world.rows(mixed), Ok("[[0],[0]]".into()));
    }
}

#[test]
fn a_key_is_that_of_the_moment() {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 1), (2, Update, "a", 1, "ink", 2)]);
    world.accept(&[(4, Insert, "a", 1, "cap", 4), (5, Insert, "a", 1, "tip", 5), (6, Update, "a", 1, "tip", 6)]);
    world.flush();
    // Dropped, and made again with another key.
    let table = &mut world.view.tables[0];
    table.fields[0].key = false;
    table.fields[1].key = true;
    let past = past(&mut world);
    past.alterations = vec![Alteration { at: point(3), before: Before::Key(vec![1]) }];
    past.removals = vec![removal("a", 2, 3)];
    check_rows(&world, "SELECT qty FROM orders ORDER BY qty", 2, json!([[2]]));
    check_rows(&world, "SELECT qty FROM orders ORDER BY qty", 3, json!([]));
    check_rows(&world, "SELECT qty FROM orders ORDER BY qty", 5, json!([[4], [5]]));
}

#[test]
fn moments_before_the_oldest_name_that_is_kept_are_refused() {
    let mut world = altered(&[5]);
    let past = past(&mut world);
    past.names_since = Some(past.alterations.remove(0).at);
    assert_eq!(ask(&world, "SELECT id FROM orders", 3), Err("54000".into()));
    check_rows(&world, "SELECT amount FROM orders WHERE id = 1", 4, json!([[1]]));
}

#[test]
fn before_it_was_created_a_table_has_the_columns_of_now_and_no_rows() {
    for world in all_altered() {
        let answer = ask(&world, "SELECT * FROM orders", 0);
        assert_eq!(answer, Ok(json!({"columns": ["id", "amount", "item"], "rows": []})));
    }
}

#[test]
fn history_has_every_column_that_there_ever_was() {
    for world in all_altered() {
        let sql = "SELECT * FROM orders_history ORDER BY _position";
        let answer = world.ask(&json!({"sql": sql})).expect(sql);
        let names = answer["columns"].as_array().expect("columns").iter().map(|column| column["name"].clone());
        let users = names.take(4).collect::<Json>();
        assert_eq!(users, json!(["id", "item__2", "amount", "item"]));
        let rows = world.rows("SELECT id, item__2, amount, item FROM orders_history ORDER BY _position");
        let expected = r#"[[1,"pen",1,null],[2,"ink",2,null],[3,"cap",3,null],[3,"cap",3,null],[4,null,4,true]]"#;
        assert_eq!(rows, Ok(expected.into()));
        let changes = world.rows("SELECT item__2, _operation FROM orders WHERE id = 3 ORDER BY _commit_timestamp");
        assert_eq!(changes, Ok(r#"[["cap","INSERT"],["cap","DELETE"]]"#.into()));
    }
}

#[test]
fn changes_of_a_table_up_to_a_moment_have_the_names_of_the_moment() {
    for world in all_altered() {
        let sql = "SELECT item, qty, _operation FROM orders WHERE id = 3 ORDER BY _commit_timestamp";
        check_rows(&world, sql, 3, json!([["cap", 3, "INSERT"]]));
        let sql = "SELECT item__2, amount, _operation FROM orders WHERE id = 3 ORDER BY _position";
        check_rows(&world, sql, 9, json!([["cap", 3, "INSERT"], ["cap", 3, "DELETE"]]));
        assert_eq!(ask(&world, sql, 5), Err("42703".into()));
        let star = ask(&world, "SELECT * FROM orders WHERE _operation = 'INSERT'", 7).expect("an answer");
        assert_eq!(
            star["columns"].as_array().map(|names| names[..3].to_vec()),
            json!(["id", "item__2", "amount"]).as_array().cloned()
        );
        let by_name = "SELECT amount, item__2 FROM orders_history ORDER BY _position LIMIT 1";
        check_rows(&world, by_name, 3, json!([[1, "pen"]]));
    }
    let mut world = altered(&[5]);
    world.view.tables[0].fields[0].name = "nr".into();
    let renamed = Alteration { at: point(7), before: Before::Named(1, "id".into()) };
    past(&mut world).alterations.insert(2, renamed);
    let audit = |key: &str| format!("SELECT amount FROM orders WHERE {key} = 3 ORDER BY _commit_timestamp");
    check_rows(&world, &audit("id"), 6, json!([[3], [3]]));
    check_rows(&world, &audit("nr"), 7, json!([[3], [3]]));
}

#[test]
fn two_fields_that_clocks_give_one_name_are_told_apart() {
    let mut world = altered(&[]);
    let past = past(&mut world);
    past.alterations[2].at.stamp = stamp(3);
    let moment = json!("1970-01-01T00:00:03Z");
    let answer = world.ask(&json!({"sql": "SELECT * FROM orders WHERE id = 1", "asOf": moment})).expect("an answer");
    assert_eq!(answer["rows"], json!([[1, "pen", 1, null]]));
    assert_eq!(answer["columns"][3]["name"], json!("item__12"));
}

#[test]
fn a_column_that_was_dropped_while_its_rows_were_flushed_has_its_values() {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 1), (2, Insert, "a", 2, "ink", 2)]);
    world.loses_items = true;
    world.flush();
    let table = &mut world.view.tables[0];
    let item = table.fields.remove(1);
    let alterations = vec![Alteration { at: point(3), before: Before::Named(2, "item".into()) }];
    table.past = Some(ViewPast { created: Some(point(1)), dropped: vec![item], alterations, ..ViewPast::default() });
    world.view.position = LakePosition(3);
    check_rows(&world, "SELECT id, item, qty FROM orders ORDER BY id", 2, json!([[1, "pen", 1], [2, "ink", 2]]));
    check_rows(&world, "SELECT * FROM orders ORDER BY id", 3, json!([[1, 1], [2, 2]]));
}

#[test]
fn a_position_inside_a_transaction_is_the_one_that_the_lake_says() {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 1), (2, Insert, "a", 2, "ink", 2), (3, Update, "a", 1, "pen", 3)]);
    world.flush();
    world.view.whole_positions = vec![(LakePosition(2), LakePosition(1))];
    let rows = |position: u64| {
        let request = json!({"sql": "SELECT id, qty FROM orders ORDER BY id", "asOf": {"position": position}});
        world.ask(&request).map(|answer| answer["rows"].clone())
    };
    assert_eq!(rows(2), Ok(json!([[1, 1]])));
    assert_eq!(rows(3), Ok(json!([[1, 3], [2, 2]])));
    assert_eq!(rows(4).map_err(|error| error.split(' ').next().unwrap_or_default().to_owned()), Err("22023".into()));
}

#[test]
fn a_statement_with_more_positions_than_the_lake_resolves_is_refused() {
    let world = removed();
    let code = |sql: String| {
        let answer = world.ask(&json!({"sql": sql}));
        answer.map(|_| ()).map_err(|error| error.split(' ').next().unwrap_or_default().to_owned())
    };
    let same = (0..20).map(|_| "SELECT id FROM orders AT (POSITION => 3)").collect::<Vec<_>>().join(" UNION ALL ");
    assert_eq!(code(same), Ok(()));
    let parts = (0..17).map(|at| format!("SELECT id FROM orders AT (POSITION => {at})"));
    assert_eq!(code(parts.collect::<Vec<String>>().join(" UNION ALL ")), Err("54000".into()));
}
