//! Manifests whose partitions are written in other words than the library's.

use super::*;

/// A partition by a column as it is, of a type.
struct Part {
    kind: &'static str,
    /// The name of the column and of the field in the spec.
    name: &'static str,
    value: Option<Literal>,
}

fn part(kind: &'static str, name: &'static str, value: Option<Literal>) -> Part {
    Part { kind, name, value }
}

/// A manifest of two files that are partitioned so.
fn partitioned(parts: &[Part]) -> Bytes {
    let fields: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| json!({"id": at + 1, "name": part.name, "required": false, "type": part.kind}))
        .collect();
    let schema = json!({"type": "struct", "schema-id": 0, "fields": fields});
    let schema: Arc<Schema> = Arc::new(serde_json::from_value(schema).unwrap());
    let fields: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            json!({"field-id": 1000 + at, "source-id": at + 1, "name": part.name, "transform": "identity"})
        })
        .collect();
    let spec: PartitionSpec = serde_json::from_value(json!({"spec-id": 0, "fields": fields})).unwrap();
    let file = |number: i32| {
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(format!("s3://b/t/{number}.parquet"))
            .file_format(DataFileFormat::Parquet)
            .partition(parts.iter().map(|part| part.value.clone()).collect::<Struct>())
            .partition_spec_id(0)
            .record_count(10)
            .file_size_in_bytes(1_000)
            .build();
        Listed::Added(file.unwrap())
    };
    write_manifest("s3://b/t/m.avro", 2, schema, spec, ManifestContentType::Data, vec![file(1), file(2)]).unwrap().1
}

/// The same file with another schema of Avro and another spec.
fn with(written: &[u8], change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) -> Vec<u8> {
    let mut reader = Reader(written);
    let metadata = reader.header().unwrap();
    let json = |key: &[u8]| serde_json::from_slice(find(&metadata, key).unwrap().unwrap()).unwrap();
    let (mut schema, mut spec) = (json(SCHEMA), json(SPEC));
    change(&mut schema, &mut spec);
    let (schema, spec) = (schema.to_string(), spec.to_string());
    let metadata: Vec<(&[u8], &[u8])> = metadata
        .iter()
        .map(|(key, value)| match *key {
            SCHEMA => (*key, schema.as_bytes()),
            SPEC => (*key, spec.as_bytes()),
            _ => (*key, *value),
        })
        .collect();
    let mut out = Vec::new();
    put_header(&mut out, &metadata, reader.take(SYNC_BYTES).unwrap());
    out.extend_from_slice(reader.0);
    out
}

/// The fields of the partition in a schema of Avro.
fn fields(schema: &mut serde_json::Value) -> &mut Vec<serde_json::Value> {
    let at = |json: &serde_json::Value, name: &str| {
        json["fields"].as_array().unwrap().iter().position(|field| field["name"] == name).unwrap()
    };
    let file = at(schema, "data_file");
    let file = &mut schema["fields"][file]["type"];
    let partition = at(file, "partition");
    file["fields"][partition]["type"]["fields"].as_array_mut().unwrap()
}

/// The partitions of the files in it, both the same.
fn partitions(file: &[u8]) -> Result<Vec<Option<Literal>>, TableError> {
    let read = files(parse_entries(file)?);
    assert_eq!((read.len(), read[0].partition()), (2, read[1].partition()));
    Ok(read[0].partition().iter().map(|value| value.cloned()).collect())
}

fn refused_entries(file: &[u8]) {
    let entries = parse_entries(file);
    assert!(matches!(entries, Err(TableError::Unsupported(_))), "{entries:?}");
}

fn named(avro: &'static str) -> impl Fn(&mut serde_json::Value, &mut serde_json::Value) {
    move |schema, _| fields(schema)[0]["name"] = avro.into()
}

#[test]
fn a_field_of_the_partition_is_found_by_its_id_whatever_its_name() {
    let check = |name: &'static str, avro: &'static str| {
        let written = partitioned(&[part("string", name, Some(Literal::string("eu"))), part("long", "n", None)]);
        let read = partitions(&with(&written, named(avro)));
        assert_eq!(read.unwrap(), [Some(Literal::string("eu")), None], "{name} {avro}");
    };
    check("order-date", "order_x2Ddate");
    check("order-date", "order-date");
    check("my col", "my_x20col");
    check("addr.city", "addr_x2Ecity");
    check("é", "é");
    check("é", "_xE9");
    check("1st", "_1st");
    check("plain", "plain");
    // One that has the name of another.
    check("order-date", "n1");
}

#[test]
fn a_field_without_an_id_is_found_by_its_name() {
    let written = partitioned(&[part("string", "order-date", Some(Literal::string("eu")))]);
    let without = |avro: &'static str| {
        with(&written, move |schema, spec| {
            named(avro)(schema, spec);
            fields(schema)[0].as_object_mut().unwrap().remove("field-id");
        })
    };
    assert_eq!(partitions(&without("order-date")).unwrap(), [Some(Literal::string("eu"))]);
    // Nobody knows what it is: no file is left out for it.
    refused_entries(&without("order_x2Ddate"));
}

#[test]
fn a_value_that_the_spec_does_not_know_is_not_asked_for() {
    let written = partitioned(&[part("string", "a", Some(Literal::string("eu"))), part("long", "b-b", None)]);
    let less = with(&written, |_, spec| {
        spec.as_array_mut().unwrap().pop();
    });
    assert_eq!(partitions(&less).unwrap(), [Some(Literal::string("eu"))]);
}

#[test]
fn a_partition_without_a_value_that_the_spec_has_is_refused_unless_it_is_void() {
    let written = partitioned(&[part("string", "a", Some(Literal::string("eu")))]);
    let more = |transform: &'static str, count: i32| {
        with(&written, move |_, spec| {
            for id in 0..count {
                let transform = transform.replace("N", &(id + 2).to_string());
                spec.as_array_mut().unwrap().push(
                    json!({"source-id": 1, "field-id": 2000 + id, "name": format!("m{id}"), "transform": transform}),
                );
            }
        })
    };
    refused_entries(&more("bucket[N]", 1));
    assert_eq!(partitions(&more("void", 1)).unwrap(), [Some(Literal::string("eu")), None]);
}

#[test]
fn values_that_the_library_puts_in_are_counted() {
    let spec = |count: usize| {
        let fields = (0..count)
            .map(|id| json!({"source-id": id + 1, "field-id": 2000 + id, "name": id.to_string(), "transform": "void"}));
        serde_json::Value::Array(fields.collect()).to_string()
    };
    let check = |fields: usize, items: usize, is_good: bool| {
        let spec = spec(fields);
        let metadata = [("avro.schema", BYTES.as_bytes()), ("partition-spec", spec.as_bytes())];
        let file = file(&metadata, &[(items as i64, vec![0; items])]);
        assert_eq!(plain(&file, Content::Files).is_ok(), is_good, "{fields} {items}");
    };
    check(0, 50_000, true);
    check(10, 50_000, true);
    check(100, 50_000, false);
    check(AVRO_PARTITION_FIELDS_MAX, 1, true);
    check(AVRO_PARTITION_FIELDS_MAX + 1, 1, false);
}

/// The same file with other columns in the schema of its table.
fn with_columns(written: &[u8], change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let mut reader = Reader(written);
    let mut metadata = reader.header().unwrap();
    let mut schema: serde_json::Value = serde_json::from_slice(find(&metadata, COLUMNS).unwrap().unwrap()).unwrap();
    schema["fields"].as_array_mut().unwrap().iter_mut().for_each(change);
    let schema = schema.to_string();
    metadata.retain(|(key, _)| *key != COLUMNS);
    metadata.push((COLUMNS, schema.as_bytes()));
    let mut out = Vec::new();
    put_header(&mut out, &metadata, reader.take(SYNC_BYTES).unwrap());
    out.extend_from_slice(reader.0);
    out
}

#[test]
fn a_partition_by_uuids_is_read() {
    let bytes: [u8; 16] = std::array::from_fn(|at| 0xf0 + at as u8);
    let id = Literal::Primitive(iceberg::spec::PrimitiveLiteral::UInt128(u128::from_be_bytes(bytes)));
    let check = |value: Option<Literal>, expected: Option<Literal>| {
        let written = partitioned(&[
            part("string", "a", Some(Literal::string("eu"))),
            part("fixed[16]", "order-id", value),
            part("long", "n", Some(Literal::long(-7))),
        ]);
        // As Java writes it.
        let javas = with(&written, |schema, _| {
            let kind = json!({"type": "fixed", "name": "uuid_fixed", "size": 16, "logicalType": "uuid"});
            fields(schema)[1]["type"] = json!(["null", kind]);
        });
        let javas = with_columns(&javas, |column| {
            if column["id"] == 2 {
                column["type"] = "uuid".into();
            }
        });
        assert_eq!(partitions(&javas).unwrap(), [Some(Literal::string("eu")), expected, Some(Literal::long(-7))]);
    };
    check(Some(Literal::fixed(bytes)), Some(id.clone()));
    check(None, None);
}

#[test]
fn a_file_whose_partition_is_made_of_bytes_keeps_all_else() {
    let counts = |count: u64| HashMap::from([(1, count)]);
    let file = DataFileBuilder::default()
        .content(DataContentType::PositionDeletes)
        .file_path("s3://b/t/1.puffin".to_owned())
        .file_format(DataFileFormat::Puffin)
        .partition([Some(Literal::long(1)), None].into_iter().collect::<Struct>())
        .partition_spec_id(3)
        .record_count(4)
        .file_size_in_bytes(5)
        .column_sizes(counts(6))
        .value_counts(counts(7))
        .null_value_counts(counts(8))
        .nan_value_counts(counts(9))
        .lower_bounds(HashMap::from([(1, Datum::long(10))]))
        .upper_bounds(HashMap::from([(1, Datum::long(11))]))
        .key_metadata(Some(vec![12]))
        .split_offsets(Some(vec![13]))
        .equality_ids(Some(vec![14]))
        .sort_order_id(15)
        .first_row_id(Some(16))
        .referenced_data_file(Some("s3://b/t/17.parquet".to_owned()))
        .content_offset(Some(18))
        .content_size_in_bytes(Some(19))
        .build()
        .unwrap();
    let field =
        |id: i32| json!({"field-id": 999 + id, "source-id": id, "name": id.to_string(), "transform": "identity"});
    let spec: PartitionSpec = serde_json::from_value(json!({"spec-id": 3, "fields": [field(1), field(2)]})).unwrap();
    assert_eq!(uuid::from_bytes(&file, &spec).unwrap(), file);
}

#[test]
fn a_type_that_is_said_once_is_read_wherever_its_name_is() {
    let price = || Some(Literal::decimal(-5));
    let written = partitioned(&[
        part("decimal(9,2)", "net", price()),
        part("decimal(9,2)", "gross", price()),
        part("decimal(9,2)", "tax", None),
    ]);
    let javas = with(&written, |schema, _| {
        for field in fields(schema).iter_mut().skip(1) {
            field["type"] = json!(["null", "decimal_9_2"]);
        }
    });
    assert_eq!(partitions(&javas).unwrap(), [price(), price(), None]);
    // Before it is said there is no such type.
    refused_entries(&with(&written, |schema, _| fields(schema)[0]["type"] = json!(["null", "decimal_9_2"])));
}

#[test]
fn the_copy_is_as_large_as_it_must_be() {
    let item = [number(1_000), vec![5; 1_000]].concat();
    for blocks in [1, 2, 300] {
        let file = of("deflate", BYTES, &vec![(30, compress("deflate", &item.repeat(30))); blocks]);
        let copy = plain(&file, Content::Files).unwrap().try_into_mut().unwrap();
        assert!(copy.len() >= 30 * item.len() * blocks);
        assert!(copy.capacity() - copy.len() < BLOCK_FRAME_BYTES * blocks, "{} {}", copy.capacity(), copy.len());
    }
}
