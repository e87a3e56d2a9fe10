/**
 * One reader's account of all changes of a namespace, compared with the ledger: each transaction once, whole, in its
 * shard's order, at the positions where all others saw it.
 */

import { type Table, type Values } from './bank.ts'
import { digestOf, linesOf, type Seen } from './digest.ts'
import type { Entry, Ledger } from './ledger.ts'
import { mustEqual, Wrong } from './wrong.ts'

/** A change with its place. */
export interface SeenChange extends Seen {
  readonly shard: string
  readonly lsn: bigint
  readonly position: bigint
  readonly committedAt: string
  /** The row before it, where the reader is told. */
  readonly before?: Values | undefined
}

/** How far one reader was compared. */
export class Account {
  readonly #who: string
  readonly #ledgers: ReadonlyMap<string, Ledger>
  /** The last lsn of each shard that was compared. */
  readonly #compared = new Map<string, bigint>()
  /** The position of the last change that was compared. */
  position = 0n

  constructor(who: string, ledgers: readonly Ledger[]) {
    this.#who = who
    this.#ledgers = new Map(ledgers.map(ledger => [ledger.database, ledger]))
  }

  /** Takes the changes after `position`, which reach to the end of the settled ledgers. */
  compare(changes: readonly SeenChange[]): void {
    const sorted = changes.toSorted((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : 0))
    for (const transaction of transactionsOf(sorted)) this.#compareOne(transaction)
    for (const ledger of this.#ledgers.values()) {
      const missing = this.#next(ledger)
      if (missing !== undefined) throw new Wrong(`${this.#who}: ${missing.tag}, lsn ${missing.lsn} of ${ledger.database}, is missing`)
    }
  }

  #compareOne(changes: readonly [SeenChange, ...SeenChange[]]): void {
    const [first] = changes
    const last = changes.at(-1) ?? first
    const ledger = this.#ledgers.get(first.shard)
    if (ledger === undefined) throw new Wrong(`${this.#who}: a change of ${first.shard}, which is no database of this namespace`)
    const entry = this.#next(ledger)
    const where = `${this.#who}: lsn ${first.lsn} of ${first.shard}`
    if (entry?.lsn !== first.lsn) {
      throw new Wrong(`${where} comes where ${entry === undefined ? 'nothing' : `lsn ${entry.lsn}`} should`, linesOf(changes))
    }
    if (entry.changes !== undefined) {
      const expected = entry.changes.map(({ table, operation, id, before, after }) => ({ table, operation, id, values: after ?? before ?? [] }))
      mustEqual(`${where}, ${entry.tag}`, linesOf(changes), linesOf(expected))
      this.#compareBefore(`${where}, before`, changes, entry)
    }
    if (digestOf(changes) !== entry.digest) throw new Wrong(`${where} is not ${entry.tag} as it was`, linesOf(changes))
    if (first.position <= this.position || last.position - first.position !== BigInt(changes.length - 1)) {
      throw new Wrong(`${where} has positions ${first.position} to ${last.position} for ${changes.length} changes, after ${this.position}`)
    }
    entry.positions ??= [first.position, last.position]
    if (entry.positions[0] !== first.position || entry.positions[1] !== last.position) {
      throw new Wrong(`${where} is at positions ${first.position} to ${last.position}, and was at ${entry.positions.join(' to ')}`)
    }
    const stamp = changes.find(change => change.committedAt !== entry.committedAt)?.committedAt
    if (stamp !== undefined) throw new Wrong(`${where} is stamped ${stamp}, and was answered with ${entry.committedAt}`)
    this.position = last.position
    this.#compared.set(ledger.database, entry.lsn)
  }

  #compareBefore(where: string, changes: readonly SeenChange[], entry: Entry): void {
    const key = (table: Table, id: Seen['id']): string => `${table} ${id}`
    const befores = new Map<string, (Values | undefined)[]>()
    for (const { table, id, before } of entry.changes ?? []) {
      befores.set(key(table, id), [...(befores.get(key(table, id)) ?? []), before])
    }
    for (const { table, id, before } of changes) {
      const expected = befores.get(key(table, id))?.shift()
      if (before !== undefined) mustEqual(`${where} ${key(table, id)}`, [before.join(', ')], [expected?.join(', ') ?? 'nothing'])
    }
  }

  /** The next transaction of a shard that changed rows. */
  #next(ledger: Ledger): Entry | undefined {
    const after = Number(this.#compared.get(ledger.database) ?? 0n)
    for (let index = after; index < ledger.entries.length; index += 1) {
      const entry = ledger.entries[index]
      if (entry !== undefined && entry.count > 0) return entry
    }
    return undefined
  }
}

/** Neighbours of one transaction; one that is torn apart comes in pieces. */
function transactionsOf(changes: readonly SeenChange[]): [SeenChange, ...SeenChange[]][] {
  const transactions: [SeenChange, ...SeenChange[]][] = []
  for (const change of changes) {
    const last = transactions.at(-1)
    if (last !== undefined && last[0].shard === change.shard && last[0].lsn === change.lsn) last.push(change)
    else transactions.push([change])
  }
  return transactions
}
