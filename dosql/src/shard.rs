//! One database: its life, its requests, and its word to the lake.

use std::marker::PhantomData;
use std::rc::Rc;

use lake_api::scope::Access;
use lake_cdc::{Lsn, Micros, TimelineId};
use lake_host::{AlarmChange, ShardStorage, StorageError, WriteBatch, durable, planted};
use serde::Deserialize;

use crate::change_log::ChangeLog;
use crate::engine::Engine;
use crate::error::ShardError;
use crate::idempotent::Key;
use crate::limits::BACKLOG_BYTES_MAX;
use crate::outbox::{Facts, Outbox, OutboxStep, Reaction};
use crate::page_store::{Committed, PageStore};
use crate::request::Request;
use crate::sql::Plan;
use crate::status;
use crate::storage::counted::{Counted, CountedStorage};
use crate::storage::keys::{self, BranchId};
use crate::storage::shard_meta::{Life, ShardMeta};
use crate::storage::{OpenError, corrupt, format, last_stamp};
use crate::transaction::{self, CommitError, Ran, Stamp};

/// The shard of one database, on the storage of its object.
///
/// Calls are synchronous. After each request the shell calls [`after_request`](Shard::after_request) and carries out
/// the steps; what it sends leaves the object only after the writes before it are durable.
pub struct Shard<S> {
    inner: Inner,
    _storage: PhantomData<S>,
}

struct Inner {
    storage: Rc<dyn Counted>,
    database: String,
    /// `None` before its creation and after its end.
    meta: Option<ShardMeta>,
    /// Where the times of the deleted database of this name ended.
    last_stamp: Option<Micros>,
    store: Rc<PageStore>,
    engine: Option<Engine>,
    outbox: Outbox,
    /// A commit failed and storage could not be read since: nothing in memory can be trusted.
    is_stale: bool,
}

/// Options of a new database.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct CreateOptions {
    namespace: Option<String>,
}

/// The name of the database that `storage` holds, if it holds one: an alarm wakes an object without telling it its name.
pub fn database_in(storage: &impl ShardStorage) -> Result<Option<String>, OpenError> {
    let Some(bytes) = storage.get(&keys::shard_meta())? else { return Ok(None) };
    ShardMeta::decode(&bytes).map(|meta| Some(meta.database)).map_err(corrupt("shard"))
}

impl<S: ShardStorage + 'static> Shard<S> {
    /// Opens what `storage` holds of `database`, which may be nothing yet. Writes nothing.
    pub fn open(storage: S, database: &str, _now: Micros, _seed: [u8; 32]) -> Result<Shard<S>, OpenError> {
        let inner = Inner::open(Rc::new(CountedStorage::new(storage)), database)?;
        Ok(Shard { inner, _storage: PhantomData })
    }

    /// Creates the database: `body` is empty or a JSON object of options. Doing it again with the same options is no
    /// error. Answers what it is.
    pub fn create(&mut self, body: &[u8], timeline: TimelineId, now: Micros) -> Result<String, ShardError> {
        self.inner.create(body, timeline, now)
    }

    /// Runs a SQL request and answers JSON. `timeline` is that of a database which this request creates.
    ///
    /// With [`Access::Read`] a request with a statement that writes is refused as a whole, and nothing is stored: no
    /// database is created and no key remembered.
    pub fn sql(
        &mut self,
        body: &[u8],
        idempotency_key: Option<&str>,
        access: Access,
        timeline: TimelineId,
        now: Micros,
        seed: [u8; 32],
    ) -> Result<String, ShardError> {
        let key = idempotency_key.map(|key| Key::new(key, body)).transpose()?;
        match access {
            Access::Read => self.inner.read(body, now, &seed),
            Access::Write => self.inner.sql(body, key, timeline, now, &seed),
        }
    }

    /// Deletes the database. Its rows are gone once the lake has stored its end; until then its name is taken.
    pub fn delete(&mut self, now: Micros) -> Result<String, ShardError> {
        self.inner.delete(now)
    }

    /// Positions, sizes, counts of storage operations, and the refusal of the lake if there is one. `None` if there is
    /// no such database.
    pub fn status(&self) -> Option<serde_json::Value> {
        self.inner.status()
    }

    /// The status as the answer to a request for it.
    pub fn status_answer(&self) -> Result<String, ShardError> {
        let status = self.status().ok_or_else(|| ShardError::NotFound(self.inner.database.clone()))?;
        Ok(status.to_string())
    }

    /// True if the lake has to hear something.
    pub fn wants_connection(&self) -> bool {
        self.inner.facts(Micros(0)).is_some_and(|facts| self.inner.outbox.wants_connection(&facts))
    }

    /// After every request: dials or sends if there is something to say.
    pub fn after_request(&mut self, now: Micros) -> Vec<OutboxStep> {
        self.inner.tell(now, |outbox, facts| outbox.after_request(facts))
    }

    /// The socket to the lake is open.
    pub fn on_open(&mut self, now: Micros) -> Vec<OutboxStep> {
        self.inner.tell(now, |outbox, facts| outbox.on_open(facts))
    }

    /// A binary message from the lake.
    pub fn on_message(&mut self, bytes: &[u8], now: Micros) -> Vec<OutboxStep> {
        self.inner.tell(now, |outbox, facts| outbox.on_message(facts, bytes))
    }

    /// The socket to the lake is closed or could not be opened.
    pub fn on_closed(&mut self, now: Micros) -> Vec<OutboxStep> {
        self.inner.tell(now, |outbox, facts| outbox.on_closed(facts))
    }

    /// A timer of `WakeIn`.
    pub fn on_timer(&mut self, now: Micros) -> Vec<OutboxStep> {
        self.inner.tell(now, |outbox, facts| outbox.on_timer(facts))
    }

    /// The object's alarm. An error means that no other alarm was set, though one is needed: the shell must do what is
    /// to be done all the same, and see to it that this alarm comes again.
    pub fn on_alarm(&mut self, now: Micros) -> (Vec<OutboxStep>, Result<(), ShardError>) {
        self.inner.react(now, |outbox, facts| outbox.on_alarm(facts))
    }
}

impl Inner {
    fn open(storage: Rc<dyn Counted>, database: &str) -> Result<Inner, OpenError> {
        format::check(&*storage)?;
        let meta = match storage.get(&keys::shard_meta())? {
            Some(bytes) => Some(ShardMeta::decode(&bytes).map_err(corrupt("shard"))?),
            None => None,
        };
        let store = Rc::new(PageStore::open(Rc::clone(&storage), BranchId::MAIN)?);
        let log = ChangeLog::new(Rc::clone(&storage), BranchId::MAIN);
        let outbox = Outbox::new(log, meta.as_ref(), store.committed(), storage.alarm()?);
        store.set_durable(outbox.durable());
        let last_stamp = last_stamp::read(&*storage)?;
        let database = database.to_owned();
        Ok(Inner { storage, database, meta, last_stamp, store, engine: None, outbox, is_stale: false })
    }

    /// Reads everything from storage again, if what is in memory cannot be trusted. The connection to the lake stays:
    /// what the outbox knows of it is still true.
    fn refresh(&mut self) -> Result<(), OpenError> {
        if !self.is_stale {
            return Ok(());
        }
        self.engine = None;
        let meta = self.storage.get(&keys::shard_meta())?;
        let meta = meta.map(|bytes| ShardMeta::decode(&bytes)).transpose().map_err(corrupt("shard"))?;
        self.last_stamp = last_stamp::read(&*self.storage)?;
        self.store = Rc::new(PageStore::open(Rc::clone(&self.storage), BranchId::MAIN)?);
        let timeline = |meta: &Option<ShardMeta>| meta.as_ref().map(|meta| meta.timeline);
        if timeline(&meta) != timeline(&self.meta) {
            // A wipe took effect whose answer was lost: what the lake accepted of the old timeline says nothing of the next.
            let log = ChangeLog::new(Rc::clone(&self.storage), BranchId::MAIN);
            self.outbox = Outbox::new(log, meta.as_ref(), self.store.committed(), self.storage.alarm()?);
        }
        self.meta = meta;
        self.store.set_durable(self.outbox.durable());
        self.outbox.alarm_is_set(self.storage.alarm()?.map(Micros));
        self.is_stale = false;
        Ok(())
    }

    fn facts(&self, now: Micros) -> Option<Facts<'_>> {
        self.meta.as_ref().map(|meta| Facts { meta, committed: self.store.committed(), now })
    }

    fn refuse_ending(&self) -> Result<(), ShardError> {
        match &self.meta {
            Some(meta) if meta.life == Life::Ending => Err(ShardError::Ending(self.database.clone())),
            _ => Ok(()),
        }
    }

    fn new_meta(&self, namespace: Option<String>, timeline: TimelineId, now: Micros) -> ShardMeta {
        ShardMeta {
            database: self.database.clone(),
            namespace: namespace.unwrap_or_else(|| self.database.clone()),
            timeline,
            created_at: now,
            life: Life::Live,
            accepted: None,
            durable: None,
        }
    }

    fn create(&mut self, body: &[u8], timeline: TimelineId, now: Micros) -> Result<String, ShardError> {
        self.refresh()?;
        self.refuse_ending()?;
        let options = match body {
            [] => CreateOptions::default(),
            body => serde_json::from_slice(body)
                .map_err(|error| ShardError::Invalid(format!("the body is no set of options: {error}")))?,
        };
        if let Some(namespace) = &options.namespace {
            lake_api::route::database(namespace)
                .map_err(|_| ShardError::Invalid("the name of a namespace must match [a-z0-9_-]{1,63}".to_owned()))?;
        }
        match &self.meta {
            Some(meta) if options.namespace.as_ref().is_none_or(|namespace| *namespace == meta.namespace) => {}
            Some(meta) => {
                let (database, namespace) = (self.database.clone(), meta.namespace.clone());
                return Err(ShardError::Exists { database, namespace });
            }
            None => {
                let meta = self.new_meta(options.namespace, timeline, now);
                let mut batch = WriteBatch::new();
                format::stage(&mut batch);
                batch.put(keys::shard_meta(), meta.encode());
                durable!("shard: create", self.apply(&batch))?;
                self.meta = Some(meta);
            }
        }
        Ok(self.status().unwrap_or_default().to_string())
    }

    /// A request of who may only read. A read changes nothing however often it is sent, so a key means nothing here.
    fn read(&mut self, body: &[u8], now: Micros, seed: &[u8; 32]) -> Result<String, ShardError> {
        self.refresh()?;
        self.refuse_ending()?;
        let request = Request::parse(body)?;
        let plans = self.plan_reads(&request, now, seed);
        match plans {
            Ok(None) => Err(ShardError::ReadOnly(self.database.clone())),
            // Such a token cannot create it: an empty answer would only hide a wrong name.
            _ if self.meta.is_none() => Err(ShardError::NotFound(self.database.clone())),
            Ok(Some(plans)) => self.answer_reads(&request, &plans),
            Err(error) => Err(error),
        }
    }

    /// The plans of a request, on the tables as they are; `None` if one of its statements does more than read.
    fn plan_reads(
        &mut self,
        request: &Request,
        now: Micros,
        seed: &[u8; 32],
    ) -> Result<Option<Vec<Rc<Plan>>>, ShardError> {
        let engine = self.prepare(now, seed)?;
        let mut plans = Vec::new();
        for statement in request.statements() {
            let plan = engine.plan(&statement.sql)?;
            if !plan.only_reads() {
                return Ok(None);
            }
            plans.push(plan);
        }
        Ok(Some(plans))
    }

    fn answer_reads(&mut self, request: &Request, plans: &[Rc<Plan>]) -> Result<String, ShardError> {
        let Some(engine) = &mut self.engine else {
            return Err(ShardError::Internal("the engine is not open".to_owned()));
        };
        let answer = transaction::read(engine, request, plans)?;
        let committed = self.store.committed();
        Ok(answer.finish(committed.lsn, committed.lsn.map(|_| committed.stamp)))
    }

    /// The engine at the beginning of a request.
    fn prepare(&mut self, now: Micros, seed: &[u8; 32]) -> Result<&mut Engine, ShardError> {
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => Engine::open(Rc::clone(&self.store))?,
        };
        let engine = self.engine.insert(engine);
        engine.prepare(now.0, seed);
        Ok(engine)
    }

    fn sql(
        &mut self,
        body: &[u8],
        key: Option<Key>,
        timeline: TimelineId,
        now: Micros,
        seed: &[u8; 32],
    ) -> Result<String, ShardError> {
        self.refresh()?;
        self.refuse_ending()?;
        if let Some(key) = &key
            && let Some(answer) = key.find_answer(&*self.storage, now)?
        {
            return Ok(answer);
        }
        let request = Request::parse(body)?;
        match (self.plan_reads(&request, now, seed), &request) {
            (Ok(Some(plans)), _) => return self.answer_reads(&request, &plans),
            // A statement of a list may need what one before it makes.
            (Err(ShardError::Sql(_)), Request::List(_)) | (Ok(None), _) => {}
            (Err(error), _) => return Err(error),
        }
        self.write(&request, key.as_ref(), timeline, now)
    }

    fn write(
        &mut self,
        request: &Request,
        key: Option<&Key>,
        timeline: TimelineId,
        now: Micros,
    ) -> Result<String, ShardError> {
        let bytes = self.outbox.backlog_bytes(self.store.committed());
        if bytes > BACKLOG_BYTES_MAX || (bytes > 0 && lake_host::rarely!("shard: a small backlog is too much")) {
            return Err(ShardError::BacklogFull { bytes });
        }
        let Some(mut engine) = self.engine.take() else {
            return Err(ShardError::Internal("the engine is not open".to_owned()));
        };
        let outcome = self.write_with(&mut engine, request, key, timeline, now);
        // An engine with a transaction that could not be ended, or on pages that were read again, is not used again.
        if engine.is_at_rest() && !self.is_stale && Rc::ptr_eq(&engine.store, &self.store) {
            self.engine = Some(engine);
        } else {
            drop(engine);
            self.store.discard();
        }
        outcome
    }

    fn write_with(
        &mut self,
        engine: &mut Engine,
        request: &Request,
        key: Option<&Key>,
        timeline: TimelineId,
        now: Micros,
    ) -> Result<String, ShardError> {
        let committed = self.store.committed();
        let stamp = Stamp {
            lsn: committed.lsn.map_or(Lsn::FIRST, Lsn::next),
            at: self.past_stamp().map_or(now, |last| now.max(Micros(last.0.saturating_add(1)))),
        };
        let new_meta = self.meta.is_none().then(|| self.new_meta(None, timeline, now));
        let mut ran = transaction::run(engine, request, stamp)?;
        let alarm = self.outbox.plan_alarm(now);
        let mut extra = WriteBatch { alarm: alarm.map(|at| AlarmChange::NoLaterThan(at.0)), ..WriteBatch::new() };
        if let Some(meta) = &new_meta {
            format::stage(&mut extra);
            extra.put(keys::shard_meta(), meta.encode());
        }
        if let Some(key) = key
            && !planted!("shard: a key is not remembered")
        {
            key.stage(&mut extra, &*self.storage, &ran.answer, stamp)?;
        }
        match transaction::commit(engine, &mut ran, stamp, extra) {
            Ok(Committed::Written) => {
                self.meta = new_meta.or_else(|| self.meta.take());
                if alarm.is_some() {
                    self.outbox.alarm_is_set(alarm);
                }
                Ok(ran.answer.finish(Some(stamp.lsn), Some(stamp.at)))
            }
            Ok(Committed::Nothing) => self.answer_without_lsn(&ran, key, now),
            Err(CommitError::RolledBack(error)) => {
                self.is_stale = true;
                Err(error)
            }
            Err(CommitError::Unknown(reason)) => self.settle_unknown_commit(&ran, stamp, reason),
        }
    }

    /// Storage may have written or not. Reading it again tells, if it can be read.
    fn settle_unknown_commit(&mut self, ran: &Ran, stamp: Stamp, reason: String) -> Result<String, ShardError> {
        self.is_stale = !planted!("shard: memory is trusted after a failed write");
        if self.refresh().is_err() {
            return Err(ShardError::OutcomeUnknown(reason));
        }
        let committed = self.store.committed();
        if committed.lsn == Some(stamp.lsn) && committed.stamp == stamp.at {
            Ok(ran.answer.finish(Some(stamp.lsn), Some(stamp.at)))
        } else {
            Err(ShardError::Unavailable(reason))
        }
    }

    /// A request that could have written and had nothing to write. Its answer is remembered all the same: sent again,
    /// it must not find something to write then.
    fn answer_without_lsn(&mut self, ran: &Ran, key: Option<&Key>, now: Micros) -> Result<String, ShardError> {
        let committed = self.store.committed();
        let at = committed.lsn.map(|_| committed.stamp);
        if let Some(key) = key
            && ran.has_written
            && self.meta.is_some()
        {
            let mut batch = WriteBatch::new();
            key.stage_at(&mut batch, &*self.storage, &ran.answer, committed.lsn, at, now)?;
            durable!("shard: remember a key", self.apply(&batch))?;
        }
        Ok(ran.answer.finish(committed.lsn, at))
    }

    fn delete(&mut self, now: Micros) -> Result<String, ShardError> {
        self.refresh()?;
        let Some(meta) = &self.meta else { return Err(ShardError::NotFound(self.database.clone())) };
        if meta.life == Life::Live {
            if self.store.committed().lsn.is_none() && self.outbox.accepted().is_none() {
                // The lake never heard of it: there is no end to tell.
                self.wipe()?;
                return Ok("{\"state\":\"deleted\"}".to_owned());
            }
            let meta = ShardMeta { life: Life::Ending, ..meta.clone() };
            let mut batch = WriteBatch::new();
            batch.put(keys::shard_meta(), meta.encode());
            batch.alarm = self.outbox.plan_alarm(now).map(|at| AlarmChange::NoLaterThan(at.0));
            durable!("shard: delete", self.apply(&batch))?;
            self.meta = Some(meta);
            self.engine = None;
        }
        Ok("{\"state\":\"ending\"}".to_owned())
    }

    /// The stamp of the last transaction, in this life or an earlier one.
    fn past_stamp(&self) -> Option<Micros> {
        let committed = self.store.committed();
        committed.lsn.map(|_| committed.stamp).or(self.last_stamp)
    }

    fn status(&self) -> Option<serde_json::Value> {
        let meta = self.meta.as_ref()?;
        Some(status::of(meta, &self.store, &self.outbox, &*self.storage))
    }

    /// A write outside of a transaction.
    fn apply(&mut self, batch: &WriteBatch) -> Result<(), ShardError> {
        self.storage.apply(batch).map_err(|error| match error {
            StorageError::Full => ShardError::Full,
            StorageError::Failed(reason) => {
                self.is_stale = !planted!("shard: memory is trusted after a failed write");
                ShardError::OutcomeUnknown(reason)
            }
        })
    }

    fn wipe(&mut self) -> Result<(), ShardError> {
        let mut batch = WriteBatch { alarm: Some(AlarmChange::Clear), ..WriteBatch::new() };
        batch.delete_range(keys::everything());
        if let Some(stamp) = self.past_stamp() {
            format::stage(&mut batch);
            last_stamp::stage(&mut batch, stamp);
        }
        self.engine = None;
        durable!("shard: wipe", self.apply(&batch))?;
        let reopened = Inner::open(Rc::clone(&self.storage), &self.database)?;
        *self = reopened;
        Ok(())
    }

    fn tell(&mut self, now: Micros, event: impl FnOnce(&mut Outbox, &Facts<'_>) -> Reaction) -> Vec<OutboxStep> {
        // Until storage can be read again there is nothing true to tell; the next request looks again.
        self.react(now, event).0
    }

    /// As [`Inner::tell`]; an error if storage cannot be read, or the alarm that is needed could not be set.
    fn react(
        &mut self,
        now: Micros,
        event: impl FnOnce(&mut Outbox, &Facts<'_>) -> Reaction,
    ) -> (Vec<OutboxStep>, Result<(), ShardError>) {
        if let Err(error) = self.refresh() {
            return (Vec::new(), Err(error.into()));
        }
        let Some(meta) = &self.meta else { return (Vec::new(), Ok(())) };
        let facts = Facts { meta, committed: self.store.committed(), now };
        let reaction = event(&mut self.outbox, &facts);
        self.store.set_durable(self.outbox.durable());
        let mut outcome = Ok(());
        if let Some(at) = reaction.alarm {
            let batch = WriteBatch { alarm: Some(AlarmChange::NoLaterThan(at.0)), ..WriteBatch::new() };
            outcome = durable!("shard: set the alarm", self.apply(&batch));
            if outcome.is_ok() {
                self.outbox.alarm_is_set(Some(at));
            }
        }
        if reaction.is_settled {
            self.settle();
        }
        // If the wipe fails the database stays at its end, and the lake is told again.
        if reaction.is_ended && self.wipe().is_err() {
            self.is_stale = true;
        }
        (reaction.steps, outcome)
    }

    /// The lake has everything: stores what it said, trims the log, and gives memory back. Failing, all of it is
    /// done at the next quiet moment.
    fn settle(&mut self) {
        let Some(meta) = &self.meta else { return };
        let settled = ShardMeta { accepted: self.outbox.accepted(), durable: self.outbox.durable(), ..meta.clone() };
        // Failing, the log still holds the pages.
        let _ = self.store.make_images();
        let mut batch = self.store.plan_trim().unwrap_or_default();
        batch.alarm = Some(AlarmChange::Clear);
        if settled != *meta {
            batch.put(keys::shard_meta(), settled.encode());
        }
        if durable!("shard: store what the lake has", self.storage.apply(&batch)).is_ok() {
            self.meta = Some(settled);
            self.outbox.alarm_is_set(None);
        }
        self.store.release_memory();
        if let Some(engine) = &self.engine {
            engine.connections.release_memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use lake_test_host::MemoryStorage;

    use super::*;
    use crate::storage::base::LogPosition;

    #[test]
    fn writes_are_refused_while_too_much_waits_for_the_lake_and_reads_go_on() {
        let storage = MemoryStorage::new();
        let mut shard = Shard::open(storage.clone(), "shop", Micros(0), [0; 32]).expect("opens");
        shard.create(b"", TimelineId([1; 16]), Micros(0)).expect("creates");
        let position = LogPosition { lsn: Lsn::new(7), record_bytes: BACKLOG_BYTES_MAX + 1, ..LogPosition::default() };
        let mut batch = WriteBatch::new();
        batch.put(keys::base(BranchId::MAIN), position.encode());
        storage.apply(&batch).expect("applies");
        let mut shard = Shard::open(storage, "shop", Micros(0), [0; 32]).expect("opens");
        let mut send = |sql: &str| {
            let body = format!("{{\"sql\": \"{sql}\"}}");
            shard.sql(body.as_bytes(), None, Access::Write, TimelineId([2; 16]), Micros(1), [0; 32])
        };
        assert!(matches!(send("CREATE TABLE t (id bigint)"), Err(ShardError::BacklogFull { .. })));
        assert!(send("SELECT 1").is_ok());
        let list = br#"{"statements": [{"sql": "SELECT 1"}, {"sql": "SELECT 2"}]}"#;
        assert!(shard.sql(list, None, Access::Write, TimelineId([2; 16]), Micros(1), [0; 32]).is_ok());
    }
}
