//! Planted bugs: what the simulation must find.
//!
//! A checker that never turned red proves nothing. In a build with `debug_assertions` a test can switch one bug on by its
//! name; in a release the macro is `false` and the wrong branch is not compiled into anything.

/// `planted!("acknowledge before store")`: true if that bug is switched on.
#[macro_export]
macro_rules! planted {
    ($name:literal) => {{
        #[cfg(debug_assertions)]
        let is_on = $crate::__planted($name);
        #[cfg(not(debug_assertions))]
        let is_on = false;
        is_on
    }};
}

#[cfg(debug_assertions)]
mod switched {
    use std::cell::RefCell;

    thread_local! {
        static ON: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// Switches one bug on, or all off.
    pub fn plant_bug(name: Option<&str>) {
        ON.with(|on| *on.borrow_mut() = name.map(str::to_owned));
    }

    #[doc(hidden)]
    pub fn __planted(name: &str) -> bool {
        ON.with(|on| on.borrow().as_deref() == Some(name))
    }
}

#[cfg(debug_assertions)]
pub use switched::{__planted, plant_bug};
