// npm `iceberg-js`: the catalog's own requests; it reads and writes no files.

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { generateIdempotencyKey, IcebergError, IcebergRestCatalog } = createRequire(
  join(process.env.LAKE_NPM, 'package.json'),
)('iceberg-js')
const settings = {
  baseUrl: `${process.env.LAKE_URL}/iceberg`,
  auth: { type: 'bearer', token: process.env.LAKE_TOKEN },
  accessDelegation: ['vended-credentials'],
}
const catalog = new IcebergRestCatalog(settings)
const behind = (fault) => new IcebergRestCatalog({ ...settings, baseUrl: `${process.env.LAKE_FAULTS}/${fault}/iceberg` })
const namespace = ['js']
const id = { namespace, name: 'orders' }
const schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', type: 'long', required: true },
    { id: 2, name: 'region', type: 'string', required: false },
  ],
}
let uuid

const cases = {
  async 'the configuration is read'() {
    const { endpoints } = await catalog.loadConfig()
    assert.ok(endpoints.includes('POST /v1/{prefix}/namespaces/{namespace}/tables'))
  },
  async 'a warehouse that is named becomes the prefix of addresses'() {
    const prefixed = new IcebergRestCatalog({ ...settings, warehouse: 'lake' })
    const { namespaces } = await prefixed.listNamespaces()
    assert.ok(Array.isArray(namespaces))
    await prefixed.createNamespace({ namespace: ['prefixed'] })
    assert.equal(await catalog.namespaceExists({ namespace: ['prefixed'] }), true)
    await prefixed.dropNamespace({ namespace: ['prefixed'] })
    const other = new IcebergRestCatalog({ ...settings, warehouse: 'other' })
    await assert.rejects(other.listNamespaces(), (error) => error.isNotFound())
  },
  async 'a namespace is made, changed and listed'() {
    await catalog.createNamespace({ namespace }, { properties: { owner: 'js', gone: 'x' } })
    await catalog.updateNamespaceProperties({ namespace }, { removals: ['gone'], updates: { note: 'seen' } })
    const { properties } = await catalog.loadNamespaceMetadata({ namespace })
    assert.deepEqual([properties.owner, properties.note, properties.gone], ['js', 'seen', undefined])
    const { namespaces } = await catalog.listNamespaces()
    assert.ok(namespaces.some((each) => each.namespace.join('.') === 'js'))
    assert.equal(await catalog.namespaceExists({ namespace: ['none'] }), false)
  },
  async 'a table is made and loaded'() {
    const made = await catalog.createTableResult({ namespace }, { name: 'orders', schema, properties: { 'format-version': '2' } })
    uuid = made.metadata['table-uuid']
    const loaded = await catalog.loadTableResult(id)
    assert.equal(loaded.metadata['table-uuid'], uuid)
    assert.equal(loaded['storage-credentials'].length, 1)
    assert.equal(await catalog.loadTableResult(id, { ifNoneMatch: loaded.etag }), null)
    assert.deepEqual((await catalog.listTables({ namespace })).identifiers.map((each) => each.name), ['orders'])
  },
  async 'a table that exists is not made again'() {
    await assert.rejects(catalog.createTable({ namespace }, { name: 'orders', schema }), (error) => {
      return error instanceof IcebergError && error.isConflict() && error.icebergType === 'AlreadyExistsException'
    })
  },
  async 'a commit changes schema and properties'() {
    const fields = [...schema.fields, { id: 3, name: 'note', type: 'string', required: false }]
    const { metadata } = await catalog.commitTable(id, {
      requirements: [{ type: 'assert-table-uuid', uuid }, { type: 'assert-current-schema-id', 'current-schema-id': 0 }],
      updates: [
        { action: 'add-schema', schema: { type: 'struct', 'schema-id': 1, fields }, 'last-column-id': 3 },
        { action: 'set-current-schema', 'schema-id': -1 },
        { action: 'set-properties', updates: { seen: 'yes' } },
      ],
    })
    assert.equal(metadata['current-schema-id'], 1)
    assert.equal(metadata.properties.seen, 'yes')
  },
  async 'a commit on another base is refused'() {
    const requirements = [{ type: 'assert-current-schema-id', 'current-schema-id': 0 }]
    await assert.rejects(
      catalog.commitTable(id, { requirements, updates: [{ action: 'set-properties', updates: { x: 'y' } }] }),
      (error) => error.status === 409 && error.icebergType === 'CommitFailedException',
    )
  },
  async 'a table is renamed, registered again and dropped'() {
    const other = { namespace, name: 'renamed' }
    await catalog.renameTable({ source: id, destination: other })
    assert.equal(await catalog.tableExists(id), false)
    const { 'metadata-location': location } = await catalog.loadTableResult(other)
    await catalog.dropTable(other)
    await catalog.registerTable({ namespace }, { name: 'again', 'metadata-location': location })
    assert.equal((await catalog.loadTable({ namespace, name: 'again' }))['table-uuid'], uuid)
    await catalog.dropTable({ namespace, name: 'again' }, { purge: true })
    await catalog.dropNamespace({ namespace })
    assert.equal(await catalog.namespaceExists({ namespace }), false)
  },
  async 'changes that arrive twice are made once, by their Idempotency-Key'() {
    const twice = behind('repeat/changes')
    const [level, moved] = [{ namespace: ['js', 'twice'] }, { namespace: ['js', 'twice'], name: 'moved' }]
    await twice.createNamespace(level, { properties: { gone: 'x' } })
    await twice.updateNamespaceProperties(level, { removals: ['gone'] })
    const made = await twice.createTable(level, { name: 'orders', schema })
    const { metadata } = await twice.commitTable({ ...level, name: 'orders' }, {
      requirements: [{ type: 'assert-current-schema-id', 'current-schema-id': 0 }],
      updates: [
        { action: 'add-schema', schema: { ...schema, 'schema-id': 1, fields: schema.fields.slice(0, 1) }, 'last-column-id': 2 },
        { action: 'set-current-schema', 'schema-id': -1 },
      ],
    })
    assert.deepEqual([metadata['current-schema-id'], metadata.schemas.length], [1, 2])
    await twice.renameTable({ source: { ...level, name: 'orders' }, destination: moved })
    assert.equal((await catalog.loadTable(moved))['table-uuid'], made['table-uuid'])
    const { 'metadata-location': location } = await catalog.loadTableResult(moved)
    await twice.dropTable(moved)
    await twice.registerTable(level, { name: 'again', 'metadata-location': location })
    await twice.dropTable({ ...level, name: 'again' }, { purge: true })
    await twice.dropNamespace(level)
    assert.equal(await catalog.namespaceExists(level), false)
  },
  async 'what was done is there when the answer is lost'() {
    const lossy = behind('drop/changes')
    const lost = (error) => error instanceof IcebergError && error.status === 0
    const level = { namespace: ['js', 'lost'] }
    await assert.rejects(lossy.createNamespace(level), lost)
    await assert.rejects(lossy.createTable(level, { name: 'orders', schema }), lost)
    const change = { requirements: [], updates: [{ action: 'set-properties', updates: { seen: 'yes' } }] }
    await assert.rejects(lossy.commitTable({ ...level, name: 'orders' }, change), lost)
    assert.equal((await catalog.loadTable({ ...level, name: 'orders' })).properties.seen, 'yes')
    await assert.rejects(lossy.dropTable({ ...level, name: 'orders' }, { purge: true }), lost)
    await assert.rejects(lossy.dropNamespace(level), lost)
    assert.equal(await catalog.namespaceExists(level), false)
  },
  async 'an Idempotency-Key stands for one request'() {
    const key = generateIdempotencyKey()
    const post = (path, body) =>
      fetch(`${settings.baseUrl}/v1/${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${process.env.LAKE_TOKEN}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(body),
      })
    const [first, again] = [await post('namespaces', { namespace: ['keyed'] }), await post('namespaces', { namespace: ['keyed'] })]
    assert.deepEqual([first.status, again.status], [200, 200])
    const other = await post('namespaces', { namespace: ['other'] })
    assert.deepEqual([other.status, (await other.json()).error.type], [400, 'BadRequestException'])
    assert.equal(await catalog.namespaceExists({ namespace: ['other'] }), false)
    await catalog.dropNamespace({ namespace: ['keyed'] })
  },
  async 'a captured table is loaded'() {
    const answer = await fetch(`${process.env.LAKE_URL}/v1/databases/default/sql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${process.env.LAKE_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ sql: 'CREATE TABLE captured (id integer PRIMARY KEY)' }),
    })
    assert.equal(answer.status, 200)
    const metadata = await catalog.loadTable({ namespace: ['default'], name: 'captured' })
    assert.ok(metadata.schemas[0].fields.some((field) => field.name === 'id'))
  },
}

for (const [name, run] of Object.entries(cases)) {
  let line = `pass\ticeberg-js: ${name}\t`
  try {
    await run()
  } catch (error) {
    line = `fail\ticeberg-js: ${name}\t${String(error).replace(/\s+/g, ' ').slice(0, 300)}`
  }
  console.log(line)
  appendFileSync(process.env.LAKE_OUTCOMES, `${line}\n`)
}
