// The catalog plans scans, of rows that nobody has flushed yet too; engines keep views in it; purged files go.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'
import { S3 } from './s3.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

const send = (method: string, path: string, body?: unknown) =>
  lake.fetch(`/iceberg/v1${path}`, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })

/** The answer to a request that must succeed. */
async function ask(method: string, path: string, body?: unknown): Promise<any> {
  const answer = await send(method, path, body)
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

const ORDERS = '/namespaces/default/tables/orders'

interface Plan {
  readonly status: string
  readonly 'plan-id': string
  readonly 'file-scan-tasks'?: { readonly 'data-file': { readonly 'record-count': number } }[]
  readonly 'storage-credentials': { readonly prefix: string }[]
}

const plan = (filter: unknown): Promise<Plan> => ask('POST', `${ORDERS}/plan`, { filter })
const planned = async (filter: unknown): Promise<number> =>
  ((await plan(filter))['file-scan-tasks'] ?? []).reduce((rows, task) => rows + task['data-file']['record-count'], 0)

/** Bytes that the lake holds and has not committed. */
const unflushed = async (): Promise<number> => (await (await lake.fetch('/v1/status')).json()).lake.tailBytes

/** Writes, and gives what the lake holds of it before anybody has made it commit. */
async function write(...statements: string[]): Promise<void> {
  const { lsn } = await lake.client.sql('default', statements)
  assert.ok(lsn !== undefined)
  await lake.client.query('SELECT 1', { after: { database: 'default', lsn } })
  assert.ok((await unflushed()) > 0, 'the rows are in no snapshot')
}

test('a plan has the rows that are in no snapshot yet', async () => {
  await write('CREATE TABLE orders (id bigint PRIMARY KEY, region text)', "INSERT INTO orders VALUES (1, 'EU'), (2, 'US')")
  const answer = await plan(true)
  assert.equal(answer.status, 'completed')
  assert.deepEqual(answer['file-scan-tasks']?.map(task => task['data-file']['record-count']), [2])
  assert.deepEqual(
    answer['storage-credentials'].map(entry => entry.prefix),
    ['s3://lakehouse/warehouse/default/orders/'],
  )
  assert.equal(await unflushed(), 0)
  await write("INSERT INTO orders VALUES (10, 'EU'), (11, 'US'), (12, 'US')")
  assert.equal(await planned(true), 5)
})

test('files without a matching row are left out of a plan', async () => {
  const id = (type: string, value: number) => ({ type, term: 'id', value })
  assert.equal(await planned(id('eq', 2)), 2)
  assert.equal(await planned(id('gt', 9)), 3)
  assert.equal(await planned(id('gt', 99)), 0)
})

test('a scan between two snapshots reads what was appended between them', async () => {
  const HISTORY = '/namespaces/default/tables/orders_history'
  // An id has more digits than a number of this language.
  const head = async (): Promise<string> =>
    /"current-snapshot-id":(\d+)/.exec(await (await send('GET', HISTORY)).text())?.[1] ?? assert.fail('no snapshot')
  const between = (start: string, end: string): Promise<Response> =>
    send('POST', `${HISTORY}/plan`, `{"start-snapshot-id":${start},"end-snapshot-id":${end}}`)
  const rows = async (start: string, end: string): Promise<number> => {
    const answer: Plan = await (await between(start, end)).json()
    return (answer['file-scan-tasks'] ?? []).reduce((rows, task) => rows + task['data-file']['record-count'], 0)
  }
  const start = await head()
  await write("UPDATE orders SET region = 'AS' WHERE id = 1", 'DELETE FROM orders WHERE id = 2')
  await head()
  await write("INSERT INTO orders VALUES (2, 'US')")
  const end = await head()
  assert.equal(await rows(start, end), 3)
  assert.equal(await rows(end, end), 0)
  assert.equal((await between(end, start)).status, 400)
})

test('a plan is asked for again, also of an object that was not there when it was made, and cancelled', async () => {
  const made = await plan(true)
  await lake.evict({ script: 'lake', class: 'Catalog' })
  const again: Plan = await ask('GET', `${ORDERS}/plan/${made['plan-id']}`)
  assert.deepEqual([again.status, again['file-scan-tasks']], [made.status, made['file-scan-tasks']])
  assert.equal((await send('DELETE', `${ORDERS}/plan/${made['plan-id']}`)).status, 204)
})

const version = (sql: string) => ({
  'version-id': 1,
  'schema-id': 0,
  'timestamp-ms': 1,
  summary: {},
  'default-namespace': ['shop'],
  representations: [{ type: 'sql', sql, dialect: 'trino' }],
})
const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'int', required: false }] }
const VIEWS = '/namespaces/shop/views'

test('a view is made, replaced, renamed, dropped and registered again, and outlives the object that holds it', async () => {
  await ask('POST', '/namespaces', { namespace: ['shop'] })
  const made = await ask('POST', VIEWS, { name: 'v', schema, 'view-version': version('select 1 as a'), properties: {} })
  await lake.killAndRestart()
  assert.deepEqual(await ask('GET', `${VIEWS}/v`), made)
  assert.equal((await send('DELETE', '/namespaces/shop')).status, 409)
  const replaced = await ask('POST', `${VIEWS}/v`, {
    requirements: [{ type: 'assert-view-uuid', uuid: made.metadata['view-uuid'] }],
    updates: [
      { action: 'add-view-version', 'view-version': { ...version('select 2 as a'), 'version-id': 2 } },
      { action: 'set-current-view-version', 'view-version-id': -1 },
    ],
  })
  assert.deepEqual([replaced.metadata['current-version-id'], replaced.metadata.versions.length], [2, 2])
  const name = (name: string) => ({ namespace: ['shop'], name })
  await ask('POST', '/views/rename', { source: name('v'), destination: name('w') })
  assert.equal((await send('HEAD', `${VIEWS}/v`)).status, 404)
  await lake.evict({ script: 'lake', class: 'Catalog' })
  assert.deepEqual(await ask('GET', `${VIEWS}/w`), replaced)
  assert.deepEqual((await ask('GET', VIEWS)).identifiers, [name('w')])
  await ask('DELETE', `${VIEWS}/w`)
  assert.equal((await send('HEAD', `${VIEWS}/w`)).status, 404)
  // Its files stay for a week.
  const location = replaced['metadata-location']
  assert.deepEqual(await ask('POST', '/namespaces/shop/register-view', { name: 'x', 'metadata-location': location }), replaced)
})

test('the files of a purged table that one step cannot remove are removed by the alarm', async () => {
  const made = await ask('POST', '/namespaces/shop/tables', { name: 'many', schema })
  const prefix = made['storage-credentials'][0].prefix.replace('s3://lakehouse/', '')
  const config = made.config
  const files = new S3(lake.url, {
    accessKeyId: config['s3.access-key-id'],
    secretAccessKey: config['s3.secret-access-key'],
    sessionToken: config['s3.session-token'],
  })
  // With its metadata more than the thousand of a step.
  for (let at = 0; at < 1100; at += 50) {
    const puts = Array.from({ length: 50 }, (_, of) => files.send('PUT', `${prefix}data/${at + of}`, { body: Buffer.from('x') }))
    for (const put of await Promise.all(puts)) assert.equal(put.status, 200)
  }
  const left = async (): Promise<number> => {
    const listed = await files.send('GET', '', { query: { 'list-type': '2', prefix } })
    return Number(/<KeyCount>(\d+)</.exec(listed.body.toString())?.[1])
  }
  assert.equal(await left(), 1000)
  await ask('DELETE', '/namespaces/shop/tables/many?purgeRequested=true')
  // The alarm may have come already.
  const atOnce = await left()
  assert.ok(atOnce < 200, `${atOnce}`)
  // Nobody asks the catalog for anything while the listings go on, as often as it takes.
  let now = atOnce
  for (const until = Date.now() + 60_000; now > 0 && Date.now() < until; ) now = await left()
  assert.equal(now, 0)
})
