/** A subscription that prints what it sees. */

import type { CDCBatch, LakeClient, LakePosition } from '../sdk-ts/src/index.ts'
import { say } from './print.ts'

/** Changes printed of a batch; the rest are counted. */
const PRINTED_PER_BATCH = 2
/** After printing, batches are only counted for so long. */
const QUIET_MS = 400

/** Watches tables of the demo. */
export class Watch {
  /** Counts and does not print. */
  isMuted = false
  readonly #stop = new AbortController()
  #seen = 0
  #failure: unknown
  #printedAt = Number.NEGATIVE_INFINITY
  #unprinted = 0
  #done: Promise<void> = Promise.resolve()

  /** Starts watching everything after a position. */
  static start(lake: LakeClient, fromLSN: LakePosition | undefined): Watch {
    const watch = new Watch()
    const tables = ['flights', 'planes', 'airlines']
    watch.#done = watch.#run(lake.subscribe({ tables, fromLSN, signal: watch.#stop.signal }))
    return watch
  }

  /** Waits until this many changes were seen. */
  async waitFor(count: number): Promise<void> {
    const start = performance.now()
    while (this.#seen < count) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() - start > 60_000) throw new Error(`the subscription saw ${this.#seen} of ${count} changes`)
      await new Promise((resume) => setTimeout(resume, 20))
    }
    say(`  the subscription saw all ${this.#seen} changes`)
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(batches: AsyncIterable<CDCBatch>): Promise<void> {
    try {
      for await (const batch of batches) this.#print(batch)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#failure = error
      say(`  the subscription ended: ${String(error)}`)
    }
  }

  #print(batch: CDCBatch): void {
    this.#seen += batch.events.length
    if (this.isMuted) return
    // A large transaction comes in many batches: a reader wants a few lines of it.
    if (performance.now() - this.#printedAt < QUIET_MS) {
      this.#unprinted += batch.events.length
      return
    }
    if (this.#unprinted > 0) say(`    … and ${this.#unprinted} more`)
    for (const event of batch.events.slice(0, PRINTED_PER_BATCH)) {
      say(`    ${event.operation} ${event.table} ${JSON.stringify(event.primaryKey)} at position ${event.position}`)
    }
    this.#unprinted = Math.max(0, batch.events.length - PRINTED_PER_BATCH)
    this.#printedAt = performance.now()
  }
}
