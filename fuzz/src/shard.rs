//! `shard`: everything that reaches a shard's object, in any order: bodies of requests, frames of the lake, what the
//! socket and the clock do.

use lake_api::scope::Access;
use lake_cdc::{Frame, HelloReply, Lsn, Micros, TimelineId};
use serde_json::Value;

use crate::seed::{Seeds, conversation, steps};
use crate::world::{NOW, World, body};

thread_local! {
    static WORLD: World = World::new();
}

/// Most steps of an input.
const STEPS: usize = 32;

/// A conversation: see [`steps`].
pub fn run(data: &[u8]) {
    let world = WORLD.with(World::fork);
    let mut shard = world.open_shard().expect("opens");
    let mut now = Micros(NOW);
    for (kind, bytes) in steps(data).into_iter().take(STEPS) {
        now.0 += 1_000;
        let timeline = TimelineId([kind; 16]);
        let answer = match kind % 14 {
            0 => shard.sql(bytes, None, Access::Write, timeline, now, [1; 32]),
            1 => shard.sql(bytes, None, Access::Read, timeline, now, [1; 32]),
            2 => shard.sql(bytes, Some("key"), Access::Write, timeline, now, [1; 32]),
            3 => shard.create(bytes, timeline, now),
            4 => shard.delete(now),
            5 => shard.status_answer(),
            6 => {
                shard.on_message(bytes, now);
                continue;
            }
            7 => {
                shard.on_open(now);
                continue;
            }
            8 => {
                shard.on_closed(now);
                continue;
            }
            9 => {
                shard.on_timer(now);
                continue;
            }
            10 => {
                let _ = std::hint::black_box(shard.on_alarm(now));
                continue;
            }
            11 => {
                shard.after_request(now);
                continue;
            }
            12 => {
                now.0 = now.0.saturating_add(i64::from(bytes.first().copied().unwrap_or(1)) * 1_000_000);
                continue;
            }
            _ => {
                drop(shard);
                shard = world.open_shard().expect("opens again");
                continue;
            }
        };
        if let Ok(answer) = answer {
            assert!(serde_json::from_str::<Value>(&answer).is_ok(), "an answer is JSON: {answer}");
        }
    }
}

/// Requests, and an exchange with the lake.
pub fn seeds() -> Seeds {
    let lsn = |number| Lsn::new(number).expect("not zero");
    let frame = |frame: Frame| (6, frame.encode());
    let reply = |accepted| frame(Frame::HelloReply(HelloReply { version: 1, features: 0, accepted, durable: None }));
    let sql = |text: &str| (0, body(text).into_bytes());
    let request = |kind, text: &str| vec![(kind, text.as_bytes().to_vec())];
    let conversations = [
        ("one", request(0, r#"{"sql": "SELECT $1::int, ?", "params": [1, "x"]}"#)),
        ("list", request(0, r#"{"statements": [{"sql": "INSERT INTO orders (id) VALUES (9)"}, {"sql": "SELECT 1"}]}"#)),
        ("read", request(1, r#"{"sql": "SELECT * FROM orders", "params": []}"#)),
        ("key", vec![(2, body("DELETE FROM orders").into_bytes()), (2, body("DELETE FROM orders").into_bytes())]),
        ("create", vec![(3, br#"{"namespace": "default"}"#.to_vec()), (3, Vec::new()), (5, Vec::new())]),
        (
            "exchange",
            vec![
                sql("INSERT INTO orders (id) VALUES (10)"),
                (11, Vec::new()),
                (7, Vec::new()),
                reply(Lsn::new(3)),
                frame(Frame::Accepted { lsn: lsn(9), delay_ms: 1 }),
                frame(Frame::Durable { lsn: lsn(8) }),
                (12, vec![9]),
                (9, Vec::new()),
                (8, Vec::new()),
                (10, Vec::new()),
            ],
        ),
        (
            "gap",
            vec![
                (10, Vec::new()),
                (7, Vec::new()),
                reply(None),
                frame(Frame::Gap { expected: lsn(2) }),
                (13, Vec::new()),
            ],
        ),
        ("delete", vec![(4, Vec::new()), (11, Vec::new()), (7, Vec::new()), reply(Lsn::new(8)), frame(Frame::Ended)]),
    ];
    conversations.into_iter().map(|(name, steps)| (name.to_owned(), conversation(&steps))).collect()
}
