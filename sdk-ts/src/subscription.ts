/**
 * The loop that does what `subscription-state.ts` calls for: dials, passes messages on, acknowledges, waits.
 *
 * The consumer sets the pace: a batch is acknowledged when the loop asks for the one after it, and the server sends
 * only a few batches ahead of acknowledgements. A browser cannot set headers on a WebSocket, so the token travels as a
 * subprotocol next to ours.
 */

import { type CDCBatch, encodeAck, encodeSubscribe, MessageDecoder, type SubscribeRequest } from './change.ts'
import type { Environment } from './environment.ts'
import { ConnectionError, invalid, LakeError, TimeoutError, unexpectedAnswer } from './error.ts'
import type { Emitter } from './events.ts'
import { backoffMs, type RetryPolicy } from './retry.ts'
import { withJson } from './row.ts'
import { next, started, type SubscriptionEvent, type SubscriptionState } from './subscription-state.ts'

const PROTOCOL = 'lake.v1'

/** The part of a `WebSocket` that is used. */
export interface LakeSocket {
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void
}

/** A constructor of WebSockets. */
export type LakeSocketConstructor = new (url: string, protocols: string[]) => LakeSocket

/** What a subscription needs from its client. */
export interface SubscriptionSettings {
  readonly url: URL
  readonly token: string | undefined
  readonly timeoutMs: number
  readonly policy: RetryPolicy
  readonly failuresMax: number
  readonly request: SubscribeRequest
  readonly socket: LakeSocketConstructor
  readonly environment: Environment
  readonly emitter: Emitter
  /** Why a connection was refused: a WebSocket does not say. `undefined` if the server would take it. */
  readonly diagnose: (signal: AbortSignal) => Promise<LakeError | undefined>
}

/** Delivers batches until `stop` is aborted (ends), `signal` is aborted (throws its reason) or an error is final. */
export function subscription(
  settings: SubscriptionSettings,
  stop: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<CDCBatch> {
  const run = new Run(settings)
  const batches = deliver(run, stop, signal)
  return {
    next: () => batches.next(),
    return: () => {
      // A generator that waits for a batch would not hear of it before the batch comes.
      run.stop()
      return batches.return()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function* deliver(
  run: Run,
  stop: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncGenerator<CDCBatch, void, undefined> {
  const halt = (): void => run.stop()
  stop.addEventListener('abort', halt)
  signal?.addEventListener('abort', halt)
  try {
    if (stop.aborted) return
    signal?.throwIfAborted()
    run.start()
    for (let batch = await run.take(); batch !== undefined; batch = await run.take()) {
      yield batch
      run.acknowledge(batch)
    }
    signal?.throwIfAborted()
  } finally {
    stop.removeEventListener('abort', halt)
    signal?.removeEventListener('abort', halt)
    run.stop()
  }
}

/** One subscription from its start to its end, over any number of connections. */
class Run {
  readonly #settings: SubscriptionSettings
  #state: SubscriptionState
  /** Aborted when the connection, or the wait for one, is over. */
  #connection = new AbortController()
  #socket: LakeSocket | undefined
  /** The socket that the batch given last came from, until that batch is acknowledged. */
  #givenBy: LakeSocket | undefined
  #given = 0
  #everStreamed = false
  /** Wakes the loop when the state has changed. */
  #wake: () => void = () => {}

  constructor(settings: SubscriptionSettings) {
    this.#settings = settings
    this.#state = started(settings.request.fromPosition)
  }

  start(): void {
    this.#dialAfter(0)
  }

  stop(): void {
    this.#apply({ kind: 'stop' })
  }

  /** The next batch; `undefined` once stopped. */
  async take(): Promise<CDCBatch | undefined> {
    for (;;) {
      if (this.#state.kind === 'stopped') return undefined
      if (this.#state.kind === 'failed') throw this.#state.error
      const first = this.#state.kind === 'streaming' ? this.#state.pending[0] : undefined
      if (first?.kind === 'batch') {
        this.#givenBy = this.#socket
        this.#apply({ kind: 'given' })
        this.#given += 1
        // The server counts for each connection; here the count goes on over all of them.
        return withJson({ ...first.batch, sequenceNumber: this.#given })
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** The loop asked for more: it is done with this batch. */
  acknowledge(batch: CDCBatch): void {
    // A new connection started after the batch, and knows nothing of it.
    if (this.#socket !== undefined && this.#socket === this.#givenBy) this.#socket.send(encodeAck(batch.position))
    this.#givenBy = undefined
  }

  /** The server reads on when it hears that there is nothing on its way; otherwise the batches' turn will tell it. */
  #acknowledgeProgress(position: bigint): void {
    const isBehind = this.#state.kind === 'streaming' && this.#state.pending.length === 0
    if (isBehind && this.#givenBy === undefined) this.#socket?.send(encodeAck(position))
  }

  #apply(event: SubscriptionEvent): void {
    const before = this.#state
    this.#state = next(before, event)
    if (this.#state === before) return
    if (this.#state.kind === 'waiting' || this.#state.kind === 'failed' || this.#state.kind === 'stopped') {
      this.#hangUp()
    }
    this.#tell(before, event)
    if (this.#state.kind === 'waiting') this.#dialAfter(this.#state.failures)
    this.#wake()
  }

  #tell(before: SubscriptionState, event: SubscriptionEvent): void {
    const { emitter } = this.#settings
    if (event.kind === 'subscribed') {
      emitter.emit(this.#everStreamed ? 'reconnected' : 'connected', undefined)
      this.#everStreamed = true
    }
    if (event.kind === 'lost' && before.kind === 'streaming') emitter.emit('disconnected', event.error)
    if (this.#state.kind === 'failed') emitter.emit('error', this.#state.error)
  }

  #hangUp(): void {
    this.#connection.abort()
    this.#connection = new AbortController()
    const socket = this.#socket
    this.#socket = undefined
    this.#givenBy = undefined
    socket?.close(1000)
  }

  /** Waits as long as `failures` in a row call for, then connects. */
  #dialAfter(failures: number): void {
    const { environment, emitter, policy } = this.#settings
    const { signal } = this.#connection
    if (failures === 0) return this.#dial(signal)
    const delayMs = backoffMs(policy, failures, environment.random())
    emitter.emit('reconnecting', { attempt: failures, delayMs })
    environment.sleep(delayMs, signal).then(
      () => this.#dial(signal),
      // Stopped while waiting: the state says so already.
      () => undefined,
    )
  }

  #dial(signal: AbortSignal): void {
    this.#apply({ kind: 'dialled' })
    if (this.#state.kind !== 'connecting') return
    const { url, token, request, timeoutMs, environment } = this.#settings
    const { resume } = this.#state
    let socket: LakeSocket
    try {
      socket = new this.#settings.socket(url.href, token === undefined ? [PROTOCOL] : [PROTOCOL, `bearer.${token}`])
    } catch (cause) {
      // A subprotocol allows fewer characters than a header: letters, digits and !#$%&'*+-.^_`|~.
      return this.#lost(signal, invalid('the token cannot travel as the subprotocol of a WebSocket', cause))
    }
    this.#socket = socket
    const decoder = new MessageDecoder()
    let opened = false
    socket.addEventListener('open', () => {
      opened = true
      if (!signal.aborted) socket.send(encodeSubscribe({ ...request, fromPosition: resume }))
    })
    socket.addEventListener('message', event => {
      if (!signal.aborted) this.#receive(signal, decoder, event.data)
    })
    socket.addEventListener('error', () => {
      // Says nothing that `close`, which follows it, does not say.
    })
    socket.addEventListener('close', event => {
      if (signal.aborted) return
      const error = closed(event.code, event.reason)
      if (opened) return this.#lost(signal, error)
      this.#settings.diagnose(signal).then(
        refusal => this.#lost(signal, refusal ?? error),
        () => this.#lost(signal, error),
      )
    })
    environment.sleep(timeoutMs, signal).then(
      () => {
        if (this.#state.kind === 'connecting') this.#lost(signal, silent(timeoutMs))
      },
      // Over before the time limit.
      () => undefined,
    )
  }

  #receive(signal: AbortSignal, decoder: MessageDecoder, data: unknown): void {
    try {
      const message = decoder.decode(data)
      switch (message.kind) {
        case 'relation':
          return
        case 'error': {
          const { code, message: text, retryable, earliest } = message
          return this.#lost(signal, new LakeError({ code, message: text, retryable, noSideEffects: true, earliest }))
        }
        case 'progress':
          this.#apply(message)
          return this.#acknowledgeProgress(message.position)
        default:
          return this.#apply(message)
      }
    } catch (cause) {
      this.#lost(signal, cause instanceof LakeError ? cause : unexpectedAnswer('a message cannot be read', cause))
    }
  }

  #lost(signal: AbortSignal, error: LakeError): void {
    // Each connection is lost once, and an old one cannot end a new one.
    if (!signal.aborted) this.#apply({ kind: 'lost', error, failuresMax: this.#settings.failuresMax })
  }
}

function closed(code: number, reason: string): LakeError {
  const message = `the subscription's connection ended (${code}${reason === '' ? '' : ` ${reason}`})`
  return new ConnectionError({ code: 'connection_failed', message, retryable: true, noSideEffects: true })
}

function silent(timeoutMs: number): LakeError {
  const message = `the subscription was not confirmed within ${timeoutMs} ms`
  return new TimeoutError({ code: 'timeout', message, retryable: true, noSideEffects: true })
}
