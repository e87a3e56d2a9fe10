import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf } from './surroundings.ts'
import { serve } from './server.ts'

/** As text: a snapshot id is a JSON number that JavaScript would round. */
const table = `{
  "metadata-location": "s3://lakehouse/warehouse/sales/orders/metadata/2.json",
  "metadata": {
    "format-version": 2,
    "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
    "location": "s3://lakehouse/warehouse/sales/orders",
    "current-schema-id": 1,
    "schemas": [
      {"schema-id": 0, "type": "struct", "fields": []},
      {"schema-id": 1, "type": "struct", "fields": [
        {"id": 1, "name": "id", "required": true, "type": "long"},
        {"id": 2, "name": "tags \\"1234567890123456789\\"", "required": false, "type": {"type": "list", "element-id": 3, "element": "string", "element-required": false}}
      ]}
    ],
    "default-spec-id": 0,
    "partition-specs": [{"spec-id": 0, "fields": [{"name": "day", "transform": "day", "source-id": 1, "field-id": 1000}]}],
    "current-snapshot-id": 9007199254740993001,
    "snapshots": [
      {"snapshot-id": 9007199254740993001, "parent-snapshot-id": 1, "timestamp-ms": 2000, "manifest-list": "s3://b", "summary":
        {"operation": "overwrite", "added-data-files": "2", "added-records": "5", "added-position-deletes": "3"}},
      {"snapshot-id": 1, "timestamp-ms": 1000, "manifest-list": "s3://a", "summary": {"operation": "append"}}
    ],
    "properties": {"write.format.default": "parquet"}
  },
  "config": {}
}`

test('a table is described in the words of the SDK, its ids exact', async () => {
  await using server = await serve({ status: 200, body: table })
  const metadata = await clientOf(server.url).getMetadata('orders', { namespace: 'sales' })
  assert.equal(server.received[0]?.path, '/iceberg/v1/namespaces/sales/tables/orders')
  const { snapshots, schema, ...rest } = metadata
  assert.deepStrictEqual(rest, {
    tableId: '9c12d441-03fe-4693-9a96-a0705ddf69c1',
    location: 's3://lakehouse/warehouse/sales/orders',
    partitionSpec: [{ name: 'day', transform: 'day', sourceId: 1 }],
    currentSnapshotId: '9007199254740993001',
    properties: { 'write.format.default': 'parquet' },
  })
  assert.deepEqual(schema.fields.map(field => field.name), ['id', 'tags "1234567890123456789"'])
  assert.deepEqual(
    snapshots.map(({ id, parentId, timestamp, summary }) => [id, parentId, timestamp.getTime(), summary.addedFiles, summary.addedRows, summary.deletedRows]),
    [
      ['1', undefined, 1000, -1, -1, -1],
      ['9007199254740993001', '1', 2000, 2, 5, 3],
    ],
  )
})

test('a namespace before the dot wins, and names are escaped', async () => {
  await using server = await serve({ status: 200, body: table })
  assert.equal((await clientOf(server.url).listSnapshots('sa/les.or ders')).length, 2)
  assert.equal(server.received[0]?.path, '/iceberg/v1/namespaces/sa%2Fles/tables/or%20ders')
})

test('the error of the catalog is an error of the SDK', async () => {
  const error = { message: 'Table does not exist', type: 'NoSuchTableException', code: 404 }
  await using server = await serve({ status: 404, body: { error } })
  await assert.rejects(clientOf(server.url).getMetadata('nothing'), { code: 'NoSuchTableException', status: 404, message: 'Table does not exist' })
})
