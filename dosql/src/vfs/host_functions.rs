//! What SQLite in wasm asks its host for: five symbols that the linker takes from here.
//!
//! They answer from the `now` and the seed of the running request, never from JavaScript: the same request then gives
//! the same result wherever it runs.

use std::cell::Cell;

thread_local! {
    static NOW_MS: Cell<i64> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(1) };
}

const OK: i32 = 0;
const UNSUPPORTED: i32 = 1;

/// Sets what the functions answer from.
pub(super) fn set(now_ms: i64, seed: &[u8; 32]) {
    NOW_MS.set(now_ms);
    let mut word = [0; 8];
    word.copy_from_slice(&seed[..8]);
    RANDOM.set(u64::from_le_bytes(word));
}

/// # Safety
/// `out` has `length` bytes.
unsafe fn fill(out: *mut u8, length: usize) {
    for index in 0..length {
        let state = RANDOM.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        RANDOM.set(state);
        // SAFETY: `index` is below `length`.
        unsafe { *out.add(index) = (state >> 56) as u8 };
    }
}

#[unsafe(no_mangle)]
extern "C" fn rust_sqlite_wasm_host_sleep(_seconds: u64, _nanoseconds: u32) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn rust_sqlite_wasm_host_random(out: *mut u8, length: usize) -> usize {
    // SAFETY: the contract of the symbol is that of `fill`.
    unsafe { fill(out, length) };
    length
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rust_sqlite_wasm_host_epoch_timestamp_in_ms(out: *mut i64) -> i32 {
    // SAFETY: `out` is writable.
    unsafe { *out = NOW_MS.get() };
    OK
}

/// Used for encryption only, which is not built in: refused instead of pretending to be unpredictable.
#[unsafe(no_mangle)]
extern "C" fn rust_sqlite_wasm_host_fill_entropy(_out: *mut u8, _length: usize) -> i32 {
    UNSUPPORTED
}

/// There is no local time zone: statements get their times from the dialect.
#[unsafe(no_mangle)]
extern "C" fn rust_sqlite_wasm_host_localtime(_unix_seconds: i64, _out: *mut core::ffi::c_void) -> i32 {
    UNSUPPORTED
}
