//! What every implementation of a port must obey, as lists of named cases.
//!
//! The cases use nothing but the port, so they run over memory natively and over Cloudflare's own in workerd, where a
//! test-only script answers with the list. They may be run again over storage that an earlier run has used. Sockets and
//! alarms come as events to an object, so their cases drive objects of a [`Lab`], each of which is a [`Subject`].

mod alarm;
mod clock;
mod lab;
mod object_store;
mod order;
mod socket;
mod storage;
mod subject;

pub use alarm::check_alarms;
pub use clock::{check_clock, check_random};
pub use lab::Lab;
pub use object_store::check_object_store;
pub use order::{Act, AlarmStep, Answer, Digest, Fired, Order, Payload, Seen};
pub use socket::check_sockets;
pub use storage::check_storage;
pub use subject::Subject;

/// One rule of a port and whether an implementation obeys it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The rule, as a sentence.
    pub name: &'static str,
    /// What was seen instead, if it does not.
    pub outcome: Result<(), String>,
}

/// Panics with every rule that was broken.
pub fn assert_all(cases: Vec<Case>) {
    let broken: Vec<_> = cases.iter().filter(|case| case.outcome.is_err()).collect();
    assert!(broken.is_empty(), "broken rules: {broken:#?}");
    assert!(!cases.is_empty(), "no rule was checked");
}

/// `Err` that shows both sides unless they are equal.
fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {}, expected {}", short(&found), short(&expected))) }
}

/// The debug form, cut off: a value can be two megabytes long.
fn short(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take(200).collect()
}

#[cfg(test)]
mod broken_lab;
#[cfg(test)]
mod tests;
