/**
 * When to send again and how long to wait before. Pure: the random number is an argument.
 *
 * Delays double from `baseDelayMs` to `maxDelayMs` and are drawn between zero and that ("full jitter"), so that
 * clients that failed together do not come back together.
 */

import type { LakeError } from './error.ts'

/** How often and how fast requests are repeated. */
export interface RetryOptions {
  /** Most repetitions of one request. Default 3. */
  readonly maxRetries?: number | undefined
  /** Upper end of the first delay. Default 100. */
  readonly baseDelayMs?: number | undefined
  /** Upper end of every delay. Default 5000. */
  readonly maxDelayMs?: number | undefined
}

/** `RetryOptions` with the defaults filled in. */
export interface RetryPolicy {
  readonly maxRetries: number
  readonly baseDelayMs: number
  readonly maxDelayMs: number
}

/** Fills in the defaults. */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  return {
    maxRetries: options.maxRetries ?? 3,
    baseDelayMs: options.baseDelayMs ?? 100,
    maxDelayMs: options.maxDelayMs ?? 5_000,
  }
}

/** What sending a request twice can do. */
export type Repeatable =
  /** A read, or a write that the server recognises when it comes again. */
  | 'safe'
  /** Another effect, unless the server promises that there was none. */
  | 'unsafe'

/** The delay before repetition number `attempt` (from 1), or `undefined` if the error is final. */
export function planRetry(
  policy: RetryPolicy,
  attempt: number,
  error: LakeError,
  repeatable: Repeatable,
  random: number,
): number | undefined {
  if (attempt > policy.maxRetries || !error.retryable) return undefined
  if (repeatable === 'unsafe' && !error.noSideEffects) return undefined
  return backoffMs(policy, attempt, random)
}

/** The delay before attempt number `attempt` (from 1); `random` in [0, 1). */
export function backoffMs(policy: RetryPolicy, attempt: number, random: number): number {
  // 2 ** 30 ms is twelve days: beyond it the power only overflows.
  const ceiling = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(attempt - 1, 30))
  return Math.floor(random * ceiling)
}
