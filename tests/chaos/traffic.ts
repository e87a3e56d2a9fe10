/**
 * What writers, readers and the one who kills know of each other: whether the runtime is up, whether there is load,
 * who is busy, what has gone wrong.
 */

import { LakeError } from '../../sdk-ts/src/index.ts'
import { Gate } from './gate.ts'

/** How long one who was told to come again waits. */
export const PAUSE_MS = 25

/** The state of a run. */
export class Traffic {
  /** Open while the runtime answers. */
  readonly up = new Gate()
  /** Open while there is to be load. */
  readonly load = new Gate()
  /** Answers lost. */
  inDoubt = 0
  isOver = false
  /** How often the runtime was killed. */
  kills = 0
  /** The first error that nobody expected. */
  readonly failed = Promise.withResolvers<never>()
  readonly #busy = new Set<{ what: string; since: number }>()
  #idle: (() => void) | undefined
  #onAcknowledged: (() => void) | undefined
  #onCommitOnRead: (() => void) | undefined

  constructor() {
    // Somebody waits for it most of the time, and not always.
    this.failed.promise.catch(() => undefined)
  }

  /** Does something that has to be finished before the ledger can be looked at. */
  async busy(what: string, act: () => Promise<void>): Promise<void> {
    const turn = { what, since: performance.now() }
    this.#busy.add(turn)
    try {
      await act()
    } finally {
      this.#busy.delete(turn)
      if (this.#busy.size === 0) this.#idle?.()
    }
  }

  /** What was begun and is not finished, and for how long. */
  open(): string[] {
    return [...this.#busy].map(({ what, since }) => `${what}: ${Math.round(performance.now() - since)} ms`)
  }

  /** Ends the load; resolves when everything that was begun is known. */
  async quiet(): Promise<void> {
    this.load.close()
    if (this.#busy.size === 0) return
    const idle = Promise.withResolvers<void>()
    this.#idle = idle.resolve
    await Promise.race([idle.promise, this.failed.promise])
    this.#idle = undefined
  }

  /**
   * Does something again and again while there is load, until it is over. What a kill does to it is no error.
   *
   * It rests for `rest` times as long as it took: the runtime has one thread, and writers want it too.
   */
  async repeat(what: string, act: () => Promise<void>, rest: number): Promise<void> {
    for (;;) {
      await this.load.pass()
      if (this.isOver) return
      await this.up.pass()
      if (!this.load.isOpen) continue
      const { kills } = this
      const start = performance.now()
      await this.busy(what, async () => {
        try {
          await act()
        } catch (error) {
          if (error instanceof LakeError && error.retryable) await pause(PAUSE_MS)
          else if (kills === this.kills) throw error
          await this.up.pass()
        }
      })
      if (kills === this.kills) await pause((performance.now() - start) * rest)
    }
  }

  /** Somebody runs until it is over; if it ends otherwise, so does the run. */
  join(run: Promise<void>): void {
    run.catch(error => this.failed.reject(error))
  }

  /** A writer got its answer. */
  acknowledged(): void {
    this.#onAcknowledged?.()
  }

  /** A reader asks for a table, which makes the lake commit. */
  commitOnRead(): void {
    this.#onCommitOnRead?.()
  }

  /** Calls `act` at the moment at which the `count`th of these is told; another call takes its place. */
  at(count: number, of: 'acknowledged' | 'commitOnRead', act: () => void): void {
    let left = count
    const listener = (): void => {
      left -= 1
      if (left === 0) act()
    }
    this.#onAcknowledged = of === 'acknowledged' ? listener : undefined
    this.#onCommitOnRead = of === 'commitOnRead' ? listener : undefined
  }

  /** Nothing is waited for any longer. */
  forget(): void {
    this.#onAcknowledged = undefined
    this.#onCommitOnRead = undefined
  }
}

/** Goes on after this many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise(resume => setTimeout(resume, milliseconds))
}
