import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Row } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
  for (const database of ['north', 'south']) {
    await lake.client.createDatabase(database, { namespace: 'sales' })
    await write(database, 'CREATE TABLE deals (id bigint PRIMARY KEY, name text, price int)')
    await write(database, `INSERT INTO deals VALUES (1, '${database}', 10)`)
  }
})
after(() => lake.stop())

const last = new Map<string, bigint>()

async function write(database: string, sql: string): Promise<void> {
  const { lsn } = await lake.client.sql(database, sql)
  if (lsn !== undefined) last.set(database, lsn)
}

/** Rows of the namespace once it has all that was written; from files as well as from the tail. */
async function read(sql: string): Promise<Row[]> {
  for (const [database, lsn] of last) {
    await lake.client.query('SELECT 1', { namespace: 'sales', after: { database, lsn } })
  }
  const fresh = (await lake.client.query(sql, { namespace: 'sales' })).rows
  await lake.client.getMetadata('deals', { namespace: 'sales' })
  assert.deepStrictEqual((await lake.client.query(sql, { namespace: 'sales' })).rows, fresh, 'files and tail agree')
  return fresh
}

test('two databases feed one table, and their keys do not collide', async () => {
  assert.deepStrictEqual(await read('SELECT _shard, id, name, price FROM deals ORDER BY _shard'), [
    { _shard: 'north', id: 1n, name: 'north', price: 10 },
    { _shard: 'south', id: 1n, name: 'south', price: 10 },
  ])
})

test('an update or a delete in one does not touch the other', async () => {
  await write('north', 'UPDATE deals SET price = 11')
  await write('south', "INSERT INTO deals VALUES (2, 'south', 20)")
  await write('south', 'DELETE FROM deals WHERE id = 1')
  assert.deepStrictEqual(await read('SELECT _shard, id, price FROM deals ORDER BY _shard'), [
    { _shard: 'north', id: 1n, price: 11 },
    { _shard: 'south', id: 2n, price: 20 },
  ])
})

test('one is migrated and the other is not yet: the table is the union', async () => {
  await write('north', 'ALTER TABLE deals ADD COLUMN region text')
  await write('north', 'ALTER TABLE deals RENAME COLUMN name TO title')
  await write('north', "INSERT INTO deals (id, title, price, region) VALUES (3, 'new', 30, 'EU')")
  await write('south', "INSERT INTO deals (id, name, price) VALUES (4, 'still old', 40)")
  const rows = await read('SELECT _shard, id, title, price, region FROM deals ORDER BY id')
  assert.deepStrictEqual(rows, [
    { _shard: 'north', id: 1n, title: 'north', price: 11, region: null },
    { _shard: 'south', id: 2n, title: 'south', price: 20, region: null },
    { _shard: 'north', id: 3n, title: 'new', price: 30, region: 'EU' },
    { _shard: 'south', id: 4n, title: 'still old', price: 40, region: null },
  ])
})

test('a column that one dropped stays for the other', async () => {
  await write('north', 'ALTER TABLE deals DROP COLUMN price')
  await write('north', "INSERT INTO deals (id, title) VALUES (5, 'no price')")
  await write('south', 'UPDATE deals SET price = 41 WHERE id = 4')
  const rows = await read('SELECT id, price FROM deals WHERE id >= 4 ORDER BY id')
  assert.deepStrictEqual(rows, [
    { id: 4n, price: 41 },
    { id: 5n, price: null },
  ])
})

test('a contradiction is seen in the status and hurts nobody else', async () => {
  await lake.client.createDatabase('west', { namespace: 'sales' })
  await write('west', 'CREATE TABLE deals (id bigint PRIMARY KEY, name text, region date)')
  await write('west', "INSERT INTO deals VALUES (9, 'west', '2025-01-14')")
  await write('south', "INSERT INTO deals (id, name, price) VALUES (6, 'after', 60)")
  const rows = await read('SELECT _shard FROM deals WHERE id IN (6, 9)')
  assert.deepStrictEqual(rows, [{ _shard: 'south' }])
  const status = JSON.stringify(await lake.client.status())
  assert.match(status, /dead_?letters/i)
  assert.ok(status.includes('west'))
})
