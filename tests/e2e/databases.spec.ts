import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

/** Writes a row and waits until the lake has it. */
async function insert(database: string, id: bigint, body: string): Promise<void> {
  const { lsn } = await lake.client.sql(database, 'INSERT INTO notes VALUES ($1, $2)', { params: [id, body] })
  assert.ok(lsn !== undefined)
  await lake.client.query('SELECT count(*) FROM notes', { namespace: database, after: { database, lsn } })
}

test('a read does not make a database, a write does', async () => {
  await assert.rejects(lake.client.sql('nowhere', 'SELECT * FROM notes'), { code: '42P01' })
  await assert.rejects(lake.client.databaseStatus('nowhere'), { code: 'database_not_found', status: 404 })
  const { lsn } = await lake.client.sql('somewhere', 'CREATE TABLE notes (id bigint PRIMARY KEY, body text)')
  assert.ok(lsn !== undefined)
  assert.equal((await lake.client.databaseStatus('somewhere'))['state'], 'live')
  // The lake hears of a database with its first transaction.
  await lake.client.query('SELECT 1', { after: { database: 'somewhere', lsn } })
  assert.deepEqual(await lake.client.listDatabases(), [{ name: 'somewhere', namespace: 'somewhere' }])
})

test('creating a database twice is fine with the same options only', async () => {
  await lake.client.createDatabase('tenant', { namespace: 'shared' })
  await lake.client.createDatabase('tenant', { namespace: 'shared' })
  await assert.rejects(lake.client.createDatabase('tenant', { namespace: 'other' }), { code: 'database_exists', status: 409 })
})

test('a database created again under its name starts anew and loses nothing of the new one', async () => {
  const { client } = lake
  const create = 'CREATE TABLE notes (id bigint PRIMARY KEY, body text)'
  await client.sql('again', create)
  await insert('again', 1n, 'old')
  await insert('again', 2n, 'old')
  await client.deleteDatabase('again')
  await assert.rejects(client.sql('again', 'SELECT * FROM notes'), { code: '42P01' })
  await client.sql('again', create)
  await insert('again', 1n, 'new')
  const { rows } = await client.query('SELECT id, body FROM notes', { namespace: 'again' })
  assert.deepStrictEqual(rows, [{ id: 1n, body: 'new' }])
  // The same once all of it is in files.
  await client.getMetadata('notes', { namespace: 'again' })
  const committed = await client.query('SELECT id, body FROM notes', { namespace: 'again' })
  assert.deepStrictEqual(committed.rows, [{ id: 1n, body: 'new' }])
})

test('the history of a deleted database stays', async () => {
  const sql = "SELECT DISTINCT id, body FROM notes_history WHERE _operation = 'INSERT' ORDER BY id, body"
  const { rows } = await lake.client.query(sql, { namespace: 'again' })
  assert.deepStrictEqual(rows, [
    { id: 1n, body: 'new' },
    { id: 1n, body: 'old' },
    { id: 2n, body: 'old' },
  ])
})
