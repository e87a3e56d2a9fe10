//! A lab in memory: objects over storage, sockets and a clock of this crate.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use lake_host::Clock;

use crate::contract::{Answer, Lab, Order, Subject};
use crate::{ManualClock, MemorySockets, MemoryStorage, SocketEnd, socket_pair};

type MemorySubject = Subject<MemoryStorage, MemorySockets, SocketEnd>;

/// An object: what outlives its memory, and that memory if it is there.
#[derive(Debug, Default)]
struct Object {
    storage: MemoryStorage,
    accepted: MemorySockets,
    dialled: Vec<(String, SocketEnd)>,
    subject: Option<Rc<MemorySubject>>,
}

impl Object {
    fn awake(&mut self) -> Rc<MemorySubject> {
        let subject = || Rc::new(Subject::new(self.storage.clone(), self.accepted.clone()));
        Rc::clone(self.subject.get_or_insert_with(subject))
    }

    /// Gives the object one event that has arrived, if there is one.
    fn deliver(&mut self, now: i64) -> bool {
        let from_dialled = self.dialled.iter().find_map(|(tag, end)| Some((tag.clone(), end.clone(), end.receive()?)));
        if let Some((tag, socket, event)) = from_dialled.or_else(|| self.accepted.receive()) {
            self.awake().on_event(&tag, &socket, event);
            return true;
        }
        if self.storage.take_due_alarm(now) {
            if self.awake().on_alarm(now).is_err() {
                self.storage.alarm_failed(now);
            }
            return true;
        }
        false
    }
}

/// Objects in memory, on a clock that a pause moves.
#[derive(Debug, Default)]
pub struct MemoryLab {
    objects: RefCell<BTreeMap<String, Object>>,
    clock: ManualClock,
}

impl MemoryLab {
    /// A lab without objects.
    pub fn new() -> MemoryLab {
        MemoryLab::default()
    }

    /// Gives all objects what has arrived for them and the alarms that are due.
    fn settle(&self) {
        let mut objects = self.objects.borrow_mut();
        let now = self.clock.now_micros();
        // One of each in turn; an object can answer an event with another.
        while objects.values_mut().filter_map(|object| object.deliver(now).then_some(())).count() > 0 {}
    }

    fn dial(&self, from: &str, to: &str, tag: &str) {
        let (dialled, accepted) = socket_pair();
        let mut objects = self.objects.borrow_mut();
        let acceptor = objects.entry(to.to_owned()).or_default();
        acceptor.accepted.accept(tag, accepted);
        acceptor.awake().on_accepted(tag);
        let dialler = objects.entry(from.to_owned()).or_default();
        dialler.dialled.retain(|(held, _)| held != tag);
        dialler.dialled.push((tag.to_owned(), dialled.clone()));
        dialler.awake().on_dialled(tag, dialled);
    }
}

impl Lab for MemoryLab {
    async fn order(&self, object: &str, order: Order) -> Result<Answer, String> {
        if let Order::Dial { to, tag } = &order {
            self.dial(object, to, tag);
            return Ok(Answer::Dialled);
        }
        let subject = self.objects.borrow_mut().entry(object.to_owned()).or_default().awake();
        subject.obey(order, self.clock.now_micros())
    }

    async fn evict(&self, object: &str) -> Result<(), String> {
        self.objects.borrow_mut().entry(object.to_owned()).or_default().subject = None;
        Ok(())
    }

    async fn pause(&self) {
        self.clock.advance_ms(5);
        self.settle();
    }
}
