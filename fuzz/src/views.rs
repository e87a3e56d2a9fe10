//! `views`: what a query asks the lake and what the lake answers.

use lake_cdc::{
    Alteration, Before, ColumnType, Gap, LakePosition, Lsn, Micros, Point, Removal, Row, TailChange, TailOperation,
    Value, View, ViewField, ViewPast, ViewRequest, ViewTable,
};

use crate::seed::{Seeds, assert_reads_back, choice, chosen};

/// The first byte says what follows: a view or a request.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    match choice % 2 {
        0 => {
            if let Ok(view) = View::decode(bytes) {
                assert_reads_back(view.encode(), |bytes| View::decode(bytes).ok().map(|view| view.encode()));
            }
        }
        _ => {
            if let Ok(request) = ViewRequest::decode(bytes) {
                let again = ViewRequest::decode(&request.encode());
                assert_eq!(again.as_ref(), Ok(&request));
            }
        }
    }
}

/// With the past and without it.
pub fn seeds() -> Seeds {
    let point = |position, stamp| Point { position: LakePosition(position), stamp: Micros(stamp) };
    let field =
        |field_id, name: &str, key| ViewField { field_id, name: name.into(), column_type: ColumnType::Text, key };
    let past = ViewPast {
        created: Some(point(1, -1)),
        dropped: vec![field(11, "note__11", false)],
        alterations: vec![
            Alteration { at: point(2, 3), before: Before::Absent(11) },
            Alteration { at: point(3, 4), before: Before::Named(11, "remark".into()) },
            Alteration { at: point(4, 5), before: Before::Key(vec![1, 11]) },
        ],
        names_since: Some(point(1, 1)),
        removals: vec![Removal { shard: "shop".into(), upto: LakePosition(4), at: point(5, 6) }],
        removals_unknown: Some(Gap { from: point(1, 2), to: Some(point(2, 3)) }),
    };
    let view = |past| View {
        position: LakePosition(12),
        snapshot_position: Some(LakePosition(3)),
        whole_positions: Vec::new(),
        tables: vec![ViewTable {
            namespace: "default".into(),
            name: "orders".into(),
            metadata_location: Some("s3://lakehouse/warehouse/default/orders/metadata/1.json".into()),
            history_metadata_location: None,
            flushed: LakePosition(11),
            fields: vec![field(1, "id", true), field(2, "note", false)],
            tail: vec![TailChange {
                position: LakePosition(12),
                operation: TailOperation::Update,
                shard: "default".into(),
                lsn: Lsn::FIRST,
                stamp: Micros(5),
                transaction_id: "default:1".into(),
                row: Row(vec![Value::Text("4".into()), Value::Null]),
            }],
            past,
        }],
        stamps: vec![("default".into(), Micros(5))],
    };
    let request = |past: bool| ViewRequest {
        tables: vec![("default".into(), "orders".into())],
        after: Lsn::new(9).map(|lsn| ("shop".into(), lsn)),
        snapshot_id: past.then_some(-4),
        past,
        positions: past.then_some(LakePosition(9)).into_iter().collect(),
    };
    vec![
        chosen(0, "view", view(None).encode()),
        chosen(0, "view-past", view(Some(past)).encode()),
        chosen(1, "request", request(false).encode()),
        chosen(1, "request-past", request(true).encode()),
    ]
}
