//! Extreme values of every type come out of files as they come out of the tail.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use iceberg::spec::{ListType, NestedField, PrimitiveType, Schema, Struct, Type, UnboundPartitionSpec};
use lake_cdc::{
    ColumnType, LakePosition, Lsn, Micros, Numeric, Row, TailChange, TailOperation, Value, View, ViewField,
    ViewRequest, ViewTable,
};
use lake_query::{Engine, Lake, LakeError, QueryRequest};
use lake_table::{DataFileWriter, EnsureTable, RowDelta, TableName, apply_updates, create_metadata, stage_row_delta};
use lake_test_host::MemoryObjectStore;

struct Fixed(View);

impl Lake for Fixed {
    async fn view(&self, _request: &ViewRequest) -> Result<View, LakeError> {
        Ok(self.0.clone())
    }
}

/// Name, type, Iceberg type, and three values: least, greatest, NULL.
fn columns() -> Vec<(&'static str, ColumnType, PrimitiveType, [Value; 2])> {
    let digits = 10i128.pow(38) - 1;
    vec![
        ("b", ColumnType::Bool, PrimitiveType::Boolean, [Value::Bool(false), Value::Bool(true)]),
        ("i2", ColumnType::Int2, PrimitiveType::Int, [Value::Int2(i16::MIN), Value::Int2(i16::MAX)]),
        ("i8", ColumnType::Int8, PrimitiveType::Long, [Value::Int8(i64::MIN), Value::Int8(i64::MAX)]),
        ("f4", ColumnType::Float4, PrimitiveType::Float, [Value::Float4(-0.0), Value::Float4(f32::MAX)]),
        ("f8", ColumnType::Float8, PrimitiveType::Double, [Value::Float8(f64::NAN), Value::Float8(f64::NEG_INFINITY)]),
        (
            "n",
            ColumnType::NUMERIC,
            PrimitiveType::Decimal { precision: 38, scale: 9 },
            [Value::Numeric(Numeric::new(-digits, 9)), Value::Numeric(Numeric::new(digits, 9))],
        ),
        ("d", ColumnType::Date, PrimitiveType::Date, [Value::Date(-719_162), Value::Date(2_932_896)]),
        ("t", ColumnType::Time, PrimitiveType::Time, [Value::Time(0), Value::Time(86_399_999_999)]),
        (
            "ts",
            ColumnType::Timestamp,
            PrimitiveType::Timestamp,
            [Value::Timestamp(-62_135_596_800_000_000), Value::Timestamp(253_402_300_799_999_999)],
        ),
        (
            "tz",
            ColumnType::TimestampTz,
            PrimitiveType::Timestamptz,
            [Value::TimestampTz(-62_135_596_800_000_000), Value::TimestampTz(253_402_300_799_999_999)],
        ),
        ("u", ColumnType::Uuid, PrimitiveType::Uuid, [Value::Uuid([0; 16]), Value::Uuid([255; 16])]),
        (
            "s",
            ColumnType::Text,
            PrimitiveType::String,
            [Value::Text(String::new()), Value::Text("\u{10FFFF}\n\"\u{1}".into())],
        ),
        ("y", ColumnType::Bytea, PrimitiveType::Binary, [Value::Bytea(vec![]), Value::Bytea(vec![0, 255, 0])]),
        (
            "j",
            ColumnType::Jsonb,
            PrimitiveType::String,
            [Value::Text("{\"a\": [1, null]}".into()), Value::Text("12345678901234567890".into())],
        ),
    ]
}

/// What the lake writes for a column; smallint is int there.
fn array(values: &[Value], column_type: &ColumnType) -> ArrayRef {
    macro_rules! of {
        ($array:ty, $pattern:pat => $value:expr) => {
            values
                .iter()
                .map(|value| match value {
                    $pattern => Some($value),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    match column_type {
        ColumnType::Bool => Arc::new(of!(BooleanArray, Value::Bool(v) => *v)),
        ColumnType::Int2 => Arc::new(of!(Int32Array, Value::Int2(v) => i32::from(*v))),
        ColumnType::Int4 => Arc::new(of!(Int32Array, Value::Int4(v) => *v)),
        ColumnType::Int8 => Arc::new(of!(Int64Array, Value::Int8(v) => *v)),
        ColumnType::Float4 => Arc::new(of!(Float32Array, Value::Float4(v) => *v)),
        ColumnType::Float8 => Arc::new(of!(Float64Array, Value::Float8(v) => *v)),
        ColumnType::Numeric { .. } => Arc::new(
            of!(Decimal128Array, Value::Numeric(v) => v.unscaled()).with_precision_and_scale(38, 9).expect("a decimal"),
        ),
        ColumnType::Date => Arc::new(of!(Date32Array, Value::Date(v) => *v)),
        ColumnType::Time => Arc::new(of!(Time64MicrosecondArray, Value::Time(v) => *v)),
        ColumnType::Timestamp => Arc::new(of!(TimestampMicrosecondArray, Value::Timestamp(v) => *v)),
        ColumnType::TimestampTz => {
            Arc::new(of!(TimestampMicrosecondArray, Value::TimestampTz(v) => *v).with_timezone("+00:00"))
        }
        ColumnType::Uuid => {
            let bytes = values.iter().map(|value| match value {
                Value::Uuid(v) => Some(*v),
                _ => None,
            });
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).expect("uuids"))
        }
        ColumnType::Bytea => Arc::new(of!(BinaryArray, Value::Bytea(v) => v.as_slice())),
        _ => Arc::new(of!(StringArray, Value::Text(v) => v.as_str())),
    }
}

fn view(fields: Vec<ViewField>, tail: Vec<TailChange>, metadata_location: Option<String>) -> Fixed {
    Fixed(View {
        position: LakePosition(3),
        snapshot_position: None,
        whole_positions: Vec::new(),
        tables: vec![ViewTable {
            namespace: "default".into(),
            name: "types".into(),
            metadata_location,
            history_metadata_location: None,
            flushed: LakePosition(0),
            fields,
            tail,
            past: None,
        }],
        stamps: vec![],
    })
}

fn ask(lake: &Fixed, store: &MemoryObjectStore, sql: &str) -> String {
    let request = QueryRequest { sql: sql.into(), ..QueryRequest::default() };
    let engine = Engine::new().expect("an engine");
    let answer = futures::executor::block_on(engine.run(&request, lake, store, world::NOW, || 0)).expect(sql);
    answer[..answer.find(",\"position\"").expect("a position")].to_owned()
}

#[test]
fn a_file_gives_the_values_that_the_tail_gave() {
    let columns = columns();
    let mut fields = vec![ViewField { field_id: 10, name: "id".into(), column_type: ColumnType::Int4, key: true }];
    let mut nested = vec![NestedField::required(10, "id", Type::Primitive(PrimitiveType::Int))];
    let ids: Vec<Value> = (0..3).map(Value::Int4).collect();
    let mut arrays: Vec<ArrayRef> = vec![array(&ids, &ColumnType::Int4)];
    let mut rows: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.clone()]).collect();
    for (at, (name, column_type, primitive, [least, greatest])) in columns.into_iter().enumerate() {
        let id = 11 + at as i32;
        let values = [least, greatest, Value::Null];
        arrays.push(array(&values, &column_type));
        nested.push(NestedField::optional(id, name, Type::Primitive(primitive)));
        fields.push(ViewField { field_id: id, name: name.into(), column_type, key: false });
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push(value));
    }
    // A list, whose element has an id of its own.
    let element = NestedField::list_element(60, Type::Primitive(PrimitiveType::Int), false);
    nested.push(NestedField::optional(50, "a", Type::List(ListType { element_field: Arc::new(element) })));
    fields.push(ViewField {
        field_id: 50,
        name: "a".into(),
        column_type: ColumnType::Array(Box::new(ColumnType::Int4)),
        key: false,
    });
    let lists = [Value::Array(vec![]), Value::Array(vec![Value::Int4(1), Value::Null]), Value::Null];
    rows.iter_mut().zip(lists).for_each(|(row, value)| row.push(value));
    nested.push(NestedField::required(1, "_shard", Type::Primitive(PrimitiveType::String)));
    nested.push(NestedField::required(2, "_commit_timestamp", Type::Primitive(PrimitiveType::Timestamptz)));
    let schema = Schema::builder().with_fields(nested.into_iter().map(Arc::new)).build().expect("a schema");

    let ensure = EnsureTable {
        table: TableName { namespace: "default".into(), name: "types".into() },
        schema,
        partition_spec: UnboundPartitionSpec::builder().build(),
        properties: BTreeMap::new(),
        epoch: 1,
        created_ms: 0,
    };
    let metadata = create_metadata(&ensure, "s3://lakehouse/warehouse/default/types", [7; 16], 0).expect("metadata");
    let location = "s3://lakehouse/warehouse/default/types/data/1.parquet".to_owned();
    let schema = Arc::clone(metadata.current_schema());
    let mut writer = DataFileWriter::new(location, schema, Struct::empty(), 0).expect("a writer");
    let arrow = Arc::clone(writer.arrow_schema());
    let arrow::datatypes::DataType::List(item) = arrow.field_with_name("a").expect("the list").data_type() else {
        panic!("a list")
    };
    arrays.push(Arc::new(ListArray::new(
        Arc::clone(item),
        OffsetBuffer::from_lengths([0, 2, 0]),
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Some(NullBuffer::from(vec![true, true, false])),
    )));
    arrays.push(Arc::new(StringArray::from(vec!["a"; 3])));
    arrays.push(Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("+00:00")));
    let arrays = arrays.iter().zip(arrow.fields()).map(|(array, field)| {
        if array.data_type().is_nested() {
            Arc::clone(array)
        } else {
            arrow::compute::cast(array, field.data_type()).expect("a column")
        }
    });
    let arrays = arrays.collect::<Vec<ArrayRef>>();
    writer.write(&RecordBatch::try_new(Arc::clone(&arrow), arrays).expect("a batch")).expect("written");
    let file = writer.finish(&BTreeSet::from([15])).expect("finished");
    let store = MemoryObjectStore::new();
    store.place("warehouse/default/types/data/1.parquet", &file.bytes);
    let delta = RowDelta { snapshot_id: 1, attempt: "a".into(), added_data: vec![file.file], ..RowDelta::default() };
    let staged = world::poll_to_end(stage_row_delta(&world::Files(&store), &metadata, delta)).expect("a snapshot");
    for (location, bytes) in &staged.files {
        store.place(&world::key(location), bytes);
    }
    let metadata = apply_updates(&metadata, &staged.updates).expect("metadata");
    store.place("warehouse/default/types/metadata/1.json", &serde_json::to_vec(&metadata).expect("JSON"));

    let tail = rows.into_iter().enumerate().map(|(at, row)| TailChange {
        position: LakePosition(at as u64 + 1),
        operation: TailOperation::Insert,
        shard: "a".into(),
        lsn: Lsn::FIRST,
        stamp: Micros(at as i64 + 1),
        transaction_id: "x".into(),
        row: Row(row),
    });
    let tail = view(fields.clone(), tail.collect(), None);
    let files = view(fields, vec![], Some("s3://lakehouse/warehouse/default/types/metadata/1.json".into()));
    let sql = "SELECT * FROM types ORDER BY id";
    let from_tail = ask(&tail, &store, sql);
    assert_eq!(ask(&files, &store, sql), from_tail);
    for shown in [
        "-32768",
        "\"9223372036854775807\"",
        "\"NaN\"",
        "\"-Infinity\"",
        "-0.0",
        "\"-99999999999999999999999999999.999999999\"",
        "\"0001-01-01\"",
        "\"23:59:59.999999\"",
        "\"9999-12-31T23:59:59.999999Z\"",
        "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
        "\"\\\\x00ff00\"",
        "{\"a\": [1, null]}",
        "12345678901234567890",
        "\"{1,NULL}\"",
        "\"{}\"",
    ] {
        assert!(from_tail.contains(shown), "{shown} is not in {from_tail}");
    }
    for filter in [
        "i2 = -32768",
        "f8 > 1e30",
        "n < 0",
        "tz < '0002-01-01'",
        "u > '00000000-0000-0000-0000-000000000000'",
        "s = ''",
        "d >= '9999-01-01'",
    ] {
        let sql = format!("SELECT id FROM types WHERE {filter} ORDER BY id");
        let found = ask(&tail, &store, &sql);
        assert_eq!(ask(&files, &store, &sql), found, "{sql}");
        assert!(found.contains("\"rowCount\":1"), "{sql}: {found}");
    }
}
