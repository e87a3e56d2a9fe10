/**
 * Values on the wire and in JavaScript. Nothing is rounded: what JavaScript's numbers and `Date` cannot hold stays
 * a `bigint` or a text.
 *
 * | Postgres | JavaScript |
 * |---|---|
 * | smallint, integer, real, double precision | `number` (NaN and infinities too) |
 * | bigint | `bigint` |
 * | numeric | `string`, all digits |
 * | boolean | `boolean` |
 * | json, jsonb | the value, as `JSON.parse` reads it |
 * | bytea | `Uint8Array` |
 * | timestamptz, timestamp, date, time | `string`: ISO 8601 with microseconds, which `Date` would cut |
 * | arrays | arrays of these |
 * | everything else | `string` as Postgres prints it |
 */

import { invalid, unexpectedAnswer } from './error.ts'

/** A JSON document. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A value of a row. */
export type LakeValue = string | number | bigint | boolean | null | Uint8Array | JsonValue | readonly LakeValue[]

/** A parameter of a statement. Arrays become Postgres arrays, other objects JSON. */
export type LakeParameter =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly LakeParameter[]
  | { readonly [key: string]: JsonValue }

/** Reads values of one type. */
export type Decoder = (wire: unknown) => LakeValue

/** The decoder of a type, by Postgres' short name: `int8`, `_text`. */
export function decoderOf(type: string): Decoder {
  const scalar = scalarDecoder(type)
  return wire => (wire === null ? null : scalar(wire))
}

function scalarDecoder(type: string): Decoder {
  if (type.startsWith('_')) {
    const element = elementDecoder(type.slice(1))
    return wire => parseArray(text(wire, type)).map(item => (item === null ? null : element(item)))
  }
  switch (type) {
    case 'int8':
      return wire => BigInt(text(wire, type))
    case 'float4':
    case 'float8':
      return wire => (typeof wire === 'number' ? wire : Number(text(wire, type)))
    case 'bytea':
      return wire => bytesOfHex(text(wire, type))
    default:
      // Strings, numbers, booleans and JSON are on the wire what they are here.
      return wire => wire as JsonValue
  }
}

/** Elements of an array are printed as Postgres prints them, and mean what the same type means outside. */
function elementDecoder(type: string): (item: string) => LakeValue {
  switch (type) {
    case 'int2':
    case 'int4':
    case 'float4':
    case 'float8':
      return Number
    case 'int8':
      return BigInt
    case 'bool':
      return item => item === 't'
    case 'bytea':
      return bytesOfHex
    case 'json':
    case 'jsonb':
      return item => JSON.parse(item) as JsonValue
    case 'timestamp':
      return item => isoOf(item)
    case 'timestamptz':
      return item => `${isoOf(item.replace(/\+00$/, ''))}Z`
    default:
      return item => item
  }
}

/** `2025-01-14 00:00:00.5` → `2025-01-14T00:00:00.500000`. */
function isoOf(printed: string): string {
  const [seconds = '', fraction = ''] = printed.replace(' ', 'T').split('.')
  return `${seconds}.${fraction.padEnd(6, '0')}`
}

function text(wire: unknown, type: string): string {
  if (typeof wire !== 'string') throw unexpectedAnswer(`a value of type ${type} came as ${typeof wire}`)
  return wire
}

/** Reads `{1,NULL,"a b"}`; one dimension, as the server writes. */
export function parseArray(literal: string): (string | null)[] {
  if (!literal.startsWith('{') || !literal.endsWith('}')) throw unexpectedAnswer(`not an array: ${literal}`)
  const items: (string | null)[] = []
  let at = 1
  while (at < literal.length - 1) {
    if (literal[at] === '"') {
      let item = ''
      for (at += 1; literal[at] !== '"'; at += 1) {
        if (literal[at] === '\\') at += 1
        if (at >= literal.length - 1) throw unexpectedAnswer(`not an array: ${literal}`)
        item += literal[at]
      }
      items.push(item)
      at += 1
    } else {
      const comma = literal.indexOf(',', at)
      const end = comma === -1 ? literal.length - 1 : comma
      const item = literal.slice(at, end)
      items.push(item === 'NULL' ? null : item)
      at = end
    }
    if (literal[at] !== ',' && at !== literal.length - 1) throw unexpectedAnswer(`not an array: ${literal}`)
    at += 1
  }
  return items
}

/** Reads `\x0aff`. */
export function bytesOfHex(hex: string): Uint8Array {
  if (!/^\\x(?:[0-9a-f]{2})*$/i.test(hex)) throw unexpectedAnswer('bytes that are not hexadecimal')
  const bytes = new Uint8Array(hex.length / 2 - 1)
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(2 + index * 2, 4 + index * 2), 16)
  }
  return bytes
}

/** Writes `\x0aff`. */
export function hexOfBytes(bytes: Uint8Array): string {
  let hex = '\\x'
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** What a parameter is on the wire: strings are text input of the type that the statement gives the parameter. */
export function encodeParameter(value: LakeParameter): string | number | boolean | null {
  if (value === null) return null
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'bigint':
      return value.toString()
    case 'number':
      // JSON has no NaN and no infinities, and JSON.stringify(-0) is "0".
      return Number.isFinite(value) && !Object.is(value, -0) ? value : printNumber(value)
    case 'object':
      break
    default:
      throw invalid(`a parameter cannot be ${typeof value}; for NULL pass null`)
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalid('a parameter is an invalid Date')
    return value.toISOString()
  }
  if (value instanceof Uint8Array) return hexOfBytes(value)
  if (Array.isArray(value)) return `{${value.map(encodeElement).join(',')}}`
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw invalid('a parameter cannot be written as JSON', cause)
  }
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function encodeElement(value: LakeParameter): string {
  const encoded = encodeParameter(value)
  if (encoded === null) return 'NULL'
  return `"${String(encoded).replace(/["\\]/g, '\\$&')}"`
}
