import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Evictable, Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

const objects: readonly Evictable[] = [
  { script: 'lake', class: 'DoLake' },
  { script: 'lake', class: 'Catalog' },
  { script: 'dosql', database: 'default' },
]

test('each object is evicted at any moment without a commit, and nothing is lost or doubled', { timeout: 120_000 }, async () => {
  const { client } = lake
  await client.sql('default', 'CREATE TABLE t (id bigint PRIMARY KEY, n int NOT NULL)')
  const seen: unknown[] = []
  const stop = new AbortController()
  const subscriber = (async () => {
    for await (const batch of client.subscribe({ tables: ['t'], operations: ['INSERT'], fromLSN: 0n, signal: stop.signal })) {
      seen.push(...batch.events.map(event => event.after?.['id']))
      if (seen.length >= 60) return
    }
  })()
  let id = 0
  let lsn = 0n
  const write = async (): Promise<void> => {
    id += 1
    const statements = [
      { sql: 'INSERT INTO t VALUES ($1, 0)', params: [id] },
      { sql: 'UPDATE t SET n = n + 1 WHERE id <= $1', params: [id] },
    ]
    lsn = (await client.sql('default', statements)).lsn ?? lsn
  }
  for (let round = 0; round < 2; round += 1) {
    for (const object of objects) {
      for (const webSockets of ['hibernate', 'close'] as const) {
        for (let each = 0; each < 4; each += 1) await write()
        // A write arrives while the object goes; a commit does not, because this way of evicting an object lets what
        // it does go on next to its successor, which the platform never does.
        await Promise.all([lake.evict(object, webSockets), write()])
        await client.getMetadata('t')
      }
    }
  }
  assert.equal(id, 60)
  const expected = Array.from({ length: 60 }, (_, index) => ({ id: BigInt(index + 1), n: 60 - index }))
  const sql = 'SELECT id, n FROM t ORDER BY id'
  assert.deepStrictEqual((await client.sql('default', sql)).rows, expected, 'shard')
  assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, expected, 'lake')
  await client.getMetadata('t')
  assert.deepStrictEqual((await client.query(sql)).rows, expected, 'files')
  const history = 'SELECT _operation AS operation, count(*) AS changes FROM t_history GROUP BY 1 ORDER BY 1'
  assert.deepStrictEqual((await client.query(history)).rows, [
    { operation: 'INSERT', changes: 60n },
    { operation: 'UPDATE', changes: 1830n },
  ])
  await subscriber
  assert.deepEqual(seen, Array.from({ length: 60 }, (_, index) => BigInt(index + 1)))
})
