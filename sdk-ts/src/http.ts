/** One request to the lake: address, token, time limit, repetitions. */

import type { Environment } from './environment.ts'
import { ConnectionError, errorOfAnswer, invalid, LakeError, TimeoutError } from './error.ts'
import { planRetry, type Repeatable, type RetryPolicy } from './retry.ts'

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Begins with `/`. */
  readonly path: string
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly repeatable: Repeatable
  readonly signal?: AbortSignal | undefined
}

/** Told before each repetition. */
export interface RetryNotice {
  /** What failed. */
  readonly error: LakeError
  /** Number of the repetition, from 1. */
  readonly attempt: number
  /** How long it waits. */
  readonly delayMs: number
}

/** Sends requests to one server. */
export class Http {
  readonly #base: URL
  readonly #token: string | undefined
  readonly #timeoutMs: number
  readonly #policy: RetryPolicy
  readonly #fetch: Fetch
  readonly #environment: Environment
  readonly #onRetry: (notice: RetryNotice) => void

  constructor(settings: {
    base: URL
    token: string | undefined
    timeoutMs: number
    policy: RetryPolicy
    fetch: Fetch
    environment: Environment
    onRetry: (notice: RetryNotice) => void
  }) {
    this.#base = settings.base
    this.#token = settings.token
    this.#timeoutMs = settings.timeoutMs
    this.#policy = settings.policy
    this.#fetch = settings.fetch
    this.#environment = settings.environment
    this.#onRetry = settings.onRetry
  }

  /** The body of the answer. Throws a `LakeError`, or the signal's reason. */
  async send(request: HttpRequest): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#sendOnce(request)
      if (typeof outcome === 'string') return outcome
      const delayMs = planRetry(this.#policy, attempt, outcome, request.repeatable, this.#environment.random())
      if (delayMs === undefined) throw outcome
      this.#onRetry({ error: outcome, attempt, delayMs })
      await this.#environment.sleep(delayMs, request.signal)
    }
  }

  async #sendOnce(request: HttpRequest): Promise<string | LakeError> {
    request.signal?.throwIfAborted()
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    try {
      const response = await this.#fetch(addressOf(this.#base, request.path).href, {
        method: request.method,
        headers: {
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: request.body }),
        signal: request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]),
      })
      const body = await response.text()
      if (response.ok) return body
      return errorOfAnswer(response.status, body, response.headers.get('x-request-id') ?? undefined)
    } catch (cause) {
      request.signal?.throwIfAborted()
      // Sent or not, carried out or not: nobody knows, so neither promises that nothing happened.
      if (timeout.aborted) {
        const message = `no answer within ${this.#timeoutMs} ms`
        return new TimeoutError({ code: 'timeout', message, retryable: true, noSideEffects: false, cause })
      }
      const message = `the connection to ${this.#base.host} failed`
      return new ConnectionError({ code: 'connection_failed', message, retryable: true, noSideEffects: false, cause })
    }
  }
}

/** The address of `path` under a base that may have a path of its own. */
export function addressOf(base: URL, path: string): URL {
  const address = new URL(base)
  const question = path.indexOf('?')
  address.pathname = base.pathname.replace(/\/+$/, '') + (question === -1 ? path : path.slice(0, question))
  address.search = question === -1 ? '' : path.slice(question)
  return address
}

/** Reads the `url` of the configuration. */
export function parseBase(url: string): URL {
  let base: URL
  try {
    base = new URL(url)
  } catch (cause) {
    throw invalid(`not a URL: ${url}`, cause)
  }
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw invalid(`not an http(s) URL: ${url}`)
  return base
}
