import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
  await lake.client.sql('default', 'CREATE TABLE t (id bigint PRIMARY KEY, n int)')
})
after(() => lake.stop())

async function countOfRows(): Promise<unknown> {
  return (await lake.client.sql('default', 'SELECT count(*) FROM t')).rows[0]?.['count']
}

test('a statement sent twice under one key counts once and gets the same answer', async () => {
  const send = () => lake.client.sql('default', 'INSERT INTO t VALUES (1, 1)', { idempotencyKey: 'first' })
  const [one, two] = [await send(), await send()]
  assert.equal(one.lsn, two.lsn)
  assert.equal(one.committedAt, two.committedAt)
  assert.equal(two.rowCount, 1)
  assert.equal(await countOfRows(), 1n)
})

test('a lost answer is made good by the client without a second effect', async () => {
  let lost = 0
  const client = lake.clientWith({
    fetch: async (url, init) => {
      const answer = await fetch(url, init)
      if (lost > 0) return answer
      lost += 1
      await answer.text()
      throw new TypeError('the answer was lost')
    },
  })
  await client.sql('default', 'INSERT INTO t SELECT max(id) + 1, 2 FROM t')
  assert.equal(lost, 1)
  assert.equal(await countOfRows(), 2n)
})

test('a key is remembered over an eviction', async () => {
  const send = () => lake.client.sql('default', 'UPDATE t SET n = n + 10 WHERE id = 1 RETURNING n', { idempotencyKey: 'evicted' })
  const one = await send()
  await lake.evict({ script: 'dosql', database: 'default' })
  const two = await send()
  assert.equal(one.lsn, two.lsn)
  assert.deepStrictEqual((await lake.client.sql('default', 'SELECT n FROM t WHERE id = 1')).rows, [{ n: 11 }])
})

test('a key that was used for another statement is refused', async () => {
  await lake.client.sql('default', 'INSERT INTO t VALUES (100, 0)', { idempotencyKey: 'taken' })
  await assert.rejects(lake.client.sql('default', 'INSERT INTO t VALUES (101, 0)', { idempotencyKey: 'taken' }), {
    code: 'idempotency_key_reused',
    status: 422,
  })
  assert.deepStrictEqual((await lake.client.sql('default', 'SELECT id FROM t WHERE id >= 100')).rows, [{ id: 100n }])
})
