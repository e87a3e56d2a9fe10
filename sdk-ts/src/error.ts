/**
 * The one error of this package. The server decides `retryable` and `noSideEffects`; the client keeps no copy of the
 * server's table of codes. The subclasses are names that `catch` blocks of earlier versions use; they add nothing.
 */

/** What is known about a failure. */
export interface LakeErrorFacts {
  /** A SQLSTATE (`42P01`) or a name (`unavailable`). */
  readonly code: string
  /** One sentence. */
  readonly message: string
  /** More of what is wrong. */
  readonly detail?: string | undefined
  /** What to do. */
  readonly hint?: string | undefined
  /** Whether sending the same request again, later, can succeed. */
  readonly retryable: boolean
  /** Whether the failed request is promised to have changed nothing. */
  readonly noSideEffects: boolean
  /** HTTP status, if there was an answer. */
  readonly status?: number | undefined
  /** The server's name for the request: look for it in its log. */
  readonly requestId?: string | undefined
  /** With `position_expired`: the earliest position that can be asked for. */
  readonly earliest?: bigint | undefined
  /** The error underneath. */
  readonly cause?: unknown
}

/** A request or a subscription failed. */
export class LakeError extends Error {
  override readonly name: string = 'LakeError'
  /**
   * A SQLSTATE (`42P01`) or a name: the server's, or the client's own `timeout`, `connection_failed`, `closed`,
   * `unexpected_answer`.
   */
  readonly code: string
  /** More of what is wrong. */
  readonly detail: string | undefined
  /** What to do. */
  readonly hint: string | undefined
  /** Whether sending the same request again, later, can succeed. */
  readonly retryable: boolean
  /** Whether the failed request is promised to have changed nothing. If false, the outcome is unknown. */
  readonly noSideEffects: boolean
  /** HTTP status, if there was an answer. */
  readonly status: number | undefined
  /** The server's name for the request. */
  readonly requestId: string | undefined
  /** With `position_expired`: the earliest position that can be asked for. */
  readonly earliest: bigint | undefined

  constructor(facts: LakeErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = facts.code
    this.detail = facts.detail
    this.hint = facts.hint
    this.retryable = facts.retryable
    this.noSideEffects = facts.noSideEffects
    this.status = facts.status
    this.requestId = facts.requestId
    this.earliest = facts.earliest
  }
}

/** SQL was refused: `code` is a SQLSTATE. */
export class QueryError extends LakeError {
  override readonly name = 'QueryError'
}

/** The server could not be reached, or the connection ended before the answer. */
export class ConnectionError extends LakeError {
  override readonly name = 'ConnectionError'
}

/** No answer within the client's `timeout`. */
export class TimeoutError extends LakeError {
  override readonly name = 'TimeoutError'
}

/** Reads the body of an error answer; anything that is not one of ours becomes `unexpected_answer`. */
export function errorOfAnswer(status: number, body: string, requestId: string | undefined): LakeError {
  const facts = factsOfBody(status, body)
  if (facts === undefined) {
    return new LakeError({
      code: 'unexpected_answer',
      message: `the server answered ${status} without an error body`,
      detail: body.slice(0, 200),
      // Not the lake's own words, so a proxy's: those of 429 and 5xx speak of the moment.
      retryable: status === 429 || status >= 500,
      noSideEffects: false,
      status,
      requestId,
    })
  }
  const all = { ...facts, status, requestId: facts.requestId ?? requestId }
  return /^[0-9A-Z]{5}$/.test(facts.code) ? new QueryError(all) : new LakeError(all)
}

function factsOfBody(status: number, body: string): LakeErrorFacts | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    // Not JSON: the caller says what came instead.
    return undefined
  }
  if (!isRecord(parsed) || !isRecord(parsed['error'])) return undefined
  const error = parsed['error']
  if (typeof error['message'] !== 'string') return undefined
  if (typeof error['type'] === 'string') {
    // The catalog's: Iceberg's REST specification has a type and a status, which say all that there is to know.
    const retryable = status === 429 || status === 503
    return { code: error['type'], message: error['message'], retryable, noSideEffects: status < 500 }
  }
  if (typeof error['code'] !== 'string') return undefined
  return {
    code: error['code'],
    message: error['message'],
    detail: text(error['detail']),
    hint: text(error['hint']),
    retryable: error['retryable'] === true,
    noSideEffects: error['noSideEffects'] === true,
    requestId: text(error['requestId']),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The server broke the contract: a bug of ours, or something else answers at this address. */
export function unexpectedAnswer(message: string, cause?: unknown): LakeError {
  return new LakeError({ code: 'unexpected_answer', message, retryable: false, noSideEffects: false, cause })
}

/** The caller passed something that can never work; nothing was sent. */
export function invalid(message: string, cause?: unknown): LakeError {
  return new LakeError({ code: 'invalid', message, retryable: false, noSideEffects: true, cause })
}
