// What crosses between wasm and JavaScript of a request and of its answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface Exchange {
  read(request: Request, names: readonly string[]): string
  answer(status: number, lines: string, body?: Uint8Array): Response
}

const { read, answer }: Exchange = await import(new URL('../../workers/platform/src/exchange.js', import.meta.url).href)

function headersOf(response: Response): Record<string, string> {
  const all: Record<string, string> = {}
  response.headers.forEach((value, name) => {
    all[name] = value
  })
  return all
}

test('a request is its method, its address and a line for each header', () => {
  const request = new Request('http://a/b?c=d', { method: 'PUT', headers: { 'x-empty': '', 'x-two': 'a=b:c' } })
  assert.equal(read(request, ['x-two', 'x-none', 'x-empty']), 'PUT\nhttp://a/b?c=d\n=a=b:c\n\n=')
  assert.equal(read(request, []), 'PUT\nhttp://a/b?c=d')
})

test('an answer has its headers and its bytes', async () => {
  const memory = new TextEncoder().encode('..hello..')
  const made = answer(201, 'etag:"a:b"\nx-request-id:1', memory.subarray(2, 7))
  // The memory is another's by the time that the answer is sent.
  memory.fill(0)
  assert.equal(made.status, 201)
  assert.deepEqual(headersOf(made), { etag: '"a:b"', 'x-request-id': '1' })
  assert.equal(await made.text(), 'hello')
})

test('an answer without headers and body has none', () => {
  const made = answer(204, '')
  assert.deepEqual(headersOf(made), {})
  assert.equal(made.body, null)
})
