//! An object that does what the cases of sockets and alarms order, and notes what happens to it.
//!
//! Events of sockets are noted in memory, so that an eviction shows; alarms are noted in storage, so that none is
//! missed.

use std::{cell::RefCell, collections::BTreeMap};

use lake_host::{
    AcceptedSockets, AlarmChange, HibernatableSocket, KeyRange, ROW_BYTES_MAX, ShardStorage, Socket, SocketEvent,
    WriteBatch,
};

use super::{Act, AlarmStep, Answer, Digest, Fired, Order, Seen};

/// How far the alarms ordered from within alarms lie apart.
const REPEAT_MICROS: i64 = 20_000;

const PLAN: &[u8] = b"alarm/plan";
const FIRED: &[u8] = b"alarm/fired/";

/// The object: its storage, the sockets it accepted and those it dialled.
#[derive(Debug)]
pub struct Subject<S, A, D> {
    storage: S,
    accepted: A,
    dialled: RefCell<BTreeMap<String, D>>,
    seen: RefCell<BTreeMap<String, Vec<Seen>>>,
}

impl<S: ShardStorage, A: AcceptedSockets, D: Socket> Subject<S, A, D> {
    /// An object that has just come into memory.
    pub fn new(storage: S, accepted: A) -> Subject<S, A, D> {
        Subject { storage, accepted, dialled: RefCell::default(), seen: RefCell::default() }
    }

    /// It has dialled a socket.
    pub fn on_dialled(&self, tag: &str, socket: D) {
        self.seen.borrow_mut().remove(tag);
        self.dialled.borrow_mut().insert(tag.to_owned(), socket);
    }

    /// It has accepted a socket.
    pub fn on_accepted(&self, tag: &str) {
        self.seen.borrow_mut().remove(tag);
    }

    /// Something happened at a socket of either kind.
    pub fn on_event(&self, tag: &str, socket: &impl Socket, event: SocketEvent) {
        let seen = match event {
            SocketEvent::Binary(bytes) => Seen::Binary(Digest::of(&bytes)),
            SocketEvent::Text(text) => Seen::Text(text),
            SocketEvent::Closed { code, reason } => {
                let can_send = socket.send_text("after a close").is_ok() || socket.send(b"after a close").is_ok();
                Seen::Closed { code, reason, can_send }
            }
        };
        self.seen.borrow_mut().entry(tag.to_owned()).or_default().push(seen);
    }

    /// The alarm came. An error is for the platform, which gives it again.
    pub fn on_alarm(&self, now: i64) -> Result<(), String> {
        let held = self.alarm()?;
        let (repeat, failures) = self.plan()?;
        let fails = failures > 0;
        let mut batch = WriteBatch::new();
        if fails {
            batch.put(PLAN, format!("{repeat} {}", failures - 1));
        } else if repeat > 0 {
            batch.put(PLAN, format!("{} 0", repeat - 1));
            batch.alarm = Some(AlarmChange::Set(now + REPEAT_MICROS));
        }
        self.apply(&batch)?;
        let next = self.alarm()?;
        let number = self.fired()?.len();
        let line = format!("{now} {} {}", text_of(held), text_of(next));
        let mut batch = WriteBatch::new();
        batch.put([FIRED, format!("{number:08}").as_bytes()].concat(), line);
        self.apply(&batch)?;
        if fails { Err("it was told to fail".to_owned()) } else { Ok(()) }
    }

    /// Does what is ordered. Dialling is not for the object itself.
    pub fn obey(&self, order: Order, now: i64) -> Result<Answer, String> {
        match order {
            Order::Dial { .. } => Err("the lab dials".to_owned()),
            Order::Act { tag, acts } => {
                let dialled = self.dialled.borrow();
                let of_dialled =
                    dialled.get(&tag).into_iter().flat_map(|socket| acts.iter().map(|act| send(socket, act)));
                let accepted = self.accepted.with_tag(&tag);
                let of_accepted = accepted.iter().flat_map(|socket| {
                    acts.iter().map(|act| match act {
                        Act::Attach(bytes) => socket.attach(&bytes.bytes()).map_err(|error| error.to_string()),
                        other => send(socket, other),
                    })
                });
                Ok(Answer::Acted(of_dialled.chain(of_accepted).collect()))
            }
            Order::Seen { tag } => Ok(Answer::Seen(self.seen.borrow().get(&tag).cloned().unwrap_or_default())),
            Order::Held { tag } => {
                let sockets = self.accepted.with_tag(&tag);
                Ok(Answer::Held(sockets.iter().map(|socket| Some(Digest::of(&socket.attached()?))).collect()))
            }
            Order::Alarm { steps, repeat, failures } => {
                let mut batch = WriteBatch::new();
                batch.delete_range(KeyRange::prefix(FIRED)).put(PLAN, format!("{repeat} {failures}"));
                batch.alarm = Some(AlarmChange::Clear);
                self.apply(&batch)?;
                steps.into_iter().map(|step| self.take_step(step, now)).collect::<Result<_, _>>().map(Answer::Alarm)
            }
            Order::Fired => Ok(Answer::Fired { fired: self.fired()?, next: self.alarm()? }),
        }
    }

    fn take_step(&self, step: AlarmStep, now: i64) -> Result<Option<i64>, String> {
        let at = |millis: i64| now + millis * 1_000;
        let (change, fails) = match step {
            AlarmStep::Set(millis) => (AlarmChange::Set(at(millis)), false),
            AlarmStep::NoLaterThan(millis) => (AlarmChange::NoLaterThan(at(millis)), false),
            AlarmStep::Clear => (AlarmChange::Clear, false),
            AlarmStep::SetAndFail(millis) => (AlarmChange::Set(at(millis)), true),
            AlarmStep::ClearAndFail => (AlarmChange::Clear, true),
        };
        let mut batch = WriteBatch { operations: Vec::new(), alarm: Some(change) };
        if fails {
            batch.put("large", vec![0; ROW_BYTES_MAX]);
        }
        match (self.apply(&batch), fails) {
            (Ok(()), true) => Err("a batch that cannot be stored was taken".to_owned()),
            (Err(error), false) => Err(error),
            _ => self.alarm(),
        }
    }

    /// How often the alarm is still to set itself again, and how often to fail.
    fn plan(&self) -> Result<(u32, u32), String> {
        let stored = self.storage.get(PLAN).map_err(|error| error.to_string())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&stored).into_owned();
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
        Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
    }

    fn fired(&self) -> Result<Vec<Fired>, String> {
        let rows = self.storage.scan(&KeyRange::prefix(FIRED), 1_000).map_err(|error| error.to_string())?;
        let fired = rows.into_iter().map(|(_, line)| {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut numbers = line.split(' ').map(|number| number.parse().ok());
            let mut next = || numbers.next().flatten();
            Fired { at: next().unwrap_or(0), held: next(), next: next() }
        });
        Ok(fired.collect())
    }

    fn alarm(&self) -> Result<Option<i64>, String> {
        self.storage.alarm().map_err(|error| error.to_string())
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), String> {
        self.storage.apply(batch).map_err(|error| error.to_string())
    }
}

fn text_of(micros: Option<i64>) -> String {
    micros.map_or("none".to_owned(), |micros| micros.to_string())
}

fn send(socket: &impl Socket, act: &Act) -> Result<(), String> {
    let outcome = match act {
        Act::Binary(bytes) => socket.send(&bytes.bytes()),
        Act::Text(text) => socket.send_text(text),
        Act::Close(code, reason) => {
            socket.close(*code, reason);
            Ok(())
        }
        Act::Attach(_) => return Err("a dialled socket has no attachment".to_owned()),
    };
    outcome.map_err(|error| error.to_string())
}
