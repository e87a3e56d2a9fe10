/** Answers side by side: the first of a question is what the others have to equal. */

import type { Row } from '../sdk-ts/src/index.ts'
import type { Rows } from './engines.ts'
import { say, seconds } from './print.ts'

/** Rows of an answer of ours as text, as the foreign engines give theirs. */
export function valuesOf(answer: { readonly rows: readonly Row[]; readonly columns: readonly string[] }): Rows {
  return answer.rows.map((row) => answer.columns.map((column) => {
    const value = row[column]
    return value === null || value === undefined ? null : String(value)
  }))
}

/** Collects the answers to one question after another. */
export class Comparison {
  /** Answers that were not equal, or not given. */
  failures = 0
  #expected: Rows | undefined

  /** The next question. */
  begin(question: string): void {
    this.#expected = undefined
    say(`  ${question}`)
  }

  /** Asks one engine and compares. */
  async add(who: string, ask: () => Promise<Rows>): Promise<void> {
    const start = performance.now()
    let outcome: string
    try {
      const rows = await ask()
      outcome = this.#compare(rows)
    } catch (error) {
      this.failures += 1
      outcome = `FAILED: ${error instanceof Error ? error.message : String(error)}`
    }
    say(`    ${who.padEnd(24)}${seconds(performance.now() - start)}  ${outcome}`)
  }

  #compare(rows: Rows): string {
    this.#expected ??= rows
    if (rows.length === 0) {
      this.failures += 1
      return 'NO ROWS'
    }
    const different = rows.findIndex((row, index) => JSON.stringify(row) !== JSON.stringify(this.#expected?.[index]))
    if (different === -1 && rows.length === this.#expected.length) return `${rows.length} rows, ${fingerprint(rows)}`
    this.failures += 1
    const at = different === -1 ? Math.min(rows.length, this.#expected.length) : different
    return `DIFFERENT at row ${at + 1}: ${JSON.stringify(rows[at])} and not ${JSON.stringify(this.#expected[at])}`
  }
}

/** A few digits that stand for an answer, so that a reader sees which are equal (FNV-1a). */
function fingerprint(rows: Rows): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(JSON.stringify(rows))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return `#${hash.toString(16).padStart(8, '0')}`
}
