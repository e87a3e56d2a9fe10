//! A lab whose objects break a rule: the suite has to name that rule.

use super::{Answer, Lab, Order};
use crate::MemoryLab;

/// Objects in memory whose orders and answers pass a function each.
pub(super) struct BrokenLab {
    pub(super) lab: MemoryLab,
    pub(super) order: fn(Order) -> Order,
    pub(super) answer: fn(Answer) -> Answer,
    /// If not, an evicted object keeps its memory.
    pub(super) evicts: bool,
}

impl Default for BrokenLab {
    /// Nothing is broken.
    fn default() -> BrokenLab {
        BrokenLab { lab: MemoryLab::new(), order: |order| order, answer: |answer| answer, evicts: true }
    }
}

impl Lab for BrokenLab {
    async fn order(&self, object: &str, order: Order) -> Result<Answer, String> {
        self.lab.order(object, (self.order)(order)).await.map(self.answer)
    }

    async fn evict(&self, object: &str) -> Result<(), String> {
        if self.evicts { self.lab.evict(object).await } else { Ok(()) }
    }

    async fn pause(&self) {
        self.lab.pause().await;
    }
}
