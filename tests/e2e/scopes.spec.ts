import assert from 'node:assert/strict'
import { type OutgoingHttpHeaders, request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { type LakeClient, LakeError } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
  for (const database of ['north', 'south']) {
    const { lsn } = await lake.client.sql(database, [
      'CREATE TABLE a (id int PRIMARY KEY)',
      'CREATE TABLE b (id int PRIMARY KEY)',
      'INSERT INTO a VALUES (1)',
      'INSERT INTO b VALUES (2)',
    ])
    assert.ok(lsn !== undefined)
    await lake.client.query('SELECT 1', { after: { database, lsn } })
  }
})
after(() => lake.stop())

const attempts: Record<string, (client: LakeClient) => Promise<unknown>> = {
  'query north.a': client => client.query('SELECT * FROM north.a'),
  'query north.b': client => client.query('SELECT * FROM north.b'),
  'query south.a': client => client.query('SELECT * FROM south.a'),
  'query north.a_history': client => client.query('SELECT * FROM north.a_history'),
  'query a and b': client => client.query('SELECT * FROM north.a JOIN north.b USING (id)'),
  'query b in a subquery': client => client.query('SELECT (SELECT max(id) FROM north.b) FROM north.a'),
  'load north.a': client => client.getMetadata('north.a'),
  'load south.a': client => client.getMetadata('south.a'),
  'subscribe north.a': client => firstOf(client, 'north.a'),
  'subscribe south.a': client => firstOf(client, 'south.a'),
  'see what north is': client => client.databaseStatus('north'),
  'read north': client => client.sql('north', 'SELECT 1'),
  'write north': client => client.sql('north', 'DELETE FROM a WHERE id = 0'),
  'read south': client => client.sql('south', 'SELECT 1'),
  'delete south': client => client.deleteDatabase('south'),
  'see the status': client => client.status(),
  'list databases': client => client.listDatabases(),
}

async function firstOf(client: LakeClient, table: string): Promise<void> {
  for await (const _ of client.subscribe({ tables: [table], fromLSN: 0n })) return
}

/** A request whose path is sent as it is, and whose body says no length. */
function raw(
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<{ status: number; text: string; id: unknown }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(lake.url)
    const all = { authorization: `Bearer ${lake.token(['all'])}`, ...headers }
    const sent = request({ hostname, port, method, path, headers: all }, async answer => {
      let text = ''
      for await (const chunk of answer) text += chunk
      resolve({ status: answer.statusCode ?? 0, text, id: answer.headers['x-request-id'] })
    })
    sent.on('error', reject)
    // Two writes: of one alone the length would be told.
    if (body !== undefined) sent.write(body.slice(0, 1))
    sent.end(body?.slice(1))
  })
}

/** The catalog has a name of its own for it, and so has SQL. */
function isRefusal(error: unknown): boolean {
  return error instanceof LakeError && ['forbidden', 'ForbiddenException', '42501'].includes(error.code)
}

const reads = ['query north.a', 'query north.a_history', 'load north.a', 'subscribe north.a']

describe('a token allows what its scopes say and nothing else', () => {
  function check(scopes: readonly string[], allowed: readonly string[]): void {
    for (const [name, attempt] of Object.entries(attempts)) {
      const isAllowed = allowed.includes(name)
      test(`${scopes.join(' ') || 'none'}: ${isAllowed ? 'may' : 'may not'} ${name}`, async () => {
        const client = lake.clientWith({ token: lake.token(scopes) })
        if (isAllowed) await attempt(client)
        else await assert.rejects(attempt(client), isRefusal)
      })
    }
  }
  const north = [...reads, 'query north.b', 'query a and b', 'query b in a subquery']
  const all = [...north, 'query south.a', 'load south.a', 'subscribe south.a', 'see the status']
  check(['namespace:north:read'], north)
  check(['lake:read'], all)
  check(['database:north:write'], ['see what north is', 'read north', 'write north'])
  check(['database:north:read'], ['see what north is', 'read north'])
  check(['table:north.%2A:read'], [])
  check(['table:north.a:read', 'table:north.a_history:read'], reads)
  check([], [])
})

describe('a token that may only read a database', () => {
  const reader = (database: string): LakeClient => lake.clientWith({ token: lake.token([`database:${database}:read`]) })

  test('reads its shard, also by a list', async () => {
    const client = reader('north')
    assert.deepStrictEqual((await client.sql('north', 'SELECT id FROM a WHERE id = $1', { params: [1] })).rows, [{ id: 1 }])
    const { results } = await client.sql('north', ['SELECT id FROM a', 'SELECT id FROM b'])
    assert.deepStrictEqual(results.map(result => result.rows), [[{ id: 1 }], [{ id: 2 }]])
  })

  test('changes nothing and is told which scope that needs', async () => {
    const before = await lake.client.databaseStatus('north')
    const writes = [
      'INSERT INTO a VALUES (7) RETURNING id',
      'TRUNCATE a',
      'CREATE TABLE c (id int)',
      'SELECT * FROM a FOR UPDATE',
      ['SELECT id FROM a', 'DELETE FROM a'],
    ]
    for (const write of writes) {
      const refused = { code: '42501', message: /database:north:write/, noSideEffects: true, retryable: false }
      await assert.rejects(typeof write === 'string' ? reader('north').sql('north', write) : reader('north').sql('north', write), refused)
    }
    const { committed } = await lake.client.databaseStatus('north')
    assert.equal(committed, before['committed'])
    assert.deepStrictEqual((await lake.client.sql('north', 'SELECT id FROM a')).rows, [{ id: 1 }])
  })

  test('creates no database', async () => {
    await assert.rejects(reader('west').sql('west', 'CREATE TABLE a (id int)'), { code: '42501' })
    await assert.rejects(reader('west').sql('west', 'SELECT 1'), { code: 'database_not_found' })
    await assert.rejects(lake.client.databaseStatus('west'), { code: 'database_not_found' })
  })

  test('cannot say of itself that it may write', async () => {
    const claims = JSON.stringify({ v: 1, sub: 'e2e', iat: 1, exp: 4_000_000_000, scopes: ['all'] })
    const answer = await lake.fetch('/v1/databases/north/sql', {
      method: 'POST',
      body: JSON.stringify({ sql: 'DELETE FROM a' }),
      headers: { 'x-lake-claims': claims },
      token: lake.token(['database:north:read']),
    })
    assert.equal(answer.status, 403)
    assert.equal((await answer.json()).error.code, '42501')
  })
})

describe('a table of the catalog is shown and changed by the token alone', () => {
  const OWN = '/iceberg/v1/namespaces/north/tables/own'
  before(async () => {
    const schema = { type: 'struct', fields: [{ id: 1, name: 'a', type: 'long', required: false }] }
    const body = JSON.stringify({ name: 'own', schema })
    const headers = { 'content-type': 'application/json' }
    const made = await lake.fetch('/iceberg/v1/namespaces/north/tables', { method: 'POST', headers, body })
    assert.equal(made.status, 200)
  })

  // One that an engine owns and one that a database feeds are not shown in the same way.
  for (const path of [OWN, '/iceberg/v1/namespaces/north/tables/a']) {
    for (const method of ['GET', 'HEAD']) {
      const claims = JSON.stringify({ v: 1, sub: 'e2e', iat: 1, exp: 4_000_000_000, scopes: ['all'] })
      const ask = (token: string) => lake.fetch(path, { method, token, headers: { 'x-lake-claims': claims } })

      test(`${method} ${path}: what a client says of itself is not heard`, async () => {
        assert.equal((await ask(lake.token(['namespace:south:read']))).status, 403)
        assert.equal((await ask('')).status, 401)
        assert.equal((await ask('x.y.z')).status, 401)
      })

      test(`${method} ${path}: who may read it sees it`, async () => {
        const answer = await ask(lake.token(['namespace:north:read']))
        assert.equal(answer.status, method === 'GET' ? 200 : 204)
        assert.ok(answer.headers.get('x-request-id'))
      })
    }
  }

  test('a change that a client allows itself is not made', async () => {
    const claims = JSON.stringify({ v: 1, sub: 'e2e', iat: 1, exp: 4_000_000_000, scopes: ['all'] })
    const said = { 'x-lake-claims': claims, 'x-lake-origin': 'http://elsewhere', 'x-request-id': 'my-change' }
    const headers = { 'content-type': 'application/json', ...said }
    const set = (token: string): Promise<Response> => {
      const body = JSON.stringify({ requirements: [], updates: [{ action: 'set-properties', updates: { said: token } }] })
      return lake.fetch(OWN, { method: 'POST', token, headers, body })
    }
    assert.equal((await set('')).status, 401)
    assert.equal((await set('x.y.z')).status, 401)
    assert.equal((await set(lake.token(['namespace:north:read']))).status, 403)
    assert.equal((await set(lake.token(['namespace:south:write']))).status, 403)
    const { metadata } = await (await lake.fetch(OWN)).json()
    assert.equal(metadata.properties.said, undefined)

    const writer = lake.token(['namespace:north:write'])
    const answer = await set(writer)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-request-id'), 'my-change')
    assert.equal((await answer.json()).metadata.properties.said, writer)
    // Nor where storage is.
    const loaded = await (await lake.fetch(OWN, { headers })).json()
    assert.equal(loaded.config['s3.endpoint'], `${new URL(lake.url).origin}/`)
  })

  test('a change that is too large is refused in the words of the protocol', async () => {
    for (const bytes of [2 << 20, 17 << 20]) {
      const whole = await lake.fetch(OWN, { method: 'POST', body: ' '.repeat(bytes) })
      const inChunks = await raw('POST', OWN, {}, ' '.repeat(bytes))
      for (const { status, text } of [{ status: whole.status, text: await whole.text() }, inChunks]) {
        assert.equal(status, 413, `${bytes}`)
        assert.equal(JSON.parse(text).error.type, 'BadRequestException')
      }
    }
  })

  test('nothing is held of what a stranger sends', async () => {
    const body = ' '.repeat(1 << 20)
    for (const authorization of ['', 'Bearer x']) {
      const answers = await Promise.all(Array.from({ length: 16 }, () => raw('POST', OWN, { authorization }, body)))
      for (const { status, text } of answers) {
        assert.equal(status, 401, text)
      }
    }
  })

  test('a change that does not say how long it is, or asks for a WebSocket, is made', async () => {
    for (const headers of [{}, { 'transfer-encoding': 'chunked', upgrade: 'websocket' }, { upgrade: 'websocket' }]) {
      const said = JSON.stringify(headers)
      const body = JSON.stringify({ requirements: [], updates: [{ action: 'set-properties', updates: { said } }] })
      const { status, text, id } = await raw('POST', OWN, { 'x-request-id': 'a-change', ...headers }, body)
      assert.equal(status, 200, said)
      assert.equal(id, 'a-change')
      assert.equal(JSON.parse(text).metadata.properties.said, said)
    }
  })

  test('an address that means another one to who parses it is refused', async () => {
    const claims = JSON.stringify({ v: 1, sub: 'e2e', iat: 1, exp: 4_000_000_000, scopes: ['all'] })
    const headers = { 'x-lake-claims': claims, authorization: '' }
    const table = JSON.stringify({ namespace: 'north', name: 'a' })
    for (const up of ['..', '%2e%2e', '.%2E', '..\\..', '..\\..\\..\\..']) {
      for (const to of ['status', 'internal/load', 'admitted/iceberg/v1/namespaces/north/tables/own']) {
        for (const path of [`/iceberg/${up}/${to}`, `/iceberg/v1/namespaces/${up}/${up}/${up}/${to}`, `/iceberg/v1/${up}\\${to}`]) {
          for (const [method, body] of [['GET'], ['POST', table]] as const) {
            const { status, text } = await raw(method, path, headers, body)
            assert.equal(status, 400, `${method} ${path}: ${text}`)
            assert.equal(JSON.parse(text).error.type, 'BadRequestException', `${method} ${path}`)
          }
        }
      }
    }
  })

  test('the addresses behind the front door are nobody else\'s', async () => {
    for (const path of [`/admitted${OWN}`, '/internal/load', `/icebergs${OWN.slice('/iceberg'.length)}`]) {
      assert.equal((await lake.fetch(path)).status, 404, path)
    }
  })
})
