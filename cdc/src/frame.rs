//! The messages on `/v1/changes`, one per binary WebSocket message.
//!
//! A shard says `Hello`, the lake answers `HelloReply` with what it holds, the shard sends the log after that in
//! `Changes`, and the lake acknowledges twice: `Accepted` when it has stored a transaction, `Durable` when a
//! committed snapshot and its commit record hold it. The layout of a message is a kind byte and its fields; fields
//! after the known ones are skipped, so that a later version can add some.

use crate::bytes::{DecodeError, Reader, Writer};
use crate::limits::PART_BYTES_MAX;
use crate::position::{Lsn, TimelineId};

/// Least protocol version this build speaks.
pub const PROTOCOL_VERSION_MIN: u32 = 1;
/// Greatest protocol version this build speaks.
pub const PROTOCOL_VERSION_MAX: u32 = 1;

/// First message of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Least version the sender speaks.
    pub version_min: u32,
    /// Greatest version the sender speaks.
    pub version_max: u32,
    /// Feature bits of the sender; none are defined yet.
    pub features: u64,
    /// Name of the database, which is the `_shard` of its rows.
    pub database: String,
    /// Its timeline.
    pub timeline: TimelineId,
    /// The namespace it feeds.
    pub namespace: String,
    /// Its last committed transaction, `None` before the first.
    pub committed: Option<Lsn>,
}

/// The lake's answer to `Hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloReply {
    /// The version both speak.
    pub version: u32,
    /// Feature bits of the lake.
    pub features: u64,
    /// Last accepted transaction of this timeline.
    pub accepted: Option<Lsn>,
    /// Last durable transaction of this timeline.
    pub durable: Option<Lsn>,
}

/// A piece of a change record. A transaction is admitted with its last part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionPart {
    /// The transaction.
    pub lsn: Lsn,
    /// Number of this part, from 0.
    pub part: u32,
    /// True for the last one.
    pub last: bool,
    /// Bytes of the record, at most `PART_BYTES_MAX`.
    pub bytes: Vec<u8>,
}

/// Why the lake refuses a producer. The lake leaves the connection open for `Busy`; the producer starts over with a new
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// No protocol version in common.
    Version,
    /// The name belongs to another timeline that was not ended by DELETE.
    TimelineConflict,
    /// The shard is behind what the lake holds of its timeline.
    ShardBehind,
    /// The lake's tail is at its bound: send again after the delay.
    Busy,
    /// The message cannot be read or breaks the protocol.
    Malformed,
    /// The timeline has been ended.
    Ended,
    /// The database was known under another namespace.
    NamespaceConflict,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Producer → lake.
    Hello(Hello),
    /// Lake → producer.
    HelloReply(HelloReply),
    /// Producer → lake: consecutive parts, together at most `PART_BYTES_MAX` bytes of records.
    Changes(Vec<TransactionPart>),
    /// Lake → producer: everything up to here is stored.
    Accepted {
        /// Last accepted transaction.
        lsn: Lsn,
        /// Wait this long before sending more; 0 as a rule.
        delay_ms: u32,
    },
    /// Lake → producer: everything up to here is in committed snapshots; the log may be trimmed.
    Durable {
        /// Last durable transaction.
        lsn: Lsn,
    },
    /// Lake → producer: resend from here.
    Gap {
        /// The first transaction that is missing.
        expected: Lsn,
    },
    /// Lake → producer.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// When trying again can help, in milliseconds; 0 if it cannot.
        retry_after_ms: u32,
        /// For people.
        message: String,
    },
    /// Producer → lake: the database was deleted; `lsn` is its last transaction.
    End {
        /// Last transaction, `None` if there was none.
        lsn: Option<Lsn>,
    },
    /// Lake → producer: the end is stored.
    Ended,
}

impl RefusalReason {
    fn code(self) -> u8 {
        match self {
            RefusalReason::Version => 1,
            RefusalReason::TimelineConflict => 2,
            RefusalReason::ShardBehind => 3,
            RefusalReason::Busy => 4,
            RefusalReason::Malformed => 5,
            RefusalReason::Ended => 6,
            RefusalReason::NamespaceConflict => 7,
        }
    }

    fn from_code(code: u8) -> Result<RefusalReason, DecodeError> {
        Ok(match code {
            1 => RefusalReason::Version,
            2 => RefusalReason::TimelineConflict,
            3 => RefusalReason::ShardBehind,
            4 => RefusalReason::Busy,
            5 => RefusalReason::Malformed,
            6 => RefusalReason::Ended,
            7 => RefusalReason::NamespaceConflict,
            found => {
                return Err(DecodeError::Unknown { what: "refusal", found });
            }
        })
    }
}

fn write_lsn(writer: &mut Writer, lsn: Option<Lsn>) {
    writer.varint(lsn.map_or(0, Lsn::get));
}

fn read_lsn(reader: &mut Reader<'_>) -> Result<Option<Lsn>, DecodeError> {
    reader.varint("an lsn").map(Lsn::new)
}

fn expect_lsn(reader: &mut Reader<'_>) -> Result<Lsn, DecodeError> {
    read_lsn(reader)?.ok_or(DecodeError::Invalid("an lsn"))
}

fn read_u32(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(reader.varint(what)?).map_err(|_| DecodeError::Invalid(what))
}

impl Frame {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Frame::Hello(hello) => {
                writer.u8(1);
                writer.varint(u64::from(hello.version_min));
                writer.varint(u64::from(hello.version_max));
                writer.varint(hello.features);
                writer.text(&hello.database);
                writer.raw(&hello.timeline.0);
                writer.text(&hello.namespace);
                write_lsn(&mut writer, hello.committed);
            }
            Frame::HelloReply(reply) => {
                writer.u8(2);
                writer.varint(u64::from(reply.version));
                writer.varint(reply.features);
                write_lsn(&mut writer, reply.accepted);
                write_lsn(&mut writer, reply.durable);
            }
            Frame::Changes(parts) => {
                writer.u8(3);
                writer.varint(parts.len() as u64);
                for part in parts {
                    writer.varint(part.lsn.get());
                    writer.varint(u64::from(part.part));
                    writer.u8(u8::from(part.last));
                    writer.counted(&part.bytes);
                }
            }
            Frame::Accepted { lsn, delay_ms } => {
                writer.u8(4);
                writer.varint(lsn.get());
                writer.varint(u64::from(*delay_ms));
            }
            Frame::Durable { lsn } => {
                writer.u8(5);
                writer.varint(lsn.get());
            }
            Frame::Gap { expected } => {
                writer.u8(6);
                writer.varint(expected.get());
            }
            Frame::Refused { reason, retry_after_ms, message } => {
                writer.u8(7);
                writer.u8(reason.code());
                writer.varint(u64::from(*retry_after_ms));
                writer.text(message);
            }
            Frame::End { lsn } => {
                writer.u8(8);
                write_lsn(&mut writer, *lsn);
            }
            Frame::Ended => writer.u8(9),
        }
        writer.into_bytes()
    }

    /// Reads a message. Bytes after the known fields are skipped.
    pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
        let mut reader = Reader::new(bytes);
        let reader = &mut reader;
        Ok(match reader.u8("a message")? {
            1 => Frame::Hello(Hello {
                version_min: read_u32(reader, "a version")?,
                version_max: read_u32(reader, "a version")?,
                features: reader.varint("features")?,
                database: reader.text("a database")?.to_owned(),
                timeline: TimelineId(reader.array("a timeline")?),
                namespace: reader.text("a namespace")?.to_owned(),
                committed: read_lsn(reader)?,
            }),
            2 => Frame::HelloReply(HelloReply {
                version: read_u32(reader, "a version")?,
                features: reader.varint("features")?,
                accepted: read_lsn(reader)?,
                durable: read_lsn(reader)?,
            }),
            3 => {
                let count = reader.count("parts")?;
                let mut parts = Vec::new();
                for _ in 0..count {
                    let lsn = expect_lsn(reader)?;
                    let part = read_u32(reader, "a part number")?;
                    let last = reader.bool("the last part")?;
                    let bytes = reader.counted("a part")?;
                    if bytes.len() > PART_BYTES_MAX {
                        return Err(DecodeError::TooLarge("a part"));
                    }
                    parts.push(TransactionPart { lsn, part, last, bytes: bytes.to_vec() });
                }
                Frame::Changes(parts)
            }
            4 => Frame::Accepted { lsn: expect_lsn(reader)?, delay_ms: read_u32(reader, "a delay")? },
            5 => Frame::Durable { lsn: expect_lsn(reader)? },
            6 => Frame::Gap { expected: expect_lsn(reader)? },
            7 => Frame::Refused {
                reason: RefusalReason::from_code(reader.u8("a refusal")?)?,
                retry_after_ms: read_u32(reader, "a delay")?,
                message: reader.text("a message")?.to_owned(),
            },
            8 => Frame::End { lsn: read_lsn(reader)? },
            9 => Frame::Ended,
            found => {
                return Err(DecodeError::Unknown { what: "message", found });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> Vec<Frame> {
        vec![
            Frame::Hello(Hello {
                version_min: 1,
                version_max: 3,
                features: 5,
                database: "shop".into(),
                timeline: TimelineId([9; 16]),
                namespace: "default".into(),
                committed: Lsn::new(300),
            }),
            Frame::HelloReply(HelloReply { version: 1, features: 0, accepted: Lsn::new(2), durable: None }),
            Frame::Changes(vec![TransactionPart { lsn: Lsn::FIRST, part: 0, last: true, bytes: vec![1, 2, 3] }]),
            Frame::Accepted { lsn: Lsn::FIRST, delay_ms: 0 },
            Frame::Durable { lsn: Lsn::FIRST },
            Frame::Gap { expected: Lsn::FIRST.next() },
            Frame::Refused { reason: RefusalReason::Busy, retry_after_ms: 200, message: "the tail is full".into() },
            Frame::End { lsn: None },
            Frame::Ended,
        ]
    }

    #[test]
    fn every_message_reads_back() {
        for frame in frames() {
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        for frame in frames() {
            let mut bytes = frame.encode();
            bytes.extend([1, 2, 3]);
            assert_eq!(Frame::decode(&bytes), Ok(frame));
        }
    }

    #[test]
    fn an_unknown_message_is_named() {
        assert_eq!(Frame::decode(&[200]), Err(DecodeError::Unknown { what: "message", found: 200 }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = std::hint::black_box(Frame::decode(&bytes));
        }
    }
}
