/**
 * A lake of its own for a spec, seen through the SDK: a client, tokens of any scope, evictions and power cuts.
 *
 * It keeps its port over a restart, as a deployed lake keeps its address, so that clients find it again.
 */

import { createHmac } from 'node:crypto'
import { resolve } from 'node:path'
import { createLakeClient, type LakeClient, type LakeClientConfig } from '../../sdk-ts/src/index.ts'
import { type ObjectName, Server } from './server.ts'

/** The repository. */
export const ROOT = resolve(import.meta.dirname, '../..')

interface Keys {
  readonly current: string
  readonly keys: Readonly<Record<string, string>>
}

/** An object that a test can evict. */
export type Evictable =
  | { readonly script: 'lake'; readonly class: 'DoLake' | 'Catalog' }
  | { readonly script: 'dosql'; readonly database: string }

/** What makes a token other than a good one. */
export interface BadToken {
  readonly exp?: number
  readonly key?: string
  readonly kid?: string
}

/** A running lake. */
export class Lake {
  #server: Server
  readonly #keys: Keys
  /** Where it answers; the same after a restart. */
  readonly url: string
  /** A client with a token that may do everything. */
  readonly client: LakeClient

  /** Starts one with nothing in it. */
  static async start(): Promise<Lake> {
    return new Lake(await Server.start())
  }

  private constructor(server: Server) {
    const keys: Keys = JSON.parse(process.env['LAKE_KEYS'] ?? '{}')
    this.#server = server
    this.#keys = keys
    this.url = server.url
    this.client = this.clientWith({})
  }

  /** Another client, with a token that may do everything unless `config` says otherwise. */
  clientWith(config: Partial<LakeClientConfig>): LakeClient {
    return createLakeClient({ url: this.url, token: this.token(['all']), ...config })
  }

  /** A token with these scopes. */
  token(scopes: readonly string[], bad: BadToken = {}): string {
    const now = Math.floor(Date.now() / 1000)
    const { current, keys } = this.#keys
    const header = { alg: 'HS256', typ: 'JWT', kid: bad.kid ?? current }
    const claims = { v: 1, sub: 'e2e', iat: Math.min(now, bad.exp ?? now), exp: bad.exp ?? now + 3600, scopes }
    const signed = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const key = Buffer.from(bad.key ?? keys[current] ?? '', 'base64url')
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  }

  /** A request as another client than the SDK would send it. */
  fetch(path: string, init: RequestInit & { token?: string | undefined } = {}): Promise<Response> {
    const { token = this.token(['all']), headers, ...rest } = init
    return fetch(this.url + path, { ...rest, headers: { authorization: `Bearer ${token}`, ...headers } })
  }

  /** Takes an object out of memory; the sockets it accepted hibernate or are closed. */
  async evict(object: Evictable, webSockets: 'hibernate' | 'close' = 'hibernate'): Promise<void> {
    const where: ObjectName =
      object.script === 'lake'
        ? { ...object, name: 'lake', webSockets }
        : { script: 'dosql', class: 'DoSql', name: object.database, webSockets }
    try {
      await this.#server.evict(where)
    } catch (error) {
      // Out of memory already: by itself, or because it was never asked for anything.
      if (!String(error).includes('not currently running')) throw error
    }
  }

  /** Kills the whole runtime, as a power cut would, and starts it again. */
  async killAndRestart(): Promise<void> {
    this.#server = await this.#server.killAndRestart()
  }

  /** Ends everything in order. */
  async stop(): Promise<void> {
    await this.client.close()
    await this.#server.stop()
  }
}
