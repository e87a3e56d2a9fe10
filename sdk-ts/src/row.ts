/**
 * Rows: plain objects from column name to value, which `JSON.stringify` can write although they hold bigints.
 *
 * Each row carries a `toJSON` that is not enumerable, so it shows up in no loop, spread or comparison. Nothing global
 * is changed: `JSON.stringify(1n)` throws in your program as before.
 */

import { unexpectedAnswer } from './error.ts'
import { decoderOf, hexOfBytes, type JsonValue, type LakeValue } from './value.ts'

/** A row of an answer. */
export type Row = Record<string, LakeValue>

/** Name and type of a column, as on the wire. */
export interface WireColumn {
  readonly name: string
  readonly type: string
}

/** Turns arrays of wire values into rows. Of two columns with one name, the later one is kept. */
export function rowDecoder(columns: readonly WireColumn[]): (wire: readonly unknown[]) => Row {
  const decoders = columns.map(column => ({ name: column.name, decode: decoderOf(column.type) }))
  return wire => {
    if (wire.length !== decoders.length) throw unexpectedAnswer('a row has another number of values than columns')
    return rowOf(decoders.map(({ name, decode }, index) => [name, decode(wire[index])]))
  }
}

/** Turns objects of wire values into rows, as change events carry them; in the order of the table's columns. */
export function imageDecoder(columns: readonly WireColumn[]): (wire: Readonly<Record<string, unknown>>) => Row {
  const decoders = columns.map(column => ({ name: column.name, decode: decoderOf(column.type) }))
  return wire => {
    const present = decoders.filter(({ name }) => Object.hasOwn(wire, name))
    if (present.length !== Object.keys(wire).length) {
      throw unexpectedAnswer('an event has a column that its table has not')
    }
    return rowOf(present.map(({ name, decode }) => [name, decode(wire[name])]))
  }
}

function rowOf(entries: [string, LakeValue][]): Row {
  // fromEntries defines properties: assigning to a column that is called __proto__ would not.
  return withJson(Object.fromEntries(entries))
}

/** Gives an object the hidden `toJSON`; a column of that name stays a column. */
export function withJson<T extends object>(target: T): T {
  if (!Object.hasOwn(target, 'toJSON')) Object.defineProperty(target, 'toJSON', jsonProperty)
  return target
}

const jsonProperty: PropertyDescriptor = {
  value: function toJSON(this: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(this).map(([name, value]) => [name, jsonOf(value)]))
  },
  enumerable: false,
  writable: true,
  configurable: true,
}

/** As on the wire: bigints and floats that JSON lacks become strings, bytes `\x…`. */
function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return hexOfBytes(value)
  if (Array.isArray(value)) return value.map(jsonOf)
  return value as JsonValue
}
