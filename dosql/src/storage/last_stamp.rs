//! The stamp of the last transaction of a deleted database: all that is left of it.
//!
//! A database that is made anew under the name goes on behind it. Else a clock that stands still or goes back would give
//! it times that the lake has told the end of already, and an answer about the past would change.
//!
//! ```text
//! key    's'
//! value  1  stamp zigzag  crc32
//! ```

use lake_cdc::{Micros, Reader, Writer};
use lake_host::{ShardStorage, WriteBatch, blob};

use super::{OpenError, Stored, corrupt, keys};

const FORMAT: u8 = 1;

/// The stamp, if a database of this name was deleted.
pub(crate) fn read(storage: &dyn ShardStorage) -> Result<Option<Micros>, OpenError> {
    let Some(bytes) = storage.get(&keys::last_stamp())? else { return Ok(None) };
    decode(&bytes).map(Some).map_err(corrupt("last stamp"))
}

fn decode(bytes: &[u8]) -> Result<Micros, Stored> {
    let mut reader = Reader::new(blob::open(FORMAT, bytes)?);
    let stamp = Micros(reader.signed("a stamp")?);
    reader.finish()?;
    Ok(stamp)
}

/// Adds the row to the batch that removes everything else.
pub(crate) fn stage(batch: &mut WriteBatch, stamp: Micros) {
    let mut writer = Writer::new();
    writer.signed(stamp.0);
    batch.put(keys::last_stamp(), blob::seal(FORMAT, &writer.into_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake_host::WriteOperation;
    use proptest::prelude::*;

    fn encode(stamp: Micros) -> Vec<u8> {
        let mut batch = WriteBatch::new();
        stage(&mut batch, stamp);
        match batch.operations.pop() {
            Some(WriteOperation::Put(_, value)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bytes_of_format_1_stay_what_they_are() {
        let stamp = Micros(1_700_000_000_000_000);
        assert_eq!(decode(&encode(stamp)).ok(), Some(stamp));
        let hex = encode(stamp).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, include_str!("../../../tests/fixtures/dosql/last_stamp_v1.hex").trim());
    }

    proptest! {
        #[test]
        fn sealed_rubbish_never_panics(payload: Vec<u8>) {
            let _ = std::hint::black_box(decode(&blob::seal(FORMAT, &payload)));
        }
    }
}
