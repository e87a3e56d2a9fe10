//! `text`: values as people write them, in literals, parameters and `asOf`.

use lake_cdc::text::json::{Json, parse_json};
use lake_cdc::text::{parse, print};
use lake_cdc::{ColumnType, Numeric};

use crate::changes::types;
use crate::seed::{Seeds, choice, chosen};

/// The first byte chooses a type; the rest is a text.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let scalars: Vec<ColumnType> = types().into_iter().map(|(_, column_type, _)| column_type).collect();
    let choice = usize::from(choice);
    match scalars.get(choice % (2 * scalars.len() + 3)) {
        Some(column_type) => read(column_type, text),
        None => match choice % (2 * scalars.len() + 3) - scalars.len() {
            0 => {
                if let Ok(json) = Json::parse_jsonb(text) {
                    let printed = json.to_string();
                    assert_eq!(Json::parse_jsonb(&printed).as_ref(), Ok(&json), "{printed}");
                }
            }
            1 => {
                let _ = std::hint::black_box(parse_json(text));
            }
            2 => {
                let _ = std::hint::black_box(Numeric::parse(text, 38, 9));
            }
            rest => {
                let element = &scalars[(rest - 3) % scalars.len()];
                if !matches!(element, ColumnType::Array(_)) {
                    read(&ColumnType::Array(Box::new(element.clone())), text);
                }
            }
        },
    }
}

/// What is printed is read as the same value.
fn read(column_type: &ColumnType, text: &str) {
    let Ok(value) = parse(column_type, text) else { return };
    assert!(value.is_of(column_type), "{value:?} is no {column_type:?}");
    let printed = print(&value);
    match parse(column_type, &printed) {
        Ok(again) => assert_eq!(print(&again), printed, "{column_type:?} {text:?}"),
        Err(error) => panic!("{column_type:?} {text:?} prints as {printed:?}: {error}"),
    }
}

/// Values of every type as they are printed, and other ways to write them.
pub fn seeds() -> Seeds {
    let mut seeds = Vec::new();
    for (index, (name, _, value)) in types().into_iter().enumerate() {
        seeds.push(chosen(index as u8, name, print(&value)));
    }
    let count = types().len() as u8;
    seeds.push(chosen(count, "jsonb", r#"{"b": [1, 2.50, 1e2, -0], "a": {"x\u00e9": null}}"#));
    seeds.push(chosen(count + 1, "json", r#"{"b":1, "a":"\u0000\ud83d\ude00"}"#));
    seeds.push(chosen(count + 2, "numeric", "-1234.5e-3"));
    for (index, (name, _, value)) in types().into_iter().enumerate() {
        seeds.push(chosen(
            count + 3 + index as u8,
            &format!("array-{name}"),
            format!("{{\"{}\",NULL}}", print(&value)),
        ));
    }
    for (name, text) in [
        ("iso", "2024-02-29T23:59:59.123456+05:30"),
        ("words", "Jan 8, 1999 04:05 PM"),
        ("compact", "20240229T235959Z"),
        ("zone", "2024-01-01 00:00:00 America/New_York"),
        ("special", "tomorrow"),
        ("bc", "0044-03-15 BC"),
    ] {
        seeds.push(chosen(11, &format!("timestamptz-{name}"), text));
    }
    seeds
}
