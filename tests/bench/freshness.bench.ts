/** From the answer of a commit in a shard until a new query sees it, one writer at ten commits a second. */

import { Engines } from '../../demo/engines.ts'
import { figure, lakeOfRun, pause, quantile } from './_figure.ts'

const COMMITS = 40
const EVERY_MS = 100

const lake = lakeOfRun()
await lake.sql('default', 'CREATE TABLE ticks (id integer PRIMARY KEY, at timestamptz DEFAULT now())')
let next = 0

/** Commits, then asks until the row is seen; the milliseconds from the answer of each commit. */
async function measure(newest: () => Promise<number>): Promise<number[]> {
  const times: number[] = []
  for (let commit = 0; commit < COMMITS; commit += 1) {
    const begun = performance.now()
    next += 1
    await lake.sql('default', 'INSERT INTO ticks (id) VALUES ($1)', { params: [next] })
    const answered = performance.now()
    while (await newest() < next) {
      if (performance.now() - answered > 30_000) throw new Error('a commit was not seen within 30 s')
    }
    times.push(performance.now() - answered)
    await pause(Math.max(0, EVERY_MS - (performance.now() - begun)))
  }
  return times
}

const sql = 'SELECT max(id) AS newest FROM {ticks}'
const ours = await measure(async () => Number((await lake.query(sql.replace('{ticks}', 'ticks'))).rows[0]?.['newest']))
figure('fresh_query_p50_ms', quantile(ours, 0.5), 'ms')
figure('fresh_query_p95_ms', quantile(ours, 0.95), 'ms')

const engines = await Engines.start()
const duckdb = await measure(async () => Number((await engines.ask('duckdb', sql, ['ticks']))[0]?.[0] ?? 0))
figure('fresh_duckdb_p50_ms', quantile(duckdb, 0.5), 'ms')
figure('fresh_duckdb_p95_ms', quantile(duckdb, 0.95), 'ms')
await engines.stop()

const commits: number[] = []
for (let round = 0; round < 200; round += 1) {
  const start = performance.now()
  next += 1
  await lake.sql('default', 'INSERT INTO ticks (id) VALUES ($1)', { params: [next] })
  commits.push(performance.now() - start)
}
figure('commit_p50_ms', quantile(commits, 0.5), 'ms')
await lake.close()
