//! Places to die: a named point between two durable effects.
//!
//! In a build with `debug_assertions` the simulation can arm a point; in a release the macro is nothing at all.

/// `fault!("flush.after_intent")`: returns `Err(…)` of the given expression if the point is armed.
///
/// With two arguments the second is the error to return; with one, the point panics when armed, for code that has no error to
/// give. Names are `noun.when`.
#[macro_export]
macro_rules! fault {
    ($name:literal, $error:expr) => {
        #[cfg(debug_assertions)]
        if $crate::__fault_armed($name) {
            return Err($error);
        }
    };
}

#[cfg(debug_assertions)]
mod armed {
    use std::cell::RefCell;

    thread_local! {
        static ARMED: RefCell<Vec<(String, u32)>> = const { RefCell::new(Vec::new()) };
    }

    /// Arms `name`: the point fires when it is reached after being passed `skip` times, once.
    pub fn arm_fault(name: &str, skip: u32) {
        ARMED.with(|armed| armed.borrow_mut().push((name.to_owned(), skip)));
    }

    /// Disarms every point.
    pub fn disarm_faults() {
        ARMED.with(|armed| armed.borrow_mut().clear());
    }

    #[doc(hidden)]
    pub fn __fault_armed(name: &str) -> bool {
        ARMED.with(|armed| {
            let mut armed = armed.borrow_mut();
            let Some(at) = armed.iter().position(|(point, _)| point == name) else { return false };
            match armed.get_mut(at) {
                Some((_, skip)) if *skip > 0 => {
                    *skip -= 1;
                    false
                }
                _ => {
                    armed.remove(at);
                    true
                }
            }
        })
    }
}

#[cfg(debug_assertions)]
pub use armed::{__fault_armed, arm_fault, disarm_faults};
