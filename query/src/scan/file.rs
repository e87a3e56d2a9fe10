//! One Parquet file as a stream of batches, deleted rows left out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use lake_host::ByteRange;
use lake_table::{check_footer, reader_options};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::columns::{adapt, nulls};
use super::pruning::{Pruning, field_id};
use super::snapshot::{DeleteFile, FilePlan};
use crate::error::unsupported;
use crate::limits::{BATCH_ROWS, FOOTER_READ_BYTES, READ_GAP_BYTES_MAX, WHOLE_READ_BYTES_MAX};
use crate::store::StoreClient;

/// Field ids of a position delete file, fixed by the spec.
const DELETE_FILE_PATH: i32 = 2_147_483_546;
const DELETE_POSITION: i32 = 2_147_483_545;

/// A column to read: its field, if files can have it, and the type it is wanted as.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) field_id: Option<i32>,
    pub(crate) field: Field,
}

/// The rows of a data file that are not deleted.
pub(crate) async fn read(
    client: StoreClient,
    file: &FilePlan,
    wanted: Arc<[Wanted]>,
    pruning: Option<&Pruning>,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    client.counts.files.fetch_add(1, Ordering::Relaxed);
    let reads = file.deletes.iter().map(|delete| deleted_positions(&client, delete, &file.path));
    let mut deleted = futures::future::try_join_all(reads).await?.concat();
    deleted.sort_unstable();
    deleted.dedup();
    let reader = FileReader { client, key: file.key.clone(), size: file.size, whole: None };
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, reader_options()).await?;
    let mut builder = builder.with_batch_size(BATCH_ROWS);
    let groups = match pruning {
        Some(pruning) => pruning.row_groups(builder.metadata(), builder.schema()),
        None => (0..builder.metadata().num_row_groups()).collect(),
    };
    if !deleted.is_empty() {
        let selection = selection(builder.metadata(), &groups, &deleted);
        builder = builder.with_row_selection(selection);
    }
    open(builder.with_row_groups(groups), wanted)
}

/// Where, in `path`, rows are deleted.
async fn deleted_positions(client: &StoreClient, delete: &DeleteFile, path: &str) -> Result<Vec<u64>> {
    let reader = FileReader { client: client.clone(), key: delete.key.clone(), size: delete.size, whole: None };
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, reader_options()).await?;
    let wanted = [
        Wanted { field_id: Some(DELETE_FILE_PATH), field: Field::new("file_path", DataType::Utf8, true) },
        Wanted { field_id: Some(DELETE_POSITION), field: Field::new("pos", DataType::Int64, true) },
    ];
    let mut batches = open(builder, Arc::new(wanted))?;
    let mut positions = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let paths = batch.column(0).as_string::<i32>();
        let rows = batch.column(1).as_primitive::<Int64Type>();
        for at in 0..batch.num_rows() {
            if paths.is_valid(at) && rows.is_valid(at) && paths.value(at) == path {
                positions.push(u64::try_from(rows.value(at)).map_err(|_| unsupported("a negative row position"))?);
            }
        }
    }
    Ok(positions)
}

/// Which rows of the row groups are not in `deleted`, which is sorted.
fn selection(metadata: &ParquetMetaData, groups: &[usize], deleted: &[u64]) -> RowSelection {
    let mut selectors = Vec::new();
    let mut start = 0u64;
    for (group, rows) in metadata.row_groups().iter().map(|group| group.num_rows().max(0) as u64).enumerate() {
        let end = start + rows;
        if groups.contains(&group) {
            let from = deleted.partition_point(|row| *row < start);
            let to = deleted.partition_point(|row| *row < end);
            let mut next = start;
            for row in &deleted[from..to] {
                selectors.push(RowSelector::select((row - next) as usize));
                selectors.push(RowSelector::skip(1));
                next = row + 1;
            }
            selectors.push(RowSelector::select((end - next) as usize));
        }
        start = end;
    }
    RowSelection::from(selectors)
}

fn open(
    builder: ParquetRecordBatchStreamBuilder<FileReader>,
    wanted: Arc<[Wanted]>,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let file_schema = Arc::clone(builder.schema());
    let roots: Vec<Option<usize>> = wanted
        .iter()
        .map(|column| {
            let id = column.field_id?;
            file_schema.fields().iter().position(|field| field_id(field) == Some(id))
        })
        .collect();
    let mut read: Vec<usize> = roots.iter().flatten().copied().collect();
    read.sort_unstable();
    read.dedup();
    let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
    // The reader gives the columns in the order of the file.
    let order: Vec<Option<usize>> =
        roots.iter().map(|root| root.and_then(|root| read.binary_search(&root).ok())).collect();
    let schema = Arc::new(Schema::new(wanted.iter().map(|column| column.field.clone()).collect::<Vec<_>>()));
    let stream = builder.with_projection(mask).build()?;
    Ok(stream.map(move |batch| arrange(&batch?, &order, &schema)).boxed())
}

fn arrange(batch: &RecordBatch, order: &[Option<usize>], schema: &SchemaRef) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = order
        .iter()
        .zip(schema.fields())
        .map(|(at, field)| match at {
            Some(at) => adapt(batch.column(*at), field.data_type()),
            None => Ok(nulls(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// A Parquet file behind a [`StoreClient`].
struct FileReader {
    client: StoreClient,
    key: String,
    size: u64,
    /// All bytes, if the file is small.
    whole: Option<Bytes>,
}

impl FileReader {
    async fn load_whole(&mut self) -> parquet::errors::Result<Bytes> {
        if let Some(bytes) = &self.whole {
            return Ok(bytes.clone());
        }
        let (bytes, _) = self.client.get_kept(&self.key, ByteRange::Full).await.map_err(outside)?;
        self.whole = Some(bytes.clone());
        Ok(bytes)
    }

    async fn load(&mut self, range: Range<u64>) -> parquet::errors::Result<Bytes> {
        if self.size <= WHOLE_READ_BYTES_MAX {
            return cut(&self.load_whole().await?, 0, &range);
        }
        let length = range.end.saturating_sub(range.start);
        let wanted = ByteRange::From { offset: range.start, length: Some(length) };
        if range.end == self.size {
            let (bytes, _) = self.client.get_kept(&self.key, wanted).await.map_err(outside)?;
            return cut(&bytes, range.start, &range);
        }
        let object = self.client.get(&self.key, wanted).await.map_err(outside)?;
        cut(&Bytes::from(object.bytes), range.start, &range)
    }
}

fn outside(error: DataFusionError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The bytes of `range` in `bytes`, which begin at `start` of the file.
fn cut(bytes: &Bytes, start: u64, range: &Range<u64>) -> parquet::errors::Result<Bytes> {
    let from = range.start.checked_sub(start).and_then(|at| usize::try_from(at).ok());
    let to = range.end.checked_sub(start).and_then(|at| usize::try_from(at).ok());
    match (from, to) {
        (Some(from), Some(to)) if from <= to && to <= bytes.len() => Ok(bytes.slice(from..to)),
        _ => Err(ParquetError::EOF(format!("bytes {}..{} are not in the file", range.start, range.end))),
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.load(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            let mut found = Vec::with_capacity(ranges.len());
            let mut at = 0;
            while at < ranges.len() {
                let start = ranges[at].start;
                let mut end = ranges[at].end;
                let mut last = at + 1;
                while last < ranges.len()
                    && ranges[last].start >= start
                    && ranges[last].start <= end.saturating_add(READ_GAP_BYTES_MAX)
                {
                    end = end.max(ranges[last].end);
                    last += 1;
                }
                let bytes = self.load(start..end).await?;
                for range in &ranges[at..last] {
                    found.push(cut(&bytes, start, range)?);
                }
                at = last;
            }
            Ok(found)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let hint = usize::try_from(FOOTER_READ_BYTES.min(self.size)).unwrap_or_default();
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(hint));
            let metadata = reader.load_and_finish(self, size).await?;
            check_footer(&metadata)?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
