//! `frames`: the messages between shards and lake.

use lake_cdc::{Frame, Hello, HelloReply, Lsn, RefusalReason, TimelineId, TransactionPart};

use crate::seed::{Seeds, assert_reads_back};

/// A message of either side.
pub fn run(data: &[u8]) {
    if let Ok(frame) = Frame::decode(data) {
        assert_reads_back(frame.encode(), |bytes| Frame::decode(bytes).ok().map(|frame| frame.encode()));
    }
}

/// One of each kind.
pub fn seeds() -> Seeds {
    let lsn = |number| Lsn::new(number).expect("not zero");
    let frames = [
        (
            "hello",
            Frame::Hello(Hello {
                version_min: 1,
                version_max: 3,
                features: 5,
                database: "shop".into(),
                timeline: TimelineId([9; 16]),
                namespace: "default".into(),
                committed: Lsn::new(300),
            }),
        ),
        (
            "hello-reply",
            Frame::HelloReply(HelloReply { version: 1, features: 0, accepted: Lsn::new(2), durable: None }),
        ),
        (
            "changes",
            Frame::Changes(vec![
                TransactionPart { lsn: lsn(1), part: 0, last: false, bytes: vec![1, 2, 3] },
                TransactionPart { lsn: lsn(1), part: 1, last: true, bytes: vec![4; 40] },
            ]),
        ),
        ("accepted", Frame::Accepted { lsn: lsn(1 << 40), delay_ms: 200 }),
        ("durable", Frame::Durable { lsn: lsn(7) }),
        ("gap", Frame::Gap { expected: lsn(8) }),
        (
            "refused",
            Frame::Refused { reason: RefusalReason::Busy, retry_after_ms: 200, message: "the tail is full".into() },
        ),
        ("end", Frame::End { lsn: Lsn::new(9) }),
        ("ended", Frame::Ended),
    ];
    frames.into_iter().map(|(name, frame)| (name.to_owned(), frame.encode())).collect()
}
