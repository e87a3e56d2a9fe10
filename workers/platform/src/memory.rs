//! Linear memory of this isolate.

/// Bytes of linear memory. It only ever grows, so this is also the most that was in use.
pub fn linear_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    {
        core::arch::wasm32::memory_size(0) as u64 * 65_536
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        0
    }
}
