//! The manifest list of an append, as an engine would write it: one manifest, nothing else.
//!
//! The catalog reads it when it puts an append on top of another one. The manifest that it names is read by nobody here.

const SCHEMA: &str = r#"{"type":"record","name":"manifest_file","fields":[
{"name":"manifest_path","type":"string","field-id":500},
{"name":"manifest_length","type":"long","field-id":501},
{"name":"partition_spec_id","type":"int","field-id":502},
{"name":"content","type":"int","field-id":517},
{"name":"sequence_number","type":"long","field-id":515},
{"name":"min_sequence_number","type":"long","field-id":516},
{"name":"added_snapshot_id","type":"long","field-id":503},
{"name":"added_files_count","type":"int","field-id":504},
{"name":"existing_files_count","type":"int","field-id":505},
{"name":"deleted_files_count","type":"int","field-id":506},
{"name":"added_rows_count","type":"long","field-id":512},
{"name":"existing_rows_count","type":"long","field-id":513},
{"name":"deleted_rows_count","type":"long","field-id":514}]}"#;

const SYNC: [u8; 16] = *b"lake.do benches.";

/// The list of a snapshot that adds one manifest.
pub(super) fn of_append(manifest: &str, snapshot_id: i64, sequence_number: i64) -> Vec<u8> {
    let mut record = Vec::new();
    counted(&mut record, manifest.as_bytes());
    // Length, spec, content, sequence numbers, snapshot; files and rows that are added, existing, deleted.
    for number in [6_000, 0, 0, sequence_number, sequence_number, snapshot_id, 1, 0, 0, 1_000, 0, 0] {
        long(&mut record, number);
    }
    let mut file = b"Obj\x01".to_vec();
    long(&mut file, 2);
    for (key, value) in [("avro.codec", "null"), ("avro.schema", SCHEMA)] {
        counted(&mut file, key.as_bytes());
        counted(&mut file, value.as_bytes());
    }
    long(&mut file, 0);
    file.extend_from_slice(&SYNC);
    long(&mut file, 1);
    counted(&mut file, &record);
    file.extend_from_slice(&SYNC);
    file
}

fn counted(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// A number as Avro writes it: zigzag, seven bits a byte.
fn long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 0x7f {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_avro_says() {
        let check = |number: i64, expected: &[u8]| {
            let mut out = Vec::new();
            long(&mut out, number);
            assert_eq!(out, expected);
        };
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 1]);
        check(i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn the_schema_is_json_and_the_file_ends_with_its_mark() {
        serde_json::from_str::<serde_json::Value>(SCHEMA).expect("JSON");
        assert!(of_append("m", 1, 1).ends_with(&SYNC));
    }
}
