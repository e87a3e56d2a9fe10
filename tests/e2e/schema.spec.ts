import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { CDCEvent, Row } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
let last = 0n
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

async function write(...statements: string[]): Promise<void> {
  const { lsn } = await lake.client.sql('default', statements)
  if (lsn !== undefined) last = lsn
}

/** Rows in the tail and, the same, in files. */
async function read(sql: string, table: string): Promise<Row[]> {
  const fresh = (await lake.client.query(sql, { after: { database: 'default', lsn: last } })).rows
  await lake.client.getMetadata(table)
  assert.deepStrictEqual((await lake.client.query(sql)).rows, fresh, 'files and tail agree')
  return fresh
}

async function events(table: string, count: number): Promise<CDCEvent[]> {
  const taken: CDCEvent[] = []
  for await (const batch of lake.client.subscribe({ tables: [table], fromLSN: 0n })) {
    taken.push(...batch.events)
    if (taken.length >= count) break
  }
  return taken
}

test('columns are added, renamed and dropped while rows come, in the tables and in events', async () => {
  await write('CREATE TABLE t (id bigint PRIMARY KEY, a int, b text)', "INSERT INTO t VALUES (1, 10, 'x')")
  await read('SELECT * FROM t', 't')
  await write("ALTER TABLE t ADD COLUMN c numeric(10,2) DEFAULT 1.5", "INSERT INTO t VALUES (2, 20, 'y', 2.5)")
  await write('ALTER TABLE t RENAME COLUMN a TO amount', "INSERT INTO t VALUES (3, 30, 'z', 3.5)")
  await write('ALTER TABLE t DROP COLUMN b', 'INSERT INTO t VALUES (4, 40, 4.5)')
  assert.deepStrictEqual(await read('SELECT * FROM t ORDER BY id', 't'), [
    { id: 1n, amount: 10, c: '1.50' },
    { id: 2n, amount: 20, c: '2.50' },
    { id: 3n, amount: 30, c: '3.50' },
    { id: 4n, amount: 40, c: '4.50' },
  ])
  const inserts = (await events('t', 5)).filter(event => event.operation === 'INSERT')
  assert.deepEqual(inserts.map(event => event.after?.['id']), [1n, 2n, 3n, 4n])
})

test('a column of a name that was used before begins empty', async () => {
  await write('ALTER TABLE t ADD COLUMN b date', "INSERT INTO t (id, b) VALUES (5, '2025-01-14')")
  assert.deepStrictEqual(await read('SELECT id, b FROM t WHERE id IN (1, 5) ORDER BY id', 't'), [
    { id: 1n, b: null },
    { id: 5n, b: '2025-01-14' },
  ])
})

test('a change of the key is a delete and an insert', async () => {
  await write('CREATE TABLE k (id bigint PRIMARY KEY)', 'INSERT INTO k VALUES (1)', 'UPDATE k SET id = 2')
  assert.deepStrictEqual(await read('SELECT id FROM k', 'k'), [{ id: 2n }])
  const changes = (await events('k', 3)).map(event => [event.operation, (event.after ?? event.before)?.['id']])
  assert.deepEqual(changes, [
    ['INSERT', 1n],
    ['DELETE', 1n],
    ['INSERT', 2n],
  ])
})

test('TRUNCATE is a delete of every row', async () => {
  await write('CREATE TABLE many (id int PRIMARY KEY)', 'INSERT INTO many VALUES (1), (2), (3)')
  await read('SELECT * FROM many', 'many')
  await write('TRUNCATE many')
  assert.deepStrictEqual(await read('SELECT * FROM many', 'many'), [])
  const { rows } = await lake.client.query("SELECT id FROM many_history WHERE _operation = 'DELETE' ORDER BY id")
  assert.deepStrictEqual(rows, [{ id: 1 }, { id: 2 }, { id: 3 }])
})

test('a dropped table has no rows, keeps its history, and can be created again with other columns', async () => {
  await write('CREATE TABLE d (id bigint PRIMARY KEY, a text)', "INSERT INTO d VALUES (1, 'old')")
  await read('SELECT * FROM d', 'd')
  await write('DROP TABLE d')
  assert.deepStrictEqual(await read('SELECT id FROM d', 'd'), [])
  await write('CREATE TABLE d (id bigint PRIMARY KEY, n int)', 'INSERT INTO d VALUES (1, 7)')
  assert.deepStrictEqual(await read('SELECT id, n FROM d', 'd'), [{ id: 1n, n: 7 }])
  const { rows } = await lake.client.query('SELECT id, n, _operation FROM d_history ORDER BY _position')
  assert.deepStrictEqual(rows, [
    { id: 1n, n: null, _operation: 'INSERT' },
    { id: 1n, n: 7, _operation: 'INSERT' },
  ])
  const { schema } = await lake.client.getMetadata('d_history')
  assert.ok(schema.fields.some(field => field.name === 'a'), 'history drops no column')
})

test('equal rows of a table without a key are changed one by one', async () => {
  await write('CREATE TABLE bag (v text)', "INSERT INTO bag VALUES ('a'), ('a'), ('b')")
  await read('SELECT v FROM bag', 'bag')
  await write("UPDATE bag SET v = 'c' WHERE v = 'b'", "INSERT INTO bag VALUES ('a')", "DELETE FROM bag WHERE v = 'c'")
  assert.deepStrictEqual(await read('SELECT v, count(*) AS n FROM bag GROUP BY v', 'bag'), [{ v: 'a', n: 3n }])
})

test('a table that opted out stays in its shard', async () => {
  await write('CREATE TABLE secret (id int PRIMARY KEY) WITH (cdc = off)', 'INSERT INTO secret VALUES (1)')
  await write('INSERT INTO bag VALUES (NULL)')
  await assert.rejects(read('SELECT * FROM secret', 'secret'), { code: '42P01' })
})

test('ON CONFLICT, cascades and rolled back savepoints leave what is true', async () => {
  await write(
    'CREATE TABLE parent (id int PRIMARY KEY, n int)',
    'CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE)',
    'INSERT INTO parent VALUES (1, 1), (2, 2)',
    'INSERT INTO child VALUES (10, 1), (20, 2)',
  )
  await write(
    'INSERT INTO parent VALUES (1, 5), (3, 3) ON CONFLICT (id) DO UPDATE SET n = parent.n + excluded.n',
    'SAVEPOINT s',
    'DELETE FROM parent WHERE id = 2',
    'ROLLBACK TO SAVEPOINT s',
    'DELETE FROM parent WHERE id = 1',
  )
  assert.deepStrictEqual(await read('SELECT id, n FROM parent ORDER BY id', 'parent'), [
    { id: 2, n: 2 },
    { id: 3, n: 3 },
  ])
  assert.deepStrictEqual(await read('SELECT id FROM child', 'child'), [{ id: 20 }])
})

test('a transaction of many megabytes travels whole, one over the limit is refused whole', async () => {
  await write('CREATE TABLE big (id int PRIMARY KEY, body text)')
  const insert = (id: number, bytes: number) => ({ sql: 'INSERT INTO big VALUES ($1, $2)', params: [id, 'x'.repeat(bytes)] })
  const five = await lake.client.sql('default', [1, 2, 3, 4, 5].map(id => insert(id, 1_000_000)))
  assert.ok(five.lsn !== undefined)
  last = five.lsn
  assert.deepStrictEqual(await read('SELECT count(*) AS n, sum(length(body))::bigint AS bytes FROM big', 'big'), [
    { n: 5n, bytes: 5_000_000n },
  ])
  await lake.client.sql('default', [insert(10, 6_000_000), insert(11, 6_000_000)])
  const update = lake.client.sql('default', "UPDATE big SET body = body || 'y'")
  await assert.rejects(update, { code: '54000', noSideEffects: true })
  const { rows } = await lake.client.sql('default', "SELECT count(*) AS n FROM big WHERE body LIKE '%y'")
  assert.deepStrictEqual(rows, [{ n: 0n }])
})

test('NOT NULL comes and goes, and a column with a CHECK is dropped, while the rows stay what they are', async () => {
  await write(
    'CREATE TABLE strict (id bigint PRIMARY KEY, a int, b int CHECK (b > 0), c numeric(20,4) DEFAULT 1.5, UNIQUE (a))',
    "INSERT INTO strict (id, a, b) VALUES (9007199254740993, 1, 1), (2, NULL, 2), (3, 3, NULL)",
  )
  await read('SELECT * FROM strict ORDER BY id', 'strict')
  const refused = (statement: string, code: string) => assert.rejects(lake.client.sql('default', statement), { code, noSideEffects: true })
  await refused('ALTER TABLE strict ALTER COLUMN a SET NOT NULL', '23502')
  await write('UPDATE strict SET a = 2 WHERE id = 2', 'ALTER TABLE strict ALTER COLUMN a SET NOT NULL')
  await refused('INSERT INTO strict (id, b) VALUES (4, 4)', '23502')
  await refused('INSERT INTO strict (id, a, b) VALUES (4, 4, 0)', '23514')
  await refused('INSERT INTO strict (id, a, b) VALUES (4, 3, 4)', '23505')
  await write('ALTER TABLE strict ALTER COLUMN a DROP NOT NULL', 'INSERT INTO strict (id, b) VALUES (4, 4)')
  await write('ALTER TABLE strict DROP COLUMN b', 'INSERT INTO strict (id, a) VALUES (5, 5)')
  await refused('SELECT b FROM strict', '42703')
  await refused('INSERT INTO strict (id, a) VALUES (6, 5)', '23505')
  await write('ALTER TABLE strict ALTER COLUMN c SET NOT NULL', 'ALTER TABLE strict ADD COLUMN b text', "INSERT INTO strict (id, b) VALUES (6, '-1')")
  await lake.evict({ script: 'dosql', database: 'default' })
  const rows = [
    { id: 2n, a: 2, c: '1.5000', b: null },
    { id: 3n, a: 3, c: '1.5000', b: null },
    { id: 4n, a: null, c: '1.5000', b: null },
    { id: 5n, a: 5, c: '1.5000', b: null },
    { id: 6n, a: null, c: '1.5000', b: '-1' },
    { id: 9007199254740993n, a: 1, c: '1.5000', b: null },
  ]
  assert.deepStrictEqual((await lake.client.sql('default', 'SELECT * FROM strict ORDER BY id')).rows, rows)
  assert.deepStrictEqual(await read('SELECT * FROM strict ORDER BY id', 'strict'), rows)
  await refused('UPDATE strict SET c = NULL', '23502')
})
