// A running lake with an SDK client on it.

import { createHmac } from 'node:crypto'
import { resolve } from 'node:path'
import { type LakeClient, type LakeClientConfig, createLakeClient } from '../../sdk-ts/src/index.ts'
import { type ObjectName, Server } from './server.ts'

export const ROOT = resolve(import.meta.dirname, '../..')

const CLASSES = { lake: 'DoLake', dosql: 'DoSql' } as const

export class Lake {
  #server: Server
  #client: LakeClient | undefined

  private constructor(server: Server) {
    this.#server = server
  }

  /** A lake of its own for a file of tests. */
  static async start(_file: string): Promise<Lake> {
    return new Lake(await Server.start())
  }

  get url(): string {
    return this.#server.url
  }

  get server(): Server {
    return this.#server
  }

  get client(): LakeClient {
    this.#client ??= this.clientWith({})
    return this.#client
  }

  clientWith(config: Partial<LakeClientConfig>): LakeClient {
    return createLakeClient({ url: this.url, token: this.#server.token, ...config })
  }

  /** A request with the token of this run, or with another. */
  async fetch(path: string, { token = this.#server.token, ...init }: RequestInit & { token?: string } = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${token}`)
    return await fetch(this.url + path, { ...init, headers })
  }

  /** A token with these scopes; what makes it a wrong one can be set. */
  token(scopes: readonly string[], wrong: { key?: string; kid?: string; exp?: number } = {}): string {
    const { current, keys } = JSON.parse(process.env['LAKE_KEYS'] ?? '{}')
    const now = Math.floor(Date.now() / 1000)
    const parts = [
      { alg: 'HS256', typ: 'JWT', kid: wrong.kid ?? current },
      { v: 1, sub: 'test', iat: now, exp: wrong.exp ?? now + 3600, scopes },
    ]
    const text = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const key = Buffer.from(wrong.key ?? keys[current], 'base64url')
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }

  /** Evicts an object; the lake and its catalog are named `lake`. */
  async evict(
    object: { script: 'lake' | 'dosql'; class?: ObjectName['class']; name?: string },
    webSockets: 'hibernate' | 'close' = 'hibernate',
  ): Promise<void> {
    const { script, class: named = CLASSES[script], name = 'lake' } = object
    await this.#server.evict({ script, class: named, name, webSockets })
  }

  /** SIGKILL for everything. */
  async kill(): Promise<void> {
    await this.#server.kill()
  }

  /** Starts again, after a kill, on the same state and port. */
  async restart(): Promise<void> {
    this.#server = await Server.start({ state: this.#server.state, port: this.#server.port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close()
    await this.#server.stop()
  }
}
