import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'
import { Lake, ROOT } from './lake.ts'

let lake: Lake
let rows: unknown
before(async () => {
  lake = await Lake.start()
  await lake.client.sql('default', [
    'CREATE TABLE parents (id bigint PRIMARY KEY)',
    `CREATE TABLE t (
      id bigint PRIMARY KEY, small smallint, name varchar(3) NOT NULL, parent bigint REFERENCES parents, n int CHECK (n > 0)
    )`,
    "INSERT INTO t (id, name) VALUES (1, 'a')",
  ])
  rows = await everything()
})
after(() => lake.stop())

async function everything(): Promise<unknown> {
  return (await lake.client.sql('default', 'SELECT * FROM t ORDER BY id')).rows
}

type Attempt = () => Promise<Response>

const post = (path: string, body: string, init: { token?: string; headers?: Record<string, string> } = {}): Promise<Response> =>
  lake.fetch(path, { method: 'POST', body, ...init })
const json = JSON.stringify
const sql = (text: string, params: unknown[] = []): Attempt => () => post('/v1/databases/default/sql', json({ sql: text, params }))
const query = (text: string, rest: object = {}): Attempt => () => post('/v1/query', json({ sql: text, ...rest }))

/** What makes each code that a client from outside can bring about. */
const named: Record<string, Record<string, Attempt>> = {
  invalid: {
    'a body that is no JSON': () => post('/v1/query', '{'),
    'a body without sql': () => post('/v1/databases/default/sql', '{}'),
    'a field that is not known': () => post('/v1/query', json({ sql: 'SELECT 1', as_of: 'x' })),
    'a name outside the grammar': () => post('/v1/databases/Shop%2F/sql', json({ sql: 'SELECT 1' })),
    'a plain request to a WebSocket': () => lake.fetch('/v1/subscribe'),
  },
  unauthorized: {
    'no token': () => fetch(`${lake.url}/v1/query`, { method: 'POST', body: json({ sql: 'SELECT 1' }) }),
    'a token that is none': () => post('/v1/query', json({ sql: 'SELECT 1' }), { token: 'hello' }),
    'a token signed with another key': () =>
      post('/v1/query', json({ sql: 'SELECT 1' }), { token: lake.token(['all'], { key: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }) }),
    'a token of an unknown key': () => post('/v1/query', json({ sql: 'SELECT 1' }), { token: lake.token(['all'], { kid: 'k0' }) }),
    'a token whose time is over': () => post('/v1/query', json({ sql: 'SELECT 1' }), { token: lake.token(['all'], { exp: 1_000_000 }) }),
  },
  forbidden: {
    'a token of another database': () =>
      post('/v1/databases/default/sql', json({ sql: 'SELECT 1' }), { token: lake.token(['database:other:write']) }),
    'a token of another table': () =>
      post('/v1/query', json({ sql: 'SELECT * FROM t' }), { token: lake.token(['table:default.parents:read']) }),
    'a table that a glob would match': () =>
      post('/v1/query', json({ sql: 'SELECT * FROM t' }), { token: lake.token(['table:default.%2A:read']) }),
    'a status that the token does not cover': () => lake.fetch('/v1/status', { token: lake.token(['ingest']) }),
  },
  not_found: { 'an address that is none': () => lake.fetch('/v2/query') },
  database_not_found: {
    'a status of no database': () => lake.fetch('/v1/databases/nowhere'),
    'the end of no database': () => lake.fetch('/v1/databases/nowhere', { method: 'DELETE' }),
  },
  database_exists: {
    'another namespace': () => lake.fetch('/v1/databases/default', { method: 'PUT', body: json({ namespace: 'other' }) }),
  },
  method_not_allowed: {
    'GET of a query': () => lake.fetch('/v1/query'),
    'PATCH of a database': () => lake.fetch('/v1/databases/default', { method: 'PATCH', body: '{}' }),
  },
  body_too_large: {
    'a statement of 17 MiB': () => post('/v1/databases/default/sql', json({ sql: `SELECT '${'x'.repeat(17 << 20)}'` })),
    'a query of 17 MiB': () => post('/v1/query', json({ sql: `SELECT '${'x'.repeat(17 << 20)}'` })),
  },
  idempotency_key_reused: {
    'one key, two statements': async () => {
      const headers = { 'idempotency-key': 'one-key' }
      await post('/v1/databases/default/sql', json({ sql: 'INSERT INTO parents VALUES (100)' }), { headers })
      return post('/v1/databases/default/sql', json({ sql: 'INSERT INTO parents VALUES (101)' }), { headers })
    },
  },
  not_yet: { 'a transaction that never was': query('SELECT 1', { after: { database: 'default', lsn: '1000000' } }) },
}

/** Codes that need a moment, an amount or a fault that no request from outside brings about, and where they are shown. */
const shownElsewhere: Record<string, string> = {
  database_ending: 'a race with the end of a timeline: databases.spec.ts passes through it',
  limit_exceeded: 'a backlog over its bound: unit tests of the shard',
  position_expired: 'a cursor older than 64 MiB of changes: unit tests of the lake',
  position_unknown: 'an error on a socket: subscribe.spec.ts',
  unavailable: 'a part that does not answer: tests with faults',
  commit_state_unknown: 'a lost answer of the store: tests with faults',
  internal: 'a bug of ours',
}

/** SQLSTATEs of a shard and of the lake. */
const states: Record<string, Record<string, Attempt>> = {
  '42601': { 'a typing error': sql('SELEC 1'), 'a typing error in the lake': query('SELEC 1'), '? and $1 mixed': sql('SELECT ? + $1', [1, 2]) },
  '42P01': { 'no such table': sql('SELECT * FROM nothing'), 'no such table in the lake': query('SELECT * FROM nothing') },
  '42703': { 'no such column': sql('SELECT nothing FROM t'), 'no such column in the lake': query('SELECT nothing FROM t') },
  '42P07': { 'a table that exists': sql('CREATE TABLE t (id int)') },
  '42701': { 'a column named twice': sql('CREATE TABLE x (a int, a int)') },
  '42939': {
    'a reserved column': sql('CREATE TABLE x (_position int)'),
    'a reserved table': sql('CREATE TABLE x_history (id int)'),
  },
  '42804': { 'a wrong type': sql("SELECT 1 WHERE 'a'::text || 'b'") },
  '22P02': { 'a text that is no number': sql("INSERT INTO t (id, name) VALUES ('a', 'b')"), 'as a parameter': sql('SELECT $1::int', ['a']) },
  '22003': { 'a number that is too large': sql("INSERT INTO t (id, small, name) VALUES (2, 32768, 'b')") },
  '22012': { 'a division by zero': sql('SELECT 1 / 0'), 'a division by zero in the lake': query('SELECT 1 / (id - 1) FROM t') },
  '22001': { 'a text that is too long': sql("INSERT INTO t (id, name) VALUES (2, 'long')") },
  '22008': { 'a year that Iceberg cannot hold': sql("SELECT '10000-01-01'::date") },
  '23502': { 'a missing value': sql('INSERT INTO t (id) VALUES (2)') },
  '23503': { 'a missing parent': sql("INSERT INTO t (id, name, parent) VALUES (2, 'b', 7)") },
  '23505': { 'a key that is taken': sql("INSERT INTO t (id, name) VALUES (1, 'b')") },
  '23514': { 'a check that fails': sql("INSERT INTO t (id, name, n) VALUES (2, 'b', 0)") },
  '42501': {
    'a token that only reads': () =>
      post('/v1/databases/default/sql', json({ sql: 'DELETE FROM t' }), { token: lake.token(['database:default:read']) }),
  },
  '25006': { 'a write on the lake': query('DELETE FROM t') },
  '0A000': {
    'a type that is not there yet': sql('CREATE TABLE x (a point)'),
    'a block of code': sql('DO $$ BEGIN DELETE FROM t; END $$'),
    'a copy': sql('COPY t FROM STDIN'),
    'a block of code in the lake': query('DO $$ BEGIN END $$'),
  },
  '22023': { 'a time in the future': query('SELECT * FROM t', { asOf: '2999-01-01T00:00:00Z' }) },
}

interface Failure {
  readonly status: number
  readonly body: { readonly error: { readonly code: string; readonly retryable: boolean; readonly noSideEffects: boolean } }
}

const fixtures: Failure[] = JSON.parse(readFileSync(join(ROOT, 'tests/fixtures/wire/errors.json'), 'utf8'))

function check(code: string, status: number | undefined, name: string, attempt: Attempt): void {
  test(`${code}: ${name}`, async () => {
    const answer = await attempt()
    const text = await answer.text()
    assert.ok(!answer.ok, text)
    const { error } = JSON.parse(text)
    assert.equal(error.code, code, text)
    if (status !== undefined) assert.equal(answer.status, status)
    assert.ok(typeof error.message === 'string' && error.message.length > 10, `a useful sentence: ${text}`)
    assert.equal(error.requestId, answer.headers.get('x-request-id'))
    assert.equal(error.noSideEffects, true)
    assert.deepStrictEqual(await everything(), rows, 'nothing changed')
  })
}

describe('each code of the table has its status, a sentence and no effect', () => {
  for (const [code, attempts] of Object.entries(named)) {
    const status = fixtures.find(fixture => fixture.body.error.code === code)?.status
    for (const [name, attempt] of Object.entries(attempts)) check(code, status, name, attempt)
  }
})

describe('SQLSTATEs', () => {
  for (const [code, attempts] of Object.entries(states)) {
    for (const [name, attempt] of Object.entries(attempts)) check(code, undefined, name, attempt)
  }
})

test('the table of codes is covered', () => {
  const names = fixtures.map(fixture => fixture.body.error.code).filter(code => !/^[0-9A-Z]{5}$/.test(code))
  assert.deepEqual(names.filter(code => !(code in named) && !(code in shownElsewhere)), [])
})

describe('the Iceberg catalog and the storage facade refuse in their own formats', () => {
  test('the catalog without a token', async () => {
    const answer = await fetch(`${lake.url}/iceberg/v1/namespaces`)
    assert.equal(answer.status, 401)
    assert.equal((await answer.json()).error.code, 401)
  })
  test('the catalog with a token of another table', async () => {
    const token = lake.token(['table:default.parents:read'])
    const answer = await lake.fetch('/iceberg/v1/namespaces/default/tables/t', { token })
    assert.equal(answer.status, 403)
    assert.equal((await answer.json()).error.code, 403)
  })
  test('a table that is none', async () => {
    const answer = await lake.fetch('/iceberg/v1/namespaces/default/tables/nothing')
    assert.equal(answer.status, 404)
    assert.equal((await answer.json()).error.type, 'NoSuchTableException')
  })
  test('a write of a captured table', async () => {
    await lake.client.getMetadata('t')
    const body = json({ requirements: [], updates: [{ action: 'remove-snapshots', 'snapshot-ids': [1] }] })
    const answer = await post('/iceberg/v1/namespaces/default/tables/t', body)
    assert.equal(answer.status, 403)
  })
  test('the facade with a key that is none', async () => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIANOBODY/20260101/auto/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=' +
      '0'.repeat(64)
    const answer = await fetch(`${lake.url}/lakehouse/warehouse/default/t/metadata/version-hint.text`, {
      headers: { authorization, 'x-amz-date': '20260101T000000Z', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    })
    assert.equal(answer.status, 403)
    assert.match(await answer.text(), /<Code>\w+<\/Code>/)
  })
})
