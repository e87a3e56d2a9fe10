//! The bytes of format 1 stay what they are: each fact as it was first written reads back, and is written so again.

use std::collections::BTreeMap;
use std::fmt::Debug;

use lake_cdc::{ColumnType, TimelineId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::past::{Alteration, Gap};
use super::*;

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: T) {
    let fixtures: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../../tests/fixtures/lake/stored_v1.json")).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(Some(&json), fixtures.get(name), "{name}");
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
    assert_eq!(open_json::<T>("fact", &seal_json("fact", &value).unwrap()).unwrap(), value);
}

fn files() -> TableFiles {
    TableFiles {
        metadata_location: Some("s3://lakehouse/warehouse/default/orders/metadata/1.json".into()),
        history_metadata_location: None,
        next_file: 2,
        next_run: 3,
        runs: vec![IndexRun { number: 2, level: 1, blocks: vec![IndexBlock { first: 0, last: u64::MAX, entries: 9 }] }],
        rows: 8,
        history_rows: 9,
    }
}

fn file_row() -> FileRow {
    FileRow {
        number: 1,
        path: "s3://lakehouse/warehouse/default/orders/data/1.parquet".into(),
        records: 9,
        deleted: 1,
        delete_file: Some("s3://lakehouse/warehouse/default/orders/data/1-deletes.parquet".into()),
        shards: vec![(1, 5), (2, 4)],
        dropped: vec![(0, 5)],
    }
}

fn past() -> TablePast {
    let mut past = TablePast { created: Some(Point(0, -1)), names_since: Some(Point(1, 2)), ..TablePast::default() };
    let before = [Before::Absent(11), Before::Named(11, "mark".into()), Before::Key(vec![10, 11])];
    past.alterations = before.map(|before| Alteration { at: Point(4, 5), before }).into();
    past.removals = vec![Removal { shard: 1, upto: 7, at: Point(8, 9) }];
    past.removals_unknown = Some(Gap { from: Point(2, 3), to: Some(Point(3, 4)) });
    past
}

#[test]
fn counters_and_positions() {
    check("meta", LakeMeta::new([1, u64::MAX]));
}

#[test]
fn a_shard() {
    let mut shard = Shard::new(1, "shop", "default", TimelineId([7; 16]));
    shard.accept(lake_cdc::Lsn::FIRST);
    check("shard", shard);
}

#[test]
fn a_table_and_what_feeds_it() {
    let mut table = LakeTable::new(1, "default", "orders");
    table.key = vec![10];
    table.fields = vec![
        Field {
            id: 10,
            element_id: None,
            name: "id".into(),
            former: vec!["nr".into()],
            column_type: ColumnType::Int8,
            required: true,
            users: 1,
            released: None,
            dropped: false,
        },
        Field {
            id: 11,
            element_id: Some(12),
            name: "tags".into(),
            former: vec![],
            column_type: ColumnType::Array(Box::new(ColumnType::Varchar(5))),
            required: false,
            users: 0,
            released: None,
            dropped: true,
        },
    ];
    check("table", table.clone());
    table.past = past();
    check("table with a past", table.clone());
    table.fields.truncate(1);
    table.fields[0].released = Some(-7);
    table.past = TablePast::default();
    check("table with a field that a shard let go of", table);
    let mut source = SourceTable::new("orders");
    source.columns.insert(1, 10);
    check("source", source);
    let field = ShapeField { field_id: 10, name: "id".into(), column_type: ColumnType::NUMERIC };
    check("shape", Shape { table: 1, fields: vec![field], key: vec![0] });
}

#[test]
fn files_and_flushes() {
    check("files", files());
    check("file", file_row());
    let intent = Intent {
        flush_id: "00ff".into(),
        base: 1,
        end: 2,
        first_blob: 3,
        end_blob: 4,
        snapshot_id: i64::MAX,
        sent: true,
        oldest_stamp: -5,
    };
    check("intent", intent);
    let (namespace, name) = ("default".into(), "orders".into());
    check(
        "outcome",
        Outcome {
            tables: vec![TableOutcome { table: 1, namespace, name, files: files(), rows: vec![file_row()] }],
            watermarks: vec![("shop".into(), TimelineId([7; 16]).to_string(), 9)],
            max_stamp: 6,
            tail_bytes: 7,
            missing_rows: 0,
        },
    );
}

#[test]
fn a_dead_letter() {
    check(
        "dead letter",
        DeadLetter {
            database: "shop".into(),
            timeline: TimelineId([7; 16]).to_string(),
            lsn: 4,
            table: "orders".into(),
            reason: "column note is int4 here and text in the lake".into(),
            changes: 1,
            entries: "02ff".into(),
            parts: 0,
        },
    );
}

#[test]
fn keys_are_in_the_order_of_their_numbers() {
    assert!(keys::tail(1, 300) < keys::tail(2, 1));
    assert!(keys::tail(1, 255) < keys::tail(1, 256));
    assert!(keys::files_of(1).contains(&keys::file(1, u32::MAX)));
    assert!(!keys::files_of(1).contains(&keys::file(2, 0)));
    assert!(keys::runs_from(1, 5).contains(&keys::block(1, 6, 0)));
    assert!(!keys::runs_from(1, 5).contains(&keys::block(1, 4, 9)));
}
