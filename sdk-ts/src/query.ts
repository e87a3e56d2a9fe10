/** SQL on the lake: the request's body and the answer. */

import { bigintField, decodeResult, numberField, optional, parseObject, textField } from './answer.ts'
import { invalid, isRecord, unexpectedAnswer } from './error.ts'
import { createLakePosition, type LakePosition, type LakePositionLike, type LSNLike, type SnapshotId } from './lsn.ts'
import { type Row, withJson } from './row.ts'
import { encodeParameter, type LakeParameter } from './value.ts'

/** A transaction that an answer must include. */
export interface After {
  /** Name of the database that committed it. */
  readonly database: string
  /** The `lsn` of its answer. */
  readonly lsn: LSNLike
}

/** Options of a query. */
export interface LakeQueryOptions {
  /** Values of `?` or `$1`, in order. Default none. */
  readonly params?: readonly LakeParameter[] | undefined
  /** The past to look at: a time, a snapshot id, or a position in the lake. Default the present. */
  readonly asOf?: Date | SnapshotId | string | LakePositionLike | undefined
  /** Namespace of tables named without one. Default `default`. */
  readonly namespace?: string | undefined
  /** Read your writes: wait until the lake has this transaction. Default do not wait. */
  readonly after?: After | undefined
  /** Most rows; for a query without a LIMIT of its own. Default all. */
  readonly limit?: number | undefined
  /** Rows to leave out at the start; for a query without an OFFSET of its own. Default 0. */
  readonly offset?: number | undefined
  /** Stops waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Answer of a query. */
export interface LakeQueryResult<T = Row> {
  /** One object a row. `JSON.stringify` writes them as on the wire: bigints as strings. */
  readonly rows: T[]
  /** Names of the columns, in order. */
  readonly columns: string[]
  /** Postgres' short names of their types, in order: `int8`, `timestamptz`. */
  readonly types: string[]
  /** How many rows. */
  readonly rowCount: number
  /** Bytes read from storage. */
  readonly bytesScanned: number
  /** Data files read. */
  readonly filesScanned: number
  /** Partitions read. */
  readonly partitionsScanned: number
  /** Milliseconds in the server. */
  readonly duration: number
  /** The position of the lake that the answer shows. */
  readonly position: LakePosition | undefined
  /** What was read; `history` where the query looks at changes instead of current rows. */
  readonly source: string | undefined
  /** With `asOf` a time: false while some shard could still commit a transaction stamped before it. */
  readonly final: boolean
}

/** The body of `POST /v1/query`. */
export function encodeQuery(sql: string, options: LakeQueryOptions): string {
  return JSON.stringify({
    sql: limited(sql, options.limit, options.offset),
    params: options.params?.map(encodeParameter),
    asOf: options.asOf === undefined ? undefined : encodeAsOf(options.asOf),
    namespace: options.namespace,
    after: options.after && { database: options.after.database, lsn: options.after.lsn.toString() },
  })
}

/** Decimal text is a snapshot id, other text a time. */
function encodeAsOf(asOf: Date | string | bigint): unknown {
  if (typeof asOf === 'bigint') return { position: asOf.toString() }
  if (typeof asOf === 'string') return /^-?\d+$/.test(asOf) ? { snapshotId: asOf } : asOf
  if (Number.isNaN(asOf.getTime())) throw invalid('asOf is an invalid Date')
  return asOf.toISOString()
}

/** On lines of their own, so that a comment at the end of the query does not swallow them. */
function limited(sql: string, limit: number | undefined, offset: number | undefined): string {
  if (limit === undefined && offset === undefined) return sql
  let text = sql.replace(/[\s;]+$/, '')
  if (limit !== undefined) text += `\nLIMIT ${count('limit', limit)}`
  if (offset !== undefined) text += `\nOFFSET ${count('offset', offset)}`
  return text
}

function count(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} must be a whole number that is not negative`)
  return value
}

/** Reads the answer of `POST /v1/query`. The caller vouches for `T`: the columns are the query's, not ours. */
export function decodeQuery<T>(body: string): LakeQueryResult<T> {
  const answer = parseObject(body)
  const { rows, columns, types, rowCount } = decodeResult(answer)
  const stats = answer['stats']
  if (!isRecord(stats)) throw unexpectedAnswer('the answer has no stats')
  const position = optional(bigintField, answer, 'position')
  return withJson({
    rows: rows as T[],
    columns,
    types,
    rowCount,
    bytesScanned: numberField(stats, 'bytesScanned'),
    filesScanned: numberField(stats, 'filesScanned'),
    partitionsScanned: numberField(stats, 'partitionsScanned'),
    duration: numberField(stats, 'durationMs'),
    position: position === undefined ? undefined : createLakePosition(position),
    source: optional(textField, answer, 'source'),
    final: answer['final'] === true,
  })
}
