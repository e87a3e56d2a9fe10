//! The lake itself: its storage, its memory, and who waits for what.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use futures::channel::oneshot;
use lake_cdc::{Frame, TimelineId};
use lake_host::{ShardStorage, StorageError, WriteBatch};

use crate::error::LakeError;
use crate::index::KeyHasher;
use crate::state::State;
use crate::stored::{Shape, TailBlob};
use crate::tail::{TailIndex, read_blob};

/// The lake of one object.
///
/// All methods take `&self`; what is in memory is never borrowed over an `await`. After an error of storage the value
/// has closed itself and must be opened again, because what is stored is then unknown.
pub struct Lake<S> {
    pub(crate) storage: S,
    state: RefCell<State>,
    pub(crate) gate: RefCell<FlushGate>,
    notices: RefCell<Vec<Notice>>,
    pub(crate) hash_mask: u64,
    closed: Cell<bool>,
}

/// Something to tell the connections of a database's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The database.
    pub database: String,
    /// The timeline: a database that was wiped goes on under its name with another one, and other positions.
    pub timeline: TimelineId,
    /// The message.
    pub frame: Frame,
}

/// One flush at a time; the others wait for its end.
#[derive(Debug, Default)]
pub(crate) struct FlushGate {
    pub(crate) running: bool,
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

impl<S: ShardStorage> Lake<S> {
    /// Opens the lake in `storage`, which is empty for a new one. `hash_key` is random and used only for a new one.
    pub fn open(storage: S, hash_key: [u64; 2]) -> Result<Lake<S>, LakeError> {
        let state = State::open(&storage, hash_key)?;
        Ok(Lake {
            storage,
            state: RefCell::new(state),
            gate: RefCell::default(),
            notices: RefCell::default(),
            hash_mask: u64::MAX,
            closed: Cell::new(false),
        })
    }

    /// Makes keys collide, so that tests reach what chance does not.
    #[doc(hidden)]
    pub fn with_hash_mask(mut self, mask: u64) -> Lake<S> {
        self.hash_mask = mask;
        self
    }

    /// Ends this instance: nothing is written through it any more, also by a flush that is still under way. Call it
    /// before opening another one over the same storage.
    pub fn close(&self) {
        self.closed.set(true);
    }

    /// The one way to write. After a failure, what is stored is unknown, and this instance must not build on it.
    pub(crate) fn write_batch(&self, batch: &WriteBatch) -> Result<(), LakeError> {
        if self.closed.get() && !lake_host::planted!("lake: a closed instance writes") {
            return Err(LakeError::Closed);
        }
        let written = self.storage.apply(batch);
        if matches!(written, Err(StorageError::Failed(_))) {
            self.close();
        }
        Ok(written?)
    }

    pub(crate) fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    pub(crate) fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    pub(crate) fn hasher(&self) -> KeyHasher {
        KeyHasher::new(self.state().meta.hash_key, self.hash_mask)
    }

    /// A blob of the tail.
    pub(crate) fn blob(&self, index: &TailIndex) -> Result<Rc<TailBlob>, LakeError> {
        if let Some(blob) = self.state().cache.get(index.blob) {
            return Ok(blob);
        }
        read_blob(&self.storage, index.end, index.blob).map(Rc::new)
    }

    /// What the values of a row mean.
    pub(crate) fn shape(&self, number: u32) -> Result<Rc<Shape>, LakeError> {
        self.state().shape(&self.storage, number)
    }

    /// Frames for the connections of databases, since the last call. Deliver them after every event.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.borrow_mut())
    }

    pub(crate) fn notify(&self, database: String, timeline: TimelineId, frame: Frame) {
        self.notices.borrow_mut().push(Notice { database, timeline, frame });
    }

    /// Bytes that no snapshot holds yet.
    pub fn tail_bytes(&self) -> u64 {
        self.state().meta.tail_bytes
    }

    /// The last position, and the position that all tables contain.
    pub fn positions(&self) -> (lake_cdc::LakePosition, lake_cdc::LakePosition) {
        let state = self.state();
        (lake_cdc::LakePosition(state.meta.position), lake_cdc::LakePosition(state.meta.flushed))
    }
}
