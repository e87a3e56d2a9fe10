//! The preupdate hook: SQLite tells of each row before it changes.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::rc::Rc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ffi};

/// Images of a row that is about to change.
pub(crate) enum RowChange<'a> {
    /// A row that was not there.
    Insert {
        /// The row.
        after: Vec<ValueRef<'a>>,
    },
    /// A row that stays.
    Update {
        /// The row as it was.
        before: Vec<ValueRef<'a>>,
        /// The row as it will be.
        after: Vec<ValueRef<'a>>,
    },
    /// A row that goes.
    Delete {
        /// The row as it was.
        before: Vec<ValueRef<'a>>,
    },
}

/// Who is told.
pub(crate) trait RowObserver {
    /// False if changes of this table are of no interest: their images are then not read.
    fn wants(&self, table: &str) -> bool;

    /// A row changes.
    fn row_changes(&self, table: &str, change: RowChange<'_>);

    /// The images of a row could not be read: SQLite has no memory for them.
    fn image_failed(&self);
}

/// The hook, set for as long as this lives. It must be dropped after the connection is.
pub(crate) struct Preupdate {
    _observer: Box<Rc<dyn RowObserver>>,
}

impl Preupdate {
    /// Sets the hook of a connection, before any statement is prepared on it.
    pub(crate) fn set(connection: &Connection, observer: Rc<dyn RowObserver>) -> Preupdate {
        let observer = Box::new(observer);
        let context = ptr::from_ref(&*observer).cast_mut().cast::<c_void>();
        // SAFETY: the handle is that of an open connection; the observer is boxed and lives in what is returned.
        unsafe { ffi::sqlite3_preupdate_hook(connection.handle(), Some(on_row), context) };
        Preupdate { _observer: observer }
    }
}

unsafe extern "C" fn on_row(
    context: *mut c_void,
    db: *mut ffi::sqlite3,
    operation: c_int,
    _database: *const c_char,
    table: *const c_char,
    _key_before: ffi::sqlite3_int64,
    _key_after: ffi::sqlite3_int64,
) {
    // SAFETY: `context` is the observer that `set` gave, `table` ends with NUL.
    let (observer, table) = unsafe { (&*context.cast::<Rc<dyn RowObserver>>(), CStr::from_ptr(table)) };
    let Ok(table) = table.to_str() else { return };
    if !observer.wants(table) {
        return;
    }
    // SAFETY: `db` is inside this hook, which is where the functions below may be called.
    let images = unsafe {
        match operation {
            ffi::SQLITE_INSERT => image(db, ffi::sqlite3_preupdate_new).map(|after| RowChange::Insert { after }),
            ffi::SQLITE_DELETE => image(db, ffi::sqlite3_preupdate_old).map(|before| RowChange::Delete { before }),
            _ => image(db, ffi::sqlite3_preupdate_old).and_then(|before| {
                image(db, ffi::sqlite3_preupdate_new).map(|after| RowChange::Update { before, after })
            }),
        }
    };
    match images {
        Some(change) => observer.row_changes(table, change),
        None => observer.image_failed(),
    }
}

type ReadColumn = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, *mut *mut ffi::sqlite3_value) -> c_int;

/// # Safety
/// Called inside the hook of `db`; the values live until the hook returns.
unsafe fn image<'a>(db: *mut ffi::sqlite3, read_column: ReadColumn) -> Option<Vec<ValueRef<'a>>> {
    // SAFETY: see above.
    let count = unsafe { ffi::sqlite3_preupdate_count(db) };
    let mut values = Vec::with_capacity(count.max(0) as usize);
    for index in 0..count {
        let mut value = ptr::null_mut();
        // SAFETY: `index` is below the count; the value stays SQLite's.
        if unsafe { read_column(db, index, &raw mut value) } != ffi::SQLITE_OK || value.is_null() {
            return None;
        }
        // SAFETY: a value that SQLite gave and has not freed.
        values.push(unsafe { read_value(value) }?);
    }
    Some(values)
}

/// `None` where SQLite has no memory to end a text with a zero.
///
/// # Safety
/// `value` lives as long as `'a`.
unsafe fn read_value<'a>(value: *mut ffi::sqlite3_value) -> Option<ValueRef<'a>> {
    // SAFETY: the length is asked for after the pointer, as SQLite demands; text and blobs live as long as the value.
    let read = unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let text = ffi::sqlite3_value_text(value);
                if text.is_null() {
                    return None;
                }
                ValueRef::Text(bytes(text, ffi::sqlite3_value_bytes(value)))
            }
            ffi::SQLITE_BLOB => {
                ValueRef::Blob(bytes(ffi::sqlite3_value_blob(value).cast(), ffi::sqlite3_value_bytes(value)))
            }
            _ => ValueRef::Null,
        }
    };
    Some(read)
}

/// # Safety
/// `start` is null or has `length` bytes that live as long as `'a`.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    if start.is_null() || length <= 0 {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(start, length as usize) }
}
