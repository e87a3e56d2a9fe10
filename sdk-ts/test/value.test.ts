import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LakeError } from '../src/error.ts'
import { decoderOf, encodeParameter, type LakeParameter, type LakeValue } from '../src/value.ts'

describe('values of each type', () => {
  function check(type: string, wire: unknown, value: LakeValue): void {
    test(`${type} ${JSON.stringify(wire)?.slice(0, 60)}`, () => assert.deepStrictEqual(decoderOf(type)(wire), value))
  }
  check('int2', -32768, -32768)
  check('int4', 2147483647, 2147483647)
  check('int8', '9223372036854775807', 9223372036854775807n)
  check('int8', '-9223372036854775808', -9223372036854775808n)
  check('int8', null, null)
  check('numeric', '99999999999999999999999999999999999999', '99999999999999999999999999999999999999')
  check('numeric', 'NaN', 'NaN')
  check('float8', 0.1, 0.1)
  check('float8', -0, -0)
  check('float8', 'NaN', Number.NaN)
  check('float4', '-Infinity', Number.NEGATIVE_INFINITY)
  check('bool', false, false)
  check('text', '', '')
  check('text', null, null)
  check('text', '𝒳', '𝒳')
  check('bytea', '\\x', new Uint8Array())
  check('bytea', '\\x00ff10', new Uint8Array([0, 255, 16]))
  check('jsonb', { a: [1, null, '2'] }, { a: [1, null, '2'] })
  check('jsonb', 'text', 'text')
  check('timestamptz', '2025-01-14T00:00:00.000001Z', '2025-01-14T00:00:00.000001Z')
  check('date', '0001-01-01', '0001-01-01')
  check('uuid', '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000')
  check('a_type_of_tomorrow', 'as it is printed', 'as it is printed')
  check('_int4', '{}', [])
  check('_int4', '{1,NULL,-3}', [1, null, -3])
  check('_int8', '{9223372036854775807}', [9223372036854775807n])
  check('_text', '{"",NULL,"NULL","a\\"\\\\,{}b",c}', ['', null, 'NULL', 'a"\\,{}b', 'c'])
  check('_bool', '{t,f}', [true, false])
  check('_float8', '{NaN,-Infinity,1.5}', [Number.NaN, Number.NEGATIVE_INFINITY, 1.5])
  check('_timestamptz', '{"2025-01-14 00:00:00+00","2025-01-14 00:00:00.5+00"}', [
    '2025-01-14T00:00:00.000000Z',
    '2025-01-14T00:00:00.500000Z',
  ])
  check('_bytea', '{"\\\\x00ff"}', [new Uint8Array([0, 255])])
  check('_jsonb', '{"{\\"a\\": 1}"}', [{ a: 1 }])
})

describe('what is no value of its type is refused', () => {
  function check(type: string, wire: unknown): void {
    test(`${type} ${JSON.stringify(wire)}`, () => {
      assert.throws(() => decoderOf(type)(wire), { name: 'LakeError', code: 'unexpected_answer' })
    })
  }
  check('int8', 1)
  check('bytea', '\\x0')
  check('bytea', 'ff')
  check('_int4', '1')
  check('_text', '{"a}')
  check('_text', '{"a"b}')
})

describe('parameters', () => {
  function check(name: string, value: LakeParameter, wire: unknown): void {
    test(name, () => assert.deepStrictEqual(encodeParameter(value), wire))
  }
  check('null', null, null)
  check('text', 'a', 'a')
  check('boolean', true, true)
  check('number', 1.5, 1.5)
  check('bigint beyond 2^53', 9223372036854775807n, '9223372036854775807')
  check('NaN, which JSON lacks', Number.NaN, 'NaN')
  check('infinity, which JSON lacks', Number.NEGATIVE_INFINITY, '-Infinity')
  check('negative zero, which JSON.stringify loses', -0, '-0')
  check('Date', new Date('2025-01-14T00:00:00Z'), '2025-01-14T00:00:00.000Z')
  check('bytes', new Uint8Array([0, 255]), '\\x00ff')
  check('array', [1, null, 'a"\\b', 2n], '{"1",NULL,"a\\"\\\\b","2"}')
  check('JSON', { a: [1, 'x'] }, '{"a":[1,"x"]}')

  function refuse(name: string, value: unknown): void {
    // What TypeScript refuses, JavaScript can still pass.
    test(`${name} is refused`, () => {
      assert.throws(() => encodeParameter(value as LakeParameter), (error: unknown) => {
        return error instanceof LakeError && error.code === 'invalid' && error.noSideEffects
      })
    })
  }
  refuse('undefined', undefined)
  refuse('an invalid Date', new Date(Number.NaN))
  refuse('a function', () => 1)
  refuse('a bigint inside JSON', { a: 1n })
})
