import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { LakeQueryResult, Row } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
const last = new Map<string, bigint>()
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

async function write(database: string, ...statements: string[]): Promise<void> {
  const { lsn } = await lake.client.sql(database, statements)
  if (lsn !== undefined) last.set(database, lsn)
}

/** What is there now, with all that was written to `database`. */
async function now(database: string, sql: string): Promise<LakeQueryResult> {
  const lsn = last.get(database)
  assert.ok(lsn !== undefined)
  return lake.client.query(sql, { after: { database, lsn } })
}

/** A state that was seen, to be asked for again. */
interface Seen {
  readonly sql: string
  readonly position: bigint
  readonly time: Date
  readonly rows: readonly Row[]
}

async function see(database: string, sql: string): Promise<Seen> {
  const { rows, position } = await now(database, sql)
  assert.ok(position !== undefined)
  const time = new Date()
  // What comes next is stamped later than this millisecond.
  while (Date.now() <= time.getTime()) await new Promise(setImmediate)
  return { sql, position, time, rows }
}

async function checkSeen(seen: readonly Seen[]): Promise<void> {
  for (const { sql, position, time, rows } of seen) {
    for (const asOf of [position, time]) {
      assert.deepStrictEqual((await lake.client.query(sql, { asOf })).rows, rows, `${sql} as of ${String(asOf)}`)
    }
  }
}

test('a table that was dropped and made again has each of its pasts', async () => {
  const sql = 'SELECT * FROM d ORDER BY id'
  const seen: Seen[] = []
  await write('default', 'CREATE TABLE d (id bigint PRIMARY KEY, a text)', "INSERT INTO d VALUES (1, 'one'), (2, 'two')")
  seen.push(await see('default', sql))
  await lake.client.getMetadata('d')
  await write('default', "UPDATE d SET a = 'changed' WHERE id = 1")
  seen.push(await see('default', sql))
  await write('default', 'DROP TABLE d')
  seen.push(await see('default', sql))
  await write('default', 'CREATE TABLE d (id bigint PRIMARY KEY, n int)', 'INSERT INTO d VALUES (2, 7)')
  seen.push(await see('default', sql))
  await write('default', 'TRUNCATE d')
  seen.push(await see('default', sql))
  await write('default', 'INSERT INTO d VALUES (3, 9)')
  assert.deepStrictEqual(seen.map(state => state.rows.length), [2, 2, 0, 1, 0])
  assert.deepStrictEqual(seen[1]?.rows, [{ id: 1n, a: 'changed' }, { id: 2n, a: 'two' }])
  await checkSeen(seen)
  await lake.client.getMetadata('d')
  await checkSeen(seen)
})

test('a database that was deleted and made again has each of its pasts', async () => {
  const sql = 'SELECT id, v, _shard FROM e ORDER BY _shard, id'
  const create = 'CREATE TABLE e (id int PRIMARY KEY, v text)'
  const seen: Seen[] = []
  for (const database of ['east', 'west']) {
    await lake.client.createDatabase(database, { namespace: 'default' })
    await write(database, create, `INSERT INTO e VALUES (1, '${database}')`)
    seen.push(await see(database, sql))
  }
  await lake.client.deleteDatabase('east')
  // That it went reaches the lake by itself.
  for (let asked = 0; asked < 1_000; asked++) {
    const { rows } = await lake.client.query(sql)
    if (rows.length === 1) break
  }
  seen.push(await see('west', sql))
  await lake.client.createDatabase('east', { namespace: 'default' })
  await write('east', create, "INSERT INTO e VALUES (2, 'again')")
  seen.push(await see('east', sql))
  await write('east', "UPDATE e SET v = 'later'")
  await now('east', sql)
  assert.deepStrictEqual(
    seen.map(state => state.rows.map(row => [row['_shard'], row['v']].join(' '))),
    [['east east'], ['east east', 'west west'], ['west west'], ['east again', 'west west']],
  )
  await checkSeen(seen)
})

test('columns have the names, and are those, of the moment', async () => {
  const sql = 'SELECT * FROM c ORDER BY id'
  const seen: Seen[] = []
  await write('default', 'CREATE TABLE c (id int PRIMARY KEY, a int, b text)', "INSERT INTO c VALUES (1, 10, 'x')")
  seen.push(await see('default', sql))
  await write('default', 'ALTER TABLE c RENAME COLUMN a TO amount')
  seen.push(await see('default', sql))
  await lake.client.getMetadata('c')
  await write('default', 'ALTER TABLE c DROP COLUMN b', 'INSERT INTO c VALUES (2, 20)')
  seen.push(await see('default', sql))
  await write('default', 'ALTER TABLE c ADD COLUMN b boolean DEFAULT true', 'UPDATE c SET amount = 30 WHERE id = 1')
  seen.push(await see('default', sql))
  await checkSeen(seen)
  await lake.client.getMetadata('c')
  await checkSeen(seen)
  const [first, renamed, dropped] = seen
  assert.ok(first !== undefined && renamed !== undefined && dropped !== undefined)
  assert.deepStrictEqual(first.rows, [{ id: 1, a: 10, b: 'x' }])
  assert.deepStrictEqual(renamed.rows, [{ id: 1, amount: 10, b: 'x' }])
  const refused = [
    ['SELECT amount FROM c', first],
    ['SELECT a FROM c', renamed],
    ['SELECT b FROM c', dropped],
  ] as const
  for (const [text, { time, position }] of refused) {
    for (const asOf of [time, position]) {
      await assert.rejects(lake.client.query(text, { asOf }), { code: '42703' }, `${text} as of ${String(asOf)}`)
    }
  }
  const { rows } = await lake.client.query("SELECT b FROM c WHERE a = 10", { asOf: first.time })
  assert.deepStrictEqual(rows, [{ b: 'x' }])
})

test('history shows dropped columns under the names that other engines see', async () => {
  const read = async () => (await lake.client.query('SELECT * FROM c_history ORDER BY _position')).columns
  const columns = await read()
  const { schema } = await lake.client.getMetadata('c_history')
  assert.deepStrictEqual(columns, schema.fields.map(field => field.name))
  assert.equal(columns.filter(name => /^b__\d+$/.test(name)).length, 1)
  await write('default', 'ALTER TABLE c DROP COLUMN amount', 'DELETE FROM c WHERE id = 2')
  const { rows } = await now('default', 'SELECT id, amount, _operation FROM c_history ORDER BY _position DESC LIMIT 2')
  assert.deepStrictEqual(rows.map(row => row['_operation']), ['DELETE', 'UPDATE'])
  assert.deepStrictEqual(rows.map(row => row['amount']), [null, 30], 'in the tail')
  await lake.client.getMetadata('c')
  assert.deepStrictEqual(await read(), columns)
})
