//! Time and randomness.

/// The wall clock.
pub trait Clock {
    /// Microseconds since 1970-01-01T00:00:00Z. May stand still or step back.
    fn now_micros(&self) -> i64;
}

/// A source of unpredictable bytes.
pub trait Random {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A random 128-bit id.
    fn id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        self.fill(&mut id);
        id
    }
}
