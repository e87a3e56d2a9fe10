/**
 * A writer: makes up transactions on its database and sends each until it knows what became of it, or gives it up in
 * doubt. It has keys of its own in `transfers` and `items`, so that none of its statements can fail; accounts are shared.
 */

import { ConnectionError, type LakeClient, LakeError, type Statement } from '../../sdk-ts/src/index.ts'
import { ACCOUNTS, type Effect, type Values } from './bank.ts'
import type { Chance } from './chance.ts'
import type { Ledger, Transaction } from './ledger.ts'
import { pause, PAUSE_MS, type Traffic } from './traffic.ts'

/** How far apart the keys of two writers are. */
const KEYS = 1_000_000

/** Of the requests whose answer was lost, how many are never sent again. */
const ABANDONED = 0.4

/** Rows of its own that a writer leaves in each table when it clears up. */
const KEPT = 150

interface Part {
  readonly statement: Statement
  readonly effect: Effect
}

/** One of several writers of a database. */
export class Writer {
  readonly #client: LakeClient
  readonly #ledger: Ledger
  readonly #traffic: Traffic
  readonly #chance: Chance
  readonly #number: number
  #count = 0
  #lastId: number
  /** What was settled when it last cleared up; until the ledger has moved on, it does not know its rows. */
  #clearedAt = -1n

  constructor(client: LakeClient, ledger: Ledger, traffic: Traffic, chance: Chance, number: number) {
    this.#client = client
    this.#ledger = ledger
    this.#traffic = traffic
    this.#chance = chance
    this.#number = number
    this.#lastId = number * KEYS
  }

  /** Writes until the traffic is over. */
  async run(): Promise<void> {
    for (;;) {
      await this.#traffic.load.pass()
      if (this.#traffic.isOver) return
      // What is sent to nobody is not in doubt.
      await this.#traffic.up.pass()
      if (!this.#traffic.load.isOpen) continue
      const transaction = this.#transaction()
      await this.#traffic.busy(`${this.#ledger.database} ${transaction.tag}`, () => this.#send(transaction))
    }
  }

  async #send(transaction: Transaction): Promise<void> {
    for (;;) {
      try {
        const { lsn, committedAt } = await this.#client.sql(this.#ledger.database, transaction.statements, { idempotencyKey: transaction.tag })
        if (lsn === undefined || committedAt === undefined) throw new Error(`${transaction.tag} wrote nothing`)
        this.#ledger.acknowledge(transaction, lsn, committedAt)
        return this.#traffic.acknowledged()
      } catch (error) {
        if (!(error instanceof LakeError) || !error.retryable) throw error
        if (error instanceof ConnectionError) {
          this.#traffic.inDoubt += 1
          if (this.#chance.is(ABANDONED)) return this.#ledger.abandon(transaction)
          await this.#traffic.up.pass()
        } else {
          await pause(PAUSE_MS)
        }
      }
    }
  }

  #transaction(): Transaction {
    this.#count += 1
    const tag = `${this.#ledger.database}-${this.#number}-${this.#count}`
    const parts = this.#parts(tag)
    return { tag, statements: parts.map(part => part.statement), effects: parts.map(part => part.effect) }
  }

  #parts(tag: string): Part[] {
    const dice = this.#chance.next()
    if (dice < 0.03 && this.#clearedAt < this.#ledger.last) return this.#clearing(tag)
    if (dice < 0.55) return this.#transfer(tag)
    if (dice < 0.63) return [this.#insert(this.#chance.between(40, 200), tag)]
    if (dice < 0.85) return this.#churn(tag)
    return [this.#upsert(tag), this.#insert(1, tag)]
  }

  /** Money from one account to another. */
  #transfer(tag: string): Part[] {
    const source = this.#chance.between(1, ACCOUNTS)
    const target = 1 + ((source - 1 + this.#chance.between(1, ACCOUNTS - 1)) % ACCOUNTS)
    const amount = this.#chance.between(1, 50)
    const values: Values = [source, target, amount, tag]
    const id = this.#nextId()
    return [
      add('balance', source, -amount, tag),
      add('balance', target, amount, tag),
      {
        statement: { sql: 'INSERT INTO transfers (id, source, target, amount, tag) VALUES ($1, $2, $3, $4, $5)', params: [id, ...values] },
        effect: { kind: 'insert', table: 'transfers', rows: [[id, values]] },
      },
    ]
  }

  /** Items that change, go, come back and get another key, together. */
  #churn(tag: string): Part[] {
    const from = Math.max(this.#number * KEYS + 1, this.#lastId - this.#chance.between(5, 200))
    const again = from + 12
    this.#lastId = Math.max(this.#lastId, again)
    return [
      {
        statement: { sql: 'UPDATE items SET n = n + 1, tag = $1 WHERE id BETWEEN $2 AND $3', params: [tag, from, from + 15] },
        effect: { kind: 'count', from, to: from + 15, tag },
      },
      remove('items', from + 10, from + 13),
      {
        statement: { sql: 'INSERT INTO items (id, n, tag) VALUES ($1, 0, $2)', params: [again, tag] },
        effect: { kind: 'insert', table: 'items', rows: [[again, [0, tag]]] },
      },
      this.#move(from + 3, tag),
    ]
  }

  #move(id: number, tag: string): Part {
    const to = this.#nextId()
    return {
      statement: { sql: 'UPDATE items SET id = $1, tag = $2 WHERE id = $3', params: [to, tag, id] },
      effect: { kind: 'move', id, to, tag },
    }
  }

  #insert(count: number, tag: string): Part {
    const rows = Array.from({ length: count }, (): [number, Values] => [this.#nextId(), [this.#chance.between(1, 9), tag]])
    const values = rows.map(([id, [n]]) => `(${id}, ${n}, '${tag}')`).join(', ')
    return {
      statement: { sql: `INSERT INTO items (id, n, tag) VALUES ${values}` },
      effect: { kind: 'insert', table: 'items', rows },
    }
  }

  #upsert(tag: string): Part {
    const from = Math.max(this.#number * KEYS + 1, this.#lastId - this.#chance.between(1, 60))
    const ids = Array.from({ length: 5 }, (_, index) => from + index)
    this.#lastId = Math.max(this.#lastId, from + 5)
    const values = ids.map(id => `(${id}, 1, '${tag}')`).join(', ')
    const sql = `INSERT INTO items (id, n, tag) VALUES ${values} ON CONFLICT (id) DO UPDATE SET n = items.n + 1, tag = excluded.tag`
    return { statement: { sql }, effect: { kind: 'upsert', ids, tag } }
  }

  /** Old transfers become part of what the accounts have settled; old items go. Once for each look at the ledger. */
  #clearing(tag: string): Part[] {
    this.#clearedAt = this.#ledger.last
    const settled = this.#old('transfers')
    const nets = new Map<number, number>()
    for (const [, [source, target, amount]] of settled) {
      nets.set(Number(source), (nets.get(Number(source)) ?? 0) - Number(amount))
      nets.set(Number(target), (nets.get(Number(target)) ?? 0) + Number(amount))
    }
    const parts = [...nets].map(([account, net]) => add('settled', account, net, tag))
    for (const [table, rows] of [['transfers', settled], ['items', this.#old('items')]] as const) {
      const [first, last] = [rows[0]?.[0], rows.at(-1)?.[0]]
      if (first !== undefined && last !== undefined) parts.push(remove(table, first, last))
    }
    return [...parts, this.#insert(1, tag)]
  }

  /** Rows of its own but the newest, in the order of their keys. */
  #old(table: 'transfers' | 'items'): [number, Values][] {
    const own = [...this.#ledger.bank.rows(table)].filter(([id]) => Math.floor(id / KEYS) === this.#number)
    return own.toSorted(([a], [b]) => a - b).slice(0, -KEPT)
  }

  #nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }
}

function add(column: 'balance' | 'settled', id: number, by: number, tag: string): Part {
  return {
    statement: { sql: `UPDATE accounts SET ${column} = ${column} + $1, tag = $2 WHERE id = $3`, params: [by, tag, id] },
    effect: { kind: 'add', column, id, by, tag },
  }
}

function remove(table: 'transfers' | 'items', from: number, to: number): Part {
  return {
    statement: { sql: `DELETE FROM ${table} WHERE id BETWEEN $1 AND $2`, params: [from, to] },
    effect: { kind: 'delete', table, from, to },
  }
}
