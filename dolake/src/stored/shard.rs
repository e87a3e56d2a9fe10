//! What the lake holds of one database.

use lake_cdc::{Lsn, TimelineId};
use lake_host::planted;
use serde::{Deserialize, Serialize};

use crate::limits::FORMER_TIMELINES_MAX;

/// One database and its present timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shard {
    /// Number, for good: also of later timelines of the same name.
    pub(crate) number: u32,
    pub(crate) database: String,
    pub(crate) namespace: String,
    timeline: String,
    /// Timelines that were ended before, the latest at the end. An instance of the object that was left behind may still
    /// speak for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<String>,
    /// The timeline was ended by DELETE.
    pub(crate) ended: bool,
    accepted: u64,
    durable: u64,
    /// A transaction that the shard has, as far as it said so before the first one was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    committed: Option<u64>,
    /// Stamp of the last accepted transaction.
    pub(crate) stamp: i64,
    /// Last refusal worth showing, and how many there were.
    pub(crate) refusal: Option<String>,
    pub(crate) refusals: u64,
    /// Changes of this shard among the dead letters.
    pub(crate) dead_letters: u64,
}

impl Shard {
    /// True for a timeline that was ended, the present one among them.
    pub(crate) fn has_ended(&self, timeline: TimelineId) -> bool {
        let timeline = timeline.to_string();
        self.former.contains(&timeline) || (self.ended && self.timeline == timeline)
    }

    pub(crate) fn new(number: u32, database: &str, namespace: &str, timeline: TimelineId) -> Shard {
        Shard {
            number,
            database: database.to_owned(),
            namespace: namespace.to_owned(),
            timeline: timeline.to_string(),
            former: Vec::new(),
            ended: false,
            accepted: 0,
            durable: 0,
            committed: None,
            stamp: i64::MIN,
            refusal: None,
            refusals: 0,
            dead_letters: 0,
        }
    }

    pub(crate) fn timeline(&self) -> TimelineId {
        TimelineId::parse(&self.timeline).unwrap_or(TimelineId([0; 16]))
    }

    pub(crate) fn accepted(&self) -> Option<Lsn> {
        Lsn::new(self.accepted)
    }

    pub(crate) fn accept(&mut self, lsn: Lsn) {
        self.accepted = lsn.get();
    }

    pub(crate) fn durable(&self) -> Option<Lsn> {
        Lsn::new(self.durable)
    }

    pub(crate) fn make_durable(&mut self, lsn: Lsn) {
        self.durable = self.durable.max(lsn.get());
    }

    /// Notes that the shard has committed something; false if that is known.
    pub(crate) fn hear_of(&mut self, committed: Option<Lsn>) -> bool {
        let is_news = self.accepted == 0 && self.committed.is_none() && committed.is_some();
        if is_news {
            self.committed = committed.map(Lsn::get);
        }
        is_news
    }

    /// The stamp that all transactions still to come are after, the least one if the first is still to come. `None` if
    /// the shard has none, as far as anybody can know, or will have none any more.
    pub(crate) fn stamp_of_last(&self) -> Option<i64> {
        let has_any = self.accepted > 0 || self.committed.is_some();
        let early = if planted!("lake: a moment is over too early") { 5_000_000 } else { 0 };
        (has_any && !self.ended).then_some(self.stamp + early)
    }

    /// The next transaction to come.
    pub(crate) fn expected(&self) -> Lsn {
        self.accepted().map_or(Lsn::FIRST, Lsn::next)
    }

    /// Goes on with a new timeline under the same name.
    pub(crate) fn restart(&mut self, timeline: TimelineId, namespace: &str) {
        let mut former = std::mem::take(&mut self.former);
        former.push(std::mem::take(&mut self.timeline));
        former.drain(..former.len().saturating_sub(FORMER_TIMELINES_MAX));
        *self = Shard {
            former,
            refusal: self.refusal.take(),
            refusals: self.refusals,
            dead_letters: self.dead_letters,
            ..Shard::new(self.number, &self.database, namespace, timeline)
        };
    }
}
