//! The facts of a database: its name, timeline and namespace, whether it lives, and what the lake said it holds.
//!
//! ```text
//! key    'm'
//! value  1  counted database  counted namespace  timeline 16 bytes  created_at zigzag
//!           ending u8  accepted  durable  crc32                  varints, 0 for none
//! ```

use lake_cdc::{Lsn, Micros, Reader, TimelineId, Writer};
use lake_host::blob;

use super::Stored;

const FORMAT: u8 = 1;

/// Whether a database lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It takes requests.
    Live,
    /// It was deleted; the lake has not stored that yet.
    Ending,
}

/// The facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardMeta {
    /// Name of the database.
    pub(crate) database: String,
    /// The namespace it feeds. Fixed at creation.
    pub(crate) namespace: String,
    /// Its timeline.
    pub(crate) timeline: TimelineId,
    /// When it was created.
    pub(crate) created_at: Micros,
    /// Whether it lives.
    pub(crate) life: Life,
    /// What the lake was known to have accepted when this was written; it may have accepted more.
    pub(crate) accepted: Option<Lsn>,
    /// What the lake was known to hold durably when this was written.
    pub(crate) durable: Option<Lsn>,
}

impl ShardMeta {
    /// The sealed bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.text(&self.database);
        writer.text(&self.namespace);
        writer.raw(&self.timeline.0);
        writer.signed(self.created_at.0);
        writer.u8(match self.life {
            Life::Live => 0,
            Life::Ending => 1,
        });
        writer.varint(self.accepted.map_or(0, Lsn::get));
        writer.varint(self.durable.map_or(0, Lsn::get));
        blob::seal(FORMAT, &writer.into_bytes())
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<ShardMeta, Stored> {
        let mut reader = Reader::new(blob::open(FORMAT, bytes)?);
        let meta = ShardMeta {
            database: reader.text("a database")?.to_owned(),
            namespace: reader.text("a namespace")?.to_owned(),
            timeline: TimelineId(reader.array("a timeline")?),
            created_at: Micros(reader.signed("a time")?),
            life: if reader.bool("a life")? { Life::Ending } else { Life::Live },
            accepted: Lsn::new(reader.varint("an lsn")?),
            durable: Lsn::new(reader.varint("an lsn")?),
        };
        reader.finish()?;
        Ok(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meta() -> ShardMeta {
        ShardMeta {
            database: "shop".into(),
            namespace: "default".into(),
            timeline: TimelineId([3; 16]),
            created_at: Micros(1_700_000_000_000_000),
            life: Life::Ending,
            accepted: Lsn::new(9),
            durable: None,
        }
    }

    #[test]
    fn the_facts_read_back() {
        assert_eq!(ShardMeta::decode(&meta().encode()).ok(), Some(meta()));
    }

    #[test]
    fn the_bytes_of_format_1_stay_what_they_are() {
        let hex = meta().encode().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, include_str!("../../../tests/fixtures/dosql/shard_meta_v1.hex").trim());
    }

    proptest! {
        #[test]
        fn sealed_rubbish_never_panics(payload: Vec<u8>) {
            let _ = std::hint::black_box(ShardMeta::decode(&blob::seal(FORMAT, &payload)));
        }
    }
}
