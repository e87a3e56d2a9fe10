/** One wire, two languages: a Rust test of `api` reads the same files. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decodeResult } from '../src/answer.ts'
import { encodeAck, encodeSubscribe, MessageDecoder, type ServerMessage } from '../src/change.ts'
import { errorOfAnswer } from '../src/error.ts'
import type { LakeValue } from '../src/value.ts'

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../tests/fixtures/wire/${name}`, import.meta.url), 'utf8'))
}

interface Message {
  readonly from: 'client' | 'server'
  readonly message: Record<string, unknown>
}

describe('subscribe.json', () => {
  const decoder = new MessageDecoder()
  const kinds: Record<string, ServerMessage['kind']> = {
    subscribed: 'subscribed',
    relation: 'relation',
    batch: 'batch',
    progress: 'progress',
    error: 'error',
  }
  for (const { from, message } of fixture<Message[]>('subscribe.json')) {
    test(`${from}: ${String(message['type'])}`, () => {
      if (from === 'server') {
        const decoded = decoder.decode(JSON.stringify(message))
        assert.equal(decoded.kind, kinds[String(message['type'])])
        if (decoded.kind !== 'relation' && decoded.kind !== 'error') assert.ok(fieldsAgree(decoded, message))
      } else if (message['type'] === 'ack') {
        assert.deepEqual(JSON.parse(encodeAck(BigInt(String(message['position'])))), message)
      } else {
        const { fromPosition, ...rest } = message
        // The fixture is a message of ours by what this test shows.
        const request = { ...rest, fromPosition: BigInt(String(fromPosition)) } as unknown as Parameters<typeof encodeSubscribe>[0]
        assert.deepEqual(JSON.parse(encodeSubscribe(request)), message)
      }
    })
  }

  function fieldsAgree(decoded: ServerMessage, message: Record<string, unknown>): boolean {
    const position = decoded.kind === 'batch' ? decoded.batch.position : 'position' in decoded ? decoded.position : undefined
    assert.equal(position?.toString(), message['position'])
    if (decoded.kind !== 'batch') return true
    const wire = message['events'] as Record<string, unknown>[]
    assert.deepEqual(
      decoded.batch.events.map(event => JSON.parse(JSON.stringify([event.after ?? null, event.lsn.toString(), event.tooLarge ?? null]))),
      wire.map(event => [event['after'] ?? null, event['lsn'], event['tooLarge'] ?? null]),
    )
    return true
  }
})

interface Answer {
  readonly type: string
  readonly json: unknown
  readonly javascript: { readonly kind: string; readonly text: string }
}

/** A value as kind and text, so that a JSON file can say what JavaScript should hold. */
function described(value: LakeValue): { kind: string; text: string } {
  if (value === null) return { kind: 'null', text: '' }
  if (value instanceof Uint8Array) return { kind: 'bytes', text: [...value].join(' ') }
  if (Array.isArray(value)) return { kind: 'array', text: value.map(item => described(item).text).join(' | ') }
  if (Object.is(value, -0)) return { kind: 'number', text: '-0' }
  return { kind: typeof value, text: typeof value === 'object' ? JSON.stringify(value) : String(value) }
}

describe('answers.json', () => {
  const { values, answer } = fixture<{ values: Answer[]; answer: Record<string, unknown> }>('answers.json')
  for (const { type, json, javascript } of values) {
    test(`${type} ${JSON.stringify(json)}`, () => {
      const result = decodeResult({ columns: [{ name: 'v', type }], rows: [[json]], rowCount: 1, command: 'SELECT' })
      assert.deepEqual(described(result.rows[0]?.['v'] ?? null), javascript)
    })
  }
  test('a whole answer', () => {
    const result = decodeResult(answer)
    assert.deepEqual(result.columns, (answer['columns'] as { name: string }[]).map(column => column.name))
    assert.equal(JSON.stringify(result.rows[0]), '{"id":"9223372036854775807","?column?":"a\\"\\\\\\n\\u0001é"}')
  })
})

describe('errors.json', () => {
  interface Failure {
    readonly status: number
    readonly body: { readonly error: Record<string, unknown> }
  }
  for (const { status, body } of fixture<Failure[]>('errors.json')) {
    test(String(body.error['code']), () => {
      const { code, message, detail, hint, retryable, noSideEffects, requestId } = errorOfAnswer(status, JSON.stringify(body), undefined)
      assert.deepEqual({ code, message, detail: detail ?? null, hint: hint ?? null, retryable, noSideEffects, requestId }, body.error)
    })
  }
})
