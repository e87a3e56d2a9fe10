import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lake } from './lake.ts'

let lake: Lake
before(async () => {
  lake = await Lake.start()
})
after(() => lake.stop())

const origin = 'https://dashboard.example.com'

test('a preflight is answered without a token and allows what the SDK sends', async () => {
  const answer = await fetch(`${lake.url}/v1/databases/default/sql`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,idempotency-key,content-type' },
  })
  assert.equal(answer.status, 204)
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  for (const header of ['authorization', 'idempotency-key', 'content-type']) {
    assert.ok(answer.headers.get('access-control-allow-headers')?.includes(header), header)
  }
  assert.ok(answer.headers.get('access-control-allow-methods')?.includes('DELETE'))
})

test('answers and errors can be read by a page of another origin', async () => {
  for (const sql of ['SELECT 1', 'SELEC 1']) {
    const answer = await lake.fetch('/v1/databases/default/sql', { method: 'POST', body: JSON.stringify({ sql }), headers: { origin } })
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
    assert.ok(answer.headers.get('access-control-expose-headers')?.includes('x-request-id'))
  }
})

test('a subscription needs no header: the token is a subprotocol, and ours is chosen', async () => {
  const socket = new WebSocket(`${lake.url.replace('http', 'ws')}/v1/subscribe`, ['lake.v1', `bearer.${lake.token(['all'])}`])
  const opened = await new Promise<string>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(socket.protocol))
    socket.addEventListener('error', () => reject(new Error('refused')))
  })
  socket.close()
  assert.equal(opened, 'lake.v1')
})

test('the page at the root says what answers here', async () => {
  const answer = await fetch(lake.url)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/html/)
})
