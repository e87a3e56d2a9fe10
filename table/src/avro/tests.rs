mod partition;

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, FormatVersion, Literal, ManifestContentType,
    ManifestFile, PartitionSpec, Schema, Struct,
};
use serde_json::json;

use super::*;
use crate::limits::{AVRO_PARTITION_FIELDS_MAX, AVRO_VALUE_BYTES_MAX, REASON_BYTES_MAX};
use crate::manifest::{Entry, Listed, parse_entries, parse_list, write_manifest, write_manifest_list};

/// A schema of one field.
const BYTES: &str = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"bytes"}]}"#;

type Block = (i64, Vec<u8>);

/// A file with what is given, well formed or not.
fn file(metadata: &[(&str, &[u8])], blocks: &[Block]) -> Vec<u8> {
    let metadata: Vec<(&[u8], &[u8])> = metadata.iter().map(|(key, value)| (key.as_bytes(), *value)).collect();
    let mut out = Vec::new();
    put_header(&mut out, &metadata, &[7; SYNC_BYTES]);
    for (count, data) in blocks {
        put_block(&mut out, *count, data, &[7; SYNC_BYTES]);
    }
    out
}

/// A file in a codec.
fn of(codec: &str, schema: &str, blocks: &[Block]) -> Vec<u8> {
    file(&[("avro.codec", codec.as_bytes()), ("avro.schema", schema.as_bytes())], blocks)
}

/// Whatever reads it refuses it, and did so before the library saw it.
fn refused(file: &[u8]) {
    let list = parse_list(file, FormatVersion::V2);
    assert!(matches!(list, Err(TableError::Unsupported(_))), "{list:?}");
    let entries = parse_entries(file);
    assert!(matches!(entries, Err(TableError::Unsupported(_))), "{entries:?}");
}

fn refused_items(schema: &str, count: i64, data: &[u8]) {
    refused(&of("null", schema, &[(count, data.to_vec())]));
}

/// A value of a type in a record of its own.
fn refused_value(kind: &str, data: &[u8]) {
    refused_items(&format!(r#"{{"type":"record","name":"item","fields":[{{"name":"a","type":{kind}}}]}}"#), 1, data);
}

fn compress(codec: &str, data: &[u8]) -> Vec<u8> {
    match codec {
        "deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "snappy" => {
            let mut crc = flate2::Crc::new();
            crc.update(data);
            [snap::raw::Encoder::new().compress_vec(data).unwrap(), crc.sum().to_be_bytes().to_vec()].concat()
        }
        "zstandard" => zstd::encode_all(data, 3).unwrap(),
        _ => data.to_vec(),
    }
}

fn number(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_long(&mut out, value);
    out
}

/// A list of two manifests, as it is written here.
fn list() -> Bytes {
    let manifest = |path: &str| ManifestFile {
        manifest_path: path.to_owned(),
        manifest_length: 100,
        partition_spec_id: 0,
        content: ManifestContentType::Data,
        sequence_number: 2,
        min_sequence_number: 2,
        added_snapshot_id: 2,
        added_files_count: Some(1),
        existing_files_count: Some(0),
        deleted_files_count: Some(0),
        added_rows_count: Some(10),
        existing_rows_count: Some(0),
        deleted_rows_count: Some(0),
        partitions: None,
        key_metadata: None,
        first_row_id: None,
    };
    write_manifest_list(2, Some(1), 2, vec![manifest("m1"), manifest("m2")]).unwrap()
}

/// A manifest of some files with all that a manifest can say of one.
fn manifest() -> Bytes {
    let field = |id: i32, name: &str, kind: &str| json!({"id": id, "name": name, "required": false, "type": kind});
    let schema = json!({"type": "struct", "schema-id": 0, "fields": [field(1, "day", "date"),
        field(2, "price", "decimal(9,2)"), field(3, "name", "string"), field(4, "mark", "fixed[3]")]});
    let schema: Arc<Schema> = Arc::new(serde_json::from_value(schema).unwrap());
    let part = |id: i32, source: i32, name: &str| json!({"field-id": id, "source-id": source, "name": name, "transform": "identity"});
    let fields = [part(1000, 1, "day"), part(1001, 2, "price"), part(1002, 3, "name"), part(1003, 4, "mark")];
    let spec: PartitionSpec = serde_json::from_value(json!({"spec-id": 0, "fields": fields})).unwrap();
    let data = |number: i32| {
        let partition = [
            Some(Literal::date(number)),
            Some(Literal::decimal(-5)),
            Some(Literal::string("eu")),
            Some(Literal::fixed([1, 2, 3])),
        ];
        let bounds = HashMap::from([(1, Datum::date(number)), (3, Datum::string("eu"))]);
        let counts = HashMap::from([(1, 10), (3, 10)]);
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(format!("s3://b/t/{number}.parquet"))
            .file_format(DataFileFormat::Parquet)
            .partition(partition.into_iter().collect::<Struct>())
            .partition_spec_id(0)
            .record_count(10)
            .file_size_in_bytes(1_000)
            .value_counts(counts.clone())
            .null_value_counts(counts)
            .lower_bounds(bounds.clone())
            .upper_bounds(bounds)
            .split_offsets(Some(vec![4, 400]))
            .build();
        Listed::Added(file.unwrap())
    };
    let listed = (0..500).map(data).collect();
    write_manifest("s3://b/t/m.avro", 2, schema, spec, ManifestContentType::Data, listed).unwrap().1
}

/// The same items in another codec.
fn in_codec(written: &[u8], codec: &str) -> Vec<u8> {
    let inner = plain(written, Content::Files).unwrap();
    let mut reader = Reader(&inner);
    let mut metadata = reader.header().unwrap();
    metadata.push((CODEC, codec.as_bytes()));
    // Java says no level; what the library makes of one is its own affair.
    metadata.push((b"avro.codec.compression_level", b""));
    let sync = reader.take(SYNC_BYTES).unwrap();
    let mut out = Vec::new();
    put_header(&mut out, &metadata, sync);
    while !reader.0.is_empty() {
        let (count, data) = (reader.long().unwrap(), reader.counted().unwrap());
        put_block(&mut out, count, &compress(codec, data), sync);
        reader.take(SYNC_BYTES).unwrap();
    }
    out
}

fn files(entries: Vec<Arc<Entry>>) -> Vec<DataFile> {
    entries.iter().map(|entry| entry.data_file.clone()).collect()
}

#[test]
fn what_is_written_is_read_in_each_codec() {
    let (list, manifest) = (list(), manifest());
    let manifests = parse_list(&list, FormatVersion::V2).unwrap();
    let listed = files(parse_entries(&manifest).unwrap());
    assert_eq!((manifests.len(), listed.len()), (2, 500));
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        assert_eq!(parse_list(&in_codec(&list, codec), FormatVersion::V2).unwrap(), manifests, "{codec}");
        assert_eq!(files(parse_entries(&in_codec(&manifest, codec)).unwrap()), listed, "{codec}");
    }
    for codec in ["bzip2", "xz", "Deflate", ""] {
        refused(&in_codec(&list, codec));
    }
}

#[test]
fn a_block_in_snappy_is_as_long_as_its_checksum_and_holds_what_it_says() {
    let check = |data: &[u8]| refused(&of("snappy", BYTES, &[(1, data.to_vec())]));
    check(&[]);
    check(&[0, 0, 0]);
    check(&[0, 0, 0, 0]);
    // Four gigabytes, and the checksum of nothing.
    check(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]);
    let mut wrong = compress("snappy", &[0]);
    *wrong.last_mut().unwrap() ^= 1;
    check(&wrong);
}

#[test]
fn a_block_is_inflated_up_to_a_bound() {
    let many = vec![0; 1 << 20];
    for name in ["null", "deflate", "snappy", "zstandard"] {
        let codec = Codec::of(Some(name.as_bytes())).unwrap();
        let block = compress(name, &many);
        let check = |most: usize, is_good: bool| {
            let mut out = Vec::new();
            assert_eq!(codec.inflate(&block, most, &mut out).is_ok(), is_good, "{name} {most}");
            assert!(out.capacity() <= 3 * most.max(1 << 10), "{name}: {}", out.capacity());
        };
        check(many.len(), true);
        check(many.len() - 1, false);
        check(0, false);
    }
}

#[test]
fn a_small_file_that_inflates_to_a_large_one_is_refused() {
    // Items whose values are texts of half a megabyte, of which a block holds some and a file many.
    let length = 1 << 19;
    let item = [number(length), vec![0; length as usize]].concat();
    let per_block = AVRO_BLOCK_BYTES_MAX / item.len();
    for codec in ["deflate", "snappy", "zstandard"] {
        let block = |count: usize| (count as i64, compress(codec, &item.repeat(count)));
        let check = |blocks: &[Block], is_good: bool| {
            let file = of(codec, BYTES, blocks);
            let read = plain(&file, Content::Files);
            assert_eq!(read.is_ok(), is_good, "{codec}: {} bytes", file.len());
        };
        check(&[block(per_block)], true);
        check(&[block(per_block + 1)], false);
        // A text counts twice where it is in the block, and twice where it is in what becomes of it.
        check(&vec![block(per_block / 2); 3], true);
        check(&vec![block(per_block / 2); 5], false);
        refused(&of(codec, BYTES, &[block(per_block + 1)]));
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&[0; 100]).unwrap();
    refused(&of("zstandard", BYTES, &[(100, encoder.finish().unwrap())]));
}

#[test]
fn items_that_take_no_bytes_are_refused() {
    let nothing = r#"{"type":"record","name":"r","fields":[]}"#;
    refused_items(nothing, 3, &[]);
    refused_items(nothing, i64::MAX, &[]);
    refused_items(r#"{"type":"record","name":"r","fields":[{"name":"a","type":"null"}]}"#, 3, &[]);
    refused_items(
        r#"{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"fixed","name":"f","size":0}}]}"#,
        3,
        &[],
    );
    refused_items(nothing, -1, &[]);
}

#[test]
fn no_length_is_believed_before_so_much_is_there() {
    let half = 1 << 29;
    refused_items(BYTES, 1, &number(half));
    refused_items(BYTES, 1, &number(-1));
    let array = |items: &str| format!(r#"{{"type":"array","items":{items}}}"#);
    refused_value(&array(r#""long""#), &number(half));
    refused_value(&array(r#""null""#), &[number(half), number(0)].concat());
    let sized = [number(-half), number(0), number(0)].concat();
    refused_value(&array(r#"{"type":"record","name":"r","fields":[]}"#), &sized);
    refused_value(&array(r#""null""#), &[number(i64::MIN), number(0), number(0)].concat());
    refused_value(r#"{"type":"fixed","name":"f","size":18446744073709551615}"#, &[1]);
    refused_value(r#"["null","long"]"#, &number(2));
    // It is all there, and too long for an error that spells it out.
    let long = 1 + AVRO_VALUE_BYTES_MAX;
    refused_value(r#""bytes""#, &[number(long as i64), vec![0; long]].concat());
}

#[test]
fn what_is_made_of_few_bytes_is_bounded() {
    let many = 2 << 20;
    // A name is held for each value that has it.
    let long = "n".repeat(100_000);
    let named = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"{long}","type":"boolean"}}]}}"#);
    let array = |count: i64| [number(count), vec![0; count as usize], number(0)].concat();
    refused_value(&format!(r#"{{"type":"array","items":{named}}}"#), &array(2_000));
    refused_value(r#"{"type":"array","items":"long"}"#, &array(many));
    refused_items(BYTES, many, &vec![0; many as usize]);
    // A file has a place in memory for each value of its partition.
    let fields = (0..500).map(|at| format!(r#"{{"name":"f{at}","type":"boolean"}}"#)).collect::<Vec<_>>().join(",");
    let within = |name: &str, inner: &str| {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"a","type":{inner}}}]}}"#)
    };
    let partition = format!(r#"{{"type":"record","name":"partition","fields":[{fields}]}}"#);
    let entry = within("entry", &within("file", &partition));
    let check = |count: usize, is_good: bool| {
        let blocks = vec![(500, compress("deflate", &vec![0; 500 * 500])); count / 500];
        assert_eq!(plain(&of("deflate", &entry, &blocks), Content::Files).is_ok(), is_good, "{count}");
    };
    check(2_000, true);
    check(4_000, false);
}

#[test]
fn an_item_is_a_record() {
    for kind in [r#""long""#, r#"["null","long"]"#, r#"{"type":"array","items":"long"}"#] {
        refused_items(kind, 1, &[0]);
    }
}

#[test]
fn a_reason_does_not_spell_out_the_file() {
    let text = "x".repeat(AVRO_VALUE_BYTES_MAX);
    let item = [number(text.len() as i64), text.into_bytes()].concat();
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"manifest_length","type":"string"}]}"#;
    let file = of("null", schema, &[(1, item)]);
    let reason = parse_list(&file, FormatVersion::V2).unwrap_err().to_string();
    assert!((REASON_BYTES_MAX..2 * REASON_BYTES_MAX).contains(&reason.len()), "{}", reason.len());
}

#[test]
fn a_schema_neither_contains_itself_nor_nests_without_an_end() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
    refused_items(&record(r#"{"name":"a","type":"r"}"#), 1, &[]);
    refused_items(&record(r#"{"name":"a","type":["null","r"]}"#), 1, &[2; 1_000]);
    refused_items(&record(r#"{"name":"a","type":{"type":"record"}}"#), 1, &[2]);
    // Types that are defined earlier hold twice as much each.
    let fields: Vec<String> = (1..30)
        .map(|at| {
            let before = if at == 1 { "null".to_owned() } else { format!("r{}", at - 1) };
            let pair = format!(r#"{{"name":"a","type":"{before}"}},{{"name":"b","type":"{before}"}}"#);
            format!(r#"{{"name":"f{at}","type":{{"type":"record","name":"r{at}","fields":[{pair}]}}}}"#)
        })
        .collect();
    refused_items(&record(&fields.join(",")), 1, &[]);
    for depth in [20, 100, 100_000] {
        let nested = format!("{}\"long\"{}", r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth));
        refused_items(&nested, 1, &[0]);
        let wrapped = format!("{}\"long\"{}", r#"{"type":"#.repeat(depth), "}".repeat(depth));
        refused_items(&wrapped, 1, &[0]);
    }
    refused_items(&record(&r#"{"name":"a","type":"long"},"#.repeat(20_000)), 1, &[0]);
}

fn parse(schema: &str) -> Result<(schema::Kind, Vec<u8>), TableError> {
    schema::json(schema.as_bytes()).and_then(|json| schema::parse(&json))
}

#[test]
fn a_schema_has_the_types_of_iceberg_and_names_that_are_names() {
    let check = |schema: &str, is_good: bool| assert_eq!(parse(schema).is_ok(), is_good, "{schema}");
    check(r#"{"type":"record","name":"manifest_entry","fields":[{"name":"k117_v118","type":["null","int"]}]}"#, true);
    check(r#"{"type":"record","name":"k117_v=18","fields":[]}"#, false);
    check(r#"{"type":"array","items":{"type":"record","name":"a.b","namespace":"","fields":[]}}"#, true);
    check(r#"{"type":"array","items":{"type":"fixed","name":"","size":1}}"#, false);
    check(r#"{"type":"record","name":"a","aliases":["b c"],"doc":"x","fields":[]}"#, true);
    check(r#"{"type":{"type":"long","logicalType":"timestamp-micros","adjust-to-utc":true}}"#, true);
    check(r#"["null","a-b"]"#, false);
    check(r#"{"type":"enum","name":"e","symbols":["a"]}"#, false);
    check(r#"{"type":"map","values":"long"}"#, false);
    check(r#"{"type":"record","name":"a"}"#, false);
    check(r#"{"type":"fixed","name":"a","size":-1}"#, false);
    check("7", false);
    check("{", false);
}

#[test]
fn types_that_the_library_decodes_in_its_own_way_are_read_as_what_is_below() {
    let check = |schema: &str, expected: &str| {
        assert_eq!(String::from_utf8(parse(schema).unwrap().1).unwrap(), expected);
    };
    let fixed = r#"{"name":"_fixed_0","size":16,"type":"fixed"}"#;
    check(r#"{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}"#, fixed);
    check(r#"{"type":"fixed","name":"f","size":16,"logicalType":"duration"}"#, fixed);
    check(r#"{"type":"bytes","logicalType":"big-decimal"}"#, r#"{"type":"bytes"}"#);
    let decimal = r#"{"logicalType":"decimal","precision":9,"scale":2,"type":"bytes"}"#;
    check(decimal, decimal);
    check(r#"{"type":"int","logicalType":"date","default":{}}"#, r#"{"logicalType":"date","type":"int"}"#);
}

#[test]
fn the_header_is_bounded_and_says_each_thing_once() {
    let schema = ("avro.schema", BYTES.as_bytes());
    let keys: Vec<String> = (0..=AVRO_HEADER_ENTRIES_MAX).map(|key| key.to_string()).collect();
    refused(&file(&keys.iter().map(|key| (key.as_str(), b"".as_slice())).collect::<Vec<_>>(), &[]));
    refused(&file(&[schema, ("x", &vec![0; AVRO_HEADER_BYTES_MAX])], &[]));
    refused(&file(&[schema, ("avro.codec", b"null"), ("avro.codec", b"deflate")], &[]));
    refused(&file(&[schema, schema], &[]));
    refused(&file(&[], &[]));
    // Two longs that claim more entries than there are bytes.
    refused(&[MAGIC, &number(i64::MAX), &[0; 100]].concat());
}

#[test]
fn ids_of_fields_have_no_sign() {
    let check = |field_id: i64, id: i64, is_good: bool| {
        let inner = json!({"type": "struct", "fields": [{"id": id, "name": "b", "required": false, "type": "long"}]});
        let element = json!({"type": "list", "element-id": 4_999, "element-required": true, "element": inner});
        let field = json!({"id": 1, "name": "a", "required": false, "type": element});
        let schema = json!({"type": "struct", "schema-id": 0, "fields": [field]}).to_string();
        // Of a field that is void the type is the column's, whatever that is.
        let part = json!([{"source-id": 1, "field-id": field_id, "name": "a_void", "transform": "void"}]).to_string();
        let file = file(
            &[
                ("avro.schema", BYTES.as_bytes()),
                ("schema", schema.as_bytes()),
                ("partition-spec", part.as_bytes()),
                ("format-version", b"2"),
            ],
            &[],
        );
        let entries = parse_entries(&file);
        assert_eq!(entries.is_ok(), is_good, "{entries:?}");
    };
    check(1000, 5000, true);
    check(-1000, 5000, false);
    check(1000, -5000, false);
}

#[test]
fn blocks_are_within_the_file_and_hold_their_items_and_no_more() {
    let item = [number(1), vec![5]].concat();
    let check = |blocks: &[Block], is_good: bool| {
        assert_eq!(plain(&of("null", BYTES, blocks), Content::Files).is_ok(), is_good, "{blocks:?}");
    };
    check(&[(1, item.clone()), (2, item.repeat(2))], true);
    check(&[(1, item.repeat(2))], false);
    check(&[(2, item.clone())], false);
    check(&[(-1, item.clone())], false);
    // A block of nothing is no end of the file.
    let with_empty = of("null", BYTES, &[(0, Vec::new()), (1, item)]);
    assert_eq!(
        plain(&with_empty, Content::Files).unwrap().len(),
        with_empty.len() - (2 + SYNC_BYTES) - "avro.codecnull".len() - 2
    );
    check(&[(0, vec![1])], false);
    let mut other_mark = of("null", BYTES, &[(0, Vec::new())]);
    *other_mark.last_mut().unwrap() = 8;
    refused(&other_mark);
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let written = in_codec(&list(), "null");
    let mut reader = Reader(&written);
    reader.header().unwrap();
    // Behind the header and behind each block there is the end of a file.
    let mut ends = vec![written.len() - reader.0.len() + SYNC_BYTES];
    reader.take(SYNC_BYTES).unwrap();
    while !reader.0.is_empty() {
        reader.long().unwrap();
        reader.counted().unwrap();
        reader.take(SYNC_BYTES).unwrap();
        ends.push(written.len() - reader.0.len());
    }
    for length in (0..written.len()).filter(|length| !ends.contains(length)) {
        let cut = Bytes::copy_from_slice(&written[..length]);
        assert!(deflate(&cut).is_err() && plain(&cut, Content::Manifests).is_err(), "{length}");
    }
}

#[test]
fn a_block_that_repeats_itself_gets_smaller_and_names_its_codec() {
    let written = Bytes::from(of("null", BYTES, &[(1, [number(10_000), vec![5; 10_000]].concat())]));
    let deflated = deflate(&written).unwrap();
    assert!(deflated.len() < 250, "{}", deflated.len());
    assert!(deflated.windows(7).any(|window| window == b"deflate"));
}
