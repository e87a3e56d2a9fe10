// A lake whose engines go to the bucket itself: temporary credentials signed here, as the store's documentation has them.
// No store takes them in this test; what is looked at is the answer.

import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, test } from 'node:test'
import { Server } from './server.ts'

const ACCOUNT = '0123456789abcdef0123456789abcdef'
const PARENT = { id: 'fedcba9876543210fedcba9876543210', secret: 'a'.repeat(64) }
const SETTINGS = {
  STORAGE_CREDENTIALS: 'r2',
  R2_ENDPOINT: `https://${ACCOUNT}.r2.cloudflarestorage.com`,
  R2_ACCESS_KEY_ID: PARENT.id,
  R2_SECRET_ACCESS_KEY: PARENT.secret,
}

const lakes: Server[] = []
async function start(settings: Record<string, string>): Promise<Server> {
  const lake = await Server.start({ settings })
  lakes.push(lake)
  return lake
}
after(() => Promise.all(lakes.map(lake => lake.stop())))

/** What a session token says, if the parent's secret signed it and the secret of the credentials is its. */
function claimsOf(config: Record<string, string>): any {
  const token = Buffer.from(config['s3.session-token']!, 'base64').toString()
  assert.ok(token.startsWith('jwt/'), token)
  const jwt = token.slice(4)
  const [header, claims, signature] = jwt.split('.') as [string, string, string]
  assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: 'HS256', typ: 'JWT' })
  assert.equal(createHmac('sha256', PARENT.secret).update(`${header}.${claims}`).digest('base64url'), signature)
  assert.equal(config['s3.secret-access-key'], createHash('sha256').update(jwt).digest('hex'))
  assert.equal(config['s3.access-key-id'], PARENT.id)
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}

test('engines get credentials of the bucket for one table, and the same from the address that renews them', async () => {
  const lake = await start(SETTINGS)
  await lake.sql('default', 'CREATE TABLE orders (id bigint PRIMARY KEY)')
  const { lsn } = await lake.sql('default', 'INSERT INTO orders VALUES (1)')
  await lake.query('SELECT 1', { after: { database: 'default', lsn } })
  // Loading it commits it, and makes its namespace.
  assert.equal((await lake.request('GET', '/iceberg/v1/namespaces/default/tables/orders')).status, 200)
  const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'int', required: false }] }
  const made = await lake.request('POST', '/iceberg/v1/namespaces/default/tables', { name: 'mine', schema })
  assert.equal(made.status, 200, JSON.stringify(made.body))
  for (const [table, scope] of [['mine', 'object-read-write'], ['orders', 'object-read-only']]) {
    const address = `/iceberg/v1/namespaces/default/tables/${table}`
    const loaded = await lake.request('GET', address)
    assert.equal(loaded.body['storage-credentials'].length, 1)
    const [entry] = loaded.body['storage-credentials']
    assert.equal(entry.prefix, `s3://lakehouse/warehouse/default/${table}/`)
    assert.equal(entry.config['s3.endpoint'], `${SETTINGS.R2_ENDPOINT}/`)
    const { iat, exp, ...claims } = claimsOf(entry.config)
    assert.deepEqual(claims, {
      bucket: 'lakehouse',
      scope,
      paths: { prefixPaths: [`warehouse/default/${table}/`], objectPaths: [] },
      sub: ACCOUNT,
      iss: PARENT.id,
      aud: `${ACCOUNT}.r2.cloudflarestorage.com`,
    })
    assert.ok(exp - iat > 0 && exp - iat <= 3600 && exp * 1000 === Number(entry.config['s3.session-token-expires-at-ms']))
    const renewed = await lake.request('GET', `/iceberg/${entry.config['client.refresh-credentials-endpoint']}`)
    const [again] = renewed.body['storage-credentials']
    assert.deepEqual({ ...claimsOf(again.config), iat: 0, exp: 0 }, { ...claims, iat: 0, exp: 0 })
  }
})

test('settings that cannot be used are named, and the lake takes rows meanwhile', async () => {
  const { R2_SECRET_ACCESS_KEY: _, ...settings } = SETTINGS
  const lake = await start(settings)
  const refused = await lake.request('GET', '/iceberg/v1/config')
  assert.equal(refused.status, 503)
  assert.match(refused.body.error.message, /R2_SECRET_ACCESS_KEY is not set/)
  await lake.sql('default', 'CREATE TABLE orders (id bigint PRIMARY KEY)')
  const { lsn } = await lake.sql('default', 'INSERT INTO orders VALUES (1)')
  const { rows } = await lake.query('SELECT id FROM orders', { after: { database: 'default', lsn } })
  assert.equal(rows.length, 1)
})
