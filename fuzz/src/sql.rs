//! `sql`: statements on a shard with tables, from their text to the change record.

use lake_api::scope::Access;
use lake_cdc::{Frame, HelloReply, Micros, TimelineId, Transaction};
use lake_dosql::{OutboxStep, Shard, ShardError};
use lake_test_host::MemoryStorage;
use serde_json::{Value, json};

use crate::seed::Seeds;
use crate::world::{NOW, World};

/// Most statements of an input.
const STATEMENTS: usize = 4;

/// Values of parameters, in turn.
fn parameters(count: usize) -> Vec<Value> {
    let values = [json!(1), json!("2"), Value::Null, json!(true), json!(1.5), json!("2024-02-29"), json!("{1,2}")];
    values.iter().cycle().take(count.min(64)).cloned().collect()
}

thread_local! {
    static WORLD: World = World::new();
}

/// Statements apart by zero bytes, in one request.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let statements: Vec<Value> = text
        .split('\0')
        .take(STATEMENTS)
        .map(|sql| {
            let count = lake_dialect::parse(sql).map_or(0, |(_, count)| count);
            json!({"sql": sql, "params": parameters(count)})
        })
        .collect();
    let world = WORLD.with(World::fork);
    let mut shard = world.open_shard().expect("opens");
    let body = json!({"statements": statements}).to_string();
    match shard.sql(body.as_bytes(), None, Access::Write, TimelineId([2; 16]), Micros(NOW + 1), [5; 32]) {
        Ok(answer) => {
            assert!(serde_json::from_str::<Value>(&answer).is_ok(), "an answer is JSON: {answer}");
            check_log(shard);
        }
        Err(ShardError::Sql(error)) => {
            assert!(error.sqlstate.len() == 5 && error.sqlstate != "XX000", "{error}: {text:?}");
        }
        Err(_) => {}
    }
}

/// What the shard tells the lake can be read.
fn check_log(mut shard: Shard<MemoryStorage>) {
    if !shard.wants_connection() {
        return;
    }
    shard.after_request(Micros(NOW + 2));
    let mut steps = shard.on_open(Micros(NOW + 2));
    let reply = HelloReply { version: 1, features: 0, accepted: None, durable: None };
    steps.extend(shard.on_message(&Frame::HelloReply(reply).encode(), Micros(NOW + 2)));
    let mut record = Vec::new();
    for step in steps {
        let OutboxStep::Send(bytes) = step else { continue };
        let Frame::Changes(parts) = Frame::decode(&bytes).expect("a frame") else { continue };
        for part in parts {
            record.extend_from_slice(&part.bytes);
            if part.last {
                let transaction = Transaction::decode(&std::mem::take(&mut record)).expect("a change record");
                assert_eq!(transaction.lsn, part.lsn);
            }
        }
    }
}

/// Statements of every kind.
pub fn seeds() -> Seeds {
    let mut seeds: Seeds = STATEMENT_KINDS
        .iter()
        .enumerate()
        .map(|(index, sql)| (format!("kind-{index:02}"), sql.as_bytes().to_vec()))
        .collect();
    seeds.extend(golden());
    seeds
}

/// Statements that Postgres answered, every so many of each file.
pub fn golden() -> Seeds {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/golden");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("golden files").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut seeds = Seeds::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let golden: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        let statements: Vec<&str> = golden.iter().filter_map(|statement| statement["sql"].as_str()).collect();
        let every = statements.len().div_ceil(20).max(1);
        for (index, sql) in statements.into_iter().step_by(every).enumerate() {
            seeds.push((format!("{name}-{index:02}"), sql.as_bytes().to_vec()));
        }
    }
    seeds
}

const STATEMENT_KINDS: [&str; 24] = [
    "SELECT * FROM orders WHERE id = $1 OR item LIKE 'p%' ORDER BY qty DESC NULLS LAST LIMIT 2 OFFSET 1",
    "INSERT INTO orders (id, item, qty) VALUES ($1, $2, 3) ON CONFLICT (id) DO UPDATE SET qty = excluded.qty RETURNING *",
    "UPDATE orders SET price = price * 1.1, remark = upper(item) WHERE qty IS NOT NULL RETURNING id, price",
    "DELETE FROM orders USING g WHERE g.id = orders.id RETURNING orders.*",
    "CREATE TABLE t (id serial PRIMARY KEY, a int NOT NULL DEFAULT 1 CHECK (a > 0), b text UNIQUE REFERENCES orders (id))",
    "CREATE TABLE h (a int, b text) WITH (cdc = false)\0INSERT INTO h SELECT 1, 'x'\0SELECT * FROM h",
    "ALTER TABLE orders ADD COLUMN extra jsonb\0UPDATE orders SET extra = '{\"a\": 1}'\0ALTER TABLE orders DROP COLUMN item",
    "ALTER TABLE orders RENAME TO sales\0ALTER TABLE sales ALTER COLUMN qty TYPE bigint\0SELECT * FROM sales",
    "CREATE UNIQUE INDEX i ON orders (lower(item), qty DESC) WHERE qty > 1\0DROP INDEX i",
    "DROP TABLE g\0DROP TABLE IF EXISTS nothing, orders CASCADE",
    "SAVEPOINT a\0DELETE FROM orders\0ROLLBACK TO a\0SELECT count(*) FROM orders",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i), array_agg(i) FROM n",
    "SELECT item, sum(qty) FILTER (WHERE qty > 5), count(DISTINCT qty) FROM orders GROUP BY item HAVING count(*) > 0",
    "SELECT row_number() OVER (PARTITION BY item ORDER BY id), lag(qty, 1, 0) OVER (ORDER BY id) FROM orders",
    "SELECT o.id, g.s FROM orders o LEFT JOIN g USING (id) FULL JOIN (VALUES (1, 'x')) v(id, w) ON v.id = o.id",
    "SELECT j -> 'a' ->> 0, j @> '{\"a\": [1]}', jsonb_build_object('k', l), l[1], y, u, tz AT TIME ZONE 'UTC' FROM g",
    "SELECT date_trunc('month', at), extract(epoch FROM tz), d + 1, at - interval '1 mon -2 days', age(at, at) FROM g",
    "SELECT CASE WHEN x THEN n::int ELSE -n % 2 END, round(f::numeric, 2), coalesce(NULL, s), s ~ '^a.*c$' FROM g",
    "SELECT substring(s FROM 1 FOR 2), position('b' IN s), lpad(t, 9, '*'), format('%s-%L', s, t), s || i FROM g",
    "SELECT 1 UNION SELECT 2.5 INTERSECT SELECT id FROM orders EXCEPT VALUES (9223372036854775807) ORDER BY 1",
    "SELECT (SELECT max(qty) FROM orders p WHERE p.id = o.id), EXISTS (SELECT 1), id = ANY (ARRAY[1, 2]) FROM orders o",
    "SELECT generate_series(1, 3), unnest('{1,2}'::int[]), regexp_replace(s, '(a)(b)', '\\2\\1', 'g') FROM g",
    "SELECT to_char(tz, 'YYYY-MM-DD HH24:MI'), to_timestamp(1e9), now() > tz, random() < 2, md5(s), encode(y, 'hex') FROM g",
    "EXPLAIN SELECT 1\0SHOW TABLES\0SELECT table_name FROM information_schema.tables",
];
