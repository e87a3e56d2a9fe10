//! Places to die: named points before and after each durable effect.
//!
//! In a build with `debug_assertions` the simulation can arm a point; the object that reaches it dies there: the stack
//! unwinds to the simulation, which drops everything the object had in memory. In a release the macros are nothing but
//! the effect itself. Names are `noun: what is made durable`.

/// A durable effect with a place to die before it and one after it: `durable!("flush: store intent", write(&batch))?`.
///
/// With a third argument nothing unwinds and `Err` of it is returned instead, for code that is called from C.
#[macro_export]
macro_rules! durable {
    ($name:literal, $effect:expr) => {{
        $crate::fault!(concat!("before ", $name));
        let done = $effect;
        $crate::fault!(concat!("after ", $name));
        done
    }};
    ($name:literal, $effect:expr, $error:expr) => {{
        $crate::fault!(concat!("before ", $name), $error);
        let done = $effect;
        $crate::fault!(concat!("after ", $name), $error);
        done
    }};
}

/// `fault!("flush: staged")`: the object dies here if the point is armed. With two arguments `Err` of the second is
/// returned instead.
#[macro_export]
macro_rules! fault {
    ($name:expr) => {
        #[cfg(debug_assertions)]
        if $crate::__fault_armed($name) {
            $crate::__die($name);
        }
    };
    ($name:expr, $error:expr) => {
        #[cfg(debug_assertions)]
        if $crate::__fault_armed($name) {
            return Err($error);
        }
    };
}

#[cfg(debug_assertions)]
mod armed {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static ARMED: RefCell<Vec<(String, u32)>> = const { RefCell::new(Vec::new()) };
        static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// What unwinds when an object dies at a point.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Died(
        /// The point's name.
        pub &'static str,
    );

    /// Arms `name`: the point fires when it is reached after being passed `skip` times, once.
    pub fn arm_fault(name: &str, skip: u32) {
        ARMED.with(|armed| armed.borrow_mut().push((name.to_owned(), skip)));
    }

    /// Disarms every point.
    pub fn disarm_faults() {
        ARMED.with(|armed| armed.borrow_mut().clear());
    }

    /// How often each point was reached on this thread, armed or not.
    pub fn reached_faults() -> BTreeMap<&'static str, u64> {
        REACHED.with(|reached| reached.borrow().clone())
    }

    /// Runs something that may die; `Err` names the point where it did.
    pub fn alive<T>(act: impl FnOnce() -> T) -> Result<T, Died> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).map_err(|cause| match cause.downcast::<Died>() {
            Ok(died) => *died,
            Err(other) => std::panic::resume_unwind(other),
        })
    }

    #[doc(hidden)]
    pub fn __die(name: &'static str) -> ! {
        std::panic::resume_unwind(Box::new(Died(name)))
    }

    #[doc(hidden)]
    pub fn __fault_armed(name: &'static str) -> bool {
        REACHED.with(|reached| *reached.borrow_mut().entry(name).or_default() += 1);
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
pub use armed::{__die, __fault_armed, Died, alive, arm_fault, disarm_faults, reached_faults};
