//! A Durable Object's own SQLite as the ordered key-blob store that the cores want.
//!
//! One table, no row ids: a put writes one row, and rows written are what the platform bills. A batch is one
//! `transactionSync`, so that a failure in the middle leaves nothing; the alarm is set in the same turn, which the
//! platform makes durable together with it. The time of the alarm is kept beside the table because asking the platform
//! for it is asynchronous.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Promise, Reflect, Uint8Array};
use lake_host::{AlarmChange, Clock, KeyRange, ROW_BYTES_MAX, ShardStorage, StorageError, WriteBatch, WriteOperation};
use wasm_bindgen::prelude::*;
use worker::State;

use crate::clock::WorkerClock;

#[wasm_bindgen]
extern "C" {
    type RawStorage;

    #[wasm_bindgen(method, getter)]
    fn sql(this: &RawStorage) -> RawSql;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(this: &RawStorage, act: &mut dyn FnMut() -> Result<(), JsValue>) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &RawStorage, millis: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAlarm)]
    fn delete_alarm(this: &RawStorage) -> Result<Promise, JsValue>;

    type RawSql;

    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &RawSql, query: &str, bindings: &Array) -> Result<RawCursor, JsValue>;

    #[wasm_bindgen(method, getter, js_name = databaseSize)]
    fn database_size(this: &RawSql) -> f64;

    type RawCursor;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    fn to_array(this: &RawCursor) -> Result<Array, JsValue>;

    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    fn rows_written(this: &RawCursor) -> f64;

    #[wasm_bindgen(method, getter, js_name = rowsRead)]
    fn rows_read(this: &RawCursor) -> f64;
}

/// Pairs of one INSERT. The platform allows 100 bound parameters in a statement.
const PAIRS_PER_STATEMENT: usize = 50;

/// How late the platform's alarm may come before it counts as lost.
const ALARM_LATE_MICROS: i64 = 5_000_000;

/// How often the storage was used since this instance started: the platform's billing units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageCounts {
    /// Rows read.
    pub rows_read: u64,
    /// Rows written, index rows and alarms included.
    pub rows_written: u64,
    /// Batches applied.
    pub batches: u64,
}

/// The storage of one Durable Object. Clones are the same storage.
#[derive(Clone)]
pub struct DurableStorage {
    raw: Rc<RawStorage>,
    sql: Rc<RawSql>,
    alarm: Rc<Cell<Option<i64>>>,
    counts: Rc<Cell<StorageCounts>>,
}

impl std::fmt::Debug for DurableStorage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DurableStorage").finish_non_exhaustive()
    }
}

impl DurableStorage {
    /// Opens the storage of an object, making its two tables if it is new.
    pub fn open(state: &State) -> Result<DurableStorage, StorageError> {
        let raw: RawStorage = JsValue::from(state.storage().as_raw()).unchecked_into();
        let sql = raw.sql();
        let storage =
            DurableStorage { raw: Rc::new(raw), sql: Rc::new(sql), alarm: Rc::default(), counts: Rc::default() };
        let none = Array::new();
        storage
            .run("CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY NOT NULL, v BLOB NOT NULL) WITHOUT ROWID", &none)?;
        storage.run("CREATE TABLE IF NOT EXISTS alarm (id INTEGER PRIMARY KEY, micros TEXT NOT NULL)", &none)?;
        let rows = storage.rows("SELECT micros FROM alarm", &none)?;
        if rows.length() > 0 {
            let micros = Reflect::get(&rows.get(0), &"micros".into()).map_err(failed)?;
            storage.alarm.set(micros.as_string().and_then(|text| text.parse().ok()));
        }
        Ok(storage)
    }

    /// To be called first when the platform's alarm goes off: it is not set any more.
    pub fn alarm_fired(&self) -> Result<(), StorageError> {
        if self.alarm.replace(None).is_some() {
            self.run("DELETE FROM alarm", &Array::new())?;
        }
        Ok(())
    }

    /// Billing units since this instance started.
    pub fn counts(&self) -> StorageCounts {
        self.counts.get()
    }

    fn run(&self, query: &str, bindings: &Array) -> Result<(), StorageError> {
        let cursor = self.sql.exec(query, bindings).map_err(failed)?;
        self.count(&cursor);
        Ok(())
    }

    fn rows(&self, query: &str, bindings: &Array) -> Result<Array, StorageError> {
        let cursor = self.sql.exec(query, bindings).map_err(failed)?;
        let rows = cursor.to_array().map_err(failed)?;
        self.count(&cursor);
        Ok(rows)
    }

    fn count(&self, cursor: &RawCursor) {
        let mut counts = self.counts.get();
        counts.rows_read += cursor.rows_read() as u64;
        counts.rows_written += cursor.rows_written() as u64;
        self.counts.set(counts);
    }

    fn put_all(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), StorageError> {
        for chunk in pairs.chunks(PAIRS_PER_STATEMENT) {
            let mut query = String::from("INSERT INTO kv (k, v) VALUES (?, ?)");
            let bindings = Array::new();
            for (index, (key, value)) in chunk.iter().enumerate() {
                if index > 0 {
                    query.push_str(", (?, ?)");
                }
                bindings.push(&Uint8Array::from(*key));
                bindings.push(&Uint8Array::from(*value));
            }
            query.push_str(" ON CONFLICT (k) DO UPDATE SET v = excluded.v");
            self.run(&query, &bindings)?;
        }
        Ok(())
    }

    fn write(&self, operations: &[WriteOperation]) -> Result<(), StorageError> {
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
        for operation in operations {
            if let WriteOperation::Put(key, value) = operation {
                // Within one INSERT a key may stand once; order matters between operations on one key.
                if pairs.iter().any(|(other, _)| other == key) {
                    self.put_all(&pairs)?;
                    pairs.clear();
                }
                pairs.push((key, value));
                if pairs.len() == PAIRS_PER_STATEMENT {
                    self.put_all(&pairs)?;
                    pairs.clear();
                }
                continue;
            }
            self.put_all(&pairs)?;
            pairs.clear();
            match operation {
                WriteOperation::Delete(key) => {
                    self.run("DELETE FROM kv WHERE k = ?", &Array::of1(&Uint8Array::from(key.as_slice())))?;
                }
                WriteOperation::DeleteRange(range) => {
                    let (condition, bindings) = bounds(range);
                    self.run(&format!("DELETE FROM kv WHERE {condition}"), &bindings)?;
                }
                WriteOperation::Put(..) => {}
            }
        }
        self.put_all(&pairs)
    }

    fn write_alarm(&self, micros: Option<i64>) -> Result<(), StorageError> {
        // The promise only says when it is done; a failure breaks the object's output gate like any failed write.
        let promise = match micros {
            Some(micros) => {
                let text = JsValue::from_str(&micros.to_string());
                self.run("INSERT INTO alarm (id, micros) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET micros = excluded.micros", &Array::of1(&text))?;
                self.raw.set_alarm((micros as f64 / 1_000.0).ceil()).map_err(failed)?
            }
            None => {
                self.run("DELETE FROM alarm", &Array::new())?;
                self.raw.delete_alarm().map_err(failed)?
            }
        };
        let mut counts = self.counts.get();
        counts.rows_written += 1;
        self.counts.set(counts);
        wasm_bindgen_futures::spawn_local(async move {
            if let Err(reason) = wasm_bindgen_futures::JsFuture::from(promise).await {
                worker::console_error!("the alarm could not be set: {}", describe(&reason));
            }
        });
        Ok(())
    }
}

impl ShardStorage for DurableStorage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let rows = self.rows("SELECT v FROM kv WHERE k = ?", &Array::of1(&Uint8Array::from(key)))?;
        if rows.length() == 0 { Ok(None) } else { bytes_of(&rows.get(0), "v").map(Some) }
    }

    fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StorageError> {
        let (condition, bindings) = bounds(range);
        let mut query = String::new();
        // Writing to a String cannot fail.
        let _ = write!(query, "SELECT k, v FROM kv WHERE {condition} ORDER BY k LIMIT {limit}");
        let rows = self.rows(&query, &bindings)?;
        rows.iter().map(|row| Ok((bytes_of(&row, "k")?, bytes_of(&row, "v")?))).collect()
    }

    fn last(&self, range: &KeyRange) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        let (condition, bindings) = bounds(range);
        let rows = self.rows(&format!("SELECT k, v FROM kv WHERE {condition} ORDER BY k DESC LIMIT 1"), &bindings)?;
        if rows.length() == 0 {
            return Ok(None);
        }
        let row = rows.get(0);
        Ok(Some((bytes_of(&row, "k")?, bytes_of(&row, "v")?)))
    }

    fn apply(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        if let Some(bytes) = batch.oversized_row() {
            return Err(StorageError::Failed(format!("a row of {bytes} bytes is greater than {ROW_BYTES_MAX}")));
        }
        let alarm = batch.alarm.and_then(|change| alarm_after(self.alarm.get(), change, WorkerClock.now_micros()));
        let mut refused = None;
        let outcome = self.raw.transaction_sync(&mut || {
            let written = self.write(&batch.operations).and_then(|()| match alarm {
                Some(micros) => self.write_alarm(micros),
                None => Ok(()),
            });
            written.map_err(|reason| {
                refused = Some(reason);
                // Any exception makes the platform roll the transaction back.
                JsValue::from_str("roll back")
            })
        });
        match (outcome, refused) {
            (_, Some(reason)) => Err(reason),
            (Err(reason), None) => Err(failed(reason)),
            (Ok(_), None) => {
                if let Some(micros) = alarm {
                    self.alarm.set(micros);
                }
                let mut counts = self.counts.get();
                counts.batches += 1;
                self.counts.set(counts);
                Ok(())
            }
        }
    }

    fn alarm(&self) -> Result<Option<i64>, StorageError> {
        Ok(self.alarm.get())
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.sql.database_size() as u64)
    }
}

/// The alarm after `change`; `None` if nothing has to be done.
///
/// One that is long past was lost, and must not keep the next one from being set. One that is just past is about to
/// come, and must not be put off.
fn alarm_after(held: Option<i64>, change: AlarmChange, now: i64) -> Option<Option<i64>> {
    match change {
        AlarmChange::NoLaterThan(micros) => {
            let held = held.filter(|held| held.saturating_add(ALARM_LATE_MICROS) > now);
            held.is_none_or(|held| micros < held).then_some(Some(micros))
        }
        AlarmChange::Set(micros) => (held != Some(micros)).then_some(Some(micros)),
        AlarmChange::Clear => held.is_some().then_some(None),
    }
}

fn bounds(range: &KeyRange) -> (&'static str, Array) {
    let start = Uint8Array::from(range.start.as_slice());
    match &range.end {
        Some(end) => ("k >= ? AND k < ?", Array::of2(&start, &Uint8Array::from(end.as_slice()))),
        None => ("k >= ?", Array::of1(&start)),
    }
}

fn bytes_of(row: &JsValue, column: &str) -> Result<Vec<u8>, StorageError> {
    let value = Reflect::get(row, &column.into()).map_err(failed)?;
    match value.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Ok(Uint8Array::new(&buffer).to_vec()),
        Err(_) => Err(StorageError::Failed(format!("column {column} is no blob"))),
    }
}

fn failed(reason: JsValue) -> StorageError {
    let text = describe(&reason);
    if text.contains("SQLITE_FULL") || text.contains("disk is full") {
        StorageError::Full
    } else {
        StorageError::Failed(text)
    }
}

/// What an exception says of itself.
pub(crate) fn describe(reason: &JsValue) -> String {
    match reason.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => reason.as_string().unwrap_or_else(|| format!("{reason:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_set_only_if_it_is_earlier_than_the_one_to_come() {
        assert_eq!(alarm_after(None, AlarmChange::NoLaterThan(9), 5), Some(Some(9)));
        assert_eq!(alarm_after(Some(7), AlarmChange::NoLaterThan(9), 5), None);
        assert_eq!(alarm_after(Some(9), AlarmChange::NoLaterThan(7), 5), Some(Some(7)));
    }

    #[test]
    fn a_lost_alarm_does_not_keep_the_next_one_away() {
        let late = ALARM_LATE_MICROS + 7;
        assert_eq!(alarm_after(Some(7), AlarmChange::NoLaterThan(late + 9), late), Some(Some(late + 9)));
        assert_eq!(alarm_after(Some(7), AlarmChange::NoLaterThan(late + 9), late - 1), None);
    }
}
