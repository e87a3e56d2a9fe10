//! `blobs`: the envelope of stored bytes, and the commit records that lie in the bucket.

use lake_catalog::{CommitRecord, RecordedTable};
use lake_host::blob;
use lake_table::{TableName, Watermark};

use crate::seed::{Seeds, choice, chosen};

/// The first byte says what follows: an envelope, a record in its envelope, the payload of a record.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    match choice % 3 {
        0 => {
            if let Ok((format, payload)) = blob::open_any(bytes) {
                assert_eq!(blob::seal(format, payload), bytes);
                assert_eq!(blob::open(format, bytes), Ok(payload));
            }
            assert_eq!(blob::open(choice, &blob::seal(choice, bytes)), Ok(bytes));
        }
        1 => read_record(bytes),
        // A checksum is not found by chance.
        _ => read_record(&blob::seal(1, bytes)),
    }
}

fn read_record(bytes: &[u8]) {
    let Ok(record) = CommitRecord::decode(bytes) else { return };
    let encoded = record.encode().expect("a record that was read is not too large");
    assert_eq!(CommitRecord::decode(&encoded).expect("reads back"), record);
}

/// A record, open and closed.
pub fn seeds() -> Seeds {
    let table = |name: &str, changed| RecordedTable {
        table: TableName { namespace: "default".into(), name: name.into() },
        metadata_location: format!("s3://lakehouse/warehouse/default/{name}/metadata/00001-a.metadata.json"),
        changed,
    };
    let record = CommitRecord {
        number: 9_007_199_254_740_993,
        flush_id: "1-7".into(),
        epoch: 1,
        position: 40,
        committed_micros: 1_760_000_000_000_000,
        watermarks: vec![Watermark { database: "shop".into(), timeline: "07".repeat(16), lsn: 3 }],
        tables: vec![table("orders", true), table("orders_history", false)],
    };
    let sealed = record.encode().expect("small");
    let (_, payload) = blob::open_any(&sealed).expect("sealed");
    vec![chosen(0, "sealed", blob::seal(3, b"rows")), chosen(1, "record", &sealed), chosen(2, "payload", payload)]
}
