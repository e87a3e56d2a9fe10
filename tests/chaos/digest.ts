/**
 * The changes of one transaction as one short text, so that all readers can be compared with the ledger.
 *
 * Rows of one statement come in whatever order the engine visits them; changes of one key come in the order of the
 * statements. So the text is made of each key's changes in order, keys sorted.
 */

import { createHash } from 'node:crypto'
import type { Table, Values } from './bank.ts'

/** A change as a reader saw it: the row after it, or before it where it is gone. */
export interface Seen {
  readonly table: Table
  readonly operation: string
  readonly id: number | string | bigint
  readonly values: Values
}

/** One line for each key. */
export function linesOf(changes: readonly Seen[]): string[] {
  const keys = new Map<string, string>()
  for (const { table, operation, id, values } of changes) {
    const key = `${table} ${id}`
    keys.set(key, `${keys.get(key) ?? ''} ${operation} (${values.join(', ')})`)
  }
  return [...keys].map(([key, sequence]) => key + sequence).toSorted()
}

/** Equal for equal changes. */
export function digestOf(changes: readonly Seen[]): string {
  return createHash('sha256').update(linesOf(changes).join('\n')).digest('base64').slice(0, 16)
}
