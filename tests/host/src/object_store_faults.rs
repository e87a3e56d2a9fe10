//! What can go wrong with the object store in memory, one method each.

use lake_host::{ObjectStoreError, PutCondition};

use crate::MemoryObjectStore;

#[derive(Debug, Default)]
pub(crate) struct Faults {
    fail_write: Option<u32>,
    lose_answer: Option<u32>,
    fail_read: Option<u32>,
    die_after: Option<u32>,
    down: bool,
    /// Puts to let pass before one is delivered twice, and how many requests later.
    repeat_put: Option<(u32, u32)>,
    repeats: Vec<Repeat>,
}

/// A put that will be delivered once more.
#[derive(Debug)]
struct Repeat {
    requests: u32,
    key: String,
    bytes: Vec<u8>,
    condition: PutCondition,
}

impl Faults {
    pub(crate) fn check_read(&mut self) -> Result<(), ObjectStoreError> {
        if self.down {
            return Err(failed("the store is down"));
        }
        if is_now(&mut self.fail_read) { Err(failed("this read was told to fail")) } else { Ok(()) }
    }

    pub(crate) fn check_write(&mut self) -> Result<(), ObjectStoreError> {
        if is_now(&mut self.die_after) {
            self.down = true;
        }
        if self.down {
            return Err(failed("the store is down"));
        }
        if is_now(&mut self.fail_write) { Err(failed("this write was told to fail")) } else { Ok(()) }
    }

    /// Notes a put, and answers those whose second delivery is due, one for each request.
    pub(crate) fn note_put(&mut self, key: &str, bytes: &[u8], condition: &PutCondition) {
        let Some((passes, requests)) = self.repeat_put else { return };
        if passes > 0 {
            self.repeat_put = Some((passes - 1, requests));
            return;
        }
        self.repeat_put = None;
        let (key, bytes, condition) = (key.to_owned(), bytes.to_vec(), condition.clone());
        self.repeats.push(Repeat { requests, key, bytes, condition });
    }

    /// The put whose second delivery comes just before this request, if there is one.
    pub(crate) fn take_repeat(&mut self) -> Option<(String, Vec<u8>, PutCondition)> {
        for repeat in &mut self.repeats {
            repeat.requests = repeat.requests.saturating_sub(1);
        }
        let due = self.repeats.iter().position(|repeat| repeat.requests == 0)?;
        let repeat = self.repeats.remove(due);
        Some((repeat.key, repeat.bytes, repeat.condition))
    }

    pub(crate) fn check_answer(&mut self) -> Result<(), ObjectStoreError> {
        if is_now(&mut self.lose_answer) { Err(failed("the answer of this write was lost")) } else { Ok(()) }
    }
}

impl MemoryObjectStore {
    /// The next put or delete fails and changes nothing.
    pub fn fail_next_put(&self) {
        self.fail_put_after(0);
    }

    /// Lets `passes` puts or deletes through, then one fails and changes nothing.
    pub fn fail_put_after(&self, passes: u32) {
        self.faults.borrow_mut().fail_write = Some(passes);
    }

    /// The next put or delete takes effect and fails all the same: its outcome is unknown to the caller.
    pub fn lose_next_response(&self) {
        self.lose_response_after(0);
    }

    /// Lets `passes` puts or deletes through, then one takes effect and fails all the same.
    pub fn lose_response_after(&self, passes: u32) {
        self.faults.borrow_mut().lose_answer = Some(passes);
    }

    /// Lets `passes` puts through, then one is delivered a second time, `requests` requests later. Its sender knows nothing.
    pub fn repeat_put_after(&self, passes: u32, requests: u32) {
        self.faults.borrow_mut().repeat_put = Some((passes, requests.max(1)));
    }

    /// The next get, head or list fails.
    pub fn fail_next_get(&self) {
        self.fail_get_after(0);
    }

    /// Lets `passes` reads through, then one fails.
    pub fn fail_get_after(&self, passes: u32) {
        self.faults.borrow_mut().fail_read = Some(passes);
    }

    /// Lets `passes` puts or deletes through, then every request fails until [`MemoryObjectStore::come_up`].
    pub fn go_down_after_puts(&self, passes: u32) {
        self.faults.borrow_mut().die_after = Some(passes);
    }

    /// Every request fails until [`MemoryObjectStore::come_up`].
    pub fn go_down(&self) {
        self.faults.borrow_mut().down = true;
    }

    /// Takes all faults away.
    pub fn come_up(&self) {
        *self.faults.borrow_mut() = Faults::default();
    }
}

fn failed(reason: &str) -> ObjectStoreError {
    ObjectStoreError::Failed(reason.to_owned())
}

/// True when the fault is to happen at this call; it then happens only once.
fn is_now(fault: &mut Option<u32>) -> bool {
    match fault {
        Some(0) => {
            *fault = None;
            true
        }
        Some(passes) => {
            *passes -= 1;
            false
        }
        None => false,
    }
}
