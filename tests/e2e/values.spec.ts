import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { LakeParameter, LakeValue } from '../../sdk-ts/src/index.ts'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

/** A parameter whose value comes back in another form. */
class Pair {
  readonly sent: LakeParameter
  readonly back: LakeValue
  constructor(sent: LakeParameter, back: LakeValue) {
    this.sent = sent
    this.back = back
  }
}

const pair = (sent: LakeParameter, back: LakeValue): Pair => new Pair(sent, back)

/** 1,050,000 bytes in UTF-8. */
const megabyte = '𝒳é~'.repeat(150_000)

const cases: Record<string, readonly (LakeParameter | Pair)[]> = {
  smallint: [-32768, 32767, 0],
  int: [-2147483648, 2147483647],
  bigint: [-9223372036854775808n, 9223372036854775807n, 9007199254740993n],
  real: [1e-45, 3.4028235e38, 0.1, Number.NaN, Number.POSITIVE_INFINITY, -0, 0],
  'double precision': [5e-324, 1.7976931348623157e308, Number.NaN, Number.NEGATIVE_INFINITY, -0, 0, 0.1],
  'numeric(38,0)': ['99999999999999999999999999999999999999', '-99999999999999999999999999999999999999'],
  'numeric(38,38)': ['0.00000000000000000000000000000000000001'],
  numeric: ['99999999999999999999999999999.999999999', pair('-1', '-1.000000000')],
  boolean: [true, false],
  text: ['', ' ', 'NULL', 'a\u0001\n\t"\\', '𝒳é', megabyte],
  'varchar(3)': ['𝒳𝒳𝒳'],
  bytea: [new Uint8Array(), new Uint8Array([0, 1, 0, 255])],
  date: ['0001-01-01', '9999-12-31', '1969-12-31', '2000-02-29'],
  time: ['00:00:00', '23:59:59.999999'],
  timestamp: [
    pair('0001-01-01 00:00:00', '0001-01-01T00:00:00.000000'),
    pair('9999-12-31 23:59:59.999999', '9999-12-31T23:59:59.999999'),
  ],
  timestamptz: [
    pair('0001-01-01 00:00:00+00', '0001-01-01T00:00:00.000000Z'),
    pair('9999-12-31 23:59:59.999999+00', '9999-12-31T23:59:59.999999Z'),
    pair('1969-12-31 23:59:59.999999+00', '1969-12-31T23:59:59.999999Z'),
    pair(new Date('2025-01-14T00:00:00.001Z'), '2025-01-14T00:00:00.001000Z'),
  ],
  uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  jsonb: [
    pair('{"a": [1, null, "𝒳"], "b": {}}', { a: [1, null, '𝒳'], b: {} }),
    pair('null', null),
    pair('"text"', 'text'),
  ],
  'bigint[]': [pair([9223372036854775807n, null, 0n], [9223372036854775807n, null, 0n]), pair([], [])],
  'text[]': [pair(['', 'NULL', null, 'a,"b\\'], ['', 'NULL', null, 'a,"b\\'])],
}

describe('extreme values are the same in the shard, in the tail, in events and in Parquet', () => {
  for (const [index, [type, values]] of Object.entries(cases).entries()) {
    test(type, async () => {
      const { client } = lake
      const table = `t${index}`
      await client.sql('default', `CREATE TABLE ${table} (id int PRIMARY KEY, v ${type})`)
      const { lsn } = await client.sql(
        'default',
        [...values, null].map((value, id) => ({
          sql: `INSERT INTO ${table} VALUES ($1, $2)`,
          params: [id, value instanceof Pair ? value.sent : value],
        })),
      )
      assert.ok(lsn !== undefined)
      const expected = [...values, null].map((value, id) => ({ id, v: value instanceof Pair ? value.back : value }))
      const sql = `SELECT id, v FROM ${table} ORDER BY id`
      assert.deepStrictEqual((await client.sql('default', sql)).rows, expected, 'shard')
      assert.deepStrictEqual((await client.query(sql, { after: { database: 'default', lsn } })).rows, expected, 'tail')
      assert.deepStrictEqual(await inserted(table, expected.length), expected, 'subscription')
      await client.getMetadata(table)
      const committed = await client.query(sql)
      assert.deepStrictEqual(committed.rows, expected, 'Parquet')
      assert.ok(committed.filesScanned > 0, 'the rows were read from a file')
    })
  }
})

/** Rows as a subscriber sees them. */
async function inserted(table: string, count: number): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const batch of lake.client.subscribe({ tables: [table], fromLSN: 0n })) {
    rows.push(...batch.events.map(event => event.after))
    if (rows.length >= count) break
  }
  return rows
}

describe('what Iceberg cannot hold is refused by the shard', () => {
  function refuse(type: string, value: LakeParameter, code: string): void {
    test(`${type} ${JSON.stringify(value)}`, async () => {
      const { client } = lake
      await client.sql('default', `CREATE TABLE IF NOT EXISTS refused_${code} (v ${type})`)
      const sql = `INSERT INTO refused_${code} VALUES ($1)`
      await assert.rejects(client.sql('default', sql, { params: [value] }), { code, noSideEffects: true })
    })
  }
  refuse('numeric(38,0)', '999999999999999999999999999999999999999', '22003')
  refuse('timestamptz', '10000-01-01 00:00:00+00', '22008')
  refuse('text', 'a\u0000b', '22021')
})
