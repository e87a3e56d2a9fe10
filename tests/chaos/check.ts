/**
 * The look at everything after a kill, when nothing is on its way: the shard, our SQL, stock DuckDB and subscribers
 * against the ledger, over current rows and over all changes.
 */

import { type LakeClient, LakeError, type Row } from '../../sdk-ts/src/index.ts'
import type { Answers } from './answers.ts'
import { type Table, TABLE_NAMES, TABLES } from './bank.ts'
import type { Chance } from './chance.ts'
import type { DuckDb, Rows } from './duckdb.ts'
import { Account, type SeenChange } from './history.ts'
import type { Ledger } from './ledger.ts'
import type { Subscriber } from './subscriber.ts'
import { pause, PAUSE_MS } from './traffic.ts'
import { mustEqual, Wrong } from './wrong.ts'

/** How long the lake may take for what it was told to be there, once there is no load. */
const LATE_MS = 60_000

/** Final answers that are asked for again after each kill. */
const ASKED_AGAIN = 5

/** Positions of one page when all changes are read from the beginning: an answer has at most 16 MiB. */
const PAGE = 20_000n

/** Who is looked at. */
export interface Look {
  readonly client: LakeClient
  readonly duckdb: DuckDb
  readonly ledgers: readonly Ledger[]
  readonly namespaces: readonly string[]
  readonly subscribers: readonly Subscriber[]
  readonly answers: Answers
}

/** Compares again and again, and remembers how far it was. */
export class Check {
  readonly #look: Look
  readonly #chance: Chance
  readonly #accounts = new Map<string, Account>()

  constructor(look: Look, chance: Chance) {
    this.#look = look
    this.#chance = chance
  }

  /** Everything since the last time, and all current rows. */
  async compare(): Promise<void> {
    const { client, duckdb, ledgers, namespaces, answers } = this.#look
    for (const namespace of namespaces) await this.#settle(namespace)
    answers.compare()
    for (const ledger of ledgers) await this.#compareShard(ledger)
    for (const namespace of namespaces) {
      mustEqual(`our SQL, ${namespace}`, await insist(() => ourRows(client, namespace)), this.#rows(namespace))
    }
    await this.#flushed()
    await duckdb.attach()
    for (const namespace of namespaces) await this.#compareDuckDb(namespace)
    for (const subscriber of this.#look.subscribers) await this.#compareSubscriber(subscriber)
    await answers.askAgain(ASKED_AGAIN)
    for (const ledger of ledgers) {
      await this.#sendOnceMore(ledger)
      ledger.forgetChanges()
    }
  }

  /** All changes from the very beginning, and every answer that was remembered. */
  async compareFromTheStart(): Promise<void> {
    const { client, duckdb, namespaces, answers } = this.#look
    for (const namespace of namespaces) {
      const ours = new Account(`our SQL, whole history of ${namespace}`, this.#of(namespace))
      const end = this.#account(`our SQL, history of ${namespace}`, namespace).position
      const pages: SeenChange[][] = []
      for (let from = 0n; from < end; from += PAGE) {
        pages.push(await insist(() => ourChanges(client, namespace, from, from + PAGE)))
      }
      ours.compare(pages.flat())
      const theirs = new Account(`DuckDB, whole history of ${namespace}`, this.#of(namespace))
      theirs.compare(await duckdbChanges(duckdb, namespace, 0n))
    }
    await answers.askAgain(Number.POSITIVE_INFINITY)
  }

  /** Waits until the lake has all that the shards have, finds what was in doubt, and applies all of it. */
  async #settle(namespace: string): Promise<void> {
    const { client } = this.#look
    const committed = new Map<Ledger, bigint>()
    for (const ledger of this.#of(namespace)) {
      const { database } = ledger
      const lsn = BigInt(String((await insist(() => client.databaseStatus(database)))['committed']))
      await insist(() => client.query('SELECT count(*) FROM accounts', { namespace, after: { database, lsn } }))
      committed.set(ledger, lsn)
    }
    const ours = this.#account(`our SQL, history of ${namespace}`, namespace)
    const changes = await insist(() => ourChanges(client, namespace, ours.position))
    for (const [ledger, lsn] of committed) {
      adopt(ledger, changes)
      ledger.settle(lsn)
    }
    ours.compare(changes)
  }

  async #compareShard(ledger: Ledger): Promise<void> {
    const { client } = this.#look
    const found: string[] = []
    for (const table of TABLE_NAMES) {
      const answer = await insist(() => client.sql(ledger.database, `SELECT id, ${TABLES[table].join(', ')} FROM ${table}`))
      found.push(...answer.rows.map(row => rowLine(ledger.database, table, row)))
    }
    mustEqual(`the shard ${ledger.database}`, found, rowsOf(ledger))
  }

  async #compareDuckDb(namespace: string): Promise<void> {
    const { duckdb, answers } = this.#look
    const found: string[] = []
    for (const table of TABLE_NAMES) {
      const columns = TABLES[table].join(', ')
      const rows = await duckdb.ask(`SELECT _shard, id, ${columns} FROM lake."${namespace}".${table}`)
      found.push(...rows.map(([shard, id, ...values]) => `${shard} ${table} ${id} (${values.join(', ')})`))
    }
    mustEqual(`DuckDB, ${namespace}`, found, this.#rows(namespace))
    const theirs = this.#account(`DuckDB, history of ${namespace}`, namespace)
    theirs.compare(await duckdbChanges(duckdb, namespace, theirs.position))
    const past = answers.aTime(namespace)
    if (past === undefined) return
    const lines = (await duckdb.ask(pastProbe(namespace, past.time))).map(row => row.join(' '))
    const expected = past.lines.filter(line => !line.startsWith('balance '))
    mustEqual(`DuckDB, history of ${namespace} as of ${past.time.toISOString()}`, lines, expected)
  }

  async #compareSubscriber(subscriber: Subscriber): Promise<void> {
    const end = this.#account(`our SQL, history of ${subscriber.namespace}`, subscriber.namespace).position
    this.#account(subscriber.name, subscriber.namespace).compare(await subscriber.seenUpTo(end))
  }

  /** An acknowledged request comes once more: it has to get its old answer and change nothing. */
  async #sendOnceMore(ledger: Ledger): Promise<void> {
    if (ledger.recent.length === 0) return
    const { transaction, lsn } = this.#chance.oneOf(ledger.recent)
    const { database } = ledger
    const again = await insist(() => this.#look.client.sql(database, transaction.statements, { idempotencyKey: transaction.tag }))
    if (again.lsn !== lsn) throw new Wrong(`${database}: ${transaction.tag} was lsn ${lsn}, and is ${again.lsn} when it is sent again`)
  }

  /** Loads a table until the lake has committed everything: a load waits for a commit only for some seconds. */
  async #flushed(): Promise<void> {
    const { client, namespaces } = this.#look
    const deadline = Date.now() + LATE_MS
    for (;;) {
      await insist(() => client.getMetadata('accounts', { namespace: namespaces[0] }))
      const lake = (await insist(() => client.status()))['lake'] as Record<string, unknown>
      if (lake['flushed'] === lake['position']) return
      if (Date.now() > deadline) throw new Wrong('the lake has not committed what it accepted', [JSON.stringify(lake)])
      await pause(PAUSE_MS)
    }
  }

  #rows(namespace: string): string[] {
    return this.#of(namespace).flatMap(rowsOf)
  }

  #of(namespace: string): Ledger[] {
    return this.#look.ledgers.filter(ledger => ledger.namespace === namespace)
  }

  #account(who: string, namespace: string): Account {
    const account = this.#accounts.get(who) ?? new Account(who, this.#of(namespace))
    this.#accounts.set(who, account)
    return account
  }
}

/** Tells the ledger of transactions whose answer was lost: one always writes its tag into some row. */
function adopt(ledger: Ledger, changes: readonly SeenChange[]): void {
  const written = changes.filter(change => change.shard === ledger.database && change.operation !== 'DELETE')
  for (const [lsn, of] of Map.groupBy(written, change => change.lsn)) {
    ledger.adopt(lsn, of[0]?.committedAt ?? '', new Set(of.map(change => String(change.values.at(-1)))))
  }
}

/** Asks until there is an answer, or an error that asking again does not help. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LATE_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof LakeError) || !error.retryable || Date.now() > deadline) throw error
      await pause(PAUSE_MS)
    }
  }
}

function rowsOf({ database, bank }: Ledger): string[] {
  return TABLE_NAMES.flatMap(table => [...bank.rows(table)].map(([id, values]) => `${database} ${table} ${id} (${values.join(', ')})`))
}

function rowLine(shard: unknown, table: Table, row: Row): string {
  return `${shard} ${table} ${row['id']} (${TABLES[table].map(column => row[column]).join(', ')})`
}

async function ourRows(client: LakeClient, namespace: string): Promise<string[]> {
  const lines: string[] = []
  for (const table of TABLE_NAMES) {
    const answer = await client.query(`SELECT _shard, id, ${TABLES[table].join(', ')} FROM ${table}`, { namespace })
    lines.push(...answer.rows.map(row => rowLine(row['_shard'], table, row)))
  }
  return lines
}

const PLACE = ['_shard', '_lsn', '_position', '_operation', '_commit_timestamp'] as const

async function ourChanges(client: LakeClient, namespace: string, after: bigint, upTo = (1n << 62n)): Promise<SeenChange[]> {
  const changes: SeenChange[] = []
  for (const table of TABLE_NAMES) {
    const sql = `SELECT ${PLACE.join(', ')}, id, ${TABLES[table].join(', ')} FROM ${table}_history WHERE _position > ${after} AND _position <= ${upTo}`
    for (const row of (await client.query(sql, { namespace })).rows) {
      changes.push(change(table, PLACE.map(name => String(row[name])), String(row['id']), TABLES[table].map(name => String(row[name]))))
    }
  }
  return changes
}

async function duckdbChanges(duckdb: DuckDb, namespace: string, after: bigint): Promise<SeenChange[]> {
  const changes: SeenChange[] = []
  for (const table of TABLE_NAMES) {
    const names = [...PLACE, 'id', ...TABLES[table]].join(', ')
    const rows: Rows = await duckdb.ask(`SELECT ${names} FROM lake."${namespace}".${table}_history WHERE _position > ${after}`)
    for (const row of rows) {
      const values = row.map(String)
      changes.push(change(table, values.slice(0, PLACE.length), values[PLACE.length] ?? '', values.slice(PLACE.length + 1)))
    }
  }
  return changes
}

function change(table: Table, place: readonly string[], id: string, values: readonly string[]): SeenChange {
  const [shard = '', lsn = '', position = '', operation = '', committedAt = ''] = place
  return { table, operation, id, values, shard, lsn: BigInt(lsn), position: BigInt(position), committedAt }
}

/** The sums of `PROBE` over the last change of each key up to a time. */
function pastProbe(namespace: string, time: Date): string {
  const sums = {
    accounts: 'sum(id * balance), sum(id * settled)',
    transfers: 'sum(id), sum(amount * (source + 7 * target))',
    items: 'sum(id), sum(id * n)',
  }
  const parts = TABLE_NAMES.map(table => `
    SELECT '${table}', _shard, count(*), ${sums[table]} FROM (
      SELECT * FROM lake."${namespace}".${table}_history WHERE _commit_timestamp <= TIMESTAMPTZ '${time.toISOString()}'
      QUALIFY row_number() OVER (PARTITION BY _shard, id ORDER BY _position DESC) = 1)
    WHERE _operation <> 'DELETE' GROUP BY _shard`)
  return parts.join(' UNION ALL ')
}
