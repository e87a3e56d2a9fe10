//! `query`: bodies of `/v1/query` and their statements, on tables with snapshots and a tail.

use futures::executor::block_on;
use lake_api::ErrorCode;
use lake_cdc::Micros;
use lake_query::{Engine, QueryRequest};
use serde_json::{Value, json};

use crate::seed::{Seeds, choice, chosen};
use crate::sql::golden;
use crate::world::{Always, NOW, World};

struct Queried {
    world: World,
    view: Always,
    engine: Engine,
}

thread_local! {
    static QUERIED: Queried = {
        let world = World::new();
        Queried { view: Always(world.view(true)), engine: Engine::new().expect("an engine"), world }
    };
}

/// The first byte says whether a body follows or a statement.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = choice(data) else { return };
    let request = if choice % 2 == 0 {
        QueryRequest::from_json(bytes)
    } else {
        let Ok(sql) = std::str::from_utf8(bytes) else { return };
        let count = lake_dialect::parse(sql).map_or(0, |(_, count)| count);
        let params: Vec<Value> = [json!(1), json!("2"), Value::Null, json!(true), json!(1.5)]
            .iter()
            .cycle()
            .take(count.min(64))
            .cloned()
            .collect();
        QueryRequest::from_json(json!({"sql": sql, "params": params}).to_string().as_bytes())
    };
    let Ok(request) = request else { return };
    QUERIED.with(|queried| {
        let answer = queried.engine.run(&request, &queried.view, &queried.world.store, Micros(NOW), || 0);
        match block_on(answer) {
            Ok(answer) => assert!(serde_json::from_str::<Value>(&answer).is_ok(), "an answer is JSON: {answer}"),
            Err(error) => assert!(error.code != ErrorCode::Internal, "{}: {:?}", error.message, request.sql),
        }
    });
}

/// Bodies, statements of the lake's own, and statements that Postgres answered.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, body) in [
        ("plain", r#"{"sql": "SELECT * FROM orders WHERE id = $1", "params": [1], "namespace": "default"}"#),
        ("timestamp", r#"{"sql": "SELECT * FROM orders", "asOf": "2025-11-21T03:42:24Z"}"#),
        ("snapshot", r#"{"sql": "SELECT * FROM orders", "asOf": {"snapshotId": "1"}}"#),
        ("position", r#"{"sql": "SELECT count(*) FROM orders_history", "asOf": {"position": 3}}"#),
        ("after", r#"{"sql": "SELECT 1", "after": {"database": "default", "lsn": "8"}}"#),
    ] {
        seeds.push(chosen(0, &format!("body-{name}"), body));
    }
    for (index, sql) in STATEMENTS.iter().enumerate() {
        seeds.push(chosen(1, &format!("lake-{index:02}"), sql));
    }
    seeds.extend(golden().into_iter().step_by(2).map(|(name, sql)| chosen(1, &name, sql)));
    seeds
}

const STATEMENTS: [&str; 14] = [
    "SELECT date_trunc('hour', _commit_timestamp) AS hour, SUM(qty) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT * FROM orders FOR SYSTEM_TIME AS OF '2025-11-21T03:42:24Z' AS o WHERE o.id = $1",
    "SELECT * FROM orders VERSION AS OF 77 JOIN orders_history h USING (id)",
    "SELECT * FROM orders FOR SYSTEM_TIME ALL ORDER BY _position DESC LIMIT 3",
    "SELECT * FROM orders FOR SYSTEM_TIME BETWEEN '2025-01-01' AND '2026-01-01'",
    "SELECT _operation, _lsn, _transaction_id, remark FROM orders_history WHERE _shard = 'default'",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n",
    "SELECT CASE WHEN qty IN (1, 2.5, NULL) THEN -qty ELSE qty % 2 END, round(avg(qty), 2) FROM orders GROUP BY qty",
    "SELECT substring(item from -1 for 99), lpad(item, 3, 'x'), '{\"a\": [1]}'::jsonb -> 'a' ->> -1 FROM orders",
    "SELECT INTERVAL '1 mon -2 days' * 1e9, '2024-02-29'::date + 2147483647, 1 / (qty - 5) FROM orders",
    "SELECT (SELECT max(qty) FROM orders o WHERE o.id = p.id), EXISTS (SELECT 1) FROM orders p ORDER BY 1 LIMIT '2'",
    "SELECT row_number() OVER (PARTITION BY item ORDER BY qty DESC), lag(qty, 1, 0) OVER (ORDER BY id) FROM orders",
    "SELECT id FROM orders WHERE item ~ '(' OR item LIKE '%_' ESCAPE '' UNION SELECT 9223372036854775807 EXCEPT VALUES (1)",
    "SELECT g.j, g.l, g.u, g.y, g.tz, o.price FROM g JOIN orders o ON o.id = g.id AND g.x IS TRUE",
];
