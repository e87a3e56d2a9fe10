//! What a manifest says about the columns of a data file, from the Parquet footer.

use std::collections::{BTreeSet, HashMap};

use iceberg::spec::{Datum, PrimitiveType, Schema};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

use crate::limits::BOUND_LENGTH;

/// Per field id.
#[derive(Debug, Default)]
pub(crate) struct FileStatistics {
    pub(crate) column_sizes: HashMap<i32, u64>,
    pub(crate) value_counts: HashMap<i32, u64>,
    pub(crate) null_value_counts: HashMap<i32, u64>,
    pub(crate) lower_bounds: HashMap<i32, Datum>,
    pub(crate) upper_bounds: HashMap<i32, Datum>,
    pub(crate) split_offsets: Vec<i64>,
}

impl FileStatistics {
    pub(crate) fn collect(
        schema: &Schema,
        metadata: &ParquetMetaData,
        without_bounds: &BTreeSet<i32>,
    ) -> FileStatistics {
        let mut found = FileStatistics::default();
        // A bound holds for the file only if every row group has one (or no values at all).
        let mut unbounded = without_bounds.clone();
        for group in metadata.row_groups() {
            if let Some(offset) =
                group.file_offset().or_else(|| group.columns().first().map(|c| c.byte_range().0 as i64))
            {
                found.split_offsets.push(offset);
            }
            for column in group.columns() {
                let info = column.column_descr().self_type().get_basic_info();
                if !info.has_id() {
                    continue;
                }
                let id = info.id();
                *found.column_sizes.entry(id).or_default() += column.compressed_size().max(0) as u64;
                *found.value_counts.entry(id).or_default() += column.num_values().max(0) as u64;
                let Some(statistics) = column.statistics() else {
                    unbounded.insert(id);
                    continue;
                };
                if let Some(nulls) = statistics.null_count_opt() {
                    *found.null_value_counts.entry(id).or_default() += nulls;
                }
                // Elements of lists have counts but no bounds.
                let kind = schema.as_struct().field_by_id(id).and_then(|field| field.field_type.as_primitive_type());
                found.merge(id, kind, statistics, &mut unbounded, column.num_values());
            }
        }
        for id in unbounded {
            found.lower_bounds.remove(&id);
            found.upper_bounds.remove(&id);
        }
        found
    }

    fn merge(
        &mut self,
        id: i32,
        kind: Option<&PrimitiveType>,
        statistics: &Statistics,
        unbounded: &mut BTreeSet<i32>,
        values: i64,
    ) {
        let Some(kind) = kind else { return };
        if statistics.null_count_opt() == Some(values.max(0) as u64) {
            return;
        }
        let (Some(lower), Some(upper)) = (bound(kind, statistics, Side::Lower), bound(kind, statistics, Side::Upper))
        else {
            unbounded.insert(id);
            return;
        };
        let lower_entry = self.lower_bounds.entry(id).or_insert_with(|| lower.clone());
        if lower < *lower_entry {
            *lower_entry = lower;
        }
        let upper_entry = self.upper_bounds.entry(id).or_insert_with(|| upper.clone());
        if upper > *upper_entry {
            *upper_entry = upper;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Lower,
    Upper,
}

/// One bound as the spec stores it, `None` if there is none to trust.
fn bound(kind: &PrimitiveType, statistics: &Statistics, side: Side) -> Option<Datum> {
    fn pick<'a, T>(min: Option<&'a T>, max: Option<&'a T>, side: Side) -> Option<&'a T> {
        if side == Side::Lower { min } else { max }
    }
    let bytes = match (kind, statistics) {
        (PrimitiveType::Boolean, Statistics::Boolean(s)) => vec![u8::from(*pick(s.min_opt(), s.max_opt(), side)?)],
        (PrimitiveType::Int | PrimitiveType::Date, Statistics::Int32(s)) => {
            pick(s.min_opt(), s.max_opt(), side)?.to_le_bytes().to_vec()
        }
        (
            PrimitiveType::Long | PrimitiveType::Time | PrimitiveType::Timestamp | PrimitiveType::Timestamptz,
            Statistics::Int64(s),
        ) => pick(s.min_opt(), s.max_opt(), side)?.to_le_bytes().to_vec(),
        (PrimitiveType::Float, Statistics::Float(s)) => {
            pick(s.min_opt(), s.max_opt(), side).filter(|value| !value.is_nan())?.to_le_bytes().to_vec()
        }
        (PrimitiveType::Double, Statistics::Double(s)) => {
            pick(s.min_opt(), s.max_opt(), side).filter(|value| !value.is_nan())?.to_le_bytes().to_vec()
        }
        (PrimitiveType::Decimal { .. }, Statistics::Int32(s)) => {
            i128::from(*pick(s.min_opt(), s.max_opt(), side)?).to_be_bytes().to_vec()
        }
        (PrimitiveType::Decimal { .. }, Statistics::Int64(s)) => {
            i128::from(*pick(s.min_opt(), s.max_opt(), side)?).to_be_bytes().to_vec()
        }
        (PrimitiveType::Decimal { .. }, Statistics::FixedLenByteArray(s)) => {
            signed_big_endian(pick(s.min_opt(), s.max_opt(), side)?.data())?.to_be_bytes().to_vec()
        }
        (PrimitiveType::Uuid, Statistics::FixedLenByteArray(s)) => {
            pick(s.min_opt(), s.max_opt(), side)?.data().to_vec()
        }
        (PrimitiveType::String, Statistics::ByteArray(s)) => {
            let value = pick(s.min_opt(), s.max_opt(), side)?;
            // A bound that Parquet cut may end inside a character; what is valid before it is still a lower bound.
            let text = match std::str::from_utf8(value.data()) {
                Ok(text) => text,
                Err(error) if side == Side::Lower => std::str::from_utf8(&value.data()[..error.valid_up_to()]).ok()?,
                Err(_) => return None,
            };
            text_bound(text, side)?.into_bytes()
        }
        (PrimitiveType::Binary, Statistics::ByteArray(s)) => {
            binary_bound(pick(s.min_opt(), s.max_opt(), side)?.data(), side)?
        }
        _ => return None,
    };
    Datum::try_from_bytes(&bytes, kind.clone()).ok()
}

fn signed_big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let mut wide = if negative { [0xff; 16] } else { [0; 16] };
    let start = 16usize.checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// At most `BOUND_LENGTH` characters that are not greater (lower) or not less (upper) than the text.
fn text_bound(text: &str, side: Side) -> Option<String> {
    let mut characters = text.chars();
    let head = characters.by_ref().take(BOUND_LENGTH).collect::<Vec<char>>();
    if characters.next().is_none() || side == Side::Lower {
        return Some(head.into_iter().collect());
    }
    let mut head = head;
    while let Some(last) = head.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            head.push(next);
            return Some(head.into_iter().collect());
        }
    }
    None
}

/// The same for bytes.
fn binary_bound(bytes: &[u8], side: Side) -> Option<Vec<u8>> {
    if bytes.len() <= BOUND_LENGTH || side == Side::Lower {
        return Some(bytes.iter().copied().take(BOUND_LENGTH).collect());
    }
    let mut head = bytes[..BOUND_LENGTH].to_vec();
    while let Some(last) = head.pop() {
        if last < u8::MAX {
            head.push(last + 1);
            return Some(head);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_gets_bounds_on_either_side_of_it() {
        let text = "aaaaaaaaaaaaaaaaz";
        assert_eq!(text_bound(text, Side::Lower).as_deref(), Some("aaaaaaaaaaaaaaaa"));
        assert_eq!(text_bound(text, Side::Upper).as_deref(), Some("aaaaaaaaaaaaaaab"));
        assert_eq!(text_bound("short", Side::Upper).as_deref(), Some("short"));
        let highest = "\u{10FFFF}".repeat(BOUND_LENGTH + 1);
        assert_eq!(text_bound(&highest, Side::Upper), None);
        let before_surrogates = format!("{}\u{D7FF}x", "a".repeat(BOUND_LENGTH - 1));
        assert_eq!(
            text_bound(&before_surrogates, Side::Upper),
            Some(format!("{}\u{E000}", "a".repeat(BOUND_LENGTH - 1)))
        );
    }

    #[test]
    fn long_bytes_too() {
        assert_eq!(binary_bound(&[255; 17], Side::Upper), None);
        assert_eq!(binary_bound(&[1; 17], Side::Upper), Some([[1; 15].as_slice(), &[2]].concat()));
        assert_eq!(binary_bound(&[1; 17], Side::Lower), Some(vec![1; 16]));
    }

    #[test]
    fn decimals_keep_their_sign() {
        assert_eq!(signed_big_endian(&[0xff, 0xfe]), Some(-2));
        assert_eq!(signed_big_endian(&[0x00, 0xfe]), Some(254));
    }
}
