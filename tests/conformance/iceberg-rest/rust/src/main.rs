//! The crate `iceberg-catalog-rest`: it makes a table, appends to it and scans it, on vended credentials.
//!
//! `LAKE_URL` and `LAKE_TOKEN` say where the lake is; outcomes are appended to the file that `LAKE_OUTCOMES` names.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::expr::Reference;
use iceberg::spec::{DataFileFormat, Datum, NestedField, PrimitiveType, Schema, Type};
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use iceberg::writer::base_writer::data_file_writer::DataFileWriterBuilder;
use iceberg::writer::file_writer::ParquetWriterBuilder;
use iceberg::writer::file_writer::location_generator::{DefaultFileNameGenerator, DefaultLocationGenerator};
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::{IcebergWriter, IcebergWriterBuilder};
use iceberg::{Catalog, CatalogBuilder, NamespaceIdent, TableCreation, TableIdent};
use iceberg_catalog_rest::{RestCatalog, RestCatalogBuilder};
use iceberg_storage_opendal::OpenDalStorageFactory;
use parquet::file::properties::WriterProperties;

type Outcome = Result<(), Box<dyn Error>>;

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set"))
}

async fn connect(address: &str) -> Result<RestCatalog, Box<dyn Error>> {
    let properties = [
        ("uri", format!("{address}/iceberg")),
        ("warehouse", "lake".to_owned()),
        ("token", variable("LAKE_TOKEN")?),
        ("header.X-Iceberg-Access-Delegation", "vended-credentials".to_owned()),
    ];
    let properties: HashMap<_, _> = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let storage = OpenDalStorageFactory::S3 { customized_credential_load: None };
    Ok(RestCatalogBuilder::default().with_storage_factory(Arc::new(storage)).load("lake", properties).await?)
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}").into()) }
}

fn namespace() -> NamespaceIdent {
    NamespaceIdent::new("rust".to_owned())
}

fn named(table: &str) -> TableIdent {
    TableIdent::new(namespace(), table.to_owned())
}

async fn makes_a_namespace(lake: &RestCatalog) -> Outcome {
    lake.create_namespace(&namespace(), HashMap::from([("owner".to_owned(), "rust".to_owned())])).await?;
    expect(lake.namespace_exists(&namespace()).await?, true)?;
    expect(lake.list_namespaces(None).await?.contains(&namespace()), true)
}

async fn makes_a_table(lake: &RestCatalog) -> Outcome {
    let fields = vec![
        NestedField::required(1, "id", Type::Primitive(PrimitiveType::Long)).into(),
        NestedField::optional(2, "region", Type::Primitive(PrimitiveType::String)).into(),
    ];
    let schema = Schema::builder().with_fields(fields).build()?;
    let creation = TableCreation::builder().name("orders".to_owned()).schema(schema).build();
    let made = lake.create_table(&namespace(), creation).await?;
    expect(lake.load_table(&named("orders")).await?.metadata().uuid(), made.metadata().uuid())
}

async fn append(lake: &RestCatalog, ids: Vec<i64>) -> Outcome {
    let table = lake.load_table(&named("orders")).await?;
    let schema = Arc::new(schema_to_arrow_schema(table.metadata().current_schema())?);
    let regions: Vec<_> = ids.iter().map(|id| if id % 2 == 0 { "north" } else { "south" }).collect();
    let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(regions))];
    let rows = RecordBatch::try_new(schema, columns)?;
    let parquet = ParquetWriterBuilder::new(WriterProperties::default(), table.metadata().current_schema().clone());
    // A name of its own for each commit: objects are written once.
    let prefix = format!("rows-{}", table.metadata().snapshots().count());
    let files = RollingFileWriterBuilder::new_with_default_file_size(
        parquet,
        table.file_io().clone(),
        DefaultLocationGenerator::new(table.metadata())?,
        DefaultFileNameGenerator::new(prefix, None, DataFileFormat::Parquet),
    );
    let mut writer = DataFileWriterBuilder::new(files).build(None).await?;
    writer.write(rows).await?;
    let transaction = Transaction::new(&table);
    let transaction = transaction.fast_append().add_data_files(writer.close().await?).apply(transaction)?;
    transaction.commit(lake).await?;
    Ok(())
}

async fn count(table: &Table, region: Option<&str>) -> Result<usize, Box<dyn Error>> {
    let scan = match region {
        Some(region) => table.scan().with_filter(Reference::new("region").equal_to(Datum::string(region))),
        None => table.scan(),
    };
    let batches: Vec<RecordBatch> = scan.build()?.to_arrow().await?.try_collect().await?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

async fn appends_and_scans(lake: &RestCatalog) -> Outcome {
    append(lake, vec![1, 2, 3]).await?;
    append(lake, vec![4, 5]).await?;
    let table = lake.load_table(&named("orders")).await?;
    expect(count(&table, None).await?, 5)?;
    expect(count(&table, Some("south")).await?, 3)
}

/// An append through a catalog whose answers go wrong; the table is counted where they do not.
async fn appends_behind(lake: &RestCatalog, fault: &str, ids: Vec<i64>, is_lost: bool) -> Outcome {
    let rows = ids.len();
    let before = count(&lake.load_table(&named("orders")).await?, None).await?;
    let faulty = connect(&format!("{}/{fault}/commits", variable("LAKE_FAULTS")?)).await?;
    expect(append(&faulty, ids).await.is_err(), is_lost)?;
    expect(count(&lake.load_table(&named("orders")).await?, None).await?, before + rows)
}

async fn changes_properties(lake: &RestCatalog) -> Outcome {
    let table = lake.load_table(&named("orders")).await?;
    let transaction = Transaction::new(&table);
    let transaction =
        transaction.update_table_properties().set("note".to_owned(), "seen".to_owned()).apply(transaction)?;
    let table = transaction.commit(lake).await?;
    expect(table.metadata().properties().get("note").map(String::as_str), Some("seen"))
}

async fn renames_and_drops(lake: &RestCatalog) -> Outcome {
    lake.rename_table(&named("orders"), &named("renamed")).await?;
    expect(lake.list_tables(&namespace()).await?, vec![named("renamed")])?;
    lake.drop_table(&named("renamed")).await?;
    expect(lake.table_exists(&named("renamed")).await?, false)?;
    lake.drop_namespace(&namespace()).await?;
    expect(lake.namespace_exists(&namespace()).await?, false)
}

fn write(name: &str, outcome: &Outcome) -> Outcome {
    let line = match outcome {
        Ok(()) => format!("pass\ticeberg-catalog-rest: {name}\t\n"),
        Err(error) => {
            let reason = format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ");
            format!("fail\ticeberg-catalog-rest: {name}\t{reason}\n")
        }
    };
    print!("{line}");
    let mut outcomes = std::fs::OpenOptions::new().create(true).append(true).open(variable("LAKE_OUTCOMES")?)?;
    outcomes.write_all(line.as_bytes())?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let lake = connect(&variable("LAKE_URL")?).await?;
    write("a namespace is made", &makes_a_namespace(&lake).await)?;
    write("a table is made and loaded", &makes_a_table(&lake).await)?;
    write("rows are appended and scanned", &appends_and_scans(&lake).await)?;
    let twice = appends_behind(&lake, "repeat", vec![6, 7], false).await;
    write("an append that arrives twice is made once", &twice)?;
    let lost = appends_behind(&lake, "drop", vec![8, 9], true).await;
    write("an append whose answer is lost is there", &lost)?;
    write("properties are changed", &changes_properties(&lake).await)?;
    write("a table is renamed and dropped", &renames_and_drops(&lake).await)
}
