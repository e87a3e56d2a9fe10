/** Readers under load: what they see has to be right at every moment, and their loads of tables make the lake commit. */

import type { LakeClient } from '../../sdk-ts/src/index.ts'
import type { Answers } from './answers.ts'
import { ACCOUNTS, BALANCE, OPENING, TABLE_NAMES } from './bank.ts'
import type { Chance } from './chance.ts'
import type { DuckDb } from './duckdb.ts'
import type { Ledger } from './ledger.ts'
import type { Traffic } from './traffic.ts'
import { Wrong } from './wrong.ts'

/** What readers share. */
export interface Reading {
  readonly client: LakeClient
  readonly duckdb: DuckDb
  readonly ledgers: readonly Ledger[]
  readonly namespaces: readonly string[]
  readonly answers: Answers
  readonly traffic: Traffic
}

/** Starts all of them. */
export function startReaders(reading: Reading, chance: Chance): void {
  const { traffic } = reading
  for (const [act, rest] of [[loadTables, 1], [readLake, 4], [readShard, 8], [readDuckDb, 4]] as const) {
    const own = chance.fork()
    traffic.join(traffic.repeat(act.name, () => act(reading, own), rest))
  }
}

/** Loads a table through the catalog, as an engine does before it reads. */
async function loadTables({ client, namespaces, traffic }: Reading, chance: Chance): Promise<void> {
  const table = `${chance.oneOf(TABLE_NAMES)}${chance.is(0.5) ? '_history' : ''}`
  const loaded = client.getMetadata(table, { namespace: chance.oneOf(namespaces) })
  // Told at the moment of the request, because a kill is timed by it.
  traffic.commitOnRead()
  await loaded
}

/** Asks our SQL for the present and for moments of the past. */
async function readLake({ client, namespaces, answers }: Reading, chance: Chance): Promise<void> {
  const namespace = chance.oneOf(namespaces)
  await answers.askNow(namespace)
  const dice = chance.next()
  if (dice < 0.6) return answers.askPast(namespace, { kind: 'time', time: new Date(Date.now() - chance.between(0, 3_000)) })
  if (dice < 0.8) return answers.askPast(namespace, { kind: 'position', position: answers.aPosition() })
  const snapshots = await client.listSnapshots(chance.oneOf(TABLE_NAMES), { namespace })
  if (snapshots.length === 0) return
  const { id, summary } = chance.oneOf(snapshots)
  const at = summary.properties['lake.position']
  if (at !== undefined) await answers.askPast(namespace, { kind: 'snapshot', snapshot: id, position: BigInt(at) })
}

/** Asks a shard whether its accounts and transfers agree. */
async function readShard({ client, ledgers }: Reading, chance: Chance): Promise<void> {
  const { database } = chance.oneOf(ledgers)
  const [row] = (await client.sql(database, BALANCE)).rows
  if (row?.['rows'] !== BigInt(ACCOUNTS) || row['a'] !== BigInt(ACCOUNTS * OPENING) || row['b'] !== 0n) {
    throw new Wrong(`the shard ${database}: accounts and transfers disagree`, [JSON.stringify(row)])
  }
}

let attachedAt = -1

/** Asks stock DuckDB for the sum of all balances, which no transaction changes. */
async function readDuckDb({ duckdb, namespaces, traffic }: Reading, chance: Chance): Promise<void> {
  if (attachedAt !== traffic.kills) {
    const { kills } = traffic
    await duckdb.attach()
    attachedAt = kills
  }
  const namespace = chance.oneOf(namespaces)
  const rows = await duckdb.ask(`SELECT _shard, count(*), sum(balance) FROM lake."${namespace}".accounts GROUP BY _shard`)
  const bad = rows.filter(([, count, sum]) => Number(count) !== ACCOUNTS || Number(sum) !== ACCOUNTS * OPENING)
  if (bad.length > 0) throw new Wrong(`DuckDB, ${namespace}: balances do not add up`, bad.map(String))
}
