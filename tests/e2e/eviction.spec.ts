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

test('each object is evicted between commits, and nothing is lost or doubled', { timeout: 120_000 }, async () => {
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
        // A write arrives while the object goes.
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

// Harder than the platform: here what an evicted object was doing goes on for a while next to its successor. A shard is
// not among them: the runtime evicts it only when no request is under way.
test('the lake and its catalog are evicted while they commit, and nothing is lost or doubled', { timeout: 180_000 }, async () => {
  const { client } = lake
  const made = await client.sql('default', 'CREATE TABLE busy (id bigint PRIMARY KEY, n int NOT NULL)')
  let rows = 0
  let lsn = made.lsn!
  let goes = true
  await client.query('SELECT count(*) FROM busy', { after: { database: 'default', lsn } })
  const write = async (): Promise<void> => {
    while (goes) {
      rows += 1
      const statements = [
        { sql: 'INSERT INTO busy VALUES ($1, 0)', params: [rows] },
        { sql: 'UPDATE busy SET n = n + 1 WHERE id > $1', params: [rows - 5] },
      ]
      lsn = (await client.sql('default', statements)).lsn ?? lsn
    }
  }
  const commit = async (): Promise<void> => {
    while (goes) await client.getMetadata('busy')
  }
  const evict = async (): Promise<void> => {
    try {
      for (let round = 0; round < 8; round += 1) {
        for (const object of objects.filter(object => object.script === 'lake')) {
          for (const webSockets of ['hibernate', 'close'] as const) {
            // Until another commit holds, so that the objects are at work and each eviction meets another moment of it.
            const present = await client.getMetadata('busy')
            for (let next = present; next.currentSnapshotId === present.currentSnapshotId; ) next = await client.getMetadata('busy')
            await lake.evict(object, webSockets)
          }
        }
      }
    } finally {
      goes = false
    }
  }
  await Promise.all([write(), commit(), evict()])
  await client.getMetadata('busy')
  const sql = 'SELECT count(*) AS rows, sum(n) AS updates FROM busy'
  const updates = BigInt(Array.from({ length: rows }, (_, index) => Math.min(5, rows - index)).reduce((a, b) => a + b, 0))
  const expected = [{ rows: BigInt(rows), updates }]
  assert.deepStrictEqual((await client.sql('default', sql)).rows, expected, 'shard')
  assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, expected, 'lake')
  const history = 'SELECT _operation AS operation, count(*) AS changes FROM busy_history GROUP BY 1 ORDER BY 1'
  assert.deepStrictEqual((await client.query(history)).rows, [
    { operation: 'INSERT', changes: BigInt(rows) },
    { operation: 'UPDATE', changes: updates },
  ])
})
