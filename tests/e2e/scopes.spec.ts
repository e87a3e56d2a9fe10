import assert from 'node:assert/strict'
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

/** The catalog has a name of its own for it. */
function isRefusal(error: unknown): boolean {
  return error instanceof LakeError && ['forbidden', 'ForbiddenException'].includes(error.code)
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
  check(['database:north:read'], ['see what north is'])
  check(['table:north.%2A:read'], [])
  check(['table:north.a:read', 'table:north.a_history:read'], reads)
  check([], [])
})
