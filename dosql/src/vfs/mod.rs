//! SQLite's file system on the page store, and the hooks that rusqlite has no safe form for.
//!
//! The only place of this crate with `unsafe`. SQLite calls in with raw pointers; each function turns them into
//! a reference to a [`PageStore`] once and leaves the deciding to it. The main file is the page store; there are no
//! other files, because journals and temporary tables are in memory.

#![allow(unsafe_code)]

mod file;
#[cfg(target_arch = "wasm32")]
mod host_functions;
pub(crate) mod preupdate;

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::rc::Rc;

use rusqlite::ffi;

use crate::page_store::PageStore;

/// Names the file of the writing connection.
pub(crate) const WRITER_FILE: &str = "writer";
/// Names the file of a reading connection.
pub(crate) const READER_FILE: &str = "reader";

/// A file system that SQLite knows for as long as this lives. Connections that use it must be dropped before.
pub(crate) struct Vfs {
    // Boxed: SQLite keeps pointers to both. `context` is what `vfs.pAppData` points to.
    vfs: Box<ffi::sqlite3_vfs>,
    _context: Box<Context>,
    name: CString,
}

struct Context {
    store: Rc<PageStore>,
    now_ms: Cell<i64>,
}

impl Vfs {
    /// Registers a file system whose files are `store`.
    pub(crate) fn register(store: Rc<PageStore>) -> Result<Vfs, c_int> {
        let context = Box::new(Context { store, now_ms: Cell::new(0) });
        // The address is not used by another one while this one lives.
        let name = CString::new(format!("lake-{:x}", ptr::from_ref(&*context).addr())).unwrap_or_default();
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<file::PageFile>() as c_int,
            mxPathname: 64,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: ptr::from_ref(&*context).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(get_last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: `vfs` and all it points to live until `drop` unregisters it.
        let code = unsafe { ffi::sqlite3_vfs_register(ptr::from_ref(&*vfs).cast_mut(), 0) };
        if code == ffi::SQLITE_OK { Ok(Vfs { vfs, _context: context, name }) } else { Err(code) }
    }

    /// The name to open connections with.
    pub(crate) fn name(&self) -> &std::ffi::CStr {
        &self.name
    }

    /// Sets what SQLite's own clock and randomness say until the next call.
    pub(crate) fn set_environment(&self, now_micros: i64, seed: &[u8; 32]) {
        self._context.now_ms.set(now_micros.div_euclid(1_000));
        #[cfg(target_arch = "wasm32")]
        host_functions::set(now_micros.div_euclid(1_000), seed);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = seed; // The native SQLite takes its first randomness from the system; no statement of ours uses it.
    }
}

/// Bounds the memory of SQLite in this process, for all connections together. Asking for more fails as if there were none.
///
/// Before anything else of SQLite: it is built without counting its memory, and begins to only if it is told so first.
pub(crate) fn limit_memory(bytes: i64) {
    // SAFETY: the option takes an int. Once SQLite is initialized it is refused, and then it was set before.
    unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 1 as c_int) };
    // SAFETY: takes a number and can be called at any time.
    unsafe { ffi::sqlite3_hard_heap_limit64(bytes) };
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: registered in `register`, and no connection uses it any more.
        unsafe { ffi::sqlite3_vfs_unregister(&raw mut *self.vfs) };
    }
}

/// # Safety
/// `vfs` is one that `register` made.
unsafe fn context<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Context {
    // SAFETY: `pAppData` points to the context for as long as the file system is registered.
    unsafe { &*(*vfs).pAppData.cast::<Context>() }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes for `file`; a null `pMethods` says that there is nothing to close.
    unsafe { (*file).pMethods = ptr::null() };
    // No name is a temporary file; other kinds are journals. Both are in memory.
    if name.is_null() || flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
        return ffi::SQLITE_CANTOPEN;
    }
    let is_reader = flags & ffi::SQLITE_OPEN_READONLY != 0;
    // SAFETY: `vfs` is ours, `file` has room for a `PageFile`, `out_flags` is null or writable.
    unsafe {
        let store = Rc::clone(&context(vfs).store);
        file.cast::<file::PageFile>().write(file::PageFile::new(store, is_reader));
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a writable integer. No journal and no write-ahead log ever exists.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: `name` ends with NUL, `out` has `length` bytes.
    unsafe {
        let name = std::ffi::CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > length as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    // SQLite asks once to seed its own generator, whose numbers no statement of ours can reach: any bytes do.
    // SAFETY: `vfs` is ours, `out` has `length` bytes.
    unsafe {
        let mut state = context(vfs).now_ms.get() as u64;
        for index in 0..length as usize {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *out.add(index) = (state >> 56) as c_char;
        }
    }
    length
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, _: c_int) -> c_int {
    0
}

const JULIAN_DAY_OF_1970_MS: i64 = 210_866_760_000_000;

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: `vfs` is ours, `out` is writable.
    unsafe { *out = (context(vfs).now_ms.get() + JULIAN_DAY_OF_1970_MS) as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: `vfs` is ours, `out` is writable.
    unsafe { *out = context(vfs).now_ms.get() + JULIAN_DAY_OF_1970_MS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn get_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
