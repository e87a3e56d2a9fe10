//! `lake`: everything that reaches the lake's object, in any order: frames of shards, change records in them, messages
//! of subscribers, requests for views, flushes.

use std::collections::BTreeMap;

use futures::executor::block_on;
use lake_cdc::{Frame, Hello, Lsn, TimelineId, Transaction, TransactionPart, ViewRequest};
use lake_dolake::{Connection, Subscriber};

use crate::changes::record;
use crate::seed::{Seeds, conversation, steps};
use crate::views;
use crate::world::{NOW, World};

/// Most steps of an input, and most flushes: each writes Parquet.
const STEPS: usize = 24;
const FLUSHES: usize = 2;

fn hello(database: &str, timeline: u8) -> Frame {
    Frame::Hello(Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        database: database.to_owned(),
        timeline: TimelineId([timeline; 16]),
        namespace: "default".to_owned(),
        committed: Lsn::new(u64::MAX >> 1),
    })
}

/// A conversation with a new lake: see [`steps`].
pub fn run(data: &[u8]) {
    let world = World::empty();
    let mut lake = world.open_lake().expect("a new lake");
    let mut connections = [Connection::default(), Connection::default()];
    let mut next: BTreeMap<usize, u64> = BTreeMap::new();
    for (index, name) in ["a", "b"].into_iter().enumerate() {
        lake.receive(&mut connections[index], &hello(name, index as u8 + 1).encode(), NOW).expect("storage works");
    }
    let mut subscriber: Option<Subscriber> = None;
    let mut flushes = 0;
    for (kind, bytes) in steps(data).into_iter().take(STEPS) {
        let which = usize::from(kind >> 7);
        match kind % 7 {
            0 => {
                lake.receive(&mut connections[which], bytes, NOW).expect("storage works");
            }
            // Records whose position is right get further.
            1 => {
                let lsn = *next.entry(which).or_insert(1);
                let Some(record) = at_position(bytes, lsn) else { continue };
                let part =
                    TransactionPart { lsn: Lsn::new(lsn).expect("not zero"), part: 0, last: true, bytes: record };
                let frame = Frame::Changes(vec![part]);
                let received = lake.receive(&mut connections[which], &frame.encode(), NOW).expect("storage works");
                if received.replies.iter().any(|frame| matches!(frame, Frame::Accepted { .. })) {
                    next.insert(which, lsn + 1);
                }
            }
            2 => {
                let Ok(text) = std::str::from_utf8(bytes) else { continue };
                lake.subscriber_message(&mut subscriber, text, |_, _| true, NOW).expect("storage works");
            }
            3 => {
                let Ok(request) = ViewRequest::decode(bytes) else { continue };
                if let lake_dolake::ViewAnswer::Ready(view) = lake.view(&request).expect("storage works") {
                    assert!(lake_cdc::View::decode(&view.encode()).is_ok(), "a view reads back");
                }
            }
            4 if flushes < FLUSHES => {
                flushes += 1;
                block_on(lake.flush(&world)).expect("a flush of what was accepted");
                lake.after_flush(NOW).expect("storage works");
            }
            5 => {
                lake = world.open_lake().expect("what was stored opens");
            }
            _ => {
                lake.after_event(NOW).expect("storage works");
                let _ = std::hint::black_box((lake.take_notices(), lake.status().expect("storage works")));
            }
        }
    }
    if let Some(subscriber) = &mut subscriber {
        lake.feed(subscriber, NOW).expect("storage works");
    }
    world.open_lake().expect("what was stored opens");
}

/// The record with this position instead of its own, if it is one.
fn at_position(bytes: &[u8], lsn: u64) -> Option<Vec<u8>> {
    let transaction = Transaction::decode(bytes).ok()?;
    Some(Transaction { lsn: Lsn::new(lsn)?, ..transaction }.encode())
}

/// Records, subscriptions, views, and a flush between.
pub fn seeds() -> Seeds {
    let change = |kind| (kind, record(1).encode());
    let text = |text: &str| (2, text.as_bytes().to_vec());
    let subscribe = r#"{"type": "subscribe", "tables": ["types"], "fromPosition": "0", "batchSize": 2}"#;
    let views: Vec<(u8, Vec<u8>)> = views::seeds()
        .into_iter()
        .filter(|(_, bytes)| bytes[0] == 1)
        .map(|(_, bytes)| (3, bytes[1..].to_vec()))
        .collect();
    let parts = |last| {
        let part = TransactionPart { lsn: Lsn::FIRST, part: u32::from(last), last, bytes: record(1).encode() };
        (0, Frame::Changes(vec![part]).encode())
    };
    let conversations = [
        ("record", vec![change(1), (4, Vec::new()), change(1), (5, Vec::new()), (4, Vec::new())]),
        ("two-shards", vec![change(1), change(0x80 | 1), (6, Vec::new()), (4, Vec::new())]),
        ("subscribe", vec![change(1), text(subscribe), text(r#"{"type": "ack", "position": "2"}"#), change(1)]),
        ("views", [vec![change(1)], views].concat()),
        ("parts", vec![parts(false), parts(true)]),
        ("end", vec![change(1), (0, Frame::End { lsn: Lsn::new(1) }.encode()), (0, hello("a", 3).encode()), change(1)]),
        ("hello", vec![(0, hello("c", 4).encode())]),
    ];
    conversations.into_iter().map(|(name, steps)| (name.to_owned(), conversation(&steps))).collect()
}
