//! The methods of an open file: pages in, pages out.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::rc::Rc;

use rusqlite::ffi;

use crate::limits::PAGE_BYTES;
use crate::page_store::{PageError, PageStore, View};
use crate::storage::page_image::Page;

/// What SQLite holds as an open file. `base` comes first, as SQLite demands.
#[repr(C)]
pub(super) struct PageFile {
    base: ffi::sqlite3_file,
    store: Rc<PageStore>,
    role: Role,
}

enum Role {
    Writer,
    /// Pinned from SQLite's lock to its unlock.
    Reader {
        pin: Option<u64>,
    },
}

impl PageFile {
    pub(super) fn new(store: Rc<PageStore>, is_reader: bool) -> PageFile {
        let role = if is_reader { Role::Reader { pin: None } } else { Role::Writer };
        PageFile { base: ffi::sqlite3_file { pMethods: &raw const METHODS }, store, role }
    }

    fn view(&self) -> View {
        match self.role {
            Role::Writer => View::Writer,
            // Before its first lock SQLite reads the header only.
            Role::Reader { pin } => {
                View::Pinned(pin.unwrap_or_else(|| self.store.committed().lsn.map_or(0, |l| l.get())))
            }
        }
    }

    fn read(&self, mut offset: u64, mut out: &mut [u8]) -> Result<bool, PageError> {
        let view = self.view();
        while !out.is_empty() {
            let (number, within) = locate(offset);
            let length = (PAGE_BYTES - within).min(out.len());
            let Some(page) = self.store.read(number, view)? else {
                out.fill(0);
                return Ok(false);
            };
            let (head, tail) = out.split_at_mut(length);
            match view {
                View::Pinned(lsn) if number == 1 => copy(&with_version(&page, lsn), within, head),
                _ => copy(&page, within, head),
            }
            out = tail;
            offset += length as u64;
        }
        Ok(true)
    }

    fn write(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), PageError> {
        while !bytes.is_empty() {
            let (number, within) = locate(offset);
            let (head, tail) = bytes.split_at((PAGE_BYTES - within).min(bytes.len()));
            self.store.write(number, within, head)?;
            bytes = tail;
            offset += head.len() as u64;
        }
        Ok(())
    }

    fn lock(&mut self) {
        if let Role::Reader { pin } = &mut self.role {
            pin.get_or_insert_with(|| self.store.pin());
        }
    }

    fn unlock(&mut self) {
        if let Role::Reader { pin } = &mut self.role
            && let Some(lsn) = pin.take()
        {
            self.store.unpin(lsn);
        }
    }

    fn fail(&self, error: PageError, code: c_int) -> c_int {
        let code = if matches!(error, PageError::TooManyDirtyPages) { ffi::SQLITE_FULL } else { code };
        self.store.note_failure(error);
        code
    }
}

fn locate(offset: u64) -> (u32, usize) {
    // Pages are numbered from 1. A number beyond 32 bits is one that no store has.
    let number = u32::try_from(offset / PAGE_BYTES as u64).map_or(u32::MAX, |index| index.saturating_add(1));
    (number, (offset % PAGE_BYTES as u64) as usize)
}

fn copy(page: &Page, within: usize, out: &mut [u8]) {
    if let Some(bytes) = page.get(within..within + out.len()) {
        out.copy_from_slice(bytes);
    }
}

/// Page 1 with the lsn as its change counter.
///
/// A reading connection keeps its cache while the change counter stands still. The writer, which has the file for
/// itself, counts only its first commit; so readers are shown a counter that moves with every transaction, in both
/// places where SQLite compares it.
fn with_version(page: &Page, lsn: u64) -> Page {
    let mut page = *page;
    let version = (lsn as u32).to_be_bytes();
    page[24..28].copy_from_slice(&version);
    page[92..96].copy_from_slice(&version);
    page
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `file` was filled in by `open` and is not closed. SQLite uses a file from one thread at a time.
unsafe fn page_file<'a>(file: *mut ffi::sqlite3_file) -> &'a mut PageFile {
    // SAFETY: see above; `base` is the first field of a `repr(C)` struct.
    unsafe { &mut *file.cast::<PageFile>() }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes each open file once; the memory itself is SQLite's.
    unsafe {
        page_file(file).unlock();
        ptr::drop_in_place(file.cast::<PageFile>());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `file` is open, `out` has `length` bytes.
    let (file, out) = unsafe { (page_file(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), length as usize)) };
    match file.read(offset as u64, out) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(error) => file.fail(error, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `file` is open, `bytes` has `length` bytes.
    let (file, bytes) = unsafe { (page_file(file), std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize)) };
    match file.write(offset as u64, bytes) {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) => file.fail(error, ffi::SQLITE_IOERR_WRITE),
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: `file` is open.
    let file = unsafe { page_file(file) };
    file.store.truncate(u32::try_from((size as u64).div_ceil(PAGE_BYTES as u64)).unwrap_or(u32::MAX));
    ffi::SQLITE_OK
}

/// The page store commits when SQLite has: a sync can be that of a rollback.
unsafe extern "C" fn sync(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: `file` is open, `out` is writable.
    unsafe {
        let file = page_file(file);
        *out = i64::from(file.store.page_count(file.view())) * PAGE_BYTES as i64;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // There is one writer, and readers are pinned: nobody waits for anybody.
    // SAFETY: `file` is open.
    unsafe { page_file(file) }.lock();
    ffi::SQLITE_OK
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    if level == ffi::SQLITE_LOCK_NONE {
        // SAFETY: `file` is open.
        unsafe { page_file(file) }.unlock();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: `out` is writable.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    PAGE_BYTES as c_int
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_SAFE_APPEND | ffi::SQLITE_IOCAP_SEQUENTIAL | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
