import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConnectionError, LakeError } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

const BATCHES = 60
const ROWS = 100
const KILL_AFTER = [12, 27, 45]

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

/**
 * Inserts a batch, then changes one row in ten of it and deletes one in fifty, together.
 *
 * Sends until there is an answer: what was acknowledged counts, what was not is sent again under its key.
 */
async function load(batch: number, isRunning: () => Promise<void>): Promise<bigint> {
  const ids = Array.from({ length: ROWS }, (_, row) => batch * ROWS + row)
  const range = `id BETWEEN ${batch * ROWS} AND ${batch * ROWS + ROWS - 1}`
  const statements = [
    `INSERT INTO flights VALUES ${ids.map(id => `(${id}, ${id % 7}, 'row ${id}')`).join(', ')}`,
    `UPDATE flights SET bucket = bucket + 100 WHERE ${range} AND id % 10 = 3`,
    `DELETE FROM flights WHERE ${range} AND id % 50 = 7`,
  ]
  for (;;) {
    try {
      const { lsn } = await lake.client.sql('default', statements, { idempotencyKey: `batch-${batch}` })
      assert.ok(lsn !== undefined)
      return lsn
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await isRunning()
    }
  }
}

test('three kills of the whole runtime during a load lose nothing and count nothing twice', { timeout: 240_000 }, async () => {
  const { client } = lake
  await client.sql('default', 'CREATE TABLE flights (id bigint PRIMARY KEY, bucket int NOT NULL, note text)')
  // A subscriber from the very beginning, which has to live through all of it.
  const seen: unknown[] = []
  const subscriber = (async () => {
    const changes = client.subscribe({ tables: ['flights'], operations: ['INSERT'], fromLSN: 0n, maxReconnects: 1_000 })
    for await (const batch of changes) {
      seen.push(...batch.events.map(event => event.after?.['id']))
      if (seen.length >= BATCHES * ROWS) return
    }
  })()

  let restarting: Promise<void> = Promise.resolve()
  let loading = true
  // A reader whose loads of the table make the lake commit, so that a kill finds commits at every stage.
  const reader = (async () => {
    while (loading) {
      try {
        await client.getMetadata('flights')
      } catch (error) {
        if (!(error instanceof LakeError)) throw error
        await restarting
      }
    }
  })()
  let kills = 0
  let last = 0n
  const batches = Array.from({ length: BATCHES }, (_, batch) => batch)
  // Two at a time, so that a kill finds a request in flight.
  const loader = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      if (KILL_AFTER.includes(batch)) {
        restarting = lake.killAndRestart()
        kills += 1
      }
      const lsn = await load(batch, () => restarting)
      if (lsn > last) last = lsn
    }
  }
  await Promise.all([loader(), loader()])
  loading = false
  await Promise.all([restarting, reader])
  assert.equal(kills, 3)

  const sums = 'SELECT count(*) AS rows, count(DISTINCT id) AS ids, sum(id)::bigint AS sum, sum(bucket)::bigint AS buckets'
  const expected = (await client.sql('default', `${sums} FROM flights`)).rows
  assert.equal(expected[0]?.['rows'], BigInt(BATCHES * ROWS * 0.98), 'shard')
  const options = { after: { database: 'default', lsn: last } }
  assert.deepStrictEqual((await client.query(`${sums} FROM flights`, options)).rows, expected, 'lake')
  await client.getMetadata('flights')
  assert.deepStrictEqual((await client.query(`${sums} FROM flights`)).rows, expected, 'files')
  const history = `
    SELECT _operation AS operation, count(*) AS changes, count(DISTINCT id) AS ids
    FROM flights_history GROUP BY 1 ORDER BY 1`
  assert.deepStrictEqual((await client.query(history)).rows, [
    { operation: 'DELETE', changes: 120n, ids: 120n },
    { operation: 'INSERT', changes: 6_000n, ids: 6_000n },
    { operation: 'UPDATE', changes: 600n, ids: 600n },
  ])
  await subscriber
  assert.equal(seen.length, BATCHES * ROWS)
  assert.equal(new Set(seen).size, BATCHES * ROWS, 'the subscriber saw each row once')
})
