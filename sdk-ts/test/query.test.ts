import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeQuery, type LakeQueryOptions } from '../src/query.ts'
import { createLakePosition, createLSN, createSnapshotId } from '../src/lsn.ts'
import { clientOf } from './surroundings.ts'
import { serve } from './server.ts'

describe('the body of a query', () => {
  function check(name: string, options: LakeQueryOptions, body: unknown): void {
    test(name, () => assert.deepEqual(JSON.parse(encodeQuery('SELECT 1', options)), body))
  }
  check('has only what was asked', {}, { sql: 'SELECT 1' })
  check('has parameters', { params: ['SKU-123', 7n] }, { sql: 'SELECT 1', params: ['SKU-123', '7'] })
  check('a Date is a time', { asOf: new Date('2025-01-14') }, { sql: 'SELECT 1', asOf: '2025-01-14T00:00:00.000Z' })
  check('a text with a time keeps its microseconds', { asOf: '2025-01-14T00:00:00.000001Z' }, {
    sql: 'SELECT 1',
    asOf: '2025-01-14T00:00:00.000001Z',
  })
  check('a snapshot id', { asOf: createSnapshotId('7001') }, { sql: 'SELECT 1', asOf: { snapshotId: '7001' } })
  check('a position', { asOf: createLakePosition(41n) }, { sql: 'SELECT 1', asOf: { position: '41' } })
  check('reads your writes', { after: { database: 'default', lsn: createLSN(9007199254740993n) } }, {
    sql: 'SELECT 1',
    after: { database: 'default', lsn: '9007199254740993' },
  })
  check('limit and offset stand at the end', { limit: 10, offset: 5 }, { sql: 'SELECT 1\nLIMIT 10\nOFFSET 5' })

  test('a comment at the end does not swallow the limit', () => {
    assert.deepEqual(JSON.parse(encodeQuery('SELECT 1 -- all;\n;', { limit: 1 })), { sql: 'SELECT 1 -- all\nLIMIT 1' })
  })
  for (const limit of [-1, 1.5, Number.NaN]) {
    test(`a limit of ${limit} is refused`, () => {
      assert.throws(() => encodeQuery('SELECT 1', { limit }), { code: 'invalid' })
    })
  }
  test('an invalid Date is refused', () => {
    assert.throws(() => encodeQuery('SELECT 1', { asOf: new Date('Tuesday') }), { code: 'invalid' })
  })
})

const answer = {
  columns: [
    { name: 'id', type: 'int8' },
    { name: 'amount', type: 'numeric' },
    { name: '__proto__', type: 'float8' },
  ],
  rows: [
    ['9007199254740993', '1.50', 'NaN'],
    [null, null, 2.5],
  ],
  rowCount: 2,
  command: 'SELECT',
  position: '41',
  source: 'current',
  final: true,
  stats: { bytesScanned: 10, filesScanned: 2, partitionsScanned: 1, durationMs: 1.5 },
}

test('an answer is rows with their names, and what it took', async () => {
  await using server = await serve({ status: 200, body: answer })
  const result = await clientOf(server.url).query('SELECT * FROM orders')
  const { rows, ...rest } = result
  assert.equal(rows[0]?.['id'], 9007199254740993n)
  assert.equal(rows[0]?.['amount'], '1.50')
  assert.equal(Object.getOwnPropertyDescriptor(rows[0], '__proto__')?.value, Number.NaN)
  assert.deepStrictEqual(rest, {
    columns: ['id', 'amount', '__proto__'],
    types: ['int8', 'numeric', 'float8'],
    rowCount: 2,
    bytesScanned: 10,
    filesScanned: 2,
    partitionsScanned: 1,
    duration: 1.5,
    position: 41n,
    source: 'current',
    final: true,
  })
})

test('JSON.stringify writes rows and whole answers exactly, and a bigint stays a bigint', async () => {
  await using server = await serve({ status: 200, body: { ...answer, columns: answer.columns.slice(0, 2), rows: [['1', '1.50']] } })
  const result = await clientOf(server.url).query('SELECT id, amount FROM orders')
  assert.deepStrictEqual(result.rows, [{ id: 1n, amount: '1.50' }])
  assert.deepEqual(Object.keys(result.rows[0] ?? {}), ['id', 'amount'])
  assert.equal(JSON.stringify(result.rows), '[{"id":"1","amount":"1.50"}]')
  assert.equal(JSON.parse(JSON.stringify(result)).position, '41')
})

test('an answer that is none of ours is named so', async () => {
  for (const body of ['<html>', '[]', '{}', { ...answer, rows: [['1']] }, { ...answer, stats: null }]) {
    await using server = await serve({ status: 200, body })
    await assert.rejects(clientOf(server.url).query('SELECT 1'), { name: 'LakeError', code: 'unexpected_answer' })
  }
})
