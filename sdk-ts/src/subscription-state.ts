/**
 * The state of a subscription as a pure function: what a message, a lost connection or the loop's next turn means.
 *
 * `resume` is the position to ask for on the next connection: the end of what the loop was given. Batches that have
 * arrived but were not given yet are forgotten with their connection and come again on the next one, so the loop sees
 * each change once and the memory of a slow loop is bounded by what the server sends ahead of acknowledgements.
 * `subscription.ts` does what the state calls for; nothing here waits, sends or reads a clock.
 */

import type { CDCBatch } from './change.ts'
import type { LakeError } from './error.ts'

/** Waiting in order: a batch for the loop, or the position after changes that were filtered out. */
export type Pending =
  | { readonly kind: 'batch'; readonly batch: CDCBatch }
  | { readonly kind: 'progress'; readonly position: bigint }

/** Where a subscription stands. */
export type SubscriptionState =
  /** A connection is wanted after a delay; `failures` connections in a row have failed. */
  | { readonly kind: 'waiting'; readonly resume: bigint | undefined; readonly failures: number }
  /** A connection is being made; the server has not confirmed the start. */
  | { readonly kind: 'connecting'; readonly resume: bigint | undefined; readonly failures: number }
  /** The start is fixed. */
  | { readonly kind: 'streaming'; readonly resume: bigint; readonly pending: readonly Pending[] }
  /** Ended by an error that the loop will see. */
  | { readonly kind: 'failed'; readonly error: LakeError }
  /** Ended by the user. */
  | { readonly kind: 'stopped' }

/** What can happen to it. */
export type SubscriptionEvent =
  /** The delay is over. */
  | { readonly kind: 'dialled' }
  /** The server fixed the start. */
  | { readonly kind: 'subscribed'; readonly position: bigint }
  /** Changes arrived. */
  | { readonly kind: 'batch'; readonly batch: CDCBatch }
  /** There is nothing for this subscription up to a position. */
  | { readonly kind: 'progress'; readonly position: bigint }
  /** The loop was given the first pending batch. */
  | { readonly kind: 'given' }
  /** The connection failed or ended, or the server ended it. */
  | { readonly kind: 'lost'; readonly error: LakeError; readonly failuresMax: number }
  /** The user stopped it. */
  | { readonly kind: 'stop' }

/** The state at the start. */
export function started(resume: bigint | undefined): SubscriptionState {
  return { kind: 'waiting', resume, failures: 0 }
}

/** Returns the same object if the event means nothing in this state. */
export function next(state: SubscriptionState, event: SubscriptionEvent): SubscriptionState {
  if (state.kind === 'failed' || state.kind === 'stopped') return state
  switch (event.kind) {
    case 'stop':
      return { kind: 'stopped' }
    case 'dialled':
      return state.kind === 'waiting' ? { ...state, kind: 'connecting' } : state
    case 'subscribed':
      if (state.kind !== 'connecting') return state
      return { kind: 'streaming', resume: event.position, pending: [] }
    case 'batch':
      if (state.kind !== 'streaming') return state
      return { ...state, pending: [...state.pending, { kind: 'batch', batch: event.batch }] }
    case 'progress':
      if (state.kind !== 'streaming') return state
      return absorbed({ ...state, pending: [...state.pending, { kind: 'progress', position: event.position }] })
    case 'given': {
      const first = state.kind === 'streaming' ? state.pending[0] : undefined
      if (state.kind !== 'streaming' || first?.kind !== 'batch') return state
      return absorbed({ kind: 'streaming', resume: first.batch.position, pending: state.pending.slice(1) })
    }
    case 'lost':
      return state.kind === 'waiting' ? state : afterLoss(state, event)
  }
}

type Streaming = Extract<SubscriptionState, { kind: 'streaming' }>
type Connected = Extract<SubscriptionState, { kind: 'connecting' | 'streaming' }>

/** Progress at the head is behind the loop; of two in a row only the later one matters, so they cannot pile up. */
function absorbed(state: Streaming): Streaming {
  const pending = state.pending.filter((item, index) => {
    return item.kind === 'batch' || state.pending[index + 1]?.kind !== 'progress'
  })
  const first = pending[0]
  if (first?.kind !== 'progress') return { ...state, pending }
  return { ...state, resume: first.position, pending: pending.slice(1) }
}

function afterLoss(state: Connected, event: Extract<SubscriptionEvent, { kind: 'lost' }>): SubscriptionState {
  // A connection that got as far as streaming ends the row of failures.
  const failures = state.kind === 'streaming' ? 1 : state.failures + 1
  if (!event.error.retryable || failures > event.failuresMax) return { kind: 'failed', error: event.error }
  return { kind: 'waiting', resume: state.resume, failures }
}
