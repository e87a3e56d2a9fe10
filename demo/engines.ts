/** The foreign engines, in a Python process of their own: `engines.py`. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** DuckDB through ATTACH, DuckDB through the README's `iceberg_scan('r2://…')`, PyIceberg. */
export type Engine = 'duckdb' | 'scan' | 'pyiceberg'

/** Values as text; NULL is null. */
export type Rows = (string | null)[][]

/** A running process that answers one question at a time. */
export class Engines {
  readonly #child = spawn(process.env['LAKE_PYTHON'] ?? 'python3', [join(import.meta.dirname, 'engines.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // DuckDB installs its extensions below HOME; not below the user's.
    env: { ...process.env, HOME: process.env['LAKE_PYTHON_HOME'] ?? process.env['HOME'] },
  })
  readonly #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()

  /** Starts the process and waits until it is connected to the lake. */
  static async start(): Promise<Engines> {
    const engines = new Engines()
    await engines.#answer()
    return engines
  }

  /** Runs a question, with each `{table}` as the engine calls that table. */
  async ask(engine: Engine, sql: string, tables: readonly string[]): Promise<Rows> {
    this.#child.stdin.write(`${JSON.stringify({ engine, sql, tables })}\n`)
    const answer = await this.#answer()
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.rows ?? []
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    this.#child.stdin.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }

  async #answer(): Promise<{ rows?: Rows; error?: string }> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the Python side has ended; its error is above')
    return JSON.parse(String(value))
  }
}
