use proptest::prelude::*;

use super::{parse, print, print_float4, print_float8};
use crate::column_type::ColumnType as T;
use crate::limits::{
    ARRAY_ELEMENTS_MAX, JSON_DEPTH_MAX, JSON_GROWTH_BYTES_MAX, JSON_NUMBER_BYTES_MAX, JSON_VALUES_MAX,
};

fn types() -> Vec<T> {
    let mut types = vec![
        T::Bool,
        T::Int2,
        T::Int4,
        T::Int8,
        T::Float4,
        T::Float8,
        T::NUMERIC,
        T::Date,
        T::Time,
        T::Timestamp,
        T::TimestampTz,
        T::Uuid,
        T::Text,
        T::Varchar(3),
        T::Bytea,
        T::Json,
        T::Jsonb,
    ];
    types.push(T::Array(Box::new(T::Int4)));
    types.push(T::Array(Box::new(T::Text)));
    types
}

/// The printed form, or the SQLSTATE.
fn check(column_type: &T, text: &str, expected: &str) {
    let found = match parse(column_type, text) {
        Ok(value) => {
            assert!(value.is_of(column_type), "{text}: {value:?} is no {}", column_type.pg_name());
            print(&value)
        }
        Err(error) => error.sqlstate.to_owned(),
    };
    assert_eq!(found, expected, "{text} as {}", column_type.pg_name());
}

#[test]
fn integers_end_at_their_ends() {
    check(&T::Int2, "-32768", "-32768");
    check(&T::Int2, "32768", "22003");
    check(&T::Int4, " 2147483647 ", "2147483647");
    check(&T::Int4, "2147483648", "22003");
    check(&T::Int8, "-9223372036854775808", "-9223372036854775808");
    check(&T::Int8, "9223372036854775808", "22003");
    check(&T::Int4, "0x1F", "31");
    check(&T::Int4, "1_000", "1000");
    for text in ["", "12abc", "1.5", "1__0", "_1", "1_", "--1", "0x", "+"] {
        check(&T::Int4, text, "22P02");
    }
}

#[test]
fn booleans_are_any_prefix_of_their_words() {
    for text in ["t", "TRUE", " yes ", "on", "1", "tr"] {
        check(&T::Bool, text, "t");
    }
    for text in ["f", "no", "OFF", "of", "0"] {
        check(&T::Bool, text, "f");
    }
    for text in ["", "o", "2", "truee"] {
        check(&T::Bool, text, "22P02");
    }
}

#[test]
fn floats_print_their_shortest_digits_as_postgres_places_them() {
    for (value, text) in [
        (0.1 + 0.2, "0.30000000000000004"),
        (1e15, "1e+15"),
        (123_456_789_012_345.0, "123456789012345"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-0.0, "-0"),
        (1.5e300, "1.5e+300"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(print_float8(value), text);
    }
    assert_eq!(print_float4(1_234_567.0), "1.234567e+06");
    assert_eq!(print_float4(0.1), "0.1");
    check(&T::Float8, "nan", "NaN");
    check(&T::Float8, "-inf", "-Infinity");
    check(&T::Float8, "1e400", "22003");
    check(&T::Float8, "1e-400", "22003");
    check(&T::Float8, "0e-400", "0");
    check(&T::Float8, "1e", "22P02");
    check(&T::Float4, "1e39", "22003");
}

#[test]
fn dates_are_within_what_a_table_can_hold() {
    check(&T::Date, "2024-02-29", "2024-02-29");
    check(&T::Date, "20240229", "2024-02-29");
    check(&T::Date, "0001-01-01", "0001-01-01");
    check(&T::Date, "9999-12-31", "9999-12-31");
    check(&T::Date, "10000-01-01", "22008");
    check(&T::Date, "2023-02-29", "22008");
    check(&T::Date, "0000-01-01", "22008");
    check(&T::Date, "infinity", "22008");
    check(&T::Date, "2024-13-01", "22008");
    check(&T::Date, "today", "0A000");
    check(&T::Date, "x", "22007");
    check(&T::Date, "", "22007");
}

#[test]
fn times_have_microseconds_and_end_at_midnight() {
    check(&T::Time, "12:34:56.789", "12:34:56.789");
    check(&T::Time, "24:00:00", "24:00:00");
    check(&T::Time, "24:00:00.000001", "22008");
    check(&T::Time, "12:34", "12:34:00");
    check(&T::Time, "123456", "12:34:56");
    check(&T::Time, "11:00 pm", "23:00:00");
    check(&T::Time, "12:00 am", "00:00:00");
    check(&T::Time, "1:2:3.0000005", "01:02:03");
}

#[test]
fn a_zone_moves_a_timestamptz_and_not_a_timestamp() {
    check(&T::TimestampTz, "2025-01-14T00:00:00Z", "2025-01-14 00:00:00+00");
    check(&T::TimestampTz, "2025-01-14 00:00:00.123456+05:30", "2025-01-13 18:30:00.123456+00");
    check(&T::TimestampTz, "2025-01-14 00:00-0800", "2025-01-14 08:00:00+00");
    check(&T::TimestampTz, "2025-01-14", "2025-01-14 00:00:00+00");
    check(&T::TimestampTz, "0001-01-01 00:00+01", "22008");
    check(&T::TimestampTz, "2025-01-14 00:00 Europe/Berlin", "0A000");
    check(&T::Timestamp, "2025-01-14 10:00:00+05", "2025-01-14 10:00:00");
    check(&T::Timestamp, "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999");
    check(&T::Timestamp, "9999-12-31 23:59:59.9999996", "22008");
    check(&T::Timestamp, "999313232-9-22", "22008");
    check(&T::TimestampTz, "294247-01-10T04:00:54.775808+00", "22008");
    check(&T::TimestampTz, "10000-01-01 00:00:00+01", "9999-12-31 23:00:00+00");
    check(&T::Timestamp, "epoch", "1970-01-01 00:00:00");
}

#[test]
fn uuids_and_bytes_have_one_printed_form() {
    let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check(&T::Uuid, canonical, canonical);
    check(&T::Uuid, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", canonical);
    check(&T::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "22P02");
    check(&T::Bytea, "\\xDEad 00", "\\xdead00");
    check(&T::Bytea, "a\\\\b\\000", "\\x615c6200");
    check(&T::Bytea, "\\xd", "22023");
    check(&T::Bytea, "\\8", "22P02");
}

#[test]
fn a_varchar_loses_spaces_beyond_its_length_only() {
    check(&T::Varchar(3), "abc  ", "abc");
    check(&T::Varchar(3), "\u{1F600}\u{1F600}\u{1F600}", "\u{1F600}\u{1F600}\u{1F600}");
    check(&T::Varchar(3), "abcd", "22001");
    check(&T::Text, "a\0b", "22021");
}

#[test]
fn jsonb_is_canonical_and_json_is_kept() {
    check(&T::Jsonb, r#"{"bb":1, "a" : [1,2.50,1e2,-0], "bb":null}"#, r#"{"a": [1, 2.50, 100, 0], "bb": null}"#);
    check(&T::Jsonb, r#""\u00e9\n\ud83d\ude00\/""#, "\"\u{e9}\\n\u{1F600}/\"");
    check(&T::Jsonb, r#""\u0000""#, "22P05");
    check(&T::Jsonb, r#""\ud83d""#, "22P02");
    check(&T::Jsonb, "1e999999999", "22003");
    check(&T::Jsonb, "1.20e-2", "0.0120");
    check(&T::Json, r#"{"b":1,"a" :2}"#, r#"{"b":1,"a" :2}"#);
    for text in ["", "{", "[1,]", "01", "1.", "nul", "'a'", "{a:1}", "1 2", "\"\n\""] {
        check(&T::Json, text, "22P02");
    }
    check(&T::Jsonb, &"[".repeat(100_000), "54001");
}

/// `count` times `part` with commas between, inside of `ends`.
fn repeated(ends: [&str; 2], part: &str, count: usize) -> String {
    let mut text = String::from(ends[0]);
    for index in 0..count {
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(part);
    }
    text + ends[1]
}

#[test]
fn what_is_taken_apart_has_a_bound_and_what_is_only_checked_has_none() {
    let sqlstate = |column_type: &T, text: &str| parse(column_type, text).err().map(|error| error.sqlstate);
    let list = |part: &str, count: usize| repeated(["[", "]"], part, count);
    // The list itself is a value.
    assert_eq!(sqlstate(&T::Jsonb, &list("0", JSON_VALUES_MAX - 1)), None);
    assert_eq!(sqlstate(&T::Jsonb, &list("0", JSON_VALUES_MAX)), Some("54000"));
    assert_eq!(sqlstate(&T::Jsonb, &list("[]", JSON_VALUES_MAX)), Some("54000"));
    let members = |count: usize| repeated(["{", "}"], "\"a\":1", count);
    assert_eq!(sqlstate(&T::Jsonb, &members(JSON_VALUES_MAX / 2 - 1)), None);
    assert_eq!(sqlstate(&T::Jsonb, &members(JSON_VALUES_MAX / 2)), Some("54000"), "keys count too");
    assert_eq!(sqlstate(&T::Json, &list("0", JSON_VALUES_MAX * 8)), None);
    assert_eq!(sqlstate(&T::Json, &(list("0", JSON_VALUES_MAX * 8) + "]")), Some("22P02"));
    assert_eq!(super::json::parse_json(&list("0", JSON_VALUES_MAX)).err().map(|error| error.sqlstate), Some("54000"));

    let exponent = |count: usize| list("1e1999", count);
    assert_eq!(sqlstate(&T::Jsonb, &exponent(JSON_GROWTH_BYTES_MAX / 2_000)), None);
    assert_eq!(sqlstate(&T::Jsonb, &exponent(JSON_GROWTH_BYTES_MAX / 2_000 + 10)), Some("54000"));
    assert_eq!(sqlstate(&T::Json, &exponent(JSON_GROWTH_BYTES_MAX / 2_000 + 10)), None);

    let array = |part: &str, count: usize| repeated(["{", "}"], part, count);
    for element in [T::Int4, T::Text] {
        let column_type = T::Array(Box::new(element));
        assert_eq!(sqlstate(&column_type, &array("1", ARRAY_ELEMENTS_MAX)), None);
        assert_eq!(sqlstate(&column_type, &array("NULL", ARRAY_ELEMENTS_MAX + 1)), Some("54000"));
    }
}

#[test]
fn a_jsonb_that_is_kept_can_be_read_again() {
    use super::json::Json;
    let again = |json: &Json| Json::parse_jsonb(&json.to_string()).map(|_| ()).map_err(|error| error.sqlstate);
    let mut array = Json::Null;
    let mut object = Json::Null;
    for depth in 1..=JSON_DEPTH_MAX + 1 {
        array = Json::Array(vec![array]);
        object = Json::Object(vec![("a".to_owned(), object)]);
        for json in [&array, &object] {
            let kept = json.clone().bounded().map(|_| ()).map_err(|error| error.sqlstate);
            assert_eq!(kept, if depth > JSON_DEPTH_MAX { Err("54001") } else { Ok(()) });
            assert_eq!(kept, again(json));
        }
    }
    for (digits, exponent, is_kept) in [
        (JSON_NUMBER_BYTES_MAX - 1_999, "e1999", true),
        (JSON_NUMBER_BYTES_MAX - 1_998, "e1999", false),
        (JSON_NUMBER_BYTES_MAX - 6, "e-1999", true),
        (JSON_NUMBER_BYTES_MAX, "", true),
        (JSON_NUMBER_BYTES_MAX + 1, "", false),
    ] {
        let read = Json::parse_jsonb(&("9".repeat(digits) + exponent));
        match read {
            Ok(number) => assert!(is_kept && again(&number).is_ok(), "{digits} {exponent}"),
            Err(error) => assert!(!is_kept && error.sqlstate == "22003", "{digits} {exponent}: {error}"),
        }
    }
}

#[test]
fn an_error_shows_the_beginning_of_a_long_text() {
    for (column_type, text) in [(T::Int4, "\u{e4}".repeat(100_000)), (T::Array(Box::new(T::Int4)), "x".repeat(100_000))]
    {
        let error = parse(&column_type, &text).expect_err("is none");
        assert_eq!(error.sqlstate, "22P02");
        assert!(error.message.len() < 1_000, "{}", error.message.len());
    }
}

#[test]
fn arrays_quote_what_would_be_read_otherwise() {
    let texts = T::Array(Box::new(T::Text));
    check(&texts, r#"{a, "b c" ,NULL,"null","","\"\\"}"#, r#"{a,"b c",NULL,"null","","\"\\"}"#);
    check(&texts, "{}", "{}");
    check(&texts, "{{a}}", "0A000");
    for text in ["", "a", "{a", "{a,}", "{,a}", "{\"a}", "{a}b", "{\"a\"b}"] {
        check(&texts, text, "22P02");
    }
    check(&T::Array(Box::new(T::Int4)), "{1, 2,null}", "{1,2,NULL}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_what_is_read_prints_and_reads_the_same(text in "\\PC*|[0-9:. TZ+\\-{}\",e\\\\x]*") {
        for column_type in types() {
            if let Ok(value) = parse(&column_type, &text) {
                let printed = print(&value);
                let again = parse(&column_type, &printed).map(|value| print(&value));
                prop_assert_eq!(again, Ok(printed), "{} as {}", text, column_type.pg_name());
            }
        }
    }

    #[test]
    fn what_is_checked_is_what_can_be_read(text in "\\PC*|[\\[\\]{}:,\"a\\\\u0-9eE.+ \\-]*|(\\[|\\{|\\]|\\}|\"a\"|:|,|1|null){0,9}") {
        let read = super::json::parse_json(&text).map(|_| ());
        prop_assert_eq!(super::json::check(&text), read, "{}", text);
    }

    #[test]
    fn every_float_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        let printed = print_float8(value);
        prop_assert!(value.is_nan() || printed.parse::<f64>().map(f64::to_bits) == Ok(bits), "{printed}");
    }

    #[test]
    fn every_timestamp_reads_back(micros in -62_135_596_800_000_000i64..=253_402_300_799_999_999) {
        let printed = print(&crate::Value::TimestampTz(micros));
        prop_assert_eq!(parse(&T::TimestampTz, &printed), Ok(crate::Value::TimestampTz(micros)));
    }
}
