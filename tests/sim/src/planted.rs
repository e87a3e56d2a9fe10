//! Bugs that are switched on to see that they are found.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// As in `planted!`.
    pub name: &'static str,
    /// Seeds, from 0, within which it must be found.
    pub seeds: u64,
}

const fn bug(name: &'static str, seeds: u64) -> PlantedBug {
    PlantedBug { name, seeds }
}

/// All of them.
pub const PLANTED: &[PlantedBug] = &[
    bug("admission: one too low", 100),
    bug("catalog: a flush is not recognised", 100),
    bug("catalog: a lost commit record is not made good", 100),
    bug("catalog: a table is shown as it was", 100),
    bug("catalog: an earlier epoch is let in", 400),
    bug("catalog: every commit is let in", 400),
    bug("engines: a rebase forgets what came between", 400),
    bug("engines: what is sent again is refused", 400),
    bug("flush: old rows are not looked for", 100),
    bug("flush: older deletes of a file are forgotten", 100),
    bug("flush: one table of a transaction waits", 100),
    bug("flush: rows before a dropped table stay", 100),
    bug("flush: the tail keeps what is flushed", 100),
    bug("flush: the watermark is ahead of the rows", 100),
    bug("flush: what is not known is taken for committed", 100),
    bug("flush: what is not known is taken for failed", 100),
    bug("index: a run is one flush behind", 100),
    bug("lake: a closed instance writes", 400),
    bug("lake: a settlement takes no epoch", 400),
    bug("lake: a moment is over too early", 100),
    bug("lake: acknowledged before it is stored", 100),
    bug("lake: no alarm is set", 400),
    bug("lake: the position is stored apart from the rows", 200),
    bug("shard: a delta on the wrong base", 100),
    bug("shard: a key is not remembered", 100),
    bug("shard: changes of what was rolled back stay", 100),
    bug("shard: memory is trusted after a failed write", 200),
    bug("shard: no alarm is set", 100),
    bug("shard: the log forgets what is not durable", 100),
    bug("subscriber: the cursor runs ahead", 100),
    bug("subscriber: what was acknowledged comes again", 100),
];
