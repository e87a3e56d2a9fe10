//! Pages of the database, keyed (branch, page, lsn), and the one place that commits.
//!
//! A page is in one of four places, newest first: `dirty`, what the open transaction wrote; `unimaged`, what the log
//! holds since the last images; `clean`, a cache of images; and storage. A commit is one batch: a row of the log with
//! the deltas of its pages and its change record, or, when the log after the last images reaches its bound, the
//! images themselves. Readers are pinned: they see pages as of one lsn while a transaction commits others.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use lake_cdc::{Lsn, Micros};
use lake_host::{StorageError, WriteBatch, planted};

use crate::limits::{
    CLEAN_PAGES_MAX, DELTA_PAGES_MAX, DIRTY_PAGES_MAX, LOG_DELTA_BYTES_MAX, LOG_ENTRIES_MAX, LOG_SCAN_ROWS, PAGE_BYTES,
    PAGES_MAX, QUIET_UNIMAGED_PAGES_MAX, UNIMAGED_PAGES_MAX,
};
use crate::page_cache::PageCache;
use crate::storage::base::LogPosition;
use crate::storage::counted::Counted;
use crate::storage::keys::{self, BranchId};
use crate::storage::log_entry::{self, LogEntry, PageDeltas};
use crate::storage::page_image::{self, Page};
use crate::storage::{OpenError, Stored, corrupt};

/// Whose pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The open transaction's.
    Writer,
    /// Those as of a committed transaction; 0 is before the first.
    Pinned(u64),
}

/// What a finished transaction adds to its batch besides pages.
pub(crate) struct Sealed {
    /// Its stamp.
    pub(crate) stamp: Micros,
    /// Its change record.
    pub(crate) record: Vec<u8>,
    /// Rows that are written with it: facts of a new database, the answer of its key, the alarm.
    pub(crate) extra: WriteBatch,
}

/// How a commit ended. A commit that failed is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is durable under its lsn.
    Written,
    /// There was nothing to write.
    Nothing,
}

/// Why a page could not be read or written, or a transaction not be committed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// The transaction changes more pages than fit in memory.
    #[error("the transaction changes more than {} MiB of pages", (DIRTY_PAGES_MAX * PAGE_BYTES) >> 20)]
    TooManyDirtyPages,
}

impl From<Stored> for PageError {
    fn from(error: Stored) -> PageError {
        corrupt("log entry")(error).into()
    }
}

/// The pages of one branch.
pub(crate) struct PageStore {
    storage: Rc<dyn Counted>,
    branch: BranchId,
    state: RefCell<State>,
    failure: RefCell<Option<PageError>>,
    durable: Cell<Option<Lsn>>,
}

struct State {
    committed: LogPosition,
    imaged: LogPosition,
    log_delta_bytes: u64,
    log_entries: u64,
    /// Ascending versions of each page. More than one only while a reader is pinned.
    unimaged: HashMap<u32, Vec<(u64, Rc<Page>)>>,
    clean: PageCache,
    dirty: HashMap<u32, Rc<Page>>,
    dirty_page_count: Option<u32>,
    pins: BTreeMap<u64, usize>,
    has_old_versions: bool,
}

impl PageStore {
    /// Reads where the branch stands and replays the log after its last images.
    pub(crate) fn open(storage: Rc<dyn Counted>, branch: BranchId) -> Result<PageStore, OpenError> {
        let base = match storage.get(&keys::base(branch))? {
            Some(bytes) => LogPosition::decode(&bytes).map_err(corrupt("base"))?,
            None => LogPosition::default(),
        };
        let store = PageStore {
            storage,
            branch,
            state: RefCell::new(State {
                committed: base,
                imaged: base,
                log_delta_bytes: 0,
                log_entries: 0,
                unimaged: HashMap::new(),
                clean: PageCache::new(CLEAN_PAGES_MAX),
                dirty: HashMap::new(),
                dirty_page_count: None,
                pins: BTreeMap::new(),
                has_old_versions: false,
            }),
            failure: RefCell::new(None),
            durable: Cell::new(None),
        };
        store.replay()?;
        Ok(store)
    }

    fn replay(&self) -> Result<(), OpenError> {
        let mut next = self.committed().lsn.map_or(Lsn::FIRST, Lsn::next);
        let mut range = keys::log_from(self.branch, next);
        loop {
            let rows = self.storage.scan(&range, LOG_SCAN_ROWS)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            range.start = [last.as_slice(), &[0]].concat();
            for (key, bytes) in &rows {
                let (lsn, part) = keys::read_log(key).ok_or("a key").map_err(corrupt("log"))?;
                if part > 0 {
                    continue;
                }
                let entry = LogEntry::decode(bytes).map_err(corrupt("log entry"))?;
                if lsn != next || entry.position.lsn != Some(lsn) {
                    return Err(corrupt("log")(format!("{lsn} stands where {next} belongs")));
                }
                next = lsn.next();
                self.replay_entry(lsn, &entry)?;
            }
        }
    }

    fn replay_entry(&self, lsn: Lsn, entry: &LogEntry) -> Result<(), OpenError> {
        let pages = entry
            .pages
            .apply(|number| {
                let base = self.read_committed(number)?.filter(|_| !planted!("shard: a delta on the wrong base"));
                Ok(base.unwrap_or_else(|| Rc::new([0; PAGE_BYTES])))
            })
            .map_err(|error: PageError| match error {
                PageError::Unreadable(error) => error,
                PageError::Storage(error) => error.into(),
                error => corrupt("log entry")(error),
            })?;
        let mut state = self.state.borrow_mut();
        for (number, page) in pages {
            state.unimaged.insert(number, vec![(lsn.get(), page)]);
        }
        state.committed = entry.position;
        state.log_delta_bytes += entry.pages.len() as u64;
        state.log_entries += 1;
        Ok(())
    }

    /// The last committed transaction.
    pub(crate) fn committed(&self) -> LogPosition {
        self.state.borrow().committed
    }

    /// The last transaction whose pages are all in images.
    pub(crate) fn imaged(&self) -> LogPosition {
        self.state.borrow().imaged
    }

    /// Pages in memory: newer than their image, and cached.
    pub(crate) fn resident_pages(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.unimaged.values().map(Vec::len).sum(), state.clean.len())
    }

    /// The first transaction that the log holds, if it holds one and can be read.
    pub(crate) fn first_logged(&self) -> Option<Lsn> {
        let rows = self.storage.scan(&keys::log_from(self.branch, Lsn::FIRST), 1).ok()?;
        keys::read_log(&rows.first()?.0).map(|(lsn, _)| lsn)
    }

    /// Tells what the lake holds durably, so that the next images trim the log to it.
    pub(crate) fn set_durable(&self, lsn: Option<Lsn>) {
        self.durable.set(lsn);
    }

    /// Pins a reader at the last committed transaction. Each pin is given back with `unpin`.
    pub(crate) fn pin(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        let lsn = state.committed.lsn.map_or(0, Lsn::get);
        *state.pins.entry(lsn).or_default() += 1;
        lsn
    }

    /// Gives a pin back, and the versions that only it needed.
    pub(crate) fn unpin(&self, lsn: u64) {
        let mut state = self.state.borrow_mut();
        if let Some(count) = state.pins.get_mut(&lsn) {
            *count -= 1;
            if *count == 0 {
                state.pins.remove(&lsn);
            }
        }
        if state.pins.is_empty() && std::mem::take(&mut state.has_old_versions) {
            for versions in state.unimaged.values_mut() {
                versions.drain(..versions.len().saturating_sub(1));
            }
        }
    }

    /// How many pages a view has.
    pub(crate) fn page_count(&self, view: View) -> u32 {
        let state = self.state.borrow();
        match view {
            View::Writer => state.dirty_page_count.unwrap_or(state.committed.page_count),
            // A pinned reader believes the size in its page 1; what it needs is only an upper bound.
            View::Pinned(_) => state.committed.page_count,
        }
    }

    /// A page, `None` if the view has no such page.
    pub(crate) fn read(&self, number: u32, view: View) -> Result<Option<Rc<Page>>, PageError> {
        match view {
            View::Writer => {
                let state = self.state.borrow();
                if let Some(page) = state.dirty.get(&number) {
                    return Ok(Some(Rc::clone(page)));
                }
                if number > state.dirty_page_count.unwrap_or(u32::MAX) {
                    return Ok(None);
                }
                drop(state);
                self.read_committed(number)
            }
            View::Pinned(lsn) => self.read_pinned(number, lsn),
        }
    }

    fn read_committed(&self, number: u32) -> Result<Option<Rc<Page>>, PageError> {
        let lsn = self.committed().lsn.map_or(0, Lsn::get);
        self.read_pinned(number, lsn)
    }

    fn read_pinned(&self, number: u32, lsn: u64) -> Result<Option<Rc<Page>>, PageError> {
        let mut state = self.state.borrow_mut();
        if let Some(versions) = state.unimaged.get(&number)
            && let Some((_, page)) = versions.iter().rev().find(|(version, _)| *version <= lsn)
        {
            return Ok(Some(Rc::clone(page)));
        }
        if number > state.imaged.page_count {
            return Ok(None);
        }
        // The cache holds the newest images; a pin from before them has to look for its own.
        let is_newest = state.imaged.lsn.is_none_or(|imaged| imaged.get() <= lsn);
        if is_newest && let Some(page) = state.clean.find(number) {
            return Ok(Some(page));
        }
        let Some(before) = Lsn::new(lsn.saturating_add(1)) else { return Ok(None) };
        let Some((_, bytes)) = self.storage.last(&keys::page_images_before(self.branch, number, before))? else {
            return Ok(None);
        };
        let page = Rc::new(page_image::decode(&bytes).map_err(corrupt("page image"))?);
        if is_newest {
            state.clean.keep(number, Rc::clone(&page));
        }
        Ok(Some(page))
    }

    /// Writes into a page of the open transaction.
    pub(crate) fn write(&self, number: u32, offset: usize, bytes: &[u8]) -> Result<(), PageError> {
        if number > PAGES_MAX {
            return Err(StorageError::Full.into());
        }
        let mut page = if offset == 0 && bytes.len() == PAGE_BYTES {
            Rc::new([0; PAGE_BYTES])
        } else {
            self.read(number, View::Writer)?.unwrap_or_else(|| Rc::new([0; PAGE_BYTES]))
        };
        if let Some(target) = Rc::make_mut(&mut page).get_mut(offset..offset + bytes.len()) {
            target.copy_from_slice(bytes);
        }
        if !self.has_room_for(number) {
            // Rolling back, SQLite puts back also what it changed in its cache alone: more pages than there is room for.
            let is_as_it_was = self.read_committed(number)?.as_ref() == Some(&page);
            return if is_as_it_was { Ok(()) } else { Err(PageError::TooManyDirtyPages) };
        }
        let mut state = self.state.borrow_mut();
        state.dirty.insert(number, page);
        let page_count = state.dirty_page_count.unwrap_or(state.committed.page_count);
        state.dirty_page_count = Some(page_count.max(number));
        Ok(())
    }

    fn has_room_for(&self, number: u32) -> bool {
        let state = self.state.borrow();
        state.dirty.len() < DIRTY_PAGES_MAX || state.dirty.contains_key(&number)
    }

    /// Cuts the open transaction's pages after `page_count`.
    pub(crate) fn truncate(&self, page_count: u32) {
        let mut state = self.state.borrow_mut();
        state.dirty.retain(|number, _| *number <= page_count);
        state.dirty_page_count = Some(page_count);
    }

    /// Drops what the open transaction wrote, and what is known of its failure: the next one is another.
    pub(crate) fn discard(&self) {
        let mut state = self.state.borrow_mut();
        state.dirty = HashMap::new();
        state.dirty_page_count = None;
        self.failure.take();
    }

    /// Commits the open transaction: one batch. If no page differs from what it was, nothing is written.
    ///
    /// Called once SQLite has committed to the pages here, and never from within SQLite: it syncs also when it rolls
    /// back pages that its cache had to write early, and those of them that were free before it leaves as they are.
    pub(crate) fn commit(&self, sealed: Sealed) -> Result<Committed, PageError> {
        let changed = self.changed_pages()?;
        if changed.is_empty() && self.page_count(View::Writer) == self.committed().page_count {
            self.discard();
            return Ok(Committed::Nothing);
        }
        let plan = self.plan_commit(&sealed, &changed);
        let batch = self.stage_commit(sealed, &changed, &plan);
        lake_host::durable!("shard: commit", self.storage.apply(&batch), told_to_fail())?;
        self.apply_commit(changed, plan);
        Ok(Committed::Written)
    }

    fn changed_pages(&self) -> Result<Vec<Changed>, PageError> {
        let dirty = std::mem::take(&mut self.state.borrow_mut().dirty);
        let mut changed = Vec::with_capacity(dirty.len());
        let empty = Rc::new([0; PAGE_BYTES]);
        for (number, after) in dirty {
            let before = self.read_committed(number)?;
            if before.as_ref() != Some(&after) {
                changed.push((number, before.unwrap_or_else(|| Rc::clone(&empty)), after));
            }
        }
        // The order of a hash map would give equal runs different bytes.
        changed.sort_unstable_by_key(|(number, ..)| *number);
        Ok(changed)
    }

    fn plan_commit(&self, sealed: &Sealed, changed: &[Changed]) -> CommitPlan {
        let state = self.state.borrow();
        let lsn = state.committed.lsn.map_or(Lsn::FIRST, Lsn::next);
        let position = LogPosition {
            lsn: Some(lsn),
            stamp: sealed.stamp,
            page_count: state.dirty_page_count.unwrap_or(state.committed.page_count),
            record_bytes: state.committed.record_bytes + sealed.record.len() as u64,
        };
        let added = changed.iter().filter(|(number, ..)| !state.unimaged.contains_key(number)).count();
        let fits_in_log = changed.len() <= DELTA_PAGES_MAX
            && state.log_entries < LOG_ENTRIES_MAX
            && state.unimaged.len() + added <= UNIMAGED_PAGES_MAX
            && !lake_host::rarely!("shard: a commit that makes images");
        let deltas = fits_in_log
            .then(|| PageDeltas::between(changed))
            .filter(|deltas| state.log_delta_bytes + deltas.len() as u64 <= LOG_DELTA_BYTES_MAX);
        CommitPlan { lsn, position, deltas }
    }

    fn stage_commit(&self, sealed: Sealed, changed: &[Changed], plan: &CommitPlan) -> WriteBatch {
        let mut batch = sealed.extra;
        let deltas = plan.deltas.clone().unwrap_or_default();
        log_entry::stage(&mut batch, self.branch, plan.position, deltas, &sealed.record);
        if plan.deltas.is_none() {
            self.stage_images(&mut batch, changed, plan.lsn, plan.position);
        }
        batch
    }

    fn stage_images(&self, batch: &mut WriteBatch, changed: &[Changed], lsn: Lsn, position: LogPosition) {
        let state = self.state.borrow();
        let mut images = BTreeMap::<u32, &Page>::new();
        for (number, versions) in &state.unimaged {
            if let Some((_, page)) = versions.last() {
                images.insert(*number, page);
            }
        }
        images.extend(changed.iter().map(|(number, _, page)| (*number, &**page)));
        // Older images first, a run of neighbours at once: each of these pages gets its new one below. A pinned reader
        // may still need them; then they go with the next images.
        if state.pins.is_empty() {
            for (first, last) in runs(images.keys().copied().filter(|number| *number <= state.imaged.page_count)) {
                batch.delete_range(keys::page_images(self.branch, first, last));
            }
        }
        for (number, page) in images {
            batch.put(keys::page_image(self.branch, number, lsn), page_image::encode(page));
        }
        batch.put(keys::base(self.branch), position.encode());
        if let (Some(durable), Some(committed)) = (self.durable.get(), state.committed.lsn) {
            batch.delete_range(keys::log_through(self.branch, durable.min(committed)));
        }
    }

    fn apply_commit(&self, changed: Vec<Changed>, plan: CommitPlan) {
        let mut state = self.state.borrow_mut();
        let is_pinned = !state.pins.is_empty();
        state.has_old_versions |= is_pinned;
        for (number, _, page) in changed {
            let versions = state.unimaged.entry(number).or_default();
            if !is_pinned {
                versions.clear();
            }
            versions.push((plan.lsn.get(), page));
        }
        state.committed = plan.position;
        state.dirty_page_count = None;
        match plan.deltas {
            Some(deltas) => {
                state.log_delta_bytes += deltas.len() as u64;
                state.log_entries += 1;
            }
            None => state.images_made(),
        }
    }

    /// Writes images of the pages that only the log holds, if they are many: for a quiet moment, after which they take
    /// no memory and waking again has less to read.
    pub(crate) fn make_images(&self) -> Result<(), StorageError> {
        let committed = self.committed();
        let Some(lsn) = committed.lsn else { return Ok(()) };
        let is_little = self.state.borrow().unimaged.len() <= QUIET_UNIMAGED_PAGES_MAX
            && !lake_host::rarely!("shard: make images of few pages");
        if is_little || !self.state.borrow().pins.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::new();
        self.stage_images(&mut batch, &[], lsn, committed);
        lake_host::durable!("shard: make images", self.storage.apply(&batch))?;
        self.state.borrow_mut().images_made();
        Ok(())
    }

    /// The rows of the log that neither pages nor the lake need, if there are some: everything at or before both the
    /// last images and what the lake holds durably.
    pub(crate) fn plan_trim(&self) -> Option<WriteBatch> {
        let durable =
            if planted!("shard: the log forgets what is not durable") { self.imaged().lsn } else { self.durable.get() };
        let last = durable?.min(self.imaged().lsn?);
        let mut batch = WriteBatch::new();
        batch.delete_range(keys::log_through(self.branch, last));
        Some(batch)
    }

    /// Forgets cached pages.
    pub(crate) fn release_memory(&self) {
        self.state.borrow_mut().clean.clear();
    }

    /// Keeps why a call from SQLite failed: SQLite itself carries only a number.
    pub(crate) fn note_failure(&self, error: PageError) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Why a call from SQLite failed, if one did since the last transaction began or ended.
    pub(crate) fn take_failure(&self) -> Option<PageError> {
        self.failure.borrow_mut().take()
    }
}

impl State {
    /// Everything committed is in images.
    fn images_made(&mut self) {
        self.imaged = self.committed;
        self.log_delta_bytes = 0;
        self.log_entries = 0;
        self.clean.clear();
        // A pinned reader goes on reading versions that no image has any more.
        if self.pins.is_empty() {
            for (number, mut versions) in std::mem::take(&mut self.unimaged) {
                if let Some((_, page)) = versions.pop() {
                    self.clean.keep(number, page);
                }
            }
        }
    }
}

/// Ascending numbers as runs of neighbours, first and last.
fn runs(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut runs = Vec::<(u32, u32)>::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// The error of an armed fault point.
#[cfg(debug_assertions)]
fn told_to_fail() -> PageError {
    StorageError::Failed("told to fail".to_owned()).into()
}

type Changed = (u32, Rc<Page>, Rc<Page>);

struct CommitPlan {
    lsn: Lsn,
    position: LogPosition,
    /// `None` if the commit writes images.
    deltas: Option<PageDeltas>,
}
