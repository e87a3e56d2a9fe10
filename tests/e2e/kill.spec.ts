import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConnectionError } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

const BATCHES = 60
const ROWS = 100
const KILL_AFTER = [12, 27, 45]

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

/** Sends until there is an answer: what was acknowledged counts, what was not is sent again under its key. */
async function load(batch: number, isRunning: () => Promise<void>): Promise<bigint> {
  for (;;) {
    try {
      const ids = Array.from({ length: ROWS }, (_, row) => batch * ROWS + row)
      const values = ids.map(id => `(${id}, ${id % 7}, 'row ${id}')`).join(', ')
      const sql = `INSERT INTO flights VALUES ${values}`
      const { lsn } = await lake.client.sql('default', sql, { idempotencyKey: `batch-${batch}` })
      assert.ok(lsn !== undefined)
      return lsn
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      await isRunning()
    }
  }
}

test('three kills of the whole runtime during a load lose nothing and count nothing twice', { timeout: 240_000 }, async () => {
  await lake.client.sql('default', 'CREATE TABLE flights (id bigint PRIMARY KEY, bucket int NOT NULL, note text)')
  // A subscriber from the very beginning, which has to live through all of it.
  const seen: bigint[] = []
  const stop = new AbortController()
  const subscriber = (async () => {
    for await (const batch of lake.client.subscribe({ tables: ['flights'], fromLSN: 0n, maxReconnects: 1_000, signal: stop.signal })) {
      for (const event of batch.events) if (typeof event.after?.['id'] === 'bigint') seen.push(event.after['id'])
      if (seen.length >= BATCHES * ROWS) return
    }
  })()

  let restarting: Promise<void> = Promise.resolve()
  let kills = 0
  let lsn = 0n
  // Two requests at a time, so that a kill finds one in flight.
  const batches = Array.from({ length: BATCHES }, (_, batch) => batch)
  const worker = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      if (KILL_AFTER.includes(batch)) {
        restarting = lake.killAndRestart()
        kills += 1
      }
      const committed = await load(batch, () => restarting)
      if (committed > lsn) lsn = committed
    }
  }
  await Promise.all([worker(), worker()])
  await restarting
  assert.equal(kills, 3)

  const total = BATCHES * ROWS
  const sum = BigInt((total * (total - 1)) / 2)
  const check = 'SELECT count(*) AS rows, count(DISTINCT id) AS ids, sum(id)::bigint AS sum'
  const expected = [{ rows: BigInt(total), ids: BigInt(total), sum }]
  assert.deepStrictEqual((await lake.client.sql('default', `${check} FROM flights`)).rows, expected, 'shard')
  const options = { after: { database: 'default', lsn } }
  assert.deepStrictEqual((await lake.client.query(`${check} FROM flights`, options)).rows, expected, 'lake')
  await lake.client.getMetadata('flights')
  assert.deepStrictEqual((await lake.client.query(`${check} FROM flights`)).rows, expected, 'files')
  assert.deepStrictEqual((await lake.client.query(`${check} FROM flights_history`)).rows, expected, 'history')

  await subscriber
  assert.equal(seen.length, total)
  assert.equal(new Set(seen).size, total, 'the subscriber saw each row once')
})
