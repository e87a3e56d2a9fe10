/**
 * A producer on `/v1/changes` that is not a shard: it sends what a test tells it to, also what a shard never would.
 *
 * The bytes are those of the `cdc` crate: a kind byte and LEB128 fields. Only what these tests need is here: one table
 * `things (id bigint, note text)`.
 */

import { once } from 'node:events'
import type { Lake } from './lake.ts'

/** A message of the lake. */
export type Reply =
  | { readonly kind: 'hello'; readonly accepted: bigint; readonly durable: bigint }
  | { readonly kind: 'accepted'; readonly lsn: bigint }
  | { readonly kind: 'durable'; readonly lsn: bigint }
  | { readonly kind: 'gap'; readonly expected: bigint }
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly message: string }
  | { readonly kind: 'ended' }
  | { readonly kind: 'closed'; readonly code: number }

const REFUSALS = ['', 'version', 'timelineConflict', 'shardBehind', 'busy', 'malformed', 'ended', 'namespaceConflict'] as const

/** Why the lake refuses. */
export type Refusal = (typeof REFUSALS)[number]

/** How a producer introduces itself. */
export interface Hello {
  readonly database: string
  /** Which of the timelines of its name. */
  readonly timeline: number
  readonly namespace?: string
  readonly committed: number
  readonly version?: number
}

/** A connection. */
export class Producer {
  readonly #socket: WebSocket
  readonly #replies: Reply[] = []
  #waiting: ((reply: Reply) => void) | undefined

  static async connect(lake: Lake, token: string = lake.token(['ingest'])): Promise<Producer> {
    const socket = new WebSocket(`${lake.url.replace('http', 'ws')}/v1/changes`, ['lake.v1', `bearer.${token}`])
    socket.binaryType = 'arraybuffer'
    const producer = new Producer(socket)
    await once(socket, 'open')
    return producer
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', event => this.#arrived(decode(new Uint8Array(event.data))))
    socket.addEventListener('close', event => this.#arrived({ kind: 'closed', code: event.code }))
  }

  #arrived(reply: Reply): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) this.#replies.push(reply)
    else waiting(reply)
  }

  /** The next message; those that say what is durable come at any time and are left out. */
  async reply(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.shift() ?? (await new Promise<Reply>(resolve => (this.#waiting = resolve)))
      if (reply.kind !== 'durable') return reply
    }
  }

  send(bytes: readonly number[]): void {
    this.#socket.send(Uint8Array.from(bytes))
  }

  async hello(hello: Hello): Promise<Reply> {
    const { version = 1, database, namespace = database, timeline, committed } = hello
    const fields = [version, version, 0].flatMap(varint)
    this.send([1, ...fields, ...text(database), ...timelineId(database, timeline), ...text(namespace), ...varint(committed)])
    return this.reply()
  }

  /** Sends these transactions in one message. */
  async changes(...transactions: Transaction[]): Promise<Reply> {
    this.send(changes(...transactions.map(({ lsn, record }) => ({ lsn, part: 0, last: true, record }))))
    return this.reply()
  }

  async end(lsn: number): Promise<Reply> {
    this.send([8, ...varint(lsn)])
    return this.reply()
  }

  close(): void {
    this.#socket.close()
  }
}

/** Sixteen bytes that no other database has. */
function timelineId(database: string, timeline: number): number[] {
  return [timeline, ...new TextEncoder().encode(database.padEnd(15, '.').slice(0, 15))]
}

/** A change record. */
export interface Transaction {
  readonly lsn: number
  readonly record: readonly number[]
}

const TABLE = 1

/** A transaction that inserts rows; the first one of a table creates it. */
export function inserts(lsn: number, ...ids: number[]): Transaction {
  const entries = ids.flatMap(id => [2, ...varint(TABLE), ...row(id, `note ${id}`)])
  return { lsn, record: [...header(lsn), ...(lsn === 1 ? relation() : []), ...entries] }
}

/** The bytes of a `Changes` message. */
export function changes(...parts: { lsn: number; part: number; last: boolean; record: readonly number[] }[]): number[] {
  const fields = parts.flatMap(({ lsn, part, last, record }) => [
    ...varint(lsn),
    ...varint(part),
    last ? 1 : 0,
    ...varint(record.length),
    ...record,
  ])
  return [3, ...varint(parts.length), ...fields]
}

/** Format, lsn, stamp in microseconds. */
function header(lsn: number): number[] {
  return [1, ...varint(lsn), ...varint(BigInt(1_736_812_800_000_000 + lsn) * 2n)]
}

/** `things (id bigint NOT NULL, note text)` with the key `id`. */
function relation(): number[] {
  const column = (id: number, name: string, type: number, nullable: number): number[] => [id, ...text(name), 0, type, nullable]
  return [1, TABLE, ...text('things'), 2, ...column(1, 'id', 4, 0), ...column(2, 'note', 13, 1), 1, 0]
}

function row(id: number, note: string): number[] {
  return [2, 4, ...varint(id * 2), 13, ...text(note)]
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)]
  return [...varint(bytes.length), ...bytes]
}

function varint(value: number | bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

function decode(bytes: Uint8Array): Reply {
  let at = 1
  const take = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at] ?? 0
      at += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  switch (bytes[0]) {
    case 2:
      take()
      take()
      return { kind: 'hello', accepted: take(), durable: take() }
    case 4:
      return { kind: 'accepted', lsn: take() }
    case 5:
      return { kind: 'durable', lsn: take() }
    case 6:
      return { kind: 'gap', expected: take() }
    case 7: {
      const reason = REFUSALS[Number(take())] ?? ''
      take()
      const length = Number(take())
      return { kind: 'refused', reason, message: new TextDecoder().decode(bytes.subarray(at, at + length)) }
    }
    case 9:
      return { kind: 'ended' }
    default:
      throw new Error(`an unknown message ${bytes[0]}`)
  }
}
