//! Tells the lake what was committed: dials, greets, sends the log, and lets go when there is nothing to say.
//!
//! All positions of the log, in one place:
//!
//! ```text
//! durable  ≤  accepted  ≤  sent  ≤  committed
//!    │           │          │          └ last transaction of the shard
//!    │           │          └ handed to the network on this connection
//!    │           └ stored by the lake, which must not lose it
//!    └ in committed snapshots with their commit record: only then may the log forget it
//! ```
//!
//! It decides and does no I/O besides reading the log: events go in, [`OutboxStep`]s and wishes for the alarm come
//! out. What is lost with the object's memory is learnt again from the lake's answer to `Hello`. Timers serve short
//! waits while the object is awake; the alarm is the back-stop for one that was evicted.

use std::collections::VecDeque;

use lake_cdc::{Frame, Hello, Lsn, Micros, PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN, RefusalReason};

use crate::change_log::{ChangeLog, Cursor};
use crate::limits::{
    ALARM_MICROS, ALARM_MICROS_MAX, CONNECT_MICROS_MAX, IDLE_CLOSE_MS, IN_FLIGHT_BYTES_MAX, REDIAL_MS_MAX,
    REDIAL_MS_MIN, REFUSAL_BYTES_MAX,
};
use crate::storage::base::LogPosition;
use crate::storage::shard_meta::{Life, ShardMeta};

/// What the shell does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxStep {
    /// Dials the lake. `on_open` or `on_closed` follows.
    Connect,
    /// Sends a message on the open socket.
    Send(Vec<u8>),
    /// Closes the socket. `on_closed` follows.
    Close,
    /// Calls `on_timer` after this time, if the object is still in memory.
    WakeIn {
        /// Milliseconds.
        millis: u32,
    },
}

/// What an event leads to.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    /// For the shell, in order.
    pub(crate) steps: Vec<OutboxStep>,
    /// When the alarm has to go off at the latest.
    pub(crate) alarm: Option<Micros>,
    /// The lake has everything: the alarm can go, and what is known can be stored.
    pub(crate) is_settled: bool,
    /// The lake has stored the end of the deleted database.
    pub(crate) is_ended: bool,
}

/// What the outbox is told about the shard.
pub(crate) struct Facts<'a> {
    pub(crate) meta: &'a ShardMeta,
    pub(crate) committed: LogPosition,
    pub(crate) now: Micros,
}

/// Why the lake does not take the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Closed,
    Connecting { since: Micros },
    Greeting,
    Open,
    Closing { since: Micros },
}

struct InFlight {
    lsn: Lsn,
    bytes: u64,
    /// Bytes of all change records up to it.
    record_bytes: u64,
}

/// The outbox of one timeline.
pub(crate) struct Outbox {
    log: ChangeLog,
    link: Link,
    cursor: Cursor,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: u64,
    /// Of them, bytes of a transaction whose last part was not sent yet.
    unended_bytes: u64,
    accepted: Option<Lsn>,
    accepted_record_bytes: u64,
    durable: Option<Lsn>,
    paused_until: Option<Micros>,
    idle_since: Option<Micros>,
    has_idle_timer: bool,
    redial_at: Option<Micros>,
    attempts: u32,
    /// Since when the lake owes a word, if it does: it spoke then, or was told something anew.
    heard_at: Micros,
    alarm_at: Option<Micros>,
    end_is_sent: bool,
    refusal: Option<Refusal>,
}

impl Outbox {
    /// Begins after what the lake was last known to have accepted.
    pub(crate) fn new(
        log: ChangeLog,
        meta: Option<&ShardMeta>,
        committed: LogPosition,
        alarm_at: Option<i64>,
    ) -> Outbox {
        let accepted = meta.and_then(|meta| meta.accepted);
        let accepted_record_bytes = record_bytes_through(&log, accepted, committed);
        Outbox {
            log,
            link: Link::Closed,
            cursor: Cursor::at(accepted.map_or(Lsn::FIRST, Lsn::next)),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            unended_bytes: 0,
            accepted,
            accepted_record_bytes,
            durable: meta.and_then(|meta| meta.durable),
            paused_until: None,
            idle_since: None,
            has_idle_timer: false,
            redial_at: None,
            attempts: 0,
            heard_at: Micros(0),
            alarm_at: alarm_at.map(Micros),
            end_is_sent: false,
            refusal: None,
        }
    }

    /// The last transaction that the lake has stored.
    pub(crate) fn accepted(&self) -> Option<Lsn> {
        self.accepted
    }

    /// The last transaction that is in committed snapshots.
    pub(crate) fn durable(&self) -> Option<Lsn> {
        self.durable
    }

    /// The last transaction that was handed to the network whole.
    pub(crate) fn sent(&self) -> Option<Lsn> {
        self.cursor.lsn.previous()
    }

    /// Why the lake does not take the log, if it does not.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// How the connection stands, for the status.
    pub(crate) fn link_name(&self) -> &'static str {
        match self.link {
            Link::Closed => "closed",
            Link::Connecting { .. } => "connecting",
            Link::Greeting => "greeting",
            Link::Open => "open",
            Link::Closing { .. } => "closing",
        }
    }

    /// Bytes of change records that the lake has not accepted.
    pub(crate) fn backlog_bytes(&self, committed: LogPosition) -> u64 {
        committed.record_bytes.saturating_sub(self.accepted_record_bytes)
    }

    /// True if the lake has to hear something.
    pub(crate) fn wants_connection(&self, facts: &Facts<'_>) -> bool {
        facts.meta.life == Life::Ending || facts.committed.lsn > self.accepted
    }

    /// When the alarm should go off after a commit at `now`, if it is not set already.
    pub(crate) fn plan_alarm(&self, now: Micros) -> Option<Micros> {
        match self.alarm_at {
            Some(at) if at.0 > now.0 => None,
            _ if lake_host::planted!("shard: no alarm is set") => None,
            _ => Some(Micros(now.0 + ALARM_MICROS)),
        }
    }

    /// The alarm was set.
    pub(crate) fn alarm_is_set(&mut self, at: Option<Micros>) {
        self.alarm_at = at;
    }

    /// Something may have been committed, or the database deleted.
    pub(crate) fn after_request(&mut self, facts: &Facts<'_>) -> Reaction {
        let mut reaction = Reaction::default();
        match self.link {
            Link::Closed if self.may_dial(facts) => self.dial(facts, &mut reaction),
            Link::Open => self.pump(facts, &mut reaction),
            _ => {}
        }
        reaction
    }

    /// The socket is open.
    pub(crate) fn on_open(&mut self, facts: &Facts<'_>) -> Reaction {
        self.link = Link::Greeting;
        self.heard_at = facts.now;
        let hello = Frame::Hello(Hello {
            version_min: PROTOCOL_VERSION_MIN,
            version_max: PROTOCOL_VERSION_MAX,
            features: 0,
            database: facts.meta.database.clone(),
            timeline: facts.meta.timeline,
            namespace: facts.meta.namespace.clone(),
            committed: facts.committed.lsn,
        });
        Reaction { steps: vec![OutboxStep::Send(hello.encode())], ..Reaction::default() }
    }

    /// A message from the lake.
    pub(crate) fn on_message(&mut self, facts: &Facts<'_>, bytes: &[u8]) -> Reaction {
        let mut reaction = Reaction::default();
        // What arrives after the decision to close is learnt again at the next greeting.
        if !matches!(self.link, Link::Greeting | Link::Open) {
            return reaction;
        }
        self.heard_at = facts.now;
        let is_ending = facts.meta.life == Life::Ending;
        match (Frame::decode(bytes), self.link) {
            (Ok(Frame::HelloReply(reply)), Link::Greeting) if reply.accepted <= facts.committed.lsn => {
                self.link = Link::Open;
                self.refusal = None;
                self.durable = reply.durable.min(reply.accepted);
                self.resume_after(reply.accepted, facts);
                self.pump(facts, &mut reaction);
            }
            (Ok(Frame::HelloReply(reply)), Link::Greeting) => {
                let held = reply.accepted.map_or(0, Lsn::get);
                let message = format!("the lake holds transaction {held} of this timeline, which is not in the log");
                self.refuse(facts, "shard_behind", &message, &mut reaction);
            }
            (Ok(Frame::Accepted { lsn, delay_ms }), Link::Open) if Some(lsn) <= self.sent() => {
                self.accept(lsn);
                self.pause(facts.now, delay_ms, &mut reaction);
                self.pump(facts, &mut reaction);
            }
            // One beyond what this connection accepted is of another timeline of the name: nothing may be forgotten on
            // its word, and it is no fault of this connection either.
            (Ok(Frame::Durable { lsn }), _) => {
                if self.link == Link::Open && Some(lsn) <= self.accepted {
                    self.durable = self.durable.max(Some(lsn));
                }
            }
            (Ok(Frame::Gap { expected }), Link::Open) if expected.previous() <= facts.committed.lsn => {
                self.resume_after(expected.previous(), facts);
                self.start_over(facts, 0, &mut reaction);
            }
            (Ok(Frame::Refused { reason: RefusalReason::Busy, retry_after_ms, .. }), _) if self.link == Link::Open => {
                self.resume_after(self.accepted, facts);
                self.start_over(facts, retry_after_ms, &mut reaction);
            }
            (Ok(Frame::Ended | Frame::Refused { reason: RefusalReason::Ended, .. }), _) if is_ending => {
                self.close(facts, &mut reaction);
                reaction.is_ended = true;
            }
            (Ok(Frame::Refused { reason, message, .. }), _) => {
                self.refuse(facts, refusal_name(reason), &message, &mut reaction);
            }
            (Ok(_), _) => self.refuse(facts, "protocol", "the lake sent a message out of turn", &mut reaction),
            (Err(error), _) => self.refuse(facts, "protocol", &error.to_string(), &mut reaction),
        }
        reaction
    }

    /// The socket is closed, or could not be opened.
    pub(crate) fn on_closed(&mut self, facts: &Facts<'_>) -> Reaction {
        let mut reaction = Reaction::default();
        let link = std::mem::replace(&mut self.link, Link::Closed);
        self.idle_since = None;
        self.has_idle_timer = false;
        match link {
            Link::Closed => {}
            Link::Closing { .. } => {
                if self.may_dial(facts) {
                    self.dial(facts, &mut reaction);
                }
            }
            Link::Connecting { .. } | Link::Greeting | Link::Open => self.plan_redial(facts, 0, &mut reaction),
        }
        reaction
    }

    /// A timer that `WakeIn` asked for.
    pub(crate) fn on_timer(&mut self, facts: &Facts<'_>) -> Reaction {
        let mut reaction = Reaction::default();
        self.has_idle_timer = false;
        match self.link {
            Link::Closed if self.may_dial(facts) => self.dial(facts, &mut reaction),
            Link::Open => self.pump(facts, &mut reaction),
            _ => {}
        }
        reaction
    }

    /// The alarm of the object.
    pub(crate) fn on_alarm(&mut self, facts: &Facts<'_>) -> Reaction {
        let mut reaction = Reaction::default();
        self.alarm_at = None;
        if !self.wants_connection(facts) {
            return reaction;
        }
        let since = match self.link {
            Link::Connecting { since } | Link::Closing { since } => Some(since),
            Link::Closed | Link::Greeting | Link::Open => None,
        };
        // A dial of which nothing was heard for so long is lost; the shell ignores a second one while one runs.
        if since.is_some_and(|since| facts.now.0 - since.0 >= CONNECT_MICROS_MAX) {
            self.link = Link::Closed;
        }
        // A peer can vanish without a close. What it said last, or the end of the pause that it asked for, counts.
        let quiet_since = self.paused_until.map_or(self.heard_at, |until| until.max(self.heard_at));
        if matches!(self.link, Link::Greeting | Link::Open) && facts.now.0 - quiet_since.0 >= CONNECT_MICROS_MAX {
            self.close(facts, &mut reaction);
        }
        if self.link == Link::Closed {
            self.redial_at = None;
            self.dial(facts, &mut reaction);
        }
        self.plan_backstop(facts.now, &mut reaction);
        reaction
    }

    fn may_dial(&self, facts: &Facts<'_>) -> bool {
        self.wants_connection(facts) && self.redial_at.is_none_or(|at| at <= facts.now)
    }

    fn dial(&mut self, facts: &Facts<'_>, reaction: &mut Reaction) {
        self.link = Link::Connecting { since: facts.now };
        reaction.steps.push(OutboxStep::Connect);
    }

    fn close(&mut self, facts: &Facts<'_>, reaction: &mut Reaction) {
        self.link = Link::Closing { since: facts.now };
        self.idle_since = None;
        self.has_idle_timer = false;
        reaction.steps.push(OutboxStep::Close);
    }

    /// A new connection after at least so long. What was sent over this one is still on its way, and each frame of it
    /// would be answered with a gap: sent again behind it, the log would pile up there once for each.
    fn start_over(&mut self, facts: &Facts<'_>, millis: u32, reaction: &mut Reaction) {
        self.close(facts, reaction);
        self.plan_redial(facts, millis, reaction);
    }

    fn refuse(&mut self, facts: &Facts<'_>, reason: &'static str, message: &str, reaction: &mut Reaction) {
        let message = message.chars().take(REFUSAL_BYTES_MAX / 4).collect();
        self.refusal = Some(Refusal { reason, message });
        self.start_over(facts, 0, reaction);
    }

    fn plan_redial(&mut self, facts: &Facts<'_>, at_least: u32, reaction: &mut Reaction) {
        if !self.wants_connection(facts) {
            return;
        }
        let doubled = REDIAL_MS_MIN.saturating_mul(1 << self.attempts.min(16));
        // After a refusal nothing is better a moment later; the first look waits for the alarm.
        let millis = if self.refusal.is_some() { REDIAL_MS_MAX } else { doubled.max(at_least).min(REDIAL_MS_MAX) };
        self.attempts = self.attempts.saturating_add(1);
        self.redial_at = Some(Micros(facts.now.0 + i64::from(millis) * 1_000));
        // A timer keeps the object in memory, and that is billed: longer waits are the alarm's.
        if millis <= IDLE_CLOSE_MS {
            reaction.steps.push(OutboxStep::WakeIn { millis });
        }
        self.plan_backstop(facts.now, reaction);
    }

    fn plan_backstop(&self, now: Micros, reaction: &mut Reaction) {
        let micros = (ALARM_MICROS << self.attempts.min(10)).min(ALARM_MICROS_MAX);
        let at = Micros(now.0 + micros);
        if self.alarm_at.is_none_or(|set| set <= now || set > at) {
            reaction.alarm = Some(at);
        }
    }

    fn pause(&mut self, now: Micros, millis: u32, reaction: &mut Reaction) {
        if millis > 0 {
            let millis = millis.min(REDIAL_MS_MAX);
            self.paused_until = Some(Micros(now.0 + i64::from(millis) * 1_000));
            reaction.steps.push(OutboxStep::WakeIn { millis });
        }
    }

    fn accept(&mut self, lsn: Lsn) {
        while let Some(first) = self.in_flight.front()
            && first.lsn <= lsn
        {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(first.bytes);
            self.accepted_record_bytes = self.accepted_record_bytes.max(first.record_bytes);
            self.in_flight.pop_front();
        }
        self.accepted = self.accepted.max(Some(lsn));
        // Not at the greeting: a lake that greets and then fails would be dialled without a pause.
        self.attempts = 0;
    }

    fn resume_after(&mut self, accepted: Option<Lsn>, facts: &Facts<'_>) {
        self.accepted = accepted;
        self.accepted_record_bytes = record_bytes_through(&self.log, accepted, facts.committed);
        self.cursor = Cursor::at(accepted.map_or(Lsn::FIRST, Lsn::next));
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.unended_bytes = 0;
        self.paused_until = None;
        // An end that the lake was too busy for was not taken either.
        self.end_is_sent = false;
    }

    /// Sends what there is room for, or notices that there is nothing to send.
    fn pump(&mut self, facts: &Facts<'_>, reaction: &mut Reaction) {
        if self.paused_until.is_some_and(|until| until > facts.now) {
            return;
        }
        let owes_nothing = self.accepted >= self.sent() && !self.end_is_sent;
        if self.paused_until.take().is_some() || owes_nothing {
            // Nothing was owed until now.
            self.heard_at = facts.now;
        }
        while Some(self.cursor.lsn) <= facts.committed.lsn {
            let is_enough = self.in_flight_bytes >= IN_FLIGHT_BYTES_MAX
                || (self.in_flight_bytes > 0 && lake_host::rarely!("outbox: little in flight"));
            if self.cursor.is_between() && is_enough {
                break;
            }
            let chunk = match self.log.read(&mut self.cursor) {
                Ok(chunk) if !chunk.parts.is_empty() => chunk,
                Ok(_) => return self.refuse(facts, "log", "the log ends before the last transaction", reaction),
                Err(error) => return self.refuse(facts, "log", &error.to_string(), reaction),
            };
            let bytes = chunk.parts.iter().map(|part| part.bytes.len() as u64).sum::<u64>();
            self.in_flight_bytes += bytes;
            self.unended_bytes += bytes;
            for (lsn, record_bytes) in chunk.ended {
                let bytes = std::mem::take(&mut self.unended_bytes);
                self.in_flight.push_back(InFlight { lsn, bytes, record_bytes });
            }
            reaction.steps.push(OutboxStep::Send(Frame::Changes(chunk.parts).encode()));
        }
        if self.accepted < facts.committed.lsn {
            self.idle_since = None;
            return;
        }
        self.attempts = 0;
        if facts.meta.life == Life::Ending {
            if !std::mem::replace(&mut self.end_is_sent, true) {
                reaction.steps.push(OutboxStep::Send(Frame::End { lsn: facts.committed.lsn }.encode()));
            }
        } else {
            self.wait_or_close(facts, reaction);
        }
    }

    /// Nothing to send: closes after a while. One timer runs at a time, however often the connection gets idle.
    fn wait_or_close(&mut self, facts: &Facts<'_>, reaction: &mut Reaction) {
        let since = *self.idle_since.get_or_insert(facts.now);
        let waited_ms = u32::try_from((facts.now.0 - since.0).max(0) / 1_000).unwrap_or(u32::MAX);
        if waited_ms >= IDLE_CLOSE_MS {
            self.close(facts, reaction);
            reaction.is_settled = true;
        } else if !std::mem::replace(&mut self.has_idle_timer, true) {
            reaction.steps.push(OutboxStep::WakeIn { millis: IDLE_CLOSE_MS - waited_ms });
        }
    }
}

/// Bytes of all change records that the lake has. Where the log no longer has the last of them, it begins after one that
/// the lake has too: it is trimmed to nothing else.
fn record_bytes_through(log: &ChangeLog, accepted: Option<Lsn>, committed: LogPosition) -> u64 {
    let held = accepted.and_then(|lsn| log.record_bytes_at(lsn).ok().flatten());
    held.or_else(|| log.record_bytes_before().ok().flatten()).unwrap_or(match accepted {
        Some(_) => committed.record_bytes,
        None => 0,
    })
}

fn refusal_name(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::Version => "version",
        RefusalReason::TimelineConflict => "timeline_conflict",
        RefusalReason::ShardBehind => "shard_behind",
        RefusalReason::Busy => "busy",
        RefusalReason::Malformed => "malformed",
        RefusalReason::Ended => "ended",
        RefusalReason::NamespaceConflict => "namespace_conflict",
    }
}

#[cfg(test)]
mod tests;
