import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LakeError } from '../src/error.ts'
import { clientOf, surroundings } from './surroundings.ts'
import { type Peer, serve } from './server.ts'

const relation = {
  type: 'relation',
  namespace: 'default',
  table: 'orders',
  columns: [
    { name: 'id', type: 'int8' },
    { name: 'amount', type: 'numeric' },
  ],
  key: ['id'],
}

function batch(position: number, operation = 'INSERT', images: object = { after: { id: String(position), amount: '1.50' } }): object {
  return {
    type: 'batch',
    events: [
      {
        position: String(position),
        namespace: 'default',
        table: 'orders',
        operation,
        timestamp: '2026-01-14T00:00:00.000001Z',
        shard: 'shop',
        lsn: '7',
        transactionId: '0001',
        ...images,
      },
    ],
    position: String(position),
    sequenceNumber: 1,
    timestamp: '2026-01-14T00:00:00.000002Z',
    source: 'shop',
  }
}

/** Takes the client's first message and confirms the start. */
async function confirm(peer: Peer, position: number): Promise<unknown> {
  const first = await peer.receive()
  peer.send({ type: 'subscribed', position: String(position) })
  peer.send(relation)
  return first
}

test('a subscription asks for what it was told and gives events with their types', async () => {
  await using server = await serve()
  const lake = clientOf(server.url)
  const batches = lake.subscribe({ tables: ['orders'], operations: ['UPDATE'], fromLSN: 41n, batchSize: 10 })
  const first = batches.next()
  const peer = await server.accept()
  assert.equal(peer.protocols, 'lake.v1, bearer.a.b-c')
  assert.deepEqual(await confirm(peer, 41), {
    type: 'subscribe',
    tables: ['orders'],
    operations: ['UPDATE'],
    fromPosition: '41',
    batchSize: 10,
  })
  peer.send(batch(42, 'UPDATE', { before: { id: '1', amount: '1.50' }, after: { id: '1', amount: '2.50' } }))
  const { value } = await first
  assert.deepStrictEqual(value, {
    events: [
      {
        position: 42n,
        lsn: 7n,
        transactionId: '0001',
        database: 'shop',
        namespace: 'default',
        table: 'orders',
        timestamp: new Date('2026-01-14T00:00:00.000Z'),
        committedAt: '2026-01-14T00:00:00.000001Z',
        primaryKey: { id: 1n },
        operation: 'UPDATE',
        before: { id: 1n, amount: '1.50' },
        after: { id: 1n, amount: '2.50' },
      },
    ],
    position: 42n,
    sequenceNumber: 1,
    timestamp: new Date('2026-01-14T00:00:00.000Z'),
    sourceDoId: 'shop',
  })
  assert.equal(JSON.parse(JSON.stringify(value)).events[0].after.id, '1')
  await batches.return?.()
  await peer.closed
})

test('a batch is acknowledged when the loop asks for the one after it', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const peer = await server.accept()
  assert.deepEqual(await confirm(peer, 1), { type: 'subscribe' })
  peer.send(batch(2))
  peer.send(batch(3))
  assert.equal((await first).value.position, 2n)
  assert.equal(peer.waiting, 0)
  assert.equal((await batches.next()).value.position, 3n)
  assert.deepEqual(await peer.receive(), { type: 'ack', position: '2' })
  await batches.return?.()
})

test('a lost connection is made again after what the loop was given', async () => {
  await using server = await serve()
  const lake = clientOf(server.url)
  const told: string[] = []
  for (const event of ['connected', 'disconnected', 'reconnecting', 'reconnected'] as const) {
    lake.on(event, () => told.push(event))
  }
  const batches = lake.subscribe({ fromLSN: 1n })
  const first = batches.next()
  const one = await server.accept()
  await confirm(one, 1)
  one.send(batch(2))
  one.send(batch(3))
  assert.equal((await first).value.position, 2n)
  one.cut()
  const two = await server.accept()
  assert.deepEqual(await confirm(two, 2), { type: 'subscribe', fromPosition: '2' })
  two.send(batch(3))
  const second = await batches.next()
  assert.equal(second.value.position, 3n)
  assert.equal(second.value.sequenceNumber, 2)
  assert.deepEqual(told, ['connected', 'disconnected', 'reconnecting', 'reconnected'])
  assert.equal(two.waiting, 0, 'the new connection is told nothing of a batch that it did not send')
  await batches.return?.()
})

test('progress moves the start of the next connection', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const one = await server.accept()
  await confirm(one, 1)
  one.send({ type: 'progress', position: '90' })
  one.send(batch(91))
  assert.equal((await first).value.position, 91n)
  one.send({ type: 'progress', position: '99' })
  one.send({ type: 'error', code: 'unavailable', message: 'moving', retryable: true })
  const two = await server.accept()
  assert.deepEqual(await confirm(two, 99), { type: 'subscribe', fromPosition: '99' })
  await batches.return?.()
})

test('progress is acknowledged when nothing else is on its way, so that the server reads on', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const peer = await server.accept()
  await confirm(peer, 1)
  peer.send({ type: 'progress', position: '90' })
  assert.deepEqual(await peer.receive(), { type: 'ack', position: '90' })
  peer.send(batch(91))
  await first
  peer.send({ type: 'progress', position: '95' })
  peer.send(batch(96))
  assert.equal((await batches.next()).value.position, 96n)
  assert.deepEqual(await peer.receive(), { type: 'ack', position: '91' }, 'the batch in hand was not acknowledged early')
  await batches.return?.()
})

test('progress of a new connection is acknowledged though the loop still has a batch of the old one', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const one = await server.accept()
  await confirm(one, 1)
  one.send(batch(2))
  await first
  one.cut()
  const two = await server.accept()
  await confirm(two, 2)
  two.send({ type: 'progress', position: '90' })
  assert.deepEqual(await two.receive(), { type: 'ack', position: '90' })
  await batches.return?.()
})

test('an expired position is an error of the loop, with the earliest one', async () => {
  await using server = await serve()
  const lake = clientOf(server.url)
  const errors: LakeError[] = []
  lake.on('error', error => errors.push(error))
  const first = lake.subscribe({ fromLSN: 1n }).next()
  const peer = await server.accept()
  await peer.receive()
  peer.send({ type: 'error', code: 'position_expired', message: 'too old', earliest: '40', retryable: false })
  await assert.rejects(first, { name: 'LakeError', code: 'position_expired', earliest: 40n })
  assert.equal(errors.length, 1)
  await peer.closed
})

test('a refused token is an error of the loop, not a reason to try again', async () => {
  const error = { code: 'unauthorized', message: 'no', retryable: false, noSideEffects: true }
  await using server = await serve({ status: 401, body: { error } })
  server.refuseSockets()
  await assert.rejects(clientOf(server.url).subscribe().next(), { code: 'unauthorized', status: 401 })
})

test('a token that a WebSocket cannot carry is refused before anything is sent', async () => {
  await using server = await serve()
  await assert.rejects(clientOf(server.url, { token: 'a b' }).subscribe().next(), { code: 'invalid', noSideEffects: true })
})

test('a server that never confirms is given up after the failures allowed', async () => {
  await using server = await serve()
  const first = clientOf(server.url).subscribe({ maxReconnects: 1 }).next()
  for (let dial = 0; dial < 2; dial += 1) {
    const peer = await server.accept()
    await peer.receive()
    peer.cut()
  }
  await assert.rejects(first, { name: 'ConnectionError', retryable: true })
})

test("the columns of an event are in the table's order, whatever the order on the wire", async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const peer = await server.accept()
  await confirm(peer, 1)
  peer.send(batch(2, 'INSERT', { after: { amount: '1.50', id: '2' } }))
  assert.deepEqual(Object.keys((await first).value.events[0].after), ['id', 'amount'])
  await batches.return?.()
})

test('tables of one name in two namespaces keep their own columns', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const peer = await server.accept()
  await confirm(peer, 1)
  peer.send({ ...relation, namespace: 'other', columns: [{ name: 'id', type: 'text' }] })
  peer.send(batch(2))
  assert.equal((await first).value.events[0].after.id, 2n)
  await batches.return?.()
})

test('a server that says nothing is given up after the time limit', async () => {
  await using server = await serve()
  const lake = clientOf(server.url, { timeout: 20 }, surroundings(20))
  const first = lake.subscribe({ maxReconnects: 0 }).next()
  await (await server.accept()).receive()
  await assert.rejects(first, { name: 'TimeoutError', code: 'timeout' })
})

test('break closes the connection', async () => {
  await using server = await serve()
  const loop = (async () => {
    for await (const each of clientOf(server.url).subscribe()) return each.position
    return undefined
  })()
  const peer = await server.accept()
  await confirm(peer, 1)
  peer.send(batch(2))
  assert.equal(await loop, 2n)
  await peer.closed
})

test('an aborted signal ends a loop that waits, with its reason', async () => {
  await using server = await serve()
  const stop = new AbortController()
  const first = clientOf(server.url).subscribe({ signal: stop.signal }).next()
  const peer = await server.accept()
  await confirm(peer, 1)
  stop.abort(new Error('enough'))
  await assert.rejects(first, { message: 'enough' })
  await peer.closed
})

test('closing the client ends a loop that waits', async () => {
  await using server = await serve()
  const lake = clientOf(server.url)
  const first = lake.subscribe().next()
  const peer = await server.accept()
  await confirm(peer, 1)
  await lake.close()
  assert.deepEqual(await first, { done: true, value: undefined })
})

test('return ends a loop that waits', async () => {
  await using server = await serve()
  const batches = clientOf(server.url).subscribe()
  const first = batches.next()
  const peer = await server.accept()
  await confirm(peer, 1)
  await batches.return?.()
  assert.deepEqual(await first, { done: true, value: undefined })
  await peer.closed
})

test('subscriptions of one client do not disturb each other', async () => {
  await using server = await serve()
  const lake = clientOf(server.url)
  const [a, b] = [lake.subscribe({ tables: ['a'] }), lake.subscribe({ tables: ['b'] })]
  const firsts = [a.next(), b.next()]
  for (const position of [2, 3]) {
    const peer = await server.accept()
    await confirm(peer, 1)
    peer.send(batch(position))
  }
  assert.equal((await Promise.all(firsts)).length, 2)
  await a.return?.()
  await b.return?.()
})

describe('a message that breaks the contract ends the loop', () => {
  function check(name: string, message: string): void {
    test(name, async () => {
      await using server = await serve()
      const first = clientOf(server.url).subscribe().next()
      const peer = await server.accept()
      await confirm(peer, 1)
      peer.sendText(message)
      await assert.rejects(first, { name: 'LakeError', code: 'unexpected_answer' })
    })
  }
  check('no JSON', 'hello')
  check('no object', '[]')
  check('no known type', '{"type":"surprise"}')
  check('an event before its relation', JSON.stringify(batch(2)).replaceAll('orders', 'unknown'))
  check('an insert without its row', JSON.stringify(batch(2, 'INSERT', {})))
  check('a column that the table has not', JSON.stringify(batch(2, 'INSERT', { after: { x: 1 } })))
  check('a position that is no decimal', '{"type":"progress","position":57}')
})
