//! Arithmetic of dates, times and intervals.

use super::pg_type::PgType;

/// The type an open literal takes on the right of `known op`.
pub(super) fn partner(op: &str, known: &PgType) -> Option<PgType> {
    use PgType as T;
    match (op, known) {
        ("+", T::Date | T::Timestamp | T::TimestampTz | T::Time | T::Interval) => Some(T::Interval),
        ("*" | "/", T::Interval) => Some(T::Float8),
        ("-", T::Jsonb) => Some(T::Text),
        _ => None,
    }
}

/// The type an open literal takes on the left of `op known`.
pub(super) fn left_partner(op: &str, known: &PgType) -> Option<PgType> {
    use PgType as T;
    match (op, known) {
        ("+", T::Date | T::Timestamp | T::TimestampTz | T::Time) => Some(T::Interval),
        ("*", T::Interval) => Some(T::Float8),
        _ => None,
    }
}

/// The SQLite text of an operator, with `{0}` and `{1}` for its operands, and its type.
pub(super) fn operator(op: &str, left: &PgType, right: &PgType) -> Option<(String, PgType)> {
    use PgType as T;
    let of = |template: &str, ty: PgType| Some((template.to_owned(), ty));
    if op == "+"
        && matches!(
            (left, right),
            (T::Interval, T::Date | T::Timestamp | T::TimestampTz | T::Time) | (T::Time, T::Date)
        )
        || (op == "+" && left.is_integer() && *right == T::Date)
        || (op == "*" && *right == T::Interval && left.is_number())
    {
        let (template, ty) = operator(op, right, left)?;
        // The operands change places.
        let swapped = template.replace("{0}", "{x}").replace("{1}", "{0}").replace("{x}", "{1}");
        return Some((swapped, ty));
    }
    match (op, left, right) {
        ("+", T::Date, right) if right.is_integer() => of("pg_date_add({0}, {1})", T::Date),
        ("-", T::Date, right) if right.is_integer() => of("pg_date_add({0}, -{1})", T::Date),
        ("-", T::Date, T::Date) => of("({0} - {1})", T::Int4),
        ("+", T::Date, T::Time) => of("({0} * 86400000000 + {1})", T::Timestamp),
        ("+", T::Date, T::Interval) => of("pg_timestamp_add({0} * 86400000000, {1}, 1)", T::Timestamp),
        ("-", T::Date, T::Interval) => of("pg_timestamp_add({0} * 86400000000, {1}, -1)", T::Timestamp),
        ("+", T::Timestamp | T::TimestampTz, T::Interval) => of("pg_timestamp_add({0}, {1}, 1)", left.clone()),
        ("-", T::Timestamp | T::TimestampTz, T::Interval) => of("pg_timestamp_add({0}, {1}, -1)", left.clone()),
        ("-", T::Timestamp | T::TimestampTz, T::Timestamp | T::TimestampTz) => {
            of("pg_timestamp_diff({0}, {1})", T::Interval)
        }
        ("-", T::Date, T::Timestamp | T::TimestampTz) => of("pg_timestamp_diff({0} * 86400000000, {1})", T::Interval),
        ("-", T::Timestamp | T::TimestampTz, T::Date) => of("pg_timestamp_diff({0}, {1} * 86400000000)", T::Interval),
        ("+", T::Time, T::Interval) => of("pg_time_add({0}, {1}, 1)", T::Time),
        ("-", T::Time, T::Interval) => of("pg_time_add({0}, {1}, -1)", T::Time),
        ("-", T::Time, T::Time) => of("pg_micros_interval({0} - {1})", T::Interval),
        ("+", T::Interval, T::Interval) => of("pg_interval_add({0}, {1}, 1)", T::Interval),
        ("-", T::Interval, T::Interval) => of("pg_interval_add({0}, {1}, -1)", T::Interval),
        ("*", T::Interval, right) if right.is_number() => of("pg_interval_mul({0}, {1})", T::Interval),
        ("/", T::Interval, right) if right.is_number() => of("pg_interval_div({0}, {1})", T::Interval),
        _ => None,
    }
}
