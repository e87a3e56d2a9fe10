import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConnectionError, LakeError, QueryError, TimeoutError } from '../src/error.ts'
import { clientOf, surroundings } from './surroundings.ts'
import { deafUrl, type Reply, serve } from './server.ts'

const done: Reply = {
  status: 200,
  body: { columns: [], rows: [], rowCount: 1, command: 'INSERT', lsn: '7', committedAt: '2025-01-14T00:00:00.000001Z' },
}

function failure(status: number, code: string, retryable: boolean, noSideEffects: boolean): Reply {
  const error = { code, message: 'a sentence', detail: 'd', hint: 'h', retryable, noSideEffects, requestId: 'r-1' }
  return { status, body: { error } }
}

test('a statement goes to its database with the token and a key', async () => {
  await using server = await serve(done)
  const result = await clientOf(server.url).sql('my-db', 'INSERT INTO t VALUES ($1)', { params: [1n] })
  assert.equal(result.lsn, 7n)
  assert.equal(result.committedAt, '2025-01-14T00:00:00.000001Z')
  const [request] = server.received
  assert.equal(request?.method, 'POST')
  assert.equal(request?.path, '/v1/databases/my-db/sql')
  assert.equal(request?.headers.authorization, 'Bearer a.b-c')
  assert.equal(request?.headers['idempotency-key'], 'id-1')
  assert.deepEqual(JSON.parse(request?.body ?? ''), { sql: 'INSERT INTO t VALUES ($1)', params: ['1'] })
})

test('statements of a list keep their order and their results', async () => {
  const result = { columns: [{ name: 'n', type: 'int4' }], rows: [[1]], rowCount: 1, command: 'SELECT' }
  await using server = await serve({ status: 200, body: { results: [result, result], lsn: null, committedAt: null } })
  const answer = await clientOf(server.url).sql('a', ['SELECT 1 AS n', { sql: 'SELECT $1 AS n', params: [1] }])
  assert.deepStrictEqual(answer.results.map(each => each.rows), [[{ n: 1 }], [{ n: 1 }]])
  assert.equal(answer.lsn, undefined)
  assert.deepEqual(JSON.parse(server.received[0]?.body ?? ''), {
    statements: [{ sql: 'SELECT 1 AS n' }, { sql: 'SELECT $1 AS n', params: [1] }],
  })
})

test('a write whose answer was lost is sent again under the same key', async () => {
  await using server = await serve('reset', 'reset', done)
  const client = clientOf(server.url)
  const retries: number[] = []
  client.on('retry', notice => retries.push(notice.attempt))
  assert.equal((await client.sql('a', 'INSERT INTO t VALUES (1)')).rowCount, 1)
  assert.deepEqual(server.received.map(request => request.headers['idempotency-key']), ['id-1', 'id-1', 'id-1'])
  assert.deepEqual(retries, [1, 2])
})

test('deleting a database is not repeated when its outcome is unknown', async () => {
  await using server = await serve('reset')
  await assert.rejects(clientOf(server.url).deleteDatabase('a'), ConnectionError)
  assert.equal(server.received.length, 1)
})

test('deleting a database is repeated when nothing happened', async () => {
  await using server = await serve(failure(503, 'unavailable', true, true), { status: 200, body: {} })
  await clientOf(server.url).deleteDatabase('a')
  assert.equal(server.received.length, 2)
})

test('a query is repeated while the lake is not available, with growing delays', async () => {
  await using server = await serve(failure(503, 'unavailable', true, true))
  const around = surroundings()
  await assert.rejects(clientOf(server.url, {}, around).query('SELECT 1'), { code: 'unavailable' })
  assert.equal(server.received.length, 4)
  assert.deepEqual(around.slept, [50, 100, 200])
})

test('an error says everything that the server said', async () => {
  await using server = await serve(failure(400, '42P01', false, true))
  await assert.rejects(clientOf(server.url).query('SELECT * FROM nothing'), (error: unknown) => {
    assert.ok(error instanceof QueryError && error instanceof LakeError)
    const { name, code, message, detail, hint, retryable, noSideEffects, status, requestId } = error
    assert.deepEqual(
      { name, code, message, detail, hint, retryable, noSideEffects, status, requestId },
      {
        name: 'QueryError',
        code: '42P01',
        message: 'a sentence',
        detail: 'd',
        hint: 'h',
        retryable: false,
        noSideEffects: true,
        status: 400,
        requestId: 'r-1',
      },
    )
    return true
  })
  assert.equal(server.received.length, 1)
})

describe("a proxy's answer is not taken for the lake's", () => {
  for (const [status, retryable] of [
    [502, true],
    [429, true],
    [404, false],
  ] as const) {
    test(`${status} is ${retryable ? '' : 'not '}retryable`, async () => {
      await using server = await serve({ status, body: '<html>', headers: { 'x-request-id': 'r-2' } })
      await assert.rejects(clientOf(server.url).query('SELECT 1'), {
        code: 'unexpected_answer',
        status,
        retryable,
        noSideEffects: false,
        requestId: 'r-2',
      })
      assert.equal(server.received.length, retryable ? 4 : 1)
    })
  }
})

test('silence ends at the time limit, and its outcome is unknown', async () => {
  await using server = await serve('hang')
  const client = clientOf(server.url, { timeout: 20, retry: { maxRetries: 0 } })
  await assert.rejects(client.sql('a', 'INSERT INTO t VALUES (1)'), (error: unknown) => {
    return error instanceof TimeoutError && error.retryable && !error.noSideEffects
  })
})

test('nobody at the address is a ConnectionError', async () => {
  await assert.rejects(clientOf(await deafUrl()).query('SELECT 1'), ConnectionError)
})

test("the caller's signal ends a request with the signal's reason", async () => {
  await using server = await serve('hang')
  const stop = new AbortController()
  const reason = new Error('enough')
  const query = clientOf(server.url).query('SELECT 1', { signal: stop.signal })
  stop.abort(reason)
  await assert.rejects(query, reason)
})

test('a closed client refuses', async () => {
  await using server = await serve(done)
  const client = clientOf(server.url)
  await client.close()
  await assert.rejects(client.query('SELECT 1'), { code: 'closed', noSideEffects: true })
  assert.equal(server.received.length, 0)
})

test('an address below a path is kept', async () => {
  await using server = await serve({ status: 200, body: 'ok' })
  assert.deepEqual(await clientOf(`${server.url}/lake/`).ping(), { latency: 0 })
  assert.equal(server.received[0]?.path, '/lake/healthz')
})

for (const url of ['lake.example.com', 'ftp://lake.example.com', '']) {
  test(`"${url}" is no address`, () => {
    assert.throws(() => clientOf(url), { code: 'invalid' })
  })
}

test('once listens once, off not at all', async () => {
  await using server = await serve('reset')
  const client = clientOf(server.url)
  let once = 0
  let never = 0
  const listener = (): number => (never += 1)
  client.once('retry', () => (once += 1))
  client.on('retry', listener).off('retry', listener)
  await assert.rejects(client.query('SELECT 1'))
  assert.deepEqual([once, never], [1, 0])
})

test('databases are listed with their namespaces', async () => {
  const databases = [{ name: 'north', namespace: 'sales' }]
  await using server = await serve({ status: 200, body: { databases } })
  assert.deepEqual(await clientOf(server.url).listDatabases(), databases)
  assert.equal(server.received[0]?.path, '/v1/databases')
})
