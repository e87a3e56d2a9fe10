//! Statements of the corpus with words dropped, doubled and swapped: whatever comes out is answered or refused, and
//! never an internal error or a panic, which would take the whole object down.

mod support;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::Value as Json;
use support::Session;

const SETUP: [&str; 3] = [
    "CREATE TABLE g (id int PRIMARY KEY, i int, j int, b int8, n numeric(12,3), m numeric(20,6), f float8, s text, t text, x boolean, d date, at timestamp)",
    "INSERT INTO g VALUES (1, 5, -2, 9007199254740993, 12.5, 0.000001, 1.5, 'abc', 'Xyz', true, '2024-01-31', '2024-01-31 23:59:59.5')",
    "CREATE TABLE emp (id int PRIMARY KEY, name text, dept text, salary numeric(10,2), bonus float8, hired date, manager int, active boolean)",
];

fn statements() -> &'static Vec<String> {
    static STATEMENTS: OnceLock<Vec<String>> = OnceLock::new();
    STATEMENTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/golden");
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).expect("golden files") {
            let text = fs::read_to_string(entry.expect("an entry").path()).expect("a file");
            let golden: Vec<Json> = serde_json::from_str(&text).expect("JSON");
            all.extend(golden.iter().filter_map(|statement| statement["sql"].as_str().map(str::to_owned)));
        }
        all.sort();
        all
    })
}

/// Words, quoted texts and single signs.
fn tokens(sql: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut quoted = false;
    for character in sql.chars() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let joins =
            tokens.last().and_then(|token| token.chars().last()).is_some_and(|last| word(last) && word(character));
        match tokens.last_mut() {
            Some(last) if quoted || joins => last.push(character),
            _ => tokens.push(character.to_string()),
        }
        if character == '\'' {
            quoted = !quoted;
        }
    }
    tokens
}

fn check(sql: &str) {
    let mut session = Session::new();
    for statement in SETUP {
        session.run(statement);
    }
    if let Err(error) = session.execute(sql, &[]) {
        assert_eq!(error.sqlstate.len(), 5, "{sql}: {error}");
        assert_ne!(error.sqlstate, "XX000", "{sql}: {error}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 1_500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_mangled_statement_is_answered_or_refused(
        index: prop::sample::Index,
        other: prop::sample::Index,
        changes in prop::collection::vec((0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let all = statements();
        let mut words = tokens(index.get::<String>(all));
        let donor = tokens(other.get::<String>(all));
        for (kind, at, from) in changes {
            if words.is_empty() {
                break;
            }
            let at = at.index(words.len());
            match kind {
                0 => { words.remove(at); }
                1 => { let word = words[at].clone(); words.insert(at, word); }
                2 => { let with = from.index(words.len()); words.swap(at, with); }
                _ => words[at] = from.get::<String>(&donor).clone(),
            }
        }
        check(&words.concat());
    }
}
