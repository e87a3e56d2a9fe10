/**
 * What the tables of one database must hold: a bank, as transactions of the ledger leave it.
 *
 * Three tables that every transaction keeps in step. `accounts` and `transfers` never disagree: an account's balance is
 * its opening, plus what was settled, plus its transfers, and the sum of all balances never changes. `items` has keys
 * that come, change, move and go, by ones and by hundreds.
 */

/** The tables with their columns after the key, which is `id`. All are bigint but `tag`, the last writer's name. */
export const TABLES = {
  accounts: ['balance', 'settled', 'tag'],
  transfers: ['source', 'target', 'amount', 'tag'],
  items: ['n', 'tag'],
} as const

/** Name of a table. */
export type Table = keyof typeof TABLES

/** All of them, in one order. */
export const TABLE_NAMES = Object.keys(TABLES) as Table[]

/** Accounts of each database. */
export const ACCOUNTS = 16

/** What each account holds at first. */
export const OPENING = 1_000

/** A row after its key: the values of `TABLES`, in that order. */
export type Values = readonly (number | string)[]

/** What one statement does, told without SQL. */
export type Effect =
  | { readonly kind: 'insert'; readonly table: Table; readonly rows: readonly (readonly [id: number, values: Values])[] }
  | { readonly kind: 'upsert'; readonly ids: readonly number[]; readonly tag: string }
  | { readonly kind: 'delete'; readonly table: Table; readonly from: number; readonly to: number }
  | { readonly kind: 'add'; readonly column: 'balance' | 'settled'; readonly id: number; readonly by: number; readonly tag: string }
  | { readonly kind: 'count'; readonly from: number; readonly to: number; readonly tag: string }
  | { readonly kind: 'move'; readonly id: number; readonly to: number; readonly tag: string }

/** One changed row. */
export interface Change {
  readonly table: Table
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE'
  readonly id: number
  readonly before?: Values
  readonly after?: Values
}

/** For each table the number of its rows and two sums over them: what a question of the past is compared by. */
export type Sums = Readonly<Record<Table, readonly [rows: number, a: number, b: number]>>

/** The rows of one database. */
export class Bank {
  readonly #tables: Record<Table, Map<number, Values>> = { accounts: new Map(), transfers: new Map(), items: new Map() }
  readonly #sums: Record<Table, [number, number, number]> = { accounts: [0, 0, 0], transfers: [0, 0, 0], items: [0, 0, 0] }

  /** The rows of a table by their ids. */
  rows(table: Table): ReadonlyMap<number, Values> {
    return this.#tables[table]
  }

  /** The sums as they are. */
  sums(): Sums {
    const { accounts, transfers, items } = this.#sums
    return { accounts: [...accounts], transfers: [...transfers], items: [...items] }
  }

  /** Carries out a transaction; the changes in the order of its statements. */
  apply(effects: readonly Effect[]): Change[] {
    const changes: Change[] = []
    for (const effect of effects) {
      for (const change of this.#planned(effect)) {
        this.#change(change)
        changes.push(change)
      }
    }
    return changes
  }

  #planned(effect: Effect): Change[] {
    switch (effect.kind) {
      case 'insert':
        return effect.rows.map(([id, after]) => ({ table: effect.table, operation: 'INSERT', id, after }))
      case 'upsert':
        return effect.ids.map(id => this.#counted(id, effect.tag) ?? { table: 'items', operation: 'INSERT', id, after: [1, effect.tag] })
      case 'delete':
        return this.#within(effect.table, effect.from, effect.to).map(([id, before]) => ({ table: effect.table, operation: 'DELETE', id, before }))
      case 'count':
        return this.#within('items', effect.from, effect.to).flatMap(([id]) => this.#counted(id, effect.tag) ?? [])
      case 'move': {
        const before = this.#tables.items.get(effect.id)
        if (before === undefined) return []
        const after: Values = [before[0] ?? 0, effect.tag]
        return [
          { table: 'items', operation: 'DELETE', id: effect.id, before },
          { table: 'items', operation: 'INSERT', id: effect.to, after },
        ]
      }
      case 'add': {
        const before = this.#tables.accounts.get(effect.id)
        if (before === undefined) return []
        const [balance, settled] = before
        const [by, also] = effect.column === 'balance' ? [effect.by, 0] : [0, effect.by]
        const after = [Number(balance) + by, Number(settled) + also, effect.tag]
        return [{ table: 'accounts', operation: 'UPDATE', id: effect.id, before, after }]
      }
    }
  }

  /** The change that adds one to an item; none if there is no such item. */
  #counted(id: number, tag: string): Change | undefined {
    const before = this.#tables.items.get(id)
    return before && { table: 'items', operation: 'UPDATE', id, before, after: [Number(before[0]) + 1, tag] }
  }

  #within(table: Table, from: number, to: number): [number, Values][] {
    return [...this.#tables[table]].filter(([id]) => id >= from && id <= to)
  }

  #change({ table, id, before, after }: Change): void {
    if (before !== undefined) this.#count(table, id, before, -1)
    if (after === undefined) return void this.#tables[table].delete(id)
    this.#tables[table].set(id, after)
    this.#count(table, id, after, 1)
  }

  #count(table: Table, id: number, values: Values, sign: 1 | -1): void {
    const [a, b] = terms(table, id, values)
    const sums = this.#sums[table]
    sums[0] += sign
    sums[1] += sign * a
    sums[2] += sign * b
  }
}

/** What a row adds to the two sums of its table; `PROBE` says the same in SQL. */
function terms(table: Table, id: number, values: Values): [number, number] {
  const [first, second, third] = values.map(Number)
  switch (table) {
    case 'accounts':
      return [id * (first ?? 0), id * (second ?? 0)]
    case 'transfers':
      return [id, (third ?? 0) * ((first ?? 0) + 7 * (second ?? 0))]
    case 'items':
      return [id, id * (first ?? 0)]
  }
}

/**
 * The sums of each shard, and under `balance` the sum of all balances with the number of accounts that their transfers
 * contradict. One statement, so one moment.
 */
export const PROBE = `
  SELECT 'accounts' AS what, _shard AS shard, count(*) AS rows, sum(id * balance)::bigint AS a, sum(id * settled)::bigint AS b
  FROM accounts GROUP BY _shard
  UNION ALL
  SELECT 'transfers', _shard, count(*), sum(id)::bigint, sum(amount * (source + 7 * target))::bigint FROM transfers GROUP BY _shard
  UNION ALL
  SELECT 'items', _shard, count(*), sum(id)::bigint, sum(id * n)::bigint FROM items GROUP BY _shard
  UNION ALL
  SELECT 'balance', a._shard, count(*), sum(a.balance)::bigint,
    sum(CASE WHEN a.balance = ${OPENING} + a.settled + coalesce(net.amount, 0) THEN 0 ELSE 1 END)::bigint
  FROM accounts AS a LEFT JOIN (
    SELECT shard, account, sum(amount)::bigint AS amount FROM (
      SELECT _shard AS shard, source AS account, -amount AS amount FROM transfers
      UNION ALL
      SELECT _shard, target, amount FROM transfers) AS legs
    GROUP BY shard, account) AS net ON net.shard = a._shard AND net.account = a.id
  GROUP BY a._shard`

/** The last part of `PROBE` for one shard, where there is no `_shard`. */
export const BALANCE = `
  SELECT count(*) AS rows, sum(a.balance)::bigint AS a,
    sum(CASE WHEN a.balance = ${OPENING} + a.settled + coalesce(net.amount, 0) THEN 0 ELSE 1 END)::bigint AS b
  FROM accounts AS a LEFT JOIN (
    SELECT account, sum(amount)::bigint AS amount FROM (
      SELECT source AS account, -amount AS amount FROM transfers
      UNION ALL
      SELECT target, amount FROM transfers) AS legs
    GROUP BY account) AS net ON net.account = a.id`

/** What `PROBE` answers for a shard with these sums, a line a row. */
export function probeLines(shard: string, sums: Sums): string[] {
  const lines = TABLE_NAMES.filter(table => sums[table][0] > 0).map(table => `${table} ${shard} ${sums[table].join(' ')}`)
  if (sums.accounts[0] > 0) lines.push(`balance ${shard} ${ACCOUNTS} ${ACCOUNTS * OPENING} 0`)
  return lines
}
