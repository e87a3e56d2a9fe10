/**
 * The ledger that stands outside: what was sent to one database, what was acknowledged, what that must have made of it.
 *
 * It knows of each transaction whether it was acknowledged (then under which lsn and stamp), is in doubt because its
 * answer was lost, or was abandoned in doubt: never sent again, so it may be there wholly or not at all, and what the
 * lake shows at the next look holds for ever.
 */

import type { Statement } from '../../sdk-ts/src/index.ts'
import { Bank, type Change, type Effect, type Sums } from './bank.ts'
import { digestOf } from './digest.ts'
import { Wrong } from './wrong.ts'

/** A transaction as a writer made it up. */
export interface Transaction {
  /** Its name: its `Idempotency-Key`, and the tag of rows that it wrote. */
  readonly tag: string
  readonly statements: readonly Statement[]
  readonly effects: readonly Effect[]
}

/** A transaction whose place is known. */
export interface Entry {
  readonly tag: string
  readonly lsn: bigint
  readonly committedAt: string
  /** How many rows it changed. */
  readonly count: number
  readonly digest: string
  /** What the tables summed up to after it. */
  readonly sums: Sums
  /** Kept until every reader was compared with it. */
  changes: readonly Change[] | undefined
  /** The lake's positions of its first and last change, once somebody saw them. */
  positions: readonly [bigint, bigint] | undefined
}

interface Placed {
  readonly transaction: Transaction
  readonly lsn: bigint
  readonly committedAt: string
}

/** The ledger of one database. */
export class Ledger {
  readonly database: string
  readonly namespace: string
  readonly bank = new Bank()
  /** By lsn: the first has 1. */
  readonly entries: Entry[] = []
  /** How many were acknowledged. */
  acknowledged = 0
  /** How many were abandoned in doubt and then found, or found to be absent. */
  found = 0
  absent = 0
  readonly #placed = new Map<bigint, Placed>()
  readonly #abandoned = new Map<string, Transaction>()
  readonly #absent = new Set<string>()
  /** Acknowledged ones that can be sent once more. */
  readonly recent: Placed[] = []

  constructor(database: string, namespace: string) {
    this.database = database
    this.namespace = namespace
  }

  /** The last lsn whose changes were applied. */
  get last(): bigint {
    return BigInt(this.entries.length)
  }

  /** Abandoned and not looked for yet. */
  get inDoubt(): number {
    return this.#abandoned.size
  }

  /** An answer came. */
  acknowledge(transaction: Transaction, lsn: bigint, committedAt: string): void {
    this.acknowledged += 1
    const placed = { transaction, lsn, committedAt }
    this.#place(placed)
    this.recent.push(placed)
    if (this.recent.length > 50) this.recent.shift()
  }

  /** No answer came, and nobody will ask again. */
  abandon(transaction: Transaction): void {
    this.#abandoned.set(transaction.tag, transaction)
  }

  /** The lake shows changes under an lsn that nobody was told: one of the abandoned, if a tag among them says so. */
  adopt(lsn: bigint, committedAt: string, tags: ReadonlySet<string>): void {
    if (lsn <= this.last || this.#placed.has(lsn)) return
    const tag = [...tags].find(each => this.#abandoned.has(each))
    const transaction = tag === undefined ? undefined : this.#abandoned.get(tag)
    if (transaction === undefined) {
      const late = [...tags].find(each => this.#absent.has(each))
      throw new Wrong(`${this.database}: lsn ${lsn} holds ${late === undefined ? 'what nobody sent' : `${late}, which was not there before`}`, [...tags])
    }
    this.#abandoned.delete(transaction.tag)
    this.found += 1
    this.#place({ transaction, lsn, committedAt })
  }

  /** Nothing is on its way: whatever the shard holds up to `committed` is applied, in its order. */
  settle(committed: bigint): void {
    for (let lsn = this.last + 1n; lsn <= committed; lsn += 1n) {
      const placed = this.#placed.get(lsn)
      if (placed === undefined) throw new Wrong(`${this.database}: the shard has lsn ${lsn}, which was neither acknowledged nor reached the lake`)
      this.#placed.delete(lsn)
      this.#apply(placed)
    }
    const [lost] = [...this.#placed.values()].map(({ transaction, lsn }) => `${transaction.tag}, lsn ${lsn}`)
    if (lost !== undefined) throw new Wrong(`${this.database}: lost ${lost}: acknowledged, and the shard ends at ${committed}`)
    for (const tag of this.#abandoned.keys()) this.#absent.add(tag)
    this.absent += this.#abandoned.size
    this.#abandoned.clear()
  }

  /** The sums after everything stamped at or before a moment (ISO 8601 with microseconds). */
  sumsAtTime(moment: string): Sums {
    return this.#sumsAfter(this.entries.findLast(entry => entry.committedAt <= moment))
  }

  /** The sums after everything up to a position of the lake. */
  sumsAtPosition(position: bigint): Sums {
    return this.#sumsAfter(this.entries.findLast(entry => entry.positions !== undefined && entry.positions[1] <= position))
  }

  /** All readers were compared with these changes. */
  forgetChanges(): void {
    for (let index = this.entries.length - 1; index >= 0; index -= 1) {
      const entry = this.entries[index]
      if (entry?.changes === undefined) return
      entry.changes = undefined
    }
  }

  #place(placed: Placed): void {
    const other = this.#placed.get(placed.lsn)?.transaction.tag ?? this.entries[Number(placed.lsn) - 1]?.tag
    if (other !== undefined) throw new Wrong(`${this.database}: lsn ${placed.lsn} was given to ${other} and to ${placed.transaction.tag}`)
    this.#placed.set(placed.lsn, placed)
  }

  #apply({ transaction, lsn, committedAt }: Placed): void {
    const before = this.entries.at(-1)
    if (before !== undefined && before.committedAt >= committedAt) {
      throw new Wrong(`${this.database}: lsn ${lsn} is stamped ${committedAt}, not after lsn ${before.lsn}: ${before.committedAt}`)
    }
    const changes = this.bank.apply(transaction.effects)
    const digest = digestOf(changes.map(({ table, operation, id, before, after }) => ({ table, operation, id, values: after ?? before ?? [] })))
    const sums = this.bank.sums()
    this.entries.push({ tag: transaction.tag, lsn, committedAt, count: changes.length, digest, sums, changes, positions: undefined })
  }

  #sumsAfter(entry: Entry | undefined): Sums {
    return entry?.sums ?? new Bank().sums()
  }
}
