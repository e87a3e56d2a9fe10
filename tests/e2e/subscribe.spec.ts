import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type CDCBatch, type CDCEvent, LakeError } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
  await lake.client.sql('default', [
    'CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(12,2))',
    'CREATE TABLE customers (id bigint PRIMARY KEY, name text)',
  ])
})
after(() => lake.stop())

/** Where the lake is, once it has everything that was written. */
async function positionAfter(lsn: bigint | undefined): Promise<bigint> {
  assert.ok(lsn !== undefined)
  const { position } = await lake.client.query('SELECT 1', { after: { database: 'default', lsn } })
  assert.ok(position !== undefined)
  return position
}

/** Takes events until there are `count`. */
async function take(batches: AsyncIterator<CDCBatch>, count: number): Promise<CDCEvent[]> {
  const events: CDCEvent[] = []
  while (events.length < count) {
    const { value, done } = await batches.next()
    assert.ok(done !== true, 'the subscription ended')
    events.push(...value.events)
  }
  return events
}

async function insertOrders(from: number, to: number): Promise<bigint | undefined> {
  const ids = Array.from({ length: to - from + 1 }, (_, index) => BigInt(from + index))
  const { lsn } = await lake.client.sql(
    'default',
    ids.map(id => ({ sql: 'INSERT INTO orders VALUES ($1, $2)', params: [id, '1.50'] })),
  )
  return lsn
}

const idsOf = (events: readonly CDCEvent[]): unknown[] => events.map(event => (event.after ?? event.before)?.['id'])

test('inserts, updates and deletes come with their rows, typed', async () => {
  const start = await positionAfter(await insertOrders(1, 1))
  const changes = await lake.client.sql('default', [
    'INSERT INTO orders VALUES (9007199254740993, 2)',
    'UPDATE orders SET amount = 3 WHERE id = 9007199254740993',
    'DELETE FROM orders WHERE id = 9007199254740993',
  ])
  const batches = lake.client.subscribe({ tables: ['orders'], fromLSN: start })
  const events = await take(batches, 3)
  await batches.return?.()
  const id = 9007199254740993n
  assert.deepStrictEqual(
    events.map(({ operation, before, after }) => ({ operation, before, after })),
    [
      { operation: 'INSERT', before: undefined, after: { id, amount: '2.00' } },
      { operation: 'UPDATE', before: { id, amount: '2.00' }, after: { id, amount: '3.00' } },
      { operation: 'DELETE', before: { id, amount: '3.00' }, after: undefined },
    ],
  )
  for (const event of events) {
    assert.equal(event.lsn, changes.lsn)
    assert.equal(event.committedAt, changes.committedAt)
    assert.equal(event.database, 'default')
    assert.deepStrictEqual(event.primaryKey, { id })
  }
  assert.equal(new Set(events.map(event => event.transactionId)).size, 1)
})

test('only the tables and operations that were asked for come', async () => {
  const start = await positionAfter(await insertOrders(10, 10))
  const batches = lake.client.subscribe({ tables: ['customers'], operations: ['UPDATE'], fromLSN: start })
  await insertOrders(11, 12)
  await lake.client.sql('default', "INSERT INTO customers VALUES (1, 'Ada')")
  await lake.client.sql('default', "UPDATE customers SET name = 'Ada L.' WHERE id = 1")
  const [event] = await take(batches, 1)
  await batches.return?.()
  assert.equal(event?.operation, 'UPDATE')
  assert.equal(event.after['name'], 'Ada L.')
})

test('a change behind many that were not asked for comes too', async () => {
  const start = await positionAfter(await insertOrders(100, 100))
  for (let id = 101; id <= 150; id += 1) await insertOrders(id, id)
  await lake.client.sql('default', "INSERT INTO customers VALUES (2, 'Grace')")
  const batches = lake.client.subscribe({ tables: ['customers'], fromLSN: start })
  assert.deepEqual(idsOf(await take(batches, 1)), [2n])
  await batches.return?.()
})

test('without a position the stream begins now', async () => {
  const batches = lake.client.subscribe({ tables: ['orders'] })
  const connected = new Promise<void>(resolve => lake.client.once('connected', () => resolve()))
  const first = batches.next()
  await connected
  await insertOrders(20, 20)
  assert.deepEqual(idsOf((await first).value.events), [20n])
  await batches.return?.()
})

test('a subscriber goes on without gap or repeat while the lake is evicted again and again', async () => {
  for (const webSockets of ['hibernate', 'close'] as const) {
    const base = webSockets === 'hibernate' ? 1_000 : 2_000
    const start = await positionAfter(await insertOrders(base, base))
    const batches = lake.client.subscribe({ tables: ['orders'], fromLSN: start, batchSize: 7 })
    const seen: unknown[] = []
    for (let round = 0; round < 4; round += 1) {
      await insertOrders(base + 1 + round * 10, base + 10 + round * 10)
      seen.push(...idsOf(await take(batches, (round + 1) * 10 - seen.length)))
      await lake.evict({ script: 'lake', class: 'DoLake' }, webSockets)
    }
    await batches.return?.()
    assert.deepEqual(seen, Array.from({ length: 40 }, (_, index) => BigInt(base + 1 + index)), webSockets)
  }
})

test('changes go on to the lake after the shard was evicted', async () => {
  const start = await positionAfter(await insertOrders(3_000, 3_000))
  const batches = lake.client.subscribe({ tables: ['orders'], fromLSN: start })
  const first = take(batches, 1)
  await lake.evict({ script: 'dosql', database: 'default' })
  await insertOrders(3_001, 3_001)
  assert.deepEqual(idsOf(await first), [3_001n])
  await batches.return?.()
})

test('a slow consumer gets everything, at its own pace', async () => {
  const start = await positionAfter(await insertOrders(4_000, 4_000))
  for (let round = 0; round < 10; round += 1) await insertOrders(4_001 + round * 20, 4_020 + round * 20)
  const batches = lake.client.subscribe({ tables: ['orders'], fromLSN: start, batchSize: 5 })
  const ids = idsOf(await take(batches, 200))
  await batches.return?.()
  assert.deepEqual(ids, Array.from({ length: 200 }, (_, index) => BigInt(4_001 + index)))
})

test('a kept position goes on after that batch', async () => {
  const start = await positionAfter(await insertOrders(5_000, 5_000))
  await insertOrders(5_001, 5_001)
  await insertOrders(5_002, 5_002)
  const first = lake.client.subscribe({ tables: ['orders'], fromLSN: start })
  const { value } = await first.next()
  await first.return?.()
  const second = lake.client.subscribe({ tables: ['orders'], fromLSN: value.position })
  const [event] = await take(second, 1)
  await second.return?.()
  const last = BigInt(5_001 + value.events.length)
  assert.deepEqual(idsOf(event === undefined ? [] : [event]), [last])
})

test('a position in the middle of a transaction goes on in the middle', async () => {
  const start = await positionAfter(await insertOrders(6_000, 6_000))
  await insertOrders(6_001, 6_020)
  const first = lake.client.subscribe({ tables: ['orders'], fromLSN: start, batchSize: 7 })
  const { value } = await first.next()
  await first.return?.()
  assert.equal(value.events.length, 7)
  const second = lake.client.subscribe({ tables: ['orders'], fromLSN: value.position })
  const ids = idsOf(await take(second, 13))
  await second.return?.()
  assert.deepEqual(ids, Array.from({ length: 13 }, (_, index) => BigInt(6_008 + index)))
})

test('a position that the lake never gave out is refused', async () => {
  const batches = lake.client.subscribe({ fromLSN: 1n << 62n })
  await assert.rejects(batches.next(), { code: 'position_unknown' })
})

test('a token of another table may not subscribe', async () => {
  const client = lake.clientWith({ token: lake.token(['table:default.customers:read']) })
  await assert.rejects(client.subscribe({ tables: ['orders'] }).next(), { code: 'forbidden' })
})

test('a wrong token is refused', async () => {
  const client = lake.clientWith({ token: 'a.b.c' })
  await assert.rejects(client.subscribe({ tables: ['orders'] }).next(), { code: 'unauthorized', status: 401 })
})

test('a message over its bound is refused by its name', async () => {
  const batches = lake.client.subscribe({ tables: ['x'.repeat(70_000)] })
  await assert.rejects(batches.next(), { code: 'body_too_large', message: /at most 65536 bytes/, retryable: false })
})

test('as many tables as there may be, with the longest names and a token that names them, are a subscription', async () => {
  const tables = ['orders', ...Array.from({ length: 49 }, (_, index) => `t${index}_`.padEnd(63, 'n'))]
  const token = lake.token(tables.map(table => `table:default.${table}:read`))
  const client = lake.clientWith({ token })
  const start = await positionAfter(await insertOrders(7_000, 7_000))
  const batches = client.subscribe({ tables, operations: ['INSERT', 'INSERT'], fromLSN: start, batchSize: 1 })
  await insertOrders(7_001, 7_012)
  // More batches than are sent ahead, so it has acknowledged some.
  assert.deepEqual(idsOf(await take(batches, 12)), Array.from({ length: 12 }, (_, index) => BigInt(7_001 + index)))
  await batches.return?.()
  await client.close()
  const more = lake.client.subscribe({ tables: [...tables, 'customers'] })
  await assert.rejects(more.next(), { code: 'invalid', message: /between 1 and 50 tables/ })
})

test('a subscription ends with its token', { timeout: 60_000 }, async () => {
  // Tokens are taken for a minute after their end; this one has four seconds of that left.
  const token = lake.token(['lake:read'], { exp: Math.floor(Date.now() / 1000) - 56 })
  const client = lake.clientWith({ token })
  const writer = new AbortController()
  const write = async (): Promise<void> => {
    for (let id = 500_000; !writer.signal.aborted; id += 1) await insertOrders(id, id)
  }
  const read = async (): Promise<number> => {
    let seen = 0
    try {
      for await (const batch of client.subscribe({ tables: ['orders'] })) seen += batch.events.length
    } catch (error) {
      assert.ok(error instanceof LakeError && error.code === 'unauthorized', String(error))
    } finally {
      writer.abort()
    }
    return seen
  }
  const [seen] = await Promise.all([read(), write()])
  assert.ok(seen > 0, 'it was good at first')
  await client.close()
})
