/** The client: where the lake is, who asks, and one method for each thing that can be asked. */

import { listField, parseObject, textField } from './answer.ts'
import type { CDCBatch, CDCOperation } from './change.ts'
import { type Environment, systemEnvironment } from './environment.ts'
import { invalid, isRecord, LakeError, unexpectedAnswer } from './error.ts'
import { Emitter, type LakeEvents, type LakeListener } from './events.ts'
import { addressOf, type Fetch, Http, parseBase } from './http.ts'
import type { LakePositionLike } from './lsn.ts'
import { decodeQuery, encodeQuery, type LakeQueryOptions, type LakeQueryResult } from './query.ts'
import { retryPolicy, type RetryOptions, type RetryPolicy } from './retry.ts'
import type { Row } from './row.ts'
import {
  decodeSql,
  decodeSqlList,
  encodeSql,
  type SqlListResult,
  type SqlOptions,
  type SqlResult,
  type Statement,
  type StatementOptions,
} from './sql.ts'
import { type LakeSocketConstructor, subscription } from './subscription.ts'
import { decodeTable, type Snapshot, type TableMetadata, tablePath } from './table.ts'

/** Configuration of a client. */
export interface LakeClientConfig {
  /** Origin of the lake: `https://lake.example.com`. */
  readonly url: string
  /** Bearer token. Default none, which only an open lake accepts. */
  readonly token?: string | undefined
  /** Milliseconds one attempt of a request may take. Default 30000. */
  readonly timeout?: number | undefined
  /** How requests and connections are repeated. */
  readonly retry?: RetryOptions | undefined
  /** Used in place of the global `fetch`. */
  readonly fetch?: Fetch | undefined
  /** Used in place of the global `WebSocket`. */
  readonly WebSocket?: LakeSocketConstructor | undefined
}

/** Options of a subscription. */
export interface CDCStreamOptions {
  /** `table` or `namespace.table`. Default all tables of the namespace. */
  readonly tables?: readonly string[] | undefined
  /** Kinds of change. Default all. */
  readonly operations?: readonly CDCOperation[] | undefined
  /** Position in the lake to start after: the `position` of a batch or an answer. Default now. */
  readonly fromLSN?: LakePositionLike | undefined
  /** Namespace of tables named without one. Default `default`. */
  readonly namespace?: string | undefined
  /** Most events of a batch. Default the server's. */
  readonly batchSize?: number | undefined
  /** Most connections in a row that may fail before the loop throws. Default 20, which is about a minute. */
  readonly maxReconnects?: number | undefined
  /** Ends the loop, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of a new database. */
export interface DatabaseOptions {
  /** The namespace its tables feed. Fixed at creation. Default the database's own name. */
  readonly namespace?: string | undefined
  /** Stops waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** A database of the lake. */
export interface Database {
  /** Its name. */
  readonly name: string
  /** The namespace it feeds. */
  readonly namespace: string
}

/** Options of a request that has no others. */
export interface RequestOptions {
  /** Namespace of tables named without one. Default `default`. */
  readonly namespace?: string | undefined
  /** Stops waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes a client. It holds no connection until something is asked.
 *
 * ```ts
 * import { createLakeClient } from '@dotdo/lake.do';
 *
 * const lake = createLakeClient({
 *   url: 'https://lake.example.com',
 *   token: process.env.LAKE_TOKEN,
 * });
 * const result = await lake.query('SELECT COUNT(*) FROM orders');
 * console.log(result.rows[0].count);
 * ```
 */
export function createLakeClient(config: LakeClientConfig): LakeClient {
  return new LakeClient(config)
}

/** A client of one lake. */
export class LakeClient {
  readonly #base: URL
  readonly #token: string | undefined
  readonly #timeoutMs: number
  readonly #policy: RetryPolicy
  readonly #socket: LakeSocketConstructor | undefined
  readonly #environment: Environment
  readonly #emitter = new Emitter()
  readonly #http: Http
  readonly #closed = new AbortController()

  /** @internal Use `createLakeClient`. */
  constructor(config: LakeClientConfig, environment: Environment = systemEnvironment) {
    this.#base = parseBase(config.url)
    this.#token = config.token
    this.#timeoutMs = config.timeout ?? 30_000
    this.#policy = retryPolicy(config.retry)
    this.#socket = config.WebSocket
    this.#environment = environment
    this.#http = new Http({
      base: this.#base,
      token: config.token,
      timeoutMs: this.#timeoutMs,
      policy: this.#policy,
      // Not `?? fetch`: called as a method of another object, the built-in throws "Illegal invocation".
      fetch: config.fetch ?? ((url, init) => fetch(url, init)),
      environment,
      onRetry: notice => this.#emitter.emit('retry', notice),
    })
  }

  /** Where the lake is. */
  get url(): string {
    return this.#base.href
  }

  /** Runs one SELECT on the lake: all databases, current or past rows. */
  async query<T = Row>(sql: string, options: LakeQueryOptions = {}): Promise<LakeQueryResult<T>> {
    return decodeQuery(
      await this.#send('POST', '/v1/query', options.signal, { body: encodeQuery(sql, options), repeatable: 'safe' }),
    )
  }

  /** Runs one statement on a database, as a transaction of its own. */
  async sql<T = Row>(database: string, statement: string, options?: StatementOptions): Promise<SqlResult<T>>
  /** Runs statements on a database that commit or roll back together. */
  async sql(database: string, statements: readonly (string | Statement)[], options?: SqlOptions): Promise<SqlListResult>
  async sql(
    database: string,
    statements: string | readonly (string | Statement)[],
    options: StatementOptions = {},
  ): Promise<SqlResult<unknown> | SqlListResult> {
    const body = await this.#send('POST', `${databasePath(database)}/sql`, options.signal, {
      body: encodeSql(statements, options.params),
      headers: { 'idempotency-key': options.idempotencyKey ?? this.#environment.uniqueId() },
      // The key makes it so: the server answers a repeated request with what it did the first time.
      repeatable: 'safe',
    })
    return typeof statements === 'string' ? decodeSql(body) : decodeSqlList(body)
  }

  /** Creates a database. Creating it again with the same options changes nothing. */
  async createDatabase(database: string, options: DatabaseOptions = {}): Promise<void> {
    const body = JSON.stringify({ namespace: options.namespace })
    await this.#send('PUT', databasePath(database), options.signal, { body, repeatable: 'safe' })
  }

  /** The databases that the lake has heard of. */
  async listDatabases(options: RequestOptions = {}): Promise<Database[]> {
    const answer = parseObject(await this.#send('GET', '/v1/databases', options.signal))
    return listField(answer, 'databases').map(each => {
      if (!isRecord(each)) throw unexpectedAnswer('a database is not a JSON object')
      return { name: textField(each, 'name'), namespace: textField(each, 'namespace') }
    })
  }

  /** Deletes a database. Its rows leave the lake's current tables; history stays. */
  async deleteDatabase(database: string, options: RequestOptions = {}): Promise<void> {
    await this.#send('DELETE', databasePath(database), options.signal, { repeatable: 'unsafe' })
  }

  /** Status of a database, as the server reports it. */
  async databaseStatus(database: string, options: RequestOptions = {}): Promise<Record<string, unknown>> {
    return parseObject(await this.#send('GET', databasePath(database), options.signal))
  }

  /** Status of the lake: positions of each shard, tail, backlog, memory, as the server reports it. */
  async status(options: RequestOptions = {}): Promise<Record<string, unknown>> {
    return parseObject(await this.#send('GET', '/v1/status', options.signal))
  }

  /**
   * Changes as they are accepted by the lake, in order, each once. Leave the loop with `break`.
   *
   * A lost connection is made again where it was. To go on after a restart of your program, keep the `position` of the
   * last batch you have dealt with and pass it as `fromLSN`; if it is older than what the lake keeps, the loop throws
   * `position_expired`.
   */
  subscribe(options: CDCStreamOptions = {}): AsyncIterableIterator<CDCBatch> {
    const { namespace, tables, operations, fromLSN: fromPosition, batchSize, signal } = options
    const url = addressOf(this.#base, '/v1/subscribe')
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    return subscription(
      {
        url,
        token: this.#token,
        timeoutMs: this.#timeoutMs,
        policy: this.#policy,
        failuresMax: options.maxReconnects ?? 20,
        request: { namespace, tables, operations, fromPosition, batchSize },
        socket: this.#socket ?? globalSocket(),
        environment: this.#environment,
        emitter: this.#emitter,
        diagnose: stop => this.#diagnose(stop),
      },
      this.#closed.signal,
      signal,
    )
  }

  /** Schema, partitioning and snapshots of a table (`table` or `namespace.table`). */
  async getMetadata(table: string, options: RequestOptions = {}): Promise<TableMetadata> {
    return decodeTable(await this.#send('GET', tablePath(table, options.namespace ?? 'default'), options.signal))
  }

  /** The retained snapshots of a table, oldest first. */
  async listSnapshots(table: string, options: RequestOptions = {}): Promise<Snapshot[]> {
    return (await this.getMetadata(table, options)).snapshots
  }

  /** Asks whether the lake answers; `latency` in milliseconds. */
  async ping(options: RequestOptions = {}): Promise<{ latency: number }> {
    const before = this.#environment.now()
    await this.#send('GET', '/healthz', options.signal)
    return { latency: this.#environment.now() - before }
  }

  /** Adds a listener. */
  on<K extends keyof LakeEvents>(event: K, listener: LakeListener<K>): this {
    this.#emitter.on(event, listener)
    return this
  }

  /** Removes a listener that was added with `on`. */
  off<K extends keyof LakeEvents>(event: K, listener: LakeListener<K>): this {
    this.#emitter.off(event, listener)
    return this
  }

  /** Adds a listener for the next time only. */
  once<K extends keyof LakeEvents>(event: K, listener: LakeListener<K>): this {
    const first: LakeListener<K> = payload => {
      this.#emitter.off(event, first)
      listener(payload)
    }
    return this.on(event, first)
  }

  /** Ends all subscriptions of this client; requests that run are finished, new ones are refused. */
  async close(): Promise<void> {
    this.#closed.abort()
  }

  async #send(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    signal: AbortSignal | undefined,
    rest: { body?: string; headers?: Record<string, string>; repeatable: 'safe' | 'unsafe' } = { repeatable: 'safe' },
  ): Promise<string> {
    if (this.#closed.signal.aborted) {
      throw new LakeError({ code: 'closed', message: 'this client is closed', retryable: false, noSideEffects: true })
    }
    return this.#http.send({ method, path, signal, ...rest })
  }

  /** A WebSocket keeps the answer to its handshake to itself; the same address without one says what is wrong. */
  async #diagnose(signal: AbortSignal): Promise<LakeError | undefined> {
    try {
      await this.#http.send({ method: 'GET', path: '/v1/subscribe', repeatable: 'unsafe', signal })
    } catch (error) {
      // Codes that speak of the token or the address; that this request is no WebSocket is its own doing.
      if (error instanceof LakeError && (error.status === 401 || error.status === 403)) return error
    }
    return undefined
  }
}

function databasePath(database: string): string {
  return `/v1/databases/${encodeURIComponent(database)}`
}

function globalSocket(): LakeSocketConstructor {
  if (typeof WebSocket === 'undefined') {
    throw invalid('this runtime has no WebSocket; pass one as WebSocket to createLakeClient')
  }
  return WebSocket
}
