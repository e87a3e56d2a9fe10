/** Row changes as a subscriber sees them, and their wire form. */

import { bigintField, decodeColumn, listField, numberField, optional, textField } from './answer.ts'
import { isRecord, unexpectedAnswer } from './error.ts'
import { createLakePosition, createLSN, type LakePosition, type LSN } from './lsn.ts'
import { imageDecoder, type Row, withJson } from './row.ts'
import type { LakeValue } from './value.ts'

/** Kind of a change. */
export type CDCOperation = 'INSERT' | 'UPDATE' | 'DELETE'

/** What every change says. */
export interface CDCEventBase {
  /** Position of the change in the lake. */
  readonly position: LakePosition
  /** Position of its transaction in its database. */
  readonly lsn: LSN
  /** Name of its transaction: the same for all changes that were committed together. */
  readonly transactionId: string
  /** The database it comes from. */
  readonly database: string
  /** Namespace of the table. */
  readonly namespace: string
  /** Table. */
  readonly table: string
  /** When the transaction was committed, cut to milliseconds. */
  readonly timestamp: Date
  /** The same, exactly: ISO 8601 with microseconds. */
  readonly committedAt: string
  /** Names and values of the key's columns, as far as they are known. */
  readonly primaryKey: Row
  /** The rows take more than 4 MiB: `before` and `after` hold the key's columns alone, or none. Read the row with a query. */
  readonly tooLarge?: true
}

/** A row is new. */
export interface InsertEvent<T = Row> extends CDCEventBase {
  readonly operation: 'INSERT'
  /** There was no row. */
  readonly before?: undefined
  /** The row. */
  readonly after: T
}

/** A row changed. A change of its key comes as a DELETE and an INSERT. */
export interface UpdateEvent<T = Row> extends CDCEventBase {
  readonly operation: 'UPDATE'
  /** The row as it was; absent where it is no longer known. */
  readonly before?: T | undefined
  /** The row as it is. */
  readonly after: T
}

/** A row is gone. */
export interface DeleteEvent<T = Row> extends CDCEventBase {
  readonly operation: 'DELETE'
  /** The row as it was; absent where it is no longer known. */
  readonly before?: T | undefined
  /** There is no row. */
  readonly after?: undefined
}

/** A change of one row. */
export type CDCEvent<T = Row> = InsertEvent<T> | UpdateEvent<T> | DeleteEvent<T>

/** Changes in the order of their positions. */
export interface CDCBatch<T = Row> {
  /** At least one. */
  readonly events: CDCEvent<T>[]
  /** Everything up to here has been delivered: pass it as `fromLSN` to go on after this batch. */
  readonly position: LakePosition
  /** Counts the batches of this subscription from 1. */
  readonly sequenceNumber: number
  /** When the lake sent it. */
  readonly timestamp: Date
  /** The database that all events come from. */
  readonly sourceDoId: string
}

/** A message from the server. */
export type ServerMessage =
  | { readonly kind: 'subscribed'; readonly position: LakePosition }
  | { readonly kind: 'batch'; readonly batch: CDCBatch }
  | { readonly kind: 'progress'; readonly position: LakePosition }
  | { readonly kind: 'relation' }
  | {
      readonly kind: 'error'
      readonly code: string
      readonly message: string
      readonly retryable: boolean
      readonly earliest: bigint | undefined
    }

interface Relation {
  readonly key: readonly string[]
  readonly decode: (wire: Readonly<Record<string, unknown>>) => Row
}

/** Reads the messages of one connection; keeps the relations that the events after them need. */
export class MessageDecoder {
  readonly #relations = new Map<string, Relation>()

  /** Reads one message. Throws a `LakeError` for what the contract does not know. */
  decode(data: unknown): ServerMessage {
    if (typeof data !== 'string') throw unexpectedAnswer('a message is not text')
    let message: unknown
    try {
      message = JSON.parse(data)
    } catch (cause) {
      throw unexpectedAnswer('a message is not JSON', cause)
    }
    if (!isRecord(message)) throw unexpectedAnswer('a message is not a JSON object')
    switch (message['type']) {
      case 'subscribed':
      case 'progress':
        return { kind: message['type'], position: createLakePosition(bigintField(message, 'position')) }
      case 'relation':
        this.#remember(message)
        return { kind: 'relation' }
      case 'batch':
        return { kind: 'batch', batch: this.#batch(message) }
      case 'error':
        return {
          kind: 'error',
          code: textField(message, 'code'),
          message: textField(message, 'message'),
          retryable: message['retryable'] === true,
          earliest: optional(bigintField, message, 'earliest'),
        }
      default:
        throw unexpectedAnswer(`a message is of an unknown type: ${String(message['type'])}`)
    }
  }

  #remember(message: Record<string, unknown>): void {
    const columns = listField(message, 'columns').map(decodeColumn)
    const key = listField(message, 'key').filter(name => typeof name === 'string')
    const name = relationName(textField(message, 'namespace'), textField(message, 'table'))
    this.#relations.set(name, { key, decode: imageDecoder(columns) })
  }

  #batch(message: Record<string, unknown>): CDCBatch {
    return withJson({
      events: listField(message, 'events').map(event => this.#event(event)),
      position: createLakePosition(bigintField(message, 'position')),
      sequenceNumber: numberField(message, 'sequenceNumber'),
      timestamp: new Date(textField(message, 'timestamp')),
      sourceDoId: textField(message, 'source'),
    })
  }

  #event(wire: unknown): CDCEvent {
    if (!isRecord(wire)) throw unexpectedAnswer('an event is not a JSON object')
    const namespace = textField(wire, 'namespace')
    const table = textField(wire, 'table')
    const relation = this.#relations.get(relationName(namespace, table))
    if (relation === undefined) throw unexpectedAnswer(`an event came before the columns of its table ${table}`)
    const before = image(relation, wire['before'])
    const after = image(relation, wire['after'])
    const committedAt = textField(wire, 'timestamp')
    const common = {
      position: createLakePosition(bigintField(wire, 'position')),
      lsn: createLSN(bigintField(wire, 'lsn')),
      transactionId: textField(wire, 'transactionId'),
      database: textField(wire, 'shard'),
      namespace,
      table,
      timestamp: new Date(committedAt),
      committedAt,
      primaryKey: keyOf(relation, after ?? before ?? {}),
      ...(wire['tooLarge'] === true ? { tooLarge: true as const } : {}),
    }
    const operation = wire['operation']
    switch (operation) {
      case 'INSERT':
        return withJson({ ...common, operation, after: present(after, operation) })
      case 'UPDATE':
        return withJson({ ...common, operation, before, after: present(after, operation) })
      case 'DELETE':
        return withJson({ ...common, operation, before })
      default:
        throw unexpectedAnswer(`an event is of an unknown operation: ${String(operation)}`)
    }
  }
}

/** Neither name can hold a NUL. */
function relationName(namespace: string, table: string): string {
  return `${namespace}\0${table}`
}

function image(relation: Relation, wire: unknown): Row | undefined {
  if (wire === undefined || wire === null) return undefined
  if (!isRecord(wire)) throw unexpectedAnswer('the image of a row is not a JSON object')
  return relation.decode(wire)
}

function present(after: Row | undefined, operation: string): Row {
  if (after === undefined) throw unexpectedAnswer(`an ${operation} came without its row`)
  return after
}

function keyOf(relation: Relation, row: Row): Row {
  const known = relation.key.filter(name => Object.hasOwn(row, name))
  return withJson(Object.fromEntries(known.map((name): [string, LakeValue] => [name, row[name] ?? null])))
}

/** What a subscription asks for. */
export interface SubscribeRequest {
  readonly namespace: string | undefined
  readonly tables: readonly string[] | undefined
  readonly operations: readonly CDCOperation[] | undefined
  readonly fromPosition: bigint | undefined
  readonly batchSize: number | undefined
}

/** The first message of the client. */
export function encodeSubscribe(request: SubscribeRequest): string {
  return JSON.stringify({ type: 'subscribe', ...request, fromPosition: request.fromPosition?.toString() })
}

/** Everything up to `position` has been consumed. */
export function encodeAck(position: bigint): string {
  return JSON.stringify({ type: 'ack', position: position.toString() })
}
