/**
 * A subscriber that has to see each change once and in order, however often the runtime goes away under it.
 *
 * A steady one lives through all of it in one loop and leaves reconnecting to the SDK. A resumed one is ended at each
 * kill and starts again from the cursor that it kept, as a program that died with the runtime would.
 */

import { type CDCBatch, type LakeClient, LakeError } from '../../sdk-ts/src/index.ts'
import { TABLES, TABLE_NAMES, type Values } from './bank.ts'
import type { SeenChange } from './history.ts'
import { pause } from './traffic.ts'
import { Wrong } from './wrong.ts'

/** How long a change may take to arrive once there is no load. */
const LATE_MS = 60_000

/** One subscription to all tables of a namespace. */
export class Subscriber {
  readonly name: string
  readonly namespace: string
  readonly #client: LakeClient
  readonly #batchSize: number | undefined
  /** What a program would keep on disk: the position of the last batch it has dealt with. */
  #cursor = 0n
  #last = 0n
  #seen: SeenChange[] = []
  #batches: AsyncIterableIterator<CDCBatch> | undefined
  #isOver = false
  /** Changes seen in all. */
  count = 0
  /** How often the lake said that it does not have the position any longer. */
  resyncs = 0

  constructor(client: LakeClient, name: string, namespace: string, batchSize?: number) {
    this.#client = client
    this.name = name
    this.namespace = namespace
    this.#batchSize = batchSize
  }

  /** Follows the changes until it is stopped. */
  async run(): Promise<void> {
    while (!this.#isOver) {
      const options = { namespace: this.namespace, fromLSN: this.#cursor, batchSize: this.#batchSize, maxReconnects: 1_000 }
      this.#batches = this.#client.subscribe(options)
      try {
        for await (const batch of this.#batches) this.#take(batch)
      } catch (error) {
        if (!(error instanceof LakeError) || error.code !== 'position_expired' || error.earliest === undefined) throw error
        this.resyncs += 1
        this.#cursor = error.earliest
      }
    }
  }

  /** Ends the loop and starts another from the kept cursor. */
  async resume(): Promise<void> {
    await this.#batches?.return?.()
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#batches?.return?.()
  }

  /** What was seen since it was asked for last, up to `position`, which it waits for. */
  async seenUpTo(position: bigint): Promise<SeenChange[]> {
    const deadline = Date.now() + LATE_MS
    while (this.#last < position) {
      if (Date.now() > deadline) throw new Wrong(`${this.name}: saw nothing after position ${this.#last}; the lake is at ${position}`)
      await pause(5)
    }
    const seen = this.#seen
    this.#seen = []
    return seen
  }

  #take(batch: CDCBatch): void {
    for (const event of batch.events) {
      const table = TABLE_NAMES.find(name => name === event.table)
      if (table === undefined) throw new Wrong(`${this.name}: a change of ${event.table}`)
      if (event.position <= this.#last) throw new Wrong(`${this.name}: position ${event.position} after ${this.#last}`)
      this.#last = event.position
      const image = event.after ?? event.before
      if (image === undefined) throw new Wrong(`${this.name}: position ${event.position} came without its row`)
      const values = (row: Readonly<Record<string, unknown>>): Values => TABLES[table].map(column => String(row[column]))
      this.#seen.push({
        table,
        operation: event.operation,
        id: String(image['id']),
        values: values(image),
        before: event.before && values(event.before),
        shard: event.database,
        lsn: event.lsn,
        position: event.position,
        committedAt: event.committedAt,
      })
    }
    this.count += batch.events.length
    this.#cursor = batch.position
  }
}
