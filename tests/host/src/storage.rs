//! The storage of one object, in memory.

use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    ops::Bound,
    rc::Rc,
};

use lake_host::{AlarmChange, KeyRange, ROW_BYTES_MAX, ShardStorage, StorageError, WriteBatch, WriteOperation};

/// What was asked of a storage since it was made or since [`MemoryStorage::reset_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageCounts {
    /// Calls of `get`.
    pub gets: u64,
    /// Calls of `scan` and `last`.
    pub scans: u64,
    /// Pairs that `get`, `scan` and `last` returned.
    pub rows_read: u64,
    /// Calls of `apply` that took effect.
    pub applies: u64,
    /// Rows put or removed, and alarms set, as the platform bills them.
    pub rows_written: u64,
    /// Keys and values put, in bytes.
    pub bytes_written: u64,
}

#[derive(Clone, Debug, Default)]
struct Faults {
    /// Applies to let pass before one fails without effect.
    fail_apply: Option<u32>,
    /// Applies to let pass before one takes effect and fails all the same.
    lose_apply_answer: Option<u32>,
    /// Applies to let pass before the object is dead.
    die_after: Option<u32>,
    dead: bool,
    full: bool,
    capacity: Option<u64>,
    fail_reads: bool,
    is_left: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    size: u64,
    alarm: Option<i64>,
    counts: StorageCounts,
    faults: Faults,
}

/// Storage in memory. A clone is another handle on the same rows, which is how a test reopens an object after a crash.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    shared: Rc<RefCell<State>>,
    /// What an instance that is not the object's any more still sees.
    left: Rc<RefCell<Option<State>>>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    /// A copy with rows, alarm and faults of its own: what happens to it leaves this one alone.
    pub fn fork(&self) -> MemoryStorage {
        MemoryStorage { shared: Rc::new(RefCell::new(self.state().clone())), left: Rc::default() }
    }

    /// A handle for one instance of the object, which can be left behind while others go on.
    pub fn instance(&self) -> MemoryStorage {
        MemoryStorage { shared: self.shared.clone(), left: Rc::default() }
    }

    /// The instance with this handle, clones included, is not the object's any more: it reads what was stored up to now,
    /// and nothing that it writes takes effect.
    pub fn leave_behind(&self) {
        let mut state = self.state().clone();
        state.faults = Faults { is_left: true, ..Faults::default() };
        *self.left.borrow_mut() = Some(state);
    }

    fn state(&self) -> RefMut<'_, State> {
        match RefMut::filter_map(self.left.borrow_mut(), Option::as_mut) {
            Ok(left) => left,
            Err(_) => self.shared.borrow_mut(),
        }
    }

    /// What was asked of it.
    pub fn counts(&self) -> StorageCounts {
        self.state().counts
    }

    /// Starts counting again.
    pub fn reset_counts(&self) {
        self.state().counts = StorageCounts::default();
    }

    /// Every pair, in key order.
    pub fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.state().rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The keys that begin with `prefix`.
    pub fn keys(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let range = KeyRange::prefix(prefix);
        self.state().rows.range(bounds(&range)).map(|(key, _)| key.clone()).collect()
    }

    /// The next `apply` fails and changes nothing.
    pub fn fail_next_apply(&self) {
        self.fail_apply_after(0);
    }

    /// Lets `passes` applies through, then one fails and changes nothing.
    pub fn fail_apply_after(&self, passes: u32) {
        self.state().faults.fail_apply = Some(passes);
    }

    /// The next `apply` takes effect and fails all the same: its outcome is unknown to the caller.
    pub fn lose_next_apply_answer(&self) {
        self.lose_apply_answer_after(0);
    }

    /// Lets `passes` applies through, then one takes effect and fails all the same.
    pub fn lose_apply_answer_after(&self, passes: u32) {
        self.state().faults.lose_apply_answer = Some(passes);
    }

    /// Lets `passes` applies through, then the object is dead: every call fails until [`MemoryStorage::revive`].
    pub fn die_after_applies(&self, passes: u32) {
        self.state().faults.die_after = Some(passes);
    }

    /// Every read fails until [`MemoryStorage::revive`].
    pub fn fail_reads(&self) {
        self.state().faults.fail_reads = true;
    }

    /// From now on there is no room for any put; reads and removals go on.
    pub fn fill_up(&self) {
        self.state().faults.full = true;
    }

    /// A put that would make the storage greater than this finds no room.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.state().faults.capacity = Some(bytes);
    }

    /// Takes all faults away.
    pub fn revive(&self) {
        self.state().faults = Faults::default();
    }

    /// Flips one bit of a stored value: damage that a checksum has to find. Panics if there is no such value.
    pub fn damage(&self, key: &[u8], at: usize) {
        let mut state = self.state();
        let value = state.rows.get_mut(key).expect("a value to damage");
        let at = at % value.len();
        value[at] ^= 1;
    }

    /// If the alarm is due, takes it away and answers true: the platform does so before it calls the object.
    pub fn take_due_alarm(&self, now_micros: i64) -> bool {
        let mut state = self.state();
        let due = state.alarm.is_some_and(|alarm| alarm <= now_micros);
        if due {
            state.alarm = None;
        }
        due
    }

    /// The object failed to take its alarm: the platform calls again, here at once.
    pub fn alarm_failed(&self, now_micros: i64) {
        self.state().alarm.get_or_insert(now_micros);
    }
}

impl State {
    fn readable(&self) -> Result<(), StorageError> {
        if self.faults.dead || self.faults.fail_reads {
            return Err(failed("the object is gone"));
        }
        Ok(())
    }

    fn room_for(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        if let Some(bytes) = batch.oversized_row() {
            return Err(failed(&format!("a row of {bytes} bytes is greater than {ROW_BYTES_MAX}")));
        }
        let put_bytes = |operation: &WriteOperation| match operation {
            WriteOperation::Put(key, value) => Some((key.len() + value.len()) as u64),
            WriteOperation::Delete(_) | WriteOperation::DeleteRange(_) => None,
        };
        let puts = batch.operations.iter().any(|operation| put_bytes(operation).is_some());
        let put_bytes: u64 = batch.operations.iter().filter_map(put_bytes).sum();
        let over = self.faults.capacity.is_some_and(|capacity| self.size + put_bytes > capacity);
        // An alarm takes a row too.
        let is_alarm = matches!(batch.alarm, Some(AlarmChange::NoLaterThan(_) | AlarmChange::Set(_)));
        let is_full = puts && (self.faults.full || over) || is_alarm && self.faults.full;
        if is_full { Err(StorageError::Full) } else { Ok(()) }
    }

    fn write(&mut self, batch: &WriteBatch) {
        self.counts.applies += 1;
        for operation in &batch.operations {
            match operation {
                WriteOperation::Put(key, value) => {
                    self.remove(key);
                    self.size += (key.len() + value.len()) as u64;
                    self.counts.rows_written += 1;
                    self.counts.bytes_written += (key.len() + value.len()) as u64;
                    self.rows.insert(key.clone(), value.clone());
                }
                WriteOperation::Delete(key) => {
                    if self.remove(key) {
                        self.counts.rows_written += 1;
                    }
                }
                WriteOperation::DeleteRange(range) => {
                    let keys: Vec<_> = self.rows.range(bounds(range)).map(|(key, _)| key.clone()).collect();
                    self.counts.rows_written += keys.len() as u64;
                    for key in keys {
                        self.remove(&key);
                    }
                }
            }
        }
        let Some(change) = batch.alarm else { return };
        let alarm = match (change, self.alarm) {
            (AlarmChange::NoLaterThan(time), Some(earlier)) => Some(earlier.min(time)),
            (AlarmChange::NoLaterThan(time) | AlarmChange::Set(time), _) => Some(time),
            (AlarmChange::Clear, _) => None,
        };
        if alarm.is_some() && alarm != self.alarm {
            self.counts.rows_written += 1;
        }
        self.alarm = alarm;
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let Some(value) = self.rows.remove(key) else { return false };
        self.size -= (key.len() + value.len()) as u64;
        true
    }
}

impl ShardStorage for MemoryStorage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let mut state = self.state();
        state.readable()?;
        state.counts.gets += 1;
        let value = state.rows.get(key).cloned();
        state.counts.rows_read += u64::from(value.is_some());
        Ok(value)
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError> {
        let mut state = self.state();
        state.readable()?;
        state.counts.scans += 1;
        if is_empty(range) {
            return Ok(Vec::new());
        }
        let pairs = state.rows.range(bounds(range)).take(limit);
        let pairs: Vec<_> = pairs.map(|(key, value)| (key.clone(), value.clone())).collect();
        state.counts.rows_read += pairs.len() as u64;
        Ok(pairs)
    }

    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        let mut state = self.state();
        state.readable()?;
        state.counts.scans += 1;
        if is_empty(range) {
            return Ok(None);
        }
        let pair = state.rows.range(bounds(range)).next_back();
        let pair = pair.map(|(key, value)| (key.clone(), value.clone()));
        state.counts.rows_read += u64::from(pair.is_some());
        Ok(pair)
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        let mut state = self.state();
        if count_down(&mut state.faults.die_after) {
            state.faults.dead = true;
        }
        if state.faults.dead || state.faults.is_left {
            return Err(failed("the object is gone"));
        }
        state.room_for(batch)?;
        if count_down(&mut state.faults.fail_apply) {
            return Err(failed("this apply was told to fail"));
        }
        state.write(batch);
        if count_down(&mut state.faults.lose_apply_answer) {
            return Err(failed("the answer of this apply was lost"));
        }
        Ok(())
    }

    fn alarm(&self) -> Result<Option<i64>, StorageError> {
        let state = self.state();
        state.readable()?;
        Ok(state.alarm)
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        let state = self.state();
        state.readable()?;
        Ok(state.size)
    }
}

fn failed(reason: &str) -> StorageError {
    StorageError::Failed(reason.to_owned())
}

/// True when the fault is to happen at this call; it then happens only once.
fn count_down(fault: &mut Option<u32>) -> bool {
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

/// `BTreeMap::range` panics when a range ends before it starts; storage has nothing to give there.
fn is_empty(range: &KeyRange) -> bool {
    range.end.as_ref().is_some_and(|end| *end <= range.start)
}

fn bounds(range: &KeyRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    if is_empty(range) {
        return (Bound::Included(range.start.clone()), Bound::Excluded(range.start.clone()));
    }
    let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(range.start.clone()), end)
}

#[cfg(test)]
mod tests;
