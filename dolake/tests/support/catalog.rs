//! A catalog in memory that keeps the contract of the real one: idempotent by flush id, fenced by epoch, all or nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use lake_dolake::{CatalogError, TableCatalog};
use lake_host::Clock;
use lake_table::{
    CommittedFlush, EnsureTable, FlushCommit, FlushOutcome, SettleFlush, Settlement, TableName, TableState,
    create_metadata,
};
use lake_test_host::{ManualClock, MemoryObjectStore};

#[derive(Default)]
struct Pointers {
    tables: BTreeMap<TableName, (String, TableMetadata)>,
    position: u64,
    epoch: u64,
    commits: u64,
    flushes: BTreeMap<String, CommittedFlush>,
    created: u32,
    /// Most tables of one commit.
    widest: usize,
}

pub struct MemoryCatalog {
    pointers: RefCell<Pointers>,
    store: MemoryObjectStore,
    clock: ManualClock,
    root: RefCell<String>,
    lose_answer: Cell<bool>,
    fail_in: Cell<Option<u32>>,
    conflicts: Cell<u32>,
    tables_max: Cell<usize>,
}

impl MemoryCatalog {
    pub fn new(store: MemoryObjectStore, clock: ManualClock) -> MemoryCatalog {
        MemoryCatalog {
            pointers: RefCell::default(),
            store,
            clock,
            root: RefCell::new("s3://lakehouse".into()),
            lose_answer: Cell::new(false),
            fail_in: Cell::new(None),
            conflicts: Cell::new(0),
            tables_max: Cell::new(1_000),
        }
    }

    /// Where tables lie, instead of a bucket.
    pub fn set_root(&self, root: &str) {
        root.clone_into(&mut self.root.borrow_mut());
    }

    /// The next commit holds, and nobody is told.
    pub fn lose_next_answer(&self) {
        self.lose_answer.set(true);
    }

    /// The next commit fails and changes nothing, and nobody is told either.
    pub fn drop_next_request(&self) {
        self.drop_request_after(0);
    }

    /// The same of the commit after the next `count`.
    pub fn drop_request_after(&self, count: u32) {
        self.fail_in.set(Some(count));
    }

    /// The next `count` commits lose a race.
    pub fn conflict(&self, count: u32) {
        self.conflicts.set(count);
    }

    /// Commits of more tables are refused, as the real one refuses those of more than 1,000.
    pub fn limit_tables(&self, most: usize) {
        self.tables_max.set(most);
    }

    /// Tables of the commit that had the most.
    pub fn widest(&self) -> usize {
        self.pointers.borrow().widest
    }

    pub fn commits(&self) -> u64 {
        self.pointers.borrow().commits
    }

    pub fn position(&self) -> u64 {
        self.pointers.borrow().position
    }

    pub fn metadata(&self, namespace: &str, name: &str) -> Option<TableMetadata> {
        let table = TableName { namespace: namespace.into(), name: name.into() };
        self.pointers.borrow().tables.get(&table).map(|(_, metadata)| metadata.clone())
    }

    pub fn metadata_location(&self, namespace: &str, name: &str) -> Option<String> {
        let table = TableName { namespace: namespace.into(), name: name.into() };
        self.pointers.borrow().tables.get(&table).map(|(location, _)| location.clone())
    }

    fn state(&self, table: &TableName) -> Option<TableState> {
        let pointers = self.pointers.borrow();
        let (location, metadata) = pointers.tables.get(table)?;
        Some(TableState { table: table.clone(), metadata_location: location.clone(), metadata: metadata.clone() })
    }

    /// Faults of the store are the lake's affair here.
    fn write(&self, metadata: &TableMetadata, version: u64) -> String {
        let location = format!("{}/metadata/{version:05}.metadata.json", metadata.location());
        let json = serde_json::to_vec(metadata).expect("metadata is JSON");
        self.store.place(super::key_of(&location), &json);
        location
    }
}

impl TableCatalog for MemoryCatalog {
    async fn ensure_table(&self, request: &EnsureTable) -> Result<TableState, CatalogError> {
        if let Some(state) = self.state(&request.table) {
            return Ok(state);
        }
        let number = {
            let mut pointers = self.pointers.borrow_mut();
            pointers.created += 1;
            pointers.created
        };
        let mut uuid = [0; 16];
        uuid[..4].copy_from_slice(&number.to_be_bytes());
        let location = format!("{}/warehouse/{}/{}", self.root.borrow(), request.table.namespace, request.table.name);
        let now = self.clock.now_micros() / 1_000;
        let metadata =
            create_metadata(request, &location, uuid, now).map_err(|error| CatalogError::Failed(error.to_string()))?;
        let location = self.write(&metadata, 0);
        self.pointers.borrow_mut().tables.insert(request.table.clone(), (location, metadata));
        self.state(&request.table).ok_or_else(|| CatalogError::Failed("gone".into()))
    }

    async fn load_table(&self, table: &TableName) -> Result<Option<TableState>, CatalogError> {
        Ok(self.state(table))
    }

    async fn commit(&self, commit: &FlushCommit) -> Result<FlushOutcome, CatalogError> {
        if commit.tables.len() > self.tables_max.get() {
            return Err(CatalogError::Failed("too many tables in one commit".into()));
        }
        let fail_in = self.fail_in.take();
        if fail_in == Some(0) {
            return Err(CatalogError::StateUnknown("the request was lost".into()));
        }
        self.fail_in.set(fail_in.map(|count| count - 1));
        if self.conflicts.get() > 0 {
            self.conflicts.set(self.conflicts.get() - 1);
            let table = TableName { namespace: "default".into(), name: "orders".into() };
            return Ok(FlushOutcome::Conflict { table, message: "a race was lost".into() });
        }
        {
            let mut pointers = self.pointers.borrow_mut();
            if commit.epoch < pointers.epoch {
                return Ok(FlushOutcome::Fenced { epoch: pointers.epoch });
            }
            pointers.epoch = commit.epoch;
            if let Some(done) = pointers.flushes.get(&commit.flush_id) {
                return Ok(FlushOutcome::Committed(done.clone()));
            }
            if pointers.position != commit.base {
                return Ok(FlushOutcome::BaseMoved { position: pointers.position });
            }
        }
        let mut next = Vec::new();
        for table in &commit.tables {
            let state = self.state(&table.table).expect("a table that was ensured");
            for requirement in &table.requirements {
                if let Err(error) = requirement.check(Some(&state.metadata)) {
                    return Ok(FlushOutcome::Conflict { table: table.table.clone(), message: error.to_string() });
                }
            }
            let location = Some(state.metadata_location.clone());
            let mut builder = TableMetadataBuilder::new_from_metadata(state.metadata, location);
            for update in &table.updates {
                builder = update.clone().apply(builder).expect("an update that applies");
            }
            let metadata = builder.build().expect("metadata that holds").metadata;
            let location = self.write(&metadata, self.commits() + 1);
            next.push(TableState { table: table.table.clone(), metadata_location: location, metadata });
        }
        let mut pointers = self.pointers.borrow_mut();
        pointers.commits += 1;
        pointers.widest = pointers.widest.max(commit.tables.len());
        pointers.position = commit.end;
        let done = CommittedFlush { number: pointers.commits, end: commit.end, tables: next.clone() };
        pointers.flushes.insert(commit.flush_id.clone(), done.clone());
        for state in next {
            pointers.tables.insert(state.table, (state.metadata_location, state.metadata));
        }
        if self.lose_answer.take() {
            return Err(CatalogError::StateUnknown("the answer was lost".into()));
        }
        Ok(FlushOutcome::Committed(done))
    }

    async fn settle(&self, request: &SettleFlush) -> Result<Settlement, CatalogError> {
        let mut pointers = self.pointers.borrow_mut();
        if request.epoch < pointers.epoch {
            return Ok(Settlement::Fenced { epoch: pointers.epoch });
        }
        pointers.epoch = request.epoch;
        match request.flush_id.as_ref().and_then(|id| pointers.flushes.get(id)) {
            Some(done) => Ok(Settlement::Committed(done.clone())),
            None => Ok(Settlement::NotCommitted { position: pointers.position }),
        }
    }
}
