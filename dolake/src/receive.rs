//! Messages of producers: one connection, one message, what to answer.

use lake_cdc::{Frame, Hello, HelloReply, Lsn, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN, RefusalReason, TimelineId};
use lake_cdc::{TransactionPart, limits::NAME_BYTES_MAX};
use lake_host::{ShardStorage, StorageError, WriteBatch, durable, planted};
use serde::{Deserialize, Serialize};

use crate::admission::Admission;
use crate::error::LakeError;
use crate::lake::{Lake, Notice};
use crate::limits::{
    BUSY_RETRY_MS, DEAD_LETTER_BYTES_MAX, PENDING_BYTES_MAX, SLOW_DELAY_MS_PER_MIB, TAIL_BYTES_MAX, TAIL_BYTES_SLOW,
};
use crate::stage::{Refusal, Stage, Staged};
use crate::state::Pending;
use crate::stored::{Shard, keys, seal_json};

/// What the lake knows of one producer's socket. Small enough for the socket's attachment, so that it survives
/// hibernation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The database, once it said hello and was accepted.
    pub database: Option<String>,
    timeline: Option<String>,
}

impl Connection {
    /// True if a notice is for this connection: its database and the same timeline of it.
    pub fn wants(&self, notice: &Notice) -> bool {
        self.database.as_ref() == Some(&notice.database) && self.timeline() == Some(notice.timeline)
    }

    fn timeline(&self) -> Option<TimelineId> {
        self.timeline.as_deref().and_then(TimelineId::parse)
    }
}

/// What to do after a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames to send, in order.
    pub replies: Vec<Frame>,
    /// Close the socket afterwards with this WebSocket status and reason.
    pub close: Option<(u16, String)>,
    /// The tail grew: feed the subscribers.
    pub tail_grew: bool,
}

impl Received {
    fn reply(frame: Frame) -> Received {
        Received { replies: vec![frame], ..Received::default() }
    }

    fn refuse(reason: RefusalReason, message: impl Into<String>) -> Received {
        let message = message.into();
        // The socket's reason is at most 123 bytes.
        let short = message.chars().take(100).filter(char::is_ascii).collect();
        let frame = Frame::Refused { reason, retry_after_ms: 0, message };
        Received { replies: vec![frame], close: Some((1008, short)), tail_grew: false }
    }

    fn busy(message: &str) -> Received {
        let reason = RefusalReason::Busy;
        Received::reply(Frame::Refused { reason, retry_after_ms: BUSY_RETRY_MS, message: message.to_owned() })
    }
}

impl<S: ShardStorage> Lake<S> {
    /// Takes one binary message of a producer. Has no `await`: what it accepts is stored when it returns.
    ///
    /// After an error, drop the lake, close the sockets and open it again: the producers resend.
    pub fn receive(&self, connection: &mut Connection, message: &[u8], now: i64) -> Result<Received, LakeError> {
        let received = match Frame::decode(message) {
            Ok(Frame::Hello(hello)) => self.hello(connection, &hello)?,
            Ok(Frame::Changes(parts)) => self.changes(connection, parts, now)?,
            Ok(Frame::End { lsn }) => self.end(connection, lsn, now)?,
            Ok(_) => Received::refuse(RefusalReason::Malformed, "a message that only the lake sends"),
            Err(error) => Received::refuse(RefusalReason::Malformed, error.to_string()),
        };
        if received.replies.iter().any(|frame| matches!(frame, Frame::Refused { .. })) {
            self.state_mut().counters.refusals += 1;
            // The shard sends the transaction again, from its first part.
            self.forget(connection);
        }
        Ok(received)
    }

    /// Drops the parts of a transaction whose rest will not come over this connection: its socket has closed.
    pub fn forget(&self, connection: &Connection) {
        if let Some(timeline) = connection.timeline() {
            self.state_mut().pending.remove(&timeline.0);
        }
    }

    fn hello(&self, connection: &mut Connection, hello: &Hello) -> Result<Received, LakeError> {
        if hello.version_min > PROTOCOL_VERSION_MAX || hello.version_max < PROTOCOL_VERSION_MIN {
            let message = format!("the lake speaks versions {PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION_MAX}");
            return Ok(Received::refuse(RefusalReason::Version, message));
        }
        if !is_name(&hello.database) || !is_name(&hello.namespace) {
            return Ok(Received::refuse(RefusalReason::Malformed, "a name must match [a-z0-9_-]{1,63}"));
        }
        let known = self.state().shards.get(&hello.database).cloned();
        let refuse = |reason, message: String| self.refuse_shard(&hello.database, reason, message);
        let shard = match known {
            Some(shard) if shard.has_ended(hello.timeline) => {
                return Ok(Received::refuse(RefusalReason::Ended, "the timeline has been ended"));
            }
            Some(shard) if shard.timeline() == hello.timeline => {
                if shard.namespace != hello.namespace {
                    let message = format!("database {} feeds namespace {}", shard.database, shard.namespace);
                    return refuse(RefusalReason::NamespaceConflict, message);
                }
                if hello.committed < shard.accepted() {
                    let held = shard.accepted().map_or(0, Lsn::get);
                    let has = hello.committed.map_or(0, Lsn::get);
                    let message = format!("the shard is at {has}, the lake holds {held} of its timeline");
                    return refuse(RefusalReason::ShardBehind, message);
                }
                self.hear_of(&shard, hello.committed)?;
                shard
            }
            Some(shard) if !shard.ended => {
                let message =
                    format!("database {} is known with another timeline, which has not ended", shard.database);
                return refuse(RefusalReason::TimelineConflict, message);
            }
            Some(mut shard) => {
                shard.restart(hello.timeline, &hello.namespace);
                shard.hear_of(hello.committed);
                self.store_shard(shard.clone())?;
                shard
            }
            None => {
                let number = self.state().meta.next_shard;
                let mut shard = Shard::new(number, &hello.database, &hello.namespace, hello.timeline);
                shard.hear_of(hello.committed);
                self.store_shard(shard.clone())?;
                shard
            }
        };
        connection.database = Some(hello.database.clone());
        connection.timeline = Some(hello.timeline.to_string());
        self.forget(connection);
        Ok(Received::reply(Frame::HelloReply(HelloReply {
            version: PROTOCOL_VERSION_MAX.min(hello.version_max),
            features: 0,
            accepted: shard.accepted(),
            durable: shard.durable(),
        })))
    }

    /// Refuses a database and keeps that for the status: its owner does not see the lake's answer.
    fn refuse_shard(&self, database: &str, reason: RefusalReason, message: String) -> Result<Received, LakeError> {
        let known = self.state().shards.get(database).cloned();
        if let Some(mut shard) = known {
            let is_news = shard.refusal.as_ref() != Some(&message);
            shard.refusals += 1;
            shard.refusal = Some(message.clone());
            if is_news {
                self.store_shard(shard)?;
            } else {
                // A shard that tries again and again must not be billed for as many rows.
                self.state_mut().shards.insert(database.to_owned(), shard);
            }
        }
        Ok(Received::refuse(reason, message))
    }

    /// Remembers that a shard has committed something before any of that is accepted: no time is over for it.
    fn hear_of(&self, shard: &Shard, committed: Option<Lsn>) -> Result<(), LakeError> {
        let mut shard = shard.clone();
        if shard.hear_of(committed) { self.store_shard(shard) } else { Ok(()) }
    }

    fn store_shard(&self, shard: Shard) -> Result<(), LakeError> {
        let mut meta = self.state().meta.clone();
        meta.next_shard = meta.next_shard.max(shard.number + 1);
        let mut batch = WriteBatch::new();
        batch.put(keys::shard(&shard.database), seal_json("shard", &shard)?);
        batch.put(keys::META, seal_json("meta", &meta)?);
        durable!("lake: store a shard", self.write_batch(&batch))?;
        let mut state = self.state_mut();
        state.meta = meta;
        state.shards.insert(shard.database.clone(), shard);
        Ok(())
    }

    /// The shard that a connection speaks for; `Err` is the refusal.
    fn speaker(&self, connection: &Connection) -> Result<Shard, Received> {
        let (Some(database), Some(timeline)) = (&connection.database, connection.timeline()) else {
            return Err(Received::refuse(RefusalReason::Malformed, "the first message must be a hello"));
        };
        match self.state().shards.get(database) {
            Some(shard) if shard.timeline() == timeline => Ok(shard.clone()),
            _ => Err(Received::refuse(RefusalReason::Ended, "the timeline has been ended")),
        }
    }

    fn changes(&self, connection: &Connection, parts: Vec<TransactionPart>, now: i64) -> Result<Received, LakeError> {
        let shard = match self.speaker(connection) {
            Ok(shard) if shard.ended => {
                return Ok(Received::refuse(RefusalReason::Ended, "the timeline has been ended"));
            }
            Ok(shard) => shard,
            Err(refusal) => return Ok(refusal),
        };
        // Before it is known whether they are taken, and all of their transaction is here.
        self.hear_of(&shard, parts.first().map(|part| part.lsn))?;
        {
            let state = self.state();
            let is_full = state.meta.tail_bytes >= TAIL_BYTES_MAX
                || (state.meta.tail_bytes > 0 && lake_host::rarely!("lake: a small tail is full"));
            if is_full {
                return Ok(Received::busy("the lake's tail is full"));
            }
            // The greatest goes on, so that at least one comes to its end.
            if state.pending_bytes() >= PENDING_BYTES_MAX && state.greatest_pending() != Some(shard.timeline().0) {
                return Ok(Received::busy("too many unfinished transactions"));
            }
            if state.meta.dead_letter_bytes >= DEAD_LETTER_BYTES_MAX && shard.dead_letters > 0 {
                return Ok(Received::busy("the lake's dead letters are full"));
            }
        }
        let (before, database, timeline) = (shard.accepted(), shard.database.clone(), shard.timeline());
        let mut held = self.state_mut().pending.remove(&timeline.0).unwrap_or_default();
        // As an eviction between two frames leaves it.
        if lake_host::rarely!("lake: the parts so far are gone") {
            held = Pending::default();
        }
        let mut gap = None;
        let staged = {
            let state = self.state();
            let mut stage = Stage::new(&state, &self.storage, shard, now);
            stage.pending = held;
            stage_parts(stage, parts, &mut gap)
        };
        let (staged, pending, duplicates) = match staged {
            Ok(staged) => staged,
            Err(Refusal::Lake(error)) => return Err(error),
            Err(Refusal::Malformed(message)) => {
                return self.refuse_shard(&database, RefusalReason::Malformed, message);
            }
        };
        let grew = match staged {
            Some(staged) => match self.store(staged)? {
                Stored::Accepted => true,
                Stored::Full => return Ok(Received::busy("the lake's storage is full")),
            },
            None => false,
        };
        let mut state = self.state_mut();
        state.counters.duplicates += duplicates;
        state.counters.gaps += u64::from(gap.is_some());
        if pending.lsn.is_some() && gap.is_none() {
            state.pending.insert(timeline.0, pending);
        }
        let delay_ms = slow_down(state.meta.tail_bytes);
        let shard = state.shards.get(&database);
        let mut received = Received { tail_grew: grew, ..Received::default() };
        if let Some(lsn) = shard.and_then(Shard::accepted)
            && (duplicates > 0 || Some(lsn) > before)
        {
            received.replies.push(Frame::Accepted { lsn, delay_ms });
        }
        if duplicates > 0
            && let Some(lsn) = shard.and_then(Shard::durable)
        {
            received.replies.push(Frame::Durable { lsn });
        }
        received.replies.extend(gap.map(|expected| Frame::Gap { expected }));
        Ok(received)
    }

    fn end(&self, connection: &Connection, lsn: Option<Lsn>, now: i64) -> Result<Received, LakeError> {
        let shard = match self.speaker(connection) {
            Ok(shard) if shard.ended => return Ok(Received::reply(Frame::Ended)),
            Ok(shard) => shard,
            Err(refusal) => return Ok(refusal),
        };
        if lsn > shard.accepted() {
            return Ok(Received::reply(Frame::Gap { expected: shard.expected() }));
        }
        let staged = {
            let state = self.state();
            let mut stage = Stage::new(&state, &self.storage, shard, now);
            match stage.end().and_then(|()| stage.finish()) {
                Ok(staged) => staged,
                Err(Refusal::Lake(error)) => return Err(error),
                Err(Refusal::Malformed(message)) => return Ok(Received::refuse(RefusalReason::Malformed, message)),
            }
        };
        match self.store(staged)? {
            Stored::Accepted => Ok(Received { tail_grew: true, ..Received::reply(Frame::Ended) }),
            Stored::Full => Ok(Received::busy("the lake's storage is full")),
        }
    }

    fn store(&self, staged: Staged) -> Result<Stored, LakeError> {
        if planted!("lake: the position is stored apart from the rows") {
            let mut position = WriteBatch::new();
            position.put(keys::shard(&staged.shard.database), seal_json("shard", &staged.shard)?);
            durable!("lake: admit a batch", self.write_batch(&position))?;
        }
        let written = if planted!("lake: acknowledged before it is stored") {
            Ok(())
        } else {
            durable!("lake: admit a batch", self.write_batch(&staged.batch))
        };
        match written {
            Ok(()) => {}
            Err(LakeError::Storage(StorageError::Full)) => return Ok(Stored::Full),
            Err(error) => return Err(error),
        }
        staged.adopt(&mut self.state_mut());
        Ok(Stored::Accepted)
    }
}

enum Stored {
    Accepted,
    /// Nothing was written.
    Full,
}

/// Stages parts up to the first gap: the write, what has no end yet, and how many were known.
fn stage_parts<S: ShardStorage>(
    mut stage: Stage<'_, S>,
    parts: Vec<TransactionPart>,
    gap: &mut Option<Lsn>,
) -> Result<(Option<Staged>, Pending, u64), Refusal> {
    for part in parts {
        if let Admission::Gap { expected } = stage.part(part)? {
            *gap = Some(expected);
            break;
        }
    }
    let (pending, duplicates) = (std::mem::take(&mut stage.pending), stage.duplicates);
    let staged = if stage.is_empty() { None } else { Some(stage.finish()?) };
    Ok((staged, pending, duplicates))
}

/// The delay asked for as the tail grows towards its bound.
fn slow_down(tail_bytes: u64) -> u32 {
    let over = tail_bytes.saturating_sub(TAIL_BYTES_SLOW) >> 20;
    (over as u32).saturating_mul(SLOW_DELAY_MS_PER_MIB)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
