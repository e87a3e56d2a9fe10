/** SQL answers on the wire, checked where they come in: this is the one place where bytes get their types. */

import { isRecord, unexpectedAnswer } from './error.ts'
import { type Row, rowDecoder, type WireColumn } from './row.ts'

/** The part that answers of shards and of the lake share. */
export interface DecodedResult {
  readonly rows: Row[]
  readonly columns: string[]
  readonly types: string[]
  readonly rowCount: number
  readonly command: string
}

/** Parses a body that must be a JSON object. */
export function parseObject(body: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch (cause) {
    throw unexpectedAnswer('the answer is not JSON', cause)
  }
  if (!isRecord(parsed)) throw unexpectedAnswer('the answer is not a JSON object')
  return parsed
}

/** Reads `{columns, rows, rowCount, command}`. */
export function decodeResult(answer: unknown): DecodedResult {
  if (!isRecord(answer)) throw unexpectedAnswer('a result is not a JSON object')
  const columns = listField(answer, 'columns').map(decodeColumn)
  const decode = rowDecoder(columns)
  const rows = listField(answer, 'rows').map(row => {
    if (!Array.isArray(row)) throw unexpectedAnswer('a row is not a list')
    return decode(row)
  })
  return {
    rows,
    columns: columns.map(column => column.name),
    types: columns.map(column => column.type),
    rowCount: numberField(answer, 'rowCount'),
    command: textField(answer, 'command'),
  }
}

/** Reads `{name, type}`. */
export function decodeColumn(column: unknown): WireColumn {
  if (!isRecord(column)) throw unexpectedAnswer('a column is not a JSON object')
  return { name: textField(column, 'name'), type: textField(column, 'type') }
}

/** A field that must be a list. */
export function listField(from: Record<string, unknown>, name: string): unknown[] {
  const value = from[name]
  if (!Array.isArray(value)) throw unexpectedAnswer(`the answer has no list ${name}`)
  return value
}

/** A field that must be a string. */
export function textField(from: Record<string, unknown>, name: string): string {
  const value = from[name]
  if (typeof value !== 'string') throw unexpectedAnswer(`the answer has no text ${name}`)
  return value
}

/** A field that must be a number. */
export function numberField(from: Record<string, unknown>, name: string): number {
  const value = from[name]
  if (typeof value !== 'number') throw unexpectedAnswer(`the answer has no number ${name}`)
  return value
}

/** A field that must be a decimal string. */
export function bigintField(from: Record<string, unknown>, name: string): bigint {
  const value = from[name]
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) {
    throw unexpectedAnswer(`the answer has no decimal ${name}`)
  }
  return BigInt(value)
}

/** A field that may be absent or null. */
export function optional<T>(
  read: (from: Record<string, unknown>, name: string) => T,
  from: Record<string, unknown>,
  name: string,
): T | undefined {
  return from[name] === undefined || from[name] === null ? undefined : read(from, name)
}
