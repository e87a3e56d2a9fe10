//! No statement brings the instance down: each is answered or refused.

mod world;

use lake_cdc::TailOperation::Insert;
use proptest::prelude::*;
use serde_json::json;
use world::World;

const STATEMENTS: [&str; 10] = [
    "SELECT date_trunc('hour', _commit_timestamp) AS hour, SUM(qty) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT * FROM orders FOR SYSTEM_TIME AS OF '1970-01-01T00:00:02Z' AS o WHERE o.id = $1",
    "SELECT * FROM orders VERSION AS OF 77 JOIN orders_history h USING (id)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n",
    "SELECT CASE WHEN qty IN (1, 2.5, NULL) THEN -qty ELSE qty % 2 END, round(avg(qty), 2) FROM orders GROUP BY qty",
    "SELECT substring(item from -1 for 99), lpad(item, 3, 'x'), '{\"a\": [1]}'::jsonb -> 'a' ->> -1 FROM orders",
    "SELECT INTERVAL '1 mon -2 days' * 1e9, '2024-02-29'::date + 2147483647, 1 / (qty - 5) FROM orders",
    "SELECT (SELECT max(qty) FROM orders o WHERE o.id = p.id), EXISTS (SELECT 1) FROM orders p ORDER BY 1 LIMIT '2'",
    "SELECT row_number() OVER (PARTITION BY item ORDER BY qty DESC), lag(qty, 1, 0) OVER (ORDER BY id) FROM orders",
    "SELECT id FROM orders WHERE item ~ '(' OR item LIKE '%_' ESCAPE '' UNION SELECT 9223372036854775807 EXCEPT VALUES (1)",
];

const PIECES: [&str; 24] = [
    "'",
    "\"",
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "$1",
    "?",
    "NULL",
    "-",
    "1e400",
    "0x1F",
    "é",
    "\u{1}",
    " AS ",
    " OF ",
    "::",
    "[",
    "*",
    "9999999999999999999999",
    " FOR SYSTEM_TIME ALL ",
    "DISTINCT ",
];

fn orders() -> World {
    let mut world = World::new();
    world.accept(&[(1, Insert, "a", 1, "pen", 5), (2, Insert, "a", 2, "ink", 7)]);
    world
}

#[test]
fn the_statements_as_they_are_get_an_answer_or_a_refusal() {
    let world = orders();
    for sql in STATEMENTS {
        let _ = std::hint::black_box(world.ask(&json!({"sql": sql, "params": [1]})));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_damaged_statement_is_answered_or_refused(
        which in 0..STATEMENTS.len(),
        damages in prop::collection::vec((0usize..200, 0..PIECES.len(), 0usize..6), 1..4),
    ) {
        let mut characters: Vec<char> = STATEMENTS[which].chars().collect();
        for (at, piece, cut) in damages {
            let at = at % characters.len();
            let end = (at + cut).min(characters.len());
            characters.splice(at..end, PIECES[piece].chars());
        }
        let sql: String = characters.into_iter().collect();
        let _ = std::hint::black_box(orders().ask(&json!({"sql": sql, "params": [1]})));
    }

    #[test]
    fn any_text_is_answered_or_refused(sql: String) {
        let _ = std::hint::black_box(orders().ask(&json!({"sql": sql})));
    }
}
