/** Loads a CSV file into a shard over HTTP: several requests at once, each a transaction that is safe to resend. */

import type { LakeClient, LSN } from '../sdk-ts/src/index.ts'
import { records } from './csv.ts'
import { type DemoTable, insertRows, parameters } from './tables.ts'

/** Rows of one transaction: some hundred kilobytes, far below a transaction's limit, enough to hide the round trip. */
const ROWS_PER_REQUEST = 1_000
/** Requests on their way: the shard is one thread, so more would only wait there. */
const REQUESTS_AT_ONCE = 3

/** What was loaded. */
export interface Loaded {
  readonly rowCount: number
  /** The last transaction of the load. */
  readonly lsn: LSN
  /** Its stamp. */
  readonly committedAt: string
}

/** Loads all records of `text`. `onProgress` is called with the rows that are durable in the shard. */
export async function load(
  lake: LakeClient,
  database: string,
  table: DemoTable,
  text: string,
  onProgress: (rowCount: number) => void,
): Promise<Loaded> {
  const batches = batchesOf(table, text)
  let rowCount = 0
  let last: { lsn: LSN; committedAt: string } | undefined
  const sendAll = async (): Promise<void> => {
    for (const { rows, params } of batches) {
      const { lsn, committedAt } = await lake.sql(database, insertRows(table, rows), { params })
      if (lsn === undefined || committedAt === undefined) throw new Error('an INSERT was answered without its position')
      if (last === undefined || lsn > last.lsn) last = { lsn, committedAt }
      rowCount += rows
      onProgress(rowCount)
    }
  }
  // All take from one iterator, so each batch is sent once.
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, sendAll))
  if (last === undefined) throw new Error(`${table.name} has no rows`)
  return { rowCount, ...last }
}

function* batchesOf(table: DemoTable, text: string): Generator<{ rows: number; params: (string | number | null)[] }> {
  let params: (string | number | null)[] = []
  let rows = 0
  for (const record of records(text)) {
    params.push(...parameters(table, record))
    rows += 1
    if (rows === ROWS_PER_REQUEST) {
      yield { rows, params }
      params = []
      rows = 0
    }
  }
  if (rows > 0) yield { rows, params }
}
