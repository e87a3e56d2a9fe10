/** What a client tells besides its answers: connections of its subscriptions, repetitions of its requests. */

import type { LakeError } from './error.ts'
import type { RetryNotice } from './http.ts'

/** Names of the events and what they carry. */
export interface LakeEvents {
  /** A subscription streams for the first time. */
  connected: undefined
  /** A subscription lost its connection. */
  disconnected: LakeError
  /** A subscription will connect again. */
  reconnecting: { readonly attempt: number; readonly delayMs: number }
  /** A subscription streams again, from where it was. */
  reconnected: undefined
  /** A request will be sent again. */
  retry: RetryNotice
  /** A subscription ended with an error, which its loop throws as well. */
  error: LakeError
}

/** Called with what the event carries. */
export type LakeListener<K extends keyof LakeEvents> = (payload: LakeEvents[K]) => void

type Listeners = { [K in keyof LakeEvents]: Set<LakeListener<K>> }

/** The listeners of one client. */
export class Emitter {
  readonly #listeners: Listeners = {
    connected: new Set(),
    disconnected: new Set(),
    reconnecting: new Set(),
    reconnected: new Set(),
    retry: new Set(),
    error: new Set(),
  }

  /** Adds a listener. */
  on<K extends keyof LakeEvents>(event: K, listener: LakeListener<K>): void {
    this.#listeners[event].add(listener)
  }

  /** Removes a listener. */
  off<K extends keyof LakeEvents>(event: K, listener: LakeListener<K>): void {
    this.#listeners[event].delete(listener)
  }

  /** Calls every listener. */
  emit<K extends keyof LakeEvents>(event: K, payload: LakeEvents[K]): void {
    for (const listener of [...this.#listeners[event]]) listener(payload)
  }
}
