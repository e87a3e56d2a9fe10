/** How fast rows are taken, how soon they are in snapshots, how fast they are read, and what memory that takes. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Engines } from '../../demo/engines.ts'
import { load } from '../../demo/load.ts'
import { memoryOf } from '../../demo/memory.ts'
import { byCarrier, named } from '../../demo/questions.ts'
import { createTable, tables } from '../../demo/tables.ts'
import { figure, lakeOfRun, pause, quantile, setting, timed } from './_figure.ts'

const ROUNDS = 7
const lake = lakeOfRun()
const flights = tables.find((each) => each.name === 'flights')
if (flights === undefined) throw new Error('there is no table of flights')
const text = readFileSync(join(setting('LAKE_FLIGHTS'), 'flights.csv'), 'utf8')

// Ten other databases lie idle in the same isolate.
for (let number = 0; number < 10; number += 1) {
  await lake.sql(`idle-${number}`, ['CREATE TABLE t (id integer PRIMARY KEY, note text)', `INSERT INTO t VALUES (1, 'idle')`])
}
await lake.sql('default', createTable(flights))
let rowCount = 0
const loadMs = await timed(async () => {
  rowCount = (await load(lake, 'default', flights, text, () => {})).rowCount
})
const memoryAtLoad = await memoryOf(lake, 'default')
figure('load_rows_per_s', rowCount / loadMs * 1_000, 'rows/s')

const snapshotMs = await timed(async () => {
  for (;;) {
    const properties = (await lake.getMetadata('flights')).snapshots.at(-1)?.summary.properties ?? {}
    if (Number(properties['total-records'] ?? 0) === rowCount) return
    await pause(50)
  }
})
figure('snapshot_after_load_ratio', (loadMs + snapshotMs) / loadMs, 'x load')

const engines = await Engines.start()
const queryMs: number[] = []
const duckdbMs: number[] = []
for (let round = 0; round < ROUNDS; round += 1) {
  queryMs.push(await timed(() => lake.query(named(byCarrier))))
  duckdbMs.push(await timed(() => engines.ask('duckdb', byCarrier.sql, byCarrier.tables)))
}
const peerMs = quantile(duckdbMs, 0.5)
figure('query_by_carrier_p50_ms', quantile(queryMs, 0.5), 'ms', 'DuckDB, ATTACH', quantile(queryMs, 0.5) / peerMs)
await engines.stop()

const memoryAtEnd = await memoryOf(lake, 'default')
for (const name of ['shard', 'lake', 'query'] as const) {
  figure(`memory_${name}_mb`, Math.max(memoryAtLoad[name], memoryAtEnd[name]) / 1e6, 'MB')
}
await lake.close()
