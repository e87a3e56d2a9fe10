// A running lake for a test: started on a state folder, killed or stopped, started again on the same folder.
//
// `cargo xtask e2e` sets the environment: LAKE_KEYS and LAKE_TOKEN (the keys of every lake of a test run and a token
// that may do everything), LAKE_SCRATCH (where state folders go), LAKE_PYTHON and LAKE_PYTHON_HOME (DuckDB, PyIceberg).

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const SERVE = resolve(import.meta.dirname, '../../tools/serve.mjs')

export interface StartOptions {
  /** The state folder; a new one if left out. */
  state?: string
  /** The port; a free one if left out. A restart under clients that reconnect takes the port it had. */
  port?: number
  /** Settings of the scripts. */
  settings?: Readonly<Record<string, string>>
}

/** A Durable Object of a script. */
export interface ObjectName {
  script: 'lake' | 'dosql'
  class: 'DoLake' | 'Catalog' | 'DoSql'
  name: string
  /** What becomes of its accepted WebSockets. */
  webSockets?: 'hibernate' | 'close'
}

export interface Answer {
  status: number
  headers: Headers
  body: any
}

export class Server {
  readonly url: string
  readonly token: string
  readonly state: string
  readonly #admin: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #workerd: number | undefined

  private constructor(child: ChildProcess, ended: Promise<void>, state: string, ready: Map<string, string>) {
    this.#child = child
    this.#ended = ended
    this.state = state
    this.url = must(ready.get('url'), 'url')
    this.token = must(ready.get('token'), 'token')
    this.#admin = must(ready.get('admin'), 'admin')
  }

  static async start({ state = newState(), port = 0, settings = {} }: StartOptions = {}): Promise<Server> {
    const values = ['--state', state, '--port', String(port), '--admin-port', '0', '--log', join(state, 'server.log')]
    const child = spawn(process.execPath, [SERVE, ...values, '--ends-with-stdin'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...settings },
    })
    const ended = new Promise<void>((end) => child.once('exit', () => end()))
    for await (const line of createInterface({ input: child.stdout! })) {
      if (!line.startsWith('ready ')) continue
      const fields = line.split(' ').slice(1)
      const server = new Server(child, ended, state, new Map(fields.map((field) => split(field))))
      // Known before it is needed: a kill happens at the moment at which it is asked for.
      server.#workerd = ((await server.pids()) as { workerd: number }).workerd
      return server
    }
    throw new Error(`the server ended before it was ready; see ${join(state, 'server.log')}`)
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** Ends everything in order. */
  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await this.#ended
  }

  /** Ends everything as a power cut would: node and workerd with SIGKILL. */
  async kill(): Promise<void> {
    process.kill(must(this.#workerd, 'process id of workerd'), 'SIGKILL')
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Kills and starts again on the same state and port. */
  async killAndRestart(): Promise<Server> {
    await this.kill()
    return await Server.start({ state: this.state, port: this.port })
  }

  async pids(): Promise<unknown> {
    return await (await fetch(`${this.#admin}/pids`)).json()
  }

  /** Evicts an object from memory, as the platform does with an idle one. */
  async evict(object: ObjectName): Promise<void> {
    const answer = await fetch(`${this.#admin}/evict`, { method: 'POST', body: JSON.stringify(object) })
    if (!answer.ok) throw new Error(`cannot evict ${object.class} ${object.name}: ${await answer.text()}`)
    await answer.arrayBuffer()
  }

  /** A request with the token. A body that is no text is sent as JSON; a JSON answer is parsed. */
  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const isText = typeof body === 'string' || body instanceof Uint8Array
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined || isText ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isText ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json') ?? false
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text }
  }

  /** SQL on a shard; an error answer throws. */
  async sql(database: string, sql: string, params: unknown[] = [], headers: Record<string, string> = {}): Promise<any> {
    return ok(await this.request('POST', `/v1/databases/${database}/sql`, { sql, params }, headers))
  }

  /** SQL on the lake; an error answer throws. */
  async query(sql: string, rest: Record<string, unknown> = {}): Promise<any> {
    return ok(await this.request('POST', '/v1/query', { sql, ...rest }))
  }
}

/** A new empty state folder. */
export function newState(): string {
  return mkdtempSync(join(must(process.env.LAKE_SCRATCH, 'LAKE_SCRATCH'), 'lake-'))
}

/** Runs a Python program that has DuckDB and PyIceberg; gives what it printed. */
export async function python(lake: Server, program: string, ...values: string[]): Promise<string> {
  const child = spawn(must(process.env.LAKE_PYTHON, 'LAKE_PYTHON'), ['-c', program, ...values], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOME: process.env.LAKE_PYTHON_HOME, LAKE_URL: lake.url, LAKE_TOKEN: lake.token },
  })
  const code = new Promise<number | null>((end) => child.once('exit', end))
  let printed = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) printed += chunk
  if ((await code) !== 0) throw new Error(`the Python program ended with ${await code}: ${printed}`)
  return printed
}

function ok(answer: Answer): any {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

function split(field: string): [string, string] {
  const at = field.indexOf('=')
  return [field.slice(0, at), field.slice(at + 1)]
}

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`no ${what}: run \`cargo xtask e2e\``)
  return value
}
