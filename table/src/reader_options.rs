//! How Parquet files are opened.

use parquet::arrow::arrow_reader::ArrowReaderOptions;

/// Options for every reader of a Parquet file.
///
/// Writers may put their Arrow schema into the footer, in an encoding whose decoder panics on bytes that are no such
/// schema. The types of Parquet say all that Iceberg has, so it is left alone.
pub fn reader_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}
