//! How Parquet files are opened.

use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

/// Options for every reader of a Parquet file.
///
/// Writers may put their Arrow schema into the footer, in an encoding whose decoder panics on bytes that are no such
/// schema. The types of Parquet say all that Iceberg has, so it is left alone.
pub fn reader_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// Refuses a footer with columns that begin before the file or end before they begin, at which the reader panics. Call it
/// before anything is read of what the footer describes.
pub fn check_footer(metadata: &ParquetMetaData) -> Result<(), ParquetError> {
    for group in metadata.row_groups() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            if start < 0 || column.compressed_size() < 0 || group.num_rows() < 0 {
                let name = column.column_path();
                return Err(ParquetError::General(format!("the footer says nonsense of column {name}")));
            }
        }
    }
    Ok(())
}
