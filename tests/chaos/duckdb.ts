/** Stock DuckDB, attached to the lake's catalog, in a Python process of its own: `engine.py`. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'

/** Values as text; NULL is null. */
export type Rows = (string | null)[][]

/**
 * How long an answer may take, in milliseconds. DuckDB 1.5.5 that was reading when the lake was killed can wait for ever,
 * in `httpfs`, for a lock of a cached file that none of its threads holds.
 */
const ANSWER_MS = 60_000

interface Process {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: AsyncIterator<string>
}

/** One question at a time. */
export class DuckDb {
  readonly #environment: NodeJS.ProcessEnv
  #process: Process | undefined
  /** The question before this one. */
  #turn: Promise<unknown> = Promise.resolve()

  /** What the process writes to stderr: an abort of DuckDB, when the lake is killed under it, is told there. */
  readonly #log: WriteStream

  /** For the lake at an address, with a log in a folder. */
  constructor(url: string, token: string, folder: string) {
    this.#log = createWriteStream(join(folder, 'duckdb.log'), { flags: 'a' })
    // DuckDB installs its extensions below HOME; not below the user's.
    this.#environment = { ...process.env, HOME: process.env['LAKE_PYTHON_HOME'] ?? process.env['HOME'], LAKE_URL: url, LAKE_TOKEN: token }
  }

  /** Connects anew. */
  async attach(): Promise<void> {
    await this.#request({ attach: true })
  }

  /** Runs a question. */
  ask(sql: string): Promise<Rows> {
    return this.#request({ sql })
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const ended = this.#process && once(this.#process.child, 'exit')
    this.#process?.child.stdin.end()
    await ended
  }

  #request(request: object): Promise<Rows> {
    const answer = this.#turn.then(async () => {
      let line = await this.#exchange(request)
      if (line === undefined) {
        console.log('DuckDB does not answer any more; another one is asked')
        if (!('attach' in request)) await this.#exchange({ attach: true })
        line = await this.#exchange(request)
      }
      if (line === undefined) throw new Error(`DuckDB does not answer: ${JSON.stringify(request)}`)
      const { rows, error } = JSON.parse(line) as { rows?: Rows; error?: string }
      if (error !== undefined) throw new Error(error)
      return rows ?? []
    })
    this.#turn = answer.catch(() => undefined)
    return answer
  }

  /** One line there and one back; nothing if it does not answer, and then it is ended. */
  async #exchange(request: object): Promise<string | undefined> {
    this.#process ??= this.#start()
    const { child, lines } = this.#process
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const late = new AbortController()
    const answer = lines.next()
    const found = await Promise.race([answer, setTimeout(ANSWER_MS, undefined, { signal: late.signal })])
    late.abort()
    if (found === undefined) {
      this.#process = undefined
      child.kill('SIGKILL')
      return undefined
    }
    if (found.done === true) {
      // It aborts when the catalog is gone while it wants new credentials. The next question finds another one.
      this.#process = undefined
      throw new Error('the Python side has ended; its error is in duckdb.log')
    }
    return found.value
  }

  #start(): Process {
    const python = process.env['LAKE_PYTHON'] ?? 'python3'
    const child = spawn(python, [join(import.meta.dirname, 'engine.py')], { env: this.#environment })
    child.stderr.pipe(this.#log, { end: false })
    // Writing to one that has just ended fails; that it has ended is told by its output.
    child.stdin.on('error', () => undefined)
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
  }
}
