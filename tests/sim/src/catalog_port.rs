//! The lake's way to the catalog: requests as JSON, to an object that can be evicted in the middle.
//!
//! A request runs as a task of the catalog, not of the lake: a lake that is evicted while it waits does not stop what it
//! has asked for. An evicted catalog leaves the caller without an answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use futures::lock::Mutex;
use lake_api::scope::Scope;
use lake_api::token::{Claims, Keys};
use lake_catalog::rest::RestRequest;
use lake_catalog::{Catalog, CatalogError, Settings};
use lake_dolake::{CatalogError as Unanswered, LakePorts, TableCatalog};
use lake_host::{Clock, Random, alive};
use lake_table::{EnsureTable, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableName, TableState};
use lake_test_host::{ManualClock, MemoryObjectStore, MemoryStorage, SeededRandom, Simulation, TaskId, yield_now};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::NAMESPACE;
use crate::still::Still;

/// The catalog's object and what it needs.
#[derive(Clone)]
pub(crate) struct CatalogObject {
    pub(crate) storage: MemoryStorage,
    pub(crate) store: MemoryObjectStore,
    clock: ManualClock,
    random: SeededRandom,
    simulation: Simulation,
    present: Rc<RefCell<Rc<Instance>>>,
    lose_answer: Rc<Cell<bool>>,
    lose_answer_to_commit: Rc<Cell<bool>>,
}

/// One instance: its memory and the requests that it works on.
struct Instance {
    storage: MemoryStorage,
    catalog: Mutex<Option<Rc<Catalog<MemoryStorage>>>>,
    tasks: RefCell<Vec<TaskId>>,
}

impl Instance {
    fn new(storage: &MemoryStorage) -> Rc<Instance> {
        Rc::new(Instance { storage: storage.instance(), catalog: Mutex::new(None), tasks: RefCell::default() })
    }

    /// The catalog, opened and with its last commit record made good, as the shell does it.
    async fn open(&self, store: &MemoryObjectStore) -> Result<Rc<Catalog<MemoryStorage>>, CatalogError> {
        let mut held = self.catalog.lock().await;
        if let Some(catalog) = held.as_ref() {
            return Ok(Rc::clone(catalog));
        }
        let catalog = Rc::new(Catalog::open(self.storage.clone(), settings())?);
        catalog.recover(store).await?;
        *held = Some(Rc::clone(&catalog));
        Ok(catalog)
    }
}

impl CatalogObject {
    pub(crate) fn new(store: &MemoryObjectStore, clock: &ManualClock, simulation: &Simulation) -> CatalogObject {
        let storage = MemoryStorage::new();
        CatalogObject {
            present: Rc::new(RefCell::new(Instance::new(&storage))),
            storage,
            store: store.clone(),
            clock: clock.clone(),
            random: simulation.random(),
            simulation: simulation.clone(),
            lose_answer: Rc::default(),
            lose_answer_to_commit: Rc::default(),
        }
    }

    /// Takes the object out of memory, with every request that it was working on.
    pub(crate) fn evict(&self) {
        let old = self.present.replace(Instance::new(&self.storage));
        for task in old.tasks.take() {
            self.simulation.evict(task);
        }
    }

    /// Another instance takes over while this one is at work.
    pub(crate) fn split(&self) {
        let old = self.present.replace(Instance::new(&self.storage));
        old.storage.leave_behind();
    }

    /// A request has died at a named place: its instance with everything that it worked on.
    pub(crate) fn died(&self, task: TaskId) {
        if self.present.borrow().tasks.borrow().contains(&task) {
            self.evict();
        }
    }

    /// The next answer is lost on its way.
    pub(crate) fn lose_next_answer(&self) {
        self.lose_answer.set(true);
    }

    /// The answer to the next commit of an engine is lost on its way: what the client does then is what costs rows.
    pub(crate) fn lose_next_answer_to_commit(&self) {
        self.lose_answer_to_commit.set(true);
    }

    /// No faults any more.
    pub(crate) fn revive(&self) {
        self.storage.revive();
        self.lose_answer.set(false);
        self.lose_answer_to_commit.set(false);
    }

    /// A request of an engine, as its shell takes it; `None` if no answer comes.
    pub(crate) async fn respond(&self, request: RestRequest) -> Option<(u16, Vec<u8>)> {
        let of_table = format!("/v1/namespaces/{NAMESPACE}/tables/");
        let is_commit = request.path == "/v1/transactions/commit" || request.path.starts_with(&of_table);
        if is_commit && request.method == "POST" && self.lose_answer_to_commit.take() {
            self.lose_next_answer();
        }
        let answered = self.ask("catalog: engine", |object, catalog| async move {
            let now = object.clock.now_micros();
            let (claims, keys) = access();
            let response = catalog.respond(&request, &claims, &keys, &object.store, &object.random, now).await;
            Ok((response.status, response.body))
        });
        match answered.await {
            Ok(answer) => Some(answer),
            // An object that does not open.
            Err(Unanswered::Failed(_)) => Some((503, Vec::new())),
            Err(Unanswered::StateUnknown(_)) => None,
        }
    }

    /// The platform's alarm, if it is due.
    pub(crate) fn tick(&self, now: i64) {
        if self.storage.take_due_alarm(now) {
            self.alarm();
        }
    }

    /// The alarm, also when it comes once more: files of purged tables and dropped views are removed. One that fails, or
    /// whose object dies of it, comes again.
    pub(crate) fn alarm(&self) {
        let object = self.clone();
        self.simulation.spawn("alarm of the catalog", async move {
            let stepped = object.ask("catalog: purge", |object, catalog| async move {
                let now = object.clock.now_micros();
                catalog.purge_step(&object.store, now).await.map(|_| ())
            });
            if stepped.await.is_err() {
                object.storage.alarm_failed(object.clock.now_micros());
            }
        });
    }

    /// The catalog as it is at this moment, behind its back: without faults. `None` if its storage is not begun.
    pub(crate) fn still(&self) -> Option<Still> {
        let storage = self.storage.fork();
        storage.revive();
        // Whoever looks into a storage that no catalog has begun begins one, and may die of it.
        let catalog = alive(|| Catalog::open(storage.clone(), settings())).ok()?.ok()?;
        let (claims, keys) = access();
        Some(Still { catalog, storage, store: self.store.clone(), claims, keys, now: self.clock.now_micros() })
    }

    /// Runs a request in the object and brings the answer back, if nothing happens to it.
    async fn ask<T: Serialize + DeserializeOwned + 'static, F: Future<Output = Result<T, CatalogError>>>(
        &self,
        name: &str,
        act: impl FnOnce(CatalogObject, Rc<Catalog<MemoryStorage>>) -> F + 'static,
    ) -> Result<T, Unanswered> {
        let (sender, receiver) = oneshot::channel();
        let (object, instance) = (self.clone(), Rc::clone(&self.present.borrow()));
        let of = Rc::clone(&instance);
        let lose_answer = self.lose_answer.take();
        let task = self.simulation.spawn(name, async move {
            let outcome = match of.open(&object.store).await {
                Ok(catalog) => act(object, catalog).await,
                Err(error) => Err(error),
            };
            if !lose_answer {
                // The lake may be gone.
                let _ = sender.send(outcome.map(|value| serde_json::to_string(&value).expect("JSON")));
            }
        });
        let simulation = &self.simulation;
        instance.tasks.borrow_mut().retain(|task| !simulation.has_ended(*task));
        instance.tasks.borrow_mut().push(task);
        match receiver.await {
            Ok(Ok(json)) => Ok(serde_json::from_str(&json).expect("what was written")),
            Ok(Err(CatalogError::StateUnknown(reason))) => Err(Unanswered::StateUnknown(reason)),
            Ok(Err(error)) => Err(Unanswered::Failed(error.to_string())),
            Err(oneshot::Canceled) => Err(Unanswered::StateUnknown("no answer".to_owned())),
        }
    }
}

fn settings() -> Settings {
    Settings { lake_name: "lake".to_owned(), bucket: "lakehouse".to_owned(), vended: Default::default() }
}

/// Where engines reach the catalog.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8787";

/// Of engines, who may do everything.
fn access() -> (Claims, Keys) {
    let claims = Claims { subject: "engine".into(), issued_at: 0, expires_at: i64::MAX, scopes: vec![Scope::All] };
    (claims, Keys::new("k1", &[7; 32]).expect("keys"))
}

/// What crosses between two scripts crosses as JSON.
fn sent<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let json = serde_json::to_string(value).expect("JSON");
    serde_json::from_str(&json).expect("what was written")
}

impl TableCatalog for CatalogObject {
    async fn ensure_table(&self, request: &EnsureTable) -> Result<TableState, Unanswered> {
        let request = sent(request);
        self.ask("catalog: ensure table", |object, catalog| async move {
            let now = object.clock.now_micros();
            catalog.ensure_table(&object.store, &object.random, now, &request).await
        })
        .await
    }

    async fn load_table(&self, table: &TableName) -> Result<Option<TableState>, Unanswered> {
        let table = table.clone();
        self.ask("catalog: load table", |object, catalog| async move {
            match catalog.load_table(&object.store, &table).await {
                Ok(table) => Ok(Some(table)),
                Err(CatalogError::TableNotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn commit(&self, commit: &FlushCommit) -> Result<FlushOutcome, Unanswered> {
        let commit = sent(commit);
        self.ask("catalog: commit", |object, catalog| async move {
            let now = object.clock.now_micros();
            catalog.commit_flush(&object.store, &object.random, now, &commit).await
        })
        .await
    }

    async fn settle(&self, request: &SettleFlush) -> Result<Settlement, Unanswered> {
        let request = sent(request);
        self.ask(
            "catalog: settle",
            |object, catalog| async move { catalog.settle_flush(&object.store, &request).await },
        )
        .await
    }
}

/// What a flush waits for.
pub(crate) struct Ports {
    pub(crate) catalog: CatalogObject,
    /// How far the lake's clock is from the catalog's.
    pub(crate) skew: Rc<Cell<i64>>,
}

impl LakePorts for Ports {
    type Store = MemoryObjectStore;
    type Catalog = CatalogObject;

    fn store(&self) -> &MemoryObjectStore {
        &self.catalog.store
    }

    fn catalog(&self) -> &CatalogObject {
        &self.catalog
    }

    fn now_micros(&self) -> i64 {
        self.catalog.clock.now_micros() + self.skew.get()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.catalog.random.fill(bytes);
    }

    async fn pause_ms(&self, milliseconds: u32) {
        let until = self.now_micros() + i64::from(milliseconds) * 1_000;
        yield_now().await;
        while self.now_micros() < until {
            yield_now().await;
        }
    }
}
