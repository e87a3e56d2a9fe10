/** The contract of the lake's socket for producers, by a producer that resends, overlaps, skips and lies. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'
import { changes, type Hello, inserts, Producer, type Reply } from './producer.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

/** Positions of a database as the lake gives them to who asks. */
async function introduced(hello: Hello): Promise<Producer> {
  const producer = await Producer.connect(lake)
  const reply = await producer.hello(hello)
  assert.equal(reply.kind, 'hello', JSON.stringify(reply, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
  return producer
}

/** What a subscriber sees of the table, from its first change to `count` of them. */
async function seen(namespace: string, count: number): Promise<unknown[]> {
  const ids: unknown[] = []
  const batches = lake.client.subscribe({ namespace, tables: ['things'], fromLSN: 0n })
  for await (const batch of batches) {
    ids.push(...batch.events.map(event => event.after?.['id']))
    if (ids.length >= count) break
  }
  return ids
}

function refused(reply: Reply, reason: string): void {
  assert.equal(reply.kind, 'refused')
  assert.equal(reply.kind === 'refused' ? reply.reason : '', reason)
}

test('a transaction is accepted once it is stored, and seen by a subscriber', async () => {
  const producer = await introduced({ database: 'plain', timeline: 1, committed: 2 })
  assert.deepEqual(await producer.changes(inserts(1, 10)), { kind: 'accepted', lsn: 1n })
  assert.deepEqual(await producer.changes(inserts(2, 11, 12)), { kind: 'accepted', lsn: 2n })
  producer.close()
  assert.deepEqual(await seen('plain', 3), [10n, 11n, 12n])
})

test('a batch that is sent again is acknowledged again and counts once', async () => {
  const producer = await introduced({ database: 'resent', timeline: 1, committed: 3 })
  for (let time = 0; time < 3; time += 1) {
    assert.deepEqual(await producer.changes(inserts(1, 1), inserts(2, 2)), { kind: 'accepted', lsn: 2n })
  }
  assert.deepEqual(await producer.changes(inserts(3, 3)), { kind: 'accepted', lsn: 3n })
  producer.close()
  assert.deepEqual(await seen('resent', 3), [1n, 2n, 3n])
})

test('of a batch that overlaps only the new tail counts', async () => {
  const producer = await introduced({ database: 'overlap', timeline: 1, committed: 4 })
  assert.deepEqual(await producer.changes(inserts(1, 1), inserts(2, 2)), { kind: 'accepted', lsn: 2n })
  assert.deepEqual(await producer.changes(inserts(2, 2), inserts(3, 3), inserts(4, 4)), { kind: 'accepted', lsn: 4n })
  producer.close()
  assert.deepEqual(await seen('overlap', 4), [1n, 2n, 3n, 4n])
})

test('a hole is answered with the position to resend from', async () => {
  const producer = await introduced({ database: 'gap', timeline: 1, committed: 5 })
  assert.deepEqual(await producer.changes(inserts(1, 1)), { kind: 'accepted', lsn: 1n })
  assert.deepEqual(await producer.changes(inserts(3, 3)), { kind: 'gap', expected: 2n })
  assert.deepEqual(await producer.changes(inserts(2, 2), inserts(3, 3)), { kind: 'accepted', lsn: 3n })
  producer.close()
  assert.deepEqual(await seen('gap', 3), [1n, 2n, 3n])
})

test('a transaction in parts counts with its last part, and starts over on a new connection', async () => {
  const { record } = inserts(1, 1, 2, 3)
  const half = Math.floor(record.length / 2)
  const first = changes({ lsn: 1, part: 0, last: false, record: record.slice(0, half) })
  const second = changes({ lsn: 1, part: 1, last: true, record: record.slice(half) })
  const lost = await introduced({ database: 'parts', timeline: 1, committed: 1 })
  lost.send(first)
  lost.close()
  const producer = await Producer.connect(lake)
  assert.deepEqual(await producer.hello({ database: 'parts', timeline: 1, committed: 1 }), { kind: 'hello', accepted: 0n, durable: 0n })
  producer.send(first)
  producer.send(second)
  assert.deepEqual(await producer.reply(), { kind: 'accepted', lsn: 1n })
  producer.close()
  assert.deepEqual(await seen('parts', 3), [1n, 2n, 3n])
})

test('the lake knows what it has after an eviction, and the socket goes on', async () => {
  const producer = await introduced({ database: 'evicted', timeline: 1, committed: 2 })
  assert.deepEqual(await producer.changes(inserts(1, 1)), { kind: 'accepted', lsn: 1n })
  await lake.evict({ script: 'lake', class: 'DoLake' })
  assert.deepEqual(await producer.changes(inserts(1, 1), inserts(2, 2)), { kind: 'accepted', lsn: 2n })
  producer.close()
  const again = await Producer.connect(lake)
  const reply = await again.hello({ database: 'evicted', timeline: 1, committed: 2 })
  assert.equal(reply.kind === 'hello' && reply.accepted, 2n)
  again.close()
  assert.deepEqual(await seen('evicted', 2), [1n, 2n])
})

test('another timeline under a known name is refused until the old one has ended', async () => {
  const old = await introduced({ database: 'again', timeline: 1, committed: 1 })
  assert.deepEqual(await old.changes(inserts(1, 1)), { kind: 'accepted', lsn: 1n })
  const early = await Producer.connect(lake)
  refused(await early.hello({ database: 'again', timeline: 2, committed: 1 }), 'timelineConflict')
  assert.deepEqual(await old.end(1), { kind: 'ended' })
  const late = await introduced({ database: 'again', timeline: 2, committed: 1 })
  assert.deepEqual(await late.changes(inserts(1, 7)), { kind: 'accepted', lsn: 1n })
  late.close()
  const dead = await Producer.connect(lake)
  refused(await dead.hello({ database: 'again', timeline: 1, committed: 1 }), 'ended')
})

test('a shard that is behind what the lake holds is refused, not taken for a duplicate', async () => {
  const producer = await introduced({ database: 'behind', timeline: 1, committed: 2 })
  assert.deepEqual(await producer.changes(inserts(1, 1), inserts(2, 2)), { kind: 'accepted', lsn: 2n })
  producer.close()
  const restored = await Producer.connect(lake)
  refused(await restored.hello({ database: 'behind', timeline: 1, committed: 1 }), 'shardBehind')
})

test('a database that changes its namespace is refused', async () => {
  const producer = await introduced({ database: 'moved', timeline: 1, committed: 0, namespace: 'one' })
  producer.close()
  const moved = await Producer.connect(lake)
  refused(await moved.hello({ database: 'moved', timeline: 1, committed: 0, namespace: 'two' }), 'namespaceConflict')
})

test('a protocol version of tomorrow is refused by name', async () => {
  const producer = await Producer.connect(lake)
  refused(await producer.hello({ database: 'tomorrow', timeline: 1, committed: 0, version: 9 }), 'version')
})

for (const [name, bytes] of [
  ['an unknown message', [200]],
  ['nothing', []],
  ['a message cut short', [3, 1, 1]],
  ['a message that only the lake sends', [9]],
  ['changes before the greeting', changes({ lsn: 1, part: 0, last: true, record: inserts(1, 1).record })],
] as const) {
  test(`${name} is refused and the connection ends`, async () => {
    const producer = await Producer.connect(lake)
    producer.send(bytes)
    refused(await producer.reply(), 'malformed')
    assert.equal((await producer.reply()).kind, 'closed')
  })
}

test('a record that cannot be read is refused and stores nothing', async () => {
  const producer = await introduced({ database: 'damaged', timeline: 1, committed: 1 })
  const { record } = inserts(1, 1)
  producer.send(changes({ lsn: 1, part: 0, last: true, record: record.slice(0, -3) }))
  refused(await producer.reply(), 'malformed')
  const again = await Producer.connect(lake)
  const reply = await again.hello({ database: 'damaged', timeline: 1, committed: 1 })
  assert.equal(reply.kind === 'hello' && reply.accepted, 0n)
  again.close()
})

test('a part over its bound is refused', async () => {
  const producer = await introduced({ database: 'large', timeline: 1, committed: 1 })
  producer.send(changes({ lsn: 1, part: 0, last: true, record: new Array<number>((1 << 20) + 1).fill(0) }))
  refused(await producer.reply(), 'malformed')
})

test('a token without the scope may not send', async () => {
  const token = lake.token(['lake:write'])
  const socket = new WebSocket(`${lake.url.replace('http', 'ws')}/v1/changes`, ['lake.v1', `bearer.${token}`])
  const [event] = await Promise.race([once(socket, 'error'), once(socket, 'open')])
  assert.equal(event.type, 'error')
  const answer = await lake.fetch('/v1/changes', { token })
  assert.equal(answer.status, 403)
})
