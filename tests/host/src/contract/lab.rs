//! Where the cases of sockets and alarms find the objects that they drive.

use super::{Answer, Fired, Order, Seen};

/// Objects by their names, each a [`super::Subject`], made when it is first named.
#[allow(async_fn_in_trait)]
pub trait Lab {
    /// Has an object do something.
    async fn order(&self, object: &str, order: Order) -> Result<Answer, String>;

    /// Takes an object out of memory, and leaves its storage, its alarm and the sockets that it accepted.
    async fn evict(&self, object: &str) -> Result<(), String>;

    /// Lets some milliseconds pass, in which what is on its way can arrive.
    async fn pause(&self);
}

/// Pauses before the suite stops waiting. What is waited for comes after a few, or never.
const PAUSES_MAX: usize = 2_000;

/// What an object's sockets of this tag have seen, once it is `count` events, or whatever it is after a long time.
pub(super) async fn seen(lab: &impl Lab, object: &str, tag: &str, count: usize) -> Result<Vec<Seen>, String> {
    let mut found = Vec::new();
    for _ in 0..PAUSES_MAX {
        found = match lab.order(object, Order::Seen { tag: tag.to_owned() }).await? {
            Answer::Seen(seen) => seen,
            other => return Err(format!("asked for events, answered {other:?}")),
        };
        if found.len() >= count {
            break;
        }
        lab.pause().await;
    }
    Ok(found)
}

/// The alarms that an object got, once there are `count`, or whatever there is after a long time; then its next one.
pub(super) async fn fired(lab: &impl Lab, object: &str, count: usize) -> Result<(Vec<Fired>, Option<i64>), String> {
    let mut found = (Vec::new(), None);
    for _ in 0..PAUSES_MAX {
        found = match lab.order(object, Order::Fired).await? {
            Answer::Fired { fired, next } => (fired, next),
            other => return Err(format!("asked for alarms, answered {other:?}")),
        };
        if found.0.len() >= count {
            break;
        }
        lab.pause().await;
    }
    Ok(found)
}
