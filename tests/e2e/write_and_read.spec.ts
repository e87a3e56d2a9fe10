import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

test('a committed row is in the next query that asks for it', async () => {
  const { client } = lake
  await client.sql('default', 'CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(12,2) NOT NULL, region text)')
  const written = await client.sql('default', 'INSERT INTO orders VALUES ($1, $2, $3), ($4, 5, NULL)', {
    params: [9007199254740993n, '1.50', 'EU', 2n],
  })
  assert.equal(written.command, 'INSERT')
  assert.equal(written.rowCount, 2)
  assert.ok(written.lsn !== undefined)
  const read = await client.query('SELECT * FROM orders ORDER BY id', { after: { database: 'default', lsn: written.lsn } })
  assert.deepStrictEqual(read.rows, [
    { id: 2n, amount: '5.00', region: null },
    { id: 9007199254740993n, amount: '1.50', region: 'EU' },
  ])
  assert.deepEqual(read.columns, ['id', 'amount', 'region'])
  assert.deepEqual(read.types, ['int8', 'numeric', 'text'])
  assert.ok(read.position !== undefined && read.position > 0n)
})

test('updates and deletes show, in the tail and in a committed snapshot alike', async () => {
  const { client } = lake
  const { lsn, results } = await client.sql('default', [
    { sql: 'UPDATE orders SET amount = amount + 1 WHERE id = $1', params: [2n] },
    { sql: 'DELETE FROM orders WHERE region = $1', params: ['EU'] },
    'INSERT INTO orders (id, amount) VALUES (3, 7) RETURNING id, amount',
  ])
  assert.deepEqual(results.map(result => result.rowCount), [1, 1, 1])
  assert.deepStrictEqual(results[2]?.rows, [{ id: 3n, amount: '7.00' }])
  assert.ok(lsn !== undefined)
  const expected = [
    { id: 2n, amount: '6.00' },
    { id: 3n, amount: '7.00' },
  ]
  const sql = 'SELECT id, amount FROM orders ORDER BY id'
  assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, expected)
  // Loading a table through the catalog commits what is not committed yet.
  const { currentSnapshotId } = await client.getMetadata('orders')
  assert.ok(currentSnapshotId !== undefined)
  assert.deepStrictEqual((await client.query(sql)).rows, expected)
  assert.deepStrictEqual((await client.sql('default', sql)).rows, expected)
})

test('deletes of rows that are in Parquet already show too', async () => {
  const { client } = lake
  const { lsn } = await client.sql('default', 'DELETE FROM orders WHERE id = 2')
  assert.ok(lsn !== undefined)
  const sql = 'SELECT id FROM orders'
  assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, [{ id: 3n }])
  await client.getMetadata('orders')
  assert.deepStrictEqual((await client.query(sql)).rows, [{ id: 3n }])
})

test('a list of statements rolls back together', async () => {
  const { client } = lake
  const list = ['INSERT INTO orders (id, amount) VALUES (10, 1)', 'INSERT INTO orders (id, amount) VALUES (3, 1)']
  await assert.rejects(client.sql('default', list), { name: 'QueryError', code: '23505', noSideEffects: true })
  assert.deepStrictEqual((await client.sql('default', 'SELECT id FROM orders')).rows, [{ id: 3n }])
})

test('the tables of one transaction show at one position', async () => {
  const { client } = lake
  await client.sql('default', ['CREATE TABLE a (id int PRIMARY KEY)', 'CREATE TABLE b (id int PRIMARY KEY)'])
  const { lsn } = await client.sql('default', ['INSERT INTO a VALUES (1)', 'INSERT INTO b VALUES (1)'])
  assert.ok(lsn !== undefined)
  const sql = 'SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b'
  assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, [{ a: 1n, b: 1n }])
})

test('a table without a primary key is captured too', async () => {
  const { client } = lake
  await client.sql('default', 'CREATE TABLE notes (body text)')
  const { lsn } = await client.sql('default', "INSERT INTO notes VALUES ('a'), ('a')")
  assert.ok(lsn !== undefined)
  const { rows } = await client.query('SELECT * FROM notes', { after: { database: 'default', lsn } })
  assert.deepStrictEqual(rows, [{ body: 'a' }, { body: 'a' }])
})

test('aggregates have the names and types of Postgres', async () => {
  const { client } = lake
  const { rows, columns, types } = await client.query('SELECT count(*), sum(amount), avg(id) FROM orders WHERE id = ?', { params: [3n] })
  assert.deepEqual(columns, ['count', 'sum', 'avg'])
  assert.deepEqual(types, ['int8', 'numeric', 'numeric'])
  assert.equal(rows[0]?.['count'], 1n)
  assert.equal(rows[0]?.['sum'], '7.00')
})

test('the past can be asked for by time, by position and by snapshot', async () => {
  const { client } = lake
  await client.sql('default', 'CREATE TABLE prices (sku text PRIMARY KEY, price int)')
  const first = await client.sql('default', "INSERT INTO prices VALUES ('a', 1)")
  assert.ok(first.lsn !== undefined && first.committedAt !== undefined)
  const then = await client.query('SELECT price FROM prices', { after: { database: 'default', lsn: first.lsn } })
  await client.getMetadata('prices')
  const snapshots = await client.listSnapshots('prices')
  const second = await client.sql('default', "UPDATE prices SET price = 2 WHERE sku = 'a'")
  assert.ok(second.lsn !== undefined && then.position !== undefined)
  const now = await client.query('SELECT price FROM prices', { after: { database: 'default', lsn: second.lsn } })
  assert.deepStrictEqual(now.rows, [{ price: 2 }])
  const past = [first.committedAt, then.position, snapshots.at(-1)?.id]
  for (const asOf of past) {
    const { rows } = await client.query('SELECT price FROM prices', { asOf })
    assert.deepStrictEqual(rows, [{ price: 1 }], String(asOf))
  }
  const before = await client.query('SELECT price FROM prices', { asOf: new Date('2025-01-14T00:00:00Z') })
  assert.deepStrictEqual(before.rows, [])
})

test('history has one row for each change, newest first on demand', async () => {
  const { client } = lake
  const sql = 'SELECT price, _operation FROM prices WHERE sku = ? ORDER BY _commit_timestamp DESC'
  const { rows, source } = await client.query(sql, { params: ['a'] })
  assert.deepStrictEqual(rows, [
    { price: 2, _operation: 'UPDATE' },
    { price: 1, _operation: 'INSERT' },
  ])
  assert.equal(source, 'history')
})

test('limit and offset are a page of the answer', async () => {
  const { client } = lake
  const { lsn } = await client.sql('default', [
    'CREATE TABLE pages (n int PRIMARY KEY)',
    'INSERT INTO pages VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)',
  ])
  assert.ok(lsn !== undefined)
  const page = { after: { database: 'default', lsn }, limit: 3, offset: 5 }
  const { rows } = await client.query('SELECT n FROM pages ORDER BY n;', page)
  assert.deepStrictEqual(rows.map(row => row['n']), [6, 7, 8])
})

test('a table and its history are described by the catalog', async () => {
  const { client } = lake
  const current = await client.getMetadata('prices')
  assert.deepEqual(current.schema.fields.slice(0, 2).map(({ name, type }) => [name, type]), [
    ['sku', 'string'],
    ['price', 'int'],
  ])
  assert.equal(current.location, 's3://lakehouse/warehouse/default/prices')
  const history = await client.getMetadata('prices_history')
  assert.deepEqual(history.partitionSpec.map(({ transform }) => transform), ['day'])
  assert.ok(history.snapshots.every(snapshot => snapshot.summary.operation === 'append'))
})
