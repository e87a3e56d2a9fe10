//! Skipping files and row groups that cannot hold a row of the answer, by their statistics.
//!
//! Floats are left out: statistics do not know NaN, which Postgres sorts above all numbers.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use iceberg::spec::{Datum, PrimitiveLiteral};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use super::columns::TableColumn;
use super::snapshot::FilePlan;

/// What the filters of a scan say about statistics.
#[derive(Debug)]
pub(crate) struct Pruning {
    pub(crate) predicate: PruningPredicate,
    pub(crate) columns: Arc<[TableColumn]>,
    pub(crate) schema: SchemaRef,
}

impl Pruning {
    /// False if no row of the file can match.
    pub(crate) fn keeps_file(&self, file: &FilePlan) -> bool {
        // A predicate that cannot be evaluated on statistics prunes nothing.
        self.predicate.prune(&FileStatistics { pruning: self, file }).map_or(true, |keep| keep.first() != Some(&false))
    }

    /// The row groups in which a row can match.
    pub(crate) fn row_groups(&self, metadata: &ParquetMetaData, file_schema: &SchemaRef) -> Vec<usize> {
        let all = 0..metadata.num_row_groups();
        let statistics = RowGroupStatistics { pruning: self, metadata, file_schema };
        match self.predicate.prune(&statistics) {
            Ok(keep) if keep.len() == all.len() => all.zip(keep).filter(|(_, keep)| *keep).map(|(at, _)| at).collect(),
            _ => all.collect(),
        }
    }

    fn field(&self, column: &Column) -> Option<(i32, &DataType)> {
        let at = self.schema.index_of(&column.name).ok()?;
        let data_type = self.schema.field(at).data_type();
        if data_type.is_floating() || data_type.is_nested() {
            return None;
        }
        Some((self.columns.get(at)?.field_id?, data_type))
    }
}

struct FileStatistics<'a> {
    pruning: &'a Pruning,
    file: &'a FilePlan,
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        let (id, data_type) = self.pruning.field(column)?;
        scalar(self.file.lower.get(&id)?, data_type)?.to_array().ok()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        let (id, data_type) = self.pruning.field(column)?;
        scalar(self.file.upper.get(&id)?, data_type)?.to_array().ok()
    }

    fn num_containers(&self) -> usize {
        1
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (id, _) = self.pruning.field(column)?;
        Some(Arc::new(UInt64Array::from(vec![*self.file.nulls.get(&id)?])))
    }

    fn row_counts(&self, _column: &Column) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from(vec![self.file.rows])))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// A bound of a manifest as a value of the column's type.
fn scalar(datum: &Datum, data_type: &DataType) -> Option<ScalarValue> {
    Some(match (datum.literal(), data_type) {
        (PrimitiveLiteral::Boolean(value), DataType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (PrimitiveLiteral::Int(value), DataType::Int16) => ScalarValue::Int16(Some(i16::try_from(*value).ok()?)),
        (PrimitiveLiteral::Int(value), DataType::Int32) => ScalarValue::Int32(Some(*value)),
        (PrimitiveLiteral::Int(value), DataType::Int64) => ScalarValue::Int64(Some(i64::from(*value))),
        (PrimitiveLiteral::Int(value), DataType::Date32) => ScalarValue::Date32(Some(*value)),
        (PrimitiveLiteral::Long(value), DataType::Int64) => ScalarValue::Int64(Some(*value)),
        (PrimitiveLiteral::Long(value), DataType::Time64(TimeUnit::Microsecond)) => {
            ScalarValue::Time64Microsecond(Some(*value))
        }
        (PrimitiveLiteral::Long(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), zone.clone())
        }
        (PrimitiveLiteral::String(value), DataType::Utf8) => ScalarValue::Utf8(Some(value.clone())),
        (PrimitiveLiteral::Int128(value), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(*value), *precision, *scale)
        }
        (PrimitiveLiteral::UInt128(value), DataType::FixedSizeBinary(16)) => {
            ScalarValue::FixedSizeBinary(16, Some(value.to_be_bytes().to_vec()))
        }
        _ => return None,
    })
}

struct RowGroupStatistics<'a> {
    pruning: &'a Pruning,
    metadata: &'a ParquetMetaData,
    file_schema: &'a SchemaRef,
}

impl RowGroupStatistics<'_> {
    fn converter(&self, column: &Column) -> Option<(StatisticsConverter<'_>, &DataType)> {
        let (id, data_type) = self.pruning.field(column)?;
        let name = self.file_schema.fields().iter().find(|field| field_id(field) == Some(id))?.name();
        let descriptor = self.metadata.file_metadata().schema_descr();
        Some((StatisticsConverter::try_new(name, self.file_schema, descriptor).ok()?, data_type))
    }
}

impl PruningStatistics for RowGroupStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        let (converter, data_type) = self.converter(column)?;
        let values = converter.row_group_mins(self.metadata.row_groups()).ok()?;
        super::columns::adapt(&values, data_type).ok()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        let (converter, data_type) = self.converter(column)?;
        let values = converter.row_group_maxes(self.metadata.row_groups()).ok()?;
        super::columns::adapt(&values, data_type).ok()
    }

    fn num_containers(&self) -> usize {
        self.metadata.num_row_groups()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (converter, _) = self.converter(column)?;
        Some(Arc::new(converter.row_group_null_counts(self.metadata.row_groups()).ok()?))
    }

    fn row_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (converter, _) = self.converter(column)?;
        Some(Arc::new(converter.row_group_row_counts(self.metadata.row_groups()).ok()??))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// The Iceberg field id that a column of a data file carries.
pub(crate) fn field_id(field: &arrow::datatypes::Field) -> Option<i32> {
    field.metadata().get(parquet::arrow::PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}
