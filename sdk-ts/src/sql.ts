/** SQL on one database (a shard): the request's body and the answer. */

import { bigintField, decodeResult, listField, optional, parseObject, textField } from './answer.ts'
import { createLSN, type LSN } from './lsn.ts'
import { type Row, withJson } from './row.ts'
import { encodeParameter, type LakeParameter } from './value.ts'

/** A statement with its parameters. */
export interface Statement {
  /** Text of one statement. */
  readonly sql: string
  /** Values of `?` or `$1`, in order. Default none. */
  readonly params?: readonly LakeParameter[] | undefined
}

/** Options of a statement or a list of statements. */
export interface SqlOptions {
  /**
   * Name under which the server remembers the answer for 24 hours, so that the same request sent again counts once.
   * Default a new one for each call: repetitions by this client are always safe. Pass your own to be safe across
   * restarts of your program.
   */
  readonly idempotencyKey?: string | undefined
  /** Stops waiting; the promise rejects with the signal's reason, and the outcome is not known. */
  readonly signal?: AbortSignal | undefined
}

/** Options of a single statement. */
export interface StatementOptions extends SqlOptions {
  /** Values of `?` or `$1`, in order. Default none. */
  readonly params?: readonly LakeParameter[] | undefined
}

/** Answer of one statement. */
export interface StatementResult<T = Row> {
  /** One object a row: of a SELECT, or of RETURNING. */
  readonly rows: T[]
  /** Names of the columns, in order. */
  readonly columns: string[]
  /** Postgres' short names of their types, in order. */
  readonly types: string[]
  /** How many rows were returned, or affected where none are returned. */
  readonly rowCount: number
  /** First words of Postgres' command tag: `INSERT`, `CREATE TABLE`. */
  readonly command: string
}

/** When and where a transaction was committed. */
export interface Committed {
  /** Position of the transaction in the database; `undefined` if it wrote nothing. For `after` of a query. */
  readonly lsn: LSN | undefined
  /** The transaction's stamp: ISO 8601 with microseconds. */
  readonly committedAt: string | undefined
}

/** Answer of a single statement, which is a transaction of its own. */
export interface SqlResult<T = Row> extends StatementResult<T>, Committed {}

/** Answer of a list of statements, which commit together. */
export interface SqlListResult extends Committed {
  /** One result for each statement, in order. */
  readonly results: StatementResult[]
}

/** The body of `POST /v1/databases/{database}/sql`. */
export function encodeSql(
  statements: string | readonly (string | Statement)[],
  params?: readonly LakeParameter[],
): string {
  if (typeof statements === 'string') return JSON.stringify(encodeStatement({ sql: statements, params }))
  return JSON.stringify({
    statements: statements.map(each => encodeStatement(typeof each === 'string' ? { sql: each } : each)),
  })
}

function encodeStatement(statement: Statement): { sql: string; params: unknown[] | undefined } {
  return { sql: statement.sql, params: statement.params?.map(encodeParameter) }
}

/** Reads the answer to a single statement. The caller vouches for `T`. */
export function decodeSql<T>(body: string): SqlResult<T> {
  const answer = parseObject(body)
  const { rows, ...rest } = decodeResult(answer)
  return withJson({ rows: rows as T[], ...rest, ...decodeCommitted(answer) })
}

/** Reads the answer to a list of statements. */
export function decodeSqlList(body: string): SqlListResult {
  const answer = parseObject(body)
  return withJson({ results: listField(answer, 'results').map(decodeResult), ...decodeCommitted(answer) })
}

function decodeCommitted(answer: Record<string, unknown>): Committed {
  const lsn = optional(bigintField, answer, 'lsn')
  return {
    lsn: lsn === undefined ? undefined : createLSN(lsn),
    committedAt: optional(textField, answer, 'committedAt'),
  }
}
